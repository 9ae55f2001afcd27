package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// liteTx is a transaction of an SQLite database.
type liteTx struct {
	db      *lite
	c       *conn
	ctx     context.Context
	write   bool
	touched bool // a statement has run, so there is a snapshot
}

// give hands the transaction to f.
func (t *liteTx) give(f func(*Tx) error) error { return during(t, t.write, f) }

func (t *liteTx) result() Result { return t.c.result() }

func (t *liteTx) hasTable() string { return "SELECT name FROM sqlite_master WHERE name = ?" }

// load is runner's: one prepared statement, again and again.
func (t *liteTx) load(table string, columns []string, each func(row func(values []any) error) error) error {
	query := "INSERT INTO " + Quote(table) + " (" + Quote(columns...) + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return each(func(values []any) error {
		s, _, err := t.start(query, values)
		if err == nil {
			s.release()
		}
		return err
	})
}

// start is runner's. The first statement of a transaction takes the lock: it
// waits for it, and moves to another connection if a crash must be undone.
func (t *liteTx) start(query string, args []any) (s cursor, row bool, err error) {
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

// fail makes an error out of one of the driver's.
func (t *liteTx) fail(query string, err error) error {
	if t.ctx.Err() != nil && (isInterrupt(err) || errors.Is(err, ErrBusy)) {
		return ended(t.ctx, "running "+query)
	}
	return public(fmt.Errorf("running %s: %w", query, err))
}

// recover replaces the connection by one that may undo what a crash left.
func (t *liteTx) recover() error {
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
