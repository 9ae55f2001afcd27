package fcgi

import (
	"net/http"
	"sync/atomic"
	"time"

	"projhost/front/gateway"
	"projhost/front/wire"
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
	wire.Exchange
	c     *conn
	id    uint16
	keep  bool // FCGI_KEEP_CONN
	begun time.Time
	state atomic.Int32

	// Of the connection's reader, then of the handler.
	raw         []byte // FCGI_PARAMS so far
	params      string // all of it
	paramsEnded bool
	tooBig      bool

	started bool // there is a handler; guarded by conn.mu
}

var _ wire.Link = (*request)(nil)

func newRequest(c *conn, id uint16, keep bool) *request {
	r := &request{c: c, id: id, keep: keep, begun: c.read}
	r.Init(c.s.Base, c.s.shared, r, 0, 0)
	return r
}

// stdin is FCGI_STDIN (section 5.3): part of a stream that ends with an empty record.
func (r *request) stdin(p []byte) {
	if len(p) == 0 {
		r.Body.End()
		return
	}
	r.Body.Put(p)
}

// abort fences what the handler still writes and tells it. It returns false if
// the request has already ended. It needs conn.mu.
func (r *request) abort(err error) bool {
	if !r.state.CompareAndSwap(stateOpen, stateAborted) {
		return false
	}
	r.Interrupt(err)
	if !r.started {
		r.Body.Close()
		r.c.load--
		r.c.s.Active.Add(-1)
	}
	return true
}

// handle runs the handler and ends the answer.
func (r *request) handle() {
	defer r.c.settled(1)
	r.Run()
}

// Pairs decodes the parameters.
func (r *request) Pairs() ([]gateway.Pair, error) {
	s := r.c.s
	if r.tooBig {
		return nil, wire.Refuse(http.StatusRequestHeaderFieldsTooLarge, "more than %d bytes of parameters", s.MaxParamBytes)
	}
	pairs, err := decodeParams(r.params, s.MaxParams)
	if err != nil {
		return nil, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	return pairs, nil
}

// Gone reports whether the request has been aborted, or has ended.
func (r *request) Gone() bool { return r.state.Load() != stateOpen }

// BeginHead appends the status, as CGI has it (RFC 3875 section 6.3.3).
func (r *request) BeginHead(b []byte, status int) []byte {
	return wire.AppendStatus(append(b, "Status: "...), status)
}

// EndHead appends the empty line.
func (r *request) EndHead(b []byte, _ int) []byte { return append(b, "\r\n"...) }

// endLen is the room that the end of a request takes at most: padding of the
// last content, the empty FCGI_STDOUT and FCGI_END_REQUEST.
const endLen = 7 + headerLen + headerLen + 8

// Frame makes an FCGI_STDOUT record, and the end of the request.
func (r *request) Frame(b []byte, start int, last bool) []byte {
	start -= headerLen
	if n := len(b) - start - headerLen; n > 0 {
		pad := paddingFor(n)
		putHeader(b[start:], typeStdout, r.id, n, pad)
		var zero [8]byte
		b = append(b, zero[:pad]...)
	} else {
		start = len(b)
	}
	if last {
		var stdoutEnd [headerLen]byte
		putHeader(stdoutEnd[:], typeStdout, r.id, 0, 0)
		b = append(b, stdoutEnd[:]...)
		var app uint32
		if r.Resp.Short() {
			app = 1
		}
		b = appendEnd(b, r.id, app, statusComplete)
	}
	return b[start:]
}

// What Frame needs and what there is.
var _ = [wire.TailRoom - endLen]struct{}{}

// SendHead sends a head in records of its own.
func (r *request) SendHead(head []byte, deadline time.Time) error {
	var b []byte
	for len(head) > 0 {
		n := min(len(head), maxAligned)
		b = appendRecord(b, typeStdout, r.id, head[:n])
		head = head[n:]
	}
	return r.Send(b, deadline)
}

// Send sends records of the answer, unless the request has been aborted.
func (r *request) Send(p []byte, deadline time.Time) error {
	r.c.wmu.Lock()
	defer r.c.wmu.Unlock()
	if r.Gone() {
		return wire.ErrAborted
	}
	return r.c.write(p, deadline)
}

// BreakOff closes the connection, unless other requests share it: web servers
// do not look at appStatus.
func (r *request) BreakOff() { r.c.shutIfAlone(r) }

// SendLast sends the last records. The web server may begin another request with
// the same id as soon as it has them, so the id is free before that.
func (r *request) SendLast(p []byte, deadline time.Time) error {
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
	c.s.Active.Add(-1)
	c.mu.Unlock()
	if !open {
		return wire.ErrAborted
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.write(p, deadline)
}
