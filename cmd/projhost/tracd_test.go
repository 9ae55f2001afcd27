package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"projhost/envs"
	"projhost/testenvs"
)

func TestTracdListener(t *testing.T) {
	for _, c := range []struct {
		t    tracd
		want string
	}{
		{tracd{protocol: "http", port: -1}, "http://:80?public=1"},
		{tracd{protocol: "https", port: -1, cert: "/a b.pem"}, "https://:443?cert=%2Fa+b.pem&key=%2Fa+b.pem&public=1"},
		{tracd{protocol: "https", port: 8443, cert: "/c", key: "/k", hostname: "127.0.0.1"}, "https://127.0.0.1:8443?cert=%2Fc&key=%2Fk"},
		{tracd{protocol: "http", port: 8000, hostname: "::1"}, "http://[::1]:8000"},
		{tracd{protocol: "http", port: 8000, hostname: "[::]"}, "http://[::]:8000?public=1"},
		{tracd{protocol: "http", port: 0, hostname: "localhost", basePath: "trac/"}, "http://localhost:0?prefix=%2Ftrac"},
		{tracd{protocol: "http", port: 80, hostname: "192.0.2.1", basePath: "/"}, "http://192.0.2.1:80?public=1"},
		{tracd{protocol: "fcgi", port: -1}, "fcgi://127.0.0.1:8000"},
		{tracd{protocol: "scgi", port: -1, hostname: "192.0.2.1"}, "scgi://192.0.2.1:4000?public=1"},
		{tracd{protocol: "uwsgi", port: -1}, "uwsgi://127.0.0.1:3031"},
		{tracd{protocol: "ajp", port: -1, secretFile: "/s"}, "ajp://127.0.0.1:8009?secret-file=%2Fs"},
	} {
		got, err := c.t.listener()
		if err != nil || got != c.want {
			t.Errorf("%+v: %s, %v, want %s", c.t, got, err, c.want)
		}
	}
}

// makeEnvs makes environments in a directory of their own.
func makeEnvs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		err := envs.Create(context.Background(), filepath.Join(dir, name), envs.CreateOptions{
			Settings: map[string]map[string]string{"project": {"name": "Project " + name}},
			Pages:    map[string]string{"WikiStart": "This is " + name + "."},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// output is what a process has written so far.
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

// listening finds the address in a log.
func listening(log string) string {
	m := regexp.MustCompile(`msg=listening .* at=(\S+)\n(?s:.*)msg=ready `).FindStringSubmatch(log)
	if m == nil {
		return ""
	}
	return m[1]
}

// startTracd runs the program until the test ends and returns its address and log.
func startTracd(t *testing.T, args ...string) (address string, log *output) {
	t.Helper()
	log = new(output)
	c := exec.Command("projhost", append([]string{"tracd", "-p", "0"}, args...)...)
	c.Stderr = log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("tracd %v: %v: %s", args, err, log)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if address = listening(log.String()); address != "" {
			return address, log
		}
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("tracd %v ended: %v: %s", args, err, log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("tracd %v does not begin to serve: %s", args, log)
		}
	}
}

// browse asks for a page, with a name and password unless user is "".
func browse(t *testing.T, c *http.Client, url, user, password string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text)
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

// passwords writes a file in which ana's password is "secret".
func passwords(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "passwords of all")
	if err := os.WriteFile(file, []byte("ana:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTracdManyEnvironments(t *testing.T) {
	dir := makeEnvs(t, "one", "two")
	address, log := startTracd(t, "-b", "127.0.0.1", "-q", "--http10", "-r", "--slow", "1ns", "--basic-auth", "one,"+passwords(t, dir)+",My, realm", filepath.Join(dir, "one"), filepath.Join(dir, "two"))
	base := "http://" + address
	for _, note := range []string{"-q has no effect", "--http10 has no effect", "-r has no effect"} {
		if !strings.Contains(log.String(), "projhost: "+note) {
			t.Errorf("nothing says that %s: %s", note, log)
		}
	}
	c := newBrowser(t)
	if status, body := browse(t, c, base+"/", "", ""); status != 200 || !strings.Contains(body, `href="/one"`) || !strings.Contains(body, `href="/two"`) {
		t.Errorf("the index: %d %s", status, body)
	}
	if status, _ := browse(t, c, base+"/one/login", "", ""); status != 401 {
		t.Errorf("login without a password: %d", status)
	}
	if status, body := browse(t, c, base+"/one/login", "ana", "wrong"); status != 401 || strings.Contains(body, dir) {
		t.Errorf("login with a wrong password: %d %s", status, body)
	}
	if status, _ := browse(t, c, base+"/two/login", "ana", "secret"); status != 403 {
		t.Errorf("login where none is set up: %d", status)
	}
	if status, body := browse(t, c, base+"/one/login", "ana", "secret"); status != 200 || !strings.Contains(body, "This is one") || !strings.Contains(body, "Signed in as") {
		t.Errorf("login: %d %s", status, body)
	}
	if _, body := browse(t, c, base+"/one/wiki", "", ""); !strings.Contains(body, "Signed in as <b><bdi>ana<") {
		t.Errorf("the login is not remembered: %s", body)
	}
	if _, body := browse(t, c, base+"/two/wiki", "", ""); strings.Contains(body, "Signed in") || !strings.Contains(body, "This is two") {
		t.Errorf("the login counts in another project: %s", body)
	}
	if !strings.Contains(log.String(), `msg="slow request" env=two`) {
		t.Errorf("no request was slow: %s", log)
	}
	if !strings.Contains(log.String(), `msg="login refused" rule=one user=ana`) {
		t.Errorf("a refused login is not logged: %s", log)
	}
}

func TestTracdSingleUnderAPath(t *testing.T) {
	dir := makeEnvs(t, "one")
	address, _ := startTracd(t, "-b", "127.0.0.1", "-s", "--base-path", "trac", "--basic-auth", "one,"+passwords(t, dir)+",R,all", filepath.Join(dir, "one"))
	c := newBrowser(t)
	base := "http://" + address
	if status, _ := browse(t, c, base+"/trac/wiki", "", ""); status != 401 {
		t.Errorf("a page of a guarded project: %d", status)
	}
	if status, body := browse(t, c, base+"/trac/wiki", "ana", "secret"); status != 200 || !strings.Contains(body, "This is one") || !strings.Contains(body, `href="/trac/wiki"`) || !strings.Contains(body, "Signed in as <b><bdi>ana<") {
		t.Errorf("with a password: %d %s", status, body)
	}
	if status, _ := browse(t, c, base+"/tracx/wiki", "ana", "secret"); status == 200 {
		t.Error("the base path is cut off by its length alone")
	}
}

// TestTracdProtocols has a page by each protocol, as its web servers ask for it,
// below a path of the site too.
func TestTracdProtocols(t *testing.T) {
	dir := makeEnvs(t, "one")
	cert := testenvs.Certificate(t, dir)
	secret := filepath.Join(dir, "ajp secret")
	if err := os.WriteFile(secret, []byte("hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for protocol, c := range map[string]struct {
		args []string
		ask  func(c net.Conn, path string) (status int, text string, err error)
	}{
		"http": {nil, pingHTTP},
		"https": {[]string{"--certfile", cert}, func(c net.Conn, path string) (int, string, error) {
			return pingHTTP(tls.Client(c, &tls.Config{InsecureSkipVerify: true}), path) //nolint:gosec // the test's own certificate
		}},
		"scgi":  {nil, func(c net.Conn, path string) (int, string, error) { return pingSCGI(c, path) }},
		"fcgi":  {nil, func(c net.Conn, path string) (int, string, error) { return pingFCGI(c, path) }},
		"uwsgi": {nil, func(c net.Conn, path string) (int, string, error) { return pingUWSGI(c, path) }},
		"ajp":   {[]string{"--ajp-secret-file", secret}, func(c net.Conn, path string) (int, string, error) { return pingAJP(c, path, "hidden") }},
	} {
		for base, prefix := range map[string]string{"": "", "/some/where": "/some/where"} {
			args := append([]string{"-b", "127.0.0.1", "--protocol", protocol, "--base-path", base}, c.args...)
			address, log := startTracd(t, append(args, filepath.Join(dir, "one"))...)
			get := func(path string) (int, string) {
				nc, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = nc.Close() }()
				_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
				status, text, err := c.ask(nc, path)
				if err != nil {
					t.Fatalf("%s %s: %v: %s", protocol, path, err, log)
				}
				return status, text
			}
			if status, text := get(prefix + "/one/wiki"); status != 200 || !strings.Contains(text, "This is one") || !strings.Contains(text, `href="`+prefix+`/one/wiki"`) {
				t.Errorf("%s %q: %d %s", protocol, base, status, text)
			}
			if status, text := get(prefix + "/two/wiki"); status != 404 || !strings.Contains(text, "Environment not found") {
				t.Errorf("%s %q: another project: %d %s", protocol, base, status, text)
			}
			if !strings.Contains(log.String(), "protocol="+protocol+" ") || strings.Contains(log.String(), "hidden") {
				t.Errorf("%s: the log: %s", protocol, log)
			}
		}
	}
}

func TestTracdParentDir(t *testing.T) {
	dir := makeEnvs(t, "one", "two")
	t.Setenv("TRAC_ENV_PARENT_DIR", "/nosuch") // the command line has been plain enough
	host := "::1"
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		host = "127.0.0.1" // no IPv6 on this machine
	} else {
		_ = l.Close()
	}
	address, _ := startTracd(t, "-b", host, "-e", dir, "--basic-auth", "*,"+passwords(t, t.TempDir())+",R")
	c := newBrowser(t)
	for _, name := range []string{"one", "two"} {
		if status, _ := browse(t, c, "http://"+address+"/"+name+"/login", "", ""); status != 401 {
			t.Errorf("%s: %d", name, status)
		}
		if status, body := browse(t, c, "http://"+address+"/"+name+"/login", "ana", "secret"); status != 200 || !strings.Contains(body, "This is "+name) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// daemon starts tracd in the background and returns its pid and address.
func daemon(t *testing.T, pidFile string, args ...string) (pid int, address string) {
	t.Helper()
	c := exec.Command("projhost", append([]string{"tracd", "-d", "-p", "0", "--pidfile", pidFile}, args...)...)
	c.Dir = filepath.Dir(pidFile)
	out, err := c.CombinedOutput() // would not end if the daemon kept the terminal
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(string(text)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if address = listening(string(out)); address == "" {
		t.Fatalf("no address in %s", out)
	}
	return pid, address
}

func TestTracdDaemon(t *testing.T) {
	dir := makeEnvs(t, "one")
	pidFile := filepath.Join(dir, "tracd.pid")
	pid, address := daemon(t, pidFile, "-b", "127.0.0.1", "-s", "one") // relative to the directory it was started in
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != "/" {
		t.Errorf("the daemon is in %s, %v", cwd, err)
	}
	if got, err := syscall.Getpgid(pid); err != nil || got != pid {
		t.Errorf("the daemon is in the process group %d, %v", got, err)
	}
	if status, body := browse(t, newBrowser(t), "http://"+address+"/wiki", "", ""); status != 200 || !strings.Contains(body, "This is one") {
		t.Errorf("%d %s", status, body)
	}
	for _, more := range [][]string{{"-d"}, nil} {
		c := exec.Command("projhost", append([]string{"tracd", "-b", "127.0.0.1", "-p", "0", "--pidfile", pidFile, filepath.Join(dir, "one")}, more...)...)
		if out, err := c.CombinedOutput(); err == nil || c.ProcessState.ExitCode() != exitFailure || !strings.Contains(string(out), "is running") && !strings.Contains(string(out), "locked") {
			t.Errorf("a second one: %v: %s", err, out)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		_, err := os.Stat(pidFile)
		return errors.Is(err, os.ErrNotExist)
	}
	for deadline := time.Now().Add(time.Minute); !gone(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pid file is still there")
		}
	}
	// A pid file that a crash has left is no obstacle.
	if err := os.WriteFile(pidFile, []byte("4194999\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	pid, _ = daemon(t, pidFile, "-b", "127.0.0.1", "-s", "one")
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// TestTracdUser: root becomes somebody else in every thread; whoever is not
// root cannot.
func TestTracdUser(t *testing.T) {
	dir := makeEnvs(t, "one")
	env := filepath.Join(dir, "one")
	if os.Getuid() != 0 {
		c := exec.Command("projhost", "tracd", "-b", "127.0.0.1", "-p", "0", "--user", "root", env)
		if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "only root can become somebody else") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	const uid, gid = 12345, 12346
	for p := dir; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(env, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, uid, gid))
	})
	if err != nil {
		t.Fatal(err)
	}
	pid, address := daemon(t, filepath.Join(dir, "tracd.pid"), "-b", "127.0.0.1", "--user", strconv.Itoa(uid), "--group", strconv.Itoa(gid), "--basic-auth", "one,"+passwords(t, dir)+",R", "one")
	c := newBrowser(t)
	if status, body := browse(t, c, "http://"+address+"/one/login", "ana", "secret"); status != 200 || !strings.Contains(body, "Signed in as") {
		t.Errorf("%d %s", status, body)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Uid:\t12345\t12345\t12345\t12345\n", "Gid:\t12346\t12346\t12346\t12346\n", "Groups:\t12346 \n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s lacks %q: %s", file, want, status)
			}
		}
	}
	if err := filepath.WalkDir(env, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid {
			t.Errorf("%s belongs to %d", path, s.Uid)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}
