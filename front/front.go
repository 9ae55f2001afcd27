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

	"projhost/front/ajp"
	"projhost/front/fcgi"
	"projhost/front/gateway"
	"projhost/front/scgi"
	"projhost/front/uwsgi"
	"projhost/front/web"
	"projhost/front/wire"
)

// Options are what all listeners have in common.
type Options struct {
	Log      *slog.Logger                               // nil: slog.Default()
	PanicLog func(r *http.Request, v any, stack []byte) // told of a handler's panic instead of Log
	Traffic  *Traffic                                   // counts what comes; may be nil
	Former   []Passed                                   // sockets of a former process, used for the same addresses
	Open     func(*Sockets)                             // called once, before Ready, with the sockets to pass on some day
	Ready    func(addrs []net.Addr)                     // called once, when all listeners can be connected to

	wire.Limits // of each listener
}

// server is what a protocol's package has: it closes l, and drains when ctx ends.
type server interface {
	Serve(ctx context.Context, l net.Listener) error
}

// newServer is where a protocol is added: here, and in the list of protocols.
// pair is the certificate of one that has one.
func newServer(a Addr, h http.Handler, pair *keyPair, o Options) (server, error) {
	c := wire.Config{
		Handler: h, Listener: a.listener(), Log: o.Log, PanicLog: o.PanicLog, Peers: a.peers, Traffic: o.Traffic.of(a), Limits: o.Limits,
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
		s := &web.Server{Config: c}
		if a.proxyHead {
			// Whose headers are believed is told by who the client is, not the proxy.
			s.Proxy = &web.ProxyTrust{Peers: a.trusted, All: a.trustAll}
			s.Listener.TrustAll = false
		}
		if pair != nil {
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
	if o.Log == nil {
		o.Log = slog.Default()
	}
	open, err := listenAll(ctx, addrs, o.Former)
	if err != nil {
		return err
	}
	sockets := &Sockets{open: open}
	servers := make([]server, len(open))
	at := make([]net.Addr, len(open))
	for i, l := range open {
		var pair *keyPair
		if l.addr.protocol == protocolHTTPS {
			if pair, err = newKeyPair(l.addr.cert, l.addr.key, o.Log); err == nil {
				sockets.pairs = append(sockets.pairs, pair)
			}
		}
		if err == nil {
			servers[i], err = newServer(l.addr, h, pair, o)
		}
		if err != nil {
			closeAll(open)
			return fmt.Errorf("%s: %w", l.addr, err)
		}
		at[i] = l.Addr()
		o.Log.Info("listening", "listener", l.addr.String(), "protocol", l.addr.protocol, "at", at[i].String())
	}
	if o.Open != nil {
		o.Open(sockets)
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
		Admin: a.admin,
	}
}
