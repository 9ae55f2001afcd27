package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Served is one connection, as Serving needs it.
type Served interface {
	comparable

	// Serve is called once, on a goroutine of Serving.WG. When the connection
	// is closed, it or another has called Serving.Forget.
	Serve()

	// Dismiss has the connection closed when it has been idle for a moment, see
	// Serving.Silence.
	Dismiss()

	// DismissIdle closes the connection and returns true if it is idle and
	// Serving.Yield says that another one waits.
	DismissIdle() bool

	// Cancel cancels the contexts of the requests; their answers are still sent.
	Cancel(cause error)

	// Shut closes the connection and aborts its requests.
	Shut(cause error)
}

// How long a kept connection must be silent before it is closed when the
// server ends. A web server may have chosen it for a request a moment ago; closed
// under that request, which the web server must not repeat if it is a POST, it
// loses it. Right after an answer that is likeliest: nginx takes the
// connection that has become free last. A busy connection is not silent, but web
// servers use one for so many requests only (nginx keepalive_requests, 1000).
const (
	farewellTimeout = 250 * time.Millisecond
	// From a quarter of DrainTimeout on this must do, from the half on none is
	// waited for.
	shortFarewell = 25 * time.Millisecond
)

// LingerTimeout is how long bytes that a web server still sends are read and
// dropped after the answer, so that a reset does not overtake the answer.
const LingerTimeout = 2 * time.Second

// Serving is one call of a server's Serve, with connections of type C.
type Serving[C Served] struct {
	Name   string          // of the protocol, for errors and logs
	Base   context.Context // of the requests
	WG     sync.WaitGroup  // goroutines of connections and requests
	Active atomic.Int64    // requests begun and not ended
	Ending atomic.Bool     // drain has begun

	endingAt atomic.Int64 // when, in Unix nanoseconds

	cfg     *Config
	slots   chan struct{} // one for each connection
	crowded atomic.Bool   // a connection waits for another to end

	mu    sync.Mutex
	conns map[C]struct{}
}

// NewServing prepares a call of Serve. The Config has its defaults filled in.
// Values of ctx are seen by handlers.
func NewServing[C Served](ctx context.Context, name string, cfg *Config) *Serving[C] {
	return &Serving[C]{
		Name: name, Base: context.WithoutCancel(ctx), cfg: cfg,
		slots: make(chan struct{}, cfg.MaxConns), conns: map[C]struct{}{},
	}
}

// Run accepts connections on l until ctx ends or l fails for good. It then
// closes l and the idle connections, lets the requests end that have begun, for
// DrainTimeout, cancels the contexts of those that have not, and closes what is
// left. It returns nil if all requests ended by themselves.
func (s *Serving[C]) Run(ctx context.Context, l net.Listener, newConn func(net.Conn) C) error {
	if s.cfg.Handler == nil {
		return fmt.Errorf("%s: a server without a handler", s.Name)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	err := s.accept(ctx, l, newConn)
	l.Close()
	return errors.Join(err, s.drain())
}

// Pauses after a failed Accept.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept returns nil when ctx ends.
func (s *Serving[C]) accept(ctx context.Context, l net.Listener, newConn func(net.Conn) C) error {
	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(ctx, nc, newConn)
			continue
		case ctx.Err() != nil:
			return nil
		case !temporary(err):
			return fmt.Errorf("%s: accept: %w", s.Name, err)
		}
		pause = min(max(2*pause, firstPause), lastPause)
		s.cfg.Log.Error(s.Name+": accept failed, will try again", "listener", s.cfg.Listener.Name, "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// temporary reports whether Accept may succeed later.
func temporary(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN,
		syscall.EPERM, syscall.EPROTO, syscall.ETIMEDOUT,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// admit starts to serve a connection, or closes it if its peer is not allowed.
func (s *Serving[C]) admit(ctx context.Context, nc net.Conn, newConn func(net.Conn) C) {
	if !s.cfg.Allowed(nc.RemoteAddr()) {
		s.cfg.Traffic.Refused.Add(1)
		s.cfg.Log.Warn(s.Name+": peer is not allowed", "listener", s.cfg.Listener.Name, "peer", nc.RemoteAddr().String())
		nc.Close()
		return
	}
	if !s.takeSlot(ctx) {
		nc.Close()
		return
	}
	s.cfg.Traffic.Begin()
	c := newConn(nc)
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.WG.Go(c.Serve)
}

// takeSlot waits until there may be one more connection, and has one that is
// idle closed, or the next to be. It returns false when ctx ends.
func (s *Serving[C]) takeSlot(ctx context.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	s.cfg.Traffic.Full.Add(1)
	s.cfg.Log.Warn(s.Name+": as many connections as allowed", "listener", s.cfg.Listener.Name, "max", s.cfg.MaxConns)
	s.crowded.Store(true)
	defer s.crowded.Store(false)
	for _, c := range s.AppendConns(nil) {
		if c.DismissIdle() {
			break
		}
	}
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Yield reports whether an idle connection is to make room for another that
// waits. It says so to one connection only.
func (s *Serving[C]) Yield() bool { return s.crowded.Load() && s.crowded.CompareAndSwap(true, false) }

// Forget is called once for each connection, when it is closed.
func (s *Serving[C]) Forget(c C) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	<-s.slots
	s.cfg.Traffic.End()
}

// AppendConns appends the connections that are open.
func (s *Serving[C]) AppendConns(list []C) []C {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// Silence is how long a connection that is idle from now on must be silent
// before it is closed, while the server ends.
func (s *Serving[C]) Silence(now time.Time) time.Duration {
	switch since := now.Sub(time.Unix(0, s.endingAt.Load())); {
	case since < s.cfg.DrainTimeout/4:
		return min(farewellTimeout, s.cfg.DrainTimeout/4)
	case since < s.cfg.DrainTimeout/2:
		return min(shortFarewell, s.cfg.DrainTimeout/4)
	}
	return 0
}

// errServed closes connections without a request.
var errServed = errors.New("the last request has ended")

// cancelGrace is what handlers have to end after their context is cancelled.
const cancelGrace = time.Second

// drain ends all connections, see Run.
func (s *Serving[C]) drain() error {
	s.endingAt.Store(time.Now().UnixNano())
	s.Ending.Store(true)
	for _, c := range s.AppendConns(nil) {
		c.Dismiss()
	}
	done := make(chan struct{})
	go func() {
		s.WG.Wait()
		close(done)
	}()
	if within(done, s.cfg.DrainTimeout) {
		return nil
	}
	n := s.Active.Load()
	if n == 0 { // the web server keeps its connections busy: this is a moment as good as any
		for _, c := range s.AppendConns(nil) {
			c.Shut(errServed)
		}
		if within(done, cancelGrace) {
			return nil
		}
	}
	s.cfg.Log.Warn(s.Name+": requests did not end in time, cancelling them", "listener", s.cfg.Listener.Name, "requests", n)
	for _, c := range s.AppendConns(nil) {
		c.Cancel(ErrDraining)
	}
	within(done, cancelGrace)
	for _, c := range s.AppendConns(nil) {
		c.Shut(ErrDraining)
	}
	if !within(done, cancelGrace) {
		return fmt.Errorf("%s: drain: %d requests did not end when cancelled", s.Name, s.Active.Load())
	}
	return fmt.Errorf("%s: drain: %d requests did not end in time", s.Name, n)
}

func within(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
