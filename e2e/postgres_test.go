package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db/pgtest"
	"projhost/testenvs"
)

// pgSite is a host of projects in PostgreSQL and SQLite.
type pgSite struct {
	server *pgtest.Server
	names  []string
	url    string
	host   *process
}

// inPostgres tells whether a project of the site is in PostgreSQL: most are.
func inPostgres(i int) bool { return i%5 != 4 }

// newPGSite makes projects, some of them with connections that do not outlive a
// request, and serves them with so many connections.
func newPGSite(t *testing.T, n, connections int) *pgSite {
	x := &pgSite{server: pgtest.Start(t)}
	parent := testenvs.Parent(t)
	for i := range n {
		name := fmt.Sprintf("p%02d ü", i)
		settings := map[string]map[string]string{"trac": {}}
		if inPostgres(i) {
			settings["trac"]["database"] = x.server.DSN(name)
		}
		if i%3 == 2 {
			settings["trac"]["poolable"] = "disabled"
		}
		dir := testenvs.Make(t, parent, name, settings)
		write(t, filepath.Join(dir, "htdocs", "own.css"), "/* own */")
		x.names = append(x.names, name)
	}
	address := freePort(t)
	x.url = "http://" + address
	x.host = start(t, "serve", "--listen", x.url, "--env-parent-dir", parent, "--db-connections", fmt.Sprint(connections), "--log-level", "warn")
	x.host.waitFor("tcp", address)
	return x
}

// ask gets a project's start page and looks whose it is.
func (x *pgSite) ask(i int) (status int, err error) {
	resp, err := http.Get(x.url + "/" + strings.ReplaceAll(x.names[i], " ", "%20") + "/wiki")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, 1<<20)
	n := 0
	for m := 1; m > 0; n += m {
		m, _ = resp.Body.Read(body[n:])
	}
	text := string(body[:n])
	if strings.Contains(text, x.server.Dir) {
		return 0, fmt.Errorf("%s: the page tells of the server", x.names[i])
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		return 0, fmt.Errorf("%s: 503 without Retry-After", x.names[i])
	}
	if own := testenvs.Canary(x.names[i]); resp.StatusCode == 200 && strings.Contains(strings.ReplaceAll(text, own, ""), "canary-") {
		return 0, fmt.Errorf("%s: the answer holds another's canary", x.names[i])
	} else if resp.StatusCode == 200 && !strings.Contains(text, own) {
		return 0, fmt.Errorf("%s: the answer is without its canary", x.names[i])
	}
	return resp.StatusCode, nil
}

// TestPostgresProjects has projects in PostgreSQL beside others in SQLite. While
// their server is down they are unavailable, and the others are not.
func TestPostgresProjects(t *testing.T) {
	const limit = 6
	x := newPGSite(t, 20, limit)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var down atomic.Bool
	var good, refused [2]atomic.Int64 // of SQLite, of PostgreSQL
	for c := range 12 {
		wg.Go(func() {
			for i := c; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				project := i % len(x.names)
				kind := 0
				if inPostgres(project) {
					kind = 1
				}
				status, err := x.ask(project)
				switch {
				case err != nil:
					t.Error(err)
					return
				case status == 200:
					good[kind].Add(1)
				case status == 503 && kind == 1:
					refused[kind].Add(1)
				default:
					t.Errorf("%s: status %d, server down %v", x.names[project], status, down.Load())
					return
				}
			}
		})
	}
	more := func(what string, of *atomic.Int64, n int64) {
		have := of.Load()
		eventually(t, what, func() bool { return of.Load() >= have+n || t.Failed() })
	}
	more("answers", &good[1], 300)
	if n := x.server.Connections(); n > limit {
		t.Errorf("%d connections, the limit is %d", n, limit)
	}
	if n := refused[1].Load(); n > 0 {
		t.Errorf("%d requests were refused", n)
	}
	down.Store(true)
	x.server.Down()
	more("refusals", &refused[1], 50)
	more("answers from SQLite", &good[0], 50)
	x.server.Up()
	begun := time.Now()
	more("answers after the server's return", &good[1], 300)
	t.Logf("%d and %d answers, %d refusals; back after %v", good[0].Load(), good[1].Load(), refused[1].Load(), time.Since(begun).Round(time.Millisecond))
	close(stop)
	wg.Wait()
	if log := x.host.out.String(); !strings.Contains(log, "database server cannot be used") || !strings.Contains(log, "database server answers again") {
		t.Errorf("the log does not tell of the server:\n%s", tail(log, 3000))
	}
}
