// Package db opens an environment's database and runs transactions in it.
//
// A [DB] is a handle on one database, made from the connection string in
// trac.ini. [DB.Read] and [DB.Write] hand a [Tx] to a function; the function's
// return ends the transaction. SQL is written with "?" for arguments and with
// named columns; rows are read by their place, without reflection.
//
// SQLite: there is one writer and a few readers at a time, each with a
// connection of its own, opened when first needed. A reader's connection cannot
// write. The journal mode is the file's, unless the connection string asks for
// another. A file of this process's own databases must never be opened by
// anything but this package: closing any descriptor of it, even one that only
// read its first bytes, would drop the locks that SQLite holds on it (POSIX
// record locks belong to the process). Its status (os.Stat) may be looked at.
package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"projhost/internal/fault"
	"projhost/internal/stage"
)

// Options are how to open a database. The zero value is fine.
type Options struct {
	// ReadOnly opens the file without ever altering it: nothing is written, no
	// crash is undone, and no WAL file is made.
	ReadOnly bool
	// WriteAt, if not 0, is the one version of the tables at which the database
	// may be written; at any other it is treated as with ReadOnly. Whether the
	// version is still the same is looked at from then on, see [DB.Outdated].
	WriteAt int
	// Create makes the file, and its directory; it must not be there. The
	// database is empty then.
	Create bool
	// Fill, with Create, makes what the database begins with, in the transaction
	// that makes it: what fails, or is killed, leaves no database. It may run
	// long, and may read other databases. Only its owner may read a file then.
	Fill func(*Tx) error
	// Readers is how many transactions read at a time; 0 is 3.
	Readers int
	// Budget bounds the connections to database servers, of all databases that
	// were opened with it; nil is one of its own for this database.
	Budget *Budget
	// Passing has no connection outlive its use by more than a request: see
	// [DB.Rest].
	Passing bool
	// BusyTimeout bounds the wait for a lock that another program holds; 0 is
	// what the connection string says, or 10 s.
	BusyTimeout time.Duration
	Log         *slog.Logger // nil is none
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	target target
	rest   bool // Options.Passing
	backend

	looked   atomic.Int64 // at the version, in Unix nanoseconds
	outdated atomic.Bool
	told     atomic.Bool
}

// backend is a kind of database. Errors of read and write are for the caller;
// what they get of transactions is that of DB.Read and DB.Write.
type backend interface {
	read(ctx context.Context, f func(*Tx) error) error
	write(ctx context.Context, f func(*Tx) error) error
	file() string
	readOnly() bool
	// opened is the version of the tables as found at opening, 0 if that was not
	// asked for.
	opened() int
	rest()
	close() error
}

// Open opens the database that dsn names, one of Trac's connection strings:
// "sqlite:db/trac.db", relative to dir, "sqlite:/abs/path", "sqlite::memory:",
// each with "?timeout=…&journal_mode=…&synchronous=…", or
// "postgres://user:password@host:port/database?schema=…", where host may be a
// socket's directory, given as "?host=/path". It fails with
// ErrConnString, ErrNotServed, ErrMissing, ErrExists, ErrCannotOpen or
// ErrUnavailable, and if the version had to be looked at (Options.WriteAt) like
// [DB.Version]. Nothing is made unless Options.Create says so.
func Open(ctx context.Context, dir, dsn string, o Options) (*DB, error) {
	t, err := parseTarget(dir, dsn)
	if err != nil {
		return nil, fmt.Errorf("opening a database: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &DB{target: t, rest: o.Passing}
	if t.kind == kindPostgres {
		d.backend, err = openPostgres(ctx, t, o, &d.told)
	} else {
		d.backend, err = openLite(ctx, t, o)
	}
	var told *fault.Error
	switch {
	case errors.As(err, &told):
		return nil, err // which names the database
	case err != nil:
		return nil, public(fmt.Errorf("opening %s: %w", t, err))
	}
	return d, nil
}

// Kind is the kind of database: "sqlite" or "postgres".
func (d *DB) Kind() string { return d.target.kind }

// String is the connection string as it may be shown: without the password.
func (d *DB) String() string { return d.target.String() }

// File is the database's file, absolute and without symbolic links; "" if it
// is not in a file.
func (d *DB) File() string { return d.file() }

// Server is the database server's database without the schema, as in
// "postgres://user@host:port/database", which names it in [BudgetState]; "" for
// one that is in a file.
func (d *DB) Server() string {
	if d.target.kind != kindPostgres {
		return ""
	}
	return d.target.server()
}

// Pooled says whether connections outlive a request.
func (d *DB) Pooled() bool { return !d.rest }

// ReadOnly says whether [DB.Write] is refused.
func (d *DB) ReadOnly() bool { return d.readOnly() }

// Rest closes the connections that are not in use, if they were not to outlive
// a request ([Options.Passing]). It is for the end of a database's last request;
// it may be used again.
func (d *DB) Rest() {
	if d.rest {
		d.backend.rest()
	}
}

// Close waits for running transactions and closes all connections. New
// transactions are refused with ErrClosed from its start.
func (d *DB) Close() error {
	if err := d.close(); err != nil {
		return fmt.Errorf("closing %s: %w", d.target, err)
	}
	return nil
}

// Version returns system.database_version, the version of the tables. It fails
// with ErrNotDatabase, or with ErrNotTrac and what is missing.
func (d *DB) Version(ctx context.Context) (int, error) { return versionOf(ctx, d.backend) }

func versionOf(ctx context.Context, b backend) (version int, err error) {
	err = b.read(ctx, func(tx *Tx) (err error) {
		version, err = readVersion(tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the version of the tables: %w", err)
	}
	return version, nil
}

func readVersion(tx *Tx) (version int, err error) {
	none := func(Row) error { return nil }
	found, err := tx.One(none, tx.run.hasTable(), "system")
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, &problem{is: ErrNotTrac, err: errors.New("no table system")}
	}
	value, found, err := versionText(tx)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, &problem{is: ErrNotTrac, err: errors.New("no database_version in table system")}
	}
	if version, err = strconv.Atoi(value); err != nil {
		return 0, &problem{is: ErrNotTrac, err: errors.New("database_version is not a number")}
	}
	return version, nil
}

func versionText(tx *Tx) (value string, found bool, err error) {
	found, err = tx.One(func(r Row) error {
		value = r.Text(0)
		return nil
	}, "SELECT value FROM system WHERE name = ?", "database_version")
	return value, found, err
}

// lookAgain is how often reading looks whether the tables are of another version
// now. Writing always does.
const lookAgain = time.Second / 2

// Outdated tells that the tables are not of the version any more that they were
// of at opening (Options.WriteAt): another program, an upgrade, has changed them.
// What is known of the database must be found out anew, by opening it again.
func (d *DB) Outdated() bool { return d.outdated.Load() }

// due tells, to one caller at a time, that it is time to look at the version.
func (d *DB) due() bool {
	last, now := d.looked.Load(), time.Now()
	return now.Sub(time.Unix(0, last)) >= lookAgain && d.looked.CompareAndSwap(last, now.UnixNano())
}

// look notes if the version has changed.
func (d *DB) look(tx *Tx) error {
	value, _, err := versionText(tx)
	if err == nil && value != strconv.Itoa(d.opened()) {
		d.outdated.Store(true)
	}
	return err
}

// Read runs f in a transaction that sees one snapshot and changes nothing. An
// error of f is returned as it is. A lock, or a connection, that does not come
// free in time gives ErrBusy, the end of ctx its error; both are faults.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	clock := stage.Of(ctx)
	clock.Begin(stage.DB)
	defer clock.End(stage.DB)
	if d.opened() == 0 || !d.due() {
		return d.read(ctx, f)
	}
	return d.read(ctx, func(tx *Tx) error {
		if err := d.look(tx); err != nil {
			return err
		}
		return f(tx)
	})
}

// Write runs f in a transaction that may write. In SQLite it is alone among the
// writers of this database, other programs' included, from its beginning; in
// PostgreSQL two that change the same rows wait for each other, or one fails
// with ErrBusy. It is committed if f returns nil, else, or if f panics, undone.
// The error is that of f, or as with [DB.Read], or ErrReadOnly, or ErrOutdated
// for tables that are of another version now.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	if d.readOnly() {
		return public(&problem{is: ErrReadOnly, doing: "writing to " + d.target.String()})
	}
	clock := stage.Of(ctx)
	clock.Begin(stage.DB)
	defer clock.End(stage.DB)
	if d.opened() == 0 {
		return d.write(ctx, f)
	}
	return d.write(ctx, func(tx *Tx) error {
		switch err := d.look(tx); {
		case err != nil:
			return err
		case d.Outdated():
			return public(&problem{is: ErrOutdated, doing: "writing to " + d.target.String()})
		}
		return f(tx)
	})
}
