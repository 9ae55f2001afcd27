// Package scgi answers requests that a web server hands on by SCGI, the Simple
// Common Gateway Interface, as nginx (scgi_pass), Apache (mod_proxy_scgi),
// lighttpd (mod_scgi) and Cherokee speak it: the variables of CGI in one
// netstring, then the body, then an answer as CGI has it; one request on a
// connection. See package wire for how it is served.
//
// The specification is https://python.ca/scgi/protocol.txt. What differs from it
// in a way that two readers could take differently is refused: a length with a
// leading zero, CONTENT_LENGTH not first or sent twice, SCGI other than "1". SCGI
// sent twice is let pass: an include of nginx's scgi_params and a line of one's
// own do that.
//
// An answer has no end but that of its connection. One that is cut short (the
// handler has panicked) is broken off: over TCP with a reset, over a unix socket,
// which has none, with an end that nginx and lighttpd hold against Content-Length
// and Apache takes for a whole answer.
package scgi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"projhost/front/gateway"
	"projhost/front/wire"
)

// What the zero values of Server mean.
const (
	DefaultMaxParams     = 512
	DefaultMaxParamBytes = 64 << 10
)

// Server says how to answer. The zero value of each field but Handler is a sane
// default. A Server is not changed by serving and may serve several listeners.
type Server struct {
	wire.Config

	MaxParams     int // variables of a request
	MaxParamBytes int // bytes of the netstring of a request
}

// Serve answers the requests that come by l until ctx ends or l fails for good,
// and then drains, see wire.Serving.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	own := *srv
	wire.OrDefault(&own.MaxParams, DefaultMaxParams)
	wire.OrDefault(&own.MaxParamBytes, DefaultMaxParamBytes)
	e := wire.Engine{Name: "scgi", Config: own.Config, NewCodec: func(*wire.Conn) wire.Codec { return &codec{srv: &own} }}
	return e.Serve(ctx, l)
}

// codec reads the one request of a connection.
type codec struct {
	srv    *Server
	length int64
}

// ReadHead reads the netstring.
func (c *codec) ReadHead(in *bufio.Reader) (wire.Head, error) {
	n, err := readLength(in)
	if err != nil {
		return wire.Head{}, err
	}
	if n > c.srv.MaxParamBytes {
		return wire.Head{}, wire.Refuse(http.StatusRequestHeaderFieldsTooLarge, "%d bytes of variables, more than %d", n, c.srv.MaxParamBytes)
	}
	b := make([]byte, n+1)
	if _, err := io.ReadFull(in, b); err != nil {
		return wire.Head{}, err
	}
	if b[n] != ',' {
		return wire.Head{}, wire.Malformedf("the variables do not end with a comma after %d bytes", n)
	}
	pairs, err := decode(string(b[:n]), c.srv.MaxParams)
	if err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	if c.length, err = check(pairs); err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	return wire.Head{Pairs: pairs, Length: c.length}, nil
}

// maxDigits bounds the length of a netstring, in digits.
const maxDigits = 9

// readLength reads the length of a netstring and its colon.
func readLength(in *bufio.Reader) (int, error) {
	n := 0
	for i := range maxDigits + 1 {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return 0, unexpected(err)
		case c == ':' && i > 0:
			return n, nil
		case c < '0' || c > '9':
			return 0, wire.Malformedf("not SCGI: byte %q where the length of a netstring should be", c)
		case i == 1 && n == 0:
			return 0, wire.Malformedf("the length of the netstring begins with a zero")
		}
		n = 10*n + int(c-'0')
	}
	return 0, wire.Malformedf("the length of the netstring has more than %d digits", maxDigits)
}

// unexpected makes an error of an end that comes too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var (
	errUnended   = errors.New("the variables do not end with NUL")
	errOdd       = errors.New("a variable without a value")
	errEmptyName = errors.New("a variable without a name")
)

// decode takes names and values apart, at most limit of them. They share the
// memory of s.
func decode(s string, limit int) ([]gateway.Pair, error) {
	if s != "" && s[len(s)-1] != 0 {
		return nil, errUnended
	}
	n := strings.Count(s, "\x00")
	switch {
	case n%2 != 0:
		return nil, errOdd
	case n/2 > limit:
		return nil, errors.New("more than " + strconv.Itoa(limit) + " variables")
	}
	pairs := make([]gateway.Pair, n/2)
	for i := range pairs {
		p := &pairs[i]
		p.Name, s, _ = strings.Cut(s, "\x00")
		p.Value, s, _ = strings.Cut(s, "\x00")
		if p.Name == "" {
			return nil, errEmptyName
		}
	}
	return pairs, nil
}

var (
	errLengthFirst = errors.New("CONTENT_LENGTH is not the first variable")
	errLengthTwice = errors.New("CONTENT_LENGTH is sent twice")
	errVersion     = errors.New(`SCGI is not "1", or not sent`)
)

// check returns the length of the body.
func check(pairs []gateway.Pair) (int64, error) {
	if len(pairs) == 0 || pairs[0].Name != "CONTENT_LENGTH" {
		return 0, errLengthFirst
	}
	n, err := strconv.ParseUint(pairs[0].Value, 10, 63)
	if err != nil {
		return 0, errors.New("CONTENT_LENGTH " + strconv.Quote(pairs[0].Value) + " is no length")
	}
	told := false
	for _, p := range pairs[1:] {
		switch p.Name {
		case "CONTENT_LENGTH":
			return 0, errLengthTwice
		case "SCGI":
			if told = true; p.Value != "1" {
				return 0, errVersion
			}
		}
	}
	if !told {
		return 0, errVersion
	}
	return int64(n), nil
}

// ReadBody reads as many bytes as were announced.
func (c *codec) ReadBody(in *bufio.Reader, b *wire.Body) error { return b.PutFrom(in, c.length) }

// Kept returns false: a connection has one request.
func (c *codec) Kept() bool { return false }

// Shape returns that pieces need nothing.
func (c *codec) Shape() (gap, limit int) { return 0, 0 }

// BeginHead appends the status, as CGI has it (RFC 3875 section 6.3.3).
func (c *codec) BeginHead(b []byte, status int) []byte {
	return wire.AppendStatus(append(b, "Status: "...), status)
}

// EndHead appends the empty line.
func (c *codec) EndHead(b []byte, _ int) []byte { return append(b, "\r\n"...) }

// Frame returns the piece as it is: the answer ends with the connection.
func (c *codec) Frame(b []byte, start int, _ bool) []byte { return b[start:] }
