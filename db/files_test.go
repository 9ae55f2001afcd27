package db_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"projhost/db"
	"projhost/internal/fault"
)

// TestLockedByAnother: the wait for another program's lock is bounded, by the
// timeout and by the context, and ends when the lock comes free.
func TestLockedByAnother(t *testing.T) {
	dir := environment(t)
	file := filepath.Join(dir, "db/trac.db")
	d := open(t, dir, "sqlite:db/trac.db?timeout=0.2", db.Options{})
	write := func() error { return d.Write(t.Context(), func(*db.Tx) error { return nil }) }
	read := func() error {
		_, err := d.Version(t.Context())
		return err
	}

	stop := child(t, "hold", file)
	start := time.Now()
	err := write()
	if f := fault.As(err); !errors.Is(err, db.ErrBusy) || f.Kind != fault.Busy || f.Public == "" || f.RetryAfter == 0 {
		t.Error(err)
	}
	if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("waited %v for 200 ms", took)
	}
	must(t, read())
	stop()
	must(t, write())

	stop = child(t, "exclude", file)
	if err := read(); !errors.Is(err, db.ErrBusy) {
		t.Error("reading:", err)
	}
	if err := write(); !errors.Is(err, db.ErrBusy) {
		t.Error("writing:", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { stop() })
	patient := open(t, dir, "sqlite:db/trac.db?timeout=30", db.Options{})
	if marker(t, patient) != "unfinished" {
		t.Error("did not wait for the lock")
	}
}

// TestCommitWaits: a reader elsewhere delays the commit, and more than the
// timeout makes it fail, undone.
func TestCommitWaits(t *testing.T) {
	dir := environment(t)
	d := open(t, dir, "sqlite:db/trac.db?timeout=0.1", db.Options{})
	stop := child(t, "read", filepath.Join(dir, "db/trac.db"))
	change := func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", "changed", "marker")
		return err
	}
	if err := d.Write(t.Context(), change); !errors.Is(err, db.ErrBusy) {
		t.Error(err)
	}
	stop()
	if marker(t, d) != "whole" {
		t.Error("half a commit")
	}
	must(t, d.Write(t.Context(), change))
	if marker(t, d) != "changed" {
		t.Error("not committed")
	}
}

// TestHotJournal: what a crash left is undone where the version allows it, and
// otherwise left exactly as it is.
func TestHotJournal(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	crashed := func(t *testing.T) (dir string) {
		dir = environment(t)
		child(t, "crash", filepath.Join(dir, "db/trac.db"))()
		if !exists(dir, "db/trac.db-journal") {
			t.Fatal("the crash left no journal")
		}
		return dir
	}
	t.Run("written at 45", func(t *testing.T) {
		dir := crashed(t)
		d := open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
		if d.ReadOnly() || marker(t, d) != "whole" || exists(dir, "db/trac.db-journal") {
			t.Error("not put right")
		}
	})
	t.Run("between two pages of a commit", func(t *testing.T) {
		dir := crashed(t)
		f, err := os.OpenFile(filepath.Join(dir, "db/trac.db"), os.O_RDWR, 0) // nobody has it open
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		must(t, f.Truncate(info.Size()/2)) // the header is of a larger file
		must(t, f.Close())
		if d := open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: 45}); marker(t, d) != "whole" {
			t.Error("not put right")
		}
		if left, err := filepath.Glob(filepath.Join(os.TempDir(), "projhost-crashed-*")); err != nil || len(left) > 0 {
			t.Error("left behind:", left, err)
		}
	})
	t.Run("while open", func(t *testing.T) {
		dir := environment(t)
		d := open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
		child(t, "crash", filepath.Join(dir, "db/trac.db"))()
		for range 2 {
			if marker(t, d) != "whole" {
				t.Error("not put right")
			}
		}
	})
	t.Run("by the writer", func(t *testing.T) {
		dir := crashed(t)
		d := open(t, dir, "sqlite:db/trac.db", db.Options{})
		must(t, d.Write(t.Context(), func(*db.Tx) error { return nil }))
		if marker(t, d) != "whole" {
			t.Error("not put right")
		}
	})
	for name, o := range map[string]db.Options{"read only": {ReadOnly: true}, "another version": {WriteAt: 44}} {
		t.Run(name, func(t *testing.T) {
			dir := crashed(t)
			before := files(t, dir+"/db")
			d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", o)
			if err == nil {
				_, err = d.Version(t.Context())
				must(t, d.Close())
			}
			if !errors.Is(err, db.ErrRecovery) {
				t.Error(err)
			}
			if after := files(t, dir+"/db"); after != before {
				t.Errorf("changed:\n%s->\n%s", before, after)
			}
		})
	}
}

// TestNeverAltered: a database that is only read keeps its files as they are,
// whatever its journal mode.
func TestNeverAltered(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL", "PERSIST"} {
		for name, o := range map[string]db.Options{"read only": {ReadOnly: true}, "another version": {WriteAt: 44}} {
			t.Run(mode+" "+name, func(t *testing.T) {
				dir := environment(t)
				setMode(t, dir, mode)
				before := files(t, dir+"/db")
				d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?journal_mode=TRUNCATE", o)
				must(t, err)
				if v, err := d.Version(t.Context()); v != 45 || err != nil {
					t.Error(v, err)
				}
				err = d.Write(t.Context(), func(*db.Tx) error { return nil })
				if !errors.Is(err, db.ErrReadOnly) || fault.As(err).Kind != fault.Denied {
					t.Error(err)
				}
				if during := files(t, dir+"/db"); during != before {
					t.Errorf("changed:\n%s->\n%s", before, during)
				}
				must(t, d.Close())
				if after := files(t, dir+"/db"); after != before {
					t.Errorf("changed:\n%s->\n%s", before, after)
				}
			})
		}
	}
}

// TestReadOnlyWAL: a file in WAL mode that is read without locks is noticed to
// change.
func TestReadOnlyWAL(t *testing.T) {
	dir := environment(t)
	setMode(t, dir, "WAL")
	d := open(t, dir, "sqlite:db/trac.db", db.Options{ReadOnly: true})
	if marker(t, d) != "whole" {
		t.Fatal("not read")
	}
	change := func(value string) {
		w, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
		must(t, err)
		must(t, w.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", value, "marker")
			return err
		}))
		if value == "while open" && marker(t, d) != value {
			t.Error("the WAL is not read")
		}
		must(t, w.Close())
	}
	change("changed")
	if got := marker(t, d); got != "changed" {
		t.Errorf("read %q", got)
	}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		_, err := system(tx, "marker")
		change("meanwhile")
		return err
	})
	if !errors.Is(err, db.ErrBusy) {
		t.Error("a change under the reader was not noticed:", err)
	}
	change("while open")
	if got := marker(t, d); got != "while open" {
		t.Errorf("read %q", got)
	}
}

// TestWAL: a file in WAL mode stays so, and is tidied up at the end.
func TestWAL(t *testing.T) {
	dir := environment(t)
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?journal_mode=WAL", db.Options{WriteAt: 45})
	must(t, err)
	if got := journalMode(t, d); got != "delete" {
		t.Errorf("mode %s before anything is written", got)
	}
	must(t, d.Write(t.Context(), func(tx *db.Tx) error { return tx.Changed("k") }))
	if got := journalMode(t, d); got != "wal" {
		t.Errorf("mode %s", got)
	}
	must(t, d.Close())
	for range 2 {
		d, err = db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
		must(t, err)
		if got := journalMode(t, d); got != "wal" || d.ReadOnly() {
			t.Errorf("mode %s", got)
		}
		must(t, d.Close())
		if exists(dir, "db/trac.db-wal") || exists(dir, "db/trac.db-shm") {
			t.Error("not tidied up")
		}
	}
}

// TestUnprivileged runs as a user who may not write: as nobody if root runs
// the test, else as the same user while the modes forbid it.
func TestUnprivileged(t *testing.T) {
	const nobody = 65534
	root := os.Getuid() == 0
	dir := environment(t)
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	self, err := os.ReadFile(os.Args[0])
	must(t, err)
	binary := filepath.Join(dir, "test")
	must(t, os.WriteFile(binary, self, 0o755))
	serve := func() string {
		cmd := exec.Command(binary)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), childTask+"=serve "+filepath.Join(dir, "db/trac.db"))
		if root {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		} else {
			defer forbidWriting(t, filepath.Join(dir, "db"))()
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%v: %s", err, out)
		}
		return string(out)
	}
	for _, mode := range []string{"DELETE", "WAL"} {
		setMode(t, dir, mode)
		before := files(t, dir+"/db")
		version, refused, _ := strings.Cut(serve(), "\n")
		if version != "45 <nil>" || !strings.Contains(refused, string(db.ErrReadOnly)) {
			t.Errorf("%s: %s, %s", mode, version, refused)
		}
		if after := files(t, dir+"/db"); after != before {
			t.Errorf("changed:\n%s->\n%s", before, after)
		}
	}
	// The WAL of a running writer, in a directory where nothing can be made.
	w := open(t, dir, "sqlite:db/trac.db", db.Options{})
	must(t, w.Write(t.Context(), func(tx *db.Tx) error { return tx.Changed("k") }))
	if out := serve(); !strings.HasPrefix(out, "45 <nil>\n") {
		t.Error("beside a writer:", out)
	}
	// A WAL without its index, as from a copy of only two of the three files.
	for _, side := range []string{"", "-wal"} {
		text, err := os.ReadFile(filepath.Join(dir, "db/trac.db"+side)) // w has it open, and writes no more
		must(t, err)
		must(t, os.MkdirAll(filepath.Join(dir, "copy"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "copy/trac.db"+side), text, 0o644))
	}
	must(t, w.Close())
	for _, name := range []string{"db", "copy"} {
		must(t, os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".was")))
	}
	must(t, os.Rename(filepath.Join(dir, "copy.was"), filepath.Join(dir, "db")))
	if out := serve(); !strings.Contains(out, string(db.ErrRecovery)) {
		t.Error("a WAL without its index:", out)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "db")))
	must(t, os.Rename(filepath.Join(dir, "db.was"), filepath.Join(dir, "db")))
	unreadable := os.FileMode(0o600)
	if !root {
		unreadable = 0
	}
	must(t, os.Chmod(filepath.Join(dir, "db/trac.db"), unreadable))
	if out := serve(); !strings.Contains(out, string(db.ErrCannotOpen)) {
		t.Error("an unreadable file:", out)
	}
}

// forbidWriting takes the right to write away from a directory and its files; it
// returns what gives them their modes back.
func forbidWriting(t *testing.T, dir string) (undo func()) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	modes := map[string]os.FileMode{}
	for _, name := range append(names, dir) {
		info, err := os.Stat(name)
		must(t, err)
		modes[name] = info.Mode().Perm()
		must(t, os.Chmod(name, modes[name]&^0o222))
	}
	return func() {
		for name, mode := range modes {
			must(t, os.Chmod(name, mode))
		}
	}
}
