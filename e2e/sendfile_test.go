package e2e_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/testenvs"
)

// What the files of a project are called and how large they are.
const (
	oddName  = `a b+c?d"e'f&g;h=#{x}$\ü.txt`
	pctName  = "100%41.txt"
	bigName  = "big one.bin"
	bigSize  = 8 << 20
	sentDir  = "unter ordner+ö"
	whyShort = 300
)

// TestSendfile lets each web server send the files that projhost names, in every
// way that deploy writes --xsendfile for, and looks at what visitors get: at the
// root, below a prefix, and for a project at a path of its own.
func TestSendfile(t *testing.T) {
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			if w.Untested || w.NoSend != "" { // the latter are refused: TestRefused in deploy
				continue
			}
			t.Run(s.Name+"/"+w.Name, func(t *testing.T) {
				t.Parallel()
				sendAll(t, cell{s, w, mountRoot})
			})
		}
	}
}

// sendHeader is what docs/deploying.md says of a server.
func sendHeader(server string) string {
	if server == "nginx" {
		return "X-Accel-Redirect"
	}
	return "X-Sendfile"
}

// sender is a site whose web server sends files.
type sender struct {
	*testing.T
	site   *try.Site
	client *http.Client
	logged []string // status and bytes of projhost's log lines, as they must be
}

// sendAll serves projects and asks for their files.
func sendAll(t *testing.T, c cell) {
	work := shortDir(t)
	parent, alone, shared := filepath.Join(work, `p 'ü' +"`), filepath.Join(work, "e"), filepath.Join(work, "shared")
	for _, dir := range []string{parent, alone, shared} {
		mkdir(t, dir)
	}
	settings := map[string]map[string]string{
		"trac":    {"use_xsendfile": "true", "xsendfile_header": sendHeader(c.server.Name)},
		"inherit": {"htdocs_dir": shared},
	}
	big := make([]byte, bigSize)
	fill := rand.NewChaCha8([32]byte{1})
	_, _ = fill.Read(big) // never fails
	for _, dir := range []string{
		testenvs.Make(t, parent, "one", settings), testenvs.Make(t, parent, "zwei ü", settings), testenvs.Make(t, alone, "drei (3)", settings),
	} {
		name := filepath.Base(dir)
		mkdir(t, filepath.Join(dir, "htdocs", sentDir))
		write(t, filepath.Join(dir, "htdocs", oddName), "odd file of "+name)
		write(t, filepath.Join(dir, "htdocs", sentDir, "x.html"), "<p>inner file of "+name)
		write(t, filepath.Join(dir, "htdocs", pctName), "percent file")
		write(t, filepath.Join(dir, "htdocs", bigName), string(big))
		write(t, filepath.Join(dir, "htdocs", ".hidden"), "hidden")
	}
	write(t, filepath.Join(shared, oddName), "shared file")
	o := c.options(t, work, parent)
	o.XSendfile = true
	if c.way.Protocol == "cgi" { // which says nothing of a request by itself, and ends late with the race detector
		o.Program = filepath.Join(work, "projhost")
		write(t, o.Program, fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 exec '%s' \"$@\" --log-level info\n", program()))
		if err := os.Chmod(o.Program, 0o755); err != nil { //nolint:gosec // a script that the web server runs
			t.Fatal(err)
		}
	}
	link := filepath.Join(work, "link") // files are named by where they are
	if err := os.Symlink(filepath.Join(alone, "drei (3)"), link); err != nil {
		t.Fatal(err)
	}
	o.Mounts = append(o.Mounts, deploy.Mount{Path: "/trac ü", Parent: parent}, deploy.Mount{Path: "/own+%", Env: link, Real: filepath.Join(alone, "drei (3)")})
	giveAway(t, work)
	site, err := try.Start(t.Context(), o, work)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true} //nolint:gosec // its own certificate
	x := &sender{T: t, site: site, client: &http.Client{Transport: transport, Timeout: time.Minute}}
	defer func() {
		transport.CloseIdleConnections()
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
		if log := site.Log(); strings.Contains(log, "DATA RACE") || t.Failed() {
			t.Log(tail(log, 30000))
		}
	}()
	x.files("/one", "one")
	x.files("/zwei ü", "zwei ü")
	x.files("/trac ü/one", "one")
	x.files("/own+%", "drei (3)")
	x.whole("/trac ü/zwei ü/chrome/site/"+bigName, string(big), "")
	x.whole("/own+%/chrome/site/"+bigName, string(big), "")
	x.part("/own+%/chrome/site/"+bigName, bigSize-1000, string(big[bigSize-1000:]))
	x.ours("/one/chrome/shared/"+oddName, "shared file")
	if pct := "/one/chrome/site/" + pctName; sendHeader(c.server.Name) == "X-Sendfile" { // not every server decodes that
		x.ours(pct, "percent file")
	} else {
		x.whole(pct, "percent file", "text/plain; charset=utf-8")
	}
	x.sentByOther()
}

// files asks for the files of one project.
func (x *sender) files(base, name string) {
	x.Helper()
	odd, text := base+"/chrome/site/"+oddName, "odd file of "+name
	resp := x.whole(odd, text, "text/plain; charset=utf-8")
	x.whole(base+"/chrome/site/"+sentDir+"/x.html", "<p>inner file of "+name, "text/html; charset=utf-8")
	x.part(odd, 4, text[4:])
	x.unchanged(odd, resp.Header.Get("Last-Modified"))
	x.head(odd, len(text))
	x.missing(base + "/chrome/site/.hidden")
}

// ask makes one request for a decoded path. No answer may name a file of the server's.
func (x *sender) ask(method, path string, header ...string) (*http.Response, string) {
	x.Helper()
	r, err := http.NewRequestWithContext(x.Context(), method, x.site.URL+escapeAll(path), nil)
	if err != nil {
		x.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := x.client.Do(r)
	if err != nil {
		x.Fatalf("%s %s: %v", method, path, err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		x.Fatalf("%s %s: %v", method, path, err)
	}
	for name, values := range resp.Header {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(name), "-", ""), "sendfile") || strings.HasPrefix(name, "X-Accel") || strings.Contains(strings.Join(values, "\n"), "/htdocs") {
			x.Errorf("%s %s: the browser gets %s: %q", method, path, name, values)
		}
	}
	return resp, string(body)
}

// whole wants a file byte for byte; kind is its type.
func (x *sender) whole(path, want, kind string) *http.Response {
	x.Helper()
	resp, body := x.ask(http.MethodGet, path)
	x.logged = append(x.logged, "200 0")
	if resp.StatusCode != 200 || body != want {
		x.Errorf("%s: status %d, %d bytes instead of %d: %q", path, resp.StatusCode, len(body), len(want), body[:min(len(body), whyShort)])
	}
	if got := resp.Header.Get("Content-Type"); kind != "" && got != kind {
		x.Errorf("%s: type %q, want %q", path, got, kind)
	}
	if got := resp.Header.Values("Cache-Control"); !slices.Equal(got, []string{"no-cache"}) {
		x.Errorf("%s: Cache-Control %q", path, got)
	}
	if got := resp.Header.Values("X-Content-Type-Options"); !slices.Equal(got, []string{"nosniff"}) {
		x.Errorf("%s: X-Content-Type-Options %q", path, got)
	}
	return resp
}

// part wants what begins at a byte.
func (x *sender) part(path string, from int, want string) {
	x.Helper()
	resp, body := x.ask(http.MethodGet, path, "Range", fmt.Sprintf("bytes=%d-", from))
	x.logged = append(x.logged, "200 0")
	if r := resp.Header.Get("Content-Range"); resp.StatusCode != 206 || body != want || r != fmt.Sprintf("bytes %d-%d/%d", from, from+len(want)-1, from+len(want)) {
		x.Errorf("%s from byte %d: status %d, %d bytes instead of %d, range %q", path, from, resp.StatusCode, len(body), len(want), r)
	}
}

// unchanged wants 304 for a file that the browser has.
func (x *sender) unchanged(path, since string) {
	x.Helper()
	resp, body := x.ask(http.MethodGet, path, "If-Modified-Since", since)
	x.logged = append(x.logged, "200 0")
	if since == "" || resp.StatusCode != 304 || body != "" {
		x.Errorf("%s since %q: status %d, %q", path, since, resp.StatusCode, body)
	}
}

// head wants the size of a file.
func (x *sender) head(path string, size int) {
	x.Helper()
	resp, body := x.ask(http.MethodHead, path)
	x.logged = append(x.logged, "200 0")
	if resp.StatusCode != 200 || body != "" || resp.ContentLength != int64(size) {
		x.Errorf("HEAD %s: status %d, length %d, want %d", path, resp.StatusCode, resp.ContentLength, size)
	}
}

// missing wants 404.
func (x *sender) missing(path string) {
	x.Helper()
	resp, body := x.ask(http.MethodGet, path)
	x.logged = append(x.logged, "404 page")
	if resp.StatusCode != 404 || strings.Contains(body, "hidden</") {
		x.Errorf("%s: status %d", path, resp.StatusCode)
	}
}

// ours wants a file that projhost has to send itself: it is not the environment's.
func (x *sender) ours(path, want string) {
	x.Helper()
	resp, body := x.ask(http.MethodGet, path)
	x.logged = append(x.logged, fmt.Sprintf("200 %d", len(want)))
	if resp.StatusCode != 200 || body != want {
		x.Errorf("%s: status %d, %q", path, resp.StatusCode, body[:min(len(body), whyShort)])
	}
}

// sentByOther compares projhost's log with what must be in it: the status of
// each request, and that its answer had no body where the web server has sent one.
func (x *sender) sentByOther() {
	x.Helper()
	line := regexp.MustCompile(`msg=request .*? status=(\d+) bytes=(\d+) `)
	var got []string
	for range 100 { // a line is written after the answer
		got = nil
		for _, m := range line.FindAllStringSubmatch(x.site.Log(), -1) {
			if m[1] == "404" && m[2] != "0" {
				m[2] = "page"
			}
			got = append(got, m[1]+" "+m[2])
		}
		if len(got) >= len(x.logged) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	want := slices.Sorted(slices.Values(x.logged))
	if slices.Sort(got); !slices.Equal(got, want) {
		x.Errorf("status and bytes of projhost's answers: %q, want %q", got, want)
	}
}

// escapeAll spells a decoded path for a URL, with nothing left of what may
// mean something.
func escapeAll(path string) string {
	var b bytes.Buffer
	for part := range strings.SplitSeq(path, "/") {
		b.WriteString("/" + strings.ReplaceAll(url.QueryEscape(part), "+", "%20"))
	}
	return strings.TrimPrefix(b.String(), "/")
}
