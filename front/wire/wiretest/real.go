package wiretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/front/gateway"
	"projhost/front/wire"
)

// Behind is a real web server in front of a Fixture.
type Behind struct {
	Fixture *Fixture
	URL     string // of the program, without a last slash
	Script  string // what Vars.Script must be

	// NeedsLength: the server refuses a body without Content-Length.
	NeedsLength bool

	// NoChunks: the server cannot take a body in chunks.
	NoChunks bool

	// HidesCuts: the server passes an answer that is not whole for one that is.
	HidesCuts bool

	entered chan struct{}
	gone    chan error
}

// Behind starts a server and what stands in front of it.
func (p Protocol) Behind(t *testing.T, l net.Listener, start func(t *testing.T, addr net.Addr) (url, script string)) *Behind {
	t.Helper()
	b := &Behind{entered: make(chan struct{}, 1), gone: make(chan error, 1)}
	b.Fixture = p.StartOn(t, l, wire.Config{Handler: RealHandler(b.entered, b.gone)})
	b.URL, b.Script = start(t, b.Fixture.Addr)
	return b
}

// RealHandler answers as the path says. The channels are for the request that
// waits to be given up, see Check.
func RealHandler(entered chan struct{}, gone chan error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s script=%q path=%q query=%q user=%q scheme=%s host=%s ip=%s x=%q type=%q body=%q %v",
			r.Method, v.Script(), r.URL.Path, r.URL.RawQuery, v.RemoteUser(), v.Scheme(), r.Host,
			strings.Split(r.RemoteAddr, ":")[0], r.Header.Get("X-Test"), r.Header.Get("Content-Type"), b, err)
	})
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, h.Sum(nil), err)
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "length" {
			w.Header().Set("Content-Length", strconv.Itoa(len(big())))
		}
		_, _ = w.Write(big())
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"x"`)
		if r.Header.Get("If-None-Match") == `"x"` {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		// Some web servers see that their visitor has gone when they write to it.
		entered <- struct{}{}
		for part := strings.Repeat("still here\n", 1500); ; {
			select {
			case <-r.Context().Done():
				gone <- context.Cause(r.Context())
				return
			case <-time.After(10 * time.Millisecond):
				_, _ = io.WriteString(w, part) // the context tells
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	return mux
}

// Check runs through all of it.
func (b *Behind) Check(t *testing.T) {
	t.Run("echo", b.echo)
	t.Run("body", b.body)
	t.Run("answers", b.answers)
	if b.Fixture == nil {
		return // it is started for each request: there is no log, and nobody to tell
	}
	t.Run("abort", b.abort)
	if log := b.Fixture.Log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the log: %s", log)
	}
}

func (b *Behind) do(t *testing.T, method, path string, body io.Reader, header ...string) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, b.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, string(got), err
}

func (b *Behind) echo(t *testing.T) {
	host := strings.TrimPrefix(b.URL, "http://")
	host, _, _ = strings.Cut(host, "/")
	name, _, _ := net.SplitHostPort(host)
	for path, want := range map[string]string{
		"/echo/":                    `path="/echo/" query=""`,
		"/echo/a?b=c%20d&e=%C3%A9":  `path="/echo/a" query="b=c%20d&e=%C3%A9"`,
		"/echo/caf%C3%A9%20%25C3/x": `path="/echo/café %C3/x" query=""`,
		"/echo/a+b;c=d":             `path="/echo/a+b;c=d" query=""`,
	} {
		_, got, err := b.do(t, "GET", path, nil, "X-Test", "there", "Remote-User", "forged", "Remote_User", "forged", "Proxy", "forged")
		head, tail := fmt.Sprintf("GET script=%q %s user=\"\" scheme=http host=", b.Script, want), ` ip=127.0.0.1 x="there" type="" body="" <nil>`
		if err != nil || got != head+host+tail && got != head+name+tail {
			t.Errorf("%s: got %s, want %s, %v", path, got, head+host+tail, err)
		}
	}
}

func (b *Behind) body(t *testing.T) {
	_, got, err := b.do(t, "POST", "/echo/", strings.NewReader("a=b&c=%C3%A9"), "Content-Type", "application/x-www-form-urlencoded")
	if err != nil || !strings.HasSuffix(got, `type="application/x-www-form-urlencoded" body="a=b&c=%C3%A9" <nil>`) {
		t.Errorf("a form: %s, %v", got, err)
	}
	want := fmt.Sprintf("%d %x <nil>", len(big()), sha256.Sum256(big()))
	if _, got, err := b.do(t, "POST", "/upload", bytes.NewReader(big())); err != nil || got != want {
		t.Errorf("an upload: %.200s, %v", got, err)
	}
	if b.NoChunks {
		return
	}
	chunked := struct{ io.Reader }{bytes.NewReader(big())} // of no length that the client would know
	if resp, got, err := b.do(t, "POST", "/upload", chunked); b.NeedsLength {
		if err != nil || resp.StatusCode != http.StatusLengthRequired {
			t.Errorf("an upload in chunks: %v, %v", resp, err)
		}
	} else if err != nil || got != want {
		t.Errorf("an upload in chunks: %.200s, %v", got, err)
	}
}

func (b *Behind) answers(t *testing.T) {
	for _, path := range []string{"/download?length", "/download"} {
		if _, got, err := b.do(t, "GET", path, nil); err != nil || got != string(big()) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if resp, got, err := b.do(t, "HEAD", "/download?length", nil); err != nil || got != "" || resp.ContentLength >= 0 && resp.ContentLength != int64(len(big())) {
		t.Errorf("HEAD: %v %.100q, %v", resp, got, err)
	}
	if resp, _, err := b.do(t, "GET", "/redirect", nil); err != nil || resp.StatusCode != 302 || !strings.HasSuffix(resp.Header.Get("Location"), "/elsewhere") {
		t.Errorf("a redirect: %v, %v", resp, err)
	}
	if resp, _, err := b.do(t, "GET", "/same", nil, "If-None-Match", `"x"`); err != nil || resp.StatusCode != 304 || resp.Header.Get("Etag") != `"x"` {
		t.Errorf("304: %v, %v", resp, err)
	}
	if resp, _, err := b.do(t, "GET", "/nothing", nil); err != nil || resp.StatusCode != 404 {
		t.Errorf("404: %v, %v", resp, err)
	}
	if resp, got, err := b.do(t, "GET", "/cut", nil); err == nil && resp.StatusCode < 500 && !b.HidesCuts {
		t.Errorf("a page cut short passes for whole: %v, %d bytes", resp, len(got))
	}
}

// abort has the visitor go while the handler runs.
func (b *Behind) abort(t *testing.T) {
	host, path, _ := strings.Cut(strings.TrimPrefix(b.URL, "http://"), "/")
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	Send(t, nc, []byte("GET "+strings.TrimSuffix("/"+path, "/")+"/wait HTTP/1.1\r\nHost: "+host+"\r\n\r\n"))
	Receive(t, b.entered)
	_ = nc.(*net.TCPConn).SetLinger(0) // some take a mere end for a half-closed connection
	_ = nc.Close()
	if err := Receive(t, b.gone); !errors.Is(err, wire.ErrAborted) {
		t.Errorf("the cause is %v", err)
	}
}

// FreePort is an address of loopback nobody listens on.
func FreePort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Run starts a program that serves addr, until the test ends.
func Run(tb testing.TB, addr string, log string, name string, args ...string) {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			tb.Fatalf("%s is not installed: run `make deps`", name)
		}
	}
	cmd := exec.Command(path, args...)
	var out Log
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is told to end
		close(ended)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(Patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		if tb.Failed() {
			b, _ := os.ReadFile(log) // there may be none
			tb.Logf("%s: %s%s", name, &out, b)
		}
	})
	for end := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("%s does not listen: %v\n%s", name, err, &out)
		}
	}
}

// Nginx runs nginx with a server block that holds the given lines, and returns
// its URL.
func Nginx(tb testing.TB, lines string) string {
	tb.Helper()
	dir, addr := tb.TempDir(), FreePort(tb)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`%s
daemon off;
worker_processes 1;
pid %[2]s/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	fastcgi_temp_path %[2]s/fastcgi;
	proxy_temp_path %[2]s/proxy;
	scgi_temp_path %[2]s/scgi;
	uwsgi_temp_path %[2]s/uwsgi;
	client_max_body_size 0;
	server {
		listen %[3]s;
%[4]s
	}
}
`, user, dir, addr, lines)
	Run(tb, addr, "", "nginx", "-p", dir, "-c", Write(tb, filepath.Join(dir, "nginx.conf"), conf))
	return "http://" + addr
}

// Apache runs Apache with the given modules and lines, and returns its URL.
func Apache(tb testing.TB, modules, lines string) string {
	tb.Helper()
	dir, addr := tb.TempDir(), FreePort(tb)
	var conf strings.Builder
	fmt.Fprintf(&conf, `ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
ServerName localhost
Listen %[2]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
`, dir, addr)
	for m := range strings.FieldsSeq(modules) {
		fmt.Fprintf(&conf, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	if os.Getuid() == 0 {
		conf.WriteString("User www-data\nGroup www-data\n")
	}
	conf.WriteString("StartServers 1\nKeepAliveTimeout 1\nMinSpareThreads 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n" + lines)
	Run(tb, addr, filepath.Join(dir, "error.log"), "apache2", "-DFOREGROUND", "-f", Write(tb, filepath.Join(dir, "apache.conf"), conf.String()))
	return "http://" + addr
}

// Lighttpd runs lighttpd with the given lines, and returns its URL.
func Lighttpd(tb testing.TB, lines string) string {
	tb.Helper()
	dir, addr := tb.TempDir(), FreePort(tb)
	host, port, _ := net.SplitHostPort(addr)
	// Without streaming it takes a whole answer in before it looks at its visitor.
	conf := fmt.Sprintf("server.stream-response-body = 1\nserver.max-keep-alive-idle = 1\nserver.document-root = %q\nserver.upload-dirs = ( %q )\nserver.bind = %q\nserver.port = %s\n%s", dir, dir, host, port, lines)
	Run(tb, addr, "", "lighttpd", "-D", "-f", Write(tb, filepath.Join(dir, "lighttpd.conf"), conf))
	return "http://" + addr
}

// Reachable lets others than its owner use a file in a temporary directory.
func Reachable(tb testing.TB, file string, mode os.FileMode) {
	tb.Helper()
	err := os.Chmod(file, mode)
	for dir := filepath.Dir(file); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		err = errors.Join(err, os.Chmod(dir, 0o755))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// Write writes a file and returns its name.
func Write(tb testing.TB, name, text string) string {
	tb.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	return name
}

// ListenUnix listens on a socket that web servers under another user reach.
func ListenUnix(tb testing.TB) net.Listener {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	Reachable(tb, path, 0o666)
	return l
}
