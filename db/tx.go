package db

import (
	"context"
	"errors"
	"fmt"
)

// Tx is a transaction. It belongs to the function it was given to and must not
// be used after that has returned, nor by two goroutines at once.
type Tx struct {
	db      *DB
	c       *conn // nil when the transaction is over
	ctx     context.Context
	write   bool
	touched bool // a statement has run, so there is a snapshot
}

// Row is a row of an answer; it may be used only until the function it was
// given to returns. Columns count from 0; one that is not there is NULL.
type Row struct{ s *stmt }

// Text is a column as text, "" for NULL.
func (r Row) Text(col int) string { return r.s.text(col) }

// Int is a column as a number, 0 for NULL or text that is none.
func (r Row) Int(col int) int64 { return r.s.int(col) }

// Float is a column as a number, 0 for NULL or text that is none.
func (r Row) Float(col int) float64 { return r.s.float(col) }

// Null says whether a column is NULL.
func (r Row) Null(col int) bool { return r.s.null(col) }

// Bytes is a copy of a column as it is stored, nil for NULL.
func (r Row) Bytes(col int) []byte { return r.s.bytes(col) }

// Result is what a statement did.
type Result struct {
	Changed int64 // rows inserted, changed or removed
	ID      int64 // of the row inserted last on this connection
}

// Each runs a query and calls f for each row. It stops at the first error of f
// and returns it as it is. Arguments are string, int, int64, float64, bool,
// []byte, or nil for NULL. f may run other queries.
func (t *Tx) Each(f func(Row) error, query string, args ...any) error {
	s, row, err := t.start(query, args)
	if err != nil {
		return err
	}
	defer s.release()
	for row {
		if err := f(Row{s}); err != nil {
			return err
		}
		if row, err = s.step(); err != nil {
			return t.fail(query, err)
		}
	}
	return nil
}

// One runs a query and calls f for its first row, if there is one. The error
// of f is returned as it is.
func (t *Tx) One(f func(Row) error, query string, args ...any) (found bool, err error) {
	s, row, err := t.start(query, args)
	if err != nil {
		return false, err
	}
	defer s.release()
	if !row {
		return false, nil
	}
	return true, f(Row{s})
}

// Exec runs a statement that changes something; it is refused with ErrReadOnly
// in a transaction of [DB.Read].
func (t *Tx) Exec(query string, args ...any) (Result, error) {
	if t.c != nil && !t.write {
		return Result{}, public(&problem{is: ErrReadOnly, doing: "running " + query})
	}
	s, row, err := t.start(query, args)
	if err != nil {
		return Result{}, err
	}
	defer s.release()
	for row {
		if row, err = s.step(); err != nil {
			return Result{}, t.fail(query, err)
		}
	}
	return t.c.result(), nil
}

// start prepares and begins a statement; row tells whether it has a row. The
// caller releases s. The first statement of a transaction takes the lock: it
// waits for it, and moves to another connection if a crash must be undone.
func (t *Tx) start(query string, args []any) (s *stmt, row bool, err error) {
	if t.c == nil {
		return nil, false, &problem{is: ErrMisuse, doing: "running " + query, err: errOver}
	}
	if t.ctx.Err() != nil {
		return nil, false, ended(t.ctx, "running "+query)
	}
	for wait := (waiting{db: t.db}); ; {
		s, row, err = t.c.start(query, args)
		switch {
		case err == nil:
			t.touched = true
			return s, row, nil
		case errors.Is(err, ErrBusy) && !t.touched && wait.again(t.ctx):
			continue
		case errors.Is(err, ErrRecovery) && !t.touched && !t.write && t.recover() == nil:
			continue
		}
		return nil, false, t.fail(query, err)
	}
}

var errOver = errors.New("the transaction is over")

// fail makes an error out of one of the driver's.
func (t *Tx) fail(query string, err error) error {
	if t.ctx.Err() != nil && (isInterrupt(err) || errors.Is(err, ErrBusy)) {
		return ended(t.ctx, "running "+query)
	}
	return public(fmt.Errorf("running %s: %w", query, err))
}

// recover replaces the connection by one that may undo what a crash left.
func (t *Tx) recover() error {
	c, err := t.db.recoverer()
	if err != nil {
		return err
	}
	t.c.end()
	_ = t.c.close()
	t.c = c
	c.begin(t.ctx)
	return c.exec("BEGIN")
}

// cacheID is the number that Trac gives a cached value in the table cache
// (Trac 1.6: trac/cache.py, a hash of 31 bits).
func cacheID(key string) int64 {
	r := []rune(key)
	if len(r) == 0 {
		return 0
	}
	h := int64(r[0]) << 7
	for _, c := range r {
		h = (1000003*h)&0x7fffffff ^ int64(c)
	}
	return h ^ int64(len(r))
}

// Generation returns the generation of a value that Trac keeps in memory, such
// as "trac.wiki.api.WikiSystem.pages"; -1 if it was never changed. Whoever
// keeps such a value too reads it anew when the generation is another.
func (t *Tx) Generation(key string) (int64, error) {
	generation := int64(-1)
	_, err := t.One(func(r Row) error {
		generation = r.Int(0)
		return nil
	}, "SELECT generation FROM cache WHERE id = ?", cacheID(key))
	return generation, err
}

// Changed raises the generation of a value that Trac keeps in memory, so that
// every process reads it anew once this transaction is committed.
func (t *Tx) Changed(key string) error {
	id := cacheID(key)
	r, err := t.Exec("UPDATE cache SET generation = generation + 1 WHERE id = ?", id)
	if err == nil && r.Changed == 0 {
		_, err = t.Exec("INSERT INTO cache (id, generation, key) VALUES (?, ?, ?)", id, 0, key)
	}
	return err
}
