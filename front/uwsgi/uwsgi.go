// Package uwsgi answers requests that a web server hands on by the uwsgi
// protocol, as nginx (uwsgi_pass), Apache (mod_proxy_uwsgi) and uWSGI's own
// routers speak it: the variables of CGI in one packet, then the body, then an
// answer that begins with a status line of HTTP and ends with the connection;
// one request on a connection. See package wire for how it is served.
//
// The specification is https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html.
// Of its kinds of packets, requests (modifier1 0) and pings (100) are answered.
package uwsgi

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"projhost/front/gateway"
	"projhost/front/wire"
)

// What the zero values of Server mean.
const (
	DefaultMaxParams     = 512
	DefaultMaxParamBytes = 64 << 10 // more than a packet can have
)

// Server says how to answer. The zero value of each field but Handler is a sane
// default. A Server is not changed by serving and may serve several listeners.
type Server struct {
	wire.Config

	MaxParams     int // variables of a request
	MaxParamBytes int // bytes of the packet of a request
}

// Serve answers the requests that come by l until ctx ends or l fails for good,
// and then drains, see wire.Serving.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	own := *srv
	wire.OrDefault(&own.MaxParams, DefaultMaxParams)
	wire.OrDefault(&own.MaxParamBytes, DefaultMaxParamBytes)
	e := wire.Engine{Name: "uwsgi", Config: own.Config, NewCodec: func(c *wire.Conn) wire.Codec { return &codec{srv: &own, conn: c} }}
	return e.Serve(ctx, l)
}

// Values of modifier1.
const (
	modifierRequest = 0
	modifierPing    = 100
)

// headerLen is the length of a packet's header: modifier1, the size of what
// follows (little-endian), modifier2.
const headerLen = 4

// codec reads the one request of a connection.
type codec struct {
	srv    *Server
	conn   *wire.Conn
	length int64
}

// ReadHead reads the packet of variables.
func (c *codec) ReadHead(in *bufio.Reader) (wire.Head, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return wire.Head{}, err
	}
	n := int(binary.LittleEndian.Uint16(h[1:]))
	switch {
	case h[0] == modifierPing && n == 0:
		return wire.Head{}, c.pong()
	case h[0] != modifierRequest:
		return wire.Head{}, wire.Refuse(http.StatusBadRequest,
			"modifier1 %d is no request: take uwsgi_modifier1 out of the web server's configuration, and have it speak uwsgi", h[0])
	case n > c.srv.MaxParamBytes:
		return wire.Head{}, wire.Refuse(http.StatusRequestHeaderFieldsTooLarge, "%d bytes of variables, more than %d", n, c.srv.MaxParamBytes)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return wire.Head{}, err
	}
	pairs, err := decode(string(b), c.srv.MaxParams)
	if err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	if c.length, err = contentLength(pairs); err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	return wire.Head{Pairs: pairs, Length: c.length}, nil
}

// pong answers a ping, which ends the connection, as uWSGI's own ping plugin does.
func (c *codec) pong() error {
	if err := c.conn.Say([]byte{modifierPing, 0, 0, 1}); err != nil {
		return err
	}
	return io.EOF
}

var (
	errTruncated = errors.New("the variables are truncated")
	errEmptyName = errors.New("a variable without a name")
)

// decode takes names and values apart, at most limit of them, each of which
// follows its length (16 bits, little-endian). They share the memory of s.
func decode(s string, limit int) ([]gateway.Pair, error) {
	n := 0
	for rest := s; rest != ""; n++ {
		if n == limit {
			return nil, fmt.Errorf("more than %d variables", limit)
		}
		var p gateway.Pair
		var ok bool
		if p, rest, ok = next(rest); !ok {
			return nil, errTruncated
		}
		if p.Name == "" {
			return nil, errEmptyName
		}
	}
	pairs := make([]gateway.Pair, n)
	for i := range pairs {
		pairs[i], s, _ = next(s)
	}
	return pairs, nil
}

// next takes the first variable off s.
func next(s string) (p gateway.Pair, rest string, ok bool) {
	if p.Name, s, ok = text(s); ok {
		p.Value, s, ok = text(s)
	}
	return p, s, ok
}

func text(s string) (value, rest string, ok bool) {
	if len(s) < 2 {
		return "", "", false
	}
	n := int(s[0]) | int(s[1])<<8
	if s = s[2:]; len(s) < n {
		return "", "", false
	}
	return s[:n], s[n:], true
}

// contentLength returns the length of the body, 0 if none is told. Two that
// differ have two readings.
func contentLength(pairs []gateway.Pair) (int64, error) {
	told := ""
	for _, p := range pairs {
		if p.Name != "CONTENT_LENGTH" || p.Value == "" || p.Value == told {
			continue
		}
		if told != "" {
			return 0, fmt.Errorf("CONTENT_LENGTH is sent twice, %q and %q", told, p.Value)
		}
		told = p.Value
	}
	if told == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(told, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("CONTENT_LENGTH %q is no length", told)
	}
	return int64(n), nil
}

// ReadBody reads as many bytes as were announced.
func (c *codec) ReadBody(in *bufio.Reader, b *wire.Body) error { return b.PutFrom(in, c.length) }

// Kept returns false: a connection has one request.
func (c *codec) Kept() bool { return false }

// Shape returns that pieces need nothing.
func (c *codec) Shape() (gap, limit int) { return 0, 0 }

// BeginHead appends a status line of HTTP/1.1.
func (c *codec) BeginHead(b []byte, status int) []byte {
	return wire.AppendStatus(append(b, "HTTP/1.1 "...), status)
}

// EndHead appends the empty line.
func (c *codec) EndHead(b []byte, _ int) []byte { return append(b, "\r\n"...) }

// Frame returns the piece as it is: the answer ends with the connection.
func (c *codec) Frame(b []byte, start int, _ bool) []byte { return b[start:] }
