package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"projhost/internal/disk"
)

// defaultReaders is how many transactions of one database read at a time.
const defaultReaders = 3

// lite is an SQLite database.
type lite struct {
	target  target
	options Options
	timeout time.Duration // for locks of other programs
	log     *slog.Logger

	reading chan struct{} // a place for each reader
	writing chan struct{} // the writer's place
	closing chan struct{}

	mayWrite atomic.Bool
	version  int // see opened

	mu        sync.Mutex
	closed    bool
	idle      []*conn // readers' connections, the last used one last
	writer    *conn   // nil until first needed, and while in use
	immutable int     // open connections that take no locks
}

// openLite opens an SQLite database.
func openLite(ctx context.Context, t target, o Options) (*lite, error) {
	if o.Readers <= 0 || t.path == memory {
		o.Readers = defaultReaders
	}
	if t.path == memory {
		o.Readers, o.WriteAt, o.ReadOnly = 1, 0, false
	}
	d := &lite{target: t, options: o, timeout: t.timeout, log: o.Log,
		reading: make(chan struct{}, o.Readers), writing: make(chan struct{}, 1), closing: make(chan struct{})}
	if o.BusyTimeout > 0 {
		d.timeout = min(d.timeout, o.BusyTimeout)
	}
	if o.Create && o.Fill != nil && t.path != memory {
		if err := fillFile(ctx, t, o); err != nil {
			return nil, err
		}
		d.options.Create = false
	}
	if err := d.prepareFile(); err != nil {
		return nil, err
	}
	d.mayWrite.Store(!o.ReadOnly && o.WriteAt == 0)
	if err := d.first(ctx); err != nil {
		_ = d.close()
		return nil, err
	}
	return d, nil
}

// prepareFile finds or makes the file.
func (d *lite) prepareFile() error {
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
func (d *lite) create() error {
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

// fillFile makes a file with what is in it. It has another name, beginning with
// a dot, until it is complete and on disk.
func fillFile(ctx context.Context, t target, o Options) error {
	if _, err := os.Lstat(t.path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(&problem{is: ErrExists}, err)
	}
	made := t
	made.path = filepath.Join(filepath.Dir(t.path), fmt.Sprintf(".%s.new-%d", filepath.Base(t.path), rand.Uint64()))
	defer func() { _ = os.Remove(made.path) }() // it has another name by then, or is of no use
	d, err := openLite(ctx, made, Options{Create: true, Log: o.Log})
	if err != nil {
		return err
	}
	err = os.Chmod(made.path, 0o600) // who may read it is for the caller to say
	if err == nil {
		err = d.write(ctx, o.Fill)
	}
	if err := errors.Join(err, d.close()); err != nil {
		return err
	}
	if err := disk.Sync(made.path); err != nil {
		return err
	}
	if err := publish(made.path, t.path); err != nil {
		return err
	}
	return disk.Sync(filepath.Dir(t.path))
}

// first opens the first connection and, if asked to, looks at the version.
func (d *lite) first(ctx context.Context) error {
	c, err := d.openReader()
	if err != nil {
		return err
	}
	d.idle = append(d.idle, c)
	if d.options.WriteAt == 0 || d.options.ReadOnly {
		return nil
	}
	version, err := versionOf(ctx, d)
	if errors.Is(err, ErrRecovery) {
		if version, err = d.peek(ctx); err == nil && version != d.options.WriteAt {
			return &problem{is: ErrRecovery}
		}
	}
	if d.version = version; err != nil || version != d.options.WriteAt {
		return err
	}
	d.mayWrite.Store(true)
	d.dropUnfit()
	return nil
}

func (d *lite) file() string {
	if d.target.path == memory {
		return ""
	}
	return d.target.path
}

func (d *lite) readOnly() bool { return !d.mayWrite.Load() }
func (d *lite) opened() int    { return d.version }

func (d *lite) close() error {
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
	return errors.Join(errs...)
}

// rest closes the connections that are not in use.
func (d *lite) rest() {
	d.mu.Lock()
	idle, writer := d.idle, d.writer
	d.idle, d.writer = nil, nil
	d.mu.Unlock()
	for _, c := range idle {
		d.discard(c)
	}
	if writer != nil {
		_ = writer.close() // what was written is committed
	}
}

func (d *lite) read(ctx context.Context, f func(*Tx) error) error {
	if err := d.enter(ctx, d.reading); err != nil {
		return err
	}
	defer func() { <-d.reading }()
	c, err := d.takeReader()
	if err != nil {
		return public(fmt.Errorf("opening %s: %w", d.target, err))
	}
	tx := &liteTx{db: d, c: c, ctx: ctx}
	defer func() { d.giveReader(tx) }()
	c.begin(ctx)
	if err := c.exec("BEGIN"); err != nil {
		return tx.fail("BEGIN", err)
	}
	if err := tx.give(f); err != nil {
		return err
	}
	return d.unchanged(tx.c)
}

func (d *lite) write(ctx context.Context, f func(*Tx) error) error {
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
	tx := &liteTx{db: d, c: c, ctx: ctx, write: true}
	defer func() { d.giveWriter(tx) }()
	c.begin(ctx)
	if err := tx.patiently("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := tx.give(f); err != nil {
		return err
	}
	return tx.patiently("COMMIT")
}

// patiently runs a statement that may have to wait for a lock.
func (t *liteTx) patiently(query string) error {
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
func (d *lite) enter(ctx context.Context, places chan struct{}) error {
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
	db    *lite
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
