package life_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"projhost/life"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a log that is read while it is written.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), text)
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// running is a process that serves nothing until it is stopped.
type running struct {
	p    *life.Process
	stop context.CancelFunc
	done chan error
}

func run(t *testing.T, o life.Options) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{p: life.New(o), stop: stop, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		r.done <- r.p.Run(ctx, func(ctx context.Context) error {
			err := r.p.Ready(ctx)
			close(ready)
			if err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(stop)
	<-ready
	return r
}

func (r *running) end(t *testing.T) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// notified returns what a service manager hears; the program is told of it.
func notified(t *testing.T) *log {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	heard, done := new(log), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			_, _ = heard.Write(append(buf[:n:n], '\n'))
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	t.Setenv("NOTIFY_SOCKET", path)
	return heard
}

func kill(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

// TestReload: a step that fails keeps nothing else from being done.
func TestReload(t *testing.T) {
	l, heard := new(log), notified(t)
	dir := t.TempDir()
	file, err := life.OpenLog(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, life.Options{Log: l.logger(), LogFile: file, Reload: []life.Step{
		{Name: "first", Do: func(context.Context) (string, error) { return "", errors.New("no such thing") }},
		{Name: "second", Do: func(context.Context) (string, error) { return "read 7 lines", nil }},
	}})
	kill(t, syscall.SIGHUP)
	eventually(t, "the end of the reload", func() bool { return l.has("reload ended") })
	for _, want := range []string{"of=first error=\"no such thing\"", "did=\"read 7 lines\"", "failures=1", "log file reopened"} {
		if !l.has(want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	eventually(t, "the manager is told", func() bool { return heard.has("1 parts could not be reloaded") })
	if err := r.end(t); err != nil {
		t.Error(err)
	}
	eventually(t, "the manager is told of the end", func() bool { return heard.has("STOPPING=1") })
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// TestUSR1 depends on how the process was started.
func TestUSR1(t *testing.T) {
	t.Run("nothing to do", func(t *testing.T) {
		l := new(log)
		r := run(t, life.Options{Log: l.logger()})
		kill(t, syscall.SIGUSR1)
		eventually(t, "a line in the log", func() bool { return l.has("no log file to reopen") })
		if err := r.end(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("other log files", func(t *testing.T) {
		l, reopened := new(log), make(chan struct{}, 2)
		r := run(t, life.Options{Log: l.logger(), Reopen: func() { reopened <- struct{}{} }})
		for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
			kill(t, s)
			select {
			case <-reopened:
			case <-time.After(10 * time.Second):
				t.Errorf("%v opens no log file anew", s)
			}
		}
		if err := r.end(t); err != nil || l.has("no log file to reopen") {
			t.Error(err, "or it says that there is none")
		}
	})
	t.Run("spawned", func(t *testing.T) {
		r := run(t, life.Options{Log: new(log).logger(), Spawned: true})
		kill(t, syscall.SIGUSR1)
		select {
		case err := <-r.done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("it does not end")
		}
	})
}

// TestUSR2 without anything to hand over goes on.
func TestUSR2(t *testing.T) {
	l := new(log)
	r := run(t, life.Options{Log: l.logger()})
	kill(t, syscall.SIGUSR2)
	eventually(t, "a line in the log", func() bool { return l.has("hand-over failed") })
	if err := r.end(t); err != nil {
		t.Error(err)
	}
}

// TestWatchdog: the manager hears nothing from a process that does not answer.
func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "60000")
	for _, c := range []struct {
		name  string
		probe func(context.Context) error
		well  bool
	}{
		{"well", func(context.Context) error { return nil }, true},
		{"answers wrongly", func(context.Context) error { return errors.New("status 500") }, false},
		{"does not answer", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, heard := new(log), notified(t)
			r := run(t, life.Options{Log: l.logger(), Probe: c.probe})
			if c.well {
				eventually(t, "WATCHDOG=1", func() bool { return heard.has("WATCHDOG=1") })
			} else {
				eventually(t, "a line in the log", func() bool { return l.has("does not answer itself") })
				if heard.has("WATCHDOG=1") {
					t.Error("the manager was told that all is well")
				}
			}
			if err := r.end(t); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond) // a probe ends with its time
		})
	}
}

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(path, []byte("stale"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, life.Options{Log: new(log).logger(), PIDFile: path})
	if got, err := os.ReadFile(path); err != nil || string(got) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := r.end(t); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the pid file is left: %v", err)
	}
	// One that names another process by now is left alone.
	r = run(t, life.Options{Log: new(log).logger(), PIDFile: path})
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.end(t); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "1\n" {
		t.Errorf("%q, %v", got, err)
	}
	r = run(t, life.Options{Log: new(log).logger(), PIDFile: filepath.Join(path, "nosuch")})
	if err := r.end(t); err == nil || !strings.Contains(err.Error(), "pid file") {
		t.Errorf("an impossible pid file: %v", err)
	}
}

func TestLogFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "log")
	if _, err := life.OpenLog(path); err == nil {
		t.Error("a log file in no directory")
	}
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := life.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		t.Helper()
		if _, err := f.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	say("one ")
	if err := os.Rename(filepath.Dir(path), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("reopened in no directory")
	}
	say("two ") // to the former file
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Error(err)
	}
	say("three")
	for name, want := range map[string]string{"away": "one two ", "sub": "three"} {
		if got, err := os.ReadFile(filepath.Join(dir, name, "log")); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestInherit refuses variables that somebody has set by hand.
func TestInherit(t *testing.T) {
	for _, c := range []struct{ fds, control, want string }{
		{"", "7", ""},
		{"nonsense", "3", "nonsense"},
		{`[{"addr":"x","fd":0}]`, "3", "0 is no listening socket"},
		{`[{"addr":"x","fd":4095}]`, "3", "4095 is no listening socket"},
		{`[]`, "", "PROJHOST_CONTROL_FD"},
		{`[]`, "1", "PROJHOST_CONTROL_FD"},
		{`[]`, "4095", "former process"},
	} {
		h, err := life.Inherit(func(name string) string {
			return map[string]string{"PROJHOST_FDS": c.fds, "PROJHOST_CONTROL_FD": c.control}[name]
		})
		if h != nil || (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "%!")) {
			t.Errorf("%+v: %v, %v", c, h, err)
		}
	}
}
