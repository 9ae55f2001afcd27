package e2e_test

import (
	"bufio"
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
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"projhost/testenvs"
)

// adopt has children of processes that end become children of the test, which
// can then see how they end, and that they do.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// service is the program as an init script runs it: with a pid file, a log
// file, and one process following another.
type service struct {
	t        *testing.T
	pid, log string
	first    *exec.Cmd
	former   []int // processes that have handed over
}

// startService starts the program and waits until it is ready.
func startService(t *testing.T, bin string, env []string, args ...string) *service {
	t.Helper()
	adopt(t)
	dir := t.TempDir()
	s := &service{t: t, pid: filepath.Join(dir, "pid"), log: filepath.Join(dir, "log")}
	s.first = exec.Command(bin, append([]string{"serve", "--pid-file", s.pid, "--log-file", s.log, "--log-level", "warn"}, args...)...)
	s.first.Env = append(cleanEnv(), env...)
	out, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	// A file, not a pipe of os/exec's, which all later processes would hold.
	s.first.Stdout, s.first.Stderr = out, out
	if err := s.first.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid := s.running(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = waitPID(pid, 5*time.Second)
		}
		text, _ := os.ReadFile(out.Name())
		if strings.Contains(string(text), "DATA RACE") || t.Failed() {
			t.Errorf("the program said:\n%s\nand its log:\n%s", text, s.logText())
		}
	})
	eventually(t, "the pid file of the first process", func() bool { return s.running() == s.first.Process.Pid })
	return s
}

// running is the number of the process that serves, 0 if there is none.
func (s *service) running() int {
	text, err := os.ReadFile(s.pid)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

func (s *service) logText() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

func (s *service) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.running(), sig); err != nil {
		s.t.Fatalf("%v: %v", sig, err)
	}
}

// handOver replaces the process. The former one may still have connections of
// web servers, which it closes bit by bit.
func (s *service) handOver() {
	s.t.Helper()
	former := s.running()
	s.signal(syscall.SIGUSR2)
	eventually(s.t, "another process in the pid file", func() bool { return s.running() != former })
	s.former = append(s.former, former)
}

// stop ends the process that serves, and checks that it and all former ones
// end well.
func (s *service) stop() {
	s.t.Helper()
	pid := s.running()
	s.signal(syscall.SIGTERM)
	if code, err := waitPID(pid, killWait); err != nil || code != 0 {
		s.t.Errorf("the process ended with %d, %v", code, err)
	}
	for _, pid := range s.former {
		// How it ended only its own parent sees, if that has not ended before.
		if code, err := waitPID(pid, killWait); code != 0 && !errors.Is(err, syscall.ECHILD) {
			s.t.Errorf("former process %d ended with %d, %v", pid, code, err)
		}
	}
	if log := s.logText(); strings.Contains(log, "level=") {
		s.t.Errorf("the log has warnings:\n%s", log)
	}
	if s.running() != 0 {
		s.t.Error("the pid file is still there")
	}
}

// waitPID waits for a child of this process to end and returns its exit code.
func waitPID(pid int, d time.Duration) (code int, err error) {
	var status syscall.WaitStatus
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.ECHILD) && alive(pid):
			// Its own parent has not ended yet.
		case err != nil:
			return -1, err
		case got == pid && status.Exited():
			return status.ExitStatus(), nil
		case got == pid:
			return -1, fmt.Errorf("ended by signal %v", status.Signal())
		}
	}
	return -1, fmt.Errorf("process %d did not end within %v", pid, d)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// eventually waits for something that takes a moment.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// clients ask until they are told to stop, and count what was lost.
type clients struct {
	t           *testing.T
	asked, lost atomic.Int64
	stop        chan struct{}
	wg          sync.WaitGroup
}

func newClients(t *testing.T) *clients { return &clients{t: t, stop: make(chan struct{})} }

// client asks again and again by ask, which gets the number of the request.
func (l *clients) client(ask func(n int) error) {
	l.wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			default:
			}
			if err := ask(n); err != nil && l.lost.Add(1) <= 10 {
				l.t.Errorf("request %d of a client: %v", n, err)
			}
			l.asked.Add(1)
		}
	})
}

// during keeps the load on while do is done so many times, until so many
// requests have been answered, and reports.
func (l *clients) during(what string, times int, requests int64, do func()) {
	l.t.Helper()
	begun := time.Now()
	for i := range times {
		target := requests * int64(i+1) / int64(times+1)
		eventually(l.t, "enough requests", func() bool { return l.asked.Load() >= target })
		do()
	}
	eventually(l.t, "enough requests", func() bool { return l.asked.Load() >= requests })
	close(l.stop)
	l.wg.Wait()
	l.t.Logf("%s: %d requests over %d hand-overs in %v, %d failed", what, l.asked.Load(), times, time.Since(begun).Round(time.Millisecond), l.lost.Load())
	if l.lost.Load() > 0 {
		l.t.Errorf("%d of %d requests were lost", l.lost.Load(), l.asked.Load())
	}
}

// handOverRequests is how many are asked in each test.
const handOverRequests = 20_000

// kinds are the requests of the load: most are small, so that there are many.
func kinds(n int) (method, path, want string, status int) {
	switch n % 16 {
	case 3:
		return http.MethodGet, "/one/wiki", testenvs.Canary("one"), 200
	case 7, 11:
		return http.MethodPost, "/one/wiki/WikiStart", "", 405 // not repeated by nginx if it fails
	}
	return http.MethodGet, "/one/chrome/site/own.css", "/* own */", 200
}

// check tells what is wrong with an answer.
func check(n int, resp *http.Response, body []byte) error {
	method, path, want, status := kinds(n)
	if resp.StatusCode != status || !strings.Contains(string(body), want) {
		return fmt.Errorf("%s %s: status %d, %d bytes", method, path, resp.StatusCode, len(body))
	}
	return nil
}

func ownFile(t *testing.T) (parent string) {
	t.Helper()
	parent = testenvs.Parent(t, "one")
	write(t, filepath.Join(parent, "one", "htdocs", "own.css"), "/* own */")
	return parent
}

// nginxClient asks a web server, which does not lose connections.
func nginxClient(client *http.Client, url string) func(n int) error {
	return func(n int) error {
		method, path, _, _ := kinds(n)
		r, err := http.NewRequest(method, url+path, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		return errors.Join(err, check(n, resp, body))
	}
}

// TestHandOverBehindNginx replaces the process several times while clients ask
// by way of nginx, which keeps its FastCGI connections. No request is lost, not
// even of those that nginx does not repeat.
func TestHandOverBehindNginx(t *testing.T) {
	parent := ownFile(t)
	socket := filepath.Join(t.TempDir(), "s")
	s := startService(t, program(), nil, "--listen", "fcgi+unix:"+socket, "--env-parent-dir", parent)
	url := "http://" + nginx(t, socket, true, atRoot)
	l := newClients(t)
	for range 6 {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
		t.Cleanup(client.CloseIdleConnections)
		l.client(nginxClient(client, url))
	}
	l.during("nginx, FastCGI", 4, handOverRequests, s.handOver)
	s.stop()
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestHandOverHTTP does the same without a web server. Each client has one
// connection, which it uses until it is told that the answer was the last; it
// repeats nothing.
func TestHandOverHTTP(t *testing.T) {
	parent := ownFile(t)
	address := freePort(t)
	s := startService(t, program(), nil, "--listen", "http://"+address, "--env-parent-dir", parent)
	l := newClients(t)
	for range 6 {
		c := &plainClient{address: address}
		t.Cleanup(c.close)
		l.client(c.ask)
	}
	l.during("HTTP", 4, handOverRequests, s.handOver)
	s.stop()
}

// plainClient is an HTTP client that repeats nothing.
type plainClient struct {
	address string
	c       net.Conn
	in      *bufio.Reader
}

func (p *plainClient) close() {
	if p.c != nil {
		_ = p.c.Close()
		p.c = nil
	}
}

func (p *plainClient) ask(n int) error {
	if p.c == nil {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			return err
		}
		p.c, p.in = c, bufio.NewReader(c)
	}
	method, path, _, _ := kinds(n)
	_ = p.c.SetDeadline(time.Now().Add(30 * time.Second))
	resp, err := func() (*http.Response, error) {
		if _, err := fmt.Fprintf(p.c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", method, path); err != nil {
			return nil, err
		}
		return http.ReadResponse(p.in, nil)
	}()
	if err != nil {
		p.close()
		return err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.Close {
		p.close()
	}
	return errors.Join(err, check(n, resp, body))
}

// killWait is how long a process may take to end.
const killWait = 40 * time.Second
