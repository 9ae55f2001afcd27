package envs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"projhost/db"
	"projhost/envs/defaults"
)

// Keys of what Trac keeps in memory of the wiki.
const (
	pagesKey    = "trac.wiki.api.WikiSystem.pages"
	interMapKey = "trac.wiki.interwiki.InterWikiMap.interwiki_map"
)

// UpgradePages brings the default wiki pages to their present text, as a new
// version of each that has another; those that a project makes its own stay as
// they are, and InterMapTxt is made if it is not there. It returns the names of
// the pages that changed.
func UpgradePages(ctx context.Context, e *Env) (changed []string, err error) {
	leave := slices.DeleteFunc(defaults.Own(), func(name string) bool { return name == defaults.InterMap })
	err = e.DB().Write(ctx, func(tx *db.Tx) error {
		if there, err := tx.One(func(db.Row) error { return nil }, "SELECT name FROM wiki WHERE name = ?", defaults.InterMap); err != nil {
			return err
		} else if there {
			leave = append(leave, defaults.InterMap)
		}
		changed, err = loadPages(tx, time.Now(), leave)
		return err
	})
	return changed, err
}

// loadPages writes the default pages, without those to leave, by the author
// "trac", and returns the names of those that changed.
func loadPages(tx *db.Tx, at time.Time, leave []string) (changed []string, err error) {
	pages, err := defaults.Pages()
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		if slices.Contains(leave, p.Name) {
			continue
		}
		version, text := int64(0), ""
		_, err := tx.One(func(r db.Row) error {
			version, text = r.Int(0), r.Text(1)
			return nil
		}, "SELECT version, text FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", p.Name)
		readOnly := 0
		if p.ReadOnly {
			readOnly = 1
		}
		if err == nil && (version == 0 || text != p.Text) {
			changed = append(changed, p.Name)
			_, err = tx.Exec("INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES (?, ?, ?, ?, ?, ?, ?)",
				p.Name, version+1, at.UnixMicro(), "trac", p.Text, nil, readOnly)
		}
		if err != nil {
			return nil, fmt.Errorf("writing the wiki page %s: %w", p.Name, err)
		}
	}
	if len(changed) > 0 {
		err = tx.Changed(pagesKey)
	}
	if err == nil && slices.Contains(changed, defaults.InterMap) {
		err = tx.Changed(interMapKey)
	}
	return changed, err
}
