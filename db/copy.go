package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"projhost/internal/disk"
)

const (
	// copyStep is how many pages are copied under one lock: a megabyte or so, a
	// few milliseconds.
	copyStep = 256
	// maxRestarts is how often a copy begins anew because somebody has written
	// meanwhile. After that it keeps writers out until it is done.
	maxRestarts = 8
	// copyAttempts is how often a copy is tried that a crash of another program
	// has spoiled, or a change under a reader without locks.
	copyAttempts = 3
	// maxFindings is how many findings of integrity_check are told.
	maxFindings = 5
)

// CopyTo copies the database, as it is at one moment, into a new file, while
// this and other programs go on reading and writing. What is in a WAL is
// included, and the journal mode is kept. The copy is checked
// (PRAGMA integrity_check) and written to disk before it gets its name; it has
// the permission bits of the original. Until then it is in the same directory
// under a name that begins with a dot; no error leaves anything behind.
//
// A file in WAL mode is copied without holding anybody up. Otherwise writers wait
// for a few milliseconds at a time; if so many come that the copy would never
// end, they wait for the whole of it in the end.
//
// It fails with ErrExists if path is there, with ErrCorrupt if the copy is
// damaged, which the original then is, too, else as [DB.Read] does.
//
// A database that is not in a file cannot be copied so: ErrNotServed.
func (d *DB) CopyTo(ctx context.Context, path string) error {
	l, err := d.lite()
	if err == nil {
		err = l.copyTo(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("copying %s to %s: %w", d.target, path, err)
	}
	return nil
}

// lite is the database if it is one of SQLite.
func (d *DB) lite() (*lite, error) {
	l, ok := d.backend.(*lite)
	if !ok {
		return nil, &problem{is: ErrNotServed, err: errors.New("it is not in a file")}
	}
	return l, nil
}

func (d *lite) copyTo(ctx context.Context, path string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(&problem{is: ErrExists}, err)
	}
	tmp, err := d.placeFor(path)
	if err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	defer func() { _ = os.Remove(tmp) }() // it has another name by then, or is of no use
	for attempt := 1; ; attempt++ {
		again := false
		if again, err = d.copyOnce(ctx, tmp); err == nil {
			break
		}
		if !again || attempt == copyAttempts {
			return err
		}
		if err := os.Truncate(tmp, 0); err != nil {
			return err
		}
	}
	if err := checkFile(ctx, tmp); err != nil {
		return err
	}
	if err := disk.Sync(tmp); err != nil {
		return err
	}
	if err := publish(tmp, path); err != nil {
		return err
	}
	return disk.Sync(filepath.Dir(path))
}

// placeFor makes an empty file beside path, with the original's permissions.
// No connection has it open, so that closing it does no harm.
func (d *lite) placeFor(path string) (tmp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".copy-")
	if err != nil {
		return "", err
	}
	if d.target.path != memory {
		info, statErr := os.Stat(d.target.path)
		if err = statErr; err == nil {
			err = f.Chmod(info.Mode().Perm())
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// copyOnce copies the database into the empty file tmp. again says that another
// attempt may do better.
func (d *lite) copyOnce(ctx context.Context, tmp string) (again bool, err error) {
	to, err := openConn(tmp, readWrite)
	if err != nil {
		return false, err
	}
	lockless := false
	err = to.exec("PRAGMA journal_mode = OFF") // a copy that fails is thrown away
	if err == nil {
		err = to.exec("PRAGMA synchronous = OFF") // it is synced at the end
	}
	if err == nil {
		err = d.read(ctx, func(tx *Tx) error {
			t := tx.run.(*liteTx)
			err := t.copyTo(tx, to)
			lockless = t.c != nil && t.c.mode == immutable
			return err
		})
	}
	err = errors.Join(err, to.close())
	return errors.Is(err, ErrRecovery) || lockless && errors.Is(err, ErrBusy), err
}

// copyTo copies what the transaction sees. If a transaction would keep writers
// out, it is ended first, and each step takes the lock for itself.
func (t *liteTx) copyTo(tx *Tx, to *conn) error {
	const look = "SELECT name FROM sqlite_master"
	none := func(Row) error { return nil }
	if _, err := tx.One(none, look); err != nil { // waits for the lock, undoes what a crash left
		return err
	}
	held := t.c.wal() || t.c.mode == inMemory
	if !held {
		if err := t.c.exec("COMMIT"); err != nil {
			return t.fail("COMMIT", err)
		}
	}
	k, err := t.c.copyTo(to)
	if err != nil {
		return err
	}
	defer k.finish()
	left, restarts := 0, 0
	for wait := (waiting{db: t.db}); ; {
		if t.ctx.Err() != nil {
			return ended(t.ctx, "copying")
		}
		done, err := k.step(copyStep)
		switch {
		case done:
			return nil
		case errors.Is(err, ErrBusy) && wait.again(t.ctx):
			continue
		case err != nil:
			return t.fail("a step of the copy", err)
		}
		wait = waiting{db: t.db}
		if now := k.left(); left > 0 && now > left-copyStep {
			restarts, left = restarts+1, now
		} else {
			left = now
		}
		if restarts < maxRestarts || held {
			continue
		}
		held, t.touched = true, false
		if err := t.c.exec("BEGIN"); err != nil {
			return t.fail("BEGIN", err)
		}
		if _, err := tx.One(none, look); err != nil {
			return err
		}
	}
}

// Check looks for damage in the whole file of SQLite (PRAGMA integrity_check); it takes as
// long as reading it. It fails with ErrCorrupt and what was found.
func (d *DB) Check(ctx context.Context) error {
	l, err := d.lite()
	if err != nil {
		return err
	}
	return l.read(ctx, check)
}

func check(t *Tx) error {
	var found []string
	err := t.Each(func(r Row) error {
		if s := r.Text(0); s != "ok" {
			found = append(found, s)
		}
		return nil
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFindings))
	if err == nil && len(found) > 0 {
		err = &problem{is: ErrCorrupt, err: errors.New(strings.Join(found, "; "))}
	}
	return err
}

// checkFile is Check of a file that nobody else uses.
func checkFile(ctx context.Context, path string) error {
	c, err := openConn(path, immutable)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	c.begin(ctx)
	defer c.end()
	return (&liteTx{db: &lite{}, c: c, ctx: ctx}).give(check)
}

// publish gives a file its name, which must not be taken.
func publish(tmp, path string) error {
	err := os.Link(tmp, path)
	if errors.Is(err, fs.ErrExist) {
		return &problem{is: ErrExists}
	}
	if err == nil {
		return nil
	}
	// A file system without links: there is no other way than to look first.
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(&problem{is: ErrExists}, err)
	}
	return os.Rename(tmp, path)
}
