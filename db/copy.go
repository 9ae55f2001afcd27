package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CopyTo writes the database, as it is at one moment, into a new SQLite file:
// with what is only in the WAL yet, without what was never committed. Other
// transactions go on meanwhile, and one of this process may even be writing. The
// copy has the file's mode and is on the disk when CopyTo returns. It fails with
// ErrExists if something is at path, with ErrMisuse for a database that is not
// in a file, and leaves nothing behind when it fails.
func (d *DB) CopyTo(ctx context.Context, path string) error {
	l, ok := d.backend.(*lite)
	if !ok || l.target.path == memory {
		return misuse("copying a database that is not in a file")
	}
	return l.copyTo(ctx, path)
}

func (d *lite) copyTo(ctx context.Context, path string) (err error) {
	if err := d.enter(ctx, d.reading); err != nil {
		return err
	}
	defer func() { <-d.reading }()
	c, err := d.takeReader()
	if err != nil {
		return public(fmt.Errorf("opening %s: %w", d.target, err))
	}
	tx := &liteTx{db: d, c: c, ctx: ctx}
	defer func() { d.giveReader(tx) }()
	// Made here and empty, which SQLite accepts, so that the copy of a file that
	// is private is private from its beginning.
	if err := d.makeEmpty(path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	c.begin(ctx)
	if err := tx.copyTo(path); err != nil {
		return err
	}
	if err := d.unchanged(tx.c); err != nil {
		return err
	}
	return flush(path)
}

// makeEmpty makes an empty file with the mode of the database's.
func (d *lite) makeEmpty(path string) error {
	mode := os.FileMode(0o600)
	if info, err := os.Stat(d.target.path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &problem{is: ErrExists, doing: "copying to " + path}
	case err != nil:
		return fmt.Errorf("copying %s: %w", d.target, err)
	}
	return f.Close()
}

// copyTo has SQLite write the copy. Nothing may be written on connections that
// read, which would include the copy.
func (t *liteTx) copyTo(path string) error {
	const query = "VACUUM INTO ?"
	for wait := (waiting{db: t.db}); ; {
		if t.ctx.Err() != nil {
			return ended(t.ctx, "running "+query)
		}
		guarded := t.c.mode == queryOnly
		if guarded {
			if err := t.c.exec("PRAGMA query_only = 0"); err != nil {
				return t.fail(query, err)
			}
		}
		s, _, err := t.c.start(query, []any{path})
		if err == nil {
			s.release()
		}
		if guarded {
			if e := t.c.exec("PRAGMA query_only = 1"); e != nil {
				return t.fail(query, errors.Join(err, e))
			}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrBusy) && wait.again(t.ctx):
		case errors.Is(err, ErrRecovery) && t.recover() == nil:
			// Undone by the first query; out of the transaction again.
			if err := errors.Join(t.c.touch(), t.c.exec("COMMIT")); err != nil {
				return t.fail(query, err)
			}
		default:
			return t.fail(query, err)
		}
	}
}

// flush sees to it that a file, which SQLite has closed, is on the disk, and
// its name too.
func flush(path string) error {
	for _, p := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
