package upgrade_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/db/upgrade"
)

// TestPostgres does every step in PostgreSQL, stopping after each, and compares
// with a new schema what the server says of columns, keys and indices.
func TestPostgres(t *testing.T) {
	s := pgtest.Start(t)
	dir := makeOldestIn(t, s.DSN("old"))
	enough := errors.New("enough")
	d, err := db.Open(t.Context(), dir, s.DSN("old"), db.Options{})
	must(t, err)
	copied, err := upgrade.Backup(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, filepath.Join(dir, "copies"), time.Unix(7, 0))
	must(t, err)
	if _, err := upgrade.Backup(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, filepath.Dir(copied), time.Unix(7, 0)); !errors.Is(err, db.ErrExists) {
		t.Error(err) // within the same second
	}
	must(t, d.Close())
	for to := upgrade.Oldest + 1; to <= schema.Version; to++ {
		d, err := db.Open(t.Context(), dir, s.DSN("old"), db.Options{})
		must(t, err)
		err = upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(upgrade.Step) error { return enough })
		if !errors.Is(err, enough) || version(t, d) != to {
			t.Fatalf("after %d: version %d, %v", to, version(t, d), err)
		}
		must(t, d.Close())
	}
	d, err = db.Open(t.Context(), dir, s.DSN("old"), db.Options{})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	hasNewRows(t, d)

	// The copy is what there was, and goes the same way.
	again, err := db.Open(t.Context(), filepath.Dir(copied), "sqlite:"+filepath.Base(copied), db.Options{})
	must(t, err)
	_, err = convert.Copy(t.Context(), again, "", s.DSN("again"), convert.Options{})
	must(t, err)
	must(t, again.Close())
	again, err = db.Open(t.Context(), "", s.DSN("again"), db.Options{})
	must(t, err)
	defer func() { must(t, again.Close()) }()
	if v := version(t, again); v != upgrade.Oldest {
		t.Errorf("the copy is of version %d", v)
	}
	must(t, upgrade.Run(t.Context(), &upgrade.Environment{Dir: makeOldestIn(t, s.DSN("other")), DB: again}, func(upgrade.Step) error { return nil }))
	hasNewRows(t, again)

	fresh, err := db.Open(t.Context(), dir, s.DSN("new"), db.Options{Create: true})
	must(t, err)
	must(t, fresh.Write(t.Context(), func(tx *db.Tx) error {
		for _, q := range schema.Postgres() {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, fresh.Close())
	describe := func(name string) string {
		text := s.SQL("projects", fmt.Sprintf("SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default "+
			"FROM information_schema.columns WHERE table_schema = '%s' ORDER BY 1, 2", name))
		text += "\n" + s.SQL("projects", fmt.Sprintf("SELECT indexdef FROM pg_indexes WHERE schemaname = '%s' ORDER BY 1", name))
		text += "\n" + s.SQL("projects", fmt.Sprintf("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = '%s'::regnamespace ORDER BY 1", name))
		return strings.ReplaceAll(text, name+".", "")
	}
	want := describe("new")
	if strings.Count(want, "\n") < 150 {
		t.Fatalf("the server says little of a new schema: %s", want)
	}
	if diff := cmp.Diff(want, describe("old")); diff != "" {
		t.Error(diff)
	}
}
