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
	"net"
	"net/http"
	"sync"

	"projhost/front/wire"
)

// What the zero values of Server mean.
const (
	DefaultMaxRequestsPerConn = 64
	DefaultMaxParams          = 512
	DefaultMaxParamBytes      = 64 << 10
)

// Server says how to answer. The zero value of each field but Handler is a sane
// default. HeaderTimeout is the time from FCGI_BEGIN_REQUEST to the last
// FCGI_PARAMS. Peers are FCGI_WEB_SERVER_ADDRS of FastCGI 1.0 section 3.2, and
// requests beyond MaxRequests are told FCGI_OVERLOADED. A Server is not changed
// by serving and may serve several listeners.
type Server struct {
	wire.Config

	MaxRequestsPerConn int // requests at a time on one connection
	MaxParams          int // parameters of a request
	MaxParamBytes      int // bytes of FCGI_PARAMS of a request
}

// Serve answers with the defaults of Server.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return (&Server{Config: wire.Config{Handler: h}}).Serve(ctx, l)
}

// Serve answers the requests that come by l until ctx ends or l fails for good,
// and then drains, see wire.Serving.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	s := newServing(ctx, srv)
	s.watch.start(s)
	defer s.watch.stop()
	return s.Run(ctx, l, s.newConn)
}

// serving is one call of Serve.
type serving struct {
	Server // with defaults filled in
	*wire.Serving[*conn]
	shared *wire.Shared
	input  sync.Pool // *[inputLen]byte
	watch  watch
}

func newServing(ctx context.Context, srv *Server) *serving {
	s := &serving{Server: *srv}
	s.Fill()
	wire.OrDefault(&s.MaxRequestsPerConn, DefaultMaxRequestsPerConn)
	wire.OrDefault(&s.MaxParams, DefaultMaxParams)
	wire.OrDefault(&s.MaxParamBytes, DefaultMaxParamBytes)
	s.Serving = wire.NewServing[*conn](ctx, "fcgi", &s.Config)
	s.shared = wire.NewShared("fcgi", &s.Config)
	s.input.New = func() any { return new([inputLen]byte) }
	return s
}
