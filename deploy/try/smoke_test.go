package try_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/testenvs"
)

// strange is a name with something in it for each format to trip over.
const strange = `it's a "str\ange" $dir; #1 {проект} %41`

// built is the program, in a directory of its own.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "try")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // a web server's user runs it, too
		return "", err
	}
	bin := filepath.Join(dir, "projhost")
	if out, err := exec.Command("go", "build", "-o", bin, "projhost/cmd/projhost").CombinedOutput(); err != nil {
		return bin, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return bin, nil
})

// TestMain builds the program, or is one.
func TestMain(m *testing.M) {
	if os.Getenv("TRY_ECHO") != "" {
		if err := echo(os.Args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	bin, err := built()
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(filepath.Dir(bin))
	os.Exit(code)
}

// bench is what one server is tried with: environments and a place for files,
// all with strange names.
type bench struct {
	parent string // has one, два, "three 3"
	alone  string // an environment elsewhere
	dir    string // Options.Dir
	work   string
	run    string // short, for sockets
}

func newBench(t *testing.T) bench {
	t.Helper()
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	b := bench{
		parent: filepath.Join(testenvs.Parent(t), strange),
		dir:    filepath.Join(t.TempDir(), strange),
		work:   t.TempDir(),
		run:    filepath.Join(short, strange),
	}
	for _, dir := range []string{b.parent, b.dir, b.run, filepath.Join(b.dir, "htdocs", "common", "css"), filepath.Join(b.dir, "auth")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "два", "three 3"} {
		testenvs.Make(t, b.parent, name, nil)
	}
	b.alone = testenvs.Make(t, filepath.Dir(b.parent), "alone $x; {y}", nil)
	b.write(t, "htdocs/common/css/trac.css", "/* from disk */")
	// user "verena", password "geheim"
	b.write(t, "auth/users.htpasswd", "verena:{SHA}kGByAB793z4R5tK1eC9Hd/4Dhzk=\n")
	b.write(t, "auth/users.caddy", "verena $2y$04$9KL/TEzNCxQ61fOQiugc1uUScitslYH3AkUryjn6HH9V4zGByxqj.\n")
	b.write(t, "auth/users.haproxy.cfg", "userlist projhost_users\n    user verena password $5$YR22ZECWkFZZqHbW$W99WgFqV.tTeGQM909O8MOFYSN3ip8tO9tr82PmrOx3\n")
	for _, dir := range []string{filepath.Dir(b.parent), b.dir, b.work, short} {
		letIn(t, dir)
	}
	return b
}

func (b bench) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// port is a free one.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// options are complete but for the server and the mounts.
func (b bench) options(t *testing.T) deploy.Options {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return deploy.Options{Secret: "0123456789abcdef",
		Dir: b.dir, Program: bin, RunDir: b.run, Address: port(t), Group: fmt.Sprint(os.Getgid()),
	}
}

// mounts are the kinds of them.
func (b bench) mounts() map[string][]deploy.Mount {
	return map[string][]deploy.Mount{
		"root":    {{Path: "/", Parent: b.parent}},
		"prefix":  {{Path: "/trac", Parent: b.parent}},
		"project": {{Path: "/p", Env: b.alone}},
		"rooted":  {{Path: "/", Env: b.alone}},
		"several": {{Path: "/", Parent: b.parent}, {Path: "/alone", Env: b.alone}, {Path: "/x y/ü", Parent: b.parent}},
	}
}

// site is a running server and a client of it.
type site struct {
	*testing.T
	*try.Site
	client *http.Client
	static bool // the server sends static files itself
}

func (b bench) start(t *testing.T, o deploy.Options, static bool, hostArgs ...string) site {
	t.Helper()
	s, err := try.Start(context.Background(), o, b.work, hostArgs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(s.Log())
		}
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return site{t, s, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, static}
}

// get asks for a path as it is spelled; headers are "Name: value".
func (s site) get(path string, headers ...string) (int, string, http.Header) {
	s.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// has fails unless path answers with the status and a text; "!" before a text means without it.
func (s site) has(path string, status int, texts []string, headers ...string) {
	s.Helper()
	got, body, _ := s.get(path, headers...)
	if got != status {
		s.Errorf("%s %v: status %d, want %d", path, headers, got, status)
	}
	for _, text := range texts {
		not, ok := strings.CutPrefix(text, "!")
		if strings.Contains(body, not) == ok {
			s.Errorf("%s %v: %q in the page: %v\n%s", path, headers, not, !ok, head(body))
		}
	}
}

// head is the beginning of a page, for messages.
func head(body string) string { return body[:min(len(body), 300)] }

// pages asks for the pages of a mount.
func (s site) pages(m deploy.Mount) {
	s.Helper()
	base := strings.TrimSuffix(escaped(m.Path), "/")
	projects := map[string]string{base: filepath.Base(m.Env)}
	if m.Parent != "" {
		projects = map[string]string{base + "/one": "one", base + "/%D0%B4%D0%B2%D0%B0": "два", base + "/three%203": "three 3"}
		s.has(base+"/", 200, []string{"Project one", `href="` + base + `/three%203`})
		if base != "" && s.Options.Way != "htaccess" { // a directory: mod_dir redirects to it
			s.has(base, 200, []string{"Project one"})
		}
	}
	for at, name := range projects {
		canary := testenvs.Canary(name)
		s.has(at+"/wiki/WikiStart", 200, []string{canary, `href="` + at + `/wiki/SecondPage`})
		s.has(at+"/wiki/Gr%C3%B6%C3%9Fe/%C3%9Cbersicht", 200, []string{canary})
		s.has(at+"/wiki/SecondPage?format=txt", 200, []string{"= Second ="})
		s.has(at+"/wiki/NoSuchPage", 404, []string{"!" + s.Options.Dir})
		css := "from disk"
		if !s.static && !(s.Options.Server == "h2o" && m.Env != "") {
			css = "{"
		}
		s.has(at+"/chrome/common/css/trac.css?v=x", 200, []string{css})
		s.part(at + "/chrome/common/css/trac.css")
	}
}

// part asks for two bytes of a file and reads all that is sent: an HTTP client
// would stop at the length that is announced.
func (s site) part(path string) {
	s.Helper()
	scheme, address, _ := strings.Cut(s.URL, "://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	if scheme == "https" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nRange: bytes=1-2\r\nConnection: close\r\n\r\n", path, address)
	answer, err := io.ReadAll(c)
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 206 ") || len(body) != 2 {
		s.Errorf("%s: %d bytes of body for a part of 2, error %v\n%s", path, len(body), err, head)
	}
}

func escaped(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c == '/' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// walk starts a server's way at every kind of mount and asks for pages.
func walk(t *testing.T, server, way string, static bool) {
	b := newBench(t)
	for name, mounts := range b.mounts() {
		t.Run(name, func(t *testing.T) {
			o := b.options(t)
			o.Server, o.Way, o.Mounts = server, way, mounts
			tame(t, &o)
			s := b.start(t, o, static)
			for _, m := range mounts {
				s.pages(m)
			}
		})
	}
}

// login asks for the page that wants a password, and tries to do without one.
func login(t *testing.T, server, way string, all bool) {
	b := newBench(t)
	o := b.options(t)
	o.Server, o.Way, o.Auth = server, way, deploy.Auth{Kind: deploy.AuthBasic, Realm: `say "it" {to} $me; \ #é`, All: all}
	o.Mounts = b.mounts()["several"]
	tame(t, &o)
	s := b.start(t, o, false)
	ana := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("verena:geheim"))
	wrong := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("verena:falsch"))
	bo := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("otto7:geheim"))
	forged := []string{"X-Remote-User: mallory", "X_Remote_User: mallory", "Remote-User: mallory", "REMOTE_USER: mallory", "x-remote_user: mallory", "Remote_User: mallory"}
	open := 200
	if all {
		open = 401
	}
	for _, p := range []string{"/one", "/%D0%B4%D0%B2%D0%B0", "/alone", "/x%20y/%C3%BC/one"} {
		for _, login := range []string{"/login", "/login/", "/%6cogin", "//login", "/login?x=/wiki"} {
			code, body, h := s.get(p + login)
			if strings.HasPrefix(login, "//") && code/100 == 3 || code == 404 && strings.HasPrefix(login, "//") {
				continue // sent to the right spelling
			}
			if code != 401 || strings.Contains(body, "mallory") {
				t.Errorf("%s without a password: status %d", p+login, code)
			}
			if got := h.Get("Www-Authenticate"); got != `Basic realm="say \"it\" {to} $me; \\ #é"` && got != `Basic realm="say \"it\" {to} $me; \\ #é", charset="UTF-8"` {
				t.Errorf("%s: %q", p+login, got)
			}
			s.has(p+login, 401, nil, wrong)
			s.has(p+login, 401, nil, bo)
		}
		code, _, h := s.get(p+"/login", append(forged, ana)...)
		cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		if code != 302 || !strings.HasPrefix(cookie, "trac_auth=") {
			t.Errorf("%s/login with a password: status %d, cookie %q", p, code, cookie)
		}
		signedIn := append(slices.Clone(forged), "Cookie: "+cookie)
		if all {
			signedIn = append(signedIn, ana)
		}
		s.has(p+"/wiki/SecondPage", 200, []string{"!mallory", "verena"}, signedIn...)
		s.has(p+"/wiki/SecondPage", open, []string{"!mallory", "!verena"}, forged...)
		s.has(p+"/wiki/SecondPage", open, []string{"!mallory", "!verena"}, wrong)
		s.has(p+"/wiki/SecondPage", open, []string{"!mallory", "!otto7"}, bo)
		if all {
			s.has(p+"/wiki/SecondPage", 200, []string{"!mallory", "verena"}, append(forged, ana)...)
			s.has("/", 401, nil)
		} else {
			s.has(p+"/wiki/SecondPage", 200, []string{"!mallory"}, append(forged, ana)...)
			s.has(p+"/wiki/login", 404, nil)
			s.has(p+"/wiki/a/login", 404, nil)
		}
	}
}
