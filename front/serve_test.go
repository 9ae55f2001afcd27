package front_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"projhost/front"
	"projhost/front/gateway"
)

// childEnv makes the test binary a server: its value are the addresses.
const childEnv = "FRONT_TEST_LISTEN"

func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		os.Exit(child(strings.Fields(s)))
	}
	goleak.VerifyTestMain(m)
}

// child serves until its standard output is closed, that is, for a while.
func child(listen []string) int {
	if pid := os.Getenv("LISTEN_PID"); pid == "self" { // what systemd would have known
		_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var addrs []front.Addr
	for _, s := range listen {
		a, err := front.ParseAddr(s)
		if err != nil {
			fmt.Println("failed:", err)
			return 1
		}
		addrs = append(addrs, a)
	}
	o := front.Options{Log: slog.New(slog.DiscardHandler), Ready: func(at []net.Addr) { fmt.Println("ready:", len(at)) }}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/environment" {
			fmt.Fprintf(w, "[%s]", os.Getenv("LISTEN_FDS"))
			return
		}
		if r.URL.Path == "/stdin" {
			b, err := io.ReadAll(os.Stdin)
			fmt.Fprint(w, len(b), err)
			return
		}
		_, _ = io.WriteString(w, r.URL.Path)
		if r.URL.Path == "/stop" {
			cancel()
		}
	})
	if err := front.Serve(ctx, h, o, addrs...); err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	return 0
}

// start runs a child and returns what it says first. stdin may be nil; files
// are its descriptors from 3 on.
func start(t *testing.T, listen string, stdin *os.File, files []*os.File, env ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(env, childEnv+"="+listen)
	c.ExtraFiles = files
	if stdin != nil {
		c.Stdin = stdin
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line)
}

// server is a Serve that runs in the test.
type server struct {
	at   []net.Addr
	stop context.CancelFunc
	done chan error
}

func hello(w http.ResponseWriter, r *http.Request) {
	v := gateway.FromContext(r.Context())
	fmt.Fprintf(w, "%s %s by %s", v.Setting("TRAC_ENV"), r.URL.Path, v.Listener())
}

// serve serves until the test ends or it is stopped.
func serve(t *testing.T, listen ...string) *server {
	t.Helper()
	s, err := tryServe(t, listen...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tryServe returns the error of a Serve that never was ready.
func tryServe(t *testing.T, listen ...string) (*server, error) {
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
	ready := make(chan []net.Addr, 1)
	o := front.Options{Log: slog.New(slog.DiscardHandler), Ready: func(at []net.Addr) { ready <- at }}
	go func() { s.done <- front.Serve(ctx, http.HandlerFunc(hello), o, addrs...) }()
	select {
	case s.at = <-ready:
	case err := <-s.done:
		stop()
		return nil, err
	}
	t.Cleanup(func() { s.end(t) })
	return s, nil
}

// end stops the server and waits for it, once.
func (s *server) end(t *testing.T) {
	t.Helper()
	s.stop()
	if err, ok := <-s.done; ok {
		close(s.done)
		if err != nil {
			t.Error(err)
		}
	}
}

// get asks by HTTP and returns the body.
func get(t *testing.T, network, addr, path string) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		return "no connection: " + err.Error()
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path)
	return readBody(t, c)
}

func readBody(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// getFCGI asks by FastCGI and returns the body.
func getFCGI(t *testing.T, network, addr, path string) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		return "no connection: " + err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var params []byte
	for _, s := range [][2]string{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", ""}, {"PATH_INFO", path}, {"SERVER_PROTOCOL", "HTTP/1.1"}} {
		params = append(append(params, byte(len(s[0])), byte(len(s[1]))), s[0]+s[1]...)
	}
	record := func(kind byte, content string) string {
		return string([]byte{1, kind, 0, 1, 0, byte(len(content)), 0, 0}) + content
	}
	_, _ = io.WriteString(c, record(1, "\x00\x01\x00\x00\x00\x00\x00\x00")+record(4, string(params))+record(4, "")+record(5, ""))
	var out strings.Builder
	for {
		var h [8]byte
		if _, err := io.ReadFull(c, h[:]); err != nil {
			return "no answer: " + err.Error()
		}
		b := make([]byte, int(h[4])<<8+int(h[5])+int(h[6]))
		if _, err := io.ReadFull(c, b); err != nil {
			return "no answer: " + err.Error()
		}
		if h[1] == 6 {
			out.Write(b[:int(h[4])<<8+int(h[5])])
		}
		if h[1] == 3 {
			_, body, _ := strings.Cut(out.String(), "\r\n\r\n")
			return body
		}
	}
}

func TestServeSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fcgi, web := "fcgi+unix:"+path+"?env=/srv/a", "http://127.0.0.1:0?env=/srv/b"
	s := serve(t, fcgi, web, "fcgi://127.0.0.1:0")
	if got := getFCGI(t, "unix", path, "/x"); got != "/srv/a /x by "+fcgi {
		t.Error(got)
	}
	if got := get(t, "tcp", s.at[1].String(), "/x"); got != "/srv/b /x by "+web {
		t.Error(got)
	}
	if got := getFCGI(t, "tcp", s.at[2].String(), "/x"); got != " /x by fcgi://127.0.0.1:0" {
		t.Error(got)
	}
	s.end(t)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
	if c, err := net.Dial("tcp", s.at[1].String()); err == nil {
		_ = c.Close()
		t.Error("still listens")
	}
}

func TestServeNothing(t *testing.T) {
	if err := front.Serve(context.Background(), http.NotFoundHandler(), front.Options{}); err == nil {
		t.Error("serves nothing")
	}
}

func TestOneFailsToListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := "http://" + l.Addr().String()
	_, err = tryServe(t, "fcgi+unix:"+path, taken)
	if err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the other socket stays: %v", err)
	}
}

func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for options, want := range map[string]fs.FileMode{"": 0o660, "?mode=0600": 0o600, "?mode=0666": 0o666} {
		for _, mask := range []int{0, 0o077} {
			syscall.Umask(mask)
			path := filepath.Join(t.TempDir(), "s")
			s := serve(t, "fcgi+unix:"+path+options)
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != fs.ModeSocket|want {
				t.Errorf("%q under umask %o: %v", options, mask, got)
			}
			s.end(t)
		}
	}
}

func TestSocketOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 23456
	}
	serve(t, fmt.Sprintf("fcgi+unix:%s?owner=%d&group=%d", path, uid, gid))
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("belongs to %d:%d", st.Uid, st.Gid)
	}
}

func TestSocketRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string
		kept bool
	}{
		"a file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is no socket; it is left alone", true},
		"a symbolic link to a socket": {func(t *testing.T, path string) {
			stale(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}, "is no socket; it is left alone", true},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is no socket; it is left alone", true},
		"a server that runs": {func(t *testing.T, path string) { serve(t, "http+unix:"+path) }, "is in use by a server that runs", true},
		"another kind of socket": {func(t *testing.T, path string) {
			c, err := net.ListenPacket("unixgram", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}, "may be in use", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			c.make(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tryServe(t, "fcgi+unix:"+path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			if now, err := os.Lstat(path); err != nil || !os.SameFile(before, now) {
				t.Errorf("what was there is gone: %v", err)
			}
		})
	}
}

func TestSocketOwnerUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, option := range []string{"owner", "group"} {
		if _, err := tryServe(t, "fcgi+unix:"+path+"?"+option+"=nobody-of-this-name"); err == nil || !strings.Contains(err.Error(), "nobody-of-this-name") {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("a socket stays")
	}
}

func TestSocketDirectoryMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "s")
	if _, err := tryServe(t, "fcgi+unix:"+path); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), "no such file")) {
		t.Error(err)
	}
}

// stale leaves a socket behind that nobody listens on.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	serve(t, "http+unix:"+path)
	if got := get(t, "unix", path, "/x"); !strings.HasPrefix(got, " /x") {
		t.Error(got)
	}
}

func TestTwoStartAtOnce(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		stale(t, path)
		type result struct {
			s   *server
			err error
		}
		results := make(chan result)
		for range 2 {
			go func() {
				s, err := tryServe(t, "http+unix:"+path)
				results <- result{s, err}
			}()
		}
		a, b := <-results, <-results
		if (a.err == nil) == (b.err == nil) {
			t.Fatalf("not one of them serves: %v, %v", a.err, b.err)
		}
		if got := get(t, "unix", path, "/x"); !strings.HasPrefix(got, " /x") {
			t.Error(got)
		}
	}
}

func TestSocketOfAnotherIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := serve(t, "http+unix:"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	serve(t, "http+unix:"+path) // a second one, in its place
	s.end(t)
	if got := get(t, "unix", path, "/x"); !strings.HasPrefix(got, " /x") {
		t.Errorf("the first has removed the second's socket: %s", got)
	}
}

// listenFile is a listening socket to inherit.
func listenFile(t *testing.T, network, addr string) (*os.File, net.Listener) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l
}

func TestInheritStdin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	f, _ := listenFile(t, "unix", path)
	if got := start(t, "fcgi+fd:0", f, nil); got != "ready: 1" {
		t.Fatal(got)
	}
	if got := getFCGI(t, "unix", path, "/x"); got != "/x" {
		t.Error(got)
	}
	if got := getFCGI(t, "unix", path, "/stdin"); got != "0<nil>" && got != "0 <nil>" {
		t.Error(got)
	}
	if got := getFCGI(t, "unix", path, "/stop"); got != "/stop" {
		t.Error(got)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("removed the socket of its parent: %v", err)
	}
}

func TestInheritDescriptor(t *testing.T) {
	f, l := listenFile(t, "tcp", "127.0.0.1:0")
	if got := start(t, "http+fd:3", nil, []*os.File{f}); got != "ready: 1" {
		t.Fatal(got)
	}
	if got := get(t, "tcp", l.Addr().String(), "/x"); got != "/x" {
		t.Error(got)
	}
}

func TestInheritRefused(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	connection := os.NewFile(uintptr(pair[0]), "connection")
	defer connection.Close()
	defer os.NewFile(uintptr(pair[1]), "its other end").Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	udp, err := packets.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for name, c := range map[string]struct {
		listen string
		stdin  *os.File
		want   string
	}{
		"not open":     {"fcgi+fd:99", nil, "descriptor 99: is not open"},
		"not a socket": {"fcgi+fd:0", null, "descriptor 0: is not a socket"},
		"a connection": {"fcgi+fd:0", connection, "nobody listens on"},
		"datagrams":    {"fcgi+fd:0", udp, "is not a stream socket"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := start(t, c.listen, c.stdin, nil); !strings.HasPrefix(got, "failed: listening on "+c.listen) || !strings.Contains(got, c.want) {
				t.Error(got)
			}
		})
	}
}

func TestSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	one, _ := listenFile(t, "unix", path)
	two, l := listenFile(t, "tcp", "127.0.0.1:0")
	files := []*os.File{one, two}
	const self, fds = "LISTEN_PID=self", "LISTEN_FDS=2"
	for name, c := range map[string]struct {
		listen, want string
		env          []string
	}{
		"by name":        {"fcgi+systemd:app http+systemd:web", "ready: 2", []string{self, fds, "LISTEN_FDNAMES=app:web"}},
		"one is named":   {"fcgi+systemd:app http+systemd:", "ready: 2", []string{self, fds, "LISTEN_FDNAMES=app:web"}},
		"unknown name":   {"fcgi+systemd:ap", "passed no such socket, but app, web", []string{self, fds, "LISTEN_FDNAMES=app:web"}},
		"all are named":  {"fcgi+systemd:app fcgi+systemd:web fcgi+systemd:", "passed no such socket", []string{self, fds, "LISTEN_FDNAMES=app:web"}},
		"two of a name":  {"http+systemd:app", "ready: 2", []string{self, fds, "LISTEN_FDNAMES=app:app"}},
		"without names":  {"http+systemd:", "ready: 2", []string{self, fds}},
		"taken twice":    {"http+systemd: fcgi+systemd:", "another address takes the same sockets", []string{self, fds}},
		"nothing passed": {"http+systemd:", "systemd has passed no socket", nil},
		"for another":    {"http+systemd:", "systemd has passed no socket", []string{"LISTEN_PID=1", fds}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := start(t, c.listen, nil, files, c.env...); !strings.Contains(got, c.want) {
				t.Fatal(got)
			}
			if name != "by name" {
				return
			}
			if got := getFCGI(t, "unix", path, "/x"); got != "/x" {
				t.Error(got)
			}
			if got := get(t, "tcp", l.Addr().String(), "/x"); got != "/x" {
				t.Error(got)
			}
			if got := get(t, "tcp", l.Addr().String(), "/environment"); got != "[]" {
				t.Errorf("children would see LISTEN_FDS=%s", got)
			}
		})
	}
}
