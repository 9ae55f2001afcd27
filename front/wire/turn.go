package wire

import (
	"net"
	"sync/atomic"
	"time"

	"projhost/front/gateway"
)

// Of turn.state.
const (
	turnOpen    = iota
	turnEnded   // by its handler
	turnAborted // nothing of its handler is sent any more
)

// turn is one request of an Engine.
type turn struct {
	Exchange
	c       *Conn
	pairs   []gateway.Pair
	refused error // why no handler sees it
	state   atomic.Int32

	bodyErr error // of the reader: nil if the body has been read to its end
	kept    bool  // the last piece has been sent, and another request may come
}

var _ Link = (*turn)(nil)

func (x *turn) abort(cause error) {
	if x.state.CompareAndSwap(turnOpen, turnAborted) {
		x.Interrupt(cause)
	}
}

// Pairs returns the variables, or why the request is refused.
func (x *turn) Pairs() ([]gateway.Pair, error) { return x.pairs, x.refused }

// Gone reports whether the web server has gone, or the request has ended.
func (x *turn) Gone() bool { return x.state.Load() != turnOpen }

// BeginHead is the Codec's.
func (x *turn) BeginHead(b []byte, status int) []byte { return x.c.codec.BeginHead(b, status) }

// EndHead is the Codec's.
func (x *turn) EndHead(b []byte, status int) []byte { return x.c.codec.EndHead(b, status) }

// Frame is the Codec's.
func (x *turn) Frame(b []byte, start int, last bool) []byte { return x.c.codec.Frame(b, start, last) }

// SendHead sends a head that has no room in front of the body.
func (x *turn) SendHead(head []byte, deadline time.Time) error { return x.Send(head, deadline) }

// Send sends a piece of the answer.
func (x *turn) Send(p []byte, deadline time.Time) error {
	x.c.wmu.Lock()
	defer x.c.wmu.Unlock()
	if x.Gone() {
		return ErrAborted
	}
	return x.c.write(p, deadline)
}

// SendLast sends the last piece. The next request may come as soon as the web
// server has it, so this one has ended before that.
func (x *turn) SendLast(p []byte, deadline time.Time) error {
	x.c.wmu.Lock()
	defer x.c.wmu.Unlock()
	kept := x.c.codec.Kept()
	if !x.state.CompareAndSwap(turnOpen, turnEnded) {
		return ErrAborted
	}
	if len(p) > 0 {
		if err := x.c.write(p, deadline); err != nil {
			return err
		}
	}
	x.kept = kept
	return nil
}

// BreakOff closes the connection. Over TCP the web server gets a reset, which
// it cannot take for the end of an answer without a length; a unix socket has
// none.
func (x *turn) BreakOff() {
	if t, ok := x.c.nc.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it is closed already, then
	}
	x.c.Shut(ErrAborted)
}
