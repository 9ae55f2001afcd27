package envs_test

import (
	"errors"
	"path/filepath"
	"testing"

	"projhost/db"
	"projhost/envs"
	"projhost/testenvs"
)

// TestReadOnlyBy: the reason is told, the database cannot be written to, and an
// administrator's commands are not kept from it.
func TestReadOnlyBy(t *testing.T) {
	on := map[string]map[string]string{"trac": {"readonly": "yes"}}
	typo := map[string]map[string]string{"trac": {"readonly": "yess"}}
	for _, c := range []struct {
		name     string
		settings map[string]map[string]string
		older    bool
		options  envs.Options
		want     envs.ReadOnlyBy
	}{
		{"plain", nil, false, envs.Options{}, envs.ReadWrite},
		{"typo", typo, false, envs.Options{}, envs.ReadWrite},
		{"setting", on, false, envs.Options{}, envs.ReadOnlyBySetting},
		{"host", nil, false, envs.Options{ReadOnly: true}, envs.ReadOnlyByHost},
		{"both", on, false, envs.Options{ReadOnly: true}, envs.ReadOnlyByHost},
		{"schema", nil, true, envs.Options{}, envs.ReadOnlyBySchema},
		{"schema and setting", on, true, envs.Options{}, envs.ReadOnlyBySetting},
		{"administrator", on, false, envs.Options{ReadOnly: true, Admin: true}, envs.ReadWrite},
		{"administrator, schema", on, true, envs.Options{Admin: true}, envs.ReadOnlyBySchema},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := testenvs.Make(t, testenvs.Parent(t), "one", c.settings)
			if c.older {
				d := testenvs.Database(t, dir)
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("UPDATE system SET value = '44' WHERE name = 'database_version'")
					return err
				})
				if err = errors.Join(err, d.Close()); err != nil {
					t.Fatal(err)
				}
			}
			r := testenvs.Registry(t, filepath.Dir(dir), c.options)
			loc, err := r.Locate(envs.Lookup{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			e, release, err := r.Acquire(t.Context(), loc)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			err = e.DB().Write(t.Context(), func(*db.Tx) error { return nil })
			if e.ReadOnlyBy() != c.want || e.ReadOnly() != (c.want != "") || errors.Is(err, db.ErrReadOnly) != e.ReadOnly() {
				t.Errorf("by %q, want %q; writing: %v", e.ReadOnlyBy(), c.want, err)
			}
			list, err := r.List(t.Context(), filepath.Dir(dir))
			if err != nil {
				t.Fatal(err)
			}
			for info := range list {
				if info.ReadOnlyBy != c.want || (info.State == envs.ReadOnly) != e.ReadOnly() {
					t.Errorf("listed as %s by %q", info.State, info.ReadOnlyBy)
				}
			}
		})
	}
}
