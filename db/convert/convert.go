// Package convert copies a whole database into one of the other kind, SQLite or
// PostgreSQL: Trac's tables as Trac makes them, those of plugins with their
// columns, keys and indices as the catalogue tells them. What it cannot carry is
// named. Rows are streamed, and compared one by one with what was read.
//
// No tool of a server is used, such as pg_dump: it would have to be of the
// server's version, and installed, in a container too; and what it writes can
// only be read by a server. An SQLite file is what everything here can open,
// check and serve.
package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"projhost/db"
	"projhost/db/schema"
)

// Options are how to copy. The zero value is fine.
type Options struct {
	// Alone keeps those who would write to the source out meanwhile; they wait.
	Alone bool
	// Replace puts U+FFFD in the place of a NUL, and of bytes that are not UTF-8,
	// which PostgreSQL does not take.
	Replace bool
	// Counted are numbers that were counted in a former life of the database, by
	// table: it goes on after them, though their rows be removed.
	Counted map[string]int64
	// Then is called when the copy is complete and nobody has written to the
	// source since, if Alone. If it fails, the copy is removed.
	Then func(*Report) error
	// For is the directory of the environment that Then gives the copy to. Until
	// then a schema says so, in a comment on its table system.
	For string
	// Progress, if not nil, is called with the table at hand.
	Progress func(table string)
}

// Report is what was copied.
type Report struct {
	Version int               // of the tables
	Tables  map[string]Digest // by name
	Counted map[string]int64  // as Options.Counted, of tables that count up by themselves
	// Left is what is not in the copy, or not as it was; with what it is, and its
	// name.
	Left []string
}

// Rows is how many rows each table has.
func (r *Report) Rows() map[string]int64 {
	rows := map[string]int64{}
	for name, d := range r.Tables {
		rows[name] = d.Rows
	}
	return rows
}

// ErrSameKind says that there is nothing to convert.
var ErrSameKind = errors.New("both are SQLite; copy the file, or use hotcopy")

// ErrDiffers is in the chain of an error about a copy that is not what was read.
var ErrDiffers = errors.New("the copy is not what was read")

// Copy copies from, as it is at one moment and while it is used, to the database
// that dsn names, below dir if it is a file. That must not be there, or be an
// empty schema. It is made in one transaction, which also compares what it
// holds with what was read; what fails or is killed leaves nothing. What is killed
// while Options.Then runs leaves the copy: the next Copy to its schema says so.
//
// It fails with a [*RowError] for a value that the other kind cannot hold, with
// db.ErrExists if the place is taken, else as package db does.
func Copy(ctx context.Context, from *db.DB, dir, dsn string, o Options) (report *Report, err error) {
	c := &copier{Options: o, kind: from.Kind(), to: schema.KindSQLite, replaced: map[string]int64{}, report: &Report{Tables: map[string]Digest{}, Counted: map[string]int64{}}}
	if strings.HasPrefix(dsn, schema.KindPostgres+":") {
		c.to = schema.KindPostgres
	}
	if c.kind == schema.KindSQLite && c.to == c.kind {
		return nil, ErrSameKind
	}
	read := from.Read
	if o.Alone {
		read = from.Write
	}
	version, err := from.Version(ctx)
	if err != nil {
		return nil, err
	}
	c.report.Version = version
	err = read(ctx, func(in *db.Tx) error {
		if err := c.look(in); err != nil {
			return err
		}
		marks := o.Then != nil && c.to == schema.KindPostgres
		to, err := db.Open(ctx, dir, dsn, db.Options{Create: true, Fill: func(out *db.Tx) error {
			if err := c.fill(in, out); err != nil || !marks {
				return err
			}
			return mark(out, o.For)
		}})
		if errors.Is(err, db.ErrExists) && c.to == schema.KindPostgres {
			return unused(ctx, dir, dsn, err)
		}
		if err != nil {
			return err
		}
		if o.Then != nil {
			if err = o.Then(c.report); err != nil {
				err = errors.Join(err, drop(context.WithoutCancel(ctx), to, c.tables))
			} else if marks {
				_ = unmark(context.WithoutCancel(ctx), to) // a mark that stays has who reads it look at trac.ini
			}
		}
		return errors.Join(err, to.Close())
	})
	if err != nil {
		return nil, err
	}
	return c.report, nil
}

// copier makes one copy.
type copier struct {
	Options
	kind, to string // of the source and of the copy
	tables   []table
	report   *Report
	replaced map[string]int64
}

// source reads what a database is made of.
type source interface {
	tables() (list []table, left []string, err error)
}

// sourceOf is a transaction's, made ready to read values.
func sourceOf(tx *db.Tx, kind string) (source, error) {
	if kind != schema.KindPostgres {
		return &lite{tx: tx}, nil
	}
	s := &server{tx: tx}
	return s, s.set()
}

// look finds out what is to be copied.
func (c *copier) look(in *db.Tx) error {
	s, err := sourceOf(in, c.kind)
	if err != nil {
		return err
	}
	if c.tables, c.report.Left, err = s.tables(); err != nil {
		return fmt.Errorf("reading what the tables are: %w", err)
	}
	for i := range c.tables {
		t := &c.tables[i]
		srv, ok := s.(*server)
		if !ok {
			continue
		}
		if c.Alone {
			if err := srv.lock(*t); err != nil {
				return err
			}
		}
		for _, col := range t.columns {
			if !col.auto {
				continue
			}
			if c.report.Counted[t.name], err = srv.counted(t, col); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill makes and fills the tables, and compares.
func (c *copier) fill(in, out *db.Tx) error {
	there, err := sourceOf(out, c.to)
	if err != nil {
		return err
	}
	for i := range c.tables {
		t := &c.tables[i]
		if c.Progress != nil {
			c.Progress(t.name)
		}
		for _, statement := range t.statements(c.to, c.report.Version == schema.Version) {
			if _, err := out.Exec(statement); err != nil {
				return fmt.Errorf("making the table %s: %w", t.name, err)
			}
		}
		if err := c.rows(in, out, t); err != nil {
			return err
		}
	}
	for _, column := range slices.Sorted(maps.Keys(c.replaced)) {
		c.report.Left = append(c.report.Left, fmt.Sprintf("bytes that are no text, in %d values of %s", c.replaced[column], column))
	}
	made, _, err := there.tables()
	if err != nil {
		return err
	}
	for i := range made {
		if err := c.check(out, there, &made[i]); err != nil {
			return err
		}
	}
	if len(made) != len(c.tables) {
		return fmt.Errorf("%w: it has %d tables, not %d", ErrDiffers, len(made), len(c.tables))
	}
	return nil
}

// reader is a reader of a table of a database of the kind.
func (c *copier) reader(t *table, kind string) *reader {
	return &reader{t: t, kind: kind, plain: c.to == schema.KindPostgres, replace: c.Replace, replaced: c.replaced}
}

// rows copies the rows of a table.
func (c *copier) rows(in, out *db.Tx, t *table) error {
	digest := Digest{}
	r := c.reader(t, c.kind)
	err := out.Load(t.name, t.names(), func(row func([]any) error) error {
		return r.each(in, &digest, row)
	})
	c.report.Tables[t.name] = digest
	if err != nil {
		return fmt.Errorf("filling the table %s: %w", t.name, err)
	}
	return nil
}

// check compares a table of the copy with what was read, and lets it go on
// counting.
func (c *copier) check(out *db.Tx, there source, t *table) error {
	digest := Digest{}
	if err := c.reader(t, c.to).each(out, &digest, nil); err != nil {
		return err
	}
	if want := c.report.Tables[t.name]; digest != want {
		return fmt.Errorf("%w: the table %s has %d rows, of other content than the %d", ErrDiffers, t.name, digest.Rows, want.Rows)
	}
	for _, col := range t.columns {
		srv, ok := there.(*server)
		if !ok || !col.auto {
			continue
		}
		last := int64(0)
		_, err := out.One(func(r db.Row) error {
			last = r.Int(0)
			return nil
		}, "SELECT max("+db.Quote(col.name)+") FROM "+t.from)
		if err == nil {
			err = srv.countOn(t, col, max(last, c.Counted[t.name], c.report.Counted[t.name]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each reads the rows of a table, one after another.
func (r *reader) each(tx *db.Tx, digest *Digest, row func([]any) error) error {
	var values []any
	var buffer []byte
	return tx.Each(func(found db.Row) (err error) {
		if values, err = r.read(found, values); err != nil {
			return err
		}
		buffer = digest.add(values, buffer)
		if row != nil {
			err = row(values)
		}
		return err
	}, "SELECT "+db.Quote(r.t.names()...)+" FROM "+r.t.from)
}

// Digests reads all rows of a database of the kind. Those of a copy are those of
// the original, whichever kind either is.
func Digests(tx *db.Tx, kind string) (map[string]Digest, error) {
	s, err := sourceOf(tx, kind)
	if err != nil {
		return nil, err
	}
	tables, _, err := s.tables()
	all := map[string]Digest{}
	for i := range tables {
		digest := Digest{}
		if err == nil {
			err = (&reader{t: &tables[i], kind: kind}).each(tx, &digest, nil)
		}
		all[tables[i].name] = digest
	}
	return all, err
}

// Count counts the rows of every table of an SQLite database, plugins' included,
// but not those of SQLite's own, which change by themselves.
func Count(tx *db.Tx) (map[string]int64, error) {
	rows := map[string]int64{}
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
			rows[name] = r.Int(0)
			return nil
		}, "SELECT count(*) FROM "+db.Quote(name))
	}
	return rows, err
}

// drop undoes a copy.
func drop(ctx context.Context, d *db.DB, tables []table) error {
	if file := d.File(); file != "" {
		return os.Remove(file)
	}
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, t := range tables {
			if _, err := tx.Exec("DROP TABLE " + db.Quote(t.name)); err != nil {
				return err
			}
		}
		return nil
	})
}
