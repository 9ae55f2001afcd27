package dispatch_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/dispatch"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/project"
	"projhost/project/account"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

// resting is a host of one environment that is only read.
func resting(t *testing.T) *testenvs.Host {
	t.Helper()
	h := testenvs.NewHost(t, nil, []project.Module{account.Module{}, chrome.Module{}, wiki.Module{}, form{}}, "one")
	write(t, h, "UPDATE permission SET action = 'WIKI_ADMIN' WHERE username = 'anonymous' AND action = 'WIKI_VIEW'",
		"INSERT INTO permission (username, action) VALUES ('ana', 'TRAC_ADMIN')")
	if err := os.WriteFile(filepath.Join(h.Parent, "one", "htdocs", "own.txt"), []byte("own"), 0o644); err != nil {
		t.Fatal(err)
	}
	return h
}

func write(t *testing.T, h *testenvs.Host, statements ...string) {
	t.Helper()
	d := testenvs.Database(t, filepath.Join(h.Parent, "one"))
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || d.Close() != nil {
		t.Fatal(err)
	}
}

// setting sets options, "section.name", and waits until they count.
func setting(t *testing.T, h *testenvs.Host, options map[string]string) {
	t.Helper()
	var changes []tracini.Change
	for name, value := range options {
		section, name, _ := strings.Cut(name, ".")
		changes = append(changes, tracini.Change{Section: section, Name: name, Value: value})
	}
	if err := tracini.Save(t.Context(), envs.ConfigFile(filepath.Join(h.Parent, "one")), changes...); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the registry of tests looks again after 5
}

func ask(h *testenvs.Host, method, path string, header map[string]string, vars ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return h.Do(r, vars...)
}

// TestReadOnlySwitch turns [trac] readonly on and off while the environment is in use.
func TestReadOnlySwitch(t *testing.T) {
	h := resting(t)
	off := func() {
		t.Helper()
		w := h.Get("/one/wiki")
		if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "Login") || strings.Contains(body, "read-only") || w.Header().Get("Cache-Control") != "no-cache, private" || w.Header().Get("ETag") != "" || w.Header().Get("Last-Modified") != "" {
			t.Errorf("%d %v %s", w.Code, w.Header(), body)
		}
		if w := h.Get("/one/wiki", "REMOTE_USER=ana"); len(w.Result().Cookies()) == 0 {
			t.Error("no form token: the test shows nothing")
		}
		if !strings.Contains(h.Get("/one/wiki").Body.String(), `href="/one/wiki/NoSuchPage"`) {
			t.Error("a missing page cannot be made: the test shows nothing")
		}
	}
	off()
	setting(t, h, map[string]string{"trac.readonly": "enabled", "trac.readonly_notice": "Moved to <https://new.example.org>."})
	restingPages(t, h, "Moved to &lt;https://new.example.org&gt;.")
	restingCache(t, h)
	setting(t, h, map[string]string{"trac.readonly_notice": "", "trac.readonly_max_age": "60", "project.admin": "ana@example.org"})
	w := h.Get("/one/wiki")
	if w.Header().Get("Cache-Control") != "public, max-age=60" || !strings.Contains(w.Body.String(), "write to ana@…") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	setting(t, h, map[string]string{"trac.readonly_max_age": "0"})
	if w := h.Get("/one/wiki"); w.Header().Get("Cache-Control") != "no-cache, private" || !strings.Contains(w.Body.String(), "request-id") {
		t.Errorf("%v", w.Header())
	}
	setting(t, h, map[string]string{"trac.readonly": "disabled"})
	off()
}

// TestReadOnlyHost: the switch of the process does the same for every environment.
func TestReadOnlyHost(t *testing.T) {
	h := resting(t)
	h.Change(func(o *dispatch.Options) {
		o.Registry = testenvs.Registry(t, h.Parent, envs.Options{ReadOnly: true})
	})
	restingPages(t, h, "This project is read-only.")
	restingCache(t, h)
	if w := h.Get("/one/form"); w.Code != 302 || len(w.Result().Cookies()) != 0 {
		t.Errorf("a page with a form: %d, %v", w.Code, w.Result().Cookies())
	}
}

// form is a module with a page that sets a cookie.
type form struct{}

func (form) Name() string { return "form" }

func (form) Routes(r project.Router) {
	r.Get("/form", func(r *project.Request) (project.Reply, error) {
		r.FormToken()
		return project.Redirect{}, nil
	})
}

// TestReadOnlySchema: tables of an older Trac may be in that one's use, so that
// nothing is kept for long.
func TestReadOnlySchema(t *testing.T) {
	h := resting(t)
	write(t, h, "UPDATE system SET value = '44' WHERE name = 'database_version'")
	restingPages(t, h, "This project is read-only.")
	if w := h.Get("/one/wiki"); w.Header().Get("Cache-Control") != "no-cache, private" {
		t.Errorf("%v", w.Header())
	}
}

// restingPages are what visitors of an environment meet that is only read.
func restingPages(t *testing.T, h *testenvs.Host, notice string) {
	t.Helper()
	before := snapshot(t, h)
	for _, user := range []string{"", "ana"} {
		for _, c := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/one", 200}, {"GET", "/one/wiki/SecondPage", 200}, {"GET", "/one/wiki/NoSuchPage", 404}, {"GET", "/one/no/such", 404},
			{"GET", "/one/login", 403}, {"GET", "/one/logout", 403}, {"POST", "/one/logout", 403},
			{"POST", "/one/wiki/SecondPage", 403}, {"PUT", "/one/wiki/SecondPage", 403}, {"DELETE", "/one/no/such", 403}, {"PROPFIND", "/one", 403},
			{"OPTIONS", "/one/wiki", 405}, {"GET", "/one/chrome/site/own.txt", 200},
		} {
			w := ask(h, c.method, c.path, map[string]string{"Cookie": "trac_auth=x; trac_form_token=0123456789abcdef01234567; trac_session=0123456789abcdef01234567"}, "REMOTE_USER="+user)
			if w.Code != c.status || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s %s of %q: status %d, want %d, cookies %v", c.method, c.path, user, w.Code, c.status, w.Result().Cookies())
			}
			if strings.HasSuffix(c.path, ".txt") {
				continue
			}
			body := w.Body.String()
			if !strings.Contains(body, `id="readonly"`) || !strings.Contains(body, notice) {
				t.Errorf("%s %s of %q does not say that it is read-only:\n%s", c.method, c.path, user, body)
			}
			for _, not := range []string{"Login", "Logout", "signing in", "__FORM_TOKEN", `href="/one/wiki/NoSuchPage"`, `method="post"`} {
				if strings.Contains(body, not) {
					t.Errorf("%s %s of %q offers %s", c.method, c.path, user, not)
				}
			}
		}
	}
	if w := h.Get("/one/wiki/Größe/Übersicht"); strings.Contains(w.Body.String(), `"/one/wiki/Gr%C3%B6%C3%9Fe"`) {
		t.Error("a page that is not there is linked")
	}
	if now := snapshot(t, h); now != before {
		t.Errorf("something was written:\n%s\nbefore:\n%s", now, before)
	}
}

// restingCache: everybody's caches may keep what everybody may see.
func restingCache(t *testing.T, h *testenvs.Host) {
	t.Helper()
	for _, path := range []string{"/one", "/one/wiki/SecondPage", "/one/wiki/SecondPage?format=txt", "/one/chrome/site/own.txt", "/one/wiki/SecondPage?version=1"} {
		w := h.Get(path)
		etag := w.Header().Get("ETag")
		if w.Header().Get("Cache-Control") != "public, max-age=3600" || etag == "" || strings.Contains(w.Body.String(), "request-id") {
			t.Errorf("%s: %v", path, w.Header())
		}
		if again := h.Get(path); again.Body.String() != w.Body.String() {
			t.Errorf("%s is not the same twice", path)
		}
		w = ask(h, http.MethodGet, path, map[string]string{"If-None-Match": "W/" + etag})
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != etag || w.Header().Get("Cache-Control") != "public, max-age=3600" {
			t.Errorf("%s again: %d %v", path, w.Code, w.Header())
		}
		if w := h.Get(path, "REMOTE_USER=ana"); strings.Contains(w.Header().Get("Cache-Control"), "public") || w.Code != 200 {
			t.Errorf("%s of ana: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/one/wiki/NoSuchPage", "/one/no/such", "/one/login"} {
		if w := h.Get(path); strings.Contains(w.Header().Get("Cache-Control"), "public") || w.Header().Get("Last-Modified") != "" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	restingDates(t, h)
}

// restingDates: who has an answer of a time is not sent it again, unless an ETag
// says otherwise.
func restingDates(t *testing.T, h *testenvs.Host) {
	t.Helper()
	info, err := os.Stat(envs.ConfigFile(filepath.Join(h.Parent, "one")))
	if err != nil {
		t.Fatal(err)
	}
	written, made := info.ModTime().UTC().Truncate(time.Second), time.Date(2024, 3, 3, 10, 0, 0, 0, time.UTC) // by testenvs
	for path, want := range map[string]time.Time{
		"/one/wiki/SecondPage":                      written, // what is around a page is configured
		"/one/wiki/SecondPage?version=1":            written,
		"/one/wiki/SecondPage?format=txt":           made,
		"/one/wiki/SecondPage?format=txt&version=1": made,
	} {
		w := h.Get(path)
		etag, modified := w.Header().Get("ETag"), w.Header().Get("Last-Modified")
		if modified != want.Format(http.TimeFormat) {
			t.Errorf("%s was modified %q, want %v", path, modified, want)
		}
		for name, c := range map[string]struct {
			header map[string]string
			status int
		}{
			"that time":                    {map[string]string{"If-Modified-Since": modified}, http.StatusNotModified},
			"a later time":                 {map[string]string{"If-Modified-Since": want.Add(time.Hour).Format(http.TimeFormat)}, http.StatusNotModified},
			"a second before":              {map[string]string{"If-Modified-Since": want.Add(-time.Second).Format(http.TimeFormat)}, http.StatusOK},
			"no time":                      {map[string]string{"If-Modified-Since": "yesterday"}, http.StatusOK},
			"that time and another's ETag": {map[string]string{"If-Modified-Since": modified, "If-None-Match": `"x"`}, http.StatusOK},
			"an old time and the ETag":     {map[string]string{"If-Modified-Since": want.Add(-time.Hour).Format(http.TimeFormat), "If-None-Match": etag}, http.StatusNotModified},
		} {
			w := ask(h, http.MethodGet, path, c.header)
			if w.Code != c.status || (w.Body.Len() == 0) != (c.status == http.StatusNotModified) || w.Header().Get("ETag") != etag || w.Header().Get("Last-Modified") != modified {
				t.Errorf("%s since %s: %d %v", path, name, w.Code, w.Header())
			}
		}
	}
}

// snapshot is what is in the environment's directory, names, sizes and times, and
// in the tables that visits leave something in.
func snapshot(t *testing.T, h *testenvs.Host) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(filepath.Join(h.Parent, "one"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			_, err = fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), filepath.Join(h.Parent, "one"), dsn(t, h), db.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		row := func(r db.Row) error {
			_, err := fmt.Fprintln(&b, r.Text(0), r.Text(1))
			return err
		}
		return errors.Join(tx.Each(row, "SELECT cookie, name FROM auth_cookie ORDER BY cookie"),
			tx.Each(row, "SELECT sid, last_visit FROM session ORDER BY sid"), tx.Each(row, "SELECT id, generation FROM cache ORDER BY id"))
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func dsn(t *testing.T, h *testenvs.Host) string {
	t.Helper()
	config, err := tracini.Load(envs.ConfigFile(filepath.Join(h.Parent, "one")))
	if err != nil {
		t.Fatal(err)
	}
	return config.String("trac", "database")
}
