package web_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"projhost/front/web"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

// serveTLS is serve with a certificate of its own.
func serveTLS(tb testing.TB, srv web.Server) *fixture {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	pair := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	srv.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair, nil }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveOn(tb, srv, l)
}

// frames is a client of HTTP/2 that sends what it is told, frame by frame.
type frames struct {
	*http2.Framer
	tb       testing.TB
	conn     net.Conn
	settings map[http2.SettingID]uint32 // of the server
	enc      *hpack.Encoder
	block    bytes.Buffer
}

// frames connects, with settings of the client.
func (f *fixture) frames(settings ...http2.Setting) *frames {
	f.tb.Helper()
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // the test's own certificate
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = nc.Close() })
	if p := nc.ConnectionState().NegotiatedProtocol; p != "h2" {
		f.tb.Fatalf("the server speaks %q", p)
	}
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	c := &frames{Framer: http2.NewFramer(nc, nc), tb: f.tb, conn: nc, settings: map[http2.SettingID]uint32{}}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.enc = hpack.NewEncoder(&c.block)
	_, err = io.WriteString(nc, http2.ClientPreface)
	c.must(err)
	c.must(c.WriteSettings(settings...))
	first := c.next()
	s, ok := first.(*http2.SettingsFrame)
	if !ok {
		f.tb.Fatalf("the server begins with %v", first)
	}
	c.must(s.ForeachSetting(func(s http2.Setting) error { c.settings[s.ID] = s.Val; return nil }))
	c.must(c.WriteSettingsAck())
	return c
}

func (c *frames) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

// next is the next frame that is no acknowledgement and no room for a body.
func (c *frames) next() http2.Frame {
	c.tb.Helper()
	for {
		f, err := c.ReadFrame()
		c.must(err)
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
		case *http2.SettingsFrame:
			if !f.IsAck() {
				return f
			}
		default:
			return f
		}
	}
}

// head encodes the head of a request, fields as name and value.
func (c *frames) head(method, path string, fields ...string) []byte {
	c.block.Reset()
	for all := append([]string{":method", method, ":scheme", "https", ":authority", "h.example", ":path", path}, fields...); len(all) > 0; all = all[2:] {
		c.must(c.enc.WriteField(hpack.HeaderField{Name: all[0], Value: all[1]}))
	}
	return c.block.Bytes()
}

// open begins a stream; a POST has a body to come.
func (c *frames) open(id uint32, method, path string, fields ...string) {
	c.tb.Helper()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.head(method, path, fields...), EndHeaders: true, EndStream: method == http.MethodGet,
	}))
}

// answer reads the answer on a stream to its end: "200 body", or "RST CODE".
func (c *frames) answer(id uint32) string {
	c.tb.Helper()
	status, body := "", ""
	for {
		f := c.next()
		if f.Header().StreamID != id {
			c.tb.Fatalf("instead of stream %d: %v", id, f)
		}
		ended := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			status, ended = f.PseudoValue("status")+" ", f.StreamEnded()
		case *http2.DataFrame:
			body, ended = body+string(f.Data()), f.StreamEnded()
		case *http2.RSTStreamFrame:
			return status + strings.TrimSpace(body) + "RST " + f.ErrCode.String()
		default:
			c.tb.Fatalf("on stream %d: %v", id, f)
		}
		if ended {
			return status + strings.TrimSpace(body)
		}
	}
}

// closed reads to the end of the connection and returns the code of GOAWAY.
func (c *frames) closed() (code string) {
	for {
		f, err := c.ReadFrame()
		if err != nil {
			var nerr net.Error
			if errors.As(err, &nerr) && nerr.Timeout() {
				c.tb.Error("the connection stays open")
			}
			return code
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			code = g.ErrCode.String()
		}
	}
}

// TestHTTP2Reset: a stream that the client resets ends its request and no other,
// and makes room for one more.
func TestHTTP2Reset(t *testing.T) {
	begun, ended := make(chan bool), make(chan error, 1)
	other := make(chan bool)
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{MaxRequests: 2}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			begun <- true
			<-r.Context().Done()
			ended <- context.Cause(r.Context())
			return
		case "/other":
			begun <- true
			<-other
			if r.Context().Err() != nil {
				t.Error("the other stream was cancelled")
			}
		}
		echo(w, r)
	})}})
	c := f.frames()
	c.open(1, "GET", "/other")
	wiretest.Receive(t, begun)
	c.open(3, "GET", "/reset")
	wiretest.Receive(t, begun)
	c.open(5, "GET", "/more")
	if got := c.answer(5); got != "503 Service Unavailable" {
		t.Errorf("with two requests of two: %q", got)
	}
	c.must(c.WriteRSTStream(3, http2.ErrCodeCancel))
	if err := wiretest.Receive(t, ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	got := ""
	for id := uint32(7); id < 200 && got != "200 /again"; id += 2 { // its handler is just about to return
		time.Sleep(short / 20)
		c.open(id, "GET", "/again")
		got = c.answer(id)
	}
	if got != "200 /again" {
		t.Errorf("after the reset: %q", got)
	}
	close(other)
	if got := c.answer(1); got != "200 /other" {
		t.Error(got)
	}
}

// TestHTTP2Streams: no more than so many are served on one connection, however
// many requests there may be.
func TestHTTP2Streams(t *testing.T) {
	const most = 100
	begun, end := make(chan bool, 2*most), make(chan bool)
	f := serveTLS(t, web.Server{Config: wire.Config{Handler: handler(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})}})
	defer close(end)
	c := f.frames()
	if got := c.settings[http2.SettingMaxConcurrentStreams]; got != most {
		t.Errorf("the server says %d streams", got)
	}
	for i := range uint32(most) {
		c.open(2*i+1, "GET", "/")
		wiretest.Receive(t, begun)
	}
	c.open(2*most+1, "GET", "/")
	if got := c.answer(2*most + 1); got != "RST REFUSED_STREAM" && got != "RST PROTOCOL_ERROR" {
		t.Error(got)
	}
	if len(begun) > 0 {
		t.Error("one more was served")
	}
}

// TestHTTP2Head: a head that is too large is refused, one that does not go on is
// waited for no longer than for a connection without a request.
func TestHTTP2Head(t *testing.T) {
	t.Parallel()
	f := serveTLS(t, web.Server{MaxHeaderBytes: 4 << 10, Config: wire.Config{Limits: wire.Limits{IdleTimeout: 3 * short}, Handler: handler(echo)}})
	c := f.frames()
	c.open(1, "GET", "/", slices.Repeat([]string{"x-long", strings.Repeat("~", 1<<10)}, 5)...)
	if got := c.answer(1); !strings.HasPrefix(got, "431 ") {
		t.Error(got)
	}
	c.open(3, "GET", "/after")
	if got := c.answer(3); got != "200 /after" {
		t.Error(got)
	}
	c = f.frames()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head("GET", "/"), EndStream: true})) // CONTINUATION never comes
	c.closed()
}

// TestHTTP2SlowReader: a client that leaves no room for the answer is not waited
// for, though its connection is fine.
func TestHTTP2SlowReader(t *testing.T) {
	wrote := make(chan error, 1)
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{WriteTimeout: short}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		var err error
		switch r.URL.Path {
		case "/write":
			_, err = w.Write(make([]byte, 1<<20))
		case "/copy":
			_, err = io.Copy(w, io.LimitReader(iotest.OneByteReader(zeros{}), 1<<20))
		case "/flush":
			if _, err = io.WriteString(w, "x"); err == nil {
				err = http.NewResponseController(w).Flush()
			}
		case "/small": // is sent after the handler
			_, err = io.WriteString(w, "x")
			wrote <- err
			return
		}
		wrote <- err
	})}})
	c := f.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for i, path := range []string{"/write", "/copy", "/flush", "/small"} {
		id := uint32(2*i + 1)
		began := time.Now()
		c.open(id, "GET", path)
		if err := wiretest.Receive(t, wrote); (err == nil) != (path == "/small") {
			t.Errorf("%s: %v", path, err)
		}
		if got := c.answer(id); got != "200 RST INTERNAL_ERROR" {
			t.Errorf("%s: %q", path, got)
		}
		if d := time.Since(began); d < short || d > 50*short {
			t.Errorf("%s: ended after %v", path, d)
		}
	}
	c.must(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16}))
	c.open(9, "GET", "/small")
	if got := c.answer(9); got != "200 x" {
		t.Errorf("the connection is of no use any more: %q", got)
	}
	<-wrote
}

// TestHTTP2SlowHandler: the time between two writes is the handler's, not the client's.
func TestHTTP2SlowHandler(t *testing.T) {
	t.Parallel()
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{WriteTimeout: short}, Handler: handler(func(w http.ResponseWriter, _ *http.Request) {
		for _, s := range []string{"a", "b", "c"} {
			_, err := io.WriteString(w, s)
			if s != "a" {
				err = errors.Join(err, http.NewResponseController(w).Flush())
			}
			if err != nil {
				t.Error(err)
			}
			time.Sleep(3 * short)
		}
	})}})
	c := f.frames()
	c.open(1, "GET", "/")
	if got := c.answer(1); got != "200 abc" {
		t.Error(got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestSlowReaderThatGoesOn: an answer may take as long as it goes on, even if the
// handler writes it at once.
func TestSlowReaderThatGoesOn(t *testing.T) {
	const size, wait = 24 << 20, 3 * short
	h := handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
	slowly := func(t *testing.T, read func(n int) int) {
		t.Helper()
		began := time.Now()
		for got := 0; got < size; {
			n := read(2 << 20)
			if n == 0 {
				t.Fatalf("cut off after %d of %d bytes and %v", got, size, time.Since(began))
			}
			got += n
			time.Sleep(wait / 4)
		}
		if time.Since(began) < 2*wait {
			t.Error("the test reads too fast to tell anything")
		}
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		c := serve(t, wire.Config{Limits: wire.Limits{WriteTimeout: wait}, Handler: h}).dial()
		c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		slowly(t, func(n int) int { n64, _ := io.CopyN(io.Discard, res.Body, int64(n)); return int(n64) })
	})
	t.Run("HTTP/2", func(t *testing.T) {
		c := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{WriteTimeout: wait}, Handler: h}}).frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		c.open(1, "GET", "/")
		if _, ok := c.next().(*http2.MetaHeadersFrame); !ok {
			t.Fatal("no head")
		}
		slowly(t, func(n int) int {
			c.must(c.WriteWindowUpdate(0, uint32(n)))
			c.must(c.WriteWindowUpdate(1, uint32(n)))
			for got := 0; ; {
				d, ok := c.next().(*http2.DataFrame)
				if !ok {
					return 0
				}
				if got += len(d.Data()); got == n || d.StreamEnded() {
					return got
				}
			}
		})
	})
}

// TestHTTP2SlowBody: a body that does not go on ends its stream alone.
func TestHTTP2SlowBody(t *testing.T) {
	read := make(chan error, 1)
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{BodyTimeout: short}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			read <- err
		}
		fmt.Fprint(w, len(b), err)
	})}})
	c := f.frames()
	c.open(1, "POST", "/slow")
	c.must(c.WriteData(1, false, []byte("12")))
	c.open(3, "POST", "/goes-on")
	for range 12 {
		time.Sleep(short / 4)
		c.must(c.WriteData(3, false, []byte("x")))
	}
	c.must(c.WriteData(3, true, nil))
	if err := wiretest.Receive(t, read); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if got := c.answer(1); !strings.HasPrefix(got, "200 2") {
		t.Error(got)
	}
	got := ""
	for got == "" || strings.HasPrefix(got, "RST") { // of what of the first body never came
		f := c.next()
		if m, ok := f.(*http2.MetaHeadersFrame); ok && m.StreamID == 3 {
			d, ok := c.next().(*http2.DataFrame)
			if !ok {
				t.Fatal("no body")
			}
			got = string(d.Data())
		} else if f.Header().StreamID != 1 {
			t.Fatal(f)
		}
	}
	if got != "12 <nil>" {
		t.Error(got)
	}
}

// TestHTTP2LateBody: the time between two reads is the handler's, not the client's.
func TestHTTP2LateBody(t *testing.T) {
	t.Parallel()
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{BodyTimeout: short}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		var text []byte
		for range 2 {
			time.Sleep(3 * short)
			b := make([]byte, 2)
			if _, err := io.ReadFull(r.Body, b); err != nil {
				t.Error(err)
			}
			text = append(text, b...)
		}
		_, _ = w.Write(text)
	})}})
	c := f.frames()
	c.open(1, "POST", "/")
	c.must(c.WriteData(1, false, []byte("ab")))
	time.Sleep(5 * short) // the first read is done, the second has not begun
	c.must(c.WriteData(1, true, []byte("cd")))
	if got := c.answer(1); got != "200 abcd" {
		t.Error(got)
	}
}

// TestHTTP2IdleMakesRoom: a connection without a stream is closed for one more.
func TestHTTP2IdleMakesRoom(t *testing.T) {
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{MaxConns: 2}, Handler: handler(echo)}})
	for range 5 {
		c := f.frames()
		c.open(1, "GET", "/")
		if got := c.answer(1); got != "200 /" {
			t.Fatal(got)
		}
	}
}

// TestHTTP2Drain: at the end, streams that have begun are answered, and the client
// is told which those are. A connection that is idle is closed.
func TestHTTP2Drain(t *testing.T) {
	t.Parallel()
	begun, end := make(chan bool, 10), make(chan bool)
	f := serveTLS(t, web.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		if r.URL.Path == "/open" {
			<-end
		}
		if r.Context().Err() != nil {
			t.Error("cancelled")
		}
		echo(w, r)
	})}})
	idle, c := f.frames(), f.frames()
	idle.open(1, "GET", "/")
	if got := idle.answer(1); got != "200 /" {
		t.Fatal(got)
	}
	c.open(1, "GET", "/open")
	wiretest.Receive(t, begun)
	wiretest.Receive(t, begun)
	f.stop()
	if code := idle.closed(); code != http2.ErrCodeNo.String() {
		t.Errorf("an idle connection was closed with %q", code)
	}
	g, ok := c.next().(*http2.GoAwayFrame)
	if !ok || g.ErrCode != http2.ErrCodeNo || g.LastStreamID != 1 {
		t.Fatalf("instead of a farewell: %v", g)
	}
	c.open(3, "GET", "/late")
	time.Sleep(short)
	if len(begun) > 0 {
		t.Error("a stream after the farewell was served")
	}
	close(end)
	if got := c.answer(1); got != "200 /open" {
		t.Error(got)
	}
	<-f.done
	if f.err != nil {
		t.Error(f.err)
	}
}

// TestHTTP2LastAnswer: a request that comes just after the end was asked for is
// answered, and the client told that it was the last.
func TestHTTP2LastAnswer(t *testing.T) {
	t.Parallel()
	f := serveTLS(t, web.Server{Config: wire.Config{Handler: handler(echo)}})
	c := f.frames()
	f.stop()
	stopped := time.Now()
	time.Sleep(short / 2)
	c.open(1, "GET", "/")
	body := ""
	for told := false; body == "" || !told; {
		switch f := c.next().(type) {
		case *http2.GoAwayFrame:
			told = true
			// At 500 ms all connections are told, be there requests or not.
			if d := time.Since(stopped); d > 450*time.Millisecond || f.ErrCode != http2.ErrCodeNo || f.LastStreamID != 1 {
				t.Errorf("after %v: %v", d, f)
			}
		case *http2.MetaHeadersFrame:
		case *http2.DataFrame:
			body += string(f.Data())
		default:
			t.Fatal(f)
		}
	}
	if body != " /" {
		t.Error(body)
	}
}

// TestHTTP2DrainEnds: a stream that does not end in time is cancelled.
func TestHTTP2DrainEnds(t *testing.T) {
	t.Parallel()
	begun, cause := make(chan bool), make(chan error, 1)
	f := serveTLS(t, web.Server{Config: wire.Config{Limits: wire.Limits{DrainTimeout: short}, Handler: handler(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})}})
	c := f.frames()
	c.open(1, "GET", "/")
	wiretest.Receive(t, begun)
	began := time.Now()
	f.stop()
	<-f.done
	if err := wiretest.Receive(t, cause); !errors.Is(err, wire.ErrDraining) {
		t.Errorf("cause %v", err)
	}
	if f.err == nil || !strings.Contains(f.err.Error(), "1 requests") {
		t.Error(f.err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the end took %v", d)
	}
}
