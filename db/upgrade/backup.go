package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"projhost/db"
	"projhost/db/schema"
)

// Backup copies the database into a directory, under the name that Trac gives
// such a copy, and verifies it: SQLite finds nothing wrong with it, and its
// tables have as many rows. It returns the copy's path. Nobody can write to the
// database meanwhile.
func Backup(ctx context.Context, e *Environment, dir string, now time.Time) (path string, err error) {
	if e.DB.Kind() != schema.KindSQLite {
		return "", fmt.Errorf("no copy is made of a database of the kind %s: make one with its own tools", e.DB.Kind())
	}
	version, err := e.DB.Version(ctx)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, fmt.Sprintf("%s.%d.%d.bak", e.DB.Kind(), version, now.Unix()))
	err = e.DB.Write(ctx, func(tx *db.Tx) error {
		want, err := count(tx)
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
		got, err := count(tx)
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

// count counts the rows of each table.
func count(tx *db.Tx) (map[string]int64, error) {
	rows := map[string]int64{}
	err := tx.Each(func(r db.Row) error {
		rows[r.Text(0)] = 0
		return nil
	}, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
	if err != nil {
		return nil, err
	}
	for table := range rows {
		_, err := tx.One(func(r db.Row) error {
			rows[table] = r.Int(0)
			return nil
		}, "SELECT COUNT(*) FROM "+quoted(table))
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// quoted is a name of SQL.
func quoted(name string) string {
	b := []byte{'"'}
	for _, c := range []byte(name) {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return string(append(b, '"'))
}
