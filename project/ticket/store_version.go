package ticket

import (
	"context"
	"fmt"
	"slices"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/project/attachment"
)

// Version is one of the project's own product. A zero time is unknown.
type Version struct {
	Name        string
	Time        time.Time
	Description string
}

// Versions returns all versions in the order of lists to choose from: those
// without a time, then from the newest on.
func Versions(ctx context.Context, e *envs.Env) (list []Version, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		return tx.Each(func(row db.Row) error {
			list = append(list, Version{row.Text(0), moment(row.Int(1)), row.Text(2)})
			return nil
		}, "SELECT name, time, description FROM version ORDER BY name")
	})
	if err != nil {
		return nil, fmt.Errorf("reading versions: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Version) int {
		if order := compareTimes(b.Time, a.Time); order != 0 {
			return order
		}
		return compareNatural(b.Name, a.Name)
	})
	return list, nil
}

// compareTimes has none after all others.
func compareTimes(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// AddVersion makes a version.
func AddVersion(ctx context.Context, e *envs.Env, v Version) error {
	name, err := CleanName(string(versions), v.Name)
	if err != nil {
		return err
	}
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := versions.mustNot(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO version (name, time, description) VALUES (?, ?, ?)", name, stamp(v.Time), orNull(v.Description))
		return err
	})
}

// RenameVersion gives a version another name, in its tickets, too; their history
// says nothing of it, as in Trac.
func RenameVersion(ctx context.Context, e *envs.Env, name, newName string) error {
	return renameQuietly(ctx, e, versions, name, newName)
}

// RemoveVersion removes a version. Its tickets keep its name.
func RemoveVersion(ctx context.Context, e *envs.Env, name string) error {
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error { return versions.remove(tx, name) })
}

// SetVersionTime says when a version came out; the zero time is unknown.
func SetVersionTime(ctx context.Context, e *envs.Env, name string, at time.Time) error {
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := versions.must(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE version SET time = ? WHERE name = ?", stamp(at), name)
		return err
	})
}
