package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/schema"
)

// Backup copies the database into a directory, under the name that Trac gives
// such a copy, and verifies it: SQLite finds nothing wrong with it, and its
// tables have as many rows. The copy is a file of SQLite, of a database of
// PostgreSQL too, whose rows are then compared one by one. It returns the copy's
// path. Nobody can write to the database meanwhile.
func Backup(ctx context.Context, e *Environment, dir string, now time.Time) (path string, err error) {
	version, err := e.DB.Version(ctx)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s.%d.%d.bak", e.DB.Kind(), version, now.Unix())
	path = filepath.Join(dir, name)
	if e.DB.Kind() != schema.KindSQLite {
		return path, e.convert(ctx, dir, name)
	}
	err = e.DB.Write(ctx, func(tx *db.Tx) error {
		want, err := convert.Count(tx)
		if err != nil {
			return err
		}
		if err := e.DB.CopyTo(ctx, path); err != nil {
			return err
		}
		if err := verify(ctx, path, want); err != nil {
			return errors.Join(err, os.Remove(path)) // nobody shall rely on it
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("copying the database: %w", err)
	}
	return path, nil
}

// convert makes the copy of a database that is not a file.
func (e *Environment) convert(ctx context.Context, dir, name string) error {
	r, err := convert.Copy(ctx, e.DB, dir, "sqlite:"+name, convert.Options{Alone: true})
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	for _, what := range r.Left {
		if e.Note != nil {
			e.Note("not in the copy of the database: " + what)
		}
	}
	return nil
}

// verify compares a copy with the numbers of rows that it should have.
func verify(ctx context.Context, path string, want map[string]int64) error {
	c, err := db.Open(ctx, filepath.Dir(path), "sqlite:"+filepath.Base(path), db.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(c.Read(ctx, func(tx *db.Tx) error {
		err := tx.Each(func(r db.Row) error {
			if s := r.Text(0); s != "ok" {
				return fmt.Errorf("the copy %s is damaged, and the database may be, too: %s", path, s)
			}
			return nil
		}, "PRAGMA integrity_check")
		if err != nil {
			return err
		}
		got, err := convert.Count(tx)
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			return fmt.Errorf("the copy %s has %d tables, not %d", path, len(got), len(want))
		}
		for table, n := range want {
			if got[table] != n {
				return fmt.Errorf("the copy %s has %d rows in the table %s, not %d", path, got[table], table, n)
			}
		}
		return nil
	}), c.Close())
}
