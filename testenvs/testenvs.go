// Package testenvs makes environments for tests: real ones, in a temporary
// directory, with SQLite databases or, see [Main], in PostgreSQL.
package testenvs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/envs"
)

// Canary is a text that only the named environment holds; every page of an
// environment made here has it.
func Canary(name string) string { return fmt.Sprintf("canary-%x-end", name) }

// Make makes one environment in parent: its title is "Project NAME", its start
// page and its footer hold its [Canary]. Settings, by section, add to that.
func Make(tb testing.TB, parent, name string, settings map[string]map[string]string) string {
	tb.Helper()
	all := map[string]map[string]string{
		"project": {"name": "Project " + name, "descr": "About " + name, "footer": Canary(name)},
	}
	for section, options := range settings {
		if all[section] == nil {
			all[section] = map[string]string{}
		}
		for option, value := range options {
			all[section][option] = value
		}
	}
	dir := filepath.Join(parent, name)
	if dsn := database(dir); dsn != "" && all["trac"]["database"] == "" {
		if all["trac"] == nil {
			all["trac"] = map[string]string{}
		}
		all["trac"]["database"] = dsn
	}
	err := envs.Create(context.Background(), dir, envs.CreateOptions{
		Settings: all,
		Time:     time.Date(2024, 3, 3, 10, 0, 0, 0, time.UTC),
		Pages: map[string]string{
			"WikiStart":       "= Welcome to " + name + " =\n\n" + Canary(name) + " and SecondPage, NoSuchPage.\n",
			"SecondPage":      "= Second =\n\n" + Canary(name) + "\n",
			"Größe/Übersicht": "= Übersicht =\n\n" + Canary(name) + "\n",
		},
	})
	if err != nil {
		tb.Fatalf("making the environment %s: %v", name, err)
	}
	return dir
}

// MakeRuled makes an environment with a file of rules of AuthzPolicy's, conf/authz,
// which permission_policies among the settings of [trac] are to name.
func MakeRuled(tb testing.TB, parent, name, rules string, trac map[string]string) string {
	tb.Helper()
	dir := Make(tb, parent, name, map[string]map[string]string{
		"trac": trac, "components": {"tracopt.perm.authz_policy.*": "enabled"}, "authz_policy": {"authz_file": "authz"},
	})
	if err := os.WriteFile(filepath.Join(dir, "conf", "authz"), []byte(rules), 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Parent makes environments of the given names in a new directory, which it
// returns.
func Parent(tb testing.TB, names ...string) string {
	tb.Helper()
	parent, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		Make(tb, parent, name, nil)
	}
	return parent
}

// Registry returns a registry that allows parent and looks at the disk again
// after a few milliseconds; it is closed with the test, and the test fails if
// an environment is still in use then.
func Registry(tb testing.TB, parent string, o envs.Options) *envs.Registry {
	tb.Helper()
	o.AllowRoots = append(o.AllowRoots, parent)
	if o.Recheck == 0 {
		o.Recheck = 5 * time.Millisecond
	}
	r := envs.NewRegistry(o)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// New makes environments and a registry of them.
func New(tb testing.TB, names ...string) (r *envs.Registry, parent string) {
	tb.Helper()
	parent = Parent(tb, names...)
	return Registry(tb, parent, envs.Options{}), parent
}

// Env makes one environment, with settings by section, and opens it until the
// test ends.
func Env(tb testing.TB, settings map[string]map[string]string) *envs.Env {
	tb.Helper()
	parent, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return Open(tb, Make(tb, parent, "one", settings))
}

// Open opens the environment in dir until the test ends.
func Open(tb testing.TB, dir string) *envs.Env {
	tb.Helper()
	r := Registry(tb, filepath.Dir(dir), envs.Options{})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	e, release, err := r.Acquire(context.Background(), loc)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(release)
	return e
}

// Query returns the rows of a query, columns parted by "|" and NULL as "NULL".
func Query(tb testing.TB, e *envs.Env, query string, columns int) (rows []string) {
	tb.Helper()
	err := e.DB().Read(context.Background(), func(tx *db.Tx) error {
		return tx.Each(func(row db.Row) error {
			var cells []string
			for i := range columns {
				if row.Null(i) {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, row.Text(i))
				}
			}
			rows = append(rows, strings.Join(cells, "|"))
			return nil
		}, query)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

// Alter runs statements in an environment's database.
func Alter(tb testing.TB, e *envs.Env, statements ...string) {
	tb.Helper()
	err := e.DB().Write(context.Background(), func(tx *db.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Generation is that of a value that Trac keeps in memory.
func Generation(tb testing.TB, e *envs.Env, key string) (generation int64) {
	tb.Helper()
	err := e.DB().Read(context.Background(), func(tx *db.Tx) (err error) {
		generation, err = tx.Generation(key)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return generation
}
