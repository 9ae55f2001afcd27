package fcgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"projhost/front/gateway"
)

// Of request.state. Whoever changes it from stateOpen sends FCGI_END_REQUEST,
// so that there is exactly one.
const (
	stateOpen    = iota
	stateEnded   // by its handler
	stateAborted // by the web server; nothing of its handler is sent any more
)

// request is one request, from FCGI_BEGIN_REQUEST until its handler has ended.
type request struct {
	c      *conn
	id     uint16
	keep   bool // FCGI_KEEP_CONN
	begun  time.Time
	state  atomic.Int32
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Of the connection's reader, then of the handler.
	raw         []byte // FCGI_PARAMS so far
	params      string // all of it
	paramsEnded bool
	tooBig      bool

	started bool // there is a handler; guarded by conn.mu

	r    *http.Request // nil until it is made
	vars gateway.Vars
	body body
	resp response
}

func newRequest(c *conn, id uint16, keep bool) *request {
	r := &request{c: c, id: id, keep: keep, begun: c.read}
	r.ctx, r.cancel = context.WithCancelCause(c.s.base)
	r.body.init(c.s)
	r.resp.req = r
	return r
}

// stdin is FCGI_STDIN (section 5.3): part of a stream that ends with an empty record.
func (r *request) stdin(p []byte) {
	if len(p) == 0 {
		r.body.end()
		return
	}
	r.body.put(p)
}

// abort fences what the handler still writes and tells it. It returns false if
// the request has already ended. It needs conn.mu.
func (r *request) abort(err error) bool {
	if !r.state.CompareAndSwap(stateOpen, stateAborted) {
		return false
	}
	r.cancel(err)
	r.body.abort(err)
	if !r.started {
		r.body.Close()
		r.c.load--
		r.c.s.active.Add(-1)
	}
	return true
}

// handle makes the request, runs its handler and ends the answer.
func (r *request) handle() {
	defer func() {
		r.resp.end()
		r.cancel(nil)
		r.body.Close()
		r.c.settled(1)
	}()
	returned := false
	defer func() {
		if !returned {
			r.panicked(recover()) // nil after runtime.Goexit
		}
	}()
	if err := r.make(); err != nil {
		r.log(slog.LevelWarn, "fcgi: request refused", "error", err)
		refuse(&r.resp, err)
	} else {
		r.c.s.Handler.ServeHTTP(&r.resp, r.r)
	}
	returned = true
}

// make makes the *http.Request, or returns why it must not be: a *refusal or an
// error of gateway.
func (r *request) make() error {
	s := r.c.s
	if r.tooBig {
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "more than %d bytes of parameters", s.MaxParamBytes)
	}
	pairs, err := decodeParams(r.params, s.MaxParams)
	if err != nil {
		return refusef(http.StatusBadRequest, "%w", err)
	}
	if r.vars, err = gateway.New(&s.Listener, pairs); err != nil {
		return err
	}
	r.resp.head = r.vars.Get("REQUEST_METHOD") == http.MethodHead
	length, err := contentLength(r.vars)
	if err != nil {
		return err
	}
	if length > s.MaxBody {
		return refusef(http.StatusRequestEntityTooLarge, "a body of %d bytes, more than %d", length, s.MaxBody)
	}
	if length >= 0 {
		if err := r.body.expect(length); err != nil {
			return refusef(http.StatusBadRequest, "%w", err)
		}
	}
	var body io.ReadCloser = &r.body
	if got, all := r.body.complete(); all && got == 0 && length <= 0 {
		body, length = http.NoBody, 0
	}
	if r.r, err = gateway.NewRequest(r.ctx, r.vars, body); err != nil {
		return err
	}
	r.r.ContentLength = length
	return nil
}

// refusal is why a request is not given to the handler.
type refusal struct {
	status int
	err    error
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

func refusef(status int, format string, args ...any) error {
	return &refusal{status, fmt.Errorf(format, args...)}
}

// contentLength returns -1 if the web server does not say.
func contentLength(v gateway.Vars) (int64, error) {
	s := v.Get("CONTENT_LENGTH")
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, refusef(http.StatusBadRequest, "CONTENT_LENGTH %q is not a length", s)
	}
	return int64(n), nil
}

// refuse answers a request that no handler sees, and tells nothing of err.
func refuse(w http.ResponseWriter, err error) {
	var own *refusal
	if errors.As(err, &own) {
		http.Error(w, http.StatusText(own.status), own.status)
		return
	}
	gateway.Refuse(w, err)
}

// panicked logs a panic and makes the best of the answer.
func (r *request) panicked(v any) {
	r.resp.fail()
	switch {
	case v == nil || v == http.ErrAbortHandler:
	case r.c.s.PanicLog != nil && r.r != nil:
		r.c.s.PanicLog(r.r, v, debug.Stack())
	default:
		r.log(slog.LevelError, "fcgi: handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// log says which request it is that went wrong.
func (r *request) log(level slog.Level, msg string, args ...any) {
	for _, name := range []string{"REQUEST_ID", "X_REQUEST_ID"} {
		if id := r.vars.Get(name); id != "" {
			args = append(args, "request", id)
			break
		}
	}
	if r.r != nil {
		args = append(args, "method", r.r.Method, "path", r.r.URL.Path)
	}
	r.c.s.Log.Log(r.ctx, level, msg, append(args, "listener", r.c.s.Listener.Name)...)
}

// send sends records of the answer, unless the request has been aborted.
func (r *request) send(p []byte, deadline time.Time) error {
	r.c.wmu.Lock()
	defer r.c.wmu.Unlock()
	if r.state.Load() != stateOpen {
		return ErrAborted
	}
	return r.c.write(p, deadline)
}

// sendLast sends the last records. The web server may begin another request with
// the same id as soon as it has them, so the id is free before that. It is
// called once, whatever has become of the request.
func (r *request) sendLast(p []byte, deadline time.Time) error {
	c := r.c
	c.mu.Lock()
	open := r.state.CompareAndSwap(stateOpen, stateEnded)
	if open {
		for i := range c.reqs {
			if c.reqs[i] == r {
				c.drop(i)
				break
			}
		}
	}
	c.load--
	c.s.active.Add(-1)
	c.mu.Unlock()
	if !open {
		return ErrAborted
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.write(p, deadline)
}
