package front_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/front"
)

// taken is a Serve that may take sockets of another over.
func taken(t *testing.T, former []front.Passed, listen ...string) (*server, *front.Sockets, error) {
	t.Helper()
	var addrs []front.Addr
	for _, l := range listen {
		a, err := front.ParseAddr(l)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &server{stop: stop, done: make(chan error, 1)}
	ready := make(chan *front.Sockets, 1)
	o := front.Options{Log: slog.New(slog.DiscardHandler), Former: former, Open: func(s *front.Sockets) { ready <- s }}
	go func() { s.done <- front.Serve(ctx, http.HandlerFunc(hello), o, addrs...) }()
	select {
	case sockets := <-ready:
		t.Cleanup(func() { s.end(t) })
		return s, sockets, nil
	case err := <-s.done:
		stop()
		return nil, nil, err
	}
}

// TestPass hands a unix and a TCP socket from one Serve to the next, and the
// file of the unix socket with it.
func TestPass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp := l.Addr().String()
	_ = l.Close()
	listen := []string{"http+unix:" + path, "http://" + tcp}
	first, sockets, err := taken(t, nil, listen...)
	if err != nil {
		t.Fatal(err)
	}
	passed, err := sockets.Pass()
	if err != nil || len(passed) != 2 || !passed[0].Owns || passed[1].Owns {
		t.Fatalf("%+v, %v", passed, err)
	}
	second, next, err := taken(t, passed, listen...)
	if err != nil {
		t.Fatal(err)
	}
	sockets.Leave(true)
	first.end(t)
	for _, at := range [][2]string{{"unix", path}, {"tcp", tcp}} {
		if got := get(t, at[0], at[1], "/x"); !strings.Contains(got, "/x") {
			t.Errorf("%s: %s", at[1], got)
		}
	}
	next.Leave(false)
	second.end(t)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestPassToNobody: a process that could not take over leaves the file alone.
func TestPassToNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listen := "http+unix:" + path
	_, sockets, err := taken(t, nil, listen)
	if err != nil {
		t.Fatal(err)
	}
	passed, err := sockets.Pass()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := taken(t, passed, listen, "http+unix:/nosuch/dir/s"); err == nil {
		t.Fatal("it listens in no directory")
	}
	if got := get(t, "unix", path, "/x"); !strings.Contains(got, "/x") {
		t.Errorf("the former server: %s", got)
	}
}

func TestListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	listening, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listening.Close() }()
	connected, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connected.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if ok, err := front.Listens(int(listening.Fd())); !ok || err != nil {
		t.Errorf("a listening socket: %v, %v", ok, err)
	}
	if ok, err := front.Listens(int(connected.Fd())); ok || err == nil {
		t.Errorf("a connection: %v, %v", ok, err)
	}
	if ok, err := front.Listens(int(null.Fd())); ok || err != nil {
		t.Errorf("no socket: %v, %v", ok, err)
	}
}
