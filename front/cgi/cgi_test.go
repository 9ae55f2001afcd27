package cgi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"projhost/front/cgi"
	"projhost/front/gateway"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

// child makes the test binary the CGI program.
const child = "TRAC_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	h := wiretest.RealHandler(make(chan struct{}, 1), make(chan error, 1))
	if err := cgi.Serve(context.Background(), wire.Config{Handler: h}, os.Environ(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// typical is what Apache's mod_cgid sets, and more. A later one takes the place
// of an earlier.
func typical(method, path string, more ...string) []string {
	env := []string{
		"REQUEST_METHOD=" + method, "SCRIPT_NAME=/cgi-bin/trac.cgi", "PATH_INFO=" + path, "REQUEST_URI=/cgi-bin/trac.cgi" + path,
		"QUERY_STRING=", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=projects.example.org", "SERVER_PORT=80",
		"HTTP_HOST=projects.example.org", "REMOTE_ADDR=192.0.2.7", "REMOTE_PORT=51914", "SERVER_SOFTWARE=Apache/2.4.67 (Debian)",
		"PATH=/usr/bin", "HOME=/", "BASH_FUNC_a%%=() { :; }", "A B=c", "=C:", "nothing",
	}
	return append(env, more...)
}

type result struct {
	wiretest.Answer
	raw string
	log string
	err error
}

func serve(t testing.TB, h http.HandlerFunc, env []string, body string) result {
	t.Helper()
	var out bytes.Buffer
	var log wiretest.Log
	cfg := wire.Config{Limits: wire.Limits{MaxBody: 1000}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if h != nil {
		cfg.Handler = h
	}
	err := cgi.Serve(t.Context(), cfg, env, strings.NewReader(body), &out)
	r := result{raw: out.String(), log: log.String(), err: err}
	if out.Len() == 0 {
		return r
	}
	in := bufio.NewReader(&out)
	head, herr := textproto.NewReader(in).ReadMIMEHeader()
	if _, serr := fmt.Sscan(head.Get("Status"), &r.Status); herr != nil || serr != nil {
		t.Errorf("%q: %v, %v", r.raw, herr, serr)
	}
	b, _ := io.ReadAll(in) // of a buffer
	r.Header, r.Body = http.Header(head), string(b)
	return r
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	v := gateway.FromContext(r.Context())
	fmt.Fprintf(w, "%s %s %s %d %q %v user=%q env=%q", r.Method, v.Script(), r.URL.Path, r.ContentLength, b, err, v.RemoteUser(), v.Get("TRAC_ENV"))
}

func TestRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		env    []string
		body   string
		status int
		want   string
	}{
		"get":             {typical("GET", "/wiki"), "", 200, `GET /cgi-bin/trac.cgi /wiki 0 "" <nil> user="" env=""`},
		"body not told":   {typical("GET", "/wiki"), "x", 200, `GET /cgi-bin/trac.cgi /wiki 0 "" <nil> user="" env=""`},
		"post":            {typical("POST", "/x", "CONTENT_LENGTH=3"), "abcd", 200, `POST /cgi-bin/trac.cgi /x 3 "abc" <nil> user="" env=""`},
		"empty":           {typical("POST", "/x", "CONTENT_LENGTH=0"), "abcd", 200, `POST /cgi-bin/trac.cgi /x 0 "" <nil> user="" env=""`},
		"short":           {typical("POST", "/x", "CONTENT_LENGTH=5"), "abc", 200, `POST /cgi-bin/trac.cgi /x 5 "abc" unexpected EOF user="" env=""`},
		"chunked":         {typical("POST", "/x", "HTTP_TRANSFER_ENCODING=chunked"), "abc", 200, `POST /cgi-bin/trac.cgi /x -1 "abc" <nil> user="" env=""`},
		"chunked, long":   {typical("POST", "/x", "HTTP_TRANSFER_ENCODING=chunked"), strings.Repeat("x", 1001), 200, fmt.Sprintf(`POST /cgi-bin/trac.cgi /x -1 %q http: request body too large user="" env=""`, strings.Repeat("x", 1000))},
		"long":            {typical("POST", "/x", "CONTENT_LENGTH=1001"), "", 413, "Request Entity Too Large\n"},
		"no length":       {typical("POST", "/x", "CONTENT_LENGTH=-1"), "", 400, "Bad Request\n"},
		"a user":          {typical("GET", "/", "REMOTE_USER=ana", "HTTP_REMOTE_USER=admin", "TRAC_ENV=/srv/one"), "", 200, `GET /cgi-bin/trac.cgi / 0 "" <nil> user="ana" env="/srv/one"`},
		"no header's":     {typical("GET", "/", "HTTP_TRAC_ENV=/etc", "HTTP_PROXY=x"), "", 200, `GET /cgi-bin/trac.cgi / 0 "" <nil> user="" env=""`},
		"two users":       {typical("GET", "/", "REMOTE_USER=ana", "REMOTE_USER=admin"), "", 400, "Bad Request\n"},
		"hidden script":   {[]string{"REQUEST_METHOD=GET", "SCRIPT_NAME=/cgi-bin/trac.cgi", "PATH_INFO=/wiki", "REQUEST_URI=/trac/wiki", "SCRIPT_URL=/trac/wiki"}, "", 200, `GET /trac /wiki 0 "" <nil> user="" env=""`},
		"the least":       {[]string{"REQUEST_METHOD=GET", "SCRIPT_NAME=", "PATH_INFO=/x"}, "", 200, `GET  /x 0 "" <nil> user="" env=""`},
		"bad host":        {typical("GET", "/", "HTTP_HOST=evil/x"), "", 400, "Bad Request\n"},
		"HEAD has no end": {typical("HEAD", "/x"), "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, echo, tc.env, tc.body)
			if r.err != nil || r.Status != tc.status || r.Body != tc.want {
				t.Errorf("got %d %s, %v, want %s\n%s", r.Status, r.Body, r.err, tc.want, r.log)
			}
			if (tc.status == 200) != (r.log == "") {
				t.Errorf("the log: %s", r.log)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", "b\r\nc")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "gone")
	}, typical("GET", "/"), "")
	if want := "Status: 404 Not Found\r\nX-A: b  c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\ngone"; r.raw != want {
		t.Errorf("got %q, want %q", r.raw, want)
	}
}

func TestNoRequest(t *testing.T) {
	if r := serve(t, echo, []string{"PATH=/bin"}, ""); !errors.Is(r.err, cgi.ErrNoRequest) || r.raw != "" {
		t.Errorf("got %+v", r)
	}
	if r := serve(t, nil, typical("GET", "/"), ""); r.err == nil {
		t.Error("no handler is no error")
	}
}

func TestPanics(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, r *http.Request) { panic("secret cause") }, typical("GET", "/"), "")
	if r.err != nil || r.Status != 500 || r.Body != "Internal Server Error\n" || !strings.Contains(r.log, "secret cause") {
		t.Errorf("got %+v", r)
	}
	r = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "not sent any more")
		panic("late")
	}, typical("GET", "/"), "")
	if !errors.Is(r.err, cgi.ErrCut) || r.Body != "some" {
		t.Errorf("got %+v", r)
	}
	r = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "some")
	}, typical("GET", "/"), "")
	if !errors.Is(r.err, cgi.ErrCut) || !strings.Contains(r.log, "shorter than its Content-Length") {
		t.Errorf("got %+v", r)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

type stuckReader struct{ err error }

func (s stuckReader) Read([]byte) (int, error) { return 0, s.err }

// TestGivenUp has the web server close the standard output, or end the program.
func TestGivenUp(t *testing.T) {
	cause := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})
	err := cgi.Serve(t.Context(), wire.Config{Handler: h}, typical("GET", "/"), strings.NewReader(""), brokenWriter{})
	if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(<-cause, wire.ErrAborted) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{}, 1)
	h = func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
		_, err := io.WriteString(w, "late")
		cause <- err
	}
	go func() { <-entered; cancel() }()
	var out bytes.Buffer
	cause = make(chan error, 2)
	err = cgi.Serve(ctx, wire.Config{Handler: h}, typical("GET", "/"), strings.NewReader(""), &out)
	if !errors.Is(err, cgi.ErrCut) || !errors.Is(<-cause, wire.ErrAborted) || !errors.Is(<-cause, wire.ErrAborted) || out.Len() > 0 {
		t.Errorf("got %v, %q", err, out.String())
	}
}

func TestBodyFails(t *testing.T) {
	for _, fails := range []error{io.ErrClosedPipe, nil} {
		got := make(chan error, 1)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			got <- err
		})
		var out bytes.Buffer
		err := cgi.Serve(t.Context(), wire.Config{Handler: h}, typical("POST", "/", "CONTENT_LENGTH=3"), stuckReader{fails}, &out)
		if rerr := <-got; err != nil || rerr == nil || fails != nil && !errors.Is(rerr, fails) {
			t.Errorf("%v: %v, %v", fails, rerr, err)
		}
	}
}

func TestTenMegabytes(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 10<<16)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%x %v\n", sha256.Sum256(b), err)
		_, _ = w.Write(b)
	})
	var out bytes.Buffer
	env := typical("POST", "/", fmt.Sprintf("CONTENT_LENGTH=%d", len(body)))
	if err := cgi.Serve(t.Context(), wire.Config{Handler: h}, env, bytes.NewReader(body), &out); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), "\r\n\r\n")
	if want := fmt.Sprintf("%x <nil>\n%s", sha256.Sum256(body), body); got != want {
		t.Errorf("%d bytes came back of %d", len(got), len(want))
	}
}

// FuzzEnvironment has any environment: there is one whole answer, or none.
func FuzzEnvironment(f *testing.F) {
	f.Add(strings.Join(typical("POST", "/x?y", "CONTENT_LENGTH=3"), "\n"), "abc")
	f.Add("REQUEST_METHOD=GET\nPATH_INFO=/\nTRAC_ENV=a\nTRAC_ENV=b\nHTTP_=x", "")
	f.Fuzz(func(t *testing.T, env, body string) {
		r := serve(t, echo, strings.Split(env, "\n"), body)
		if r.err != nil && !errors.Is(r.err, cgi.ErrNoRequest) {
			t.Error(r.err)
		}
		if r.err == nil && r.Status == 0 {
			t.Errorf("%q", r.raw)
		}
	})
}

// program is a script that a web server can run.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := wiretest.Write(t, filepath.Join(dir, "program"), string(self))
	wiretest.Reachable(t, binary, 0o755)
	script := wiretest.Write(t, filepath.Join(dir, "trac.cgi"), "#!/bin/sh\n"+child+"=1 exec "+binary+"\n")
	wiretest.Reachable(t, script, 0o755)
	return script
}

// TestRealServers has web servers that run CGI programs, each as its
// documentation configures it.
func TestRealServers(t *testing.T) {
	script := program(t)
	t.Run("Apache", func(t *testing.T) {
		dir := t.TempDir()
		wiretest.Reachable(t, dir, 0o755)
		url := wiretest.Apache(t, "cgid alias", fmt.Sprintf("ScriptSock %s\nScriptAlias /trac %s\n<Directory />\nRequire all granted\n</Directory>\n",
			filepath.Join(dir, "sock"), script))
		(&wiretest.Behind{URL: url + "/trac", Script: "/trac", HidesCuts: true}).Check(t)
	})
	t.Run("lighttpd", func(t *testing.T) {
		url := wiretest.Lighttpd(t, fmt.Sprintf("server.modules = ( \"mod_alias\", \"mod_cgi\" )\nalias.url = ( \"/trac.cgi\" => %q )\ncgi.assign = ( \".cgi\" => \"\" )\n", script))
		(&wiretest.Behind{URL: url + "/trac.cgi", Script: "/trac.cgi"}).Check(t)
	})
}
