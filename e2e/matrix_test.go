package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/doctor"
	"projhost/templates"
	"projhost/testenvs"
)

var updateMatrix = flag.Bool("update-matrix", false, "write README.md's table of web servers anew")

// mountKinds are the columns of the matrix.
const (
	mountRoot     = "root"     // all projects at /
	mountPrefix   = "prefix"   // all projects below /trac, with TLS where the server has it
	mountProjects = "projects" // two projects, each at a path of its own
)

func mountKinds() []string { return []string{mountRoot, mountPrefix, mountProjects} }

// cell is one web server, one way to projhost, one mount.
type cell struct {
	server deploy.Server
	way    deploy.Way
	mount  string
}

func (c cell) String() string { return c.server.Name + "/" + c.way.Name + "/" + c.mount }

// TestMatrix runs every web server that Debian has with the configuration that
// deploy writes, in every way, and walks through what it serves. README.md's
// table is made of what comes out.
func TestMatrix(t *testing.T) {
	var mu sync.Mutex
	passed := map[string]bool{}
	t.Run("cells", func(t *testing.T) {
		for _, s := range deploy.Servers() {
			for _, w := range s.Ways {
				if w.Untested {
					continue
				}
				for _, m := range mountKinds() {
					c := cell{s, w, m}
					t.Run(c.String(), func(t *testing.T) {
						t.Parallel()
						c.run(t)
						mu.Lock()
						defer mu.Unlock()
						passed[c.String()] = !t.Failed()
					})
				}
			}
		}
	})
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "/") { // else not all was run
		checkTable(t, passed)
	}
}

const (
	matrixUser     = "ana"
	matrixPassword = "pass word"
	matrixPage     = "Größe/Übersicht"
)

// run serves two projects in one way and looks at everything.
func (c cell) run(t *testing.T) {
	work := shortDir(t)
	parent := filepath.Join(work, "p")
	mkdir(t, parent)
	for _, name := range []string{"one", "zwei ü"} {
		testenvs.Make(t, parent, name, nil)
	}
	o := c.options(t, work, parent)
	giveAway(t, work)
	site, err := try.Start(t.Context(), o, work)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
		log := site.Log()
		if strings.Contains(log, "DATA RACE") || t.Failed() {
			t.Log(tail(log, 6000))
		}
	}()
	targets := c.targets(site.URL, o)
	if c.mount == mountProjects {
		t.Run("interleaved", func(t *testing.T) { interleave(t, targets) })
	}
	for _, target := range targets {
		walk(t, target)
	}
	if t.Failed() {
		return
	}
	for _, which := range []string{"host", "web"} {
		if err := site.Restart(t.Context(), which); err != nil {
			t.Fatalf("restarting %s: %v", which, err)
		}
		for _, target := range targets {
			answersAgain(t, which, target)
		}
	}
}

// options are what deploy is told.
func (c cell) options(t *testing.T, work, parent string) deploy.Options {
	t.Helper()
	o := deploy.Options{
		Dir: filepath.Join(work, "d"), RunDir: filepath.Join(work, "r"), Program: program(),
		Server: c.server.Name, Way: c.way.Name, Address: freePort(t), Group: webGroup(t),
		Secret: "matrix-secret", DoctorKeyFile: filepath.Join(work, "key"),
	}
	mkdir(t, o.Dir)
	mkdir(t, o.RunDir)
	write(t, o.DoctorKeyFile, matrixKey)
	htdocs(t, o.Dir)
	switch c.mount {
	case mountRoot:
		o.Mounts = []deploy.Mount{{Path: "/", Parent: parent}}
	case mountPrefix:
		o.Mounts = []deploy.Mount{{Path: "/trac", Parent: parent}}
		if !c.way.NoTLS {
			o.TLSCert = testenvs.Certificate(t, work)
		}
	case mountProjects:
		o.Mounts = []deploy.Mount{
			{Path: "/one", Env: filepath.Join(parent, "one")}, {Path: "/zwei ü", Env: filepath.Join(parent, "zwei ü")},
		}
	}
	if c.way.NoAuth == "" {
		o.Auth = signIn(t, c.server.Name, filepath.Join(work, "users"), deploy.Auth{Kind: deploy.AuthBasic})
	}
	return o
}

// signIn writes a list with the matrix's user for a, and returns a with it.
func signIn(t *testing.T, server, file string, a deploy.Auth) deploy.Auth {
	t.Helper()
	users, err := try.Users(server, a, matrixUser, matrixPassword)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, users)
	a.File = file
	return a
}

// giveAway lets the user in that web servers run projhost as, if the test runs
// as root.
func giveAway(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	for _, d := range []string{dir, filepath.Dir(program())} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "www-data", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// htdocs writes the static files that web servers send themselves.
func htdocs(t *testing.T, dir string) {
	t.Helper()
	for f := range templates.Assets() {
		to := filepath.Join(dir, "htdocs", "common", f.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, to, string(f.Body))
	}
}

const matrixKey = "the matrix has a key of its own"

// targets are what a visitor walks through.
func (c cell) targets(url string, o deploy.Options) []doctor.Target {
	t := doctor.Target{Page: matrixPage, Key: matrixKey, Insecure: true}
	if o.Auth.Kind != deploy.AuthNone {
		t.User, t.Password = matrixUser, matrixPassword
	}
	var list []doctor.Target
	for _, m := range o.Mounts {
		t.URL, t.Projects = strings.TrimSuffix(url+m.Path, "/"), nil
		if m.Parent != "" {
			t.Projects = []string{"one", "zwei ü"}
		}
		list = append(list, t)
	}
	return list
}

// walk fails for each check that does.
func walk(t *testing.T, target doctor.Target) {
	t.Helper()
	results := doctor.Walk(t.Context(), target)
	if len(results) != len(doctor.Checks()) {
		t.Errorf("only %d of %d checks were made", len(results), len(doctor.Checks()))
	}
	for _, r := range results {
		if r.Problem != "" {
			t.Errorf("%s: %s", r.Check, r.Problem)
		}
	}
}

// interleave asks two projects in turns, and wants each to answer for itself.
func interleave(t *testing.T, targets []doctor.Target) {
	var wg sync.WaitGroup
	for i := range 32 {
		target := targets[i%len(targets)]
		wg.Go(func() {
			rep, err := doctor.Ask(t.Context(), doctor.Target{URL: target.URL, Key: target.Key, Insecure: true}, "/wiki")
			if err != nil {
				t.Error(err)
			} else if !strings.HasSuffix(target.URL, "/"+rep.Project.Name) {
				t.Errorf("%s was answered by %s", target.URL, rep.Project.Name)
			}
		})
		if i%8 == 7 {
			wg.Wait()
		}
	}
	wg.Wait()
}

// answersAgain waits until a site is there again after a restart; web servers that
// have seen projhost away do not try again at once.
func answersAgain(t *testing.T, restarted string, target doctor.Target) {
	t.Helper()
	target.User = ""
	path := "/wiki"
	if len(target.Projects) > 0 {
		path = "/" + target.Projects[len(target.Projects)-1] + path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 75*time.Second) // Apache retries after 60 s by default
	defer cancel()
	var err error
	for {
		var rep *doctor.Report
		if rep, err = doctor.Ask(ctx, target, path); err == nil && rep.Project.Name != "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("after a restart of %s: %v", restarted, errors.Join(err, ctx.Err()))
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// shortDir is a temporary directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// webGroup is the group that web servers are in: Debian's, if they can become
// that, else the test's own.
func webGroup(t *testing.T) string {
	t.Helper()
	if os.Getuid() == 0 {
		return "www-data"
	}
	g, err := user.LookupGroupId(fmt.Sprint(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	return g.Name
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// checkTable compares README.md's table with what came out.
func checkTable(t *testing.T, passed map[string]bool) {
	t.Helper()
	const path, begin, end = "../README.md", "<!-- web servers -->\n", "<!-- end of web servers -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	had, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("README.md has no %q and %q", begin, end)
	}
	want := []byte(table(passed))
	if bytes.Equal(had, want) {
		return
	}
	if !*updateMatrix {
		t.Errorf("README.md's table is not what the test has found: go test ./e2e -run 'Matrix$' -update-matrix\n%s", want)
		return
	}
	now := slices.Concat(before, []byte(begin), want, []byte(end), after)
	if err := os.WriteFile(path, now, 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is the matrix in Markdown.
func table(passed map[string]bool) string {
	var b strings.Builder
	b.WriteString("| web server | way (`--server`, `--way`) | at `/` | below a prefix | a path for each project | login by |\n|---|---|---|---|---|---|\n")
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			fmt.Fprintf(&b, "| %s | %s (`%s`, `%s`) |", s.Title, w.Title, s.Name, w.Name)
			for _, m := range mountKinds() {
				mark := "fails"
				switch c := (cell{s, w, m}); {
				case w.Untested:
					mark = "not run by our tests"
				case passed[c.String()]:
					mark = "tested"
				}
				b.WriteString(" " + mark + " |")
			}
			login := "the web server"
			if w.NoAuth != "" {
				login = "Trac's cookie"
			}
			b.WriteString(" " + login + " |\n")
		}
	}
	return b.String()
}
