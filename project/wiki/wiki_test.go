package wiki_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/project"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

func newHost(t *testing.T, names ...string) *testenvs.Host {
	t.Helper()
	return testenvs.NewHost(t, nil, []project.Module{chrome.Module{}, wiki.Module{}}, names...)
}

// alter runs statements in an environment's database, as another program would.
func alter(t *testing.T, h *testenvs.Host, name string, statements ...string) {
	t.Helper()
	d := testenvs.Database(t, filepath.Join(h.Parent, name))
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// raise tells whoever remembers what key names that it has changed, as Trac does.
func raise(id int) string {
	return fmt.Sprintf("INSERT INTO cache (id, generation, key) VALUES (%d, 1, '') ON CONFLICT (id) DO UPDATE SET generation = cache.generation + 1", id)
}

// Ids of Trac's cached values, as its hash makes them of their keys.
const (
	pagesID       = 901198563
	permissionsID = 1722364385
)

func addPage(name, text string, version int) string {
	return fmt.Sprintf("INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES ('%s', %d, 1700000000000000, 'Ana <ana@example.org>', '%s', 'a comment', 0)", name, version, text)
}

func TestPages(t *testing.T) {
	h := newHost(t, "one")
	alter(t, h, "one", addPage("Old", "first text", 1), addPage("Old", "second text", 2), addPage("Old", "third text", 3),
		addPage("Dir/Page", "below Dir", 1), addPage("Page", "at the top", 1), addPage("trac", "by name", 1), raise(pagesID))
	for _, c := range []struct {
		path   string
		status int
		has    []string
		hasNot []string
	}{
		{"/one", 200, []string{"<title>Project one</title>", "Welcome to one", `class="wiki"`, "About one", `href="/one/wiki/SecondPage"`}, nil},
		{"/one/wiki/Old", 200, []string{"third text", "<title>Old – Project one</title>", "format=txt", "2023-11-14", "a comment", "ana@…"}, []string{"noindex", "ana@example.org"}},
		{"/one/wiki/Old?version=2", 200, []string{"second text", "noindex", "version=1", "version=3"}, []string{"third text"}},
		{"/one/wiki/Old?version=", 200, []string{"third text"}, nil},
		{"/one/wiki/Old?version=4", 404, []string{"no version 4", "newest is 3"}, nil},
		{"/one/wiki/Old?version=0", 404, nil, nil},
		{"/one/wiki/Old?version=-1", 404, nil, nil},
		{"/one/wiki/Old?version=two", 400, []string{"&#34;two&#34;"}, nil},
		{"/one/wiki/Old?version=99999999999999999999", 400, nil, nil},
		{"/one/wiki/Old?format=pdf", 400, []string{"pdf"}, nil},
		{"/one/wiki/old", 404, []string{`href="/one/wiki/Old"`}, nil},
		{"/one/wiki/Dir/Page", 200, []string{"below Dir", `href="/one/wiki/Dir"`}, nil},
		{"/one/wiki/Dir/Sub/Page", 404, []string{`href="/one/wiki/Dir/Page"`}, nil},
		{"/one/wiki/No<b>Such", 404, []string{"No&lt;b&gt;Such"}, []string{"No<b>Such"}},
		{"/one/wiki/../wiki", 400, nil, nil},
		{"/one/wiki/Old?action=edit", 404, []string{"edit"}, nil},
	} {
		w := h.Get(strings.ReplaceAll(c.path, "<", "%3C"))
		body := w.Body.String()
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.path, w.Code, c.status)
		}
		for _, s := range c.has {
			if !strings.Contains(body, s) {
				t.Errorf("%s: lacks %q:\n%s", c.path, s, body)
			}
		}
		for _, s := range c.hasNot {
			if strings.Contains(body, s) {
				t.Errorf("%s: holds %q", c.path, s)
			}
		}
	}
}

func TestPlainText(t *testing.T) {
	h := newHost(t, "one")
	alter(t, h, "one", addPage(`Größe "x"`, "the text", 1))
	w := h.Get(`/one/wiki/Gr%C3%B6%C3%9Fe%20%22x%22?format=txt`)
	if w.Code != 200 || w.Body.String() != "the text" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("status %d, %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	want := `attachment; filename="Gr__e _x_.txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22x%22.txt`
	if got := w.Header().Get("Content-Disposition"); got != want {
		t.Errorf("disposition\n got %s\nwant %s", got, want)
	}
}

func TestTooLongToShow(t *testing.T) {
	h := newHost(t, "one")
	alter(t, h, "one", addPage("Long", "", 1), "UPDATE wiki SET text = '"+strings.Repeat("0", 6_000_000)+"' WHERE name = 'Long'")
	if w := h.Get("/one/wiki/Long"); w.Code != 413 {
		t.Errorf("status %d", w.Code)
	}
	if w := h.Get("/one/wiki/Long?format=txt"); w.Code != 200 || w.Body.Len() != 6000000 {
		t.Errorf("as text: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestRedirects(t *testing.T) {
	h := newHost(t, "one")
	for path, want := range map[string]string{
		"/one/wiki/":                "301 /one/wiki",
		"/one/wiki/SecondPage/":     "302 /one/wiki/SecondPage",
		"/one/wiki//SecondPage?a=b": "301 /one/wiki/SecondPage?a=b",
		"/one/wiki/a///b":           "301 /one/wiki/a/b",
	} {
		w := h.Get(path)
		if got := fmt.Sprintf("%d %s", w.Code, w.Header().Get("Location")); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestChangesOfAnotherProgramCount: a running Trac writes to the same tables.
func TestChangesOfAnotherProgramCount(t *testing.T) {
	h := newHost(t, "one")
	if body := h.Get("/one").Body.String(); !strings.Contains(body, "missing wiki") {
		t.Fatalf("the link to NoSuchPage is not shown as missing:\n%s", body)
	}
	alter(t, h, "one", addPage("NoSuchPage", "now there", 1), raise(pagesID))
	if body := h.Get("/one").Body.String(); strings.Contains(body, "missing wiki") {
		t.Error("the link is still shown as missing")
	}
	alter(t, h, "one", "UPDATE wiki SET text = 'replaced in place' WHERE name = 'SecondPage'")
	if body := h.Get("/one/wiki/SecondPage").Body.String(); !strings.Contains(body, "replaced in place") {
		t.Error("a text replaced in place is not shown")
	}
	alter(t, h, "one", "DELETE FROM permission WHERE action = 'WIKI_VIEW'", raise(permissionsID))
	if w := h.Get("/one"); w.Code != 403 {
		t.Errorf("after WIKI_VIEW was revoked: status %d", w.Code)
	}
}

func TestWhoMaySee(t *testing.T) {
	h := newHost(t, "one")
	alter(t, h, "one", "DELETE FROM permission WHERE action = 'WIKI_VIEW'",
		"INSERT INTO permission (username, action) VALUES ('ana', 'TRAC_ADMIN'), ('readers', 'WIKI_VIEW'), ('bo', 'readers'), ('authenticated', 'TIMELINE_VIEW')",
		fmt.Sprintf("INSERT INTO auth_cookie (cookie, name, ipnr, time) VALUES ('0123456789abcdef', 'bo', '127.0.0.1', %d), ('old', 'ana', '', 1)", time.Now().Unix()))
	for _, c := range []struct {
		name   string
		vars   []string
		status int
	}{
		{"anonymous", nil, 403},
		{"an administrator", []string{"REMOTE_USER=ana"}, 200},
		{"a member of a group", []string{"REMOTE_USER=bo"}, 200},
		{"somebody else", []string{"REMOTE_USER=cy"}, 403},
		{"the name anonymous", []string{"REMOTE_USER=anonymous"}, 403},
		{"a name in a header", []string{"HTTP_REMOTE_USER=ana"}, 403},
		{"a login's cookie", []string{"HTTP_COOKIE=trac_auth=0123456789abcdef"}, 200},
		{"an unknown cookie", []string{"HTTP_COOKIE=trac_auth=fedcba9876543210"}, 403},
		{"an expired cookie", []string{"HTTP_COOKIE=trac_auth=old"}, 403},
	} {
		w := h.Get("/one/wiki", c.vars...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
		if c.status == 403 && (strings.Contains(w.Body.String(), "Welcome") || strings.Contains(w.Body.String(), `href="/one/wiki/TracGuide"`)) {
			t.Errorf("%s: the page shows what is refused", c.name)
		}
	}
}

func TestUnknownPolicyRefusesAll(t *testing.T) {
	h := newHost(t)
	testenvs.Make(t, h.Parent, "one", map[string]map[string]string{"trac": {"permission_policies": "SecretPolicy, DefaultPermissionPolicy"}})
	w := h.Get("/one/wiki", "REMOTE_USER=ana")
	if w.Code != 403 || !strings.Contains(h.Log.String(), "SecretPolicy") {
		t.Errorf("status %d; log: %s", w.Code, h.Log)
	}
	testenvs.Make(t, h.Parent, "two", map[string]map[string]string{"trac": {"permission_policies": "DefaultWikiPolicy"}})
	if w := h.Get("/two/wiki"); w.Code != 403 {
		t.Errorf("a project whose policies grant nothing: status %d", w.Code)
	}
}

func TestNavigation(t *testing.T) {
	h := newHost(t)
	testenvs.Make(t, h.Parent, "one", map[string]map[string]string{
		"mainnav": {"wiki.label": "Notebook", "wiki.order": "2", "shop": "enabled", "shop.href": "/wiki/Shop?a=b", "shop.label": "The shop", "shop.order": "1",
			"hidden": "disabled", "hidden.href": "/x", "hidden.label": "Hidden one", "admins": "enabled", "admins.href": "/y", "admins.label": "For admins", "admins.permission": "TRAC_ADMIN"},
		"metanav": {"help": "disabled"},
	})
	body := h.Get("/one/wiki").Body.String()
	shop, notebook := strings.Index(body, "The shop"), strings.Index(body, "Notebook")
	if shop < 0 || notebook < shop || !strings.Contains(body, `href="/one/wiki/Shop?a=b"`) {
		t.Errorf("entries are missing or not in order:\n%s", body)
	}
	for _, not := range []string{"Hidden one", "For admins", "Help/Guide"} {
		if strings.Contains(body, not) {
			t.Errorf("the navigation shows %q", not)
		}
	}
}

// databaseState is all there is of an environment's database: its file and what
// is beside it, or some tables' rows.
func databaseState(t *testing.T, h *testenvs.Host, name string) (state string) {
	t.Helper()
	if testenvs.InPostgres() {
		d := testenvs.Database(t, filepath.Join(h.Parent, name))
		defer func() { _ = d.Close() }()
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Each(func(r db.Row) error {
				state += r.Text(0) + "=" + r.Text(1) + "\n"
				return nil
			}, "SELECT name, value FROM system UNION SELECT CAST(id AS text), CAST(generation AS text) FROM cache UNION SELECT name, text FROM wiki ORDER BY 1")
		})
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	dir := filepath.Join(h.Parent, name, "db")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		state += e.Name() + "\n" + string(text)
	}
	return state
}

// TestOlderTablesAreNotAltered: a Trac 1.0 database is read and left as it is.
func TestOlderTablesAreNotAltered(t *testing.T) {
	h := newHost(t, "one")
	alter(t, h, "one", "UPDATE system SET value = '29' WHERE name = 'database_version'")
	before := databaseState(t, h, "one")
	if w := h.Get("/one/wiki"); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
	if after := databaseState(t, h, "one"); after != before {
		t.Error("the database was altered, or files were left beside it")
	}
	for version, status := range map[int]int{28: 503, 46: 503, 44: 200} {
		testenvs.Make(t, h.Parent, fmt.Sprint("v", version), nil)
		alter(t, h, fmt.Sprint("v", version), fmt.Sprintf("UPDATE system SET value = '%d' WHERE name = 'database_version'", version))
		if w := h.Get(fmt.Sprintf("/v%d/wiki", version)); w.Code != status {
			t.Errorf("version %d: status %d, want %d", version, w.Code, status)
		}
	}
}
