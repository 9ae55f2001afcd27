// Package front listens and serves: sockets of several kinds, each with a
// protocol by which a web server, or a browser, reaches the same handler.
//
// A listener is written as a URL, see ParseAddr. Serve runs several of them in
// one process and lets their requests end when it is told to stop.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"projhost/front/ajp"
	"projhost/front/fcgi"
	"projhost/front/gateway"
	"projhost/front/scgi"
	"projhost/front/uwsgi"
	"projhost/front/web"
	"projhost/front/wire"
)

// What the zero values of Options mean, and the defaults of flags.
const (
	DefaultMaxBody       = 256 << 20
	DefaultMaxConns      = 1024
	DefaultMaxRequests   = 1024
	DefaultHeaderTimeout = 10 * time.Second
	DefaultBodyTimeout   = time.Minute
	DefaultIdleTimeout   = 5 * time.Minute
	DefaultWriteTimeout  = time.Minute
	DefaultDrainTimeout  = 20 * time.Second
)

// Options bound what front ends take, each listener for itself. The zero value
// of a field means its default; a negative MaxBody or duration is no limit.
type Options struct {
	Log      *slog.Logger                               // nil: slog.Default()
	PanicLog func(r *http.Request, v any, stack []byte) // told of a handler's panic instead of Log
	Former   []Passed                                   // sockets of a former process, used for the same addresses
	Open     func(*Sockets)                             // called once, before Ready, with the sockets to pass on some day
	Ready    func(addrs []net.Addr)                     // called once, when all listeners can be connected to

	MaxBody     int64 // bytes of a request's body
	MaxConns    int   // connections
	MaxRequests int   // requests at a time

	HeaderTimeout time.Duration // for a request's head, or its parameters, to arrive
	BodyTimeout   time.Duration // without a byte of a body that is outstanding
	IdleTimeout   time.Duration // of a kept connection without a request
	WriteTimeout  time.Duration // of one write to the peer
	DrainTimeout  time.Duration // for requests to end, after the end of Serve's context
}

// fill puts the defaults in, so that all protocols have the same.
func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	orDefault(&o.MaxBody, DefaultMaxBody)
	orDefault(&o.MaxConns, DefaultMaxConns)
	orDefault(&o.MaxRequests, DefaultMaxRequests)
	orDefault(&o.HeaderTimeout, DefaultHeaderTimeout)
	orDefault(&o.BodyTimeout, DefaultBodyTimeout)
	orDefault(&o.IdleTimeout, DefaultIdleTimeout)
	orDefault(&o.WriteTimeout, DefaultWriteTimeout)
	orDefault(&o.DrainTimeout, DefaultDrainTimeout)
}

func orDefault[T ~int | ~int64](n *T, def T) {
	if *n == 0 {
		*n = def
	}
}

// server is what a protocol's package has: it closes l, and drains when ctx ends.
type server interface {
	Serve(ctx context.Context, l net.Listener) error
}

// newServer is where a protocol is added: here, and in the list of protocols.
func newServer(a Addr, h http.Handler, o Options) (server, error) {
	l := a.listener()
	c := wire.Config{
		Handler: h, Listener: l, Log: o.Log, PanicLog: o.PanicLog, Peers: a.peers,
		MaxConns: o.MaxConns, MaxRequests: o.MaxRequests, MaxBody: o.MaxBody,
		HeaderTimeout: o.HeaderTimeout, BodyTimeout: o.BodyTimeout, IdleTimeout: o.IdleTimeout,
		WriteTimeout: o.WriteTimeout, DrainTimeout: o.DrainTimeout,
	}
	switch a.protocol {
	case protocolFCGI:
		return &fcgi.Server{Config: c}, nil
	case protocolSCGI:
		return &scgi.Server{Config: c}, nil
	case protocolUWSGI:
		return &uwsgi.Server{Config: c}, nil
	case protocolAJP:
		return &ajp.Server{Config: c, Secret: a.secret}, nil
	case protocolHTTP, protocolHTTPS:
		s := &web.Server{
			Handler: h, Listener: l, Log: o.Log, PanicLog: o.PanicLog, Peers: a.peers,
			MaxConns: o.MaxConns, MaxRequests: o.MaxRequests, MaxBody: o.MaxBody,
			HeaderTimeout: o.HeaderTimeout, BodyTimeout: o.BodyTimeout, IdleTimeout: o.IdleTimeout,
			WriteTimeout: o.WriteTimeout, DrainTimeout: o.DrainTimeout,
		}
		if a.proxyHead {
			// Whose headers are believed is told by who the client is, not the proxy.
			s.Proxy = &web.ProxyTrust{Peers: a.trusted, All: a.trustAll}
			s.Listener.TrustAll = false
		}
		if a.protocol == protocolHTTPS {
			pair, err := newKeyPair(a.cert, a.key, o.Log)
			if err != nil {
				return nil, err
			}
			s.Certificate = pair.get
		}
		return s, nil
	}
	return nil, fmt.Errorf("no protocol %q", a.protocol)
}

// protocols are the ones newServer knows.
func protocols() []string {
	return []string{protocolFCGI, protocolSCGI, protocolUWSGI, protocolAJP, protocolHTTP, protocolHTTPS}
}

const (
	protocolFCGI  = "fcgi"
	protocolSCGI  = "scgi"
	protocolUWSGI = "uwsgi"
	protocolAJP   = "ajp"
	protocolHTTP  = "http"
	protocolHTTPS = "https"
)

// Serve listens on all addrs and answers with h until ctx ends; it then lets
// the requests end that have begun, on all listeners at once. If one cannot be
// listened on, none is served. If one fails later, the others are drained, too.
// It returns nil if it was told to end and all requests ended in time.
//
// Addresses of systemd's sockets can be served once in a process: Serve takes
// the sockets, and LISTEN_FDS and the like out of the environment.
func Serve(ctx context.Context, h http.Handler, o Options, addrs ...Addr) error {
	if len(addrs) == 0 {
		return errors.New("no address to listen on")
	}
	o.fill()
	open, err := listenAll(ctx, addrs, o.Former)
	if err != nil {
		return err
	}
	servers := make([]server, len(open))
	at := make([]net.Addr, len(open))
	for i, l := range open {
		if servers[i], err = newServer(l.addr, h, o); err != nil {
			closeAll(open)
			return fmt.Errorf("%s: %w", l.addr, err)
		}
		at[i] = l.Addr()
		o.Log.Info("listening", "listener", l.addr.String(), "protocol", l.addr.protocol, "at", at[i].String())
	}
	if o.Open != nil {
		o.Open(&Sockets{open: open})
	}
	if o.Ready != nil {
		o.Ready(at)
	}
	return serveAll(ctx, servers, open)
}

// serveAll serves until ctx ends or one server fails.
func serveAll(ctx context.Context, servers []server, open []listening) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			defer stop()
			if err := servers[i].Serve(ctx, open[i].Listener); err != nil {
				errs[i] = fmt.Errorf("%s: %w", open[i].addr, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// listener is what front/gateway is told of an address.
func (a Addr) listener() gateway.Listener {
	return gateway.Listener{
		Name: a.String(), Settings: a.Settings(), Trusted: a.trusted, TrustAll: a.trustAll,
		UserHeader: a.userHeader, StripDomain: a.stripDomain, StripRealm: a.stripRealm,
	}
}
