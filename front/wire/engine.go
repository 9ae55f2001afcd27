package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"projhost/front/gateway"
)

// Codec is how the bytes of a protocol look that has one request at a time on a
// connection. There is one Codec for each connection. ReadHead and ReadBody are
// called by one goroutine at a time; BeginHead, EndHead and Frame, for which see
// Link, by another while ReadBody runs.
type Codec interface {
	// ReadHead reads the head of the next request; its first byte has come. The
	// error may be a *Refusal, which is answered, a *Malformed, which closes the
	// connection, or ErrNoRequest.
	ReadHead(in *bufio.Reader) (Head, error)

	// ReadBody puts the body of the request into b, until its end. It is not
	// called if there is none.
	ReadBody(in *bufio.Reader, b *Body) error

	// Kept reports whether another request may come after this one. It is asked
	// when the last piece of the answer is sent, by who sends it.
	Kept() bool

	// Shape returns the gap and the limit that Exchange.Init wants.
	Shape() (gap, limit int)

	BeginHead(b []byte, status int) []byte
	EndHead(b []byte, status int) []byte
	Frame(b []byte, start int, last bool) []byte
}

// Asker is a Codec of a protocol that keeps connections, and in which the web
// server therefore sends of a body only what it is asked for.
type Asker interface {
	// Ask is called when a handler waits for more of the body.
	Ask()
}

// Head is what Codec.ReadHead has read.
type Head struct {
	Pairs  []gateway.Pair
	Length int64 // of the body; negative if it is not known
}

// ErrNoRequest is what Codec.ReadHead returns when what came was no request but
// has been dealt with, as a ping.
var ErrNoRequest = errors.New("not a request")

// Malformed is what a peer does that is not the protocol; the connection is closed.
type Malformed struct{ msg string }

func (e *Malformed) Error() string { return e.msg }

// Malformedf makes a *Malformed.
func Malformedf(format string, args ...any) error { return &Malformed{fmt.Sprintf(format, args...)} }

// Engine serves a protocol with one request at a time on a connection.
type Engine struct {
	Config
	Name     string // of the protocol, for errors and logs
	NewCodec func(*Conn) Codec
}

// Serve answers the requests that come by l until ctx ends or l fails for good,
// and then drains, see Serving.
func (e *Engine) Serve(ctx context.Context, l net.Listener) error {
	r := &running{Engine: *e}
	r.Fill()
	r.Serving = NewServing[*Conn](ctx, e.Name, &r.Config)
	r.shared = NewShared(e.Name, &r.Config)
	r.inputs.New = func() any { return bufio.NewReaderSize(nil, inputLen) }
	return r.Run(ctx, l, r.newConn)
}

// inputLen is the size of a connection's read buffer, in bytes.
const inputLen = 8 << 10

// running is one call of Engine.Serve.
type running struct {
	Engine // with defaults filled in
	*Serving[*Conn]
	shared *Shared
	inputs sync.Pool // *bufio.Reader
}

// Conn is one connection of an Engine.
type Conn struct {
	s     *running
	nc    net.Conn
	in    *bufio.Reader // of source
	codec Codec
	first bool // no request has come yet

	wmu   sync.Mutex // held while writing
	wtill time.Time  // the write deadline

	mu        sync.Mutex
	x         *turn         // the request that is being answered
	idle      bool          // waiting for the first byte of a request
	gap       time.Duration // that a Read may take, 0: any
	quiet     bool          // nothing is to be read any more of this turn
	dismissed bool          // to be closed when idle
	dead      bool

	logged atomic.Bool
}

func (s *running) newConn(nc net.Conn) *Conn {
	c := &Conn{s: s, nc: nc, in: s.inputs.Get().(*bufio.Reader), first: true}
	c.in.Reset(source{c})
	c.codec = s.NewCodec(c)
	return c
}

// Serve answers the requests of the connection.
func (c *Conn) Serve() {
	defer func() {
		c.Shut(ErrAborted)
		c.in.Reset(nil)
		c.s.inputs.Put(c.in)
	}()
	for c.await() {
		head, err := c.codec.ReadHead(c.in)
		var refused *Refusal
		switch {
		case errors.Is(err, ErrNoRequest):
			c.first = false
			continue
		case err != nil && !errors.As(err, &refused):
			c.lost(err, fmt.Sprintf("the head of a request did not arrive within %v", c.s.HeaderTimeout))
			return
		}
		c.first = false
		if !c.answer(head, err) {
			return
		}
	}
}

// await waits for the first byte of a request. It returns false if there will
// be none.
func (c *Conn) await() bool {
	c.mu.Lock()
	now := time.Now()
	till := now.Add(c.s.IdleTimeout)
	if c.first {
		till = now.Add(c.s.HeaderTimeout)
	}
	if c.dismissed {
		if at := now.Add(c.s.Silence(now)); at.Before(till) {
			till = at
		}
	}
	c.idle = true
	c.mu.Unlock()
	if !c.first && c.in.Buffered() == 0 && c.s.Yield() {
		return false
	}
	c.readBy(till, 0)
	_, err := c.in.Peek(1)
	c.mu.Lock()
	c.idle = false
	c.mu.Unlock()
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.lost(err, "")
		}
		return false
	}
	c.readBy(time.Now().Add(c.s.HeaderTimeout), 0)
	return true
}

// readBy sets the deadline of reading, and how long each Read may take.
func (c *Conn) readBy(t time.Time, gap time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gap = gap
	if gap > 0 {
		t = time.Now().Add(gap)
	}
	if !c.quiet {
		_ = c.nc.SetReadDeadline(t) // fails on a closed connection, of which Read tells
	}
}

// Expect bounds the wait for each further part of a body by Config.BodyTimeout,
// or does not bound it. It is for protocols that ask for parts.
func (c *Conn) Expect(part bool) {
	var gap time.Duration
	if part {
		gap = c.s.BodyTimeout
	}
	c.readBy(time.Time{}, gap)
}

// source is what bufio reads.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	if c.quiet {
		c.mu.Unlock()
		return 0, os.ErrDeadlineExceeded
	}
	if c.gap > 0 {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.gap)) // see readBy
	}
	c.mu.Unlock()
	return c.nc.Read(p)
}

// lost logs why there is nothing more to be read, unless that is nobody's fault.
func (c *Conn) lost(err error, late string) {
	var bad *Malformed
	switch {
	case errors.As(err, &bad):
		c.Warn("connection closed", "error", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.Warn("connection closed", "error", late)
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		c.s.Log.Debug(c.s.Serving.Name+": connection lost", "listener", c.s.Listener.Name, "error", err)
	}
}

// Warn logs what a web server does wrong, once for each connection.
func (c *Conn) Warn(msg string, args ...any) {
	if c.logged.CompareAndSwap(false, true) {
		c.s.Log.Warn(c.s.Serving.Name+": "+msg, append(args, "listener", c.s.Listener.Name, "peer", c.nc.RemoteAddr().String())...)
	}
}

// answer runs one request, or answers why it is refused. It returns whether
// there may be another one.
func (c *Conn) answer(head Head, refused error) (again bool) {
	defer c.s.Active.Add(-1)
	if c.s.Active.Add(1) > int64(c.s.MaxRequests) {
		c.s.Traffic.TurnedAway.Add(1)
		refused = Refuse(http.StatusServiceUnavailable, "as many requests as allowed, %d", c.s.MaxRequests)
	}
	x := &turn{c: c, pairs: head.Pairs, refused: refused}
	gap, limit := c.codec.Shape()
	x.Init(c.s.Base, c.s.shared, x, gap, limit)
	asker, asks := c.codec.(Asker)
	if asks {
		x.Body.AskWith(asker.Ask)
	}
	c.mu.Lock()
	c.x, c.quiet = x, false
	dead := c.dead
	c.mu.Unlock()
	if dead {
		x.abort(ErrAborted)
	}
	reading := sync.WaitGroup{}
	switch {
	case refused != nil:
		x.bodyErr = refused
	case head.Length == 0:
		x.Body.End()
	case head.Length > 0 && head.Length <= int64(c.in.Buffered()) && !asks:
		x.bodyErr = c.codec.ReadBody(c.in, &x.Body)
	default:
		x.bodyErr = errUnread
	}
	if refused == nil {
		reading.Add(1)
		c.s.WG.Go(func() { defer reading.Done(); c.read(x) })
	}
	defer func() { // also after runtime.Goexit in the handler
		c.hush()
		reading.Wait()
		again = c.settle(x)
	}()
	x.Run()
	return false
}

var errUnread = errors.New("a body is not read to its end")

// read reads the body and then waits for the web server to go away, until hush
// is called.
func (c *Conn) read(x *turn) {
	if errors.Is(x.bodyErr, errUnread) {
		c.readBy(time.Time{}, c.s.BodyTimeout)
		x.bodyErr = c.codec.ReadBody(c.in, &x.Body)
	}
	err := x.bodyErr
	if err == nil {
		x.Body.End()
		c.readBy(time.Time{}, 0)
		err = c.watch()
	}
	if err == nil || c.hushed() && errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if x.state.Load() == turnOpen {
		c.lost(err, fmt.Sprintf("no byte of a request body within %v", c.s.BodyTimeout))
	}
	c.Shut(ErrAborted)
}

// watch returns an error when the connection is closed, and nil when the next
// request has come while this one is being answered.
func (c *Conn) watch() error {
	for {
		if _, err := c.in.Peek(1); err != nil {
			return err
		}
		if _, kept := c.codec.(Asker); kept {
			return nil
		}
		// More than was announced. It is not waited for at the end, see settle.
		if _, err := c.in.Discard(c.in.Buffered()); err != nil {
			return err
		}
	}
}

// hush ends reading.
func (c *Conn) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection, which wakes too
}

func (c *Conn) hushed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quiet
}

// settle closes the connection when a request has been answered, or returns
// true if it is kept. One whose web server still sends is read on for a while:
// a reset would overtake the answer.
func (c *Conn) settle(x *turn) bool {
	c.mu.Lock()
	c.x, c.quiet = nil, false
	dead := c.dead
	c.mu.Unlock()
	switch {
	case dead:
		return false
	case x.bodyErr == nil && x.kept:
		return true
	case x.bodyErr == nil:
		return false
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return false
	}
	c.readBy(time.Now().Add(LingerTimeout), 0)
	_, _ = io.Copy(io.Discard, c.in) // until the peer closes, or the deadline
	return false
}

// Answered reports whether the last piece of the answer is sent, or being sent.
func (c *Conn) Answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.x == nil || c.x.Gone()
}

// MayKeep reports whether the connection can be kept after this request, as far
// as the server is concerned.
func (c *Conn) MayKeep() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dismissed && !c.dead && (c.x == nil || c.x.refused == nil)
}

// Short reports whether a part of the answer is missing, see Response.Short.
func (c *Conn) Short() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.x != nil && c.x.Resp.Short()
}

// Dismiss has the connection closed when it has been idle for a moment.
func (c *Conn) Dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dismissed = true
	if c.idle {
		now := time.Now()
		_ = c.nc.SetReadDeadline(now.Add(c.s.Silence(now))) // see hush
	}
}

// DismissIdle closes the connection if it is idle and another one waits.
func (c *Conn) DismissIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.idle || c.first || c.dead || c.dismissed || !c.s.Yield() {
		return false
	}
	c.dismissed = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // see hush
	return true
}

// Cancel cancels the context of the request; its answer is still sent.
func (c *Conn) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.x != nil {
		c.x.Interrupt(cause)
	}
}

// Shut closes the connection and aborts its request. Only the first call counts.
func (c *Conn) Shut(cause error) {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	x := c.x
	c.mu.Unlock()
	if x != nil {
		x.abort(cause)
	}
	_ = c.nc.Close() // what was not sent is not waited for
	c.s.Forget(c)
}

// Say sends bytes that are no part of an answer.
func (c *Conn) Say(p []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.mu.Lock()
	over := c.dead || c.x != nil && c.x.Gone()
	c.mu.Unlock()
	if over {
		return ErrAborted
	}
	return c.write(p, time.Time{})
}

// write sends p, and closes the connection if it cannot. It needs c.wmu.
func (c *Conn) write(p []byte, deadline time.Time) error {
	if err := ArmWrite(c.nc, &c.wtill, c.s.WriteTimeout, deadline); err != nil {
		return err
	}
	if _, err := c.nc.Write(p); err != nil {
		c.Shut(ErrAborted)
		return fmt.Errorf("writing to the web server: %w", err)
	}
	return nil
}

// ArmWrite sets the deadline of a write. One that is not zero takes the place of
// now and timeout, of which the last half counts too, to spare most writes the
// setting of a timer: till is when the timer is set to.
func ArmWrite(nc net.Conn, till *time.Time, timeout time.Duration, deadline time.Time) error {
	if !deadline.IsZero() {
		*till = time.Time{}
		return nc.SetWriteDeadline(deadline)
	}
	now := time.Now()
	if till.Sub(now) >= timeout/2 {
		return nil
	}
	*till = now.Add(timeout)
	return nc.SetWriteDeadline(*till)
}
