package backup

import (
	"context"
	"errors"

	"projhost/db"
	"projhost/db/convert"
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
		if tables, err = convert.Count(tx); err != nil || f == nil {
			return err
		}
		return f(tx)
	})
	return version, tables, err
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
