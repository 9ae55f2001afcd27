package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"projhost/testenvs"
)

// TestWatching: what a running server tells its administrators, and nobody else;
// and an environment's own log, moved away and opened anew by a signal.
func TestWatching(t *testing.T) {
	parent := testenvs.Parent(t, "one", "two")
	visitors, admins := freePort(t), freePort(t)
	p := start(t, "serve", "--listen", "http://"+visitors, "--admin-listen", "http://"+admins, "--env-parent-dir", parent, "--slow", "1ns")
	p.waitFor("tcp", visitors)
	p.waitFor("tcp", admins)
	for path, status := range map[string]int{"/one/wiki": 200, "/one/nothing": 404, "/two/wiki": 200} {
		if resp, _ := get(t, "http://"+visitors+path); resp.StatusCode != status {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
	for _, path := range []string{"/.projhost/metrics", "/.projhost/debug/pprof/", "/.projhost/debug/pprof/heap", "/.projhost/debug/pprof/profile?seconds=1"} {
		if resp, body := get(t, "http://"+visitors+path); resp.StatusCode != http.StatusNotFound || strings.Contains(body, "go_") {
			t.Errorf("a visitor's GET %s: %d", path, resp.StatusCode)
		}
		if resp, _ := get(t, "http://"+admins+path); resp.StatusCode != http.StatusOK {
			t.Errorf("an administrator's GET %s: %d", path, resp.StatusCode)
		}
	}
	_, metrics := get(t, "http://"+admins+"/.projhost/metrics")
	web := fmt.Sprintf(`{listener="http://%s",protocol="http"} `, admins)
	for _, line := range []string{"projhost_listener_connections" + web, "projhost_listener_connections_refused_total" + web + "0", `projhost_environment_requests_total{env="one"} 2`, `projhost_environment_refused_total{env="one"} 1`, "projhost_environments_open 2", "go_goroutines "} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s:\n%s", line, metrics)
		}
	}
	if log := p.out.String(); !strings.Contains(log, `msg="slow request" env=two`) {
		t.Error("no request was slow")
	}
	file := filepath.Join(parent, "one", "log", "trac.log")
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "Trac[dispatch] INFO: request failed id=") || strings.Contains(string(text), "/two/") || strings.Contains(string(text), "INFO: request id=") {
		t.Errorf("the environment's own log: %v\n%s", err, text)
	}
	for i, s := range []os.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
		_, _ = get(t, "http://"+visitors+"/one/nothing")
		moved := fmt.Sprintf("%s.%d", file, i)
		if err := os.Rename(file, moved); err != nil {
			t.Fatal(err)
		}
		if !p.holds(moved) {
			t.Errorf("the log file is not open before %v", s)
		}
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		eventually(t, "letting go of the log file after a signal", func() bool { return !p.holds(moved) })
	}
}

// holds tells whether the process has a file open.
func (p *process) holds(path string) bool {
	p.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, fd := range all {
		if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && target == path {
			return true
		}
	}
	return false
}
