package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"projhost/admin"
	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/testenvs"
	"projhost/testenvs/realtrac"
)

// This file has a real Trac 1.6 use what we make, and share what it uses.

// signedIn is a browser that may sign in to a project, at a Trac or at us.
type signedIn struct {
	t       *testing.T
	site    string // address of the project
	cookies map[string]string
}

// ask sends a request with the visitor's cookies, of a form if there is one.
func (v *signedIn) ask(method, path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.site+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if path == "/login" {
		r.SetBasicAuth("ana", "secret")
	}
	resp, body := do(v.t, r)
	for _, c := range resp.Cookies() {
		if v.cookies == nil {
			v.cookies = map[string]string{}
		}
		v.cookies[c.Name] = c.Value
	}
	return resp, body
}

// login signs ana in.
func (v *signedIn) login() {
	v.t.Helper()
	resp, body := v.ask(http.MethodGet, "/login", nil)
	if resp.StatusCode/100 != 3 || v.cookies["trac_auth"] == "" {
		v.t.Fatalf("%s: signing in is answered by %d, and cookies %v\n%s", v.site, resp.StatusCode, v.cookies, tail(body, 1000))
	}
}

// send sends a form, with the token that came with the page before it; it must be
// answered by a redirect.
func (v *signedIn) send(path string, form url.Values) (location string) {
	v.t.Helper()
	form.Set("__FORM_TOKEN", v.cookies["trac_form_token"])
	resp, body := v.ask(http.MethodPost, path, form)
	if resp.StatusCode/100 != 3 {
		v.t.Errorf("POST %s%s: %d\n%s", v.site, path, resp.StatusCode, tail(body, 1500))
	}
	return resp.Header.Get("Location")
}

// shows fails the test unless the page is answered well and has all of texts.
func (v *signedIn) shows(path string, texts ...string) string {
	v.t.Helper()
	resp, body := v.ask(http.MethodGet, path, nil)
	if resp.StatusCode != http.StatusOK {
		v.t.Errorf("%s%s: %d\n%s", v.site, path, resp.StatusCode, tail(body, 1500))
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			v.t.Errorf("%s%s: no %q in\n%s", v.site, path, text, tail(body, 1500))
		}
	}
	return body
}

// inBoth runs a test with a database of each kind, "" being initenv's own choice.
func inBoth(t *testing.T, f func(t *testing.T, dsn func(schema string) string)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		f(t, func(string) string { return "" })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		f(t, pgtest.Start(t).DSN)
	})
}

// newEnvironment makes one by initenv.
func newEnvironment(t *testing.T, parent, name, database string) (env string) {
	t.Helper()
	if database == "" {
		database = "sqlite:db/trac.db"
	}
	env = filepath.Join(parent, name)
	administer(t, env, "initenv", "Project "+name, database)
	return env
}

// TestTracUsesNewEnvironment has a real Trac serve what initenv has made: every
// page and report, and a ticket by way of the workflow.
func TestTracUsesNewEnvironment(t *testing.T) {
	inBoth(t, func(t *testing.T, dsn func(string) string) {
		parent := t.TempDir()
		env := newEnvironment(t, parent, "new", dsn("new"))
		realtrac.IsCurrent(t, env)
		administer(t, env, "permission", "add", "ana", "TRAC_ADMIN")
		v := &signedIn{t: t, site: realtrac.Serve(t, parent, htpasswd(t)) + "/new"}
		v.login()
		for _, path := range []string{"/wiki/WikiStart", "/wiki/TitleIndex", "/wiki/TracGuide", "/timeline", "/roadmap", "/search?q=wiki&wiki=on&ticket=on",
			"/query", "/report", "/milestone/milestone1", "/admin/general/basics", "/admin/general/perm", "/admin/ticket/components", "/about", "/prefs"} {
			v.shows(path, "Project new")
		}
		reports := regexp.MustCompile(`href="/new(/report/[0-9]+)"`).FindAllStringSubmatch(v.shows("/report"), -1)
		if len(reports) < 8 {
			t.Errorf("Trac lists %d reports", len(reports))
		}
		for _, r := range reports {
			if body := v.shows(r[1]); strings.Contains(body, "Report execution failed") {
				t.Errorf("%s: %s", r[1], tail(body, 3000))
			}
		}
		form := url.Values{"field_summary": {"It leaks"}, "field_reporter": {"ana"}, "field_description": {"See WikiStart."}, "field_type": {"defect"},
			"field_priority": {"major"}, "field_milestone": {"milestone1"}, "field_component": {"component1"}, "action": {"create"}, "submit": {"Create ticket"}}
		v.shows("/newticket", "field_summary")
		if to := v.send("/newticket", form); !strings.HasSuffix(to, "/ticket/1") {
			t.Errorf("a new ticket leads to %q", to)
		}
		v.shows("/ticket/1", "It leaks", "action_resolve", "action_accept")
	})
}

// TestTracBeside serves projects by a real Trac and by us at a time: each goes by
// what the other has changed, and knows whom the other has signed in.
func TestTracBeside(t *testing.T) {
	inBoth(t, func(t *testing.T, dsn func(string) string) {
		parent := t.TempDir()
		env := newEnvironment(t, parent, "both", dsn("both"))
		users, address := htpasswd(t), freePort(t)
		start(t, "serve", "--listen", "http://"+address, "--env-parent-dir", parent, "--basic-auth", "*,"+users+",R", "--log-level", "error").waitFor("tcp", address)
		trac, ours := &signedIn{t: t, site: realtrac.Serve(t, parent, users) + "/both"}, &signedIn{t: t, site: "http://" + address + "/both"}
		both := []*signedIn{trac, ours}
		seen := func(what, path string, is func(*http.Response, string) bool) {
			t.Helper()
			for _, v := range both {
				var body string
				var resp *http.Response
				for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
					if resp, body = v.ask(http.MethodGet, path, nil); is(resp, body) {
						break
					}
					if time.Now().After(end) {
						t.Fatalf("%s is not seen at %s%s: %d\n%s", what, v.site, path, resp.StatusCode, tail(body, 1500))
					}
				}
			}
		}
		text := filepath.Join(t.TempDir(), "page.txt")

		// Pages, permissions and settings of ours first. Trac keeps permissions for five seconds.
		write(t, text, "= A page =\n\nmade-by-us, see NotYetThere.")
		administer(t, env, "wiki", "import", "ByUs", text)
		seen("a page that we have made", "/wiki/ByUs", has("made-by-us"))
		seen("a link to a page that is missing", "/wiki/ByUs", has(`missing wiki`))
		administer(t, env, "wiki", "rename", "TracModPython", "NotYetThere")
		seen("a page that we have renamed", "/wiki/ByUs", func(_ *http.Response, body string) bool { return !strings.Contains(body, "missing wiki") })
		administer(t, env, "permission", "remove", "anonymous", "WIKI_VIEW")
		seen("a permission that we have taken", "/wiki/ByUs", answered(http.StatusForbidden))
		realtrac.Admin(t, env, "permission", "add", "readers", "WIKI_VIEW")
		realtrac.Admin(t, env, "permission", "add", "anonymous", "readers")
		seen("a group that Trac has made", "/wiki/ByUs", answered(http.StatusOK))
		administer(t, env, "config", "set", "project", "footer", "Größe told-by-us")
		seen("a setting of ours", "/wiki/ByUs", has("Größe told-by-us"))

		// Then Trac's.
		write(t, text, "= Another =\n\nmade-by-trac, see AlsoMissing.")
		realtrac.Admin(t, env, "wiki", "import", "ByTrac", text)
		seen("a page that Trac has made", "/wiki/ByTrac", has("made-by-trac"))
		seen("a link to a page that is missing", "/wiki/ByTrac", has("missing wiki"))
		realtrac.Admin(t, env, "wiki", "rename", "NotYetThere", "AlsoMissing")
		seen("a page that Trac has renamed", "/wiki/ByTrac", func(_ *http.Response, body string) bool { return !strings.Contains(body, "missing wiki") })
		seen("its former name", "/wiki/ByUs", has("missing wiki"))
		realtrac.Admin(t, env, "config", "set", "project", "footer", "Länge told-by-trac")
		seen("a setting of Trac's", "/wiki/ByTrac", has("Länge told-by-trac"))

		// Both write at a time, and nothing is lost.
		var byTrac, byUs []string
		for i := range 25 {
			byTrac, byUs = append(byTrac, fmt.Sprintf("component add trac%02d", i)), append(byUs, fmt.Sprintf("component add ours%02d", i))
		}
		told := make(chan string)
		go func() { told <- shell(env, byUs...) }()
		realtrac.Session(t, env, byTrac...)
		if problem := <-told; problem != "" {
			t.Error(problem)
		}
		components := realtrac.Admin(t, env, "component", "list")
		if n, m := strings.Count(components, "\ntrac"), strings.Count(components, "\nours"); n != 25 || m != 25 {
			t.Errorf("of 25 components each that were added at a time, %d of Trac's and %d of ours are there:\n%s", n, m, components)
		}

		// Who has signed in to one is known to the other, until they sign out.
		known := func(v *signedIn, path string) bool {
			_, body := v.ask(http.MethodGet, path, nil)
			return strings.Contains(body, "/logout")
		}
		for i, v := range both {
			other := &signedIn{t: t, site: both[1-i].site}
			v.login()
			other.cookies = map[string]string{"trac_auth": v.cookies["trac_auth"]}
			if !known(v, "/wiki/ByUs") || !known(other, "/wiki/ByUs") {
				t.Errorf("who has signed in at %s is known there: %t, at %s: %t", v.site, known(v, "/wiki/ByUs"), other.site, known(other, "/wiki/ByUs"))
			}
			v.send("/logout", url.Values{})
			if known(other, "/wiki/ByUs") {
				t.Errorf("who has signed out at %s is known at %s still", v.site, other.site)
			}
		}
	})
}

// TestTracOpensCopies has a real Trac open what hotcopy, backup and convert_db
// have made, and compares what it finds in there.
func TestTracOpensCopies(t *testing.T) {
	inBoth(t, func(t *testing.T, dsn func(string) string) {
		parent := t.TempDir()
		env := newEnvironment(t, parent, "first", dsn("first"))
		file := filepath.Join(t.TempDir(), "Größe.bin")
		write(t, file, "\x00\xff bytes")
		realtrac.Session(t, env, "attachment add wiki:WikiStart "+file+" ana 'of Trac'", "component add pump ana")
		look := func(env string) string {
			return strings.Join(realtrac.Session(t, env, "upgrade", "wiki list", "permission list", "component list", "attachment list wiki:WikiStart",
				"attachment export wiki:WikiStart Größe.bin"), "")
		}
		want := look(env)
		for _, part := range []string{"up to date", "Größe.bin", "\x00\xff bytes", "pump"} {
			if !strings.Contains(want, part) {
				t.Fatalf("Trac does not tell %q: %s", part, want)
			}
		}
		archive := filepath.Join(t.TempDir(), "first.tar.gz")
		runs(t, "backup", env, archive)
		runs(t, "restore", archive, filepath.Join(parent, "restored"))
		administer(t, env, "hotcopy", filepath.Join(parent, "copied"))
		copies := []string{"restored", "copied"}
		if database := dsn("converted"); database != "" {
			administer(t, env, "convert_db", database, filepath.Join(parent, "converted"))
			runs(t, "restore", archive, filepath.Join(parent, "again"), "--database", dsn("again"))
			copies = append(copies, "converted", "again")
		}
		for _, name := range copies {
			if got := look(filepath.Join(parent, name)); got != want {
				t.Errorf("Trac finds in what was %s:\n%s\nand in the first:\n%s", name, got, want)
			}
		}
	})
}

// TestTracReadsSettings has each write options that are hard to write, for the
// other to read.
func TestTracReadsSettings(t *testing.T) {
	parent := t.TempDir()
	env := newEnvironment(t, parent, "set", "")
	console := &admin.Console{Dir: env}
	defer console.Close()
	for i, value := range []string{"  blanks at both ends ", "100% of $x and ${y}", "a = b; c # d : [e]", `back\slash\n Größe 漢字`, ""} {
		name := fmt.Sprintf("odd_%d", i)
		inProcess(t, console, "config", "set", "odd", name, value)
		ours, trac := inProcess(t, console, "config", "get", "odd", name), realtrac.Admin(t, env, "config", "get", "odd", name)
		if ours != trac {
			t.Errorf("%q written by us: Trac reads %q, we %q", value, trac, ours)
		}
		realtrac.Admin(t, env, "config", "set", "odd", name, value)
		if again := inProcess(t, console, "config", "get", "odd", name); again != ours {
			t.Errorf("%q written by Trac: we read %q, and %q when we have written it", value, again, ours)
		}
	}
	realtrac.IsCurrent(t, env)
}

// TestTracAdmin compares what trac-admin and we write of the same data: scripts
// read these tables.
func TestTracAdmin(t *testing.T) {
	env := newEnvironment(t, t.TempDir(), "told", "")
	console := &admin.Console{Dir: env}
	defer console.Close()
	for _, size := range []int{0, 1, 1023, 1024, 1536000} {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("漢字 %d.txt", size))
		write(t, file, strings.Repeat("x", size))
		inProcess(t, console, "attachment", "add", "wiki:WikiStart", file, "ana", "of Größe")
	}
	for _, command := range []string{"milestone due milestone1 2027-01-02", "milestone completed milestone2 now", "version add 3.0 2026-11-21", "version add 漢字",
		"component add pump ana", "session add ana Ána ana@example.org", "session add bo", "permission add ana TRAC_ADMIN developers", "permission add developers MILESTONE_ADMIN",
		"priority add urgent", "priority order urgent up", "ticket_type add question", "severity add worst", "config set odd option value"} {
		inProcess(t, console, strings.Fields(command)...)
	}
	commands := []string{"component list", "milestone list", "version list", "priority list", "severity list", "resolution list", "ticket_type list",
		"permission list", "permission list ana", "permission list anonymous", "permission list MILESTONE_VIEW", "permission list nobody", "permission export",
		"session list", "session list ana", "session list *", "session list authenticated", "session list nobody", "wiki list", "wiki export SandBox", "attachment list wiki:WikiStart",
		"attachment list wiki:Nope", "config get odd option", "config get project name", "config get trac database"}
	for i, want := range realtrac.Session(t, env, commands...) {
		if got := inProcess(t, console, strings.Fields(commands[i])...); got != want {
			t.Errorf("%s: Trac writes\n%s\nwe write\n%s", commands[i], want, got)
		}
	}
}

// tracChanges are commands that change the environments of TestTracAdminChanges;
// PAGE and FILE are files.
const tracChanges = `component add pump ana
component rename component1 engine
component chown engine bo
component remove component2
milestone add m5 2030-05-05
milestone rename milestone1 mOne
milestone due mOne 2030-01-01
milestone completed milestone3 2020-01-01
milestone remove milestone2
version add 3.0 2020-01-01
version rename 1.0 1.0a
version time 2.0 2015-01-01
version remove 2.0
priority add urgent
priority change major big
priority order urgent up
priority remove trivial
severity add bad
severity add worse
severity order worse up
resolution change fixed done
resolution remove wontfix
ticket_type add story
ticket_type change defect bug
ticket_type order story up
ticket_type remove task
permission add ana TRAC_ADMIN WIKI_ADMIN
permission add bo developers
permission remove anonymous WIKI_VIEW REPORT_VIEW
permission remove ana WIKI_ADMIN
permission add * LOG_VIEW
permission remove * MILESTONE_VIEW
session add ana Ana ana@example.org
session add bo
session add cy
session set name bo Bo
session set email ana new@example.org
session set default_handler ana TimelineModule
session delete cy
wiki import NewPage PAGE
wiki import WikiStart PAGE
wiki rename NewPage OtherPage
wiki replace PAGE
wiki remove TracModPython
wiki remove TracAdm*
attachment add wiki:WikiStart FILE ana some-file
attachment add wiki:WikiStart FILE
attachment add wiki:OtherPage FILE bo
attachment remove wiki:WikiStart FILE.NAME
wiki rename OtherPage Again
ticket remove 1`

// TestTracAdminChanges has trac-admin and us do the same to two environments, and
// compares all their tables.
func TestTracAdminChanges(t *testing.T) {
	inBoth(t, func(t *testing.T, dsn func(string) string) {
		page, file := filepath.Join(t.TempDir(), "page.txt"), filepath.Join(t.TempDir(), "file 漢字.bin")
		write(t, page, "new text\n")
		write(t, file, "\x00\xff")
		change := strings.NewReplacer("FILE.NAME", `"`+filepath.Base(file)+`"`, "FILE", `"`+file+`"`, "PAGE", page)
		parent := t.TempDir()
		var dumps [2]map[string][]string
		for i, name := range []string{"trac", "ours"} {
			env := newEnvironment(t, parent, name, dsn(name))
			d := testenvs.Database(t, env)
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec("INSERT INTO ticket (type, component, priority, milestone, version, owner, reporter, status, resolution, summary) " +
					"VALUES ('defect', 'component1', 'major', 'milestone1', '1.0', 'ana', 'bo', 'new', '', 'one'), ('task', 'component2', 'minor', 'milestone2', '2.0', 'bo', 'ana', 'closed', 'fixed', 'two')")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(change.Replace(tracChanges), "\n")
			if name == "trac" {
				realtrac.Session(t, env, lines...)
			} else if problem := shell(env, lines...); problem != "" {
				t.Fatal(problem)
			}
			dumps[i] = rowsOf(t, d)
		}
		if diff := cmp.Diff(dumps[0], dumps[1]); diff != "" {
			t.Errorf("Trac's rows (-) are not ours (+):\n%s", diff)
		}
	})
}

// shell runs our commands as [realtrac.Session] does Trac's, and tells what went
// wrong, "" if nothing did.
func shell(env string, lines ...string) (problem string) {
	cmd := exec.Command(program(), "admin", env)
	cmd.Env, cmd.Stdin = append(cleanEnv(), "LC_ALL=C.UTF-8"), strings.NewReader(strings.Join(lines, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "Error") {
		return fmt.Sprintf("admin: %v\n%s", err, out)
	}
	return ""
}

// rowsOf are the rows of all tables, without times of today and the numbers of
// generations, which only have to grow.
func rowsOf(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	now := regexp.MustCompile(`\b1[78][0-9]{8}([0-9]{6})?\b`)
	all := map[string][]string{}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for _, table := range schema.Tables() {
			columns := schema.Columns(table)
			if table == "cache" {
				columns = []string{"id", "key"}
			}
			err := tx.Each(func(r db.Row) error {
				row := ""
				for i, c := range columns {
					row += fmt.Sprintf("%s=%q ", c, r.Text(i))
				}
				all[table] = append(all[table], now.ReplaceAllString(row, "NOW"))
				return nil
			}, "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
			if err != nil {
				return err
			}
			slices.Sort(all[table])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
