// Package wiretest is what the tests of every protocol on wire.Engine check: one
// suite, run by each with its own bytes.
package wiretest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/front/wire"
)

// Patience bounds waiting in tests: nothing takes that long unless it is broken.
const Patience = 10 * time.Second

// Request is what a client sends.
type Request struct {
	Method string // "": GET
	Path   string // also the target
	Host   string // "": projects.example.org
	Length int    // Content-Length; 0: none is sent
	Header [][2]string
}

// Answer is what it gets.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Protocol is what the suite needs of a protocol.
type Protocol struct {
	// Serve runs a server.
	Serve func(ctx context.Context, cfg wire.Config, l net.Listener) error

	// Head returns the bytes of a request without its body.
	Head func(r Request) []byte

	// Finish sends the body and reads the answer to its end. It may send all of
	// the body or what it is asked for.
	Finish func(nc net.Conn, body []byte) (Answer, error)

	// Body returns the bytes of the beginning of a body as they may be sent unasked.
	Body func(p []byte) []byte
}

// Suite runs all tests.
func (p Protocol) Suite(t *testing.T) {
	t.Run("Answers", p.answers)
	t.Run("Statuses", p.statuses)
	t.Run("Bodies", p.bodies)
	t.Run("Upload", p.upload)
	t.Run("Download", p.download)
	t.Run("Flush", p.flush)
	t.Run("Concurrent", p.concurrent)
	t.Run("Refused", p.refused)
	t.Run("BodyTooLong", p.bodyTooLong)
	t.Run("Overload", p.overload)
	t.Run("Abort", p.abort)
	t.Run("HalfClosed", p.halfClosed)
	t.Run("BodyCutShort", p.bodyCutShort)
	t.Run("SlowHead", p.slowHead)
	t.Run("SlowBody", p.slowBody)
	t.Run("ReadDeadline", p.readDeadline)
	t.Run("DeafPeer", p.deafPeer)
	t.Run("Panic", p.panics)
	t.Run("PanicAfterTheHead", p.panicLate)
	t.Run("Peers", p.peers)
	t.Run("Connections", p.connections)
	t.Run("Drain", p.drain)
	t.Run("DrainCancels", p.drainCancels)
	t.Run("WriterAfterItsEnd", p.writerAfterItsEnd)
	t.Run("NoHandler", p.noHandler)
}

// Fixture is a running server.
type Fixture struct {
	tb   testing.TB
	p    Protocol
	Addr net.Addr
	Log  *Log
	stop context.CancelFunc
	done chan struct{}
	err  error // of Serve, after done
}

// Start runs a server on a unix socket until the test ends.
func (p Protocol) Start(tb testing.TB, cfg wire.Config) *Fixture {
	tb.Helper()
	l, err := net.Listen("unix", filepath.Join(tb.TempDir(), "s"))
	if err != nil {
		tb.Fatal(err)
	}
	return p.StartOn(tb, l, cfg)
}

// StartTCP runs a server on loopback.
func (p Protocol) StartTCP(tb testing.TB, cfg wire.Config) *Fixture {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return p.StartOn(tb, l, cfg)
}

// StartOn runs a server on l.
func (p Protocol) StartOn(tb testing.TB, l net.Listener, cfg wire.Config) *Fixture {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &Fixture{tb: tb, p: p, Addr: l.Addr(), Log: &Log{}, stop: cancel, done: make(chan struct{})}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(f.Log, nil))
	}
	go func() {
		f.err = p.Serve(ctx, cfg, l)
		close(f.done)
	}()
	tb.Cleanup(func() { f.Stop(); _ = f.Wait() })
	return f
}

// Stop tells the server to end.
func (f *Fixture) Stop() { f.stop() }

// Wait returns what Serve returned.
func (f *Fixture) Wait() error {
	f.tb.Helper()
	select {
	case <-f.done:
		return f.err
	case <-time.After(Patience):
		f.tb.Fatal("Serve did not end")
		return nil
	}
}

// Dial connects.
func (f *Fixture) Dial() net.Conn {
	f.tb.Helper()
	nc, err := net.Dial(f.Addr.Network(), f.Addr.String())
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(Patience))
	return nc
}

// Do sends a request with a body on a connection of its own.
func (f *Fixture) Do(r Request, body string) Answer {
	f.tb.Helper()
	nc := f.Dial()
	defer nc.Close()
	return f.On(nc, r, body)
}

// On sends a request with a body.
func (f *Fixture) On(nc net.Conn, r Request, body string) Answer {
	f.tb.Helper()
	r.Length = len(body)
	Send(f.tb, nc, f.p.Head(r))
	a, err := f.p.Finish(nc, []byte(body))
	if err != nil {
		f.tb.Fatalf("%s %s: %v (%+v)", r.Method, r.Path, err, a)
	}
	return a
}

// Get is Do with GET.
func (f *Fixture) Get(path string) Answer {
	f.tb.Helper()
	return f.Do(Request{Path: path}, "")
}

// Send writes.
func Send(tb testing.TB, nc net.Conn, b []byte) {
	tb.Helper()
	if _, err := nc.Write(b); err != nil {
		tb.Fatalf("writing: %v", err)
	}
}

// Until reads until what has come ends with want.
func Until(tb testing.TB, nc net.Conn, want string) {
	tb.Helper()
	var got []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(got), want); got = append(got, b...) {
		if _, err := nc.Read(b); err != nil {
			tb.Fatalf("%v after %q", err, got)
		}
	}
}

// Closed waits until the server closes the connection, and returns what it still sent.
func Closed(tb testing.TB, nc net.Conn) string {
	tb.Helper()
	b, err := io.ReadAll(nc)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		tb.Fatalf("the connection was not closed, after %q", b)
	}
	return string(b)
}

// Receive waits for a value.
func Receive[T any](tb testing.TB, ch <-chan T) T {
	tb.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(Patience):
		tb.Fatal("waited in vain")
		panic("unreachable")
	}
}

// Log is a log's text.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Has waits until the log has a text: lines may be written after an answer.
func (l *Log) Has(tb testing.TB, want string) {
	tb.Helper()
	for end := time.Now().Add(Patience); !strings.Contains(l.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("the log lacks %q: %s", want, l)
		}
	}
}

// Fuzz has any bytes come on a connection. check is told what was answered
// until the server closed it.
func (p Protocol) Fuzz(f *testing.F, cfg wire.Config, check func(t *testing.T, got []byte)) {
	fix := p.Start(f, cfg)
	f.Fuzz(func(t *testing.T, b []byte) {
		nc, err := net.Dial(fix.Addr.Network(), fix.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(Patience))
		_, _ = nc.Write(b) // the server may close early
		_ = nc.(interface{ CloseWrite() error }).CloseWrite()
		check(t, []byte(Closed(t, nc)))
	})
}
