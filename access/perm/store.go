package perm

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"projhost/access/auth"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
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

// Grant adds entries, all or none, after [Check] has found nothing wrong with any
// of them. Those that were there already are returned.
func Grant(ctx context.Context, e *envs.Env, add []Entry) (already []Entry, err error) {
	if err := Check(e, add); err != nil {
		return nil, err
	}
	err = write(ctx, e, func(tx *db.Tx) (int, error) {
		already, err = addAll(tx, add)
		return len(add) - len(already), err
	})
	if err != nil {
		return nil, err
	}
	return already, nil
}

// Revoke removes entries, all or none; "*" stands for every subject or every
// action. An entry that matches nothing is NotFound; if the subject has the
// action by a group or by another action, a Conflict.
func Revoke(ctx context.Context, e *envs.Env, remove []Entry) error {
	return write(ctx, e, func(tx *db.Tx) (int, error) {
		rows, err := readRows(tx)
		if err != nil {
			return 0, err
		}
		var meant []Entry
		for _, x := range remove {
			before := len(meant)
			for subject, actions := range rows {
				for _, action := range actions {
					if (x.Subject == "*" || x.Subject == subject) && (x.Action == "*" || x.Action == action) {
						meant = append(meant, Entry{subject, action})
					}
				}
			}
			if len(meant) == before {
				return 0, whyNot(e, rows, x)
			}
		}
		return removeAll(tx, meant)
	})
}

// whyNot says why an entry cannot be removed.
func whyNot(e *envs.Env, rows map[string][]string, x Entry) error {
	if x.Subject != "*" && IsAction(x.Action) && expand(rows, auth.Named(x.Subject), extraActions(e.Config())).has(x.Action) {
		return fault.New(fault.Conflict, fmt.Sprintf("%s has %s by a group or by another action, not by itself.", x.Subject, x.Action))
	}
	return fault.New(fault.NotFound, fmt.Sprintf("%s is not granted to %s.", x.Action, x.Subject))
}

// Granted returns all that a user may do by the table, sorted: what groups and
// other actions bring along is listed, too.
func Granted(ctx context.Context, e *envs.Env, u auth.User) (list []string, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		rows, err := readRows(tx)
		if err != nil {
			return err
		}
		set := expand(rows, u, extraActions(e.Config()))
		if _, all := set[Admin]; all {
			for _, a := range Actions(e) {
				set.add(a, nil)
			}
		}
		list = slices.Sorted(maps.Keys(set))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	return list, nil
}

// write runs f, which tells how many rows it has changed.
func write(ctx context.Context, e *envs.Env, f func(*db.Tx) (changed int, err error)) error {
	err := e.DB().Write(ctx, func(tx *db.Tx) error {
		changed, err := f(tx)
		if err != nil || changed == 0 {
			return err
		}
		return tx.Changed(generationKey)
	})
	if err != nil {
		return fmt.Errorf("changing permissions: %w", err)
	}
	return nil
}

func addAll(tx *db.Tx, add []Entry) (already []Entry, err error) {
	for _, x := range add {
		found, err := tx.One(func(db.Row) error { return nil },
			"SELECT action FROM permission WHERE username = ? AND action = ?", x.Subject, x.Action)
		if err != nil {
			return nil, err
		}
		if found {
			already = append(already, x)
			continue
		}
		if _, err := tx.Exec("INSERT INTO permission (username, action) VALUES (?, ?)", x.Subject, x.Action); err != nil {
			return nil, err
		}
	}
	return already, nil
}

func removeAll(tx *db.Tx, remove []Entry) (gone int, err error) {
	for _, x := range remove {
		r, err := tx.Exec("DELETE FROM permission WHERE username = ? AND action = ?", x.Subject, x.Action)
		if err != nil {
			return 0, err
		}
		gone += int(r.Changed)
	}
	return gone, nil
}

// pageReadOnly tells whether a wiki page is marked as read-only; one that is not
// there is not.
func pageReadOnly(ctx context.Context, e *envs.Env, name string) (marked bool, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		_, err := tx.One(func(row db.Row) error {
			marked = row.Int(0) != 0
			return nil
		}, "SELECT readonly FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", name)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading whether the wiki page %q is read-only: %w", name, err)
	}
	return marked, nil
}

// attachmentAuthor is who attached a file, "" if it is not there.
func attachmentAuthor(ctx context.Context, e *envs.Env, parent Resource, name string) (author string, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		_, err := tx.One(func(row db.Row) error {
			author = row.Text(0)
			return nil
		}, "SELECT author FROM attachment WHERE type = ? AND id = ? AND filename = ?", parent.Realm, parent.ID, name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading who attached %q: %w", name, err)
	}
	return author, nil
}

func readRows(tx *db.Tx) (map[string][]string, error) {
	rows := make(map[string][]string)
	err := tx.Each(func(row db.Row) error {
		subject := row.Text(0)
		rows[subject] = append(rows[subject], row.Text(1))
		return nil
	}, "SELECT username, action FROM permission ORDER BY username, action")
	return rows, err
}
