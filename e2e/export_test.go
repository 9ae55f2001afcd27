package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/export"
	"projhost/internal/href"
	"projhost/project/attachment"
	"projhost/testenvs"
)

// oddPages are names that file systems, URLs or nginx's configuration could take
// for something else.
func oddPages() []string {
	return []string{
		"index.html", "index.html/Sub", "index.txt", "A/index.txt", "A/index.html", "Foo", "Foo/Bar", "Foo.html", "Foo/index.html/Deep", "A", "A/b", ".export/q", "...", "@version=3.html",
		"a b&c?d#e%f", "100%25", `q"uo'te\back$uri`, "{braces};", "[brackets](round)", "plus+sign", "~tilde", "=equals", "Größe", "звезда/ночь", "🦊",
		strings.Repeat("x", 255), strings.Repeat("y", 256), strings.Repeat("ж", 200) + "/" + strings.Repeat("z", 300), strings.Repeat("deep/", 500) + "end",
	}
}

// exported runs the command and returns its report.
func exported(t *testing.T, args ...string) (r export.Report) {
	t.Helper()
	cmd := exec.Command(program(), append([]string{"export", "--json"}, args...)...)
	cmd.Env = cleanEnv()
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return r
}

// bothSites serves the environments of a directory, for reading only, and their
// exports by nginx.
func bothSites(t *testing.T, parent, root string, names ...string) (live, static string) {
	t.Helper()
	address := freePort(t)
	p := start(t, "serve", "--readonly", "--listen", "http://"+address, "--env-parent-dir", parent)
	p.waitFor("tcp", address)
	server := fmt.Sprintf("include /etc/nginx/mime.types;\nroot %q;\ncharset utf-8;\nlocation / { return 404; }\n", root)
	for _, name := range names {
		server += fmt.Sprintf("include %q;\n", filepath.Join(root, name, ".export/nginx.conf"))
	}
	return "http://" + address, "http://" + nginx(t, "/nosuch", false, server)
}

// same asks both sites for an address.
func same(t *testing.T, live, static, address string) {
	t.Helper()
	want, wantBody := rawGet(t, live, address)
	got, body := rawGet(t, static, address)
	if want.StatusCode != 200 || got.StatusCode != 200 || body != wantBody {
		t.Errorf("%.200s: status %d, live %d; %d bytes, live %d", address, got.StatusCode, want.StatusCode, len(body), len(wantBody))
	}
	kind := func(r *http.Response) string {
		k, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		return k
	}
	if kind(got) != kind(want) && !strings.Contains(address, "/raw-attachment/") && !strings.HasSuffix(address, ".ico") { // whose type is a matter of nginx's list
		t.Errorf("%.200s: type %s, live %s", address, kind(got), kind(want))
	}
	for _, name := range []string{"X-Content-Type-Options", "Set-Cookie"} {
		if got.Header.Get(name) != want.Header.Get(name) {
			t.Errorf("%.200s: %s: %q, live %q", address, name, got.Header.Get(name), want.Header.Get(name))
		}
	}
}

// TestExport exports a project of adversarial names and has nginx answer every
// address that the live site has, with the same bytes.
func TestExport(t *testing.T) {
	const name = "od.d $x é"
	parent := testenvs.Parent(t)
	dir := testenvs.Make(t, parent, name, nil)
	write(t, filepath.Join(dir, "htdocs", "own.css"), "b { background: url(bg.png) } i { mask: url('nosuch.svg') }")
	write(t, filepath.Join(dir, "htdocs", "bg.png"), "\x89PNG")
	mkdir(t, filepath.Join(dir, "htdocs", "doc"))
	write(t, filepath.Join(dir, "htdocs", "doc", "index.html"), `<!doctype html><title>own</title><a href="../own.css">x</a><img srcset="../bg.png 1x, ../gone.png 2x">`)
	write(t, filepath.Join(dir, "htdocs", ".secret"), "hidden")
	fillOdd(t, dir)
	addresses := []string{"", "/wiki", "/chrome/site/own.css", "/chrome/site/bg.png", "/chrome/site/doc/index.html", "/chrome/common/css/trac.css", "/chrome/common/trac.ico",
		"/wiki/Foo?version=1", "/wiki/Foo?version=2", "/wiki/Foo?format=txt&version=1", "/wiki/Foo?x=1"}
	for _, page := range append(oddPages(), "WikiStart", "SecondPage", "Größe/Übersicht", "Links") {
		self := href.Base("").Path("wiki", page)
		addresses = append(addresses, self, self+"?format=txt", self+"?version=1", self+"?format=txt&version=1")
	}
	for _, f := range oddFiles() {
		addresses = append(addresses, href.Base("").Path("raw-attachment/wiki", f[0], f[1]))
	}
	root := t.TempDir()
	report := exported(t, "--history", "--base-url", "https://example.org"+href.Base("").Path(name), dir, filepath.Join(root, name))
	live, static := bothSites(t, parent, root, name)
	for _, a := range addresses {
		same(t, live, static, href.Base("").Path(name)+a)
	}
	for _, f := range oddFiles() {
		resp, _ := rawGet(t, static, href.Base("").Path(name, "raw-attachment/wiki", f[0], f[1]))
		if resp.Header.Get("Content-Security-Policy") != "sandbox" || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%v is shown as a page of the site: %v", f, resp.Header)
		}
	}
	for _, a := range []string{"/no/such", "/wiki/NoSuchPage", "/login", "/chrome/site/.secret", "/conf/trac.ini", "/wiki/Foo?../../..", "/wiki/Foo/..%2f..%2f..%2fetc/passwd"} {
		resp, body := rawGet(t, static, href.Base("").Path(name)+a)
		if a == "/wiki/Foo?../../.." {
			if resp.StatusCode != 200 || !strings.Contains(body, "version 3") {
				t.Errorf("%s: a query that means nothing: %d", a, resp.StatusCode)
			}
		} else if resp.StatusCode < 400 {
			t.Errorf("%s: status %d", a, resp.StatusCode)
		}
	}
	if len(report.Skipped) != 0 || report.External == 0 || report.Pages < len(oddPages()) || report.Redirects != 0 {
		t.Errorf("%+v", report)
	}
	want := []export.Link{
		{Page: "/chrome/site/doc/index.html", Target: "/chrome/site/gone.png", Why: "404"}, {Page: "/chrome/site/own.css", Target: "/chrome/site/nosuch.svg", Why: "404"},
		{Page: "/wiki/Links", Target: "/login", Why: "403"}, {Page: "/wiki/Links", Target: "/no/such", Why: "404"},
		{Page: "/wiki/Links?version=1", Target: "/login", Why: "403"}, {Page: "/wiki/Links?version=1", Target: "/no/such", Why: "404"},
	}
	if !slices.Equal(report.Broken, want) {
		t.Errorf("broken links:\n%+v, want\n%+v", report.Broken, want)
	}
}

// oddFiles are attachments: the page each belongs to, and its name. The first two
// are a file where the third needs a directory.
func oddFiles() [][2]string {
	return [][2]string{{"A", "b"}, {"A", "page.html"}, {"A/b", "c"}, {"Foo", "größe %.bin"}, {"Foo", strings.Repeat("n", 300) + ".txt"}, {"index.html", "index.html"}}
}

func fillOdd(t *testing.T, dir string) {
	t.Helper()
	d := testenvs.Database(t, dir)
	insert := func(tx *db.Tx, page string, version int, text string) error {
		_, err := tx.Exec("INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES (?, ?, ?, ?, ?, ?, 0)", page, version, 1700000000000000, "ana", text, "")
		return err
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, page := range oddPages() {
			if err := insert(tx, page, 1, "This is the page "+page); err != nil {
				return err
			}
		}
		for _, version := range []int{2, 3} {
			if err := insert(tx, "Foo", version, fmt.Sprintf("version %d", version)); err != nil {
				return err
			}
		}
		if err := insert(tx, "../../escape", 1, "no address has this name"); err != nil {
			return err
		}
		return insert(tx, "Links", 1, "[wiki:Foo@2 old] [/wiki/Foo?x=1 same] [/no/such broken] [/login in] [https://example.org/ out] [htdocs:doc/index.html own] [wiki:Foo#part part]")
	})
	if err != nil || d.Close() != nil {
		t.Fatal(err)
	}
	e := testenvs.Open(t, dir)
	for _, f := range oddFiles() {
		a := attachment.Attachment{Parent: perm.Resource{Realm: "wiki", ID: f[0]}, Name: f[1], Author: "ana", Time: time.Unix(1700000000, 0)}
		body := strings.NewReader("<script>alert(1)</script>" + strings.Repeat(f[1], 10000))
		if _, err := attachment.Add(t.Context(), e, a, body, func(*db.Tx) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExportIsOnDisk: everything of an export is on the disk before it gets its
// name, and the name before a former one goes.
func TestExportIsOnDisk(t *testing.T) {
	dir := filepath.Join(testenvs.Parent(t, "one"), "one")
	top := t.TempDir()
	dest, calls := filepath.Join(top, "site"), filepath.Join(t.TempDir(), "calls")
	for range 2 { // the second takes the place of the first
		c := startTool(t, "strace", "-f", "-qq", "-y", "-e", "trace=fsync,rename,renameat,renameat2,unlinkat", "-o", calls, program(), "export", "--force", dir, dest)
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		named := strings.LastIndex(string(text), fmt.Sprintf(", %q", dest))
		if named < 0 {
			t.Fatalf("nothing is renamed:\n%s", text)
		}
		synced := map[string]bool{}
		for _, m := range regexp.MustCompile(`fsync\(\d+<([^>]*)>`).FindAllStringSubmatch(string(text[:named]), -1) {
			path, err := strconv.Unquote(`"` + m[1] + `"`)
			if err != nil {
				t.Fatal(err)
			}
			if _, below, ok := strings.Cut(path, "/.export-"); ok {
				_, below, _ = strings.Cut(below, "/")
				synced[filepath.Join(dest, below)] = true
			}
		}
		n := 0
		err = filepath.WalkDir(dest, func(path string, _ fs.DirEntry, err error) error {
			if n++; !synced[path] {
				t.Errorf("%s was not on the disk when it got its name", path)
			}
			return err
		})
		if err != nil || n < 10 {
			t.Errorf("%d files, %v", n, err)
		}
		after, _, _ := strings.Cut(string(text[named:]), ".old")
		if !strings.Contains(after, "<"+top+">") {
			t.Errorf("the name is not on the disk:\n%s", text[named:])
		}
	}
}

// TestExportedDemo looks at the exported demonstration in a browser, at desktop
// and phone width, and follows each of its links.
func TestExportedDemo(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	address := freePort(t)
	p := start(t, "demo", "--dir", dir, "--http", address)
	p.waitFor("tcp", address)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	projects := filepath.Join(dir, "projects")
	out, err := exec.Command(program(), "all", "--env-parent-dir", projects, "export", root).CombinedOutput()
	if err != nil || strings.Count(string(out), " 0 to nothing; 0 addresses are not shown") != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	names := []string{"orchard", "ferry-timetable", "звездочёт"}
	live, static := bothSites(t, projects, root, names...)
	for _, a := range []string{"/orchard", "/orchard/wiki/HouseRules", "/orchard/wiki/CiderPress?format=txt", "/ferry-timetable/wiki/WeatherRule", "/" + url.PathEscape("звездочёт") + "/wiki/" + url.PathEscape("Журнал") + "/" + url.PathEscape("Ноябрь")} {
		same(t, live, static, a)
	}
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	location := regexp.MustCompile(`location /trac/lighthouse \{.*\}`).FindString(string(text))
	plain := "http://" + nginx(t, "/nosuch", false, "include /etc/nginx/mime.types;\n"+strings.NewReplacer("/trac/lighthouse", "/orchard", "/var/www", root).Replace(location))
	for _, a := range []string{"/orchard", "/orchard/wiki", "/orchard/wiki/HouseRules", "/orchard/chrome/common/css/trac.css"} {
		if resp, body := rawGet(t, plain, a); resp.StatusCode != 200 {
			t.Errorf("as documented, %s: %d %s", a, resp.StatusCode, body)
		} else if _, want := rawGet(t, live, a); body != want {
			t.Errorf("as documented, %s is not the same", a)
		}
	}
	browser := newBrowser(t)
	for name, path := range map[string]string{"orchard": "/orchard", "cyrillic": "/" + names[2] + "/wiki/Журнал/Ноябрь"} {
		for _, width := range []int64{1280, 375} {
			shown, err := look(browser, static+path, width)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(shown.text, "This project is read-only.") || strings.Contains(shown.text, "Login") || shown.beyond > 0 {
				t.Errorf("%s at %d px: %v px beyond the window: %s", name, width, shown.beyond, shown.text)
			}
			if to := os.Getenv(shots); to != "" {
				if err := os.WriteFile(filepath.Join(to, fmt.Sprintf("export-%s-%d.png", name, width)), shown.png, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
