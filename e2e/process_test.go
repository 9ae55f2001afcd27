package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the binary under test, built by TestMain with the race detector.
func program() string { return filepath.Join(os.Getenv(binEnv), "projhost") }

// binEnv tells the tests where TestMain has put the binary.
const binEnv = "PROJHOST_TEST_BIN"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if was, err := benchServer(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			return 1
		} else if was {
			return 0
		}
		if os.Getenv(binEnv) != "" {
			return m.Run() // scripts/bench has built the program to be measured
		}
		dir, err := os.MkdirTemp("", "projhost-e2e-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }()
			build := exec.Command("go", "build", "-race", "-o", dir, "../cmd/projhost")
			build.Stderr = os.Stderr
			err = errors.Join(build.Run(), os.Setenv(binEnv, dir))
		}
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "building the program under test:", err)
			return 1
		}
		return m.Run()
	}())
}

// output gathers what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a started program.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    output // stdout and stderr
	exited chan error
}

// start runs the program under test; it is stopped with the test, which fails
// if the program has found a data race in itself.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCmd(t, exec.Command(program(), args...))
}

func startCmd(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, exited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if cmd.Env == nil {
		cmd.Env = cleanEnv()
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.stop()
		if strings.Contains(p.out.String(), "DATA RACE") || t.Failed() {
			t.Errorf("%s said:\n%s", filepath.Base(cmd.Path), p.out.String())
		}
	})
	return p
}

// cleanEnv is the environment without what would tell the program anything.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TRAC_") && !strings.HasPrefix(v, "LISTEN_") {
			env = append(env, v)
		}
	}
	return env
}

// stop asks the process to end and waits; it returns how it ended.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.exited:
		p.exited <- err
		return err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		return errors.New("did not end within 30 s of SIGTERM")
	}
}

// waitFor waits until something accepts connections.
func (p *process) waitFor(network, address string) {
	p.t.Helper()
	for range 600 {
		c, err := net.Dial(network, address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			p.t.Fatalf("the program ended before it listened: %v\n%s", err, p.out.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.t.Fatalf("nothing listens on %s after 30 s:\n%s", address, p.out.String())
}

// freePort is a TCP port of the loopback nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// nginxParamsFile is what nginx tells of every request.
const nginxParamsFile = `
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param DOCUMENT_URI $document_uri;
fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param REQUEST_SCHEME $scheme;
fastcgi_param HTTPS $https if_not_empty;
fastcgi_param GATEWAY_INTERFACE CGI/1.1;
fastcgi_param SERVER_SOFTWARE nginx;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REMOTE_PORT $remote_port;
fastcgi_param SERVER_ADDR $server_addr;
fastcgi_param SERVER_PORT $server_port;
fastcgi_param SERVER_NAME $server_name;
fastcgi_param REQUEST_ID $request_id;
`

// nginx starts a real nginx whose server block holds the given directives and
// returns its address. upstream is the FastCGI socket behind "projhost".
//
// A location must "include params;", since nginx inherits no fastcgi_param into
// a place that has one of its own.
func nginx(t *testing.T, upstream string, keep bool, server string) (address string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("nginx is not installed: run `make deps`")
		}
	}
	dir, err := os.MkdirTemp("", "nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address = freePort(t)
	keepalive, keepConn := "", "off"
	if keep {
		keepalive, keepConn = "keepalive 8;", "on"
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`%s
daemon off;
worker_processes 1;
pid %[2]s/pid;
error_log stderr warn;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	fastcgi_temp_path %[2]s/fastcgi;
	proxy_temp_path %[2]s/proxy;
	scgi_temp_path %[2]s/scgi;
	uwsgi_temp_path %[2]s/uwsgi;
	client_max_body_size 0;
	upstream projhost { server unix:%[3]s; %[4]s }
	fastcgi_keep_conn %[5]s;
	server {
		listen %[6]s;
		server_name localhost;
%[7]s
	}
}
`, user, dir, upstream, keepalive, keepConn, address, server)
	write(t, filepath.Join(dir, "params"), nginxParamsFile)
	stock, err := os.ReadFile("/etc/nginx/fastcgi_params") // what "include fastcgi_params;" means to a user
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "fastcgi_params"), string(stock))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startCmd(t, exec.Command(path, "-p", dir, "-c", file))
	p.waitFor("tcp", address)
	return address
}

// get fetches a URL without following redirects.
func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the answer: %v", r.Method, r.URL, err)
	}
	return resp, string(body)
}
