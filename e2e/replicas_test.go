package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/admin"
	"projhost/db"
	"projhost/db/pgtest"
	"projhost/testenvs"
)

// noticed is how long a change made by another process may take to be seen: a
// second, and as much again as a request takes on a busy machine.
const noticed = 1500 * time.Millisecond

// replicas are two processes that serve one project, and a Trac beside them.
type replicas struct {
	t       *testing.T
	env     string
	console *admin.Console
	urls    []string
	admins  []string // what administrators see is below these
	trac    *db.DB
	most    time.Duration // that anything took to be seen
}

// newReplicas has the project in PostgreSQL, or in SQLite if database is "".
func newReplicas(t *testing.T, database string) *replicas {
	parent := testenvs.Parent(t)
	settings := map[string]map[string]string{}
	if database != "" {
		settings["trac"] = map[string]string{"database": database}
	}
	x := &replicas{t: t, env: testenvs.Make(t, parent, "one", settings)}
	users := htpasswd(t)
	for range 2 {
		address, admins := freePort(t), freePort(t)
		p := start(t, "serve", "--listen", "http://"+address, "--admin-listen", "http://"+admins, "--env-parent-dir", parent, "--basic-auth", "*,"+users+",R", "--log-level", "error")
		p.waitFor("tcp", address)
		p.waitFor("tcp", admins)
		x.urls, x.admins = append(x.urls, "http://"+address+"/one"), append(x.admins, "http://"+admins+"/.projhost/")
	}
	x.trac, x.console = testenvs.Database(t, x.env), &admin.Console{Dir: x.env}
	t.Cleanup(x.console.Close)
	return x
}

// sql is what a Trac does to the database, in one transaction.
func (x *replicas) sql(statements ...string) {
	x.t.Helper()
	err := x.trac.Write(x.t.Context(), func(tx *db.Tx) error {
		for _, s := range statements {
			if r, err := tx.Exec(s); err != nil {
				return err
			} else if r.Changed != 1 {
				x.t.Errorf("%s: changed %d rows", s, r.Changed)
			}
		}
		return nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
}

// Trac 1.6 keeps the names of pages and the permissions in memory, and reads them
// anew when their row in the table cache says so: one that it adds with the first
// change, and raises with each other. The numbers are its own.
const (
	pagesID      = 901198563
	permsID      = 1722364385
	pagesFirst   = "INSERT INTO cache (id, generation, key) VALUES (901198563, 0, 'trac.wiki.api.WikiSystem.pages')"
	permsChanged = "UPDATE cache SET generation = generation + 1 WHERE id = 1722364385"
)

// generation is what a Trac compares with the one that it remembers.
func (x *replicas) generation(id int64) (n int64) {
	x.t.Helper()
	err := x.trac.Read(x.t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error {
			n = r.Int(0)
			return nil
		}, "SELECT generation FROM cache WHERE id = ?", id)
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return n
}

// ask asks one of them; ana signs in at /login.
func (x *replicas) ask(url, path string) (*http.Response, string) {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodGet, url+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	if path == "/login" {
		r.SetBasicAuth("ana", "secret")
	}
	return do(x.t, r)
}

// both waits until both processes answer as they should.
func (x *replicas) both(what, path string, is func(*http.Response, string) bool) {
	x.t.Helper()
	begun := time.Now()
	for _, url := range x.urls {
		for {
			asked := time.Since(begun)
			resp, body := x.ask(url, path)
			if is(resp, body) {
				x.most = max(x.most, asked)
				break
			}
			if asked > noticed {
				x.t.Fatalf("%s: not seen by %s after %v: %d\n%s", what, url, asked, resp.StatusCode, tail(body, 1500))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func has(text string) func(*http.Response, string) bool {
	return func(r *http.Response, body string) bool { return r.StatusCode == 200 && strings.Contains(body, text) }
}

func answered(code int) func(*http.Response, string) bool {
	return func(r *http.Response, _ string) bool { return r.StatusCode == code }
}

// TestReplicas changes a project by one process, or as a Trac would, and looks
// whether all who serve it go by that within a second.
func TestReplicas(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { newReplicas(t, "").run() })
	t.Run("PostgreSQL", func(t *testing.T) {
		x := newReplicas(t, pgtest.Start(t).DSN("one"))
		x.run()
		x.listen()
	})
}

// metric is what one process's metrics say of the one database server.
func (x *replicas) metric(admin, name, label string) (value float64) {
	x.t.Helper()
	_, text := get(x.t, admin+"metrics")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "projhost_"+name+"{") || !strings.Contains(line, label) {
			continue
		}
		var err error
		if value, err = strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64); err != nil {
			x.t.Fatal(line, err)
		}
		return value
	}
	x.t.Fatalf("no %s among the metrics:\n%s", name, text)
	return 0
}

// listen changes the project by a third process. The others are told, and go by
// it at the next request. They have looked just before, and would not look again
// by themselves for a while.
func (x *replicas) listen() {
	t := x.t
	both := func(what string, is func(admin string) bool) {
		for _, admin := range x.admins {
			eventually(t, what, func() bool { return is(admin) })
		}
	}
	both("listening", func(admin string) bool {
		return x.metric(admin, "db_connections", `state="listening"`) == 1
	})
	for page, text := range map[string]string{"status": "1 listening for changes", "status.json": `"listening":1`} {
		if _, body := get(t, x.admins[0]+page); !strings.Contains(body, text) {
			t.Errorf("%s does not say %s:\n%s", page, text, body)
		}
	}
	for _, change := range []struct {
		name  string
		words []string
		path  string
		is    func(*http.Response, string) bool
	}{
		{"a setting", []string{"config", "set", "project", "footer", "told-at-once"}, "/wiki", has("told-at-once")},
		{"a setting removed", []string{"config", "remove", "project", "footer"}, "/wiki", func(_ *http.Response, body string) bool { return !strings.Contains(body, "told-at-once") }},
		{"read-only", []string{"config", "set", "trac", "readonly", "enabled"}, "/wiki", has("This project is read-only.")},
		{"read-only no more", []string{"config", "set", "trac", "readonly", "disabled"}, "/login", answered(http.StatusFound)},
	} {
		before := map[string]float64{}
		for i, admin := range x.admins {
			before[admin] = x.metric(admin, "db_notifications_total", "")
			if resp, body := x.ask(x.urls[i], change.path); change.is(resp, body) {
				t.Errorf("%s: is there before", change.name)
			}
		}
		inProcess(t, x.console, change.words...)
		both(change.name+" is told", func(admin string) bool {
			return x.metric(admin, "db_notifications_total", "") > before[admin]
		})
		for _, url := range x.urls {
			if resp, body := x.ask(url, change.path); !change.is(resp, body) {
				t.Errorf("%s does not count at the next request: %d\n%s", change.name, resp.StatusCode, tail(body, 1500))
			}
		}
	}
}

func (x *replicas) run() {
	t := x.t
	x.both("the project", "/wiki", has("missing wiki"))

	x.sql("INSERT INTO wiki (name, version, time, author, text) VALUES ('NoSuchPage', 1, 1, 'trac', 'It is there.')", pagesFirst)
	x.both("a page made by Trac", "/wiki", func(r *http.Response, body string) bool {
		return r.StatusCode == 200 && !strings.Contains(body, "missing wiki")
	})
	x.sql("INSERT INTO wiki (name, version, time, author, text) VALUES ('NoSuchPage', 2, 2, 'trac', 'It is another.')")
	x.both("a page changed by Trac", "/wiki/NoSuchPage", has("It is another."))
	before := x.generation(pagesID)
	inProcess(t, x.console, "wiki", "remove", "NoSuchPage")
	x.both("a page removed", "/wiki", has("missing wiki"))
	if x.generation(pagesID) <= before {
		t.Error("a Trac would not see that the page is gone")
	}

	inProcess(t, x.console, "permission", "add", "anonymous", "LOG_VIEW", "WIKI_DELETE")
	x.sql("DELETE FROM permission WHERE username = 'anonymous' AND action = 'WIKI_VIEW'",
		"DELETE FROM permission WHERE username = 'anonymous' AND action = 'WIKI_DELETE'", permsChanged)
	x.both("a permission taken by Trac", "/wiki", answered(http.StatusForbidden))
	before = x.generation(permsID)
	inProcess(t, x.console, "permission", "add", "anonymous", "WIKI_VIEW")
	x.both("a permission given", "/wiki", answered(http.StatusOK))
	if x.generation(permsID) <= before {
		t.Error("a Trac would not see the permission")
	}

	inProcess(t, x.console, "config", "set", "project", "footer", "told-by-another")
	x.both("a setting", "/wiki", has("told-by-another"))
	x.login()

	file := filepath.Join(x.env, "conf", "trac.ini")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	x.sql("UPDATE system SET value = '44' WHERE name = 'database_version'")
	x.both("tables of an older version", "/login", answered(http.StatusForbidden))
	inProcess(t, x.console, "upgrade", "--no-backup")
	write(t, file, string(text)) // the upgrade is to be noticed by itself
	x.both("an upgrade", "/login", answered(http.StatusFound))
	t.Logf("at most %v until a change was seen", x.most.Round(time.Millisecond))
}

// login signs in to one process, and shows the cookie to the other.
func (x *replicas) login() {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodGet, x.urls[0]+"/login", nil)
	if err != nil {
		x.t.Fatal(err)
	}
	r.SetBasicAuth("ana", "secret")
	resp, _ := do(x.t, r)
	if r, err = http.NewRequestWithContext(x.t.Context(), http.MethodGet, x.urls[1]+"/wiki", nil); err != nil {
		x.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		r.AddCookie(c)
	}
	if _, body := do(x.t, r); !strings.Contains(body, "Signed in as") {
		x.t.Error("who has signed in to one process is not known to the other")
	}
}
