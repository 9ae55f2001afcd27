package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

// Here is a test for each reason not to use net/http/fcgi.

func TestPanicEndsOnlyItsRequest(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/before":
			panic("secret cause")
		case "/buffered":
			io.WriteString(w, "half a page")
			panic(fmt.Errorf("secret cause"))
		case "/after":
			io.WriteString(w, "half a page")
			w.(http.Flusher).Flush()
			panic("secret cause")
		case "/silent":
			panic(http.ErrAbortHandler)
		}
		hello(w, r)
	})}})
	c := f.dial()
	for _, path := range []string{"/before", "/buffered", "/silent"} {
		c.get(1, keep, path, "REQUEST_ID", "id-of-"+path[1:])
		a := c.answer(1)
		if a.status != "500 Internal Server Error" || a.body != "Internal Server Error\n" {
			t.Errorf("%s: %+v", path, a)
		}
	}
	c.get(1, keep, "/after", "X_REQUEST_ID", "id-of-after")
	for _, r := range c.closed() {
		if r.kind == end {
			t.Error("a page cut short was ended as if it were whole")
		}
	}
	c = f.dial()
	c.get(1, keep, "/fine")
	if a := c.answer(1); a.body != "hello /fine" {
		t.Errorf("the next request: %+v", a)
	}
	log := f.log.String()
	for _, id := range []string{"id-of-before", "id-of-buffered", "id-of-after"} {
		if !strings.Contains(log, id) {
			t.Errorf("the log lacks request %s: %s", id, log)
		}
	}
	if strings.Contains(log, "id-of-silent") || strings.Count(log, "secret cause") != 3 || !strings.Contains(log, "defects_test.go") {
		t.Errorf("the log: %s", log)
	}
}

func TestPanicLogHook(t *testing.T) {
	got := make(chan string, 1)
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(http.ResponseWriter, *http.Request) { panic("cause") }), PanicLog: func(r *http.Request, v any, stack []byte) { got <- fmt.Sprint(r.URL.Path, v, len(stack) > 100) }}}).dial()
	c.get(1, keep, "/p")
	c.answer(1)
	if s := receive(t, got); s != "/pcausetrue" {
		t.Errorf("told %q", s)
	}
}

func TestGoexitEndsOnlyItsRequest(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/exit" {
			runtime.Goexit()
		}
		hello(w, r)
	})}}).dial()
	for range 2 {
		c.get(1, keep, "/exit")
		if a := c.answer(1); a.status != "500 Internal Server Error" {
			t.Errorf("got %+v", a)
		}
	}
	c.get(1, keep, "/fine")
	if a := c.answer(1); a.body != "hello /fine" {
		t.Errorf("the next request: %+v", a)
	}
}

// aborted is a handler that tells how its request was given up, and then tries
// to answer nevertheless.
type aborted struct {
	started chan struct{}
	cause   chan error
	release chan struct{}
	wrote   chan error
}

func newAborted() *aborted {
	return &aborted{make(chan struct{}, 9), make(chan error, 9), make(chan struct{}), make(chan error, 9)}
}

func (h *aborted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/late" {
		hello(w, r)
		return
	}
	h.started <- struct{}{}
	<-r.Context().Done()
	h.cause <- context.Cause(r.Context())
	<-h.release
	_, err := io.WriteString(w, strings.Repeat("late output of another project ", 10000))
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	h.wrote <- err
}

func TestLateOutputOfAbortedRequestIsNotSent(t *testing.T) {
	h := newAborted()
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: h}}).dial()
	c.get(1, keep, "/late")
	receive(t, h.started)
	c.send(record{abort, 1, ""})
	if a := c.answer(1); a.code != complete || a.status != "" {
		t.Errorf("the answer to the abort: %+v", a)
	}
	receive(t, h.cause)
	// The id is free now, and the old handler still runs.
	c.open(1, keep, "/new", "CONTENT_LENGTH", "1")
	close(h.release)
	if err := receive(t, h.wrote); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("the late write returned %v", err)
	}
	c.send(record{stdin, 1, "x"}, record{stdin, 1, ""})
	if a := c.answer(1); a.body != "hello /new" {
		t.Errorf("the next request with the id got %+v", a)
	}
	c.get(1, 0, "/last")
	if a := c.answer(1); a.body != "hello /last" {
		t.Errorf("the one after got %+v", a)
	}
	if rest := c.closed(); rest != nil {
		t.Errorf("and then %v", rest)
	}
}

func TestAbortCancelsContext(t *testing.T) {
	for _, tc := range []struct {
		name string
		send func(c *client)
	}{
		{"of a whole request", func(c *client) { c.get(1, keep, "/late") }},
		{"of one whose body is coming", func(c *client) { c.open(1, keep, "/late") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newAborted()
			close(h.release)
			c := serve(t, fcgi.Server{Config: wire.Config{Handler: h}}).dial()
			tc.send(c)
			receive(t, h.started)
			c.send(record{abort, 1, ""}, record{abort, 1, ""})
			if err := receive(t, h.cause); err != wire.ErrAborted {
				t.Errorf("the cause is %v", err)
			}
			c.answer(1)
			c.get(1, 0, "/next")
			if a := c.answer(1); a.body != "hello /next" {
				t.Errorf("the next request: %+v", a)
			}
			if rest := c.closed(); rest != nil {
				t.Errorf("and then %v", rest)
			}
		})
	}
}

func TestAbortBeforeParamsEnd(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello, Limits: wire.Limits{MaxRequests: 1}}}).dial()
	for range 3 {
		c.send(beginRecord(1, responder, keep), record{params, 1, "xx"}, record{stdin, 1, "body"}, record{abort, 1, ""})
		if a := c.answer(1); a.status != "" || a.code != complete {
			t.Errorf("got %+v", a)
		}
	}
	c.get(1, keep, "/next")
	if a := c.answer(1); a.body != "hello /next" {
		t.Errorf("the next request: %+v", a)
	}
}

func TestCloseCancelsContext(t *testing.T) {
	h := newAborted()
	close(h.release)
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: h}})
	for _, id := range []uint16{1, 2} {
		c := f.dial()
		if id == 1 {
			c.get(id, keep, "/late")
		} else {
			c.open(id, keep, "/late")
		}
		receive(t, h.started)
		c.Close()
		if err := receive(t, h.cause); err != wire.ErrAborted {
			t.Errorf("the cause is %v", err)
		}
		if err := receive(t, h.wrote); !errors.Is(err, wire.ErrAborted) {
			t.Errorf("the late write returned %v", err)
		}
	}
}

func TestAbortFailsBodyRead(t *testing.T) {
	got, started := make(chan error, 1), make(chan struct{}, 1)
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		_, err := io.ReadAll(r.Body)
		got <- err
	})}})
	for _, how := range []string{"abort", "close"} {
		c := f.dial()
		c.open(1, keep, "/")
		c.send(record{stdin, 1, "some of it"})
		receive(t, started)
		if how == "abort" {
			c.send(record{abort, 1, ""})
		} else {
			c.Close()
		}
		if err := receive(t, got); !errors.Is(err, wire.ErrAborted) {
			t.Errorf("%s: Read returned %v", how, err)
		}
	}
}

func TestUnreadBodyDoesNotBlockOthers(t *testing.T) {
	const size = 3 << 20
	release := make(chan struct{})
	got := make(chan int64, 1)
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
			n, _ := io.Copy(io.Discard, r.Body)
			got <- n
			return
		}
		hello(w, r)
	})}}).dial()
	c.open(1, keep, "/slow")
	for range size >> 15 {
		c.send(record{stdin, 1, strings.Repeat("b", 1<<15)})
	}
	c.get(2, keep, "/other")
	if a := c.answer(2); a.body != "hello /other" {
		t.Errorf("got %+v", a)
	}
	c.send(record{stdin, 1, ""})
	close(release)
	if n := receive(t, got); n != size {
		t.Errorf("the handler has read %d bytes of %d", n, size)
	}
	c.answer(1)
}

func TestSlowHandlerDoesNotBlockOthers(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		hello(w, r)
	})}}).dial()
	c.get(1, keep, "/slow")
	c.get(2, keep, "/quick")
	if a := c.answer(2); a.body != "hello /quick" {
		t.Errorf("got %+v", a)
	}
	close(release)
	c.answer(1)
}

func TestParamsBounded(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}, MaxParamBytes: 10000, MaxParams: 40})
	c := f.dial()
	for _, tc := range []struct{ name, params, status string }{
		{"bytes", typical("GET", "/", "LONG", strings.Repeat("x", 10000)), "431 Request Header Fields Too Large"},
		{"number", strings.Repeat(pairs("A", ""), 41), "400 Bad Request"},
		{"truncated", strings.TrimSuffix(typical("GET", "/"), "1"), "400 Bad Request"},
		{"truncated length", typical("GET", "/") + "\x80\x00", "400 Bad Request"},
		{"enormous length", typical("GET", "/") + "\xff\xff\xff\xff\xff\xff\xff\xffxx", "400 Bad Request"},
		{"no name", typical("GET", "/") + pairs("", "v"), "400 Bad Request"},
		{"length", typical("POST", "/", "CONTENT_LENGTH", "+1"), "400 Bad Request"},
		{"negative length", typical("POST", "/", "CONTENT_LENGTH", "-1"), "400 Bad Request"},
	} {
		c.send(beginRecord(1, responder, keep))
		for p := tc.params; p != ""; {
			n := min(len(p), 3000)
			c.send(record{params, 1, p[:n]})
			p = p[n:]
		}
		c.send(record{params, 1, ""}, record{stdin, 1, ""})
		a := c.answer(1)
		if a.status != tc.status || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || a.body != tc.status[4:]+"\n" {
			t.Errorf("%s: %+v", tc.name, a)
		}
		c.get(1, keep, "/next")
		if a := c.answer(1); a.body != "hello /next" {
			t.Errorf("%s: then %+v", tc.name, a)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "request refused") {
		t.Errorf("the log: %s", log)
	}
}

func TestRequestsBounded(t *testing.T) {
	release := make(chan struct{})
	var most, now atomic.Int32
	h := handler(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		<-release
		now.Add(-1)
		hello(w, r)
	})
	for _, srv := range []fcgi.Server{{Config: wire.Config{Handler: h}, MaxRequestsPerConn: 3}, {Config: wire.Config{Handler: h, Limits: wire.Limits{MaxRequests: 3}}}} {
		release, most = make(chan struct{}), atomic.Int32{}
		c := serve(t, srv).dial()
		for id := range uint16(8) {
			c.get(id+1, keep, "/")
		}
		over := c.answers(5)
		for id := range uint16(5) {
			if a := over[id+4]; a.code != overload || a.status != "" {
				t.Errorf("request %d: %+v", id+4, a)
			}
		}
		close(release)
		for id, a := range c.answers(3) {
			if a.body != "hello /" {
				t.Errorf("request %d: %+v", id, a)
			}
		}
		if most.Load() > 3 {
			t.Errorf("%d handlers at a time", most.Load())
		}
		c.get(9, keep, "/")
		if a := c.answer(9); a.body != "hello /" {
			t.Errorf("then %+v", a)
		}
	}
}

// TestAbortedHandlersCount has aborted requests count as long as they run.
func TestAbortedHandlersCount(t *testing.T) {
	h := newAborted()
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: h, Limits: wire.Limits{MaxRequests: 2}}}).dial()
	for range 2 {
		c.get(1, keep, "/late")
		receive(t, h.started)
		c.send(record{abort, 1, ""})
		c.answer(1)
	}
	c.get(1, keep, "/")
	if a := c.answer(1); a.code != overload {
		t.Errorf("got %+v", a)
	}
	close(h.release)
	receive(t, h.wrote)
	receive(t, h.wrote)
	for { // the handlers have returned, or will at once
		c.get(1, keep, "/")
		if a := c.answer(1); a.code == complete {
			break
		}
	}
}

func TestBegunRequestsBounded(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}}).dial()
	go func() {
		var b []byte
		for id := uint16(1); id < 2000; id++ {
			b = append(b, beginRecord(id, responder, keep).bytes(0)...)
		}
		c.Write(b)
	}()
	if n := len(c.answers(2000 - 1 - fcgi.DefaultMaxRequestsPerConn)); n == 0 {
		t.Error("nothing was refused")
	}
}

// failing fails to accept now and then.
type failing struct {
	net.Listener
	errs []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

func TestAcceptErrorGoesOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serveOn(t, &failing{l, []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.ENFILE}}, fcgi.Server{Config: wire.Config{Handler: hello}})
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := f.wrap(nc)
	c.get(1, 0, "/")
	if a := c.answer(1); a.body != "hello /" {
		t.Errorf("got %+v", a)
	}
	if n := strings.Count(f.log.String(), "accept failed"); n != 3 {
		t.Errorf("%d lines in the log: %s", n, f.log)
	}
}

func TestAcceptErrorForGood(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serveOn(t, l, fcgi.Server{Config: wire.Config{Handler: hello}})
	l.Close()
	if err := f.wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	started, release := make(chan struct{}, 2), make(chan struct{})
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the context of a request has ended: %v", err)
		}
		hello(w, r)
	})}})
	idle, whole, body := f.dial(), f.dial(), f.dial()
	whole.get(1, keep, "/whole")
	body.open(1, keep, "/body")
	receive(t, started)
	receive(t, started)
	f.stop()
	if rest := idle.closed(); rest != nil {
		t.Errorf("an idle connection got %v", rest)
	}
	if _, err := net.Dial("unix", f.addr); err == nil {
		t.Error("a connection is still accepted")
	}
	body.get(2, keep, "/more")
	if a := body.answer(2); a.code != overload {
		t.Errorf("a new request while draining: %+v", a)
	}
	close(release)
	for _, c := range []*client{whole, body} {
		if a := c.answer(1); !strings.HasPrefix(a.body, "hello /") {
			t.Errorf("got %+v", a)
		}
		if rest := c.closed(); rest != nil {
			t.Errorf("after the answer: %v", rest)
		}
	}
	if err := f.wait(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestDrainCancelsInTheEnd(t *testing.T) {
	got := make(chan error, 1)
	started := make(chan struct{})
	f := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{DrainTimeout: 10 * time.Millisecond}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		got <- context.Cause(r.Context())
		http.Error(w, "going down", http.StatusServiceUnavailable)
	})}})
	c := f.dial()
	c.get(1, keep, "/")
	receive(t, started)
	f.stop()
	if err := receive(t, got); err != wire.ErrDraining {
		t.Errorf("the cause is %v", err)
	}
	if a := c.answer(1); a.status != "503 Service Unavailable" {
		t.Errorf("got %+v", a)
	}
	if err := f.wait(); err == nil || !strings.Contains(err.Error(), "1 requests") {
		t.Errorf("Serve returned %v", err)
	}
}

func TestDrainServesWhatHasArrived(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}})
	for range 50 {
		c := f.dial()
		defer c.Close()
		c.get(1, keep, "/")
		c.answer(1)
	}
	f.stop()
	if err := f.wait(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// TestDrainClosesWhatIsSilent: a web server that does not know yet uses a kept
// connection again and again. It is closed when it has been silent for a moment.
func TestDrainClosesWhatIsSilent(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}})
	c := f.dial()
	c.get(1, keep, "/")
	c.answer(1)
	f.stop()
	for range 50 {
		c.get(1, keep, "/again")
		if a := c.answer(1); !strings.HasPrefix(a.body, "hello /again") {
			t.Fatalf("got %+v", a)
		}
	}
	if rest := c.closed(); rest != nil {
		t.Errorf("after a silence: %v", rest)
	}
	if err := f.wait(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// TestDrainOfABusyConnection: one that is never silent keeps nobody from ending,
// and that is no failure.
func TestDrainOfABusyConnection(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{DrainTimeout: 400 * time.Millisecond}, Handler: hello}})
	c := f.dial()
	c.get(1, keep, "/")
	c.answer(1)
	f.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// What is asked for last may be lost, and writing it may fail.
		_, _ = io.Copy(io.Discard, c.Conn)
	}()
	request := append(beginRecord(1, responder, keep).bytes(0), record{params, 1, typical("GET", "/")}.bytes(0)...)
	request = append(append(request, record{params, 1, ""}.bytes(0)...), record{stdin, 1, ""}.bytes(0)...)
	for open := true; open; {
		_, err := c.Write(request)
		select {
		case <-ended:
			open = false
		case <-time.After(time.Millisecond):
			open = err == nil
		}
	}
	if err := f.wait(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	c.Close()
	<-ended
}
