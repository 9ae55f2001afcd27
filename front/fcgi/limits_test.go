package fcgi_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

func TestParamsTimeout(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: hello, Limits: wire.Limits{HeaderTimeout: 20 * time.Millisecond}}})
	c := f.dial()
	c.send(beginRecord(1, responder, keep), record{params, 1, "x"})
	if rest := c.closed(); rest != nil {
		t.Errorf("got %v", rest)
	}
	f.stop()
	f.wait()
	if !strings.Contains(f.log.String(), "parameters did not arrive") {
		t.Errorf("the log: %s", f.log)
	}
}

func TestBodyTimeout(t *testing.T) {
	got := make(chan error, 1)
	f := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{BodyTimeout: 20 * time.Millisecond}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})}})
	c := f.dial()
	c.open(1, keep, "/")
	if err := receive(t, got); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("Read returned %v", err)
	}
	c.closed()
}

func TestIdleTimeout(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(60 * time.Millisecond) // longer than the timeout: not idle
		hello(w, r)
	}), Limits: wire.Limits{IdleTimeout: 20 * time.Millisecond}}})
	c := f.dial()
	c.get(1, keep, "/")
	if a := c.answer(1); a.body != "hello /" {
		t.Errorf("got %+v", a)
	}
	c.closed()
	f.dial().closed()
	f.stop()
	f.wait()
	if f.log.String() != "" {
		t.Errorf("the log: %s", f.log)
	}
}

func TestWriteTimeout(t *testing.T) {
	for _, own := range []bool{false, true} {
		got := make(chan error, 1)
		srv := fcgi.Server{Config: wire.Config{Limits: wire.Limits{WriteTimeout: 20 * time.Millisecond}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
			if own {
				http.NewResponseController(w).SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			}
			_, err := w.Write(make([]byte, 64<<20))
			got <- err
			<-r.Context().Done()
		})}}
		if own {
			srv.WriteTimeout = -1
		}
		c := serve(t, srv).dial()
		c.get(1, keep, "/")
		var ne net.Error
		if err := receive(t, got); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("Write returned %v", err)
		}
	}
}

func TestConnectionsBounded(t *testing.T) {
	started, release := make(chan struct{}, 9), make(chan struct{})
	traffic := new(wire.Traffic)
	f := serve(t, fcgi.Server{Config: wire.Config{Traffic: traffic, Limits: wire.Limits{MaxConns: 2}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- struct{}{}
			<-release
		}
		hello(w, r)
	})}})
	busy, idle := f.dial(), f.dial()
	busy.get(1, keep, "/slow")
	receive(t, started)
	idle.get(1, keep, "/idle")
	idle.answer(1)
	third := f.dial() // takes the place of the idle one
	third.get(1, keep, "/slow")
	idle.closed()
	receive(t, started)
	fourth := f.dial() // waits
	fourth.get(1, keep, "/fourth")
	close(release)
	busy.answer(1)
	third.answer(1)
	third.Close()
	if a := fourth.answer(1); a.body != "hello /fourth" {
		t.Errorf("got %+v", a)
	}
	if accepted, full := traffic.Accepted.Load(), traffic.Full.Load(); accepted != 4 || full != 2 {
		t.Errorf("%d accepted, %d times full", accepted, full)
	}
}

func TestPeers(t *testing.T) {
	for _, tc := range []struct {
		prefix string
		ok     bool
	}{{"127.0.0.0/8", true}, {"192.0.2.0/24", false}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := serveOn(t, l, fcgi.Server{Config: wire.Config{Handler: hello, Peers: []netip.Prefix{netip.MustParsePrefix(tc.prefix)}}})
		nc, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := f.wrap(nc)
		c.Write(beginRecord(1, responder, 0).bytes(0))
		c.Write(record{params, 1, typical("GET", "/")}.bytes(0))
		c.Write(append(record{params, 1, ""}.bytes(0), record{stdin, 1, ""}.bytes(0)...))
		if rest := c.closed(); (len(rest) > 0) != tc.ok {
			t.Errorf("%s: got %v", tc.prefix, rest)
		}
		nc.Close()
	}
}

func TestDeafPeer(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}}).dial()
	ask := []byte(strings.Repeat(string(record{99, 0, ""}.bytes(0)), 1000))
	for {
		if _, err := c.Write(ask); err != nil {
			break // closed, before it has cost much memory
		}
	}
}

func TestNoHandler(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := fcgi.Serve(t.Context(), l, nil); err == nil {
		t.Error("no error")
	}
}
