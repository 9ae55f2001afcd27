package upgrade_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/db/upgrade"
	"projhost/testenvs/realtrac"
)

// TestTracGoesOn stops at a version and has a real Trac go on from there, which
// comes to the same tables and rows as we do. What differs in trac.ini is in
// docs/compatibility.md.
func TestTracGoesOn(t *testing.T) {
	enough := errors.New("enough")
	for _, at := range []int{21, 31, 41, 45} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			dir := makeOldest(t)
			d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
			must(t, err)
			if at > upgrade.Oldest {
				err = upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(s upgrade.Step) error {
					if s.To == at {
						return enough
					}
					return nil
				})
				if !errors.Is(err, enough) {
					t.Fatal(err)
				}
			}
			must(t, d.Close())
			if at < schema.Version {
				realtrac.Admin(t, dir, "upgrade", "--no-backup")
			}
			realtrac.IsCurrent(t, dir)
			d, err = db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
			must(t, err)
			defer func() { must(t, d.Close()) }()
			if diff := cmp.Diff(fresh(t), made(t, d)); diff != "" {
				t.Error("the tables:", diff)
			}
			hasNewRows(t, d)
		})
	}
}

// TestTracOpensPostgres has a real Trac open what was upgraded in PostgreSQL.
func TestTracOpensPostgres(t *testing.T) {
	s := pgtest.Start(t)
	dir := makeOldestIn(t, s.DSN("old"))
	must(t, os.WriteFile(filepath.Join(dir, "conf/trac.ini"), []byte(strings.Replace(oldINI, "sqlite:db/trac.db", s.DSN("old"), 1)), 0o600))
	d, err := db.Open(t.Context(), dir, s.DSN("old"), db.Options{})
	must(t, err)
	must(t, upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(upgrade.Step) error { return nil }))
	must(t, d.Close())
	realtrac.IsCurrent(t, dir)
	if out := realtrac.Admin(t, dir, "wiki", "export", "WikiStart"); strings.TrimSpace(out) == "" {
		t.Error("Trac finds no text of a page")
	}
}
