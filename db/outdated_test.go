package db_test

import (
	"errors"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/internal/fault"
)

// TestOutdated: another program gives the tables another version. Writing is
// refused at once, and reading finds out soon.
func TestOutdated(t *testing.T) {
	s := pgtest.Start(t)
	project(t, s, "one", db.Options{})
	for kind, dsn := range map[string]string{"sqlite": "sqlite:db/trac.db", "postgres": s.DSN("one")} {
		t.Run(kind, func(t *testing.T) {
			dir := environment(t)
			other := open(t, dir, dsn, db.Options{})
			become := func(version string) {
				must(t, other.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", version, "database_version")
					return err
				}))
			}
			read := func(d *db.DB) {
				must(t, d.Read(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Generation("x")
					return err
				}))
			}
			write := func(d *db.DB) error {
				return d.Write(t.Context(), func(tx *db.Tx) error { return tx.Changed("x") })
			}

			writer, reader := open(t, dir, dsn, db.Options{WriteAt: schema.Version}), open(t, dir, dsn, db.Options{WriteAt: schema.Version})
			must(t, write(writer))
			if writer.Outdated() {
				t.Error("outdated from the beginning")
			}
			become("44")
			err := write(writer)
			if f := fault.As(err); !errors.Is(err, db.ErrOutdated) || f.Kind != fault.Busy || f.RetryAfter <= 0 || !writer.Outdated() {
				t.Errorf("writing to tables of another version: %v, outdated %v", err, writer.Outdated())
			}
			soon := time.Now().Add(time.Second)
			for !reader.Outdated() && time.Now().Before(soon) {
				read(reader)
			}
			if !reader.Outdated() {
				t.Error("reading has not found out within a second")
			}

			old := open(t, dir, dsn, db.Options{WriteAt: schema.Version})
			if err := write(old); !errors.Is(err, db.ErrReadOnly) || old.Outdated() {
				t.Errorf("older tables: %v, outdated %v", err, old.Outdated())
			}
			become("45")
			for soon = time.Now().Add(time.Second); !old.Outdated() && time.Now().Before(soon); {
				read(old)
			}
			if !old.Outdated() {
				t.Error("an upgrade was not found out about within a second")
			}
			read(other)
			if other.Outdated() {
				t.Error("outdated, although nobody has asked for the version")
			}
		})
	}
}
