package ticket

import (
	"context"
	"fmt"

	"projhost/db"
	"projhost/envs"
	"projhost/project/attachment"
)

// Component is a part of what the project is about, and who looks after it.
type Component struct{ Name, Owner, Description string }

// Components returns all components, sorted by name.
func Components(ctx context.Context, e *envs.Env) (list []Component, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		return tx.Each(func(row db.Row) error {
			list = append(list, Component{row.Text(0), row.Text(1), row.Text(2)})
			return nil
		}, "SELECT name, owner, description FROM component ORDER BY name")
	})
	if err != nil {
		return nil, fmt.Errorf("reading components: %w", err)
	}
	return list, nil
}

// AddComponent makes a component.
func AddComponent(ctx context.Context, e *envs.Env, c Component) error {
	name, err := CleanName(string(components), c.Name)
	if err != nil {
		return err
	}
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := components.mustNot(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO component (name, owner, description) VALUES (?, ?, ?)", name, orNull(c.Owner), orNull(c.Description))
		return err
	})
}

// RenameComponent gives a component another name, in its tickets, too; their
// history says nothing of it, as in Trac.
func RenameComponent(ctx context.Context, e *envs.Env, name, newName string) error {
	return renameQuietly(ctx, e, components, name, newName)
}

// renameQuietly renames a row, and the field of tickets that have it.
func renameQuietly(ctx context.Context, e *envs.Env, t table, name, newName string) error {
	newName, err := CleanName(string(t), newName)
	if err != nil {
		return err
	}
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		changed, err := t.rename(tx, name, newName)
		if err != nil || !changed {
			return err
		}
		_, err = tx.Exec("UPDATE ticket SET "+string(t)+" = ? WHERE "+string(t)+" = ?", newName, name)
		return err
	})
}

// RemoveComponent removes a component. Its tickets keep its name.
func RemoveComponent(ctx context.Context, e *envs.Env, name string) error {
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error { return components.remove(tx, name) })
}

// SetComponentOwner says who looks after a component.
func SetComponentOwner(ctx context.Context, e *envs.Env, name, owner string) error {
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := components.must(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE component SET owner = ? WHERE name = ?", orNull(owner), name)
		return err
	})
}
