// Package wire is what the protocols between a web server and this program have
// in common: how connections are accepted, counted and drained (Serving), how a
// request is made, handled and logged (Exchange), how its body is kept (Body)
// and its answer written (Response). Engine puts these together for protocols
// with one request at a time on a connection, of which a package only says how
// the bytes look (Codec).
//
// What all of them keep to:
//
//   - a panic ends its request, not the process. If the answer has begun, the
//     connection is broken off, so that nobody takes the answer for whole;
//   - when the web server closes the connection, the request's context is
//     cancelled, with ErrAborted as its cause, and nothing is sent any more;
//   - parameters, bodies, requests, connections and waiting are bounded;
//   - a lack of file descriptors is survived, and the end of Serve's context
//     lets requests end that have begun.
package wire

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"projhost/front/gateway"
)

// What the zero values of Config mean.
const (
	DefaultMaxConns      = 1024
	DefaultMaxRequests   = 1024
	DefaultMaxBody       = 256 << 20
	DefaultBodyMemory    = 64 << 10
	DefaultHeaderTimeout = 10 * time.Second
	DefaultBodyTimeout   = time.Minute
	DefaultIdleTimeout   = 5 * time.Minute
	DefaultWriteTimeout  = time.Minute
	DefaultDrainTimeout  = 20 * time.Second
)

// ErrAborted is the cause of the cancellation of a request's context, and what
// reading its body and writing its answer return, when the web server has
// aborted the request or closed the connection.
var ErrAborted = errors.New("the web server has aborted the request")

// ErrDraining is the cause of the cancellation of a request's context when the
// request did not end within Config.DrainTimeout.
var ErrDraining = errors.New("the server is shutting down")

// Config is what is set for a server, whatever protocol it speaks. The zero value
// of each field but Handler is a sane default. A Config is not changed by serving.
type Config struct {
	Handler  http.Handler
	Listener gateway.Listener // what is told to gateway.New
	Log      *slog.Logger     // nil: slog.Default()

	// PanicLog, if set, is told of a handler's panic instead of Log.
	PanicLog func(r *http.Request, v any, stack []byte)

	// Peers, if not empty, are the only TCP peers that may connect.
	Peers []netip.Prefix

	// Traffic counts what comes; nil: nobody is told.
	Traffic *Traffic

	Limits
}

// Limits bound what a server takes, on each listener for itself. The zero value
// of a field is its default; a negative MaxBody or duration is no limit.
type Limits struct {
	MaxConns    int    // connections; more wait to be accepted
	MaxRequests int    // requests at a time; more are turned away
	MaxBody     int64  // bytes of a request body
	BodyMemory  int    // bytes of a body kept in memory, the rest goes to a file
	TempDir     string // where that file is made; "": os.TempDir()

	HeaderTimeout time.Duration // for a request's head to arrive, from its first byte
	BodyTimeout   time.Duration // without a byte, while a body is outstanding
	IdleTimeout   time.Duration // of a kept connection without a request
	WriteTimeout  time.Duration // of one write to the web server
	DrainTimeout  time.Duration // from the end of Serve's context to that of the requests'
}

// ever is a duration that does not end, and can still be added to a time.
const ever = time.Duration(math.MaxInt64) / 4

// Fill puts the defaults in.
func (c *Config) Fill() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Traffic == nil {
		c.Traffic = new(Traffic)
	}
	c.Limits.fill()
}

func (l *Limits) fill() {
	OrDefault(&l.MaxConns, DefaultMaxConns)
	OrDefault(&l.MaxRequests, DefaultMaxRequests)
	OrDefault(&l.BodyMemory, DefaultBodyMemory)
	orUnlimited(&l.MaxBody, DefaultMaxBody, math.MaxInt64)
	orUnlimited(&l.HeaderTimeout, DefaultHeaderTimeout, ever)
	orUnlimited(&l.BodyTimeout, DefaultBodyTimeout, ever)
	orUnlimited(&l.IdleTimeout, DefaultIdleTimeout, ever)
	orUnlimited(&l.WriteTimeout, DefaultWriteTimeout, ever)
	orUnlimited(&l.DrainTimeout, DefaultDrainTimeout, ever)
}

// OrDefault sets *n if it is not positive.
func OrDefault(n *int, def int) {
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

// Allowed tells whether a peer may connect. Peers of other than TCP may: a unix
// socket has an owner and a mode.
func (c *Config) Allowed(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok || len(c.Peers) == 0 {
		return true
	}
	return Within(c.Peers, t)
}

// Within tells whether an address of TCP is in one of the networks.
func Within(networks []netip.Prefix, a *net.TCPAddr) bool {
	addr := a.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}
