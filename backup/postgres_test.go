package backup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"projhost/backup"
	"projhost/db"
	"projhost/db/convert"
	"projhost/db/pgtest"
	"projhost/envs/tracini"
	"projhost/testenvs"
)

// TestPostgres: environments in PostgreSQL, from there and back.
func TestPostgres(t *testing.T) {
	s := pgtest.Start(t)
	t.Run("drill", func(t *testing.T) { postgresDrill(t, s) })
	t.Run("convert", func(t *testing.T) { convertDrill(t, s) })
	t.Run("killed", func(t *testing.T) { killedDrill(t, s) })
	t.Run("real", func(t *testing.T) { realEnvironments(t, s) })
}

// inPostgres makes an environment with an attachment, in a schema of its name.
func inPostgres(t *testing.T, s *pgtest.Server, work, name string) (dir, dsn string) {
	t.Helper()
	dsn = s.DSN(name)
	dir = testenvs.Make(t, work, name, map[string]map[string]string{"trac": {"database": dsn}})
	s.SQL("projects", `INSERT INTO "`+name+`".attachment (type, id, filename, size) VALUES ('wiki', 'WikiStart', 'notes.txt', 10)`)
	put(t, dir, filepath.Join("files/attachments/wiki", sha("WikiStart")[:3], sha("WikiStart"), sha("notes.txt")+".txt"), "some notes")
	return dir, dsn
}

// hammer writes to a database, from this and from another program, until stop.
func hammer(t *testing.T, dir, dsn string) (stop func()) {
	t.Helper()
	d, err := db.Open(t.Context(), dir, dsn, db.Options{})
	must(t, err)
	must(t, pair(t.Context(), d, 0))
	_, stopOther := child(t, "write", dir, "", dsn)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := -1; ctx.Err() == nil; i-- {
			if err := pair(ctx, d, i); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond) // SQLite's lock goes to who asks at the right moment
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		stopOther()
		must(t, d.Close())
	})
}

// setting is [trac] database of an environment.
func setting(t *testing.T, dir string) string {
	t.Helper()
	c, err := tracini.Load(filepath.Join(dir, "conf/trac.ini"))
	must(t, err)
	return c.String("trac", "database")
}

// digests stand for all rows of an environment's database.
func digests(t *testing.T, dir string) (sums map[string]convert.Digest) {
	t.Helper()
	d, err := db.Open(t.Context(), dir, setting(t, dir), db.Options{ReadOnly: true})
	must(t, err)
	must(t, d.Read(t.Context(), func(tx *db.Tx) (err error) {
		sums, err = convert.Digests(tx, d.Kind())
		return err
	}))
	must(t, d.Close())
	return sums
}

func same(t *testing.T, dirs ...string) {
	t.Helper()
	want := digests(t, dirs[0])
	for _, dir := range dirs[1:] {
		if diff := cmp.Diff(want, digests(t, dir)); diff != "" || len(want) < 20 {
			t.Errorf("%s: %s", dir, diff)
		}
	}
}

// postgresDrill backs an environment up while it is written to, and brings it
// back into both kinds of database.
func postgresDrill(t *testing.T, s *pgtest.Server) {
	work := testenvs.Parent(t)
	dir, dsn := inPostgres(t, s, work, "one")
	s.SQL("projects", "CREATE VIEW one.seen AS SELECT 1")
	stop := hammer(t, dir, dsn)
	file, hot := filepath.Join(work, "file"), filepath.Join(work, "hot")
	made, err := backup.Create(t.Context(), dir, file, backup.Options{})
	must(t, err)
	copied, err := backup.Hotcopy(t.Context(), dir, hot, backup.Options{})
	must(t, err)
	stop()
	if len(made.Warnings) != 1 || !strings.Contains(made.Warnings[0], "the view seen") || len(copied.Warnings) != 2 {
		t.Error(made.Warnings, copied.Warnings)
	}
	r := verified(t, file)
	m := r.Manifest.Database
	if m.Kind != "postgres" || m.Path != "db/trac.db" || len(m.Sums) != len(m.Tables) || m.Counted["ticket"] == 0 || len(r.Warnings) != 2 {
		t.Errorf("%+v %q", m, r.Warnings)
	}
	if text := read(t, dir, "conf/trac.ini"); !strings.Contains(text, "postgres://") || strings.Contains(strings.Join(r.Warnings, " "), "postgres://") {
		t.Error(text, r.Warnings)
	}
	lite, two := filepath.Join(work, "lite"), filepath.Join(work, "two")
	_, err = backup.Restore(t.Context(), file, lite, backup.Options{})
	must(t, err)
	_, err = backup.Restore(t.Context(), file, two, backup.Options{Database: s.DSN("two")})
	must(t, err)
	want := valueIn(t, lite, "sqlite:db/trac.db")
	if got := valueIn(t, two, s.DSN("two")); got != want || want == "" || valueIn(t, hot, "sqlite:db/trac.db") == "" {
		t.Errorf("%q, not %q", got, want)
	}
	same(t, lite, two)
	if setting(t, lite) != "sqlite:db/trac.db" || setting(t, hot) != "sqlite:db/trac.db" || setting(t, two) != s.DSN("two") {
		t.Error(setting(t, lite), setting(t, two))
	}
	if info, err := os.Stat(filepath.Join(lite, "db/trac.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	registry := testenvs.Registry(t, work, registryOptions())
	if opened(t, registry, two) != "" || opened(t, registry, lite) != filepath.Join(lite, "db/trac.db") || opened(t, registry, hot) == "" {
		t.Error("they open other databases")
	}
	if list, err := os.ReadDir(filepath.Join(two, "db")); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	next := s.SQL("projects", "INSERT INTO two.ticket (summary) VALUES ('next') RETURNING id > "+fmt.Sprint(m.Counted["ticket"]))
	if !strings.HasPrefix(next, "t") {
		t.Error("a ticket's number is given again")
	}

	// A row that is another is found, though its table has as many.
	forged := backup.Forge(t, file, "db/trac.db", func(text string) string { return strings.Replace(text, "= Second =", "= Zecond =", 1) })
	if r, err := backup.Verify(t.Context(), forged, backup.Options{}); err != nil || len(r.Differences) != 1 || r.Differences[0].What != "table wiki" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, taken := range []string{s.DSN("two"), "sqlite:db/x.db"} {
		if _, err := backup.Restore(t.Context(), file, filepath.Join(work, "three"), backup.Options{Database: taken}); err == nil {
			t.Error("restored to", taken)
		}
	}
	// What is wrong at the very end undoes it all.
	must(t, os.WriteFile(filepath.Join(work, "blocked"), nil, 0o600))
	if _, err := backup.Hotcopy(t.Context(), lite, filepath.Join(lite, "inside"), backup.Options{Database: s.DSN("four")}); err == nil {
		t.Error("copied into itself")
	}
	if n := s.SQL("projects", "SELECT count(*) FROM pg_tables WHERE schemaname IN ('three', 'four')"); n != "0" {
		t.Errorf("%s tables are left", n)
	}
	for _, name := range names(t, work) {
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "three") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// convertDrill moves an environment to PostgreSQL and back, while it is written to.
func convertDrill(t *testing.T, s *pgtest.Server) {
	dir, work := environment(t)
	before := filepath.Join(work, "before")
	ini := read(t, dir, "conf/trac.ini")
	stop := hammer(t, dir, "sqlite:db/trac.db?timeout=60")
	if _, err := backup.Hotcopy(t.Context(), dir, filepath.Join(work, "new"), backup.Options{Database: s.DSN("new")}); err != nil {
		t.Fatal(err)
	}
	if valueIn(t, "", s.DSN("new")) == "" || setting(t, filepath.Join(work, "new")) != s.DSN("new") || setting(t, dir) != "sqlite:db/trac.db" {
		t.Error("not a copy")
	}
	_, err := backup.Convert(t.Context(), dir, s.DSN("moved"), backup.Options{})
	must(t, err)
	stop() // whoever does not look at trac.ini goes on with the former file
	if valueIn(t, "", s.DSN("moved")) == "" || setting(t, dir) != s.DSN("moved") {
		t.Error("not moved")
	}
	kept, err := filepath.Glob(filepath.Join(dir, "conf/trac.ini.convert_db-*"))
	must(t, err)
	if len(kept) != 1 || read(t, dir, strings.TrimPrefix(kept[0], dir)) != ini {
		t.Error(kept)
	}
	_, err = backup.Hotcopy(t.Context(), dir, before, backup.Options{})
	must(t, err)
	if setting(t, before) != "sqlite:db/2-trac.db" {
		t.Error(setting(t, before)) // db/trac.db is the former one
	}
	for dsn, want := range map[string]error{s.DSN("moved"): backup.ErrSame, s.DSN("new"): db.ErrExists, "sqlite:db/trac.db": db.ErrExists, "nonsense": db.ErrConnString} {
		if _, err := backup.Convert(t.Context(), dir, dsn, backup.Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	if setting(t, dir) != s.DSN("moved") {
		t.Error(setting(t, dir))
	}
	pg := digests(t, dir)
	_, err = backup.Convert(t.Context(), dir, "sqlite:db/back.db", backup.Options{})
	must(t, err)
	if diff := cmp.Diff(pg, digests(t, dir)); diff != "" || setting(t, dir) != "sqlite:db/back.db" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(dir, "db/back.db")); err != nil || info.Mode().Perm() != 0o600 { // as trac.ini
		t.Error(info, err)
	}
	same(t, dir, before)
	registry := testenvs.Registry(t, work, registryOptions())
	opened(t, registry, dir)
	opened(t, registry, filepath.Join(work, "new"))

	// Somebody else who changes trac.ini meanwhile is not overruled.
	change := func(backup.Progress) {
		must(t, tracini.Save(t.Context(), filepath.Join(dir, "conf/trac.ini"), tracini.Change{Section: "trac", Name: "database", Value: "sqlite:db/trac.db"}))
	}
	if _, err := backup.Convert(t.Context(), dir, s.DSN("never"), backup.Options{Progress: change}); err == nil || setting(t, dir) != "sqlite:db/trac.db" {
		t.Error("it is said to have gone well:", err)
	}
	if n := s.SQL("projects", "SELECT count(*) FROM pg_tables WHERE schemaname = 'never'"); n != "0" {
		t.Errorf("%s tables are left", n)
	}
}

// killedDrill kills backups, restores and conversions at random moments. The next
// run finds nothing half made, and nothing of them is left after it.
func killedDrill(t *testing.T, s *pgtest.Server) {
	work := testenvs.Parent(t)
	dir, dsn := inPostgres(t, s, work, "victim")
	d, err := db.Open(t.Context(), dir, dsn, db.Options{})
	must(t, err)
	for i := range 50 {
		must(t, pair(t.Context(), d, i))
	}
	must(t, d.Close())
	file := filepath.Join(work, "file")
	create(t, dir, file)
	const kills = 4
	_, stop := child(t, "restore", filepath.Join(work, "whole"), file, s.DSN("whole"))
	begun := time.Now()
	stop()
	span := time.Since(begun) // how long it takes when nobody kills it
	left, whole := 0, 0
	kill := func(i int, task ...string) { // in the i-th part of the time
		t.Helper()
		cmd, stop := child(t, task...)
		time.Sleep((time.Duration(i)*span + rand.N(span)) * 5 / 4 / kills)
		_ = cmd.Process.Kill()
		stop()
		if found, _ := filepath.Glob(filepath.Join(work, ".*")); len(found) > 0 {
			left++
		}
	}
	// A schema that a killed run has committed is whole; it is named anew each time.
	tables := func(schema string) string {
		return s.SQL("projects", "SELECT count(*) FROM pg_tables WHERE schemaname = '"+schema+"'")
	}
	for i := range kills {
		kill(i, "backup", dir, filepath.Join(work, "again"))
		if _, err := os.Stat(filepath.Join(work, "again")); err == nil {
			whole++
			verified(t, filepath.Join(work, "again"))
			must(t, os.Remove(filepath.Join(work, "again")))
		}
		name, to := fmt.Sprint("restored", i), filepath.Join(work, "restored")
		kill(i, "restore", to, file, s.DSN(name))
		pgtest.Eventually(t, "the server lets go", func() bool {
			return s.SQL("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%restored%'") == "0"
		})
		if n := tables(name); n != "0" {
			if n != "21" || valueIn(t, "", s.DSN(name)) != "49" {
				t.Errorf("half a schema: %s tables", n)
			}
		}
		if _, err := os.Stat(to); err == nil {
			whole++
			same(t, dir, to)
			must(t, os.RemoveAll(to))
		}
	}
	if whole == 2*kills || left == 0 {
		t.Errorf("%d were whole, %d left something: this tests nothing", whole, left)
	}
	t.Logf("%d of %d were whole, %d left something", whole, 2*kills, left)

	// A directory that a living process has locked is its own.
	again := filepath.Join(work, "again")
	_, err = backup.Create(t.Context(), dir, again, backup.Options{Progress: func(p backup.Progress) {
		if p.Doing != "database" {
			return
		}
		create(t, dir, again)
		if found, _ := filepath.Glob(filepath.Join(work, ".again.tmp-*")); len(found) != 1 {
			t.Errorf("%d directories where one is in use", len(found))
		}
	}})
	if !errors.Is(err, backup.ErrExists) { // by then
		t.Error(err)
	}
	_, err = backup.Restore(t.Context(), file, filepath.Join(work, "restored"), backup.Options{})
	must(t, err)
	if found, _ := filepath.Glob(filepath.Join(work, ".*")); len(found) > 0 {
		t.Error("left behind:", found)
	}

	unfinishedConversion(t, s, work)

	// A conversion in place: trac.ini names one of two whole databases.
	for i := range kills {
		name := fmt.Sprint("place", i)
		lite := filepath.Join(work, name)
		_, err := backup.Hotcopy(t.Context(), dir, lite, backup.Options{})
		must(t, err)
		kill(i, "convert", lite, "", s.DSN(name))
		pgtest.Eventually(t, "the server lets go", func() bool {
			return s.SQL("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%place%'") == "0"
		})
		same(t, dir, lite)
		if n := tables(name); n != "0" && n != "21" {
			t.Errorf("half a schema: %s tables", n)
		}
	}
}

// unfinishedConversion is killed after the schema is complete and before trac.ini
// names it: the next one into it says what is there, and none that ends does.
func unfinishedConversion(t *testing.T, s *pgtest.Server, work string) {
	t.Helper()
	dir := testenvs.Make(t, work, `it's "so"?`, nil)
	if testenvs.InPostgres() {
		t.Fatal("the environment is not in SQLite")
	}
	cmd, stop := child(t, "stuck", dir, "", s.DSN("stuck"))
	must(t, cmd.Process.Kill())
	stop()
	comment := func(schema string) string {
		return s.SQL("projects", "SELECT obj_description('"+schema+".system'::regclass, 'pg_class')")
	}
	if !strings.HasPrefix(comment("stuck"), "projhost: not in use yet, made at 20") {
		t.Errorf("the comment is %q", comment("stuck"))
	}
	_, query, found := strings.Cut(read(t, "../docs", "operating.md"), "\nSELECT relnamespace")
	query, _, _ = strings.Cut(query, ";")
	if list := s.SQL("projects", "SELECT relnamespace"+query); !found || !strings.Contains("\n"+list, "\nstuck|projhost: ") {
		t.Errorf("the query of docs/operating.md finds %q", list)
	}
	for i := range 2 { // it stays as it is
		_, err := backup.Convert(t.Context(), dir, s.DSN("stuck"), backup.Options{})
		if !errors.Is(err, db.ErrExists) || !strings.Contains(err.Error(), fmt.Sprintf("for %q: another run is still at work, or was broken off", dir)) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if setting(t, dir) != "sqlite:db/trac.db" {
		t.Error(setting(t, dir))
	}
	s.SQL("projects", "DROP SCHEMA stuck CASCADE")
	_, err := backup.Convert(t.Context(), dir, s.DSN("stuck"), backup.Options{})
	must(t, err)
	if setting(t, dir) != s.DSN("stuck") || comment("stuck") != "" {
		t.Errorf("%s, the comment is %q", setting(t, dir), comment("stuck"))
	}
	// Of a database that is in use, nothing of the kind is said.
	if _, err := backup.Hotcopy(t.Context(), dir, filepath.Join(work, "more"), backup.Options{Database: s.DSN("stuck")}); !errors.Is(err, db.ErrExists) || strings.Contains(err.Error(), "broken off") {
		t.Error(err)
	}
}

// realEnvironments: those from real life, where they are, go to PostgreSQL and
// back, and each row is as it was.
func realEnvironments(t *testing.T, s *pgtest.Server) {
	for _, from := range []string{"real-envs", "trac16"} {
		archive := filepath.Join("../../shared", from, "envs.tar.gz")
		if _, err := os.Stat(archive); err != nil {
			t.Logf("there are no environments in %s here", from)
			continue
		}
		work := t.TempDir()
		if out, err := exec.Command("tar", "-xzf", archive, "-C", work).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
		list, err := filepath.Glob(filepath.Join(work, "*", "VERSION"))
		must(t, err)
		whole := 0
		for i, file := range list {
			dir, name := filepath.Dir(file), fmt.Sprint(from, i)
			if text, err := os.ReadFile(filepath.Join(dir, "db/trac.db")); err != nil || !strings.HasPrefix(string(text), "SQLite format 3\x00") {
				continue // some are broken, on purpose
			}
			whole++
			before := digests(t, dir)
			_, err := backup.Convert(t.Context(), dir, s.DSN(name), backup.Options{})
			if err != nil {
				t.Errorf("%s: %v", dir, err)
				continue
			}
			_, err = backup.Convert(t.Context(), dir, "sqlite:db/back.db", backup.Options{})
			must(t, err)
			if diff := cmp.Diff(before, digests(t, dir)); diff != "" || len(before) < 15 {
				t.Errorf("%s: %s", dir, diff)
			}
		}
		if whole == 0 {
			t.Errorf("none of %q could be tried", list)
		}
	}
}
