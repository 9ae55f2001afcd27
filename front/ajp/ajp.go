// Package ajp answers requests that a web server hands on by AJP/1.3, as Apache
// (mod_proxy_ajp, mod_jk) speaks it: requests in packets
// with coded names, bodies in parts that are asked for, one request at a time on
// a connection that is kept. See package wire for how it is served.
//
// The protocol is described at https://tomcat.apache.org/connectors-doc/ajp/ajpv13a.html.
// Who reaches the port names the user, so over TCP a secret is required, which
// Apache sends with each request (CVE-2020-1938 is what came of having none).
//
// # What becomes of a request
//
// Its headers become HTTP_* variables and nothing else; those with other than
// letters, digits and "-" in their names are dropped, as Apache itself does for
// CGI, so that no two of them fold to one name. The coded fields and attributes
// become REQUEST_METHOD, REMOTE_USER and so on. Attributes with names of their
// own become variables of that name: Apache sends "SetEnv AJP_TRAC_ENV /x" as
// TRAC_ENV. The path is percent-encoded and is decoded once: it is
// REQUEST_URI, and gateway settles the rest. mod_jk must therefore not have
// JkOptions +ForwardURICompat, which sends it decoded.
package ajp

import (
	"context"
	"errors"
	"net"

	"projhost/front/wire"
)

// What the zero values of Server mean.
const (
	DefaultPacketSize    = 8 << 10
	DefaultMaxParams     = 512
	DefaultMaxParamBytes = 64 << 10 // more than a packet can have
)

// MaxPacketSize is the longest packet there is, with its header.
const MaxPacketSize = 64 << 10

// Server says how to answer. The zero value of each field but Handler and Secret
// is a sane default. A Server is not changed by serving and may serve several
// listeners.
type Server struct {
	wire.Config

	// Secret is what the web server must send with each request: secret= of
	// ProxyPass, worker.NAME.secret of mod_jk. It may be empty on a unix socket,
	// which has an owner and a mode, or with AllowNoSecret.
	Secret        string
	AllowNoSecret bool

	PacketSize    int // bytes of a packet that is sent; as ProxyIOBufferSize, max_packet_size
	MaxParams     int // headers and attributes of a request
	MaxParamBytes int // bytes of the packet of a request
}

// ErrNoSecret is what Serve returns for a server on TCP that has none.
var ErrNoSecret = errors.New("ajp: no secret: whoever reaches the port could name any user")

// Serve answers the requests that come by l until ctx ends or l fails for good,
// and then drains, see wire.Serving.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	own := *srv
	wire.OrDefault(&own.PacketSize, DefaultPacketSize)
	own.PacketSize = min(max(own.PacketSize, DefaultPacketSize), MaxPacketSize)
	wire.OrDefault(&own.MaxParams, DefaultMaxParams)
	wire.OrDefault(&own.MaxParamBytes, DefaultMaxParamBytes)
	if own.Secret == "" && !own.AllowNoSecret && l.Addr().Network() != "unix" {
		return errors.Join(ErrNoSecret, l.Close())
	}
	e := wire.Engine{Name: "ajp", Config: own.Config, NewCodec: func(c *wire.Conn) wire.Codec { return &codec{srv: &own, conn: c} }}
	return e.Serve(ctx, l)
}
