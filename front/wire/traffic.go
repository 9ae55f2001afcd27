package wire

import "sync/atomic"

// Traffic counts what comes by one listener, since the process has started. Its
// zero value is ready.
type Traffic struct {
	Open       atomic.Int64  // connections that are served
	Accepted   atomic.Uint64 // connections that have been
	Refused    atomic.Uint64 // connections of peers that may not connect
	Full       atomic.Uint64 // times that Limits.MaxConns were open, so that the next waits or takes the place of an idle one
	TurnedAway atomic.Uint64 // requests that were more at a time than Limits.MaxRequests
}

// Begin counts a connection that is served until End.
func (t *Traffic) Begin() {
	t.Accepted.Add(1)
	t.Open.Add(1)
}

// End is called once for each Begin.
func (t *Traffic) End() { t.Open.Add(-1) }
