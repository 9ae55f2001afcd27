package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"projhost/front/gateway"
	"projhost/front/web"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a running server.
type fixture struct {
	tb   testing.TB
	addr string
	log  *wiretest.Log
	stop context.CancelFunc
	done chan struct{}
	err  error // of Serve, after done
}

// serve runs srv until the test ends or it is stopped.
func serve(tb testing.TB, cfg wire.Config) *fixture {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveOn(tb, web.Server{Config: cfg}, l)
}

func serveOn(tb testing.TB, srv web.Server, l net.Listener) *fixture {
	tb.Helper()
	f := &fixture{tb: tb, addr: l.Addr().String(), log: &wiretest.Log{}, done: make(chan struct{})}
	if srv.Log == nil {
		srv.Log = slog.New(slog.NewTextHandler(f.log, nil))
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() {
		defer close(f.done)
		f.err = srv.Serve(ctx, l)
	}()
	tb.Cleanup(func() {
		stop()
		<-f.done
	})
	return f
}

// conn is a client that sends what it is told.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dial() *conn {
	f.tb.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &conn{c, bufio.NewReader(c)}
}

func (c *conn) send(s string) {
	_, _ = io.WriteString(c, s) // an error shows in what is read
}

// answer reads one answer: "200 body".
func (c *conn) answer() string {
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "closed"
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Sprint(res.StatusCode, " cut off")
	}
	s := fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(string(b)))
	if l := res.Header.Get("Location"); l != "" {
		s += " to " + l
	}
	return s
}

func (f *fixture) get(target string) string {
	f.tb.Helper()
	c := f.dial()
	c.send("GET " + target + " HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n\r\n")
	return c.answer()
}

func handler(f func(w http.ResponseWriter, r *http.Request)) http.Handler { return http.HandlerFunc(f) }

func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s", gateway.FromContext(r.Context()).Script(), r.URL.Path)
}

func TestRequests(t *testing.T) {
	f := serve(t, wire.Config{Handler: handler(echo), Listener: gateway.Listener{Settings: map[string]string{gateway.SettingRoot: "/trac"}}})
	for target, want := range map[string]string{
		"/trac/a%20b":     "200 /trac /a b",
		"/trac":           "200 /trac",
		"/tractor":        "400 Bad Request",
		"/trac//a?b":      "301  to /trac/a?b",
		"/trac/a%2Fb":     "301  to /trac/a/b",
		"/trac/../x":      "400 Bad Request",
		"/trac/a%00":      "400 Bad Request",
		"/trac/%ff":       "400 Bad Request",
		"http://h/trac/x": "200 /trac /x",
	} {
		if got := f.get(target); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "TRAC_URI_ROOT") || !strings.Contains(log, "127.0.0.1") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestBodyIsBounded(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{MaxBody: 10}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			http.Error(w, "too big", http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprintf(w, "%d bytes", len(b))
	})})
	for name, c := range map[string]struct{ head, body, want string }{
		"within":            {"Content-Length: 10\r\n", "0123456789", "200 10 bytes"},
		"said to be more":   {"Content-Length: 11\r\n", "", "413 Request Entity Too Large"},
		"chunked, within":   {"Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n0\r\n\r\n", "200 5 bytes"},
		"chunked and more":  {"Transfer-Encoding: chunked\r\n", "b\r\n0123456789a\r\n0\r\n\r\n", "413 too big"},
		"two lengths":       {"Content-Length: 3\r\nContent-Length: 4\r\n", "0123", "400 400 Bad Request"},
		"length and chunks": {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "5\r\n01234\r\n0\r\n\r\n", "200 5 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := f.dial()
			c2.send("POST / HTTP/1.1\r\nHost: h\r\n" + c.head + "\r\n" + c.body)
			if got := c2.answer(); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestPanic(t *testing.T) {
	f := serve(t, wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/before":
			w.Header().Set("Content-Length", "1000")
			panic("secret")
		case "/amid":
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("secret")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "fine")
	})})
	for target, want := range map[string]string{"/before": "500 Internal Server Error", "/amid": "200 cut off", "/abort": "closed", "/": "200 fine"} {
		if got := f.get(target); got != want {
			t.Errorf("%s: %q", target, got)
		}
	}
	log := f.log.String()
	if strings.Count(log, "handler panicked") != 2 || !strings.Contains(log, "path=/amid") || !strings.Contains(log, "server_test.go") {
		t.Errorf("log: %s", log)
	}
}

func TestPanicLog(t *testing.T) {
	told := make(chan string, 1)
	f := serve(t, wire.Config{
		Handler:  handler(func(http.ResponseWriter, *http.Request) { panic("boo") }),
		PanicLog: func(r *http.Request, v any, stack []byte) { told <- fmt.Sprint(r.URL.Path, v, len(stack) > 0) },
	})
	if got := f.get("/x"); got != "500 Internal Server Error" {
		t.Error(got)
	}
	if got := <-told; got != "/xbootrue" {
		t.Error(got)
	}
	if got := f.log.String(); got != "" {
		t.Error(got)
	}
}

const short = 100 * time.Millisecond

func TestHeaderTimeout(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{HeaderTimeout: short}, Handler: handler(echo)})
	c := f.dial()
	c.send("GET / HT")
	if got := c.answer(); got != "closed" && got[0] != '4' {
		t.Error(got)
	}
}

func TestIdleTimeout(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{IdleTimeout: short}, Handler: handler(echo)})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if got := c.answer() + c.answer(); got != "200 /closed" {
		t.Error(got)
	}
}

func TestBodyTimeout(t *testing.T) {
	read := make(chan error, 1)
	f := serve(t, wire.Config{Limits: wire.Limits{BodyTimeout: short}, Handler: handler(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	})})
	f.dial().send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12")
	if err := <-read; err == nil {
		t.Error("no error")
	}
}

func TestUnreadBodyTimeout(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{BodyTimeout: short}, Handler: handler(echo)})
	c := f.dial()
	c.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12")
	if got := c.answer() + c.answer(); got != "200 /aclosed" {
		t.Error(got)
	}
}

func TestSlowBodyThatGoesOn(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{BodyTimeout: 10 * short}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b), err)
	})})
	c := f.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\n")
	for range 15 {
		time.Sleep(short)
		c.send("x")
	}
	if got := c.answer(); got != "200 15 <nil>" {
		t.Error(got)
	}
}

func TestSlowHandlerAfterBody(t *testing.T) {
	f := serve(t, wire.Config{Limits: wire.Limits{BodyTimeout: short}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			t.Error("took the time-out of the body for the client's going")
		case <-time.After(3 * short):
		}
		_, _ = io.WriteString(w, "done")
	})})
	c := f.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx")
	if got := c.answer(); got != "200 done" {
		t.Error(got)
	}
}

func TestWriteTimeout(t *testing.T) {
	wrote := make(chan error, 1)
	f := serve(t, wire.Config{Limits: wire.Limits{WriteTimeout: short}, Handler: handler(func(w http.ResponseWriter, _ *http.Request) {
		b := make([]byte, 1<<20)
		var err error
		for i := 0; i < 100 && err == nil; i++ {
			_, err = w.Write(b)
		}
		wrote <- err
	})})
	f.dial().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := <-wrote; err == nil {
		t.Error("wrote into nowhere")
	}
}

func TestClientGoesAway(t *testing.T) {
	begun, ended := make(chan bool), make(chan error, 1)
	f := serve(t, wire.Config{Handler: handler(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		ended <- context.Cause(r.Context())
	})})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun
	_ = c.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMaxRequests(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	traffic := new(wire.Traffic)
	f := serve(t, wire.Config{Traffic: traffic, Limits: wire.Limits{MaxRequests: 1}, Handler: handler(func(http.ResponseWriter, *http.Request) {
		begun <- true
		<-end
	})})
	c := f.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun
	if got := f.get("/"); got != "503 Service Unavailable" {
		t.Error(got)
	}
	if n, open := traffic.TurnedAway.Load(), traffic.Open.Load(); n != 1 || open < 1 {
		t.Errorf("%d requests were turned away, want 1; %d connections are open", n, open)
	}
	close(end)
	if got := c.answer(); got != "200 " {
		t.Error(got)
	}
}

func TestIdleConnectionsMakeRoom(t *testing.T) {
	traffic := new(wire.Traffic)
	f := serve(t, wire.Config{Traffic: traffic, Limits: wire.Limits{MaxConns: 2}, Handler: handler(echo)})
	for range 6 {
		c := f.dial()
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := c.answer(); got != "200 /" {
			t.Fatal(got)
		}
	}
	if open, accepted, full := traffic.Open.Load(), traffic.Accepted.Load(), traffic.Full.Load(); open > 2 || accepted != 6 || full < 4 {
		t.Errorf("%d open, %d accepted, %d times full", open, accepted, full)
	}
}

func TestBusyConnectionsAreKept(t *testing.T) {
	begun, end := make(chan bool, 2), make(chan bool)
	f := serve(t, wire.Config{Limits: wire.Limits{MaxConns: 2}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			begun <- true
			<-end
		}
		echo(w, r)
	})})
	var all []*conn
	for range 2 {
		c := f.dial()
		c.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
		<-begun
		all = append(all, c)
	}
	late := f.dial()
	late.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
	time.Sleep(short)
	close(end)
	for _, c := range append(all, late) {
		if got := c.answer(); !strings.HasPrefix(got, "200 /") {
			t.Error(got)
		}
	}
}

func TestDrain(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	f := serve(t, wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x" {
			begun <- true
			<-end
		}
		if r.Context().Err() != nil {
			t.Error("cancelled")
		}
		echo(w, r)
	})})
	c, idle := f.dial(), f.dial()
	idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if got := idle.answer(); got != "200 /" {
		t.Fatal(got)
	}
	c.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun
	f.stop()
	if got := idle.answer(); got != "closed" {
		t.Error(got)
	}
	if nc, err := net.Dial("tcp", f.addr); err == nil {
		_ = nc.Close()
		t.Error("still listens")
	}
	close(end)
	if got := c.answer(); got != "200 /x" {
		t.Error(got)
	}
	<-f.done
	if f.err != nil {
		t.Error(f.err)
	}
}

func TestDrainEnds(t *testing.T) {
	begun, cause := make(chan bool), make(chan error, 1)
	f := serve(t, wire.Config{Limits: wire.Limits{DrainTimeout: short}, Handler: handler(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})})
	f.dial().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun
	f.stop()
	<-f.done
	if err := <-cause; !errors.Is(err, wire.ErrDraining) {
		t.Errorf("cause %v", err)
	}
	if f.err == nil || !strings.Contains(f.err.Error(), "1 requests") {
		t.Error(f.err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, web.Server{Config: wire.Config{Listener: gateway.Listener{TrustAll: true}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", gateway.FromContext(r.Context()).Scheme(), r.Host, r.RemoteAddr)
	})}}, l)
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &conn{nc, bufio.NewReader(nc)}
	c.send("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")
	if got := c.answer(); got != "200 https outer 192.0.2.9:0" {
		t.Error(got)
	}
}

func TestNoHandler(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&web.Server{}).Serve(context.Background(), l); err == nil {
		t.Error("serves nothing")
	}
}

func TestListenerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serveOn(t, web.Server{Config: wire.Config{Handler: handler(echo)}}, l)
	_ = l.Close()
	<-f.done
	if f.err == nil || !strings.Contains(f.err.Error(), "accept") {
		t.Error(f.err)
	}
}
