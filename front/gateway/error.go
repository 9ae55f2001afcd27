package gateway

import (
	"errors"
	"fmt"
	"net/http"
)

// Error says why the variables of a request were refused. It names the
// variable and is meant for the operator's log; a visitor is shown nothing of it.
type Error struct {
	Name    string // the variable, "" if one came without a name
	Problem string // one line, lower case
	// Location, if not empty, is the same URL in its one spelling (an absolute
	// path and the query). It is set for GET and HEAD only.
	Location string
}

func (e *Error) Error() string {
	if e.Name == "" {
		return "variable without a name: " + e.Problem
	}
	return "variable " + e.Name + ": " + e.Problem
}

var _ error = (*Error)(nil)

// quoteMax bounds what a message repeats of a value, in bytes.
const quoteMax = 120

// quote shows a value in a message: on one line, and not all of a long one.
func quote(s string) string {
	if len(s) > quoteMax {
		return fmt.Sprintf("%q... (%d bytes)", s[:quoteMax], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// Refuse answers a request that New, NewRequest or FromHTTP did not take: a
// redirect if only the spelling of the URL was wrong, else a plain 400 that
// tells a visitor nothing. Logging err is the caller's part.
func Refuse(w http.ResponseWriter, err error) {
	var e *Error
	if errors.As(err, &e) && e.Location != "" {
		w.Header().Set("Location", e.Location)
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	http.Error(w, "Bad Request", http.StatusBadRequest)
}
