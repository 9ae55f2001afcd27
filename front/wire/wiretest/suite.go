package wiretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/front/wire"
)

type handler = http.HandlerFunc

func config(h handler) wire.Config { return wire.Config{Handler: h} }

// echo answers with what arrived.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %d %q %v", r.Method, r.URL.Path, r.ContentLength, b, err)
}

func (p Protocol) answers(t *testing.T) {
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("X-Agent", r.Header.Get("User-Agent"))
		w.Header().Set("X-Injected", "a\r\nSet-Cookie: b=c")
		w.Header()["Bad: name\r\nEvil"] = []string{"x"}
		w.Header().Add("Set-Cookie", "one=1")
		w.Header().Add("Set-Cookie", "two=2")
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "chunked")
		echo(w, r)
	}))
	a := f.Do(Request{Path: "/wiki/caf%C3%A9?x=1", Header: [][2]string{{"User-Agent", "test"}}}, "")
	if a.Status != 200 || a.Body != `GET /wiki/café 0 "" <nil>` {
		t.Errorf("got %+v", a)
	}
	for name, want := range map[string]string{
		"X-Host": "projects.example.org", "X-Agent": "test", "X-Injected": "a  Set-Cookie: b=c",
		"Content-Type": "text/plain; charset=utf-8", "Content-Length": "26", "Connection": "", "Transfer-Encoding": "", "Evil": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := a.Header.Values("Set-Cookie"); len(got) != 2 {
		t.Errorf("cookies: %q", got)
	}
	f.Log.Has(t, "header field dropped")
}

func (p Protocol) statuses(t *testing.T) {
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			_, _ = io.WriteString(w, "<html>")
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
			if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
				t.Errorf("304: Write returned %v", err)
			}
		case "/599":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(599)
		case "/length":
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "abc")
			if _, err := io.WriteString(w, "d"); err != http.ErrContentLength {
				t.Errorf("Write beyond Content-Length returned %v", err)
			}
		}
	}))
	for _, tc := range []struct {
		method, path string
		want         Answer
		length       string
	}{
		{"HEAD", "/head", Answer{Status: 200}, "6"},
		{"GET", "/304", Answer{Status: 304}, ""},
		{"GET", "/599", Answer{Status: 599}, "0"},
		{"GET", "/length", Answer{Status: 200, Body: "abc"}, "3"},
		{"GET", "/nothing", Answer{Status: 200}, "0"},
	} {
		a := f.Do(Request{Method: tc.method, Path: tc.path}, "")
		if a.Status != tc.want.Status || a.Body != tc.want.Body || a.Header.Get("Content-Length") != tc.length {
			t.Errorf("%s %s: got %+v", tc.method, tc.path, a)
		}
	}
}

func (p Protocol) bodies(t *testing.T) {
	f := p.Start(t, config(echo))
	for _, n := range []int{1, 2, 100, 4000, 8186, 8187, 8192, 20000} {
		body := strings.Repeat("x", n)
		a := f.Do(Request{Method: "POST", Path: "/"}, body)
		if want := fmt.Sprintf("POST / %d %q <nil>", n, body); a.Body != want {
			t.Errorf("%d bytes: got %.80q", n, a.Body)
		}
	}
}

// big is ten megabytes that are the same nowhere.
var big = sync.OnceValue(func() []byte {
	b := make([]byte, 10<<20)
	for i := 0; i+8 <= len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], uint64(i)*0x9e3779b97f4a7c15)
	}
	return b
})

func (p Protocol) upload(t *testing.T) {
	dir := t.TempDir()
	f := p.Start(t, wire.Config{Limits: wire.Limits{TempDir: dir}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, h.Sum(nil), err)
	})})
	body := big()
	a := f.Do(Request{Method: "POST", Path: "/"}, string(body))
	if want := fmt.Sprintf("%d %x <nil>", len(body), sha256.Sum256(body)); a.Body != want {
		t.Errorf("got %q, want %q", a.Body, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func (p Protocol) download(t *testing.T) {
	body := big()
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/copied" {
			_, _ = io.Copy(w, struct{ io.Reader }{bytes.NewReader(body)})
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}))
	for _, path := range []string{"/written", "/copied"} {
		a := f.Get(path)
		if a.Body != string(body) {
			t.Errorf("%s: got %d bytes, want %d", path, len(a.Body), len(body))
		}
	}
	h := strings.Repeat("h", 3000) // a head that has no room in front of the body
	f = p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", h)
		_, _ = w.Write(body[:100000])
	}))
	if a := f.Get("/"); a.Header.Get("X-Long") != h || a.Body != string(body[:100000]) {
		t.Errorf("with a long head: %d bytes, head %d", len(a.Body), len(a.Header.Get("X-Long")))
	}
}

func (p Protocol) flush(t *testing.T) {
	go1, late := make(chan struct{}), make(chan error, 1)
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		late <- http.NewResponseController(w).Flush()
		<-go1
		_, _ = io.WriteString(w, "second")
	}))
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Path: "/"}))
	Until(t, nc, "first")
	close(go1)
	Until(t, nc, "second")
	if err := Receive(t, late); err != nil {
		t.Error(err)
	}
}

// concurrent has many connections at once, each with its own answers.
func (p Protocol) concurrent(t *testing.T) {
	f := p.Start(t, config(echo))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				nc, err := net.Dial(f.Addr.Network(), f.Addr.String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = nc.SetDeadline(time.Now().Add(Patience))
				path, body := fmt.Sprintf("/%d/%d", i, j), strings.Repeat(fmt.Sprint(i), 1+j*100)
				_, err = nc.Write(p.Head(Request{Method: "POST", Path: path, Length: len(body)}))
				if err == nil {
					var a Answer
					a, err = p.Finish(nc, []byte(body))
					if want := fmt.Sprintf("POST %s %d %q <nil>", path, len(body), body); a.Body != want {
						t.Errorf("got %.100q, want %.100q", a.Body, want)
					}
				}
				if err != nil {
					t.Error(err)
				}
				_ = nc.Close()
			}
		})
	}
	wg.Wait()
}

func (p Protocol) refused(t *testing.T) {
	f := p.Start(t, config(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }))
	for _, r := range []Request{
		{Path: "/", Host: "evil/host"},
		{Path: "/x/%zz"},
		{Path: "/%ff"},
	} {
		a := f.Do(r, "")
		if a.Status != 400 || a.Body != "Bad Request\n" {
			t.Errorf("%+v: got %+v", r, a)
		}
	}
	f.Log.Has(t, "request refused")
	if a := f.Do(Request{Path: "/a%2Fb?c"}, ""); a.Status != 301 || a.Header.Get("Location") != "/a/b?c" {
		t.Errorf("an encoded slash: %+v", a)
	}
}

func (p Protocol) bodyTooLong(t *testing.T) {
	f := p.Start(t, wire.Config{Limits: wire.Limits{MaxBody: 1000}, Handler: handler(echo)})
	if a := f.Do(Request{Method: "POST", Path: "/"}, strings.Repeat("x", 1000)); a.Status != 200 {
		t.Errorf("got %+v", a)
	}
	for _, n := range []int{1001, 1 << 20} { // the second does not fit the socket's buffers
		a := f.Do(Request{Method: "POST", Path: "/"}, strings.Repeat("x", n))
		if a.Status != 413 || a.Body != "Request Entity Too Large\n" {
			t.Errorf("%d bytes: got %+v", n, a)
		}
	}
	f.Log.Has(t, "more than 1000")
}

func (p Protocol) overload(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	traffic := new(wire.Traffic)
	f := p.Start(t, wire.Config{Traffic: traffic, Limits: wire.Limits{MaxRequests: 1}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	})})
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Path: "/"}))
	Receive(t, entered)
	if a := f.Get("/"); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %+v", a)
	}
	close(leave)
	if a, err := p.Finish(nc, nil); err != nil || a.Status != 200 {
		t.Errorf("got %+v, %v", a, err)
	}
	if n := traffic.TurnedAway.Load(); n != 1 {
		t.Errorf("%d requests were turned away, want 1", n)
	}
}

// gone is a handler that tells how its request was given up, and then tries to
// answer nevertheless.
type gone struct {
	started chan struct{}
	cause   chan error
	wrote   chan error
}

func newGone() gone { return gone{make(chan struct{}, 1), make(chan error, 1), make(chan error, 1)} }

func (g gone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.started <- struct{}{}
	select {
	case <-r.Context().Done():
		g.cause <- context.Cause(r.Context())
	case <-time.After(Patience):
		g.cause <- errors.New("the context was not cancelled")
	}
	_, err := io.WriteString(w, strings.Repeat("late output ", 10000))
	g.wrote <- err
}

func (g gone) check(t *testing.T) {
	t.Helper()
	if err := Receive(t, g.cause); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("the cause is %v", err)
	}
	if err := Receive(t, g.wrote); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("the late write returned %v", err)
	}
}

func (p Protocol) abort(t *testing.T) {
	for name, r := range map[string]Request{"whole": {Path: "/"}, "body outstanding": {Method: "POST", Path: "/", Length: 100000}} {
		t.Run(name, func(t *testing.T) {
			g := newGone()
			for _, f := range []*Fixture{p.Start(t, wire.Config{Handler: g}), p.StartTCP(t, wire.Config{Handler: g})} {
				nc := f.Dial()
				Send(t, nc, p.Head(r))
				Receive(t, g.started)
				if r.Length > 0 {
					Send(t, nc, p.Body(make([]byte, 1000)))
				}
				_ = nc.Close()
				g.check(t)
			}
		})
	}
}

// halfClosed: a peer that says it sends nothing more cannot be told from one
// that has gone, so it is taken for that.
func (p Protocol) halfClosed(t *testing.T) {
	g := newGone()
	f := p.StartTCP(t, wire.Config{Handler: g})
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Path: "/"}))
	Receive(t, g.started)
	_ = nc.(*net.TCPConn).CloseWrite()
	g.check(t)
	if rest := Closed(t, nc); rest != "" {
		t.Errorf("got %.100q", rest)
	}
}

func (p Protocol) bodyCutShort(t *testing.T) {
	got := make(chan error, 1)
	f := p.StartTCP(t, config(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	}))
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Method: "POST", Path: "/", Length: 5000}))
	Send(t, nc, p.Body([]byte("some of it")))
	_ = nc.(*net.TCPConn).CloseWrite()
	if err := Receive(t, got); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("reading the body returned %v", err)
	}
	Closed(t, nc)
}

func (p Protocol) slowHead(t *testing.T) {
	f := p.Start(t, wire.Config{Limits: wire.Limits{HeaderTimeout: 30 * time.Millisecond}, Handler: handler(echo)})
	if rest := Closed(t, f.Dial()); rest != "" {
		t.Errorf("a silent peer got %q", rest)
	}
	if f.Log.String() != "" {
		t.Errorf("logged for a silent peer: %s", f.Log)
	}
	nc := f.Dial()
	head := p.Head(Request{Path: "/"})
	Send(t, nc, head[:len(head)/2])
	if rest := Closed(t, nc); rest != "" {
		t.Errorf("a slow peer got %q", rest)
	}
	f.Log.Has(t, "head of a request did not arrive")
}

func (p Protocol) slowBody(t *testing.T) {
	got := make(chan error, 1)
	f := p.Start(t, wire.Config{Limits: wire.Limits{BodyTimeout: 30 * time.Millisecond}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})})
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Method: "POST", Path: "/", Length: 5000}))
	Send(t, nc, p.Body([]byte("some of it")))
	if err := Receive(t, got); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("reading the body returned %v", err)
	}
	f.Log.Has(t, "no byte of a request body")
}

func (p Protocol) readDeadline(t *testing.T) {
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		_, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded))
	}))
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Method: "POST", Path: "/", Length: 5000}))
	Until(t, nc, "true")
}

// deafPeer does not read its answer.
func (p Protocol) deafPeer(t *testing.T) {
	got := make(chan error, 1)
	for _, rc := range []bool{false, true} {
		cfg := config(func(w http.ResponseWriter, r *http.Request) {
			if rc {
				if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
					t.Error(err)
				}
			}
			var err error
			for b := make([]byte, 1<<20); err == nil; {
				_, err = w.Write(b)
			}
			got <- err
		})
		if !rc {
			cfg.WriteTimeout = 50 * time.Millisecond
		}
		f := p.Start(t, cfg)
		Send(t, f.Dial(), p.Head(Request{Path: "/"}))
		if err := Receive(t, got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write returned %v", err)
		}
	}
}

func (p Protocol) panics(t *testing.T) {
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Secret", "leaked")
		_, _ = io.WriteString(w, "leaked")
		switch r.URL.Path {
		case "/goexit":
			runtime.Goexit()
		case "/silent":
			panic(http.ErrAbortHandler)
		}
		panic("secret cause")
	}))
	for _, path := range []string{"/panic", "/goexit", "/silent"} {
		if a := f.Get(path); a.Status != 500 || a.Body != "Internal Server Error\n" || a.Header.Get("X-Secret") != "" {
			t.Errorf("%s: %+v", path, a)
		}
	}
	f.Log.Has(t, "secret cause")
	if n := strings.Count(f.Log.String(), "handler panicked"); n != 1 {
		t.Errorf("%d panics logged: %s", n, f.Log)
	}
	told := make(chan any, 1)
	f = p.Start(t, wire.Config{
		Handler:  handler(func(http.ResponseWriter, *http.Request) { panic("told") }),
		PanicLog: func(r *http.Request, v any, stack []byte) { told <- fmt.Sprint(r.URL.Path, v, len(stack) > 0) },
	})
	f.Get("/x")
	if got := Receive(t, told); got != "/xtoldtrue" {
		t.Errorf("PanicLog was told %v", got)
	}
}

// panicLate: the web server must see that the answer is not whole.
func (p Protocol) panicLate(t *testing.T) {
	f := p.StartTCP(t, config(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the beginning")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/wait" {
			time.Sleep(50 * time.Millisecond) // for the peer to read
		}
		panic(http.ErrAbortHandler)
	}))
	for _, path := range []string{"/", "/wait"} {
		nc := f.Dial()
		Send(t, nc, p.Head(Request{Path: path}))
		if a, err := p.Finish(nc, nil); err == nil {
			t.Errorf("%s: passes for whole: %+v", path, a)
		}
	}
}

func (p Protocol) peers(t *testing.T) {
	for prefix, want := range map[string]bool{"127.0.0.0/8": true, "192.0.2.0/24": false} {
		traffic := new(wire.Traffic)
		f := p.StartTCP(t, wire.Config{Traffic: traffic, Handler: handler(echo), Peers: []netip.Prefix{netip.MustParsePrefix(prefix)}})
		nc := f.Dial()
		_, _ = nc.Write(p.Head(Request{Path: "/"}))
		a, err := p.Finish(nc, nil)
		if (err == nil && a.Status == 200) != want {
			t.Errorf("%s: %+v, %v", prefix, a, err)
		}
		if accepted, refused := traffic.Accepted.Load(), traffic.Refused.Load(); accepted+refused != 1 || (accepted == 1) != want {
			t.Errorf("%s: %d accepted, %d refused", prefix, accepted, refused)
		}
		if !want {
			f.Log.Has(t, "peer is not allowed")
		}
	}
}

// connections: those beyond the bound wait.
func (p Protocol) connections(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	traffic := new(wire.Traffic)
	f := p.Start(t, wire.Config{Traffic: traffic, Limits: wire.Limits{MaxConns: 1}, Handler: handler(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	})})
	first, second := f.Dial(), f.Dial()
	Send(t, first, p.Head(Request{Path: "/"}))
	Receive(t, entered)
	Send(t, second, p.Head(Request{Path: "/"}))
	f.Log.Has(t, "as many connections as allowed")
	if open, accepted, full := traffic.Open.Load(), traffic.Accepted.Load(), traffic.Full.Load(); open != 1 || accepted != 1 || full != 1 {
		t.Errorf("%d open, %d accepted, %d times full; want 1 of each", open, accepted, full)
	}
	close(leave)
	for _, nc := range []net.Conn{first, second} {
		if a, err := p.Finish(nc, nil); err != nil || a.Status != 200 {
			t.Errorf("got %+v, %v", a, err)
		}
		_ = nc.Close()
	}
	f.Stop()
	if err := f.Wait(); err != nil {
		t.Error(err)
	}
	if open, accepted := traffic.Open.Load(), traffic.Accepted.Load(); open != 0 || accepted != 2 {
		t.Errorf("at the end %d open, %d accepted; want none of 2", open, accepted)
	}
}

func (p Protocol) drain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		fmt.Fprint(w, r.Context().Err())
	}))
	nc, silent := f.Dial(), f.Dial()
	Send(t, nc, p.Head(Request{Path: "/"}))
	Receive(t, entered)
	f.Stop()
	if rest := Closed(t, silent); rest != "" {
		t.Errorf("an idle connection got %q", rest)
	}
	close(leave)
	if a, err := p.Finish(nc, nil); err != nil || a.Body != "<nil>" {
		t.Errorf("got %+v, %v", a, err)
	}
	Closed(t, nc)
	if err := f.Wait(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func (p Protocol) drainCancels(t *testing.T) {
	entered, cause := make(chan struct{}, 1), make(chan error, 1)
	f := p.Start(t, wire.Config{Limits: wire.Limits{DrainTimeout: 10 * time.Millisecond}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
		_, _ = io.WriteString(w, "still sent")
	})})
	nc := f.Dial()
	Send(t, nc, p.Head(Request{Path: "/"}))
	Receive(t, entered)
	f.Stop()
	if err := Receive(t, cause); !errors.Is(err, wire.ErrDraining) {
		t.Errorf("the cause is %v", err)
	}
	if a, err := p.Finish(nc, nil); err != nil || a.Body != "still sent" {
		t.Errorf("got %+v, %v", a, err)
	}
	_ = nc.Close()
	if err := f.Wait(); err == nil {
		t.Error("Serve did not tell")
	}
}

func (p Protocol) writerAfterItsEnd(t *testing.T) {
	old := make(chan http.ResponseWriter, 1)
	f := p.Start(t, config(func(w http.ResponseWriter, r *http.Request) { old <- w }))
	f.Get("/")
	w := Receive(t, old)
	if _, err := io.WriteString(w, "late"); err == nil {
		t.Error("writing after the end succeeded")
	}
	if err := http.NewResponseController(w).Flush(); err == nil {
		t.Error("flushing after the end succeeded")
	}
}

func (p Protocol) noHandler(t *testing.T) {
	f := p.Start(t, wire.Config{})
	if err := f.Wait(); err == nil || !strings.Contains(err.Error(), "without a handler") {
		t.Errorf("Serve returned %v", err)
	}
}

// Bench has answers of a kilobyte, each on a connection of its own or all on one.
func (p Protocol) Bench(b *testing.B, kept bool) {
	page := bytes.Repeat([]byte("x"), 1<<10)
	f := p.Start(b, config(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	}))
	head := p.Head(Request{Path: "/wiki", Header: [][2]string{{"User-Agent", "Mozilla/5.0"}, {"Accept", "*/*"}}})
	var nc net.Conn
	b.ReportAllocs()
	for b.Loop() {
		if nc == nil {
			var err error
			if nc, err = net.Dial(f.Addr.Network(), f.Addr.String()); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := nc.Write(head); err != nil {
			b.Fatal(err)
		}
		if a, err := p.Finish(nc, nil); err != nil || len(a.Body) != len(page) {
			b.Fatalf("%+v, %v", a, err)
		}
		if !kept {
			_ = nc.Close()
			nc = nil
		}
	}
	if nc != nil {
		_ = nc.Close()
	}
}
