package attachment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
)

// Exists tells, in a transaction, whether what an attachment is to belong to is there.
type Exists func(tx *db.Tx) (bool, error)

const columns = "SELECT type, id, filename, size, time, author, description FROM attachment WHERE type = ? AND id = ?"

func scan(row db.Row) Attachment {
	return Attachment{
		Parent: perm.Resource{Realm: row.Text(0), ID: row.Text(1)}, Name: row.Text(2), Size: row.Int(3),
		Time: time.UnixMicro(row.Int(4)).UTC(), Author: row.Text(5), Description: row.Text(6),
	}
}

// List returns the attachments of a parent, the oldest first.
func List(ctx context.Context, e *envs.Env, parent perm.Resource) (list []Attachment, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list, err = listAll(tx, parent)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading attachments: %w", err)
	}
	return list, nil
}

// All returns the attachments of all parents, sorted by those.
func All(ctx context.Context, e *envs.Env) (list []Attachment, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		return tx.Each(func(row db.Row) error {
			list = append(list, scan(row))
			return nil
		}, "SELECT type, id, filename, size, time, author, description FROM attachment ORDER BY type, id, time, filename")
	})
	if err != nil {
		return nil, fmt.Errorf("reading attachments: %w", err)
	}
	return list, nil
}

func listAll(tx *db.Tx, parent perm.Resource) (list []Attachment, err error) {
	err = tx.Each(func(row db.Row) error {
		list = append(list, scan(row))
		return nil
	}, columns+" ORDER BY time, filename", parent.Realm, parent.ID)
	return list, err
}

// Open returns an attachment and its bytes, to be closed. One that is not there
// is NotFound.
func Open(ctx context.Context, e *envs.Env, parent perm.Resource, name string) (a Attachment, file *os.File, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		a, err = get(tx, parent, name)
		return err
	})
	if err != nil {
		return Attachment{}, nil, fmt.Errorf("reading an attachment: %w", err)
	}
	at, err := place(parent, name)
	if err != nil {
		return Attachment{}, nil, err
	}
	files := Files{env: e}
	root, err := files.open(false)
	if err == nil {
		file, err = root.Open(at)
		_ = root.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Attachment{}, nil, fault.Wrap(fault.NotFound, fmt.Sprintf("The file of the attachment %q is missing.", name), err)
	}
	return a, file, err
}

func get(tx *db.Tx, parent perm.Resource, name string) (a Attachment, err error) {
	found, err := tx.One(func(row db.Row) error {
		a = scan(row)
		return nil
	}, columns+" AND filename = ?", parent.Realm, parent.ID, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, fmt.Sprintf("%s has no attachment %q.", parent, name))
	}
	return a, err
}

// Write runs f in a transaction that changes attachments, too. What it does to
// files is undone if it fails, and what it removes is there until it has been
// committed.
func Write(ctx context.Context, e *envs.Env, f func(*db.Tx, *Files) error) error {
	return write(&Files{env: e}, func(files *Files) error {
		return e.DB().Write(ctx, func(tx *db.Tx) error { return f(tx, files) })
	})
}

func write(files *Files, f func(*Files) error) (err error) {
	committed := false
	defer func() { // a panic undoes, too
		err = errors.Join(err, files.end(committed))
	}()
	err = f(files)
	committed = err == nil
	return err
}

// Add attaches a file, named anew if its name is taken, and returns what was
// made. The bytes are read before anything is locked. A parent that is not
// there is NotFound.
func Add(ctx context.Context, e *envs.Env, a Attachment, body io.Reader, exists Exists) (Attachment, error) {
	name, err := CleanName(a.Name)
	if err != nil {
		return Attachment{}, err
	}
	if _, err := place(a.Parent, name); err != nil {
		return Attachment{}, err
	}
	if e.DB().ReadOnly() { // not a file either
		return Attachment{}, e.DB().Write(ctx, func(*db.Tx) error { return nil })
	}
	err = write(&Files{env: e}, func(files *Files) error {
		bytes, size, err := files.incoming(body)
		if err != nil {
			return err
		}
		a.Size = size
		return e.DB().Write(ctx, func(tx *db.Tx) error {
			if err := demand(tx, exists, a.Parent); err != nil {
				return err
			}
			if a.Name, err = files.unique(tx, bytes, a.Parent, name); err != nil {
				return err
			}
			_, err = tx.Exec("INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES (?, ?, ?, ?, ?, ?, ?)",
				a.Parent.Realm, a.Parent.ID, a.Name, a.Size, a.Time.UnixMicro(), a.Description, a.Author)
			return err
		})
	})
	if err != nil {
		return Attachment{}, fmt.Errorf("attaching a file: %w", err)
	}
	return a, nil
}

func demand(tx *db.Tx, exists Exists, parent perm.Resource) error {
	found, err := exists(tx)
	if err == nil && !found {
		err = fault.New(fault.NotFound, fmt.Sprintf("There is no %s.", parent))
	}
	return err
}

// unique puts bytes at the first name of which there is neither row nor file.
func (f *Files) unique(tx *db.Tx, bytes string, parent perm.Resource, name string) (string, error) {
	for n := 1; n <= maxClashes; n++ {
		candidate := another(name, n)
		found, err := tx.One(func(db.Row) error { return nil }, columns+" AND filename = ?", parent.Realm, parent.ID, candidate)
		if err != nil {
			return "", err
		}
		if found {
			continue
		}
		to, err := place(parent, candidate)
		if err != nil {
			return "", err
		}
		if err = f.put(bytes, to); err == nil {
			return candidate, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", fault.New(fault.Conflict, fmt.Sprintf("%s has %d attachments called like %q already.", parent, maxClashes, name))
}

// Remove removes an attachment. One that is not there is NotFound.
func Remove(ctx context.Context, e *envs.Env, parent perm.Resource, name string) error {
	err := Write(ctx, e, func(tx *db.Tx, files *Files) error {
		if _, err := get(tx, parent, name); err != nil {
			return err
		}
		return files.remove(tx, parent, name)
	})
	if err != nil {
		return fmt.Errorf("removing an attachment: %w", err)
	}
	return nil
}

func (f *Files) remove(tx *db.Tx, parent perm.Resource, name string) error {
	at, err := place(parent, name)
	if err != nil {
		return err
	}
	f.gone = append(f.gone, at)
	_, err = tx.Exec("DELETE FROM attachment WHERE type = ? AND id = ? AND filename = ?", parent.Realm, parent.ID, name)
	return err
}

// RemoveAll removes the attachments of a parent that goes.
func (f *Files) RemoveAll(tx *db.Tx, parent perm.Resource) error {
	list, err := listAll(tx, parent)
	for _, a := range list {
		if err == nil {
			err = f.remove(tx, parent, a.Name)
		}
	}
	return err
}

// Move gives an attachment another parent, another name or both. The attachment
// or the new parent not being there is NotFound, the name being taken a Conflict.
func Move(ctx context.Context, e *envs.Env, from perm.Resource, name string, to perm.Resource, newName string, exists Exists) error {
	newName, err := CleanName(newName)
	if err != nil {
		return err
	}
	err = Write(ctx, e, func(tx *db.Tx, files *Files) error {
		if _, err := get(tx, from, name); err != nil {
			return err
		}
		if err := demand(tx, exists, to); err != nil {
			return err
		}
		return files.moveRow(tx, from, name, to, newName)
	})
	if err != nil {
		return fmt.Errorf("moving an attachment: %w", err)
	}
	return nil
}

// MoveAll gives the attachments of a parent to another, as when it is renamed.
func (f *Files) MoveAll(tx *db.Tx, from, to perm.Resource) error {
	list, err := listAll(tx, from)
	for _, a := range list {
		if err == nil {
			err = f.moveRow(tx, from, a.Name, to, a.Name)
		}
	}
	return err
}

func (f *Files) moveRow(tx *db.Tx, from perm.Resource, name string, to perm.Resource, newName string) error {
	if from == to && name == newName {
		return nil
	}
	taken, err := tx.One(func(db.Row) error { return nil }, columns+" AND filename = ?", to.Realm, to.ID, newName)
	if err != nil {
		return err
	}
	oldPlace, err := place(from, name)
	if err != nil {
		return err
	}
	newPlace, err := place(to, newName)
	if err != nil {
		return err
	}
	if !taken {
		err = f.move(oldPlace, newPlace)
	}
	switch {
	case taken || errors.Is(err, fs.ErrExist):
		return fault.New(fault.Conflict, fmt.Sprintf("%s has an attachment %q already.", to, newName))
	case err != nil:
		return err
	}
	_, err = tx.Exec("UPDATE attachment SET type = ?, id = ?, filename = ? WHERE type = ? AND id = ? AND filename = ?",
		to.Realm, to.ID, newName, from.Realm, from.ID, name)
	return err
}
