package uwsgi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"projhost/front/gateway"
	"projhost/front/uwsgi"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vars encodes name, value, name, value, ...
func vars(nv ...string) string {
	var b []byte
	for _, s := range nv {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return string(b)
}

func packet(modifier1 byte, s string) string {
	return string([]byte{modifier1, byte(len(s)), byte(len(s) >> 8), 0}) + s
}

// typical is what nginx sends with the uwsgi_params of Debian, and more.
func typical(r wiretest.Request) []byte {
	method, host, length := r.Method, r.Host, ""
	if method == "" {
		method = "GET"
	}
	if host == "" {
		host = "projects.example.org"
	}
	if r.Length > 0 {
		length = strconv.Itoa(r.Length)
	}
	path, query, _ := strings.Cut(r.Path, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	nv := []string{
		"QUERY_STRING", query, "REQUEST_METHOD", method, "CONTENT_TYPE", "", "CONTENT_LENGTH", length, "REQUEST_URI", r.Path,
		"PATH_INFO", decoded, "DOCUMENT_ROOT", "/usr/share/nginx/html", "SERVER_PROTOCOL", "HTTP/1.1",
		"REQUEST_SCHEME", "http", "REMOTE_ADDR", "192.0.2.7", "REMOTE_PORT", "51914",
		"SERVER_PORT", "80", "SERVER_NAME", "projects.example.org", "HTTP_HOST", host,
	}
	for _, h := range r.Header {
		nv = append(nv, "HTTP_"+strings.ToUpper(strings.ReplaceAll(h[0], "-", "_")), h[1])
	}
	return []byte(packet(0, vars(nv...)))
}

// finish sends the body and reads the answer.
func finish(nc net.Conn, body []byte) (wiretest.Answer, error) {
	if len(body) > 0 { // to write nothing would take a reset's error away from reading
		go func() { _, _ = nc.Write(body) }() // the server may answer before it has read it
	}
	b, err := io.ReadAll(nc)
	if err != nil {
		return wiretest.Answer{}, err
	}
	return parse(b)
}

func parse(b []byte) (wiretest.Answer, error) {
	method := "GET"
	if bytes.HasSuffix(b, []byte("\r\n\r\n")) { // of HEAD, or the body is empty
		method = "HEAD"
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: method})
	if err != nil {
		return wiretest.Answer{}, fmt.Errorf("%w in %.100q", err, b)
	}
	body, err := io.ReadAll(r.Body)
	return wiretest.Answer{Status: r.StatusCode, Header: r.Header, Body: string(body)}, err
}

func protocol() wiretest.Protocol {
	return wiretest.Protocol{
		Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
			return (&uwsgi.Server{Config: cfg}).Serve(ctx, l)
		},
		Head: typical, Finish: finish, Body: func(p []byte) []byte { return p },
	}
}

func TestSuite(t *testing.T) { protocol().Suite(t) }

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(r.Method + " " + r.URL.Path))
})

// TestBytes has requests byte by byte, and what must come back.
func TestBytes(t *testing.T) {
	least := vars("REQUEST_METHOD", "GET", "PATH_INFO", "/x")
	const good = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nGET /x"
	const bad = "HTTP/1.1 400 Bad Request\r\n"
	for name, tc := range map[string]struct{ send, want, log string }{
		"by hand":          {"\x00\x23\x00\x00\x0e\x00REQUEST_METHOD\x03\x00GET\x09\x00PATH_INFO\x01\x00/", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nGET /", ""},
		"the least":        {packet(0, least), good, ""},
		"surplus":          {packet(0, least) + "surplus", good, ""},
		"empty length":     {packet(0, least+vars("CONTENT_LENGTH", "")), good, ""},
		"length again":     {packet(0, least+vars("CONTENT_LENGTH", "0", "CONTENT_LENGTH", "", "CONTENT_LENGTH", "0")), good, ""},
		"two lengths":      {packet(0, least+vars("CONTENT_LENGTH", "0", "CONTENT_LENGTH", "1")), bad, "CONTENT_LENGTH is sent twice"},
		"signed length":    {packet(0, least+vars("CONTENT_LENGTH", "+1")), bad, "is no length"},
		"ping":             {"\x64\x00\x00\x00", "\x64\x00\x00\x01", ""},
		"a ping with more": {"\x64\x01\x00\x00x", bad, "modifier1 100"},
		"another modifier": {packet(5, least), bad, "modifier1 5 is no request"},
		"HTTP":             {"GET / HTTP/1.1\r\n\r\n", bad, "modifier1 71"},
		"nothing":          {packet(0, ""), bad, "REQUEST_METHOD"},
		"half a length":    {packet(0, least+"\x01"), bad, "truncated"},
		"no value":         {packet(0, least+"\x01\x00X"), bad, "truncated"},
		"a long name":      {packet(0, least+"\xff\xffX"), bad, "truncated"},
		"a long value":     {packet(0, least+"\x01\x00X\x02\x00y"), bad, "truncated"},
		"no name":          {packet(0, least+vars("", "y")), bad, "without a name"},
		"too many":         {packet(0, strings.Repeat(vars("A", "b"), 513)), bad, "more than 512"},
		"two users":        {packet(0, least+vars("REMOTE_USER", "ana", "REMOTE_USER", "admin")), bad, "REMOTE_USER: sent twice"},
		"two environments": {packet(0, least+vars("TRAC_ENV", "/a", "TRAC_ENV", "/a")), bad, "TRAC_ENV: sent twice"},
		"cut short":        {packet(0, least)[:20], "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := protocol().Start(t, wire.Config{Handler: hello})
			nc := f.Dial()
			wiretest.Send(t, nc, []byte(tc.send))
			if name == "cut short" {
				_ = nc.(interface{ CloseWrite() error }).CloseWrite()
			}
			got := wiretest.Closed(t, nc)
			if tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if strings.HasPrefix(got, bad) && !strings.HasSuffix(got, "\r\n\r\nBad Request\n") {
				t.Errorf("tells more than it should: %q", got)
			}
			if tc.log == "" && f.Log.String() != "" || !strings.Contains(f.Log.String(), tc.log) {
				t.Errorf("the log lacks %q: %s", tc.log, f.Log)
			}
		})
	}
}

func TestParamBytes(t *testing.T) {
	f := wiretest.Protocol{Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
		return (&uwsgi.Server{Config: cfg, MaxParamBytes: 100}).Serve(ctx, l)
	}}.Start(t, wire.Config{Handler: hello})
	nc := f.Dial()
	wiretest.Send(t, nc, []byte(packet(0, strings.Repeat("x", 101))))
	if got := wiretest.Closed(t, nc); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("got %q", got)
	}
}

// FuzzRequest has any bytes come: they are answered with one whole answer or none.
func FuzzRequest(f *testing.F) {
	f.Add(typical(wiretest.Request{Path: "/x?y"}))
	protocol().Fuzz(f, wire.Config{Handler: hello, Limits: wire.Limits{MaxBody: 1 << 16, BodyMemory: 256}}, func(t *testing.T, got []byte) {
		if len(got) == 0 || string(got) == "\x64\x00\x00\x01" {
			return
		}
		if _, err := parse(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	})
}

// FuzzVariables decodes anything: what is accepted, encoded again, is the same.
func FuzzVariables(f *testing.F) {
	f.Add(vars("A", "b", "C", ""))
	f.Add("\x00\x00\x00\x00")
	f.Fuzz(func(t *testing.T, s string) {
		pairs, err := uwsgi.Decode(s, 100)
		if err != nil {
			return
		}
		if got := again(pairs); got != s || len(pairs) > 100 {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func again(pairs []gateway.Pair) string {
	var nv []string
	for _, p := range pairs {
		nv = append(nv, p.Name, p.Value)
	}
	return vars(nv...)
}

// TestRealServers has web servers that speak uwsgi in front, each as its
// documentation configures it.
func TestRealServers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, addr net.Addr) (url, script string){
		"nginx": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf("location / { include /etc/nginx/uwsgi_params; uwsgi_pass %s; }", addr)), ""
		},
		"nginx below a prefix": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf(`location /trac { include /etc/nginx/uwsgi_params;
				uwsgi_param TRAC_URI_ROOT /trac; uwsgi_pass %s; }`, addr)) + "/trac", "/trac"
		},
		"Apache": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_uwsgi", fmt.Sprintf("ProxyPass / uwsgi://%s/\n", addr)), ""
		},
		"Apache below a prefix": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_uwsgi", fmt.Sprintf("ProxyPass /trac uwsgi://%s\n", addr)) + "/trac", "/trac"
		},
		"uWSGI": func(t *testing.T, addr net.Addr) (string, string) {
			at := wiretest.FreePort(t)
			wiretest.Run(t, at, "", "uwsgi-core", "--plugin", "http", "--master", "--http", at, "--http-to", addr.String(), "--http-processes", "1")
			return "http://" + at, ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			b := protocol().Behind(t, l, start)
			b.NeedsLength = strings.HasPrefix(name, "Apache")
			b.NoChunks = name == "uWSGI" // it hands the chunks on as they are, without a length
			b.Check(t)
		})
	}
}

func BenchmarkKilobyte(b *testing.B) { protocol().Bench(b, false) }

// TestUnixSockets has them reach a unix socket.
func TestUnixSockets(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, addr net.Addr) (url, script string){
		"nginx": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf("location / { include /etc/nginx/uwsgi_params; uwsgi_pass unix:%s; }", addr)), ""
		},
		"Apache": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_uwsgi", fmt.Sprintf("ProxyPass / unix:%s|uwsgi://localhost/\n", addr)), ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := protocol().Behind(t, wiretest.ListenUnix(t), start)
			b.NeedsLength = name == "Apache"
			b.Check(t)
		})
	}
}
