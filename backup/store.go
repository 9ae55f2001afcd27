package backup

import (
	"context"
	"errors"
	"strings"

	"projhost/db"
	"projhost/db/schema"
)

// readDatabase opens a database below dir that nobody else uses, checks it for
// damage, counts its rows and runs f, if that is not nil.
func readDatabase(ctx context.Context, dir, file string, f func(*db.Tx) error) (version int, tables map[string]int64, err error) {
	d, err := db.Open(ctx, dir, "sqlite:"+file, db.Options{ReadOnly: true})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Check(ctx); err != nil {
		return 0, nil, err
	}
	if version, err = d.Version(ctx); err != nil {
		return 0, nil, err
	}
	err = d.Read(ctx, func(tx *db.Tx) error {
		if tables, err = countRows(tx); err != nil || f == nil {
			return err
		}
		return f(tx)
	})
	return version, tables, err
}

// countRows counts the rows of every table, plugins' included, but not those of
// SQLite's own, which change by themselves.
func countRows(tx *db.Tx) (map[string]int64, error) {
	tables := map[string]int64{}
	var names []string
	err := tx.Each(func(r db.Row) error {
		names = append(names, r.Text(0))
		return nil
	}, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite/_%' ESCAPE '/'")
	for _, name := range names {
		if err != nil {
			break
		}
		_, err = tx.One(func(r db.Row) error {
			tables[name] = r.Int(0)
			return nil
		}, `SELECT count(*) FROM "`+strings.ReplaceAll(name, `"`, `""`)+`"`)
	}
	return tables, err
}

// firstHashed is the version of the tables since which attachments are in files,
// by hashes of their names.
const firstHashed = 28

// attachments calls f for the file of each row of the table attachment.
func attachments(tx *db.Tx, f func(Name)) error {
	return tx.Each(func(r db.Row) error {
		f(Name("files/attachments/" + schema.AttachmentPath(r.Text(0), r.Text(1), r.Text(2))))
		return nil
	}, "SELECT type, id, filename FROM attachment ORDER BY type, id, filename")
}
