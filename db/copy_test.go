package db_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/db"
	"projhost/internal/fault"
)

// pair writes one value into two rows, far apart in the file: a copy of one
// moment has the same in both.
func pair(tx *db.Tx, value int) error {
	for _, key := range []string{"a", "zz"} {
		if _, err := tx.Exec("INSERT OR REPLACE INTO system (name, value) VALUES (?, ?)", key, value); err != nil {
			return err
		}
	}
	_, err := tx.Exec("INSERT INTO ticket (summary, description, time) VALUES (?, ?, ?)", "churned", strings.Repeat("y", 3000), value)
	return err
}

// churn writes pairs until its input ends.
func churn(ctx context.Context, d *db.DB) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	for i := 1; ; i++ {
		err := d.Write(ctx, func(tx *db.Tx) error { return pair(tx, i) })
		if ctx.Err() != nil {
			fmt.Println("wrote", i)
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // so that others have a chance
	}
}

// grow makes a database of some megabytes, so that it takes many steps to copy.
func grow(t *testing.T, d *db.DB, rows int) {
	t.Helper()
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		for i := range rows {
			_, err := tx.Exec("INSERT INTO wiki (name, version, text) VALUES (?, 1, ?)", fmt.Sprint("Grown", i), strings.Repeat("x", 4000))
			if err != nil {
				return err
			}
		}
		return pair(tx, 0)
	}))
}

// wholeCopy checks that a copy is one of one moment.
func wholeCopy(t *testing.T, path string, pages int) (value string) {
	t.Helper()
	d, err := db.Open(t.Context(), "/", "sqlite:"+path, db.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	must(t, d.Check(t.Context()))
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		a, err := system(tx, "a")
		must(t, err)
		z, err := system(tx, "zz")
		must(t, err)
		if a != z || a == "" {
			t.Errorf("two moments: %q and %q", a, z)
		}
		value = a
		_, err = tx.One(func(r db.Row) error {
			if r.Int(0) != int64(pages) {
				t.Errorf("%d pages, want %d", r.Int(0), pages)
			}
			return nil
		}, "SELECT count(*) FROM wiki WHERE name LIKE 'Grown%'")
		return err
	}))
	return value
}

func TestCopy(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir := environment(t)
			setMode(t, dir, mode)
			d := open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
			grow(t, d, 100)
			must(t, os.Chmod(d.File(), 0o640))
			to := filepath.Join(t.TempDir(), "a copy 100%.db")
			must(t, d.CopyTo(t.Context(), to))
			wholeCopy(t, to, 100)
			if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if mode == "WAL" { // the copy is more than the main file has
				info, err := os.Stat(d.File())
				must(t, err)
				if copied, err := os.Stat(to); err != nil || copied.Size() <= info.Size() {
					t.Error("nothing was in the WAL: this tests too little")
				}
			}
			again := open(t, filepath.Dir(to), "sqlite:"+to, db.Options{WriteAt: 45})
			if got := journalMode(t, again); !strings.EqualFold(got, mode) || marker(t, again) != "whole" {
				t.Errorf("the copy's journal mode is %s", got)
			}
			must(t, again.Write(t.Context(), func(tx *db.Tx) error { return pair(tx, 9) }))
			if err := d.CopyTo(t.Context(), to); !errors.Is(err, db.ErrExists) {
				t.Error("over another file:", err)
			}
			if list := files(t, filepath.Dir(to)); strings.Contains(list, ".copy-") {
				t.Errorf("left behind: %s", list)
			}
		})
	}
}

// TestCopyWhileWriting copies while this and another program write: each copy
// is of one moment, and nobody fails.
func TestCopyWhileWriting(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL", "PERSIST"} {
		t.Run(mode, func(t *testing.T) {
			dir := environment(t)
			setMode(t, dir, mode)
			d := open(t, dir, "sqlite:db/trac.db?synchronous=off", db.Options{WriteAt: 45})
			grow(t, d, 1000)
			stop := child(t, "churn", d.File())
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wrote := 0
			wg.Go(func() {
				for ctx.Err() == nil {
					err := d.Write(ctx, func(tx *db.Tx) error { return pair(tx, -wrote) })
					if err == nil {
						wrote++
					} else if ctx.Err() == nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
			})
			seen := map[string]bool{}
			for i := range 3 {
				to := filepath.Join(dir, fmt.Sprint("copy", i))
				must(t, d.CopyTo(t.Context(), to))
				seen[wholeCopy(t, to, 1000)] = true
			}
			cancel()
			wg.Wait()
			if said := stop(); !strings.HasPrefix(said, "ready\nwrote ") {
				t.Error("the other program failed:", said)
			}
			if len(seen) < 2 || wrote < 2 {
				t.Errorf("too little was written: %d here, copies of %v", wrote, seen)
			}
		})
	}
}

// TestCopyHoldsNobodyUp: a writer waits for a part of the copy at most.
func TestCopyHoldsNobodyUp(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir := environment(t)
			setMode(t, dir, mode)
			d := open(t, dir, "sqlite:db/trac.db?synchronous=off", db.Options{WriteAt: 45})
			grow(t, d, 6000)
			copied := make(chan error, 1)
			start := time.Now()
			go func() { copied <- d.CopyTo(t.Context(), filepath.Join(dir, "copy")) }()
			time.Sleep(5 * time.Millisecond)
			must(t, d.Write(t.Context(), func(tx *db.Tx) error { return pair(tx, 7) }))
			wrote := time.Since(start)
			must(t, <-copied)
			if took := time.Since(start); wrote > took/2 {
				t.Errorf("a writer waited %v of the copy's %v", wrote, took)
			}
			wholeCopy(t, filepath.Join(dir, "copy"), 6000)
		})
	}
}

// TestCopyFails: what goes wrong leaves no file of any name.
func TestCopyFails(t *testing.T) {
	tries := func(t *testing.T, d *db.DB, ctx context.Context, want error) {
		t.Helper()
		to := t.TempDir()
		if err := d.CopyTo(ctx, filepath.Join(to, "copy")); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if list := files(t, to); list != "" {
			t.Errorf("left behind: %s", list)
		}
	}
	t.Run("canceled", func(t *testing.T) {
		d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
		grow(t, d, 3000)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		tries(t, d, ctx, context.Canceled)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Millisecond))
			tries(t, d, ctx, context.DeadlineExceeded)
			cancel()
		}
	})
	t.Run("closed", func(t *testing.T) {
		d, err := db.Open(t.Context(), environment(t), "sqlite:db/trac.db", db.Options{})
		must(t, err)
		must(t, d.Close())
		tries(t, d, t.Context(), db.ErrClosed)
	})
	t.Run("damaged", func(t *testing.T) {
		dir := environment(t)
		d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
		must(t, err)
		grow(t, d, 100)
		file := d.File()
		must(t, d.Close())
		text, err := os.ReadFile(file) // closed: there are no locks to lose
		must(t, err)
		size := int(binary.BigEndian.Uint16(text[16:]))
		for i := len(text) - 20*size; i < len(text)-10*size; i++ {
			text[i] = 0xa5
		}
		must(t, os.WriteFile(file, text, 0o644))
		d = open(t, dir, "sqlite:db/trac.db", db.Options{})
		if err := d.Check(t.Context()); !errors.Is(err, db.ErrCorrupt) {
			t.Error("not found damaged:", err)
		}
		tries(t, d, t.Context(), db.ErrCorrupt)
	})
	t.Run("locked", func(t *testing.T) {
		dir := environment(t)
		d := open(t, dir, "sqlite:db/trac.db?timeout=0.2", db.Options{})
		stop := child(t, "lock", d.File())
		tries(t, d, t.Context(), db.ErrBusy)
		if said := stop(); said != "ready\n" {
			t.Error("the other program:", said)
		}
		must(t, d.CopyTo(t.Context(), filepath.Join(dir, "copy")))
	})
	t.Run("no directory", func(t *testing.T) {
		d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
		if err := d.CopyTo(t.Context(), filepath.Join(t.TempDir(), "none", "copy")); !errors.Is(err, db.ErrCannotOpen) {
			t.Error(err)
		}
	})
}

// TestCopyAfterCrash: what a crash left is undone before it is copied, or
// nothing is copied.
func TestCopyAfterCrash(t *testing.T) {
	for _, o := range []db.Options{{WriteAt: 45}, {ReadOnly: true}} {
		dir := environment(t)
		d := open(t, dir, "sqlite:db/trac.db", o)
		child(t, "crash", d.File())()
		err := d.CopyTo(t.Context(), filepath.Join(dir, "copy"))
		if o.ReadOnly {
			if !errors.Is(err, db.ErrRecovery) || exists(dir, "copy") {
				t.Error(err)
			}
			continue
		}
		must(t, err)
		if got := marker(t, open(t, dir, "sqlite:copy", db.Options{ReadOnly: true})); got != "whole" {
			t.Errorf("half a transaction was copied: %s", got)
		}
	}
}

func TestCopyMemory(t *testing.T) {
	d := open(t, "/nowhere", "sqlite::memory:", db.Options{})
	must(t, d.Write(t.Context(), fill))
	to := filepath.Join(t.TempDir(), "copy")
	must(t, d.CopyTo(t.Context(), to))
	if got := marker(t, open(t, "/", "sqlite:"+to, db.Options{ReadOnly: true})); got != "whole" {
		t.Error(got)
	}
}

// TestExclusiveLock: while another program keeps everybody out, readers wait as
// long as they are told and fail with what is 503 to a visitor.
func TestExclusiveLock(t *testing.T) {
	dir := environment(t)
	d := open(t, dir, "sqlite:db/trac.db?timeout=0.3", db.Options{WriteAt: 45})
	stop := child(t, "lock", d.File())
	for range 2 {
		start := time.Now()
		_, err := d.Version(t.Context())
		if f := fault.As(err); !errors.Is(err, db.ErrBusy) || f.Kind != fault.Busy || f.Public == "" || f.RetryAfter <= 0 {
			t.Error(err)
		}
		if took := time.Since(start); took < 250*time.Millisecond || took > 5*time.Second {
			t.Errorf("waited %v for 300 ms", took)
		}
	}
	time.AfterFunc(50*time.Millisecond, func() { stop() })
	if marker(t, d) != "whole" {
		t.Error("no good afterwards")
	}
}
