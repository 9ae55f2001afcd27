package fcgi_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"projhost/front/fcgi"
	"projhost/front/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Record types and roles, as FastCGI 1.0 section 8 numbers them.
const (
	begin, abort, end        = 1, 2, 3
	params, stdin, stdout    = 4, 5, 6
	getValues, valuesResult  = 9, 10
	unknownType              = 11
	responder, keep          = 1, 1
	patience                 = 10 * time.Second // nothing here takes that long unless it is broken
	complete, overload, role = 0, 2, 3
)

// record is one record of either side.
type record struct {
	kind    byte
	id      uint16
	content string
}

func (r record) bytes(padding int) []byte {
	b := []byte{1, r.kind, 0, 0, 0, 0, byte(padding), 0}
	binary.BigEndian.PutUint16(b[2:], r.id)
	binary.BigEndian.PutUint16(b[4:], uint16(len(r.content)))
	b = append(b, r.content...)
	return append(b, make([]byte, padding)...)
}

func beginRecord(id uint16, role, flags byte) record {
	return record{begin, id, string([]byte{0, role, flags, 0, 0, 0, 0, 0})}
}

// pairs encodes name, value, name, value, ...
func pairs(nv ...string) string {
	var b []byte
	for i := 0; i < len(nv); i += 2 {
		for _, s := range nv[i : i+2] {
			if len(s) < 128 {
				b = append(b, byte(len(s)))
			} else {
				b = binary.BigEndian.AppendUint32(b, uint32(len(s))|1<<31)
			}
		}
		b = append(b, nv[i]+nv[i+1]...)
	}
	return string(b)
}

// typical is what nginx sends with the fastcgi_params of Debian, and more pairs.
func typical(method, path string, more ...string) string {
	return pairs(append([]string{
		"QUERY_STRING", "", "REQUEST_METHOD", method, "CONTENT_TYPE", "",
		"SCRIPT_FILENAME", "/usr/share/nginx/html" + path, "SCRIPT_NAME", "", "PATH_INFO", path, "REQUEST_URI", path,
		"DOCUMENT_URI", path, "DOCUMENT_ROOT", "/usr/share/nginx/html", "SERVER_PROTOCOL", "HTTP/1.1",
		"REQUEST_SCHEME", "http", "GATEWAY_INTERFACE", "CGI/1.1", "SERVER_SOFTWARE", "nginx/1.22.1",
		"REMOTE_ADDR", "192.0.2.7", "REMOTE_PORT", "51914", "REMOTE_USER", "", "SERVER_ADDR", "192.0.2.1",
		"SERVER_PORT", "80", "SERVER_NAME", "projects.example.org", "REDIRECT_STATUS", "200",
		"HTTP_HOST", "projects.example.org",
		"HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.5", "HTTP_ACCEPT_ENCODING", "gzip, deflate, br",
		"HTTP_CONNECTION", "keep-alive", "HTTP_COOKIE", "trac_session=0123456789abcdef; trac_form_token=fedcba9876543210",
		"HTTP_UPGRADE_INSECURE_REQUESTS", "1",
	}, more...)...)
}

// fixture is a running server.
type fixture struct {
	tb   testing.TB
	addr string
	log  *wiretest.Log
	stop context.CancelFunc
	done chan struct{}
	err  error // of Serve, after done
}

// serve runs srv on a unix socket until the test ends, or stop is called.
func serve(tb testing.TB, srv fcgi.Server) *fixture {
	tb.Helper()
	dir, err := os.MkdirTemp("", "fcgi")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		tb.Fatal(err)
	}
	return serveOn(tb, l, srv)
}

func serveOn(tb testing.TB, l net.Listener, srv fcgi.Server) *fixture {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &fixture{tb: tb, addr: l.Addr().String(), log: &wiretest.Log{}, stop: cancel, done: make(chan struct{})}
	if srv.Log == nil {
		srv.Log = slog.New(slog.NewTextHandler(f.log, nil))
	}
	go func() {
		f.err = srv.Serve(ctx, l)
		close(f.done)
	}()
	tb.Cleanup(func() {
		cancel()
		select {
		case <-f.done:
		case <-time.After(patience):
			tb.Error("Serve did not end")
		}
	})
	return f
}

// wait returns what Serve returned.
func (f *fixture) wait() error {
	f.tb.Helper()
	select {
	case <-f.done:
		return f.err
	case <-time.After(patience):
		f.tb.Fatal("Serve did not end")
		return nil
	}
}

// client is a web server's end of a connection.
type client struct {
	tb testing.TB
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dial() *client {
	f.tb.Helper()
	c, err := net.Dial("unix", f.addr)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { c.Close() })
	return f.wrap(c)
}

// send writes records in one write.
func (c *client) send(records ...record) {
	c.tb.Helper()
	var b []byte
	for _, r := range records {
		b = append(b, r.bytes(0)...)
	}
	if _, err := c.Write(b); err != nil {
		c.tb.Fatalf("writing records: %v", err)
	}
}

// get sends a whole request without a body.
func (c *client) get(id uint16, flags byte, path string, more ...string) {
	c.tb.Helper()
	c.send(beginRecord(id, responder, flags), record{params, id, typical("GET", path, more...)}, record{params, id, ""}, record{stdin, id, ""})
}

// open sends the parameters of a POST, and no body.
func (c *client) open(id uint16, flags byte, path string, more ...string) {
	c.tb.Helper()
	c.send(beginRecord(id, responder, flags), record{params, id, typical("POST", path, more...)}, record{params, id, ""})
}

func (c *client) read() (record, error) {
	var h [8]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return record{}, err
	}
	if h[0] != 1 {
		return record{}, fmt.Errorf("version %d", h[0])
	}
	b := make([]byte, int(h[4])<<8|int(h[5])+int(h[6]))
	if _, err := io.ReadFull(c.r, b); err != nil {
		return record{}, fmt.Errorf("in a record: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	return record{h[1], uint16(h[2])<<8 | uint16(h[3]), string(b[:len(b)-int(h[6])])}, nil
}

// next reads a record.
func (c *client) next() record {
	c.tb.Helper()
	r, err := c.read()
	if err != nil {
		c.tb.Fatalf("reading a record: %v", err)
	}
	return r
}

// closed waits until the server closes the connection, and returns what it still sent.
func (c *client) closed() (rest []record) {
	c.tb.Helper()
	for {
		r, err := c.read()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
				c.tb.Fatalf("the connection was not closed in order: %v", err)
			}
			return rest
		}
		rest = append(rest, r)
	}
}

// answer is all that came for one request.
type answer struct {
	status string
	header http.Header
	lines  []string // of the head, as they came
	body   string
	app    uint32
	code   byte // protocolStatus
}

// answers reads until n requests have ended.
func (c *client) answers(n int) map[uint16]answer {
	c.tb.Helper()
	out := map[uint16]answer{}
	text := map[uint16]string{}
	for len(out) < n {
		r := c.next()
		switch r.kind {
		case stdout:
			if _, ended := out[r.id]; ended {
				c.tb.Fatalf("FCGI_STDOUT of request %d after its end", r.id)
			}
			text[r.id] += r.content
		case end:
			if _, twice := out[r.id]; twice {
				c.tb.Fatalf("request %d has ended twice", r.id)
			}
			a := parseAnswer(c.tb, text[r.id])
			a.app, a.code = binary.BigEndian.Uint32([]byte(r.content)), r.content[4]
			out[r.id] = a
		default:
			c.tb.Fatalf("unexpected record %+v", r)
		}
	}
	return out
}

// answer reads the answer of the only request.
func (c *client) answer(id uint16) answer {
	c.tb.Helper()
	a, ok := c.answers(1)[id]
	if !ok {
		c.tb.Fatalf("no answer to request %d but another", id)
	}
	return a
}

func parseAnswer(tb testing.TB, s string) answer {
	tb.Helper()
	if s == "" {
		return answer{}
	}
	head, body, ok := strings.Cut(s, "\r\n\r\n")
	if !ok {
		tb.Fatalf("an answer without a head: %q", s)
	}
	a := answer{header: http.Header{}, body: body, lines: strings.Split(head, "\r\n")}
	for _, line := range a.lines {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			tb.Fatalf("not a field: %q", line)
		}
		a.header.Add(name, value)
	}
	a.status = a.header.Get("Status")
	return a
}

// handler is for handlers given as functions.
type handler = http.HandlerFunc

// hello answers with the path.
var hello = handler(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello "+r.URL.Path) })

// receive waits for a value.
func receive[T any](tb testing.TB, ch <-chan T) T {
	tb.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		tb.Fatal("waited in vain")
		panic("unreachable")
	}
}

// wrap makes a client of a connection.
func (f *fixture) wrap(nc net.Conn) *client {
	nc.SetDeadline(time.Now().Add(patience))
	return &client{tb: f.tb, Conn: nc, r: bufio.NewReader(nc)}
}
