package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"projhost/testenvs"
)

// tool finds a program that a test starts the host by.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: run `make deps`", name)
	return ""
}

// runningWith are the processes of the program under test whose command line
// or variables hold a text.
func runningWith(t *testing.T, text string) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		exe, err := os.Readlink(dir + "/exe")
		if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != filepath.Base(program()) {
			continue // another program, or it has just ended
		}
		line, _ := os.ReadFile(dir + "/cmdline")
		vars, _ := os.ReadFile(dir + "/environ")
		if strings.Contains(string(line)+string(vars), text) {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone checks that no process that served parent is left, and no socket.
func gone(t *testing.T, parent string, sockets ...string) {
	t.Helper()
	eventually(t, "the end of all processes", func() bool { return len(runningWith(t, parent)) == 0 })
	for _, s := range sockets {
		if _, err := os.Lstat(s); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket %s is still there: %v", s, err)
		}
	}
}

// answers asks a page over FastCGI on a unix socket.
func answers(t *testing.T, socket string) {
	t.Helper()
	f := dialFCGI(t, "unix", socket)
	defer f.close()
	a, err := f.get(1, nginxParams("/one/wiki", ""))
	if err != nil || a.status != 200 || !strings.Contains(a.body, testenvs.Canary("one")) {
		t.Errorf("status %d, %v: %s", a.status, err, a.body)
	}
}

// ping runs "projhost ping" and returns its exit code and output.
func ping(t *testing.T, listen string) (int, string) {
	t.Helper()
	cmd := exec.Command(program(), "ping", "--listen", listen, "--timeout", "10s")
	cmd.Env = append(cleanEnv(), "GORACE=atexit_sleep_ms=0") // else each ping takes a second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "\n"); n != 1 {
		t.Errorf("ping %s printed %d lines: %s", listen, n, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// pingUntil waits until ping ends with a code.
func pingUntil(t *testing.T, listen string, code int) {
	t.Helper()
	eventually(t, fmt.Sprintf("ping %s with exit code %d", listen, code), func() bool {
		got, _ := ping(t, listen)
		return got == code
	})
}

// command is a started program whose output goes to a file, so that what it
// starts in turn does not keep the test waiting.
type command struct {
	cmd *exec.Cmd
	out string
}

func startTool(t *testing.T, name string, args ...string) *command {
	t.Helper()
	c := &command{cmd: exec.Command(tool(t, name), args...), out: filepath.Join(t.TempDir(), "out")}
	c.cmd.Env = cleanEnv()
	f, err := os.Create(c.out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c.cmd.Stdout, c.cmd.Stderr = f, f
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
		if strings.Contains(c.said(), "DATA RACE") || t.Failed() {
			t.Errorf("%s said:\n%s", name, c.said())
		}
	})
	return c
}

func (c *command) said() string {
	text, _ := os.ReadFile(c.out)
	return string(text)
}

// end sends a signal and waits for the end.
func (c *command) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not end within 30 s of %v", c.cmd.Path, s)
	}
}

// killLeft is for tests that fail with processes left.
func killLeft(t *testing.T, parent string) {
	t.Cleanup(func() {
		for _, pid := range runningWith(t, parent) {
			t.Errorf("process %d is left", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// TestStartSocketActivate passes a unix and a TCP socket, by their names, as a
// systemd socket unit does.
func TestStartSocketActivate(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	killLeft(t, parent)
	socket, tcp := filepath.Join(t.TempDir(), "s"), freePort(t)
	c := startTool(t, "systemd-socket-activate", "--listen", socket, "--listen", tcp, "--fdname", "web:plain",
		program(), "serve", "--listen", "fcgi+systemd:web", "--listen", "http+systemd:plain", "--env-parent-dir", parent)
	eventually(t, "the socket", func() bool { _, err := os.Lstat(socket); return err == nil })
	pingUntil(t, "fcgi+unix:"+socket, 0)
	pingUntil(t, "http://"+tcp, 0)
	answers(t, socket)
	c.end(t, syscall.SIGTERM)
	gone(t, parent)
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the socket, which is systemd's, was removed: %v", err)
	}
}

// TestStartSupervisor has two processes on one socket of supervisor's. One is
// restarted under load behind nginx, and no request is lost.
func TestStartSupervisor(t *testing.T) {
	parent := ownFile(t)
	killLeft(t, parent)
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	conf := filepath.Join(dir, "supervisord.conf")
	write(t, conf, fmt.Sprintf(`[unix_http_server]
file=%[1]s/ctl
[supervisord]
nodaemon=true
user=root
logfile=%[1]s/log
pidfile=%[1]s/pid
childlogdir=%[1]s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/ctl
[fcgi-program:projhost]
command=%[2]s serve --env-parent-dir %[3]s
socket=unix://%[4]s
socket_mode=0660
process_name=%%(program_name)s_%%(process_num)02d
numprocs=2
autorestart=true
stopsignal=TERM
stopwaitsecs=30
redirect_stderr=true
`, dir, program(), parent, socket))
	c := startTool(t, "supervisord", "-c", conf)
	ctl := func(args ...string) string {
		out, _ := exec.Command(tool(t, "supervisorctl"), append([]string{"-c", conf}, args...)...).CombinedOutput() // its output tells
		return string(out)
	}
	eventually(t, "two running processes", func() bool { return strings.Count(ctl("status"), "RUNNING") == 2 })
	pingUntil(t, "fcgi+unix:"+socket, 0)
	answers(t, socket)
	url := "http://" + nginx(t, socket, true, atRoot)
	l := newClients(t)
	for range 4 {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
		t.Cleanup(client.CloseIdleConnections)
		l.client(nginxClient(client, url))
	}
	next := 0
	l.during("restart by supervisor", 2, 3000, func() {
		name := fmt.Sprintf("projhost:projhost_%02d", next%2)
		next++
		if out := ctl("restart", name); !strings.Contains(out, "started") {
			t.Errorf("restart %s: %s", name, out)
		}
	})
	c.end(t, syscall.SIGTERM)
	gone(t, parent) // the socket, which is supervisor's, stays
}

// TestStartSpawnFCGI covers spawn-fcgi in the foreground, for runit and the
// like, and as a daemon with one process or three.
func TestStartSpawnFCGI(t *testing.T) {
	t.Run("foreground", func(t *testing.T) {
		parent := testenvs.Parent(t, "one")
		killLeft(t, parent)
		socket := filepath.Join(t.TempDir(), "s")
		c := startTool(t, "spawn-fcgi", "-n", "-s", socket, "--", program(), "serve", "--env-parent-dir", parent)
		pingUntil(t, "fcgi+unix:"+socket, 0)
		answers(t, socket)
		if !strings.Contains(c.said(), "the standard input is a listening socket") {
			t.Errorf("the log does not say where it listens: %s", c.said())
		}
		// Without a log file SIGUSR1 is what FastCGI programs end by.
		c.end(t, syscall.SIGUSR1)
		gone(t, parent)
	})
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("daemon -F %d", n), func(t *testing.T) {
			adopt(t)
			parent := testenvs.Parent(t, "one")
			killLeft(t, parent)
			dir := t.TempDir()
			socket, pidFile := filepath.Join(dir, "s"), filepath.Join(dir, "pid")
			cmd := exec.Command(tool(t, "spawn-fcgi"), "-s", socket, "-P", pidFile, "-F", strconv.Itoa(n), "--", program(), "serve",
				"--env-parent-dir", parent, "--log-file", filepath.Join(dir, "log"))
			cmd.Env = cleanEnv()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			pingUntil(t, "fcgi+unix:"+socket, 0)
			answers(t, socket)
			text, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			pids := strings.Fields(string(text))
			if len(pids) != n {
				t.Fatalf("pid file: %q", text)
			}
			eventually(t, "a process of each number", func() bool { return len(runningWith(t, parent)) == n })
			for _, s := range pids {
				pid, err := strconv.Atoi(s)
				if err != nil {
					t.Fatal(err)
				}
				if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if code, err := waitPID(pid, 30*time.Second); code != 0 || err != nil {
					t.Errorf("process %d ended with %d, %v", pid, code, err)
				}
			}
			gone(t, parent)
		})
	}
}

// TestStartMultiwatch has three processes on one socket of spawn-fcgi's, watched
// by multiwatch: one that dies is started anew.
func TestStartMultiwatch(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	killLeft(t, parent)
	socket := filepath.Join(t.TempDir(), "s")
	c := startTool(t, "spawn-fcgi", "-n", "-s", socket, "--", tool(t, "multiwatch"), "-f", "3", "--", program(), "serve", "--env-parent-dir", parent)
	eventually(t, "three processes", func() bool { return len(runningWith(t, parent)) == 3 })
	pingUntil(t, "fcgi+unix:"+socket, 0)
	victim := runningWith(t, parent)[0]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool {
		pids := runningWith(t, parent)
		return len(pids) == 3 && pids[0] != victim && pids[1] != victim && pids[2] != victim
	})
	for range 6 {
		answers(t, socket)
	}
	c.end(t, syscall.SIGTERM)
	gone(t, parent)
}

// TestStartLighttpd has lighttpd start the program, with one process or two.
func TestStartLighttpd(t *testing.T) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("max-procs %d", n), func(t *testing.T) {
			parent := testenvs.Parent(t, "one")
			killLeft(t, parent)
			dir, address := t.TempDir(), freePort(t)
			_, port, _ := strings.Cut(address, ":")
			conf := filepath.Join(dir, "lighttpd.conf")
			write(t, conf, fmt.Sprintf(`server.modules = ( "mod_fastcgi" )
server.document-root = "%[1]s"
server.bind = "127.0.0.1"
server.port = %[2]s
server.errorlog = "%[1]s/error.log"
server.breakagelog = "%[1]s/program.log"
fastcgi.server = ( "/one" => (( 
	"bin-path" => "%[3]s serve",
	"socket" => "%[1]s/s",
	"bin-environment" => ( "TRAC_ENV" => "%[4]s/one" ),
	"max-procs" => %[5]d,
	"check-local" => "disable"
)) )
`, dir, port, program(), parent, n))
			c := startTool(t, "lighttpd", "-D", "-f", conf)
			eventually(t, "the processes", func() bool { return len(runningWith(t, parent)) == n })
			ok := func() bool {
				resp, err := http.Get("http://" + address + "/one/wiki")
				if err != nil {
					return false
				}
				defer func() { _ = resp.Body.Close() }()
				return resp.StatusCode == 200
			}
			eventually(t, "an answer", ok)
			if _, body := get(t, "http://"+address+"/one/wiki"); !strings.Contains(body, testenvs.Canary("one")) {
				t.Errorf("another page: %s", body)
			}
			pids := runningWith(t, parent)
			c.end(t, syscall.SIGTERM)
			gone(t, parent)
			if log, _ := os.ReadFile(filepath.Join(dir, "program.log")); strings.Count(string(log), "msg=stopped") != n {
				t.Errorf("not all of %v ended in good order:\n%s", pids, log)
			}
			for _, s := range []string{"s", "s-0", "s-1"} {
				gone(t, parent, filepath.Join(dir, s))
			}
		})
	}
}

// TestStartApacheFcgid has Apache's mod_fcgid start the program, as many
// processes as it likes. It ends them by SIGTERM, and after a second or so by
// SIGKILL.
func TestStartApacheFcgid(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	killLeft(t, parent)
	dir, address := t.TempDir(), freePort(t)
	mkdir(t, filepath.Join(dir, "fcgid"))
	mkdir(t, filepath.Join(dir, "cgi"))
	bin, user := forApache(t, dir, parent)
	log := filepath.Join(dir, "error.log")
	write(t, filepath.Join(dir, "cgi", "trac.fcgi"), "# run by FcgidWrapper\n")
	modules := ""
	for _, m := range []string{"mpm_event", "authz_core", "alias", "fcgid"} {
		modules += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	conf := filepath.Join(dir, "apache.conf")
	write(t, conf, fmt.Sprintf(`%[1]s
ServerRoot %[2]s
ServerName localhost
Listen %[3]s
PidFile %[2]s/pid
DefaultRuntimeDir %[2]s
ErrorLog %[4]s
LogLevel info
%[7]s
FcgidIPCDir %[2]s/fcgid
FcgidProcessTableFile %[2]s/fcgid_shm
FcgidInitialEnv TRAC_ENV_PARENT_DIR %[5]s
FcgidMinProcessesPerClass 2
FcgidMaxProcessesPerClass 4
ScriptAlias / %[2]s/cgi/trac.fcgi/
<Directory %[2]s/cgi>
	Require all granted
	Options +ExecCGI
	SetHandler fcgid-script
	FcgidWrapper "%[6]s serve" .fcgi
</Directory>
`, modules, dir, address, log, parent, bin, user))
	if err := os.Chmod(filepath.Join(dir, "cgi", "trac.fcgi"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := startTool(t, "apache2", "-f", conf, "-DFOREGROUND")
	t.Cleanup(func() {
		if text, _ := os.ReadFile(log); t.Failed() {
			t.Errorf("Apache's log:\n%s", text)
		}
	})
	ask := func() (int, string) {
		resp, err := http.Get("http://" + address + "/one/wiki")
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, fmt.Sprint(string(body), err)
	}
	eventually(t, "an answer by way of Apache", func() bool { code, _ := ask(); return code == 200 })
	var wg sync.WaitGroup
	for range 12 { // at once, for which mod_fcgid starts more processes
		wg.Go(func() {
			if code, body := ask(); code != 200 || !strings.Contains(body, testenvs.Canary("one")) {
				t.Errorf("status %d: %.200s", code, body)
			}
		})
	}
	wg.Wait()
	pids := runningWith(t, parent)
	t.Logf("mod_fcgid runs %d processes", len(pids))
	if len(pids) == 0 {
		t.Error("no process of Apache's is there")
	}
	c.end(t, syscall.SIGTERM)
	gone(t, parent)
	left, err := filepath.Glob(filepath.Join(dir, "fcgid", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("sockets are left: %v, %v", left, err)
	}
	if text, _ := os.ReadFile(log); strings.Count(string(text), "msg=stopped") != len(pids) {
		t.Errorf("not all of %v ended in good order:\n%s", pids, text)
	}
}

// forApache gives the projects, and a copy of the program, to the user that
// Apache's processes run as: www-data if the test runs as root, else the test's.
func forApache(t *testing.T, dir, parent string) (bin, directives string) {
	t.Helper()
	bin = filepath.Join(dir, filepath.Base(program()))
	text, err := os.ReadFile(program())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return bin, ""
	}
	if above := filepath.Dir(dir); above != filepath.Clean(os.TempDir()) { // which is everybody's
		if err := os.Chmod(above, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("chown", "-R", "www-data:www-data", dir, parent).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bin, "User www-data\nGroup www-data\n"
}

// TestStartStopDaemon does what a SysV or OpenRC script does with
// start-stop-daemon: start, status, reload, reopen the log, hand over, stop.
func TestStartStopDaemon(t *testing.T) {
	adopt(t)
	parent := testenvs.Parent(t, "one")
	killLeft(t, parent)
	dir := t.TempDir()
	socket, pidFile, log := filepath.Join(dir, "s"), filepath.Join(dir, "projhost.pid"), filepath.Join(dir, "log")
	ssd := func(args ...string) int {
		t.Helper()
		cmd := exec.Command(tool(t, "start-stop-daemon"), append(args, "--pidfile", pidFile, "--exec", program())...)
		return runForCode(t, cmd)
	}
	start := []string{"--start", "--quiet", "--oknodo", "--background"}
	options := []string{"--", "serve", "--listen", "fcgi+unix:" + socket, "--env-parent-dir", parent, "--pid-file", pidFile, "--log-file", log}
	startNow := func() int {
		return runForCode(t, exec.Command(tool(t, "start-stop-daemon"), append(append(append([]string(nil), start...), "--pidfile", pidFile, "--exec", program()), options...)...))
	}
	if code := ssd("--status"); code != 3 {
		t.Errorf("status before the start: %d, want 3 (not running)", code)
	}
	if code := startNow(); code != 0 {
		t.Fatalf("start: %d", code)
	}
	pingUntil(t, "fcgi+unix:"+socket, 0)
	if code := ssd("--status"); code != 0 {
		t.Errorf("status: %d", code)
	}
	if code := startNow(); code != 0 || len(runningWith(t, parent)) != 1 {
		t.Errorf("started twice: %d, %v", code, runningWith(t, parent))
	}
	answers(t, socket)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	says := func(file, text string) {
		t.Helper()
		eventually(t, file+" says "+text, func() bool { got, _ := os.ReadFile(file); return strings.Contains(string(got), text) })
	}
	if code := ssd("--stop", "--signal", "USR1"); code != 0 {
		t.Errorf("USR1: %d", code)
	}
	says(log, "log file reopened")
	if fi, err := os.Stat(log); err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("the new log file: %v, %v", fi.Mode(), err)
	}
	if code := ssd("--stop", "--signal", "HUP"); code != 0 {
		t.Errorf("HUP: %d", code)
	}
	says(log, "reload ended")
	says(log, "found 1")
	former := runningWith(t, parent)
	if code := ssd("--stop", "--signal", "USR2"); code != 0 {
		t.Errorf("USR2: %d", code)
	}
	eventually(t, "another process", func() bool { now := runningWith(t, parent); return len(now) == 1 && now[0] != former[0] })
	answers(t, socket)
	if code := ssd("--stop", "--quiet", "--retry", "TERM/30/KILL/5"); code != 0 {
		t.Errorf("stop: %d", code)
	}
	gone(t, parent, socket, pidFile)
	if code := ssd("--status"); code != 3 {
		t.Errorf("status after the end: %d, want 3", code)
	}
	if code, out := ping(t, "fcgi+unix:"+socket); code != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("ping after the end: %d, %s", code, out)
	}
}

func runForCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	cmd.Env = cleanEnv()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// TestPing asks a server by each protocol, below a prefix too.
func TestPing(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	dir := t.TempDir()
	args := []string{"serve", "--env-parent-dir", parent}
	var listen []string
	for _, protocol := range []string{"fcgi", "scgi", "uwsgi", "ajp", "http"} {
		for i, option := range []string{"", "?prefix=/trac"} {
			listen = append(listen, fmt.Sprintf("%s+unix:%s/%s%d%s", protocol, dir, protocol, i, option))
		}
	}
	secure, secret, proxied, distrust := freePort(t), freePort(t), freePort(t), freePort(t)
	listen = append(listen, "http://"+proxied+"?proxy-protocol=1&trust=127.0.0.1")
	for _, l := range append(listen, "https://"+secure+"?cert="+testenvs.Certificate(t, dir), "ajp://"+secret+"?secret=hidden+word", "http://"+distrust+"?proxy-protocol=1&trust=192.0.2.1") {
		args = append(args, "--listen", l)
	}
	p := start(t, args...)
	p.waitReady()
	listen = append(listen, "https://"+secure) // what the certificate is, who listens needs to know alone
	for _, l := range listen {
		if code, out := ping(t, l); code != 0 || out != l+": ready\n" {
			t.Errorf("exit code %d: %s", code, out)
		}
	}
	if code, out := ping(t, "ajp://"+secret+"?secret=hidden+word"); code != 0 || out != "ajp://"+secret+"?secret=***: ready\n" {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, c := range []struct {
		listen string
		code   int
		says   string
	}{
		{"http+unix:" + dir + "/fcgi0", 1, "no answer of a web server"},
		{"ajp+unix:" + dir + "/scgi0", 1, "no answer of an AJP program"},
		{"http://" + secure, 1, "status 400"},
		{"https://" + secret, 1, "EOF"},
		{"ajp://" + secret + "?secret=hidden+wrong", 1, "status 403: Forbidden"},
		{"ajp://" + secret + "?secret=hidden+%zz", 2, "invalid URL escape"},
		{"ajp://" + secret, 2, "needs ?secret="},
		{"http://" + distrust + "?proxy-protocol=1", 1, distrust}, // a reset may overtake anything
	} {
		if code, out := ping(t, c.listen); code != c.code || !strings.Contains(out, c.says) || strings.Contains(out, "hidden") {
			t.Errorf("%s: exit code %d: %s", c.listen, code, out)
		}
	}
	if strings.Contains(p.out.String(), "msg=request ") {
		t.Errorf("health is in the access log:\n%s", p.out.String())
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	for _, l := range append(listen, "ajp://"+secret+"?secret=hidden+word") {
		if code, out := ping(t, l); code != 1 || !strings.Contains(out, "connection refused") && !strings.Contains(out, "no such file") || strings.Contains(out, "hidden") {
			t.Errorf("after the end: exit code %d: %s", code, out)
		}
	}
}

// TestConnectionForStandardInput: a socket that is a connection is not taken for
// one to listen on.
func TestConnectionForStandardInput(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stdin, peer := os.NewFile(uintptr(fds[0]), "connection"), os.NewFile(uintptr(fds[1]), "its peer")
	defer func() { _, _ = stdin.Close(), peer.Close() }()
	cmd := exec.Command(program(), "serve", "--env-parent-dir", testenvs.Parent(t, "one"))
	cmd.Stdin = stdin
	p := startCmd(t, cmd)
	eventually(t, "a word about it", func() bool {
		return strings.Contains(p.out.String(), "not a listening one") && !strings.Contains(p.out.String(), "fcgi+fd:0")
	})
}
