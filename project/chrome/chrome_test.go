package chrome_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"projhost/front/gateway"
	"projhost/project"
	"projhost/project/chrome"
	"projhost/testenvs"
)

func newHost(t *testing.T) *testenvs.Host {
	t.Helper()
	h := testenvs.NewHost(t, nil, []project.Module{chrome.Module{}})
	shared := filepath.Join(h.Parent, "shared")
	must(t, os.Mkdir(shared, 0o755))
	must(t, os.WriteFile(filepath.Join(shared, "s.txt"), []byte("shared"), 0o644))
	testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"inherit": {"htdocs_dir": "../../shared"}})
	testenvs.Make(t, h.Parent, "two", nil)
	htdocs := filepath.Join(h.Parent, "one", "htdocs")
	must(t, os.MkdirAll(filepath.Join(htdocs, "dir"), 0o755))
	must(t, os.WriteFile(filepath.Join(htdocs, "dir", "a b.txt"), []byte("0123456789"), 0o644))
	must(t, os.WriteFile(filepath.Join(htdocs, ".secret"), []byte("hidden"), 0o644))
	must(t, os.Symlink("dir/a b.txt", filepath.Join(htdocs, "inside")))
	must(t, os.Symlink("../conf/trac.ini", filepath.Join(htdocs, "outside")))
	must(t, os.Symlink("../../two/conf", filepath.Join(htdocs, "neighbour")))
	must(t, syscall.Mkfifo(filepath.Join(htdocs, "pipe"), 0o644))
	sibling := filepath.Join(h.Parent, "one", "htdocs2")
	must(t, os.Mkdir(sibling, 0o755))
	must(t, os.WriteFile(filepath.Join(sibling, "x"), []byte("sibling"), 0o644))
	return h
}

func TestFiles(t *testing.T) {
	h := newHost(t)
	for path, want := range map[string]string{
		"/one/chrome/site/dir/a%20b.txt": "0123456789",
		"/one/chrome/site/inside":        "0123456789",
		"/one/chrome/shared/s.txt":       "shared",
	} {
		if w := h.Get(path); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: status %d, %q", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{
		"/one/chrome/site/nosuch", "/one/chrome/site/", "/one/chrome/site/dir", "/one/chrome/site/.secret",
		"/one/chrome/site/outside", "/one/chrome/site/neighbour/trac.ini", "/one/chrome/site/pipe",
		"/one/chrome/shared/nosuch", "/two/chrome/shared/s.txt", "/one/chrome/common/nosuch.css", "/one/chrome/common/",
		"/one/chrome/other/x", "/two/chrome/site/dir/a%20b.txt",
	} {
		w := h.Get(path)
		if w.Code != 404 && w.Code != 301 || strings.Contains(w.Body.String(), h.Parent) || strings.Contains(w.Body.String(), "[trac]") {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
}

func TestConditionalAndRange(t *testing.T) {
	h := newHost(t)
	const path = "/one/chrome/site/dir/a%20b.txt"
	ask := func(name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set(name, value)
		return h.Do(r)
	}
	etag := h.Get(path).Header().Get("Etag")
	if w := ask("If-None-Match", etag); etag == "" || w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("with the ETag %q: status %d", etag, w.Code)
	}
	if w := ask("Range", "bytes=2-4"); w.Code != 206 || w.Body.String() != "234" {
		t.Errorf("a range: status %d, %q", w.Code, w.Body)
	}
	if w := ask("Range", "bytes=20-"); w.Code != 416 {
		t.Errorf("a range beyond the end: status %d", w.Code)
	}
}

func TestCommonIsCompressedAndKept(t *testing.T) {
	h := newHost(t)
	page := h.Get("/one/no/such").Body.String()
	_, link, ok := strings.Cut(page, `<link rel="stylesheet" href="`)
	link, _, _ = strings.Cut(link, `"`)
	if !ok || !strings.Contains(link, "?v=") {
		t.Fatalf("the style sheet's link %q has no fingerprint", link)
	}
	r := httptest.NewRequest(http.MethodGet, link, nil)
	r.Header.Set("Accept-Encoding", "br, gzip;q=0.5")
	w := h.Do(r)
	if w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	must(t, err)
	unpacked, err := io.ReadAll(z)
	must(t, err)
	plain := h.Get("/one/chrome/common/css/trac.css?v=other")
	if string(unpacked) != plain.Body.String() || strings.Contains(plain.Header().Get("Cache-Control"), "immutable") {
		t.Error("the two forms differ, or one with another fingerprint is kept for ever")
	}
	r.Header.Set("Accept-Encoding", "gzip;q=0")
	if w := h.Do(r); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for a client that refuses it")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestXSendfile(t *testing.T) {
	for name, tt := range map[string]struct {
		options map[string]string
		header  string // with the path in it; "" for none
		name    string // the file's in it
	}{
		"off":              {nil, "", ""},
		"nginx":            {map[string]string{"use_xsendfile": "true", "xsendfile_header": "X-Accel-Redirect"}, "X-Accel-Redirect", "a%20b%25.txt"},
		"lighttpd":         {map[string]string{"use_xsendfile": "true", "xsendfile_header": "X-Lighttpd-Send-File"}, "X-Lighttpd-Send-File", "a%20b%25.txt"},
		"no such header":   {map[string]string{"use_xsendfile": "true", "xsendfile_header": "Set-Cookie"}, "", ""},
		"no header at all": {map[string]string{"use_xsendfile": "true", "xsendfile_header": "a: b"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := testenvs.NewHost(t, nil, []project.Module{chrome.Module{}})
			dir := testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"trac": tt.options})
			must(t, os.WriteFile(filepath.Join(dir, "htdocs", "a b%.txt"), []byte("0123456789"), 0o644))
			w := h.Get("/one/chrome/site/a%20b%25.txt")
			for _, known := range []string{"X-Sendfile", "X-Accel-Redirect", "X-Lighttpd-Send-File", "Set-Cookie"} {
				want := ""
				if known == tt.header {
					want = dir + "/htdocs/" + tt.name
				}
				if got := w.Header().Get(known); got != want {
					t.Errorf("%s: %q, want %q", known, got, want)
				}
			}
			if w.Code != 200 || (w.Body.String() == "0123456789") != (tt.header == "") || w.Header().Get("Cache-Control") != "no-cache" {
				t.Errorf("status %d, %q, %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

// TestXSendfileOfTheEnvironmentAlone: what several projects share is in a
// directory that web servers are not told of.
func TestXSendfileOfTheEnvironmentAlone(t *testing.T) {
	h := testenvs.NewHost(t, nil, []project.Module{chrome.Module{}})
	shared := t.TempDir()
	must(t, os.WriteFile(filepath.Join(shared, "s.txt"), []byte("shared"), 0o644))
	testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"trac": {"use_xsendfile": "true"}, "inherit": {"htdocs_dir": shared}})
	if w := h.Get("/one/chrome/shared/s.txt"); w.Body.String() != "shared" || w.Header().Get("X-Sendfile") != "" {
		t.Errorf("status %d, %q, %v", w.Code, w.Body, w.Header())
	}
}

// TestXSendfileOfOddNames: a name that would not come out of the header as it was
// is not put there.
func TestXSendfileOfOddNames(t *testing.T) {
	h := testenvs.NewHost(t, nil, []project.Module{chrome.Module{}})
	dir := testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"trac": {"use_xsendfile": "true"}})
	must(t, os.WriteFile(filepath.Join(dir, "htdocs", "a +ü"), nil, 0o644))
	if got := h.Get("/one/chrome/site/a%20+%C3%BC").Header().Get("X-Sendfile"); got != dir+"/htdocs/a +ü" {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"a ", "a%41"} {
		must(t, os.WriteFile(filepath.Join(dir, "htdocs", name), []byte("0123456789"), 0o644))
		w := h.Get("/one/chrome/site/" + url.PathEscape(name))
		if w.Body.String() != "0123456789" || w.Header().Get("X-Sendfile") != "" {
			t.Errorf("%q: status %d, %q, %v", name, w.Code, w.Body, w.Header())
		}
	}
}

// TestXSendfileNeedsAWebServer: a visitor who comes without one would get a
// path instead of the file.
func TestXSendfileNeedsAWebServer(t *testing.T) {
	h := testenvs.NewHost(t, nil, []project.Module{chrome.Module{}})
	dir := testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"trac": {"use_xsendfile": "true"}})
	must(t, os.WriteFile(filepath.Join(dir, "htdocs", "a.txt"), []byte("0123456789"), 0o644))
	for _, l := range []gateway.Listener{{}, {TrustAll: true}} {
		r, err := gateway.FromHTTP(&l, httptest.NewRequest(http.MethodGet, "/one/chrome/site/a.txt", nil))
		must(t, err)
		w := httptest.NewRecorder()
		h.Host.ServeHTTP(w, r)
		if (w.Header().Get("X-Sendfile") != "") != l.TrustAll || (w.Body.Len() == 10) == l.TrustAll {
			t.Errorf("trusted %v: %v, %q", l.TrustAll, w.Header(), w.Body)
		}
	}
}
