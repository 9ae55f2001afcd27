package fcgi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"projhost/front/wire"
)

// inputLen is the size of a connection's read buffer. Records of any length
// pass through it piece by piece.
const inputLen = 8 << 10

// Reasons to close a connection that are nobody's fault.
var (
	errIdle   = errors.New("fcgi: nothing to do")
	errServed = errors.New("fcgi: the last request has ended")
)

// conn is one connection of a web server. Who reads it is passed on, see
// lead; the fields of the reader are only touched by the one that reads.
type conn struct {
	s  *serving
	nc net.Conn

	// Of the reader.
	in         *[inputLen]byte
	r, w       int        // in[r:w] is not yet looked at
	rec        header     // the record that is being read,
	inRecord   bool       // if there is one;
	inContent  bool       // not all of its content is handled
	left       int        // bytes of its content still to come
	pad        int        // bytes of padding still to come
	ready      []*request // may be handled
	spare      []byte     // room for parameters
	receiving  int        // requests whose parameters are not complete
	read       time.Time  // when bytes came last
	armed      time.Time  // the read deadline, zero if there is none to come
	discarding bool       // nothing is looked at any more

	wmu   sync.Mutex // held while writing
	wtill time.Time  // the write deadline

	mu        sync.Mutex
	reqs      []*request // begun, and neither ended nor aborted
	load      int        // requests begun whose handler has not ended
	running   int        // handlers, and the writing of their answers
	idleAt    time.Time  // when running became 0
	leading   bool       // the goroutine that was reading handles a request, nobody reads
	turn      uint64     // how often leading was set,
	seen      uint64     // as relieve has seen it
	mpx       bool       // the web server has had two requests at a time
	closing   bool       // a request without FCGI_KEEP_CONN has ended
	dismissed bool       // to be closed when idle
	farewell  time.Time  // until then an idle connection is not closed, though the server ends; zero before
	unread    bool       // a request has ended before its body
	pending   []byte     // records of the reader, to be written by flush
	flushing  bool
	lingering time.Time // not zero: all is written, reading until then
	dead      bool

	logged atomic.Bool
}

func (s *serving) newConn(nc net.Conn) *conn {
	now := time.Now()
	return &conn{s: s, nc: nc, in: s.input.Get().(*[inputLen]byte), read: now, idleAt: now}
}

// Serve reads until the connection ends or another goroutine takes the reading
// over.
func (c *conn) Serve() {
	for {
		err := c.consume()
		if err == nil {
			if lead := c.dispatch(); lead != nil {
				if !c.lead(lead) {
					return
				}
				continue
			}
			err = c.fill()
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// end is the end of reading.
func (c *conn) end(err error) {
	var bad *wire.Malformed
	switch {
	case errors.As(err, &bad):
		c.warn("fcgi: connection closed", "error", err)
	case errors.Is(err, io.EOF), errors.Is(err, errIdle), errors.Is(err, errServed), errors.Is(err, net.ErrClosed):
	default:
		c.s.Log.Debug("fcgi: connection lost", "listener", c.s.Listener.Name, "error", err)
	}
	c.Shut(wire.ErrAborted)
	c.s.input.Put(c.in)
	c.in = nil
}

// warn logs what a web server does wrong, once for each connection.
func (c *conn) warn(msg string, args ...any) {
	if c.logged.CompareAndSwap(false, true) {
		c.s.Log.Warn(msg, append(args, "listener", c.s.Listener.Name, "peer", c.nc.RemoteAddr().String())...)
	}
}

// fill waits for bytes.
func (c *conn) fill() error {
	if c.r > 0 {
		c.w = copy(c.in[:], c.in[c.r:c.w])
		c.r = 0
	}
	for {
		if c.armed.IsZero() || c.receiving > 0 {
			if err := c.arm(); err != nil {
				return err
			}
		}
		n, err := c.nc.Read(c.in[c.w:])
		if n > 0 {
			c.w += n
			c.read = time.Now()
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		c.armed = time.Time{}
	}
}

// arm sets the read deadline to when something may have to be done about the
// peer's silence, and does it if that is now. It is called when the last
// deadline has passed, not for each request.
func (c *conn) arm() error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	till := now.Add(min(c.s.IdleTimeout, c.s.BodyTimeout))
	sooner := func(t time.Time) {
		if t.Before(till) {
			till = t
		}
	}
	if !c.lingering.IsZero() {
		c.discarding = true
		sooner(c.lingering)
		if !now.Before(c.lingering) {
			return errServed
		}
	}
	for _, r := range c.reqs {
		switch {
		case !r.started:
			sooner(r.begun.Add(c.s.HeaderTimeout))
			if now.Sub(r.begun) >= c.s.HeaderTimeout {
				return wire.Malformedf("the parameters did not arrive within %v", c.s.HeaderTimeout)
			}
		case now.Sub(c.read) >= c.s.BodyTimeout && !r.Body.Arrived():
			return wire.Malformedf("no byte of a request body within %v", c.s.BodyTimeout)
		}
	}
	if c.idle() {
		since := c.read
		if since.Before(c.idleAt) {
			since = c.idleAt
		}
		if c.dismissed && !now.Before(c.farewell) || now.Sub(since) >= c.s.IdleTimeout {
			return errIdle
		}
		if c.dismissed {
			sooner(c.farewell)
		}
		sooner(since.Add(c.s.IdleTimeout))
	}
	c.armed = till
	return c.nc.SetReadDeadline(till)
}

// idle needs c.mu.
func (c *conn) idle() bool {
	return len(c.reqs) == 0 && c.running == 0 && len(c.pending) == 0 && !c.flushing
}

// dispatch starts the requests that are ready. It returns the one that the
// reader itself is to handle, if any: one that came whole and alone.
func (c *conn) dispatch() *request {
	if len(c.ready) == 0 {
		return nil
	}
	var lead *request
	c.mu.Lock()
	alone := c.load == 1 && c.r == c.w && !c.mpx
	for _, r := range c.ready {
		if r.state.Load() != stateOpen {
			continue // aborted, or the connection is closed
		}
		r.started = true
		c.running++
		if alone && r.Body.Arrived() {
			lead = r
			c.leading = true
			c.turn++
			continue
		}
		c.s.WG.Go(r.handle)
	}
	// Once c.mu is given up, another reader may have been started by relieve.
	clear(c.ready)
	c.ready = c.ready[:0]
	c.mu.Unlock()
	return lead
}

// lead handles a request on the goroutine that has read it. It returns false
// if another one has taken the reading over meanwhile.
func (c *conn) lead(r *request) bool {
	c.s.watch.enter()
	returned := false
	defer func() {
		if !returned && c.relead() { // the handler called runtime.Goexit
			c.s.WG.Go(c.Serve)
		}
	}()
	r.handle()
	returned = true
	return c.relead()
}

// relead reports whether the one that called lead goes on reading.
func (c *conn) relead() bool {
	c.mu.Lock()
	still := c.leading
	c.leading = false
	c.mu.Unlock()
	if still {
		c.s.watch.leave()
	}
	return still
}

// relieve starts a new reader if the last one has been handling the same
// request since the last call.
func (c *conn) relieve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leading && c.seen == c.turn {
		c.leading = false
		c.s.watch.leave()
		c.s.WG.Go(c.Serve)
	}
	c.seen = c.turn
}

// settled is called when so many handlers have ended and their answers are
// written, and when records of the reader are: it closes a connection that is to
// be closed.
func (c *conn) settled(handlers int) {
	c.mu.Lock()
	c.running -= handlers
	idle := c.idle()
	if idle {
		c.idleAt = time.Now()
		c.dismissed = c.dismissed || c.s.Yield()
		if !c.farewell.IsZero() {
			c.farewell = c.idleAt.Add(c.s.Silence(c.idleAt))
		}
	}
	parting := c.dismissed && c.farewell.After(c.idleAt) && !c.unread
	quit := idle && !c.dead && (c.closing || c.dismissed && !parting) && c.lingering.IsZero()
	linger := quit && c.unread
	if linger {
		c.lingering = time.Now().Add(wire.LingerTimeout)
	}
	c.mu.Unlock()
	switch {
	case linger:
		c.linger()
	case quit:
		c.Shut(errServed)
	case idle && parting:
		c.wakeReader()
	}
}

// linger tells the peer that all is said, and has the reader drop what is still
// coming.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.Shut(errServed)
		return
	}
	c.wakeReader()
}

// wakeReader makes a waiting Read return, so that arm decides anew.
func (c *conn) wakeReader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection, which wakes too
}

// Dismiss has the connection closed when it has been idle for a moment.
func (c *conn) Dismiss() {
	now := time.Now()
	c.mu.Lock()
	c.dismissed, c.farewell = true, now.Add(c.s.Silence(now))
	c.mu.Unlock()
	c.wakeReader()
}

// DismissIdle does it if the connection is idle and another one waits.
func (c *conn) DismissIdle() bool {
	c.mu.Lock()
	ok := c.idle() && !c.dead && !c.dismissed && c.s.Yield()
	c.dismissed = c.dismissed || ok
	c.mu.Unlock()
	if ok {
		c.wakeReader()
	}
	return ok
}

// Cancel cancels the contexts of all requests; their answers are still sent.
func (c *conn) Cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.reqs {
		r.Interrupt(err)
	}
}

// Shut closes the connection and aborts its requests. Only the first call counts.
func (c *conn) Shut(err error) {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	reqs := c.reqs
	c.reqs = nil
	for _, r := range reqs {
		r.abort(err)
	}
	c.mu.Unlock()
	c.nc.Close()
	c.s.Forget(c)
}

// shutIfAlone closes the connection unless other requests share it.
func (c *conn) shutIfAlone(r *request) {
	c.mu.Lock()
	alone := len(c.reqs) == 1 && c.reqs[0] == r
	c.mu.Unlock()
	if alone {
		c.Shut(wire.ErrAborted)
	}
}

// maxPending bounds what the reader has to say to a peer that does not listen.
const maxPending = 32 << 10

// reply has a record of the reader's own sent, without waiting for it.
func (c *conn) reply(record []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending)+len(record) > maxPending {
		return wire.Malformedf("the peer sends without reading")
	}
	c.pending = append(c.pending, record...)
	if !c.flushing {
		c.flushing = true
		c.s.WG.Go(c.flush)
	}
	return nil
}

// flush writes what reply has collected.
func (c *conn) flush() {
	var err error
	for err == nil {
		c.mu.Lock()
		p := c.pending
		c.pending = nil
		c.flushing = len(p) > 0
		c.mu.Unlock()
		if len(p) == 0 {
			break
		}
		c.wmu.Lock()
		err = c.write(p, time.Time{})
		c.wmu.Unlock()
	}
	c.settled(0)
}

// write sends p, and closes the connection if it cannot. It needs c.wmu.
func (c *conn) write(p []byte, deadline time.Time) error {
	if err := wire.ArmWrite(c.nc, &c.wtill, c.s.WriteTimeout, deadline); err != nil {
		return err
	}
	if _, err := c.nc.Write(p); err != nil {
		c.Shut(wire.ErrAborted)
		return fmt.Errorf("fcgi: writing to the web server: %w", err)
	}
	return nil
}
