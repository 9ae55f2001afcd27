package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"projhost/testenvs"
)

// manager is what a service manager hears from its service.
type manager struct {
	path string
	mu   sync.Mutex
	said []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

// heard returns how many messages hold all the texts.
func (m *manager) heard(texts ...string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
next:
	for _, s := range m.said {
		for _, text := range texts {
			if !strings.Contains("\n"+s+"\n", "\n"+text) {
				continue next
			}
		}
		n++
	}
	return n
}

// TestServiceManager is the whole conversation with systemd: ready, watchdog,
// reload, hand-over, end.
func TestServiceManager(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	m := newManager(t)
	s := startService(t, program(), []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=1000000"},
		"--listen", "http://"+freePort(t), "--env-parent-dir", parent, "--log-level", "info")
	first := s.running()
	eventually(t, "READY=1", func() bool { return m.heard("READY=1", "STATUS=", fmt.Sprintf("MAINPID=%d\n", first)) == 1 })
	eventually(t, "two of WATCHDOG=1", func() bool { return m.heard("WATCHDOG=1\n") >= 2 })
	s.signal(syscall.SIGHUP)
	eventually(t, "RELOADING=1", func() bool { return m.heard("RELOADING=1\n", "MONOTONIC_USEC=") == 1 })
	eventually(t, "READY=1 after it", func() bool { return m.heard("READY=1\n", "STATUS=") == 2 })
	s.signal(syscall.SIGUSR2)
	eventually(t, "another process in the pid file", func() bool { return s.running() != first })
	second := s.running()
	eventually(t, "MAINPID= of the new process, from it and its former", func() bool {
		return m.heard(fmt.Sprintf("MAINPID=%d\n", second), "READY=1\n") == 2
	})
	watched := m.heard("WATCHDOG=1\n")
	if code, err := waitPID(first, killWait); code != 0 || err != nil {
		t.Errorf("the first process ended with %d, %v", code, err)
	}
	eventually(t, "WATCHDOG=1 of the new process", func() bool { return m.heard("WATCHDOG=1\n") >= watched+2 })
	if m.heard("STOPPING=1\n") != 0 {
		t.Error("a hand-over was told as the end of the service")
	}
	s.signal(syscall.SIGTERM)
	eventually(t, "STOPPING=1", func() bool { return m.heard("STOPPING=1\n", "EXTEND_TIMEOUT_USEC=") == 1 })
	if code, err := waitPID(second, killWait); code != 0 || err != nil {
		t.Errorf("the second process ended with %d, %v", code, err)
	}
}

// TestHandOverThatFails replaces the program's file by what cannot take over:
// the process goes on, and says why. With a good file it then succeeds.
func TestHandOverThatFails(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	dir := t.TempDir()
	good, err := os.ReadFile(program())
	if err != nil {
		t.Fatal(err)
	}
	bin, socket := filepath.Join(dir, "projhost"), filepath.Join(dir, "s")
	replace := func(text []byte) { // as a package manager does: a running file cannot be written to
		t.Helper()
		if err := os.WriteFile(bin+".new", text, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(bin+".new", bin); err != nil {
			t.Fatal(err)
		}
	}
	replace(good)
	s := startService(t, bin, nil, "--listen", "fcgi+unix:"+socket, "--env-parent-dir", parent, "--handover-timeout", "2s")
	first := s.running()
	mark := filepath.Join(dir, "hanging")
	for text, reason := range map[string]string{
		"#!/bin/sh\nexit 3\n": "exit status 3",
		"#!/bin/sh\necho $$ > " + mark + "\nexec sleep 100\n": "not ready within 2s",
		"no program": "exec format error",
	} {
		replace([]byte(text))
		s.signal(syscall.SIGUSR2)
		eventually(t, "the reason: "+reason, func() bool { return strings.Contains(s.logText(), reason) })
		answers(t, socket)
		if s.running() != first {
			t.Errorf("%q has taken over", text)
		}
	}
	var hanging int
	if text, err := os.ReadFile(mark); err != nil {
		t.Error(err)
	} else if _, err := fmt.Sscan(string(text), &hanging); err != nil || alive(hanging) {
		t.Errorf("process %d, which was not ready, is alive (%v)", hanging, err)
	}
	replace(good)
	s.signal(syscall.SIGUSR2)
	eventually(t, "another process", func() bool { return s.running() != first })
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.running())); err != nil || exe != bin {
		t.Errorf("the new process runs %s, %v", exe, err)
	}
	answers(t, socket)
	if code, err := waitPID(first, killWait); code != 0 || err != nil {
		t.Errorf("the first process ended with %d, %v", code, err)
	}
	answers(t, socket)
	s.signal(syscall.SIGTERM)
	gone(t, parent, socket, s.pid)
}

// TestSecondSignal: the first signal lets a request end, the second does not.
func TestSecondSignal(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	address := freePort(t)
	p := start(t, "serve", "--listen", "http://"+address, "--env-parent-dir", parent)
	p.waitFor("tcp", address)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprintf(c, "POST /one/wiki HTTP/1.1\r\nHost: h\r\nContent-Le"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end by a second signal", func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // the first ones mean the same
		select {
		case err := <-p.exited:
			p.exited <- err
			return true
		default:
			return false
		}
	})
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
