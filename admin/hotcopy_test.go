package admin_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"projhost/admin"
	"projhost/db/convert"
	"projhost/envs/tracini"
	"projhost/testenvs"
)

// database is what an environment's trac.ini says.
func database(t *testing.T, dir string) string {
	t.Helper()
	config, err := tracini.Load(filepath.Join(dir, "conf/trac.ini"))
	if err != nil {
		t.Fatal(err)
	}
	return config.String("trac", "database")
}

// TestOtherDatabase: hotcopy, convert_db and the copy before an upgrade, of both
// kinds of database.
func TestOtherDatabase(t *testing.T) {
	c, out := console(t)
	work, was := filepath.Dir(c.Dir), database(t, c.Dir)
	run(t, c, "component", "add", "wings", "ana")
	run(t, c, "hotcopy", filepath.Join(work, "hot"))
	if got := database(t, filepath.Join(work, "hot")); got != "sqlite:db/trac.db" || !strings.Contains(out.String(), "Hotcopy done.") {
		t.Error(got, out)
	}
	for _, words := range [][]string{{}, {"a", "b", "c"}, {"--replace-invalid"}, {"-x", "b"}} {
		if err := admin.Run(t.Context(), c, admin.Commands(), append([]string{"convert_db"}, words...)); !errors.Is(err, admin.ErrUsage) {
			t.Errorf("%q: %v", words, err)
		}
	}
	if err := admin.Run(t.Context(), c, admin.Commands(), []string{"convert_db", was}); !errors.Is(err, admin.ErrPartial) || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
	if !testenvs.InPostgres() {
		if err := admin.Run(t.Context(), c, admin.Commands(), []string{"convert_db", "sqlite:db/other.db"}); !errors.Is(err, convert.ErrSameKind) {
			t.Error(err)
		}
		return
	}
	d := testenvs.Database(t, c.Dir)
	run(t, c, "convert_db", "sqlite:db/trac.db", filepath.Join(work, "new"))
	run(t, c, "convert_db", "sqlite:db/moved.db")
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "all rows were compared") {
		t.Error(out)
	}
	for dir, want := range map[string]string{c.Dir: "sqlite:db/moved.db", filepath.Join(work, "new"): "sqlite:db/trac.db"} {
		other := &admin.Console{Dir: dir, Out: out}
		out.Reset()
		run(t, other, "component", "list")
		other.Close()
		if got := database(t, dir); got != want || !strings.Contains(out.String(), "wings") {
			t.Error(dir, got, out)
		}
	}
}

// TestCopyBeforeUpgrade: the database is copied before it is changed, whichever
// it is.
func TestCopyBeforeUpgrade(t *testing.T) {
	c, out := console(t)
	testenvs.Alter(t, testenvs.Open(t, c.Dir), "UPDATE system SET value = '44' WHERE name = 'database_version'")
	run(t, c, "upgrade")
	copies, err := filepath.Glob(filepath.Join(c.Dir, "db/*.44.*.bak"))
	if err != nil || len(copies) != 1 || !strings.Contains(out.String(), "The database was copied to "+copies[0]) {
		t.Error(copies, err, out)
	}
}
