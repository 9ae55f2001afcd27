package front_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/front"
	"projhost/front/gateway"
)

// TestProtocols has one process speak several protocols, each to its own socket.
func TestProtocols(t *testing.T) {
	dir := t.TempDir()
	var addrs []front.Addr
	sent := map[string]string{
		"scgi":  "77:CONTENT_LENGTH\x000\x00SCGI\x001\x00REQUEST_METHOD\x00GET\x00SCRIPT_NAME\x00/trac\x00PATH_INFO\x00/wiki\x00,",
		"uwsgi": "\x00\x3b\x00\x00\x0e\x00REQUEST_METHOD\x03\x00GET\x0b\x00SCRIPT_NAME\x05\x00/trac\x09\x00PATH_INFO\x05\x00/wiki",
		"ajp": "\x12\x34\x00\x3a\x02\x02\x00\x08HTTP/1.1\x00\x00\x0a/trac/wiki\x00\x00\x07192.0.2\x00\xff\xff\x00\x03a.b\x00\x00\x50\x00\x00\x00" +
			"\x0c\x00\x04hush\x00\xff",
	}
	for name := range sent {
		options := ""
		if name == "ajp" {
			options = "?secret=hush&prefix=/trac"
		}
		a, err := front.ParseAddr(name + "+unix:" + filepath.Join(dir, name) + options)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s %s by %s.", v.Script(), r.URL.Path, v.Listener())
	})
	ctx, stop := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- front.Serve(ctx, h, front.Options{Log: slog.New(slog.DiscardHandler), Ready: func([]net.Addr) { close(ready) }}, addrs...)
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	for name, request := range sent {
		nc, err := net.Dial("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(nc, request); err != nil {
			t.Error(err)
		}
		var got strings.Builder
		for b := make([]byte, 1); !strings.HasSuffix(got.String(), ".") || !strings.Contains(got.String(), " by "); got.Write(b) {
			if _, err := nc.Read(b); err != nil {
				t.Fatalf("%s: %v after %q", name, err, got.String())
			}
		}
		if want := "/trac /wiki by " + name + "+unix:"; !strings.Contains(got.String(), want) || strings.Contains(got.String(), "hush") {
			t.Errorf("%s: got %q", name, got.String())
		}
		_ = nc.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
