// Package fault names the few ways in which answering a request can fail.
// It knows nothing of HTTP: dispatch turns a [Kind] into a status in one table.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is a way of failing, as the visitor meets it.
type Kind uint8

const (
	// Internal is a fault of ours; the visitor learns nothing but an id.
	Internal Kind = iota
	// Invalid is a request that makes no sense: a malformed argument or path.
	Invalid
	// NotFound is a thing that is not there, or that the visitor may not know of.
	NotFound
	// Denied is a thing the visitor may not do.
	Denied
	// Method is a request method the resource does not have.
	Method
	// Conflict is a change that collides with another one.
	Conflict
	// TooLarge is a request that goes beyond a bound.
	TooLarge
	// Busy is a thing that cannot be had now, but may be later: an environment
	// that is overloaded, out of order or being upgraded.
	Busy
	// Canceled is a request whose client went away before the answer.
	Canceled
)

func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "not found", "denied", "method", "conflict", "too large", "busy", "canceled"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", k)
}

// Error is a failure of a known kind. Public is what a visitor may read, a
// whole sentence or empty; Err is what only the log sees.
type Error struct {
	Kind       Kind
	Public     string
	Err        error
	RetryAfter time.Duration // for Busy: when to come back; 0 is unknown
}

// Error is for logs; it must not be shown to a visitor.
func (e *Error) Error() string {
	switch {
	case e.Err == nil && e.Public == "":
		return e.Kind.String()
	case e.Err == nil:
		return e.Kind.String() + ": " + e.Public
	default:
		return e.Kind.String() + ": " + e.Err.Error()
	}
}

func (e *Error) Unwrap() error { return e.Err }

// New makes a failure whose public words are also its only words.
func New(k Kind, public string) *Error { return &Error{Kind: k, Public: public} }

// Wrap makes a failure out of a cause, with words for the visitor.
func Wrap(k Kind, public string, cause error) *Error {
	return &Error{Kind: k, Public: public, Err: cause}
}

// As finds the failure in err. An error that carries none is Internal, and a
// context that ended is Canceled or, past its deadline, Busy. It is never nil
// unless err is.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Busy, Public: "This took too long and was given up.", Err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Canceled, Err: err}
	}
	return &Error{Kind: Internal, Err: err}
}
