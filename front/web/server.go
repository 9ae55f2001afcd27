// Package web answers requests that come by HTTP/1.1, or by HTTP/2 over TLS: from
// browsers, or from a reverse proxy. It is net/http's server with
// every wait and every size bounded, and with the variables of front/gateway in
// each request's context, so that handlers see no difference to FastCGI.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"projhost/front/wire"
)

// DefaultMaxHeaderBytes is what the zero value of Server.MaxHeaderBytes means.
const DefaultMaxHeaderBytes = 64 << 10

// Server says how to answer. The zero value of each field but Handler is a sane
// default. A Server is not changed by serving and may serve several listeners.
//
// An upload or a download may take as long as it goes on: what is bounded is the
// wait for the next bytes of it. A body is read as it comes: BodyMemory and
// TempDir have no meaning here. A connection over MaxConns takes the place of
// one that is idle, or waits for it.
type Server struct {
	wire.Config

	// Certificate makes the server one of HTTPS, as tls.Config.GetCertificate
	// does; nil is plain HTTP.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// Proxy, if not nil, has every connection begin with the head of the PROXY
	// protocol; peers that are not trusted with that may not connect.
	Proxy *ProxyTrust

	MaxHeaderBytes int // bytes of a request's head
}

// Serve answers requests of l's connections until ctx ends or l fails for good.
// It then closes l and the idle connections, lets the requests end that have
// begun, for DrainTimeout, cancels the contexts of those that have not, and
// closes what is left. It returns nil if all requests ended by themselves.
// Values of ctx are seen by handlers.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	if srv.Handler == nil {
		l.Close()
		return errors.New("web: a server without a handler")
	}
	s := &serving{Server: *srv}
	s.Fill()
	wire.OrDefault(&s.MaxHeaderBytes, DefaultMaxHeaderBytes)
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	conns := newLimiter(l, &s.Config, s.allowed, s.wrapper())
	hs := &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		ReadHeaderTimeout: s.HeaderTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         conns.state,
		ErrorLog:          newErrorLog(s.Log.With("listener", s.Listener.Name)),
	}
	failed := make(chan error, 1)
	go func() {
		if s.Certificate == nil {
			failed <- hs.Serve(conns)
			return
		}
		hs.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.Certificate}
		hs.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
		failed <- hs.ServeTLS(conns, "", "")
	}()
	select {
	case <-ctx.Done():
		s.farewell(conns)
		err := s.drain(ctx, hs, cancel)
		<-failed //nolint:errcheck // only that the listener was closed
		return err
	case err := <-failed:
		err = fmt.Errorf("web: accept: %w", err)
		return errors.Join(err, s.drain(ctx, hs, cancel))
	}
}

// maxStreams bounds the requests at a time on one connection of HTTP/2.
const maxStreams = 100

// allowed tells whether a peer may connect.
func (s *serving) allowed(a net.Addr) bool {
	why := "web: peer is not allowed"
	if s.Allowed(a) {
		if s.Proxy == nil || s.Proxy.believes(a) {
			return true
		}
		why = "web: peer is not trusted to say whose its connections are: if it is a proxy, trust= must name it"
	}
	s.Traffic.Refused.Add(1)
	s.Log.Warn(why, "listener", s.Listener.Name, "peer", a.String())
	return false
}

// wrapper is what connections are wrapped in that tell where they come from.
func (s *serving) wrapper() func(net.Conn) net.Conn {
	if s.Proxy == nil {
		return nil
	}
	return func(c net.Conn) net.Conn {
		peer := c.RemoteAddr().String()
		return newProxied(c, s.HeaderTimeout, func(err error) {
			level := slog.LevelWarn
			if errors.Is(err, errNothing) {
				level = slog.LevelDebug
			}
			s.Log.Log(context.Background(), level, "web: connection refused", "listener", s.Listener.Name, "peer", peer, "error", err)
		})
	}
}

// serving is one call of Serve.
type serving struct {
	Server // with defaults filled in
	active atomic.Int64
	ending atomic.Bool // answers close their connections
}

// farewellTimeout is how long kept connections are still listened to when the
// server ends: the next answer on each says that it is the last (RFC 9112
// section 9.6). Closed without that, a connection may end under a request that
// is on its way, which the client cannot tell from one that was carried out.
const farewellTimeout = 500 * time.Millisecond

// farewell accepts no more connections and waits for the open ones to have had
// their last answer.
func (s *serving) farewell(conns *limiter) {
	s.ending.Store(true)
	_ = conns.Close() // closed again later, where it matters
	for end := time.Now().Add(min(farewellTimeout, s.DrainTimeout)); conns.open() > 0 && time.Now().Before(end); {
		time.Sleep(farewellTimeout / 100)
	}
}

// cancelGrace is what handlers have to end after their context is cancelled.
const cancelGrace = time.Second

// drain ends all connections, see Server.Serve.
func (s *serving) drain(ctx context.Context, hs *http.Server, cancel context.CancelCauseFunc) error {
	ctx = context.WithoutCancel(ctx)
	if shutdown(ctx, hs, s.DrainTimeout) == nil {
		return nil
	}
	n := s.active.Load()
	s.Log.Warn("web: requests did not end in time, cancelling them", "listener", s.Listener.Name, "requests", n)
	cancel(wire.ErrDraining)
	_ = shutdown(ctx, hs, cancelGrace)
	_ = hs.Close() // what it says of connections is of no use any more
	if n == 0 {
		return nil // a connection that never sent a request
	}
	return fmt.Errorf("web: drain: %d requests did not end in time", n)
}

func shutdown(ctx context.Context, hs *http.Server, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return hs.Shutdown(ctx)
}
