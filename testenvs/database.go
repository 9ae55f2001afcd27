package testenvs

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/envs/tracini"
)

// postgresFlag holds the connection string of the server that [Make] makes
// databases in, with a schema's name to be put behind it; "" is SQLite.
const postgresFlag = "testenvs.postgres"

// Main is for TestMain: it runs a package's tests on SQLite and once more on a
// PostgreSQL of their own, and returns the exit code. Benchmarks and fuzzing are
// not repeated.
func Main(m *testing.M) int {
	flag.String(postgresFlag, "", "set by the tests themselves: where databases are made")
	code := m.Run()
	for _, name := range []string{"test.bench", "test.fuzz", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return code
		}
	}
	if code != 0 {
		return code
	}
	var t process
	defer t.end()
	server := pgtest.Start(&t)
	if err := flag.Set(postgresFlag, server.DSN("")); err != nil {
		t.Fatal(err)
	}
	if code = m.Run(); code != 0 {
		fmt.Fprintln(os.Stderr, "this was on PostgreSQL")
	}
	return code
}

// process is a pgtest.TB of all of a package's tests.
type process struct{ cleanups []func() }

func (*process) Helper()            {}
func (p *process) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

func (p *process) end() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
}

func (p *process) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	p.end()
	os.Exit(1)
}

func (p *process) Fatalf(format string, args ...any) { p.Fatal(fmt.Sprintf(format, args...)) }

// database is the connection string of a new database for an environment, "" for
// SQLite in its directory. A directory is told by one schema.
func database(dir string) string {
	f := flag.Lookup(postgresFlag)
	if f == nil || f.Value.String() == "" {
		return ""
	}
	name := dir[max(0, len(dir)-60):] // identifiers have 63 bytes at most
	return f.Value.String() + url.PathEscape(strings.ToValidUTF8(name, ""))
}

// InPostgres tells whether Make makes environments in PostgreSQL.
func InPostgres() bool { return database("x") != "" }

// Database opens the database of the environment in dir, as another program would.
func Database(tb testing.TB, dir string) *db.DB {
	tb.Helper()
	config, err := tracini.Load(filepath.Join(dir, "conf", "trac.ini"))
	if err != nil {
		tb.Fatal(err)
	}
	d, err := db.Open(context.Background(), dir, config.String("trac", "database"), db.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	return d
}
