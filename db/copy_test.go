package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"projhost/db"
	"projhost/db/schema"
)

// copied opens the copy and returns its marker and what SQLite says of it.
func copied(t *testing.T, path string) (mark, verdict string) {
	t.Helper()
	c := open(t, "/", "sqlite:"+path, db.Options{ReadOnly: true})
	must(t, c.Read(t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error { verdict = r.Text(0); return nil }, "PRAGMA integrity_check")
		return err
	}))
	return marker(t, c), verdict
}

// TestCopyTo: a copy has what is committed, in the WAL too, and nothing that is not.
func TestCopyTo(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		for _, o := range []db.Options{{}, {ReadOnly: true}} {
			dir := environment(t)
			setMode(t, dir, mode)
			file := filepath.Join(dir, "db/trac.db")
			must(t, os.Chmod(file, 0o640))
			w := open(t, dir, "sqlite:db/trac.db", db.Options{})
			set := func(tx *db.Tx, to string) {
				_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", to, "marker")
				must(t, err)
			}
			must(t, w.Write(t.Context(), func(tx *db.Tx) error { set(tx, "committed"); return nil }))
			if mode == "WAL" && !exists(file+"-wal") {
				t.Fatal("nothing is in a WAL")
			}
			d := open(t, dir, "sqlite:db/trac.db", o)
			to := filepath.Join(dir, "copy ü %.db")
			must(t, w.Write(t.Context(), func(tx *db.Tx) error {
				set(tx, "not committed")
				return d.CopyTo(t.Context(), to)
			}))
			if mark, verdict := copied(t, to); mark != "committed" || verdict != "ok" {
				t.Errorf("%s %+v: the copy has %q and is %q", mode, o, mark, verdict)
			}
			info, err := os.Stat(to)
			must(t, err)
			if info.Mode().Perm() != 0o640 {
				t.Errorf("the copy has mode %v", info.Mode())
			}
			if err := d.CopyTo(t.Context(), to); !errors.Is(err, db.ErrExists) {
				t.Error("copied over a file:", err)
			}
			if err := d.CopyTo(t.Context(), filepath.Join(dir, "none/copy.db")); err == nil {
				t.Error("copied into a directory that is not there")
			}
			// The connections that copied may still only read, or write, as before.
			if marker(t, d) != "not committed" {
				t.Error("reading after the copy")
			}
			if err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.Each(func(db.Row) error { return nil }, "DELETE FROM wiki")
			}); err == nil {
				t.Error("a reader's connection writes")
			}
		}
	}
}

// TestCopyToAfterCrash: a crash is undone first where that is allowed.
func TestCopyToAfterCrash(t *testing.T) {
	dir := environment(t)
	child(t, "crash", filepath.Join(dir, "db/trac.db"))()
	d := open(t, dir, "sqlite:db/trac.db", db.Options{ReadOnly: true})
	to := filepath.Join(dir, "copy.db")
	if err := d.CopyTo(t.Context(), to); !errors.Is(err, db.ErrRecovery) || exists(to) {
		t.Error(err)
	}
	d = open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: schema.Version})
	must(t, d.CopyTo(t.Context(), to))
	if mark, verdict := copied(t, to); mark == "unfinished" || verdict != "ok" {
		t.Errorf("the copy has %q and is %q", mark, verdict)
	}
}

func TestCopyToFails(t *testing.T) {
	dir := environment(t)
	d := open(t, dir, "sqlite:db/trac.db", db.Options{})
	to := filepath.Join(dir, "copy.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.CopyTo(ctx, to); err == nil || exists(to) {
		t.Error("copied after the end of the context:", err)
	}
	must(t, d.Close())
	if err := d.CopyTo(t.Context(), to); !errors.Is(err, db.ErrClosed) || exists(to) {
		t.Error(err)
	}
	m := open(t, dir, "sqlite::memory:", db.Options{})
	if err := m.CopyTo(t.Context(), to); !errors.Is(err, db.ErrMisuse) || exists(to) {
		t.Error(err)
	}
}
