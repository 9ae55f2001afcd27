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
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// defaultReaders is how many transactions of one database read at a time.
const defaultReaders = 3

// Options are how to open a database. The zero value is fine.
type Options struct {
	// ReadOnly opens the file without ever altering it: nothing is written, no
	// crash is undone, and no WAL file is made.
	ReadOnly bool
	// WriteAt, if not 0, is the one version of the tables at which the database
	// may be written; at any other it is treated as with ReadOnly.
	WriteAt int
	// Create makes the file, and its directory; it must not be there. The
	// database is empty then.
	Create bool
	// Readers is how many transactions read at a time; 0 is 3.
	Readers int
	// BusyTimeout bounds the wait for a lock that another program holds; 0 is
	// what the connection string says, or 10 s.
	BusyTimeout time.Duration
	Log         *slog.Logger // nil is none
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	target  target
	options Options
	timeout time.Duration // for locks of other programs
	log     *slog.Logger

	reading chan struct{} // a place for each reader
	writing chan struct{} // the writer's place
	closing chan struct{}

	mayWrite atomic.Bool

	mu        sync.Mutex
	closed    bool
	idle      []*conn // readers' connections, the last used one last
	writer    *conn   // nil until first needed, and while in use
	immutable int     // open connections that take no locks
}

// Open opens the database that dsn names, one of Trac's connection strings:
// "sqlite:db/trac.db", relative to dir, "sqlite:/abs/path", "sqlite::memory:",
// each with "?timeout=…&journal_mode=…&synchronous=…". It fails with
// ErrConnString, ErrNotServed, ErrMissing, ErrExists or ErrCannotOpen, and if
// the version had to be looked at (Options.WriteAt) like [DB.Version].
// No file is made unless Options.Create says so.
func Open(ctx context.Context, dir, dsn string, o Options) (*DB, error) {
	t, err := parseTarget(dir, dsn)
	if err != nil {
		return nil, fmt.Errorf("opening a database: %w", err)
	}
	if o.Readers <= 0 || t.path == memory {
		o.Readers = defaultReaders
	}
	if t.path == memory {
		o.Readers, o.WriteAt, o.ReadOnly = 1, 0, false
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &DB{target: t, options: o, timeout: t.timeout, log: o.Log,
		reading: make(chan struct{}, o.Readers), writing: make(chan struct{}, 1), closing: make(chan struct{})}
	if o.BusyTimeout > 0 {
		d.timeout = min(d.timeout, o.BusyTimeout)
	}
	if err := d.prepareFile(); err != nil {
		return nil, fmt.Errorf("opening %s: %w", t, err)
	}
	d.mayWrite.Store(!o.ReadOnly && o.WriteAt == 0)
	if err := d.first(ctx); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("opening %s: %w", t, err)
	}
	return d, nil
}

// prepareFile finds or makes the file.
func (d *DB) prepareFile() error {
	if d.target.path == memory {
		return nil
	}
	if d.options.Create {
		return d.create()
	}
	path, err := filepath.EvalSymlinks(d.target.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &problem{is: ErrMissing, err: fs.ErrNotExist}
	}
	if err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	if !info.Mode().IsRegular() {
		return &problem{is: ErrCannotOpen, err: errors.New("not a regular file")}
	}
	d.target.path = path
	return nil
}

// create makes an empty file, which is an empty database to SQLite. Nobody can
// have it open yet, so that closing it here does no harm.
func (d *DB) create() error {
	if err := os.MkdirAll(filepath.Dir(d.target.path), 0o777); err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	f, err := os.OpenFile(d.target.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return &problem{is: ErrExists}
	}
	if err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	if err := f.Close(); err != nil {
		return &problem{is: ErrCannotOpen, err: err}
	}
	if path, err := filepath.EvalSymlinks(d.target.path); err == nil {
		d.target.path = path
	}
	return nil
}

// first opens the first connection and, if asked to, looks at the version.
func (d *DB) first(ctx context.Context) error {
	c, err := d.openReader()
	if err != nil {
		return err
	}
	d.idle = append(d.idle, c)
	if d.options.WriteAt == 0 || d.options.ReadOnly {
		return nil
	}
	version, err := d.Version(ctx)
	if errors.Is(err, ErrRecovery) {
		if version, err = d.peek(ctx); err == nil && version != d.options.WriteAt {
			return &problem{is: ErrRecovery}
		}
	}
	if err != nil || version != d.options.WriteAt {
		return err
	}
	d.mayWrite.Store(true)
	d.dropUnfit()
	return nil
}

// Kind is the kind of database: "sqlite".
func (d *DB) Kind() string { return d.target.kind }

// File is the database's file, absolute and without symbolic links; "" if it
// is not in a file.
func (d *DB) File() string {
	if d.target.path == memory {
		return ""
	}
	return d.target.path
}

// ReadOnly says whether [DB.Write] is refused.
func (d *DB) ReadOnly() bool { return !d.mayWrite.Load() }

// Close waits for running transactions and closes all connections. New
// transactions are refused with ErrClosed from its start.
func (d *DB) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.closing)
	d.mu.Unlock()
	for range cap(d.reading) {
		d.reading <- struct{}{}
	}
	d.writing <- struct{}{}
	var errs []error
	for _, c := range d.idle {
		errs = append(errs, c.close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	d.idle, d.writer = nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing %s: %w", d.target, err)
	}
	return nil
}

// Version returns system.database_version, the version of the tables. It fails
// with ErrNotDatabase, or with ErrNotTrac and what is missing.
func (d *DB) Version(ctx context.Context) (int, error) {
	version := 0
	err := d.Read(ctx, func(tx *Tx) (err error) {
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
	found, err := tx.One(none, "SELECT name FROM sqlite_master WHERE name = ?", "system")
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, &problem{is: ErrNotTrac, err: errors.New("no table system")}
	}
	value := ""
	found, err = tx.One(func(r Row) error {
		value = r.Text(0)
		return nil
	}, "SELECT value FROM system WHERE name = ?", "database_version")
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

// Read runs f in a transaction that sees one snapshot and changes nothing. An
// error of f is returned as it is. A lock that does not come free in time
// gives ErrBusy, the end of ctx its error; both are faults.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	if err := d.enter(ctx, d.reading); err != nil {
		return err
	}
	defer func() { <-d.reading }()
	c, err := d.takeReader()
	if err != nil {
		return public(fmt.Errorf("opening %s: %w", d.target, err))
	}
	tx := &Tx{db: d, c: c, ctx: ctx}
	defer func() { d.giveReader(tx) }()
	c.begin(ctx)
	if err := c.exec("BEGIN"); err != nil {
		return tx.fail("BEGIN", err)
	}
	if err := f(tx); err != nil {
		return err
	}
	return d.unchanged(tx.c)
}

// Write runs f in a transaction that may write, alone among the writers of
// this database, other programs' included, from its beginning. It is committed
// if f returns nil, else, or if f panics, undone. The error is that of f, or
// as with [DB.Read], or ErrReadOnly.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	if !d.mayWrite.Load() {
		return public(&problem{is: ErrReadOnly, doing: "writing to " + d.target.String()})
	}
	place := d.writing
	if d.target.path == memory {
		place = d.reading // there is one connection, for all
	}
	if err := d.enter(ctx, place); err != nil {
		return err
	}
	defer func() { <-place }()
	c, err := d.takeWriter()
	if err != nil {
		return public(fmt.Errorf("opening %s: %w", d.target, err))
	}
	tx := &Tx{db: d, c: c, ctx: ctx, write: true}
	defer func() { d.giveWriter(tx) }()
	c.begin(ctx)
	if err := tx.patiently("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.patiently("COMMIT")
}

// patiently runs a statement that may have to wait for a lock.
func (t *Tx) patiently(query string) error {
	if t.ctx.Err() != nil {
		return ended(t.ctx, "running "+query)
	}
	for wait := (waiting{db: t.db}); ; {
		err := t.c.exec(query)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrBusy) || !wait.again(t.ctx) {
			return t.fail(query, err)
		}
	}
}

// enter takes a place, waiting for one.
func (d *DB) enter(ctx context.Context, places chan struct{}) error {
	if ctx.Err() != nil {
		return ended(ctx, "")
	}
	select {
	case <-d.closing:
		return public(&problem{is: ErrClosed})
	default:
	}
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-d.closing:
		return public(&problem{is: ErrClosed})
	case <-ctx.Done():
		return ended(ctx, "waiting for a connection")
	}
}

// waiting is the wait for a lock: a few pauses that grow, up to the timeout.
type waiting struct {
	db    *DB
	until time.Time
	pause time.Duration
}

// again waits a little; it is false if that was long enough or ctx ended.
func (w *waiting) again(ctx context.Context) bool {
	const most = 50 * time.Millisecond
	now := time.Now()
	if w.pause == 0 {
		w.until, w.pause = now.Add(w.db.timeout), time.Millisecond/2
	}
	if !now.Before(w.until) {
		return false
	}
	w.pause = min(2*w.pause, most)
	timer := time.NewTimer(min(w.pause, w.until.Sub(now)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
