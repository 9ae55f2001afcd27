package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Target is a site to walk through.
type Target struct {
	URL      string   // where the program is, "http://host/trac"
	Projects []string // names of projects below it; none: the program is one project
	Page     string   // a wiki page that each of them has; "": WikiStart
	Key      string   // of the doctor
	// User and Password are a login that the web server knows, for Basic or Digest
	// authentication, whichever it asks for; "": it has none.
	User, Password string
	AuthAll        bool // it wants them for every page, not for /login alone
	Insecure       bool // take any certificate
}

// Result is how one check came out. Problem is "" if all was right.
type Result struct {
	Check   string `json:"check"`
	Problem string `json:"problem,omitempty"`
}

// Bounds of a walk.
const (
	walkTimeout  = 60 * time.Second // of one request
	walkBytes    = 10 << 20         // of the upload and the download
	walkMax      = 64 << 20         // bytes of an answer
	mixRequests  = 40
	mixAtOnce    = 8
	walkProjects = 20 // that are looked at
	abortTries   = 3
)

// Checks are the names of all checks, in the order of the walk.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

type check struct {
	name string
	run  func(*walker, context.Context) error
}

func checks() []check {
	return []check{
		{"doctor", (*walker).reached},
		{"index", (*walker).index},
		{"project page", (*walker).page},
		{"path and query", (*walker).query},
		{"form", (*walker).form},
		{"upload", (*walker).upload},
		{"download", (*walker).download},
		{"login", (*walker).login},
		{"forged headers", (*walker).forged},
		{"https", (*walker).scheme},
		{"links and redirects", (*walker).redirects},
		{"static files", (*walker).static},
		{"HEAD", (*walker).head},
		{"abort", (*walker).abort},
		{"no mix-up", (*walker).mix},
	}
}

// Walk asks for everything, one check after the other, and returns a result for
// each of [Checks]. If the doctor cannot be reached, the others are not tried.
func Walk(ctx context.Context, t Target) []Result {
	w, err := newWalker(t)
	if err != nil {
		return []Result{{checks()[0].name, err.Error()}}
	}
	defer w.client.CloseIdleConnections()
	var list []Result
	for i, c := range checks() {
		res := Result{Check: c.name}
		if err := c.run(w, ctx); err != nil {
			res.Problem = err.Error()
		}
		if list = append(list, res); i == 0 && res.Problem != "" {
			break
		}
	}
	return list
}

// Ask returns the report on a request for path below the target's URL.
func Ask(ctx context.Context, t Target, path string) (*Report, error) {
	w, err := newWalker(t)
	if err != nil {
		return nil, err
	}
	defer w.client.CloseIdleConnections()
	return w.report(ctx, path, t.User != "")
}

type walker struct {
	Target
	client *http.Client
	base   *url.URL
}

func newWalker(t Target) (*walker, error) {
	base, err := url.Parse(strings.TrimRight(t.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a site, like http://localhost/trac", t.URL)
	}
	if t.Page == "" {
		t.Page = "WikiStart"
	}
	t.Projects = t.Projects[:min(len(t.Projects), walkProjects)]
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: t.Insecure}, //nolint:gosec // only if asked for
		DisableCompression: true, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: mixAtOnce,
		ResponseHeaderTimeout: walkTimeout,
	}
	return &walker{Target: t, base: base, client: &http.Client{
		Transport: &digester{Transport: transport, user: t.User}, Timeout: walkTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request makes a request for a decoded path below the program.
func (w *walker) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	path, query, _ := strings.Cut(path, "?")
	u := *w.base
	u.Path, u.RawQuery = w.base.Path+path, query
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err == nil && w.AuthAll {
		r.SetBasicAuth(w.User, w.Password)
	}
	return r, err
}

func (w *walker) do(r *http.Request) (*answer, error) {
	resp, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, walkMax))
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", r.Method, r.URL, err)
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// get asks for a page and wants status 200.
func (w *walker) get(ctx context.Context, path string) (*answer, error) {
	r, err := w.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return w.want(r, http.StatusOK)
}

func (w *walker) want(r *http.Request, status int) (*answer, error) {
	a, err := w.do(r)
	if err != nil {
		return nil, err
	}
	if a.status != status {
		return nil, fmt.Errorf("%s %s: status %d instead of %d: %s", r.Method, r.URL, a.status, status, excerpt(a.body))
	}
	return a, nil
}

// excerpt is the beginning of an answer, on one line.
func excerpt(body []byte) string {
	const most = 160
	s := strings.Join(strings.Fields(string(body)), " ")
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

// report asks the doctor about a path.
func (w *walker) report(ctx context.Context, path string, login bool) (*Report, error) {
	r, err := w.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if login {
		r.SetBasicAuth(w.User, w.Password)
	}
	return w.reportOn(r)
}

func (w *walker) reportOn(r *http.Request) (*Report, error) {
	r.Header.Set(Header, w.Key)
	a, err := w.want(r, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var rep Report
	if err := json.Unmarshal(a.body, &rep); err != nil {
		return nil, fmt.Errorf("%s: the answer is not the doctor's (is the key right?): %s", r.URL, excerpt(a.body))
	}
	return &rep, nil
}

// names are the projects' paths below the program: "/one", or "" if the
// program is one project.
func (w *walker) names() []string {
	if len(w.Projects) == 0 {
		return []string{""}
	}
	var list []string
	for _, p := range w.Projects {
		list = append(list, "/"+p)
	}
	return list
}

// reached: the doctor answers, and has nothing to complain of.
func (w *walker) reached(ctx context.Context) error {
	rep, err := w.report(ctx, PathPage, false)
	if err != nil {
		return err
	}
	if rep.Script != w.base.Path {
		return fmt.Errorf("the program takes itself to be at %q, the site has it at %q", rep.Script, w.base.Path)
	}
	for _, name := range w.names() {
		rep, err := w.report(ctx, name+"/wiki", false)
		if err != nil {
			return err
		}
		for _, f := range rep.Findings {
			if f.Weight == Problem {
				return fmt.Errorf("%s: %s: %s; to change it: %s", name+"/wiki", f.About, f.Text, f.Change)
			}
		}
	}
	return nil
}

// index: the list of projects names them, with links that lead to them.
func (w *walker) index(ctx context.Context) error {
	a, err := w.get(ctx, "/")
	if err != nil {
		return err
	}
	if len(w.Projects) == 0 {
		return nil // the start page of the one project
	}
	for _, name := range w.names() {
		link := (&url.URL{Path: w.base.Path + name}).EscapedPath()
		if !bytes.Contains(a.body, []byte(`href="`+link+`"`)) {
			return fmt.Errorf("there is no link to %s in the list of projects", link)
		}
	}
	return nil
}

// page: a page of each project comes from that project.
func (w *walker) page(ctx context.Context) error {
	for i, name := range w.names() {
		path := name + "/wiki/" + w.Page
		a, err := w.get(ctx, path)
		if err != nil {
			return err
		}
		if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
			return fmt.Errorf("%s: type %q instead of text/html", path, kind)
		}
		rep, err := w.report(ctx, path, false)
		if err != nil {
			return err
		}
		if rep.Project.Page != "/wiki/"+w.Page || len(w.Projects) > 0 && rep.Project.Name != w.Projects[i] {
			return fmt.Errorf("%s was taken for page %q of project %q", path, rep.Project.Page, rep.Project.Name)
		}
	}
	return nil
}

// query: every byte of a query arrives, and odd characters in paths do.
func (w *walker) query(ctx context.Context) error {
	const query = "a=1&b=%20%2B%C3%BC%26&a=2&c"
	path := w.names()[0] + "/wiki/Größe & mehr; (50% +)/日本語~"
	rep, err := w.report(ctx, path+"?"+query, false)
	if err != nil {
		return err
	}
	if rep.Query != query {
		return fmt.Errorf("the query %s arrived as %s", query, rep.Query)
	}
	if rep.Path != path {
		return fmt.Errorf("the path %s arrived as %s", path, rep.Path)
	}
	return nil
}

// post sends a body to the echo and compares what comes back.
func (w *walker) post(ctx context.Context, kind string, body []byte, known bool) error {
	var from io.Reader = bytes.NewReader(body)
	if !known {
		from = struct{ io.Reader }{from} // its length is not told
	}
	r, err := w.request(ctx, http.MethodPost, PathEcho, from)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set(Header, w.Key)
	// A POST on a kept connection that the web server is just closing would be
	// lost, and must not be repeated: that is no fault of the site's.
	w.client.CloseIdleConnections()
	a, err := w.want(r, http.StatusOK)
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, body) {
		return fmt.Errorf("%d bytes were sent, %d came back, and they are not the same", len(body), len(a.body))
	}
	if got := a.header.Get("X-Doctor-Content-Type"); got != kind {
		return fmt.Errorf("the type %q arrived as %q", kind, got)
	}
	return nil
}

func (w *walker) form(ctx context.Context) error {
	return w.post(ctx, "application/x-www-form-urlencoded", []byte(url.Values{"text": {"Grüße & +%\r\n\x00"}, "b": {""}}.Encode()), true)
}

func (w *walker) upload(ctx context.Context) error {
	body, err := io.ReadAll(Pattern(walkBytes))
	if err != nil {
		return err
	}
	return w.post(ctx, "multipart/form-data; boundary=x", body, true)
}

func (w *walker) download(ctx context.Context) error {
	r, err := w.request(ctx, http.MethodGet, fmt.Sprintf("%s?bytes=%d", PathDownload, walkBytes), nil)
	if err != nil {
		return err
	}
	r.Header.Set(Header, w.Key)
	a, err := w.want(r, http.StatusOK)
	if err != nil {
		return err
	}
	want, err := io.ReadAll(Pattern(walkBytes))
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, want) {
		return fmt.Errorf("%d bytes came instead of %d, or other ones", len(a.body), len(want))
	}
	return nil
}

// login: the name arrives where the password was checked, and only there.
func (w *walker) login(ctx context.Context) error {
	if w.User == "" {
		return nil
	}
	path := w.names()[0] + "/login"
	rep, err := w.report(ctx, path, true)
	if err != nil {
		return err
	}
	if rep.User != w.User {
		return fmt.Errorf("%s: %q logged in, the program was told of %q", path, w.User, rep.User)
	}
	for _, password := range []string{"", "wrong" + w.Password} {
		r, err := w.request(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		r.Header.Del("Authorization")
		if password != "" {
			r.SetBasicAuth(w.User, password)
		}
		r.Header.Set(Header, w.Key)
		a, err := w.want(r, http.StatusUnauthorized)
		if err != nil {
			return err
		}
		if a.header.Get("Www-Authenticate") == "" {
			return fmt.Errorf("%s: status 401 without WWW-Authenticate", path)
		}
	}
	return nil
}

// forged: nothing a visitor sends becomes an identity or an environment.
func (w *walker) forged(ctx context.Context) error {
	path := w.names()[0] + "/wiki"
	plain, err := w.report(ctx, path, false)
	if err != nil {
		return err
	}
	for _, h := range [][2]string{
		{"Remote-User", "forged"}, {"Remote_User", "forged"}, {"X-Remote-User", "forged"}, {"X_Remote_User", "forged"},
		{"X-Remote_User", "forged"}, {"Auth-Type", "forged"}, {"Trac-Env", "/"}, {"Trac_Env", "/"}, {"Trac-Env-Parent-Dir", "/"},
		{"Trac-Uri-Root", "/forged"}, {"Script-Name", "/forged"}, {"Path-Info", "/forged"}, {"Https", "forged"},
		{"X-Forwarded-User", "forged"}, {"Proxy", "forged"},
	} {
		if err := w.forge(ctx, path, h[0], h[1], plain); err != nil {
			return err
		}
	}
	if w.AuthAll {
		return nil
	}
	r, err := w.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	r.SetBasicAuth("forged", "forged")
	return w.sameAs(r, "a password nobody checked", plain)
}

func (w *walker) forge(ctx context.Context, path, name, value string, plain *Report) error {
	r, err := w.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	r.Header[name] = []string{value}
	return w.sameAs(r, "the header "+name, plain)
}

// sameAs wants the same understanding of a request, or its refusal.
func (w *walker) sameAs(r *http.Request, what string, plain *Report) error {
	r.Header.Set(Header, w.Key)
	a, err := w.do(r)
	if err != nil {
		return err
	}
	if a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized {
		return nil
	}
	var rep Report
	if err := json.Unmarshal(a.body, &rep); err != nil {
		return fmt.Errorf("with %s: status %d: %s", what, a.status, excerpt(a.body))
	}
	for _, p := range [][3]string{
		{"user", rep.User, plain.User}, {"authentication", rep.AuthType, plain.AuthType}, {"project", rep.Project.Dir, plain.Project.Dir},
		{"path of the program", rep.Script, plain.Script}, {"scheme", rep.Scheme, plain.Scheme},
	} {
		if p[1] != p[2] {
			return fmt.Errorf("with %s, the %s is %q instead of %q", what, p[0], p[1], p[2])
		}
	}
	return nil
}

func (w *walker) scheme(ctx context.Context) error {
	rep, err := w.report(ctx, w.names()[0]+"/wiki", false)
	if err != nil {
		return err
	}
	if rep.Scheme != w.base.Scheme {
		return fmt.Errorf("the site is %s, the program takes it for %s", w.base.Scheme, rep.Scheme)
	}
	if rep.Host != w.base.Host {
		return fmt.Errorf("the site is at %s, the program takes it for %s", w.base.Host, rep.Host)
	}
	return nil
}

// redirects: one leads where it should, and the links of a page are below the
// path of the program.
func (w *walker) redirects(ctx context.Context) error {
	name := w.names()[0]
	r, err := w.request(ctx, http.MethodGet, name+"/wiki/"+w.Page+"/", nil)
	if err != nil {
		return err
	}
	a, err := w.do(r)
	if err != nil {
		return err
	}
	want := (&url.URL{Path: w.base.Path + name + "/wiki/" + w.Page}).EscapedPath()
	to, err := r.URL.Parse(a.header.Get("Location"))
	if err != nil || a.status/100 != 3 || to.EscapedPath() != want || to.Host != w.base.Host || to.Scheme != w.base.Scheme {
		return fmt.Errorf("%s: status %d to %q instead of a redirect to %s", r.URL, a.status, a.header.Get("Location"), want)
	}
	if a, err = w.get(ctx, name+"/wiki"); err != nil {
		return err
	}
	for _, link := range links(a.body) {
		if !strings.HasPrefix(link, w.base.EscapedPath()+(&url.URL{Path: name}).EscapedPath()) {
			return fmt.Errorf("a page of %s links to %s", w.base.Path+name, link)
		}
	}
	return nil
}

// links returns the links of a page's navigation and style sheets that lead to this site.
func links(body []byte) []string {
	var list []string
	for _, attr := range []string{`href="/`, `src="/`} {
		for rest := body; ; {
			i := bytes.Index(rest, []byte(attr))
			if i < 0 {
				break
			}
			rest = rest[i+len(attr)-1:]
			end := bytes.IndexByte(rest, '"')
			if end < 0 {
				break
			}
			list = append(list, string(rest[:end]))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// static: a file comes with a validator, which is honoured, and in parts.
func (w *walker) static(ctx context.Context) error {
	path := w.names()[0] + "/chrome/common/css/trac.css"
	whole, err := w.get(ctx, path)
	if err != nil {
		return err
	}
	if kind := whole.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/css") {
		return fmt.Errorf("%s: type %q instead of text/css", path, kind)
	}
	r, err := w.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	switch etag, modified := whole.header.Get("Etag"), whole.header.Get("Last-Modified"); {
	case etag != "":
		r.Header.Set("If-None-Match", etag)
	case modified != "":
		r.Header.Set("If-Modified-Since", modified)
	default:
		return fmt.Errorf("%s: neither ETag nor Last-Modified", path)
	}
	if _, err := w.want(r, http.StatusNotModified); err != nil {
		return err
	}
	if r, err = w.request(ctx, http.MethodGet, path, nil); err != nil {
		return err
	}
	r.Header.Set("Range", "bytes=5-24")
	part, err := w.want(r, http.StatusPartialContent)
	if err != nil {
		return err
	}
	if !bytes.Equal(part.body, whole.body[5:25]) {
		return fmt.Errorf("%s: bytes 5 to 24 are %q instead of %q", path, part.body, whole.body[5:25])
	}
	return nil
}

func (w *walker) head(ctx context.Context) error {
	path := w.names()[0] + "/wiki/" + w.Page
	r, err := w.request(ctx, http.MethodHead, path, nil)
	if err != nil {
		return err
	}
	a, err := w.want(r, http.StatusOK)
	if err != nil {
		return err
	}
	if len(a.body) > 0 {
		return fmt.Errorf("HEAD %s: %d bytes of body", path, len(a.body))
	}
	// On a kept connection, a body after HEAD would be taken for the next answer.
	_, err = w.get(ctx, path)
	return err
}

// abort: visitors who leave in the middle of an answer disturb nobody.
func (w *walker) abort(ctx context.Context) error {
	for range abortTries {
		if err := w.leave(ctx); err != nil {
			return err
		}
	}
	return w.page(ctx)
}

func (w *walker) leave(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := w.request(ctx, http.MethodGet, PathSlow, nil)
	if err != nil {
		return err
	}
	r.Header.Set(Header, w.Key)
	time.AfterFunc(slowWait, cancel)
	resp, err := w.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil // a web server that waits for a whole answer
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", r.URL, resp.StatusCode)
	}
	_, err = io.CopyN(io.Discard, resp.Body, 1)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", r.URL, err)
	}
	return nil
}

// slowWait is how long a visitor waits before leaving.
const slowWait = 300 * time.Millisecond

// mix: requests for several projects at once are each answered by their own.
func (w *walker) mix(ctx context.Context) error {
	names := w.names()
	errs := make(chan error, mixRequests)
	places := make(chan struct{}, mixAtOnce)
	for i := range mixRequests {
		places <- struct{}{}
		go func() {
			defer func() { <-places }()
			n := i % len(names)
			errs <- w.own(ctx, n, i/len(names)%2 == 1)
		}()
	}
	var all []error
	for range mixRequests {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(first)
	}
	return nil
}

// own wants project n for one of its paths, or its page.
func (w *walker) own(ctx context.Context, n int, page bool) error {
	name := w.names()[n]
	if page {
		a, err := w.get(ctx, name+"/wiki/"+w.Page)
		if err == nil && !bytes.Contains(a.body, []byte(`"`+(&url.URL{Path: w.base.Path + name + "/wiki"}).EscapedPath())) {
			err = fmt.Errorf("the page of %s is not of that project", name)
		}
		return err
	}
	rep, err := w.report(ctx, name+"/wiki", false)
	if err == nil && len(w.Projects) > 0 && rep.Project.Name != w.Projects[n] {
		err = fmt.Errorf("a request for %s was answered by %s", w.Projects[n], rep.Project.Name)
	}
	return err
}
