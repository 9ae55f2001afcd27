package perm

import (
	"context"
	"fmt"

	"projhost/db"
	"projhost/envs"
)

// Entry is a row of the permission table: an action, or a group, of a user or a
// group.
type Entry struct{ Subject, Action string }

// Entries returns the permission table, sorted.
func Entries(ctx context.Context, e *envs.Env) (list []Entry, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		return tx.Each(func(row db.Row) error {
			list = append(list, Entry{row.Text(0), row.Text(1)})
			return nil
		}, "SELECT username, action FROM permission ORDER BY username, action")
	})
	if err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	return list, nil
}

// Change adds and removes entries, all or none, and has every process that
// serves the environment, Trac too, look at the table again. An entry that is
// there already is not added twice, one that is not there not removed; how many
// rows have changed is returned.
func Change(ctx context.Context, e *envs.Env, add, remove []Entry) (changed int, err error) {
	err = e.DB().Write(ctx, func(tx *db.Tx) error {
		changed = 0
		for _, x := range remove {
			r, err := tx.Exec("DELETE FROM permission WHERE username = ? AND action = ?", x.Subject, x.Action)
			if err != nil {
				return err
			}
			changed += int(r.Changed)
		}
		for _, x := range add {
			found, err := tx.One(func(db.Row) error { return nil },
				"SELECT action FROM permission WHERE username = ? AND action = ?", x.Subject, x.Action)
			if err != nil {
				return err
			}
			if found {
				continue
			}
			if _, err := tx.Exec("INSERT INTO permission (username, action) VALUES (?, ?)", x.Subject, x.Action); err != nil {
				return err
			}
			changed++
		}
		if changed == 0 {
			return nil
		}
		return tx.Changed(generationKey)
	})
	if err != nil {
		return 0, fmt.Errorf("changing permissions: %w", err)
	}
	return changed, nil
}

func readRows(tx *db.Tx) (map[string][]string, error) {
	rows := make(map[string][]string)
	err := tx.Each(func(row db.Row) error {
		subject := row.Text(0)
		rows[subject] = append(rows[subject], row.Text(1))
		return nil
	}, "SELECT username, action FROM permission")
	return rows, err
}
