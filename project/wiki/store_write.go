package wiki

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
)

// interMapPage is the page whose text says where InterWiki links lead.
const interMapPage = "InterMapTxt"

// interMapKey names what Trac keeps in memory of that page.
const interMapKey = "trac.wiki.interwiki.InterWikiMap.interwiki_map"

// PageInfo tells of a page as it is now.
type PageInfo struct {
	Name    string
	Version int
	Time    time.Time
}

// Edit is a new version of a page.
type Edit struct {
	Name    string
	Text    string
	Author  string
	Comment string
	Time    time.Time
	// Base is the version that the author has worked on, 0 for a new page;
	// [Latest] for whichever there is.
	Base int
}

// Latest is the Base of an edit that replaces whatever there is.
const Latest = -1

// ValidName tells whether a page can be called so: none of the parts between
// slashes is empty, "." or "..".
func ValidName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// Exists tells whether there is a page.
func Exists(tx *db.Tx, name string) (bool, error) {
	number, err := latest(tx, name)
	return number > 0, err
}

// latest is the number of a page's last version, 0 if there is no such page.
func latest(tx *db.Tx, name string) (number int, err error) {
	_, err = tx.One(func(row db.Row) error {
		number = int(row.Int(0))
		return nil
	}, "SELECT version FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", name)
	return number, err
}

// Pages returns all pages, sorted by name.
func Pages(ctx context.Context, e *envs.Env) (list []PageInfo, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		return tx.Each(func(row db.Row) error {
			list = append(list, PageInfo{row.Text(0), int(row.Int(1)), time.UnixMicro(row.Int(2)).UTC()})
			return nil
		}, "SELECT name, MAX(version), MAX(time) FROM wiki GROUP BY name ORDER BY name")
	})
	if err != nil {
		return nil, fmt.Errorf("reading the names of wiki pages: %w", err)
	}
	return list, nil
}

// EachText calls f with the latest text of each page whose name is wanted,
// sorted by name, as of one moment.
func EachText(ctx context.Context, e *envs.Env, wanted func(name string) bool, f func(name, text string) error) error {
	return e.DB().Read(ctx, func(tx *db.Tx) error {
		set, err := readNames(tx)
		if err != nil {
			return err
		}
		var names []string
		for name := range set {
			if wanted(name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			var v version
			if _, err := tx.One(v.scan, columns+" ORDER BY version DESC LIMIT 1", name); err != nil {
				return err
			}
			if err := f(name, v.Text); err != nil {
				return err
			}
		}
		return nil
	})
}

// Save saves a new version of a page, or a new page, and returns its number. A
// page that has changed since the edit's Base is a Conflict, a name that no page
// can have is Invalid.
func Save(ctx context.Context, e *envs.Env, edit Edit) (number int, err error) {
	err = write(ctx, e, func(w *writer) error {
		if number, err = latest(w.tx, edit.Name); err != nil {
			return err
		}
		if edit.Base != Latest && edit.Base != number {
			return fault.New(fault.Conflict, fmt.Sprintf("The page %s was changed by somebody else meanwhile.", edit.Name))
		}
		number++
		return w.save(edit, number)
	})
	if err != nil {
		return 0, err
	}
	return number, nil
}

// Import saves pages whose text is another than before, all or none, and tells
// which these are. With replace the text of a page's last version is changed in
// place: author and time stay, and nothing is left of the former text.
func Import(ctx context.Context, e *envs.Env, edits []Edit, replace bool) (changed []bool, err error) {
	err = write(ctx, e, func(w *writer) error {
		changed = make([]bool, len(edits))
		for i, edit := range edits {
			var old version
			found, err := w.tx.One(old.scan, columns+" ORDER BY version DESC LIMIT 1", edit.Name)
			switch {
			case err != nil:
				return err
			case found && old.Text == edit.Text:
				continue
			case found && replace:
				err = w.replace(edit, old.Number)
			default:
				err = w.save(edit, old.Number+1)
			}
			if err != nil {
				return err
			}
			changed[i] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// Rename gives a page another name, with all its versions and attachments. Links
// to it are left as they are. A name that is taken is a Conflict.
func Rename(ctx context.Context, e *envs.Env, name, newName string) error {
	if !ValidName(newName) {
		return invalidName(newName)
	}
	return write(ctx, e, func(w *writer) error {
		if err := w.must(name); err != nil || name == newName {
			return err
		}
		taken, err := Exists(w.tx, newName)
		switch {
		case err != nil:
			return err
		case taken:
			return fault.New(fault.Conflict, fmt.Sprintf("There is a page %s already.", newName))
		}
		if _, err := w.tx.Exec("UPDATE wiki SET name = ? WHERE name = ?", newName, name); err != nil {
			return err
		}
		w.touch(name, true)
		w.touch(newName, true)
		return w.files.MoveAll(w.tx, perm.Resource{Realm: realm, ID: name}, perm.Resource{Realm: realm, ID: newName})
	})
}

// Delete removes a page with all its versions and attachments.
func Delete(ctx context.Context, e *envs.Env, name string) error {
	return write(ctx, e, func(w *writer) error {
		if err := w.must(name); err != nil {
			return err
		}
		return w.remove(name)
	})
}

// DeleteAll removes the pages whose names begin with prefix, all or none, and
// returns their names, sorted.
func DeleteAll(ctx context.Context, e *envs.Env, prefix string) (names []string, err error) {
	err = write(ctx, e, func(w *writer) error {
		names = nil
		set, err := readNames(w.tx)
		if err != nil {
			return err
		}
		for name := range set {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if err := w.remove(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// DeleteVersion removes one version of a page, and with the last one the page.
func DeleteVersion(ctx context.Context, e *envs.Env, name string, number int) error {
	return write(ctx, e, func(w *writer) error {
		r, err := w.tx.Exec("DELETE FROM wiki WHERE name = ? AND version = ?", name, number)
		if err != nil {
			return err
		}
		if r.Changed == 0 {
			return fault.New(fault.NotFound, fmt.Sprintf("There is no version %d of a page %s.", number, name))
		}
		w.touch(name, false)
		left, err := Exists(w.tx, name)
		if err != nil || left {
			return err
		}
		return w.remove(name)
	})
}

func invalidName(name string) error {
	return fault.New(fault.Invalid, fmt.Sprintf(`%q cannot be the name of a wiki page: it is empty, or has an empty part, "." or "..".`, name))
}

// writer is a transaction that changes pages.
type writer struct {
	tx       *db.Tx
	files    *attachment.Files
	names    bool // a page came or went
	interMap bool // the page that InterWiki links are made of is another
}

// write runs f, and has every process look again at what it has changed.
func write(ctx context.Context, e *envs.Env, f func(*writer) error) error {
	err := attachment.Write(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		w := &writer{tx: tx, files: files}
		err := f(w)
		if err == nil && w.names {
			err = tx.Changed(pagesKey)
		}
		if err == nil && w.interMap {
			err = tx.Changed(interMapKey)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("changing the wiki: %w", err)
	}
	return nil
}

// touch notes that a page is another, and whether it came or went.
func (w *writer) touch(name string, names bool) {
	w.names = w.names || names
	w.interMap = w.interMap || name == interMapPage
}

func (w *writer) must(name string) error {
	found, err := Exists(w.tx, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, fmt.Sprintf("There is no page %s.", name))
	}
	return err
}

// save adds a version; whether the page is read-only stays as it was.
func (w *writer) save(edit Edit, number int) error {
	if !ValidName(edit.Name) {
		return invalidName(edit.Name)
	}
	readOnly := int64(0)
	_, err := w.tx.One(func(row db.Row) error {
		readOnly = row.Int(0)
		return nil
	}, "SELECT readonly FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", edit.Name)
	if err != nil {
		return err
	}
	_, err = w.tx.Exec("INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES (?, ?, ?, ?, ?, ?, ?)",
		edit.Name, number, edit.Time.UnixMicro(), edit.Author, edit.Text, edit.Comment, readOnly)
	w.touch(edit.Name, number == 1)
	return err
}

func (w *writer) replace(edit Edit, number int) error {
	_, err := w.tx.Exec("UPDATE wiki SET text = ? WHERE name = ? AND version = ?", edit.Text, edit.Name, number)
	w.touch(edit.Name, false)
	return err
}

// remove removes all that is left of a page.
func (w *writer) remove(name string) error {
	if _, err := w.tx.Exec("DELETE FROM wiki WHERE name = ?", name); err != nil {
		return err
	}
	w.touch(name, true)
	return w.files.RemoveAll(w.tx, perm.Resource{Realm: realm, ID: name})
}
