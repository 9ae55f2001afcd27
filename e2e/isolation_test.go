package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/dispatch"
	"projhost/door"
	"projhost/envs"
	"projhost/front/fcgi"
	"projhost/front/gateway"
	"projhost/front/wire"
	"projhost/project"
	"projhost/project/account"
	"projhost/project/chrome"
	"projhost/project/download"
	"projhost/project/wiki"
	"projhost/status"
	"projhost/testenvs"
	"projhost/watch"
)

// Sizes of the isolation tests.
const (
	isolationEnvs    = 200
	isolationOpen    = 40 // fewer than there are, so that they are evicted all the time
	isolationClients = 64
	isolationRounds  = 30 // for each client
	isolationKey     = "the key of administrators"

	isolationMixed       = 24 // environments, of which two thirds are in PostgreSQL
	isolationMixedOpen   = 12
	isolationMixedRounds = 6
	isolationConnections = 6 // to PostgreSQL
)

// isolated is a host whose every environment has a canary of its own in its
// pages, its footer, its static files and its settings.
type isolated struct {
	parent  string
	names   []string
	handler http.Handler
	socket  string       // of TestIsolation
	rounds  int          // of each client
	killed  bool         // connections to databases are, so that an answer may be 503
	refused atomic.Int64 // such answers
}

// newIsolated makes n environments, of which so many may be open. [trac] of the
// i-th has what of says, if that is not nil.
func newIsolated(t *testing.T, n int, o envs.Options, of func(i int, name string) map[string]string) *isolated {
	x := &isolated{parent: testenvs.Parent(t), rounds: isolationRounds}
	for i := range n {
		x.names = append(x.names, fmt.Sprintf("env-%03d-é", i))
	}
	var wg sync.WaitGroup
	for first := range 2 {
		wg.Go(func() {
			for i := first; i < n; i += 2 {
				name := x.names[i]
				trac := map[string]string{}
				if of != nil {
					trac = of(i, name)
				}
				if x.resting(name) {
					trac["readonly"] = "enabled"
				}
				settings := map[string]map[string]string{"http-headers": {"x-canary": testenvs.Canary(name)}, "trac": trac}
				if hidden(name) != "" {
					trac["permission_policies"] = "AuthzPolicy, DefaultPermissionPolicy, LegacyAttachmentPolicy"
					settings["components"] = map[string]string{"tracopt.perm.*": "enabled"}
					settings["authz_policy"] = map[string]string{"authz_file": "authz"}
				}
				dir := testenvs.Make(t, x.parent, name, settings)
				x.hide(t, name)
				if x.resting(name) {
					attachOwn(t, dir, name)
				}
				if err := os.WriteFile(filepath.Join(dir, "htdocs", "own.txt"), []byte(testenvs.Canary(name)), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	o.MaxQueue, o.QueueWait = 1000, 20*time.Second
	r := testenvs.Registry(t, x.parent, o)
	meter, log := watch.NewMeter(watch.Options{}), slog.New(slog.DiscardHandler)
	pages := status.Pages{Source: &status.Source{Registry: r, Meter: meter}, Log: log}
	x.handler = dispatch.New(dispatch.Options{
		Registry: r, Site: project.NewSite(account.Module{}, chrome.Module{}, download.Module{}, wiki.Module{}),
		Door: door.New(door.Options{Key: isolationKey, Pages: pages.Handlers(), Log: log}), Meter: meter,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return x
}

// resting tells which environments are only read: one of ten, none of which is
// among those that logins signs in to.
func (x *isolated) resting(name string) bool {
	return strings.HasSuffix(name, "9-é") && name > "env-02"
}

// hidden is the path of a page that an environment's file of rules hides from
// everybody, "" if it has none. A third has one, a third another.
func hidden(name string) string {
	switch (name[5] + name[6]) % 3 {
	case 1:
		return "/wiki/SecondPage"
	case 2:
		return "/wiki/Größe/Übersicht"
	}
	return ""
}

// hide writes an environment's file of rules, if it has one.
func (x *isolated) hide(t *testing.T, name string) {
	page, ok := strings.CutPrefix(hidden(name), "/wiki/")
	if !ok {
		return
	}
	file := filepath.Join(x.parent, name, "conf", "authz")
	err := os.WriteFile(file+".new", fmt.Appendf(nil, "[wiki:%s]\n* = !WIKI_VIEW\n[*]\n%s = TRAC_ADMIN\n", page, testenvs.Canary(name)), 0o644)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Error(err)
	}
}

// attachOwn attaches a file with the canary to an environment.
func attachOwn(t *testing.T, dir, name string) {
	t.Helper()
	file := filepath.Join(dir, "files", "attachments", filepath.FromSlash(schema.AttachmentPath("wiki", "WikiStart", "own.txt")))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(testenvs.Canary(name)), 0o644)
	}
	d := testenvs.Database(t, dir)
	if err == nil {
		err = d.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('wiki', 'WikiStart', 'own.txt', 1, 1, '', '')")
			return err
		})
	}
	if err = errors.Join(err, d.Close()); err != nil {
		t.Error(err)
	}
}

// data is what is in the directories of the environments that are only read, but
// their settings, which change.
func (x *isolated) data(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range x.names {
		for _, sub := range []string{"db", "files", "htdocs", "log"} {
			if x.resting(name) {
				b.WriteString(treeOf(t, filepath.Join(x.parent, name, sub)))
			}
		}
	}
	return b.String()
}

// serve has FastCGI spoken on a socket.
func (x *isolated) serve(t *testing.T) {
	x.socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", x.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		s := &fcgi.Server{Config: wire.Config{Handler: x.handler, Listener: gateway.Listener{Name: "test"}, Log: slog.New(slog.DiscardHandler)}}
		served <- s.Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
}

// question is a page of an environment and how to tell that the answer is right.
type question struct {
	name, path string
	status     int
	user       string // whom the web server names
	post       bool
	resting    bool // nothing may be changed, nor any cookie set
}

func (x *isolated) ask(rng *rand.Rand) question {
	q := x.askAny(rng)
	if q.path == hidden(q.name) {
		q.status = 403
	}
	return q
}

func (x *isolated) askAny(rng *rand.Rand) question {
	name := x.names[rng.IntN(len(x.names))]
	q := question{name: name, path: "/wiki", status: 200, resting: x.resting(name)}
	if q.resting {
		return q.atRest(rng)
	}
	switch rng.IntN(10) {
	case 0:
		q.path = "/wiki/SecondPage"
	case 1:
		q.path = "/wiki/Größe/Übersicht"
	case 2:
		q.path, q.status = "/wiki/NoSuchPage", 404
	case 3:
		q.path = "/chrome/site/own.txt"
	case 4:
		q.path, q.status = "/no/such/handler", 404
	case 5:
		q.path = "/wiki/WikiStart?format=txt"
	case 6:
		q.path, q.status = "/login", 403
	case 7:
		q.path, q.user = "/logout", testenvs.Canary(name)
	}
	return q
}

// atRest asks an environment that is only read.
func (q question) atRest(rng *rand.Rand) question {
	switch rng.IntN(6) {
	case 0:
		q.path, q.user = "/wiki/SecondPage", testenvs.Canary(q.name)
	case 1:
		q.path, q.status, q.user = "/login", 403, testenvs.Canary(q.name)
	case 2:
		q.path, q.status, q.post, q.user = "/logout", 403, true, testenvs.Canary(q.name)
	case 3:
		q.path = "/raw-attachment/wiki/WikiStart/own.txt"
	case 4:
		q.path = "/wiki/WikiStart?format=txt"
	}
	return q
}

// params send half of the questions by the environment itself, half by its parent.
func (x *isolated) params(q question, rng *rand.Rand) map[string]string {
	path, query, _ := strings.Cut(q.path, "?")
	var p map[string]string
	if rng.IntN(2) == 0 {
		p = nginxParams(path, query)
		p["TRAC_ENV"] = filepath.Join(x.parent, q.name)
	} else {
		p = nginxParams("/"+q.name+path, query)
		p["TRAC_ENV_PARENT_DIR"] = x.parent
	}
	if q.user != "" {
		p["REMOTE_USER"] = q.user
	}
	if q.post {
		p["REQUEST_METHOD"] = "POST"
	}
	return p
}

// check is question's. While connections are killed, the answer may be a 503 that
// tells when to come back, and an error's page may lack the project's look.
func (x *isolated) check(q question, a answer) error {
	switch {
	case x.killed && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		x.refused.Add(1)
		return q.clean(a)
	case x.killed && (a.status == http.StatusNotFound || a.status == http.StatusForbidden) && q.status == a.status:
		return q.clean(a)
	}
	return q.check(a)
}

// check finds the question's canary in the answer, and no other.
func (q question) check(a answer) error {
	if a.status != q.status {
		return fmt.Errorf("%s%s: status %d, want %d", q.name, q.path, a.status, q.status)
	}
	if q.resting && a.header.Get("Set-Cookie") != "" {
		return fmt.Errorf("%s%s: a project that is only read sets a cookie", q.name, q.path)
	}
	if !strings.Contains(a.body, testenvs.Canary(q.name)) {
		return fmt.Errorf("%s%s: the answer is without its canary", q.name, q.path)
	}
	return q.clean(a)
}

// clean finds no other canary in the answer.
func (q question) clean(a answer) error {
	own := testenvs.Canary(q.name)
	text := a.body
	for _, values := range a.header {
		text += " " + strings.Join(values, " ")
	}
	if rest := strings.ReplaceAll(text, own, ""); strings.Contains(rest, "canary-") {
		return fmt.Errorf("%s%s: the answer holds a canary of another project", q.name, q.path)
	}
	return nil
}

// TestIsolation hits many environments at once, over kept and multiplexed
// connections, with aborts, ids used again, evictions and changing settings:
// each answer must be of its own project and of no other.
func TestIsolation(t *testing.T) {
	x := newIsolated(t, isolationEnvs, envs.Options{MaxOpen: isolationOpen}, nil)
	before := x.data(t)
	x.serve(t)
	x.attack(t, func(done <-chan struct{}) { x.changeSettings(t, done) })
	x.logins(t)
	if x.data(t) != before {
		t.Error("something was written in a project that is only read")
	}
}

// TestIsolationPostgres does the same with projects in PostgreSQL among those in
// SQLite, with and without connections that outlive a request, while the server's
// processes are killed at random. An answer may be 503 then, but no other's.
func TestIsolationPostgres(t *testing.T) {
	s := pgtest.Start(t)
	o := envs.Options{MaxOpen: isolationMixedOpen, Connections: isolationConnections}
	x := newIsolated(t, isolationMixed, o, func(i int, name string) map[string]string {
		settings := map[string]string{}
		if i%3 != 0 {
			settings["database"] = s.DSN(name)
		}
		if i%5 < 2 {
			settings["poolable"] = "disabled"
		}
		return settings
	})
	x.killed, x.rounds = true, isolationMixedRounds
	x.serve(t)
	kills := 0
	x.attack(t, func(done <-chan struct{}) { x.changeSettings(t, done) }, func(done <-chan struct{}) {
		for ; ; kills++ {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			s.SQL("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'projects' ORDER BY random() LIMIT 1")
		}
	})
	t.Logf("%d connections killed, %d answers were 503", kills, x.refused.Load())
	if n := x.refused.Load(); kills < 10 || n > int64(isolationClients*x.rounds) { // of about twice as many
		t.Errorf("%d connections killed, %d answers were 503", kills, n)
	}
	x.killed = false
	x.logins(t)
}

// attack has clients ask for all that is there, and somebody disturb them.
func (x *isolated) attack(t *testing.T, disturb ...func(done <-chan struct{})) {
	done := make(chan struct{})
	var disturbing sync.WaitGroup
	for _, f := range disturb {
		disturbing.Go(func() { f(done) })
	}
	var answered, aborted atomic.Int64
	var wg sync.WaitGroup
	for i := range isolationClients {
		wg.Go(func() {
			c := &canaryClient{x: x, rng: rand.New(rand.NewPCG(1, uint64(i))), t: t, answered: &answered, aborted: &aborted}
			c.run()
		})
	}
	wg.Wait()
	close(done)
	disturbing.Wait()
	t.Logf("%d answers checked, %d requests aborted", answered.Load(), aborted.Load())
	if answered.Load() < int64(isolationClients*x.rounds/2) || aborted.Load() == 0 {
		t.Errorf("only %d answers and %d aborts: the test did not do its work", answered.Load(), aborted.Load())
	}
}

// logins signs in to one project and shows that cookie to others: it must be of
// use in its own alone.
func (x *isolated) logins(t *testing.T) {
	c := dialFCGI(t, "unix", x.socket)
	defer c.close()
	ask := func(name, path, user, cookie string) answer {
		p := nginxParams("/"+name+path, "")
		p["TRAC_ENV_PARENT_DIR"] = x.parent
		if user != "" {
			p["REMOTE_USER"] = user
		}
		if cookie != "" {
			p["HTTP_COOKIE"] = cookie
		}
		a, err := c.get(1, p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for i, name := range x.names[:20] {
		cookie, _, _ := strings.Cut(ask(name, "/login", "ana", "").header.Get("Set-Cookie"), ";")
		if !strings.HasPrefix(cookie, "trac_auth=") {
			t.Fatalf("%s: no login: %q", name, cookie)
		}
		for _, other := range []string{name, x.names[(i+1)%20], x.names[(i+7)%20]} {
			if in := strings.Contains(ask(other, "/wiki", "", cookie).body, "Signed in as"); in != (other == name) {
				t.Errorf("a login of %s in %s: %v", name, other, in)
			}
		}
	}
}

// changeSettings rewrites trac.ini files so that environments reload, and files of
// rules so that they are opened anew.
func (x *isolated) changeSettings(t *testing.T, done <-chan struct{}) {
	rng := rand.New(rand.NewPCG(7, 7))
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
		name := x.names[rng.IntN(len(x.names))]
		if n%2 == 0 {
			x.hide(t, name)
			continue
		}
		ini := filepath.Join(x.parent, name, "conf", "trac.ini")
		text, err := os.ReadFile(ini)
		if err == nil {
			base, _, _ := strings.Cut(string(text), "\n[changed]")
			err = os.WriteFile(ini+".new", fmt.Appendf(nil, "%s\n[changed]\nn = %d\n", base, n), 0o644)
		}
		if err == nil {
			err = os.Rename(ini+".new", ini)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// canaryClient is one web server worker with one connection at a time.
type canaryClient struct {
	x                 *isolated
	rng               *rand.Rand
	t                 *testing.T
	conn              *fcgiConn
	answered, aborted *atomic.Int64
}

func (c *canaryClient) run() {
	c.conn = dialFCGI(c.t, "unix", c.x.socket)
	defer func() { c.conn.close() }()
	for range c.x.rounds {
		var err error
		switch c.rng.IntN(10) {
		case 0, 1, 2:
			err = c.several(2 + c.rng.IntN(6))
		case 3:
			err = c.abort()
		case 4:
			c.hangUp()
		default:
			err = c.one(1)
		}
		if err == nil && c.rng.IntN(20) == 0 {
			err = c.administer()
		}
		if err != nil {
			c.t.Error(err)
			return
		}
	}
}

// one asks one question on an id that is used again and again.
func (c *canaryClient) one(id uint16) error {
	q := c.x.ask(c.rng)
	a, err := c.conn.get(id, c.x.params(q, c.rng))
	if err != nil {
		return fmt.Errorf("%s%s: %w", q.name, q.path, err)
	}
	c.answered.Add(1)
	return c.x.check(q, a)
}

// administer asks for the status, with the key and without: what a project's
// visitors see is never in it, and without the key nothing is.
func (c *canaryClient) administer() error {
	path := gateway.OwnPrefix + []string{status.PageName, status.JSONName, "", "nosuch"}[c.rng.IntN(4)]
	p := nginxParams(path, "")
	p["TRAC_ENV_PARENT_DIR"] = c.x.parent
	want := http.StatusNotFound
	if path == gateway.OwnPrefix {
		want = http.StatusOK // asks for the key
	}
	known := c.rng.IntN(2) == 0
	if known {
		p["HTTP_AUTHORIZATION"] = "Bearer " + isolationKey
		switch {
		case path == gateway.OwnPrefix:
			want = http.StatusSeeOther
		case !strings.HasSuffix(path, "nosuch"):
			want = http.StatusOK
		}
	}
	a, err := c.conn.get(1, p)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.answered.Add(1)
	named := strings.Contains(a.body, "env-0") || strings.Contains(a.body, "env-1")
	switch shows := known && strings.Contains(path, "status"); {
	case a.status != want:
		return fmt.Errorf("%s with the key %v: status %d, want %d", path, known, a.status, want)
	case strings.Contains(a.body, "canary-"):
		return fmt.Errorf("%s holds a project's canary", path)
	case named && !shows:
		return fmt.Errorf("%s with the key %v names environments", path, known)
	case !named && shows:
		return fmt.Errorf("%s names no environment", path)
	}
	return nil
}

// several asks questions at once on one connection.
func (c *canaryClient) several(n int) error {
	questions, pending := make([]question, n), make([]*fcgiPending, n)
	for i := range n {
		questions[i] = c.x.ask(c.rng)
		var err error
		if pending[i], err = c.conn.start(uint16(i+1), c.x.params(questions[i], c.rng)); err != nil {
			return err
		}
	}
	for i, p := range pending {
		a, err := p.answer()
		if err != nil {
			return err
		}
		if err := c.x.check(questions[i], a); err != nil {
			return err
		}
		c.answered.Add(1)
	}
	return nil
}

// abort gives a request up and asks for another project on the same id at
// once: the first one's answer must not come as the second one's.
func (c *canaryClient) abort() error {
	q := c.x.ask(c.rng)
	p, err := c.conn.start(1, c.x.params(q, c.rng))
	if err != nil {
		return err
	}
	if err := c.conn.abort(1); err != nil {
		return err
	}
	a, err := p.answer()
	c.aborted.Add(1)
	if err == nil && a.status == q.status {
		err = c.x.check(q, a) // it was quicker than the abort
	}
	if err != nil && errors.Is(err, errOverloaded) {
		return err
	}
	return c.one(1)
}

// hangUp closes the connection in the middle of a request.
func (c *canaryClient) hangUp() {
	q := c.x.ask(c.rng)
	_, _ = c.conn.start(1, c.x.params(q, c.rng))
	c.conn.close()
	c.aborted.Add(1)
	c.conn = dialFCGI(c.t, "unix", c.x.socket)
}
