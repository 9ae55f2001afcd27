// Package fcgi answers requests that a web server hands on by FastCGI 1.0, in
// the responder role. It does what net/http/fcgi does, and besides:
//
//   - a panic ends its request, not the process;
//   - a request the web server aborts, or whose connection it closes, has its
//     context cancelled, and nothing its handler writes afterwards is sent:
//     request ids are used again, and late output would answer another visitor;
//   - requests that share a connection do not wait for one another;
//   - parameters, bodies, requests, connections and waiting are bounded, and
//     what is malformed is refused;
//   - Serve survives a lack of file descriptors, and drains when it is told to end.
//
// # How a connection is served
//
// One goroutine reads a connection. A request that has wholly arrived, alone on
// its connection, which is nearly every request of nearly every web server, is
// handled by that same goroutine: no other need be woken. Meanwhile nobody
// reads; but if the handler takes longer than a few milliseconds (see watch),
// a second goroutine takes the reading over, so an abort is noticed. All other
// requests are handled by goroutines of their own. Bodies are kept in a small
// window in memory and beyond it in an unlinked temporary file, so that who
// reads a connection never waits for who handles a request.
package fcgi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"projhost/front/gateway"
)

// What the zero values of Server mean.
const (
	DefaultMaxConns           = 1024
	DefaultMaxRequests        = 1024
	DefaultMaxRequestsPerConn = 64
	DefaultMaxParams          = 512
	DefaultMaxParamBytes      = 64 << 10
	DefaultMaxBody            = 256 << 20
	DefaultBodyMemory         = 64 << 10
	DefaultParamsTimeout      = 10 * time.Second
	DefaultBodyTimeout        = time.Minute
	DefaultIdleTimeout        = 5 * time.Minute
	DefaultWriteTimeout       = time.Minute
	DefaultDrainTimeout       = 20 * time.Second
)

// ErrAborted is the cause of the cancellation of a request's context, and what
// reading its body and writing its answer return, when the web server has
// aborted the request or closed the connection.
var ErrAborted = errors.New("fcgi: the web server has aborted the request")

// ErrDraining is the cause of the cancellation of a request's context when the
// request did not end within Server.DrainTimeout.
var ErrDraining = errors.New("fcgi: the server is shutting down")

// Server says how to answer. The zero value of each field but Handler is a sane
// default; a negative MaxBody or duration is no limit. A Server is not changed
// by serving and may serve several listeners; limits are for each.
type Server struct {
	Handler  http.Handler
	Listener gateway.Listener // what is told to gateway.New
	Log      *slog.Logger     // nil: slog.Default()

	// PanicLog, if set, is told of a handler's panic instead of Log.
	PanicLog func(r *http.Request, v any, stack []byte)

	// Peers, if not empty, are the only TCP peers that may connect
	// (FCGI_WEB_SERVER_ADDRS, FastCGI 1.0 section 3.2).
	Peers []netip.Prefix

	MaxConns           int    // connections; more wait to be accepted
	MaxRequests        int    // requests at a time; more are told FCGI_OVERLOADED
	MaxRequestsPerConn int    // the same, on one connection
	MaxParams          int    // parameters of a request
	MaxParamBytes      int    // bytes of FCGI_PARAMS of a request
	MaxBody            int64  // bytes of a request body
	BodyMemory         int    // bytes of a body kept in memory, the rest goes to a file
	TempDir            string // where that file is made; "": os.TempDir()

	ParamsTimeout time.Duration // from FCGI_BEGIN_REQUEST to the last FCGI_PARAMS
	BodyTimeout   time.Duration // without a byte, while a body is outstanding
	IdleTimeout   time.Duration // of a kept connection without a request
	WriteTimeout  time.Duration // of one write to the web server
	DrainTimeout  time.Duration // from the end of Serve's context to that of the requests'
}

// Serve answers with the defaults of Server.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return (&Server{Handler: h}).Serve(ctx, l)
}

// Serve accepts connections on l and answers their requests until ctx ends or l
// fails for good. It then closes l and the idle connections, lets the requests
// end that have begun, for DrainTimeout, cancels the contexts of those that
// have not, and closes what is left. It returns nil if all requests ended by
// themselves. Values of ctx are seen by handlers.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	if srv.Handler == nil {
		return errors.New("fcgi: a server without a handler")
	}
	s := newServing(ctx, srv)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	s.watch.start(s)
	defer s.watch.stop()
	err := s.accept(ctx, l)
	l.Close()
	return errors.Join(err, s.drain())
}

// serving is one call of Serve.
type serving struct {
	Server  // with defaults filled in
	base    context.Context
	wg      sync.WaitGroup // goroutines of connections and requests
	slots   chan struct{}  // one for each connection
	active  atomic.Int64   // requests begun and not ended
	crowded atomic.Bool    // a connection waits for another to end
	ending  atomic.Bool    // drain has begun
	windows sync.Pool      // *[]byte of BodyMemory bytes
	small   sync.Pool      // *smallBuffer
	large   sync.Pool      // *largeBuffer
	input   sync.Pool      // *[inputLen]byte
	watch   watch

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newServing(ctx context.Context, srv *Server) *serving {
	s := &serving{Server: *srv, base: context.WithoutCancel(ctx), conns: map[*conn]struct{}{}}
	c := &s.Server
	if c.Log == nil {
		c.Log = slog.Default()
	}
	orDefault(&c.MaxConns, DefaultMaxConns)
	orDefault(&c.MaxRequests, DefaultMaxRequests)
	orDefault(&c.MaxRequestsPerConn, DefaultMaxRequestsPerConn)
	orDefault(&c.MaxParams, DefaultMaxParams)
	orDefault(&c.MaxParamBytes, DefaultMaxParamBytes)
	orDefault(&c.BodyMemory, DefaultBodyMemory)
	orUnlimited(&c.MaxBody, DefaultMaxBody, math.MaxInt64)
	const ever = time.Duration(math.MaxInt64) / 4
	orUnlimited(&c.ParamsTimeout, DefaultParamsTimeout, ever)
	orUnlimited(&c.BodyTimeout, DefaultBodyTimeout, ever)
	orUnlimited(&c.IdleTimeout, DefaultIdleTimeout, ever)
	orUnlimited(&c.WriteTimeout, DefaultWriteTimeout, ever)
	orUnlimited(&c.DrainTimeout, DefaultDrainTimeout, ever)
	s.slots = make(chan struct{}, c.MaxConns)
	s.windows.New = func() any { b := make([]byte, c.BodyMemory); return &b }
	s.small.New = func() any { return new(smallBuffer) }
	s.large.New = func() any { return new(largeBuffer) }
	s.input.New = func() any { return new([inputLen]byte) }
	return s
}

func orDefault(n *int, def int) {
	if *n <= 0 {
		*n = def
	}
}

func orUnlimited[T ~int64](n *T, def, unlimited T) {
	switch {
	case *n == 0:
		*n = def
	case *n < 0:
		*n = unlimited
	}
}

// Pauses after a failed Accept.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept returns nil when ctx ends.
func (s *serving) accept(ctx context.Context, l net.Listener) error {
	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(ctx, nc)
			continue
		case ctx.Err() != nil:
			return nil
		case !temporary(err):
			return fmt.Errorf("fcgi: accept: %w", err)
		}
		pause = min(max(2*pause, firstPause), lastPause)
		s.Log.Error("fcgi: accept failed, will try again", "listener", s.Listener.Name, "error", err, "pause", pause)
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
func (s *serving) admit(ctx context.Context, nc net.Conn) {
	if !s.allowed(nc.RemoteAddr()) {
		s.Log.Warn("fcgi: peer is not allowed", "listener", s.Listener.Name, "peer", nc.RemoteAddr().String())
		nc.Close()
		return
	}
	if !s.takeSlot(ctx) {
		nc.Close()
		return
	}
	c := newConn(s, nc)
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.wg.Go(c.serve)
}

// takeSlot waits until there may be one more connection, and has one that is
// idle closed, or the next to be. It returns false when ctx ends.
func (s *serving) takeSlot(ctx context.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	s.Log.Warn("fcgi: as many connections as allowed", "listener", s.Listener.Name, "max", s.MaxConns)
	s.crowded.Store(true)
	defer s.crowded.Store(false)
	for _, c := range s.appendConns(nil) {
		if c.dismissIdle() {
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

func (s *serving) allowed(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok || len(s.Peers) == 0 {
		return true
	}
	addr := t.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range s.Peers {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// forget is called once for each connection, when it is closed.
func (s *serving) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	<-s.slots
}

func (s *serving) appendConns(list []*conn) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// cancelGrace is what handlers have to end after their context is cancelled.
const cancelGrace = time.Second

// drain ends all connections, see Server.Serve.
func (s *serving) drain() error {
	s.ending.Store(true)
	for _, c := range s.appendConns(nil) {
		c.dismiss()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	if within(done, s.DrainTimeout) {
		return nil
	}
	n := s.active.Load()
	s.Log.Warn("fcgi: requests did not end in time, cancelling them", "listener", s.Listener.Name, "requests", n)
	for _, c := range s.appendConns(nil) {
		c.cancel(ErrDraining)
	}
	within(done, cancelGrace)
	for _, c := range s.appendConns(nil) {
		c.shut(ErrDraining)
	}
	if !within(done, cancelGrace) {
		return fmt.Errorf("fcgi: drain: %d requests did not end when cancelled", s.active.Load())
	}
	return fmt.Errorf("fcgi: drain: %d requests did not end in time", n)
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
