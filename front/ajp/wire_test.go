package ajp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/front/ajp"
	"projhost/front/gateway"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

// tell answers with the variables that matter.
var tell = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	v := gateway.FromContext(r.Context())
	b, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %q user=%q auth=%s %s %s %s %d %q %v", r.Method, r.RequestURI, r.URL.Path, v.RemoteUser(), v.Get("AUTH_TYPE"),
		v.Scheme(), r.Host, r.RemoteAddr, r.ContentLength, b, err)
	for name, value := range v.All() {
		if strings.HasPrefix(name, "TRAC_") || strings.HasPrefix(name, "SSL_") {
			fmt.Fprintf(w, " %s=%s", name, value)
		}
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(w, " %s:%s", name, r.Header.Get(name))
	}
})

// TestRequests has what a request may hold.
func TestRequests(t *testing.T) {
	f := protocol().Start(t, wire.Config{Handler: tell})
	host := coded(0x0b, "a.example")
	const plain = ` user="" auth= http a.example 192.0.2.7:0 0 "" <nil>`
	for name, tc := range map[string]struct{ send, want string }{
		"the least":            {forward(2, "/x", []string{host}), `GET /x "/x"` + plain},
		"a query":              {forward(2, "/x", []string{host}, attr(5, "a=b&c")), `GET /x?a=b&c "/x"` + plain},
		"decoded once":         {forward(2, "/caf%C3%A9%20%2541", []string{host}), `GET /caf%C3%A9%20%2541 "/café %41"` + plain},
		"coded methods":        {forward(27, "/", []string{host}), `MKACTIVITY / "/"` + plain},
		"stored method":        {forward(0xff, "/", []string{host}, attr(13, "PATCH")), `PATCH / "/"` + plain},
		"a user":               {forward(2, "/", []string{host}, attr(3, "ana"), attr(4, "Basic")), `GET / "/" user="ana" auth=Basic http a.example 192.0.2.7:0 0 "" <nil>`},
		"attributes not read":  {forward(2, "/", []string{host}, attr(1, "c"), attr(2, "s"), attr(6, "r"), attr(12, "not asked for")), `GET / "/"` + plain},
		"named":                {forward(2, "/", []string{host}, named("TRAC_ENV", "/srv/a b"), named("AJP_REMOTE_PORT", "7")), `GET / "/" user="" auth= http a.example 192.0.2.7:7 0 "" <nil> TRAC_ENV=/srv/a b`},
		"TLS":                  {strings.Replace(forward(2, "/", []string{host}, attr(8, "C"), attr(9, "S"), "\x0b\x01\x00", attr(7, "-\nx")), "\x00\x50\x00", "\x01\xbb\x01", 1), `GET / "/" user="" auth= https a.example 192.0.2.7:0 0 "" <nil> SSL_CIPHER=C SSL_SESSION_ID=S SSL_CIPHER_USEKEYSIZE=256 SSL_CLIENT_CERT=-` + "\nx"},
		"coded headers":        {forward(2, "/", []string{host, coded(1, "a"), coded(4, "de"), coded(9, "c=d"), coded(0x0e, "u")}), `GET / "/"` + plain + ` Accept:a Accept-Language:de Cookie:c=d User-Agent:u`},
		"headers are headers":  {forward(2, "/", []string{host, header("Remote-User", "admin"), header("Remote_User", "admin"), header("REMOTE_USER", "admin"), header("TRAC_ENV", "/etc"), header("Trac-Env", "/etc"), header("Auth-Type", "x"), header("Https", "on"), header("X Y", "z"), header("", "e"), header("Proxy", "p")}), `GET / "/"` + plain + ` Https:on`},
		"no path":              {forward(2, "", []string{host}), "400"},
		"a whole address":      {forward(2, "http://b/", []string{host}), "400"},
		"unknown method":       {forward(28, "/", []string{host}), "400"},
		"stored but none":      {forward(0xff, "/", []string{host}), "400"},
		"unknown header":       {forward(2, "/", []string{host, coded(0x0f, "x")}), "400"},
		"unknown attribute":    {forward(2, "/", []string{host}, attr(14, "x")), "400"},
		"two users":            {forward(2, "/", []string{host}, attr(3, "ana"), attr(3, "admin")), "400"},
		"a user by name":       {forward(2, "/", []string{host}, attr(3, "ana"), named("REMOTE_USER", "admin")), "400"},
		"a header by name":     {forward(2, "/", []string{host}, named("HTTP_X", "y")), "400"},
		"two environments":     {forward(2, "/", []string{host}, named("TRAC_ENV", "/a"), named("TRAC_ENV", "/a")), "400"},
		"no name":              {forward(2, "/", []string{host}, named("", "x")), "400"},
		"two hosts":            {forward(2, "/", []string{host, coded(0x0b, "b.example")}), "400"},
		"two lengths":          {forward(4, "/", []string{host, coded(8, "1"), coded(8, "2")}), "400"},
		"a signed length":      {forward(4, "/", []string{host, coded(8, "+1")}), "400"},
		"length and chunked":   {forward(4, "/", []string{host, coded(8, "1"), header("transfer-encoding", "chunked")}), "400"},
		"a break in a header":  {forward(2, "/", []string{host, header("x-y", "a\r\nb")}), "400"},
		"truncated":            {forward(2, "/", []string{host})[:30], "400"},
		"without its end":      {strings.TrimSuffix(forward(2, "/", []string{host}), "\xff"), "400"},
		"more after its end":   {forward(2, "/", []string{host}) + "x", "400"},
		"a string without NUL": {strings.Replace(forward(2, "/", []string{host}), "HTTP/1.1\x00", "HTTP/1.1x", 1), "400"},
		"too many headers":     {forward(2, "/", slices.Repeat([]string{host}, 513)), "400"},
		"too many attributes":  {forward(2, "/", []string{host}, strings.Repeat(named("A", "b"), 1100)), "400"},
		"fewer than announced": {strings.Replace(forward(2, "/", []string{host}), "\x00\x01\xa0", "\x00\x02\xa0", 1), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			nc := f.Dial()
			wiretest.Send(t, nc, packet(tc.send))
			a, err := finish(nc, nil)
			if tc.want == "400" {
				if err != nil || a.Status != 400 || a.Body != "Bad Request\n" {
					t.Errorf("got %+v, %v", a, err)
				}
				return
			}
			if err != nil || a.Status != 200 || a.Body != tc.want {
				t.Errorf("got  %d %s\nwant     %s\n%v", a.Status, a.Body, tc.want, err)
			}
		})
	}
}

// TestNotAJP has what ends a connection without an answer.
func TestNotAJP(t *testing.T) {
	for name, tc := range map[string]struct{ send, log string }{
		"HTTP":        {"GET / HTTP/1.1\r\n\r\n", "not AJP"},
		"our own":     {"AB\x00\x01\x09", "not AJP"},
		"shutdown":    {"\x12\x34\x00\x01\x07", "code 7"},
		"empty first": {"\x12\x34\x00\x00\x12\x34\x00\x01\x07", "code 7"},
		"a long ping": {"\x12\x34\x00\x02\x0a\x00", "neither"},
		"a body":      {string(part([]byte("x"))), "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			f := protocol().Start(t, wire.Config{Handler: tell})
			nc := f.Dial()
			wiretest.Send(t, nc, []byte(tc.send))
			if got := wiretest.Closed(t, nc); got != "" {
				t.Errorf("got %q", got)
			}
			f.Log.Has(t, tc.log)
		})
	}
}

// TestKept has several requests on one connection, with pings between them.
func TestKept(t *testing.T) {
	f := protocol().Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/unread" {
			tell(w, r)
		}
	})})
	nc := f.Dial()
	in := bufio.NewReader(nc)
	ping := func() {
		t.Helper()
		wiretest.Send(t, nc, []byte("\x12\x34\x00\x01\x0a"))
		if p, err := receive(in); err != nil || string(p) != "\x09" {
			t.Fatalf("a ping was answered with %q, %v %s", p, err, f.Log)
		}
	}
	ping()
	ping()
	long := strings.Repeat("x", 3*most)
	for _, tc := range []struct {
		path, body    string
		chunked, kept bool
		asked         int
	}{
		{path: "/", kept: true},
		{path: "/", body: "abc", kept: true},
		{path: "/", body: long, kept: true, asked: 2},
		{path: "/", body: long, chunked: true, kept: true, asked: 4},
		{path: "/", chunked: true, kept: true, asked: 1},
		{path: "/unread", body: long, chunked: true, kept: true},
		{path: "/", body: "last", kept: true},
	} {
		r := wiretest.Request{Method: "POST", Path: tc.path, Length: len(tc.body)}
		if tc.chunked {
			r.Length, r.Header = 0, [][2]string{{"Transfer-Encoding", "chunked"}}
		}
		wiretest.Send(t, nc, typical(r))
		a, err := converse(nc, in, []byte(tc.body), r.Length > 0)
		if err != nil || a.Status != 200 || a.Kept != tc.kept || a.Asked != tc.asked {
			t.Fatalf("%+v: got %.200v, %v", tc.path, a, err)
		}
		if tc.path == "/" && !strings.Contains(a.Body, fmt.Sprintf("%q <nil>", tc.body)) {
			t.Errorf("got %.200s", a.Body)
		}
		ping()
	}
}

// TestRefusedIsNotKept: what may still come of a refused request is not taken
// for another one.
func TestRefusedIsNotKept(t *testing.T) {
	f := protocol().Start(t, wire.Config{Handler: tell})
	nc := f.Dial()
	in := bufio.NewReader(nc)
	wiretest.Send(t, nc, packet(forward(4, "/", []string{coded(0x0b, "a/b"), coded(8, "5")})))
	if a, err := talk(nc, in, nil); err != nil || a.Status != 400 || a.Kept {
		t.Errorf("got %+v, %v", a, err)
	}
	_ = nc.Close()
}

// TestUnasked: a packet that nobody asked for ends the connection.
func TestUnasked(t *testing.T) {
	entered, cause := make(chan struct{}), make(chan error, 1)
	f := protocol().Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})})
	nc := f.Dial()
	wiretest.Send(t, nc, typical(wiretest.Request{Method: "POST", Path: "/", Header: [][2]string{{"Transfer-Encoding", "chunked"}}}))
	wiretest.Receive(t, entered)
	wiretest.Send(t, nc, part([]byte("x")))
	if err := wiretest.Receive(t, cause); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("the cause is %v", err)
	}
	f.Log.Has(t, "not asked for")
}

// TestPackets has answers of packets no longer than the web server takes.
func TestPackets(t *testing.T) {
	for size, want := range map[int]int{0: 8184, 100: 8184, 20000: 19992, 1 << 20: 64512} {
		f := wiretest.Protocol{Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
			return (&ajp.Server{Config: cfg, PacketSize: size}).Serve(ctx, l)
		}}.Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("l", 100000))
			w.Header().Set("X-Short", "s")
			_, _ = w.Write(make([]byte, 100000))
		})})
		nc := f.Dial()
		wiretest.Send(t, nc, typical(wiretest.Request{Path: "/"}))
		a, err := talk(nc, bufio.NewReader(nc), nil)
		if err != nil || len(a.Body) != 100000 || slices.Max(a.Chunks) != want || a.Header.Get("X-Long") != "" || a.Header.Get("X-Short") != "s" {
			t.Errorf("size %d: %d bytes, parts of %d, %v", size, len(a.Body), slices.Max(a.Chunks), err)
		}
		f.Log.Has(t, "does not fit into a packet")
	}
}

// TestShortAnswer: one that lacks bytes has no end.
func TestShortAnswer(t *testing.T) {
	f := protocol().Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("x"))
		if r.URL.Path == "/panic" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})})
	for _, path := range []string{"/short", "/panic"} {
		nc := f.Dial()
		wiretest.Send(t, nc, typical(wiretest.Request{Path: path}))
		if a, err := finish(nc, nil); !errors.Is(err, errNotWhole) {
			t.Errorf("%s passes for whole: %+v, %v", path, a, err)
		}
	}
}

func TestSecret(t *testing.T) {
	f := wiretest.Protocol{Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
		return (&ajp.Server{Config: cfg, Secret: "right one"}).Serve(ctx, l)
	}}.StartTCP(t, wire.Config{Handler: tell})
	for name, tc := range map[string]struct {
		attributes []string
		status     int
		log        string
	}{
		"right":    {[]string{attr(12, "right one")}, 200, ""},
		"twice":    {[]string{attr(12, "right one"), attr(12, "right one")}, 200, ""},
		"missing":  {nil, 403, "the secret is missing"},
		"empty":    {[]string{attr(12, "")}, 403, "the secret is wrong"},
		"wrong":    {[]string{attr(12, "right on")}, 403, "the secret is wrong"},
		"by name":  {[]string{named("secret", "right one")}, 403, "the secret is missing"},
		"two ways": {[]string{attr(12, "wrong"), attr(12, "right one")}, 403, "the secret is wrong"},
	} {
		nc := f.Dial()
		wiretest.Send(t, nc, packet(forward(2, "/", []string{coded(0x0b, "a.example")}, tc.attributes...)))
		a, err := finish(nc, nil)
		if err != nil || a.Status != tc.status || tc.status == 403 && a.Body != "Forbidden\n" {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		_ = nc.Close()
		f.Log.Has(t, tc.log)
	}
	if strings.Contains(f.Log.String(), "right on") {
		t.Errorf("the log tells the secret: %s", f.Log)
	}
}

func TestNoSecretOnTCP(t *testing.T) {
	serve := func(ctx context.Context, cfg wire.Config, l net.Listener) error {
		return (&ajp.Server{Config: cfg}).Serve(ctx, l)
	}
	f := wiretest.Protocol{Serve: serve}.StartTCP(t, wire.Config{Handler: tell})
	if err := f.Wait(); !errors.Is(err, ajp.ErrNoSecret) {
		t.Errorf("Serve returned %v", err)
	}
	f = wiretest.Protocol{Serve: serve}.Start(t, wire.Config{Handler: tell})
	nc := f.Dial()
	wiretest.Send(t, nc, typical(wiretest.Request{Path: "/"}))
	if a, err := finish(nc, nil); err != nil || a.Status != 200 {
		t.Errorf("on a unix socket: %+v, %v", a, err)
	}
}

// FuzzPackets has any bytes come: whole packets are answered, nothing else.
func FuzzPackets(f *testing.F) {
	f.Add(typical(wiretest.Request{Path: "/x?y", Header: [][2]string{{"a", "b"}}}))
	f.Add([]byte("\x12\x34\x00\x01\x0a\x12\x34\x00\x01\x0a"))
	protocol().Fuzz(f, wire.Config{Handler: tell, Limits: wire.Limits{MaxBody: 1 << 16, BodyMemory: 256}}, func(t *testing.T, got []byte) {
		in := bufio.NewReader(strings.NewReader(string(got)))
		for {
			p, err := receive(in)
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			if !slices.Contains([]byte{3, 4, 5, 6, 9}, p[0]) {
				t.Errorf("a packet of code %d", p[0])
			}
		}
	})
}

// FuzzRequest takes a request apart: one that is accepted has no header that
// passes for anything else.
func FuzzRequest(f *testing.F) {
	f.Add(forward(2, "/x", []string{coded(0x0b, "a"), header("Remote-User", "x")}, attr(3, "u"), named("TRAC_ENV", "/a"))[1:])
	f.Fuzz(func(t *testing.T, s string) {
		pairs, err := ajp.Parse(s)
		if err != nil {
			return
		}
		if len(pairs) > 400 {
			t.Errorf("%d variables", len(pairs))
		}
	})
}

// TestIdle: a kept connection without a request is closed when another one
// waits, after a while, and when the server ends.
func TestIdle(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg wire.Config
		end func(t *testing.T, f *wiretest.Fixture)
	}{
		"another waits": {wire.Config{Limits: wire.Limits{MaxConns: 1}}, func(t *testing.T, f *wiretest.Fixture) {
			if a := f.Get("/second"); a.Status != 200 {
				t.Errorf("got %+v", a)
			}
		}},
		"too long":        {wire.Config{Limits: wire.Limits{IdleTimeout: 20 * time.Millisecond}}, func(*testing.T, *wiretest.Fixture) {}},
		"the server ends": {wire.Config{}, func(_ *testing.T, f *wiretest.Fixture) { f.Stop() }},
	} {
		t.Run(name, func(t *testing.T) {
			tc.cfg.Handler = tell
			f := protocol().Start(t, tc.cfg)
			nc := f.Dial()
			in := bufio.NewReader(nc)
			wiretest.Send(t, nc, typical(wiretest.Request{Path: "/first"}))
			if a, err := talk(nc, in, nil); err != nil || !a.Kept {
				t.Fatalf("got %+v, %v", a, err)
			}
			tc.end(t, f)
			if rest := wiretest.Closed(t, nc); rest != "" {
				t.Errorf("got %q", rest)
			}
		})
	}
}

// TestRequestWhileEnding: one that came just before the server was told to end
// is answered, and the web server is told that it was the last.
func TestRequestWhileEnding(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f := protocol().Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		tell(w, r)
	})})
	nc, silent := f.Dial(), f.Dial()
	wiretest.Send(t, silent, []byte("\x12\x34\x00\x01\x0a"))
	wiretest.Until(t, silent, "\x09")
	wiretest.Send(t, nc, typical(wiretest.Request{Path: "/"}))
	wiretest.Receive(t, entered)
	f.Stop()
	wiretest.Closed(t, silent) // by now all connections have been told
	close(leave)
	if a, err := talk(nc, bufio.NewReader(nc), nil); err != nil || a.Status != 200 || a.Kept {
		t.Errorf("got %+v, %v", a, err)
	}
}
