package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Size is how many bytes the database that dsn names takes up, see [Open]: its
// file and what SQLite keeps beside it, which is not opened, or the tables of
// its schema with their indexes.
func Size(ctx context.Context, dir, dsn string, o Options) (bytes int64, err error) {
	t, err := parseTarget(dir, dsn)
	if err != nil {
		return 0, fmt.Errorf("measuring a database: %w", err)
	}
	if t.kind != kindPostgres {
		return t.fileSize()
	}
	o.ReadOnly = true
	d, err := Open(ctx, dir, dsn, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	err = d.Read(ctx, func(tx *Tx) error {
		_, err := tx.One(func(r Row) error {
			bytes = r.Int(0)
			return nil
		}, "SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0) FROM pg_catalog.pg_class c"+
			" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'", t.schema)
		return err
	})
	return bytes, err
}

// fileSize is the size of an SQLite file and of what is beside it.
func (t target) fileSize() (bytes int64, err error) {
	fi, err := os.Stat(t.path)
	if err != nil {
		return 0, fmt.Errorf("measuring a database: %w", err)
	}
	bytes = fi.Size()
	for _, side := range sideFiles() {
		fi, err := os.Stat(t.path + side)
		switch {
		case err == nil:
			bytes += fi.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return 0, fmt.Errorf("measuring a database: %w", err)
		}
	}
	return bytes, nil
}
