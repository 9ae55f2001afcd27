package convert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"projhost/db"
)

// A schema is filled before Options.Then gives it to its environment. A run that is
// killed in between leaves a whole database that nobody uses, and in which nothing
// shows that. So its table system bears a comment until Then has succeeded.
const markBegin = "projhost: not in use yet, "

// mark says in the comment for whom the schema is.
func mark(out *db.Tx, dir string) error {
	text := markBegin + fmt.Sprintf("made at %s for %q", time.Now().UTC().Format(time.RFC3339), dir)
	// COMMENT takes no parameters. A literal of this kind is read alike whatever
	// standard_conforming_strings says.
	_, err := out.Exec("COMMENT ON TABLE system IS E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'")
	return err
}

func unmark(ctx context.Context, to *db.DB) error {
	return to.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("COMMENT ON TABLE system IS NULL")
		return err
	})
}

// unused explains an error about a schema that is taken, if a copy is there that
// bears the mark.
func unused(ctx context.Context, dir, dsn string, taken error) error {
	there, err := db.Open(ctx, dir, dsn, db.Options{ReadOnly: true})
	if err != nil {
		return taken // which is told, whatever else is wrong
	}
	text := ""
	err = there.Read(ctx, func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error {
			text = r.Text(0)
			return nil
		}, "SELECT pg_catalog.obj_description(oid, 'pg_class') FROM pg_catalog.pg_class WHERE relnamespace = "+here+" AND relname = 'system'")
		return err
	})
	made, marked := strings.CutPrefix(text, markBegin)
	if err = errors.Join(err, there.Close()); err != nil || !marked {
		return taken
	}
	return fmt.Errorf("%w: it holds a copy %s: another run is still at work, or was broken off; unless a trac.ini there names the schema, drop it and try again", taken, made)
}
