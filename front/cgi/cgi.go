// Package cgi answers the one request that a web server starts a program for
// (CGI/1.1, RFC 3875): its variables are the environment of the process, its
// body the standard input, its answer the standard output.
//
// A request is made, handled and answered as those of package wire are. The
// web server gives it up by ending the program (SIGTERM) or by closing the
// standard output.
package cgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"projhost/front/gateway"
	"projhost/front/wire"
)

// ErrNoRequest is what Serve returns if no web server has started the program.
var ErrNoRequest = errors.New("REQUEST_METHOD is not set: no web server has started this program for a request")

// ErrCut is what Serve returns if the answer is not whole.
var ErrCut = errors.New("the answer is not whole")

// Serve answers the request that env describes, as os.Environ has it. Of cfg,
// what is about connections does not matter. When ctx ends, the request's
// context is cancelled, with wire.ErrAborted as its cause, and nothing is
// written any more. Deadlines are kept if stdin and stdout can have them.
//
// It returns an error if there is no request, or if the answer could not be
// written whole; a request that was refused has been answered.
func Serve(ctx context.Context, cfg wire.Config, env []string, stdin io.Reader, stdout io.Writer) error {
	cfg.Fill()
	if cfg.Handler == nil {
		return errors.New("a server without a handler")
	}
	x := &exchange{cfg: &cfg, in: stdin, out: stdout, pairs: variables(env)}
	if x.get("REQUEST_METHOD") == "" {
		return ErrNoRequest
	}
	x.Init(context.WithoutCancel(ctx), wire.NewShared("cgi", &cfg), x, 0, 0)
	x.refused = x.expect()
	x.Body.AskWith(x.read)
	stop := context.AfterFunc(ctx, func() { x.abort() })
	defer stop()
	x.Run()
	return x.failed
}

// variables are those of the environment that are about the request; another
// one, say PATH, is nobody's business.
func variables(env []string) []gateway.Pair {
	var pairs []gateway.Pair
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok && wanted(name) {
			pairs = append(pairs, gateway.Pair{Name: name, Value: value})
		}
	}
	return pairs
}

// wanted tells whether a variable is about the request. A shell may put others
// into the environment, with names that gateway would refuse.
func wanted(name string) bool {
	switch name {
	case "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING",
		"REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_USER", "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
		"SERVER_PROTOCOL", "SERVER_SOFTWARE": // RFC 3875 section 4.1
		return true
	case "DOCUMENT_ROOT", "DOCUMENT_URI", "HTTPS", "REMOTE_PORT", "REQUEST_ID", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME",
		"SCRIPT_URI", "SCRIPT_URL", "SERVER_ADDR", "UNIQUE_ID", "LC_TIME":
		return true
	}
	for _, prefix := range [...]string{"HTTP_", "TRAC_", "trac.", "SSL_"} {
		if strings.HasPrefix(name, prefix) {
			return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f })
		}
	}
	return false
}

// exchange is the request and its answer.
type exchange struct {
	wire.Exchange
	cfg     *wire.Config
	pairs   []gateway.Pair
	refused error
	in      io.Reader
	out     io.Writer

	left  int64 // bytes of the body still to be read, negative if that is not known
	chunk []byte
	gone  atomic.Bool

	failed error // what Serve returns
}

var _ wire.Link = (*exchange)(nil)

func (x *exchange) get(name string) string {
	for _, p := range x.pairs {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// expect finds out how long the body is. Without CONTENT_LENGTH there is none
// (RFC 3875 section 4.2), unless the web server has taken it out of chunks, as
// Apache does: then it ends with the standard input.
func (x *exchange) expect() error {
	s := x.get("CONTENT_LENGTH")
	if s == "" {
		if strings.EqualFold(x.get("HTTP_TRANSFER_ENCODING"), "chunked") {
			x.left = -1
			return nil
		}
		x.Body.End()
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return wire.Refuse(http.StatusBadRequest, "CONTENT_LENGTH %.40q is no length", s)
	}
	if x.left = int64(n); n == 0 {
		x.Body.End()
	}
	return nil
}

// chunkLen is how much of the body is read at once.
const chunkLen = 32 << 10

// read reads a part of the body, when the handler asks for it.
func (x *exchange) read() {
	if x.left == 0 {
		x.Body.End()
		return
	}
	if x.chunk == nil {
		x.chunk = make([]byte, chunkLen)
	}
	p := x.chunk
	if x.left > 0 {
		p = p[:min(int64(len(p)), x.left)]
	}
	if d, ok := x.in.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = d.SetReadDeadline(time.Now().Add(x.cfg.BodyTimeout)) // most pipes have none
	}
	n, err := x.in.Read(p)
	if x.left > 0 {
		x.left -= int64(n)
	}
	if n > 0 {
		x.Body.Put(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		x.Body.End() // too short: the body knows how long it was to be
	case err != nil:
		x.Body.Fail(fmt.Errorf("reading the body: %w", err))
	case n == 0:
		x.Body.Fail(io.ErrNoProgress)
	}
}

// abort ends the request without an answer.
func (x *exchange) abort() {
	if !x.gone.Swap(true) {
		x.Interrupt(wire.ErrAborted)
	}
}

// Pairs returns the variables, or why the request is refused.
func (x *exchange) Pairs() ([]gateway.Pair, error) { return x.pairs, x.refused }

// Gone reports whether the web server has given the request up.
func (x *exchange) Gone() bool { return x.gone.Load() }

// BeginHead appends the status (RFC 3875 section 6.3.3).
func (x *exchange) BeginHead(b []byte, status int) []byte {
	return wire.AppendStatus(append(b, "Status: "...), status)
}

// EndHead appends the empty line.
func (x *exchange) EndHead(b []byte, _ int) []byte { return append(b, "\r\n"...) }

// Frame returns the piece as it is: the answer ends with the program.
func (x *exchange) Frame(b []byte, start int, _ bool) []byte { return b[start:] }

// SendHead sends a head that has no room in front of the body.
func (x *exchange) SendHead(head []byte, deadline time.Time) error { return x.Send(head, deadline) }

// Send writes a piece of the answer.
func (x *exchange) Send(p []byte, deadline time.Time) error {
	if x.Gone() {
		return wire.ErrAborted
	}
	if d, ok := x.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if deadline.IsZero() {
			deadline = time.Now().Add(x.cfg.WriteTimeout)
		}
		_ = d.SetWriteDeadline(deadline) // most pipes have none
	}
	if _, err := x.out.Write(p); err != nil {
		x.failed = fmt.Errorf("writing to the web server: %w", errors.Join(err, ErrCut))
		x.abort()
		return x.failed
	}
	return nil
}

// SendLast writes the last piece.
func (x *exchange) SendLast(p []byte, deadline time.Time) error {
	if x.Gone() {
		if x.failed == nil {
			x.failed = ErrCut
		}
		return wire.ErrAborted
	}
	if x.Resp.Short() {
		x.failed = ErrCut
	}
	if len(p) == 0 {
		return nil
	}
	return x.Send(p, deadline)
}

// BreakOff leaves the answer as it is: a web server sees that it is not whole
// only if it had a length.
func (x *exchange) BreakOff() { x.abort() }
