package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"projhost/testenvs"
)

// systemCalls are what sets of systemd's, like "@system-service", contain.
func systemCalls(t *testing.T, set string) map[string]bool {
	t.Helper()
	out, err := exec.Command(tool(t, "systemd-analyze"), "syscall-filter", "--no-pager", set).Output()
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(name, "#"), name == "", name == set && strings.HasPrefix(line, set):
		case strings.HasPrefix(name, "@"):
			for call := range systemCalls(t, name) {
				calls[call] = true
			}
		default:
			calls[name] = true
		}
	}
	return calls
}

// TestHardening watches every system call of a life: start, pages,
// reload, hand-over, end. The service unit of docs/deploying.md forbids none of
// them: SystemCallFilter=@system-service without @privileged and @resources but
// with @chown, MemoryDenyWriteExecute=, RestrictAddressFamilies=,
// and ProtectSystem=strict with the projects alone as ReadWritePaths=.
func TestHardening(t *testing.T) {
	allowed := systemCalls(t, "@system-service")
	for _, set := range []string{"@privileged", "@resources"} {
		for call := range systemCalls(t, set) {
			delete(allowed, call)
		}
	}
	for call := range systemCalls(t, "@chown") { // for ?group= of a unix socket
		allowed[call] = true
	}
	if len(allowed) < 100 || !allowed["accept4"] || allowed["chroot"] {
		t.Fatalf("the sets of systemd were not understood: %d calls", len(allowed))
	}
	// Go raises its own limit of open files if it may; LimitNOFILE= has done so.
	allowed["prlimit64"], allowed["setrlimit"] = true, true
	parent := testenvs.Parent(t, "one")
	killLeft(t, parent)
	dir := t.TempDir()
	socket, calls := filepath.Join(dir, "s"), filepath.Join(dir, "calls")
	pidFile, logFile := filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	c := startTool(t, "strace", "-f", "-qq", "-y", "-o", calls, program(), "serve", "--listen", fmt.Sprintf("fcgi+unix:%s?group=%d", socket, os.Getgid()),
		"--env-parent-dir", parent, "--pid-file", pidFile, "--log-file", logFile)
	pingUntil(t, "fcgi+unix:"+socket, 0)
	answers(t, socket)
	f := dialFCGI(t, "unix", socket)
	if a, err := f.get(1, nginxParams("/", "format=json")); err != nil || a.status != 200 {
		t.Errorf("index: %d, %v", a.status, err)
	}
	f.close()
	s := &service{t: t, pid: pidFile, log: logFile}
	s.signal(syscall.SIGHUP)
	eventually(t, "the reload", func() bool { return strings.Contains(s.logText(), "reload ended") })
	s.handOver()
	answers(t, socket)
	s.signal(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil { // strace ends with its last process
		t.Error(err)
	}
	gone(t, parent, socket)
	text, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	inspectCalls(t, string(text), allowed, []string{parent, dir, os.TempDir(), os.DevNull})
}

// inspectCalls finds what the service unit would forbid in the output of strace.
func inspectCalls(t *testing.T, text string, allowed map[string]bool, writable []string) {
	t.Helper()
	call := regexp.MustCompile(`^\d+ +([a-z0-9_]+)\(`)
	family := regexp.MustCompile(`\bsocket\((AF_[A-Z0-9]+)`)
	written := regexp.MustCompile(`\bopenat\([^"]*"([^"]*)", [A-Z_|]*(?:O_WRONLY|O_RDWR|O_CREAT)`)
	seen, files := map[string]bool{}, 0
	for line := range strings.Lines(text) {
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue // a signal, the end of a process, the rest of a call
		}
		if !allowed[m[1]] && !seen[m[1]] {
			t.Errorf("SystemCallFilter= forbids %s", strings.TrimSpace(line))
		}
		seen[m[1]] = true
		if strings.Contains(line, "PROT_WRITE|PROT_EXEC") {
			t.Errorf("MemoryDenyWriteExecute= forbids %s", line)
		}
		if m := family.FindStringSubmatch(line); m != nil && m[1] != "AF_UNIX" && m[1] != "AF_INET" && m[1] != "AF_INET6" {
			t.Errorf("RestrictAddressFamilies= forbids %s", line)
		}
		if m := written.FindStringSubmatch(line); m != nil {
			files++
			ok := false
			for _, dir := range writable {
				ok = ok || strings.HasPrefix(m[1], dir)
			}
			if !ok {
				t.Errorf("ProtectSystem=strict forbids %s", line)
			}
		}
	}
	for _, want := range []string{"accept4", "execve", "bind", "futex", "fchownat"} {
		if !seen[want] {
			t.Errorf("%s was not seen: strace's output was not understood", want)
		}
	}
	if files == 0 {
		t.Error("no file was seen opened for writing: strace's output was not understood")
	}
}
