package upgrade_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/schema"
	"projhost/db/upgrade"
	"projhost/envs/tracini"
)

// open opens an environment's database for the test.
func open(t *testing.T, dir string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

func version(t *testing.T, d *db.DB) int {
	t.Helper()
	v, err := d.Version(t.Context())
	must(t, err)
	return v
}

func text(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	must(t, err)
	return string(b)
}

// isCurrent compares with what an environment of the present version is.
func isCurrent(t *testing.T, dir string, d *db.DB) {
	t.Helper()
	if v := version(t, d); v != schema.Version {
		t.Errorf("version %d", v)
	}
	if d := cmp.Diff(fresh(t), made(t, d)); d != "" {
		t.Error("the tables:", d)
	}
	hasNewRows(t, d)
	own, err := tracini.Own(filepath.Join(dir, "conf/trac.ini"))
	must(t, err)
	sorted, err := tracini.Format(slices.Values(own))
	must(t, err)
	if d := cmp.Diff(newINI, string(sorted)); d != "" {
		t.Error("trac.ini:", d)
	}
	if now := text(t, dir, "conf/trac.ini"); !strings.HasPrefix(now, "# a comment\n[components]\n") {
		t.Errorf("trac.ini has lost its comment or its order: %s", now)
	}
}

// hasNewRows compares all rows with newRows.
func hasNewRows(t *testing.T, d *db.DB) {
	t.Helper()
	rows := dump(t, d)
	for line := range strings.Lines(strings.TrimSpace(newRows)) {
		table, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		sorted := strings.Split(strings.TrimSpace(want), "  ")
		slices.Sort(sorted)
		if d := cmp.Diff(strings.Join(sorted, "  "), rows[table]); d != "" {
			t.Errorf("rows of %s: %s", table, d)
		}
		delete(rows, table)
	}
	if len(rows) != 0 {
		t.Errorf("not compared: %v", rows)
	}
}

// TestFromOldest does every step on an environment of Trac 0.11.
func TestFromOldest(t *testing.T) {
	dir := makeOldest(t)
	owner := os.Getuid()
	if owner == 0 { // root upgrades what another user serves
		owner = 4711
		for _, name := range []string{"conf/trac.ini", "attachments"} {
			must(t, os.Chown(filepath.Join(dir, name), owner, owner))
		}
	}
	d := open(t, dir)
	var notes, steps []string
	e := &upgrade.Environment{Dir: dir, DB: d, Note: func(s string) { notes = append(notes, s) }}
	must(t, upgrade.Run(t.Context(), e, func(s upgrade.Step) error {
		steps = append(steps, fmt.Sprint(s.To))
		return nil
	}))
	if want := "22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45"; strings.Join(steps, " ") != want {
		t.Errorf("steps %v", steps)
	}
	isCurrent(t, dir, d)
	if len(notes) != 1 || !strings.Contains(notes[0], "wiki:Gone: lost.txt is missing") {
		t.Errorf("notes: %q", notes)
	}
	for name, want := range map[string]string{
		// sha1sum of "1" and "shot_1.png", of "Größe/Ü" and "ä_~.tar.gz".
		"ticket/356/356a192b7913b04c54574d18c28d46e6395428ab/334ef6f002d989c5ea1bb956f7530420e50a2649.png": "png",
		"wiki/88a/88a61c673ac811b33cda262d4182fa4b4426aac1/2a74e3cc91dce13793d76f96ce9b6ed2b40af6b1.gz":    "tgz",
	} {
		if got := text(t, dir, "files/attachments", name); got != want {
			t.Errorf("%s has %q", name, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "attachments")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the former directory is there still:", err)
	}
	for _, name := range []string{"conf/trac.ini", "conf/trac.ini.db45.bak", "files", "files/attachments/wiki/88a"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != owner {
			t.Errorf("%s belongs to %d, not %d", name, uid, owner)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "files/attachments/ticket"))
	must(t, err)
	if info.Mode().Perm() != 0o750 {
		t.Errorf("a directory of attachments has mode %v", info.Mode())
	}
	if got := text(t, dir, "conf/trac.ini.tracopt-svn.bak"); got != oldINI {
		t.Error("the copy of trac.ini is not what it was")
	}
	kept, err := filepath.Glob(filepath.Join(dir, "conf/trac.ini.*"))
	must(t, err)
	var names []string
	for _, k := range kept {
		names = append(names, strings.TrimPrefix(filepath.Base(k), "trac.ini."))
	}
	if got := strings.Join(names, " "); got != "db30.bak db31.bak db32.bak db33.bak db36.bak db39.bak db40.bak db41.bak db43.bak db45.bak tracopt-svn.bak" {
		t.Errorf("copies: %s", got)
	}
	for _, name := range append(kept, filepath.Join(dir, "conf/trac.ini")) {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if all, err := upgrade.Steps(version(t, d)); err != nil || len(all) != 0 {
		t.Errorf("steps left: %v, %v", all, err)
	}
}

// TestStopped stops after each step in turn and goes on from there.
func TestStopped(t *testing.T) {
	dir := makeOldest(t)
	enough := errors.New("enough")
	for to := upgrade.Oldest + 1; to <= schema.Version; to++ {
		d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
		must(t, err)
		err = upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(s upgrade.Step) error {
			if s.To != to || s.Does == "" || !strings.HasSuffix(s.Does, ".") {
				t.Errorf("step %d %q, want %d", s.To, s.Does, to)
			}
			return enough
		})
		if !errors.Is(err, enough) || version(t, d) != to {
			t.Fatalf("after %d: version %d, %v", to, version(t, d), err)
		}
		must(t, d.Close())
	}
	isCurrent(t, dir, open(t, dir))
}

// TestFailedStep: a step that fails leaves the last good one, and all it has
// done is undone; once the cause is gone, the upgrade goes on.
func TestFailedStep(t *testing.T) {
	for _, c := range []struct {
		name         string
		stays        int
		break_, mend func(t *testing.T, dir string, d *db.DB)
	}{
		{"a table is there", 34, statement("CREATE TABLE notify_watch (x)"), statement("DROP TABLE notify_watch")},
		{"trac.ini cannot be read", 28, ini("nonsense"), ini(oldINI)},
		{"trac.ini cannot be written", 28, lock, unlock},
		{"an attachment is a directory", 27, otherAttachment, noOtherAttachment},
		{"the last table of a step", 22, statement("DROP TABLE node_change"),
			statement("CREATE TABLE node_change AS SELECT 1 AS rev, 'trunk' AS path, 'D' AS node_type, 'A' AS change_type, NULL AS base_path, '-1' AS base_rev " +
				"UNION ALL SELECT 12, 'trunk/a', 'F', 'C', 'trunk/b', '1'")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := makeOldest(t)
			d := open(t, dir)
			c.break_(t, dir, d)
			e := &upgrade.Environment{Dir: dir, DB: d}
			done := func(upgrade.Step) error { return nil }
			err := upgrade.Run(t.Context(), e, done)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("step %d (the tables stay at version %d)", c.stays+1, c.stays)) {
				t.Error(err)
			}
			if v := version(t, d); v != c.stays {
				t.Errorf("version %d, want %d", v, c.stays)
			}
			c.mend(t, dir, d)
			must(t, upgrade.Run(t.Context(), e, done))
			isCurrent(t, dir, d)
		})
	}
}

func statement(s string) func(*testing.T, string, *db.DB) {
	return func(t *testing.T, _ string, d *db.DB) {
		must(t, d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(s)
			return err
		}))
	}
}

func ini(s string) func(*testing.T, string, *db.DB) {
	return func(t *testing.T, dir string, _ *db.DB) {
		must(t, os.WriteFile(filepath.Join(dir, "conf/trac.ini"), []byte(s), 0o640))
	}
}

// lock has a hundred other copies take the names, which holds for root, too.
func lock(t *testing.T, dir string, _ *db.DB) {
	for i := 1; i <= 100; i++ {
		name := filepath.Join(dir, "conf/trac.ini.tracopt-svn.bak")
		if i > 1 {
			name += fmt.Sprint(".", i)
		}
		must(t, os.WriteFile(name, []byte(fmt.Sprint(i)), 0o640))
	}
}

func unlock(t *testing.T, dir string, _ *db.DB) {
	must(t, os.Remove(filepath.Join(dir, "conf/trac.ini.tracopt-svn.bak.7")))
}

func otherAttachment(t *testing.T, dir string, _ *db.DB) {
	must(t, os.MkdirAll(filepath.Join(dir, "files/attachments"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "files/attachments/wiki"), []byte("in the way"), 0o640))
}

func noOtherAttachment(t *testing.T, dir string, _ *db.DB) {
	for _, name := range []string{"attachments/ticket/1/shot_1.png", "attachments/wiki/Gr%C3%B6%C3%9Fe/%C3%9C/%C3%A4_%7E.tar.gz"} {
		if text(t, dir, name) == "" {
			t.Errorf("%s was moved", name)
		}
	}
	must(t, os.Remove(filepath.Join(dir, "files/attachments/wiki")))
}

// TestCommitFails: trac.ini gets its former text back with the database.
func TestCommitFails(t *testing.T) {
	dir := makeOldest(t)
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?timeout=0.1", db.Options{})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	e, enough := &upgrade.Environment{Dir: dir, DB: d}, errors.New("enough")
	err = upgrade.Run(t.Context(), e, func(s upgrade.Step) error {
		if s.To == 35 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	before := text(t, dir, "conf/trac.ini")
	// Whoever reads keeps others from committing.
	must(t, open(t, dir).Read(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Generation("x"); err != nil {
			return err
		}
		if err := upgrade.Run(t.Context(), e, func(upgrade.Step) error { return nil }); !errors.Is(err, db.ErrBusy) {
			t.Error(err)
		}
		return nil
	}))
	if v := version(t, d); v != 35 {
		t.Errorf("version %d", v)
	}
	if _, err := os.Stat(filepath.Join(dir, "conf/trac.ini.db36.bak")); err != nil {
		t.Error("the step did not get as far as trac.ini:", err)
	}
	if diff := cmp.Diff(before, text(t, dir, "conf/trac.ini")); diff != "" {
		t.Error(diff)
	}
	must(t, upgrade.Run(t.Context(), e, func(upgrade.Step) error { return nil }))
	isCurrent(t, dir, d)
}

// TestTwoAtOnce: who finds that another has done a step does not do it again.
func TestTwoAtOnce(t *testing.T) {
	dir := makeOldest(t)
	d, other := open(t, dir), open(t, dir)
	none := func(upgrade.Step) error { return nil }
	err := upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(s upgrade.Step) error {
		if s.To != 30 {
			return nil
		}
		return upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: other}, none)
	})
	if err == nil || !strings.Contains(err.Error(), "another program is at work") {
		t.Error(err)
	}
	isCurrent(t, dir, d)
}

// TestAttachmentsElsewhere: a directory of attachments that is a symbolic link,
// with files that nobody knows, and one that an earlier attempt has placed.
func TestAttachmentsElsewhere(t *testing.T) {
	dir, disk := makeOldest(t), t.TempDir()
	must(t, os.Rename(filepath.Join(dir, "attachments"), filepath.Join(disk, "a")))
	must(t, os.Symlink(filepath.Join(disk, "a"), filepath.Join(dir, "attachments")))
	must(t, os.WriteFile(filepath.Join(disk, "a/ticket/stray"), []byte("x"), 0o600))
	placed := filepath.Join(dir, "files/attachments/ticket/356/356a192b7913b04c54574d18c28d46e6395428ab/334ef6f002d989c5ea1bb956f7530420e50a2649.png")
	must(t, os.MkdirAll(filepath.Dir(placed), 0o755))
	must(t, os.WriteFile(placed, []byte("another picture"), 0o600))
	d := open(t, dir)
	statement("INSERT INTO attachment (type, id, filename) VALUES ('wiki', '../../..', 'conf/trac.ini')")(t, dir, d)
	var notes []string
	e := &upgrade.Environment{Dir: dir, DB: d, Note: func(s string) { notes = append(notes, s) }}
	none := func(upgrade.Step) error { return nil }
	if err := upgrade.Run(t.Context(), e, none); err == nil || !strings.Contains(err.Error(), "different files for one attachment") {
		t.Error(err)
	}
	must(t, os.WriteFile(placed, []byte("png"), 0o600))
	notes = nil
	must(t, upgrade.Run(t.Context(), e, none))
	if len(notes) != 3 || !strings.Contains(strings.Join(notes, "\n"), "1 files in "+filepath.Join(disk, "a")) ||
		!strings.Contains(strings.Join(notes, "\n"), "wiki:../../..: conf/trac.ini is missing") {
		t.Errorf("notes: %q", notes)
	}
	var left []string
	must(t, filepath.WalkDir(disk, func(path string, f os.DirEntry, err error) error {
		if path != disk {
			left = append(left, strings.TrimPrefix(path, disk))
		}
		return err
	}))
	if got := strings.Join(left, " "); got != "/a /a/ticket /a/ticket/stray" {
		t.Errorf("left: %s", got)
	}
	text(t, dir, "conf/trac.ini")
}

// TestSteps: versions that cannot be upgraded say so.
func TestSteps(t *testing.T) {
	for v, words := range map[int]string{0: "older Trac", 20: "older Trac", 46: "newer"} {
		if _, err := upgrade.Steps(v); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%d: %v", v, err)
		}
	}
	for v := upgrade.Oldest; v <= schema.Version; v++ {
		steps, err := upgrade.Steps(v)
		must(t, err)
		for i, s := range steps {
			if s.To != v+i+1 {
				t.Errorf("from %d, step %d leads to %d", v, i, s.To)
			}
		}
		if len(steps) != schema.Version-v {
			t.Errorf("from %d there are %d steps", v, len(steps))
		}
	}
}

// TestBackup: the copy has what is only in the WAL yet, and nothing is upgraded
// if the database is damaged.
func TestBackup(t *testing.T) {
	dir := makeOldest(t)
	must(t, os.Chmod(filepath.Join(dir, "db/trac.db"), 0o600))
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?journal_mode=WAL", db.Options{})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	statement("INSERT INTO component (name) VALUES ('in the WAL')")(t, dir, d)
	e := &upgrade.Environment{Dir: dir, DB: d}
	path, err := upgrade.Backup(t.Context(), e, filepath.Join(dir, "new/backups ?"), time.Unix(1700000000, 5))
	must(t, err)
	if path != filepath.Join(dir, "new/backups ?/sqlite.21.1700000000.bak") {
		t.Error(path)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	c, err := db.Open(t.Context(), filepath.Dir(path), "sqlite:"+filepath.Base(path), db.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, c.Close()) }()
	n := int64(0)
	must(t, c.Read(t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error { n = r.Int(0); return nil }, "SELECT COUNT(*) FROM component")
		return err
	}))
	if n != 2 || version(t, c) != 21 {
		t.Errorf("%d components, version %d", n, version(t, c))
	}
	if _, err := upgrade.Backup(t.Context(), e, filepath.Join(dir, "new/backups ?"), time.Unix(1700000000, 0)); !errors.Is(err, db.ErrExists) {
		t.Error("copied over a copy:", err)
	}
}

func TestBackupOfDamage(t *testing.T) {
	dir := makeOldest(t)
	file := filepath.Join(dir, "db/trac.db")
	b, err := os.ReadFile(file)
	must(t, err)
	copy(b[len(b)/2/4096*4096:], strings.Repeat("\xff", 4096))
	must(t, os.WriteFile(file, b, 0o600))
	e := &upgrade.Environment{Dir: dir, DB: open(t, dir)}
	if path, err := upgrade.Backup(t.Context(), e, filepath.Join(dir, "backups"), time.Now()); err == nil {
		t.Error("a damaged database was copied to", path)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "backups")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestVerify: a copy that is not whole is told.
func TestVerify(t *testing.T) {
	dir := makeOldest(t)
	d := open(t, dir)
	var want map[string]int64
	must(t, d.Read(t.Context(), func(tx *db.Tx) (err error) {
		want, err = convert.Count(tx)
		return err
	}))
	if want["wiki"] != 2 || len(want) != 17 {
		t.Errorf("counted %v", want)
	}
	for _, c := range []struct {
		words string
		spoil func(path string)
	}{
		{"", func(string) {}},
		{"has 0 rows in the table report, not 1", func(path string) { change(t, path, "DELETE FROM report") }},
		{"has 16 tables, not 17", func(path string) { change(t, path, "DROP TABLE report") }},
		{"is damaged", func(path string) {
			change(t, path, "PRAGMA writable_schema = 1")
			change(t, path, "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'wiki') WHERE name = 'report'")
		}},
	} {
		path := filepath.Join(t.TempDir(), "copy.db")
		must(t, d.CopyTo(t.Context(), path))
		c.spoil(path)
		err := upgrade.Verify(t.Context(), path, want)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%q: %v", c.words, err)
		}
	}
}

// change runs a statement on a copy.
func change(t *testing.T, path, s string) {
	d, err := db.Open(t.Context(), filepath.Dir(path), "sqlite:"+filepath.Base(path), db.Options{})
	must(t, err)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec("PRAGMA writable_schema = 1"); err != nil {
			return err
		}
		_, err := tx.Exec(s)
		return err
	}))
	must(t, d.Close())
}
