package web_test

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"projhost/front/web"
	"projhost/front/wire"
)

// TestHealthChecksAreNoNews: a connection that ends before its first byte leaves no
// warning, one that says something wrong does, and one only.
func TestHealthChecksAreNoNews(t *testing.T) {
	trust := &web.ProxyTrust{Peers: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	const head = "PROXY UNKNOWN\r\n"
	for name, c := range map[string]struct {
		proxy *web.ProxyTrust
		send  string
		reset bool
		says  string // "" for nothing
	}{
		"closed":                {},
		"reset":                 {reset: true},
		"closed without a head": {proxy: trust},
		"reset without a head":  {proxy: trust, reset: true},
		"closed after the head": {proxy: trust, send: head},
		"reset after the head":  {proxy: trust, send: head, reset: true},
		"no TLS":                {send: "GET / HTTP/1.1\r\n\r\n", says: "client sent an HTTP request"},
		"half a head":           {proxy: trust, send: "PROXY TCP4 ", says: "web: connection refused"},
		"no head":               {proxy: trust, send: "GET / HTTP/1.1\r\n\r\n", says: "begins with something else"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serveTLS(t, web.Server{Proxy: c.proxy, Config: wire.Config{Handler: handler(echo)}})
			nc := f.dial()
			nc.send(c.send)
			time.Sleep(short / 4) // so that a reset does not overtake it
			if c.reset {
				if err := nc.Conn.(*net.TCPConn).SetLinger(0); err != nil {
					t.Fatal(err)
				}
			} else if err := nc.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			} else {
				_, _ = io.Copy(io.Discard, nc) // until the server has closed it, too
			}
			_ = nc.Close()
			time.Sleep(short / 2)
			f.stop()
			<-f.done
			log := f.log.String()
			if c.says == "" && log != "" || c.says != "" && (strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, c.says)) {
				t.Errorf("the log, which is to say %q: %s", c.says, log)
			}
		})
	}
}
