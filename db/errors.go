package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"projhost/internal/fault"
)

// Problem is what is wrong with a database or with the use of one. Errors of
// this package match one by errors.Is where a caller may want to know.
type Problem string

func (p Problem) Error() string { return string(p) }

// Problems. The texts are for the operator.
const (
	ErrConnString  Problem = "malformed database connection string"
	ErrNotServed   Problem = "this kind of database is not served by this version"
	ErrMissing     Problem = "there is no such database file" // also matches fs.ErrNotExist
	ErrExists      Problem = "the database file exists already"
	ErrCannotOpen  Problem = "the database file cannot be opened"
	ErrNotDatabase Problem = "not an SQLite database"
	ErrNotTrac     Problem = "not a Trac database"
	ErrCorrupt     Problem = "the database file is damaged"
	ErrReadOnly    Problem = "the database may only be read"
	// ErrRecovery is a database that a crash left in mid-change: it must be
	// opened for writing once, by Trac or by a newer version of its tables.
	ErrRecovery   Problem = "a crash left the database in mid-change, and it may not be put right here"
	ErrBusy       Problem = "the database was busy for too long"
	ErrFull       Problem = "no space is left for the database"
	ErrConstraint Problem = "the row breaks a rule of its table, such as a unique key"
	// ErrTaken is the ErrConstraint of a key that another row has.
	ErrTaken  Problem = "another row has the same key"
	ErrClosed Problem = "the database is closed"
	// ErrOutdated is a database whose tables another program has upgraded.
	ErrOutdated Problem = "the tables are of another version than when the database was opened"
	ErrMisuse   Problem = "wrong use of the database"
	// ErrUnavailable is a database server that cannot be reached, or that ended
	// the connection.
	ErrUnavailable Problem = "the database server cannot be reached"
)

// retryBusy is when to come back to a locked database.
const retryBusy = 2 * time.Second

// problem couples a problem with its cause and where it happened.
type problem struct {
	is    Problem
	doing string // "running SELECT …", may be empty
	err   error  // may be nil
}

func (p *problem) Error() string {
	s := string(p.is)
	if p.err != nil {
		s += ": " + p.err.Error()
	}
	if p.doing != "" {
		s = p.doing + ": " + s
	}
	return s
}

func (p *problem) Is(target error) bool {
	return target == p.is || p.is == ErrTaken && target == ErrConstraint
}

func (p *problem) Unwrap() error { return p.err }

// public gives err the words and the kind that a visitor meets, where it has
// more to say than that something is broken.
func public(err error) error {
	var told *fault.Error
	switch {
	case err == nil || errors.As(err, &told):
		return err
	case errors.Is(err, ErrBusy):
		e := fault.Wrap(fault.Busy, "The project's database is busy. Please try again in a moment.", err)
		e.RetryAfter = retryBusy
		return e
	case errors.Is(err, ErrUnavailable):
		e := fault.Wrap(fault.Busy, "The project's database cannot be reached at the moment. Please try again in a little while.", err)
		e.RetryAfter = retryBusy
		return e
	case errors.Is(err, ErrClosed), errors.Is(err, ErrOutdated):
		e := fault.Wrap(fault.Busy, "The project is being reopened. Please try again in a moment.", err)
		e.RetryAfter = retryBusy
		return e
	case errors.Is(err, ErrTaken):
		// Whoever inserts a row has looked before: in PostgreSQL two may do so at once.
		return fault.Wrap(fault.Conflict, "Somebody else has just stored one of the same name. Please look at it, and try again.", err)
	case errors.Is(err, ErrReadOnly):
		return fault.Wrap(fault.Denied, "This project can only be read at present.", err)
	}
	return err
}

// ended is the failure of a context that ended: Busy past a deadline, else
// Canceled.
func ended(ctx context.Context, doing string) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != err {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if doing != "" {
		err = fmt.Errorf("%s: %w", doing, err)
	}
	kind, words := fault.Canceled, ""
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind, words = fault.Busy, "The project's database took too long to answer. Please try again."
	}
	e := fault.Wrap(kind, words, err)
	if kind == fault.Busy {
		e.RetryAfter = retryBusy
	}
	return e
}
