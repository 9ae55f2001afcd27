package envlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"projhost/envs/envlog"
)

// site is an environment's directory and the host's log.
type site struct {
	t    *testing.T
	dir  string
	host *bytes.Buffer
	logs *envlog.Logs
}

func newSite(t *testing.T) *site {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: makeEnv(t, filepath.Join(dir, "one")), host: new(bytes.Buffer)}
	s.logs = envlog.New(nil, filepath.Join(dir, "syslog"))
	return s
}

// makeEnv makes what looks like an environment.
func makeEnv(t *testing.T, dir string) string {
	for _, name := range []string{"log", "conf", "db"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	for _, name := range []string{"VERSION", "conf/trac.ini", "db/trac.db"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the log that the settings describe; a file by name if they have none.
func (s *site) open(set envlog.Settings) (*envlog.Log, *slog.Logger) {
	s.t.Helper()
	if set.Type == "" {
		set.Type, set.File = "file", or(set.File, "trac.log")
	}
	set.Dir = s.dir
	l := s.logs.Open(set, slog.New(slog.NewTextHandler(s.host, nil)).With("env", "one"))
	s.t.Cleanup(l.Close)
	return l, l.Logger()
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// text is what a file has.
func (s *site) text(path ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{s.dir}, path...)...))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(text)
}

// TestFormats: what of trac.ini a line is made of.
func TestFormats(t *testing.T) {
	const stamp = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}`
	for format, want := range map[string]string{
		"": `^` + stamp + ` Trac\[envlog_test\] WARNING: it broke id=7 n=1\n$`,
		"Trac[$(module)s] $(levelname)s: $(message)s":       `^Trac\[envlog_test\] WARNING: it broke id=7 n=1\n$`,
		"%(levelname)-8s|%(levelno)05d|%(message).2s|%%|$5": `^WARNING \|00030\|it\|%\|\$5\n$`,
		"$(path)s $(basename)s $(project)s":                 `^/.*/one one The Project\n$`,
		"%(filename)s:%(lineno)d %(funcName)s %(pathname)s": `^envlog_test.go:\d+ TestFormats envlog_test/envlog_test.go\n$`,
		"%(asctime)s %(msecs)03d %(created)f %(process)d":   `^` + stamp + ` \d{3} \d+\.\d{6} \d+\n$`,
		"%(name)s %(thread)d %(threadName)s":                `^Trac\.[0-9a-f]{40} 0 MainThread\n$`,
		"two\nlines %(message)s":                            `^two\\nlines it broke`,
	} {
		s := newSite(t)
		_, log := s.open(envlog.Settings{Format: format, Project: "The Project"})
		log.With("id", 7).Warn("it broke", "n", 1)
		if got := s.text("log/trac.log"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q makes %q", format, got)
		}
		if !strings.Contains(s.host.String(), `msg="it broke" env=one id=7 n=1`) {
			t.Errorf("the host's log has %s", s.host)
		}
	}
	for _, format := range []string{"%(nothing)s", "%s", "%(message)d", "%(message", "%(levelno)x", "%(lineno)9999d", "$(message)"} {
		s := newSite(t)
		_, log := s.open(envlog.Settings{Format: format})
		log.Warn("it broke")
		if got := s.text("log/trac.log"); !strings.HasSuffix(got, "Trac[envlog_test] WARNING: it broke\n") || strings.Count(s.host.String(), "log_format cannot be used") != 1 {
			t.Errorf("%q makes %q, and says\n%s", format, got, s.host)
		}
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]string{"ALL": "DIWEC", "DEBUG": "DIWEC", "INFO": "IWEC", "WARN": "WEC", "WARNING": "WEC", "ERROR": "EC", "CRITICAL": "C", "": "IWEC"} {
		s := newSite(t)
		_, log := s.open(envlog.Settings{Level: level, Format: "%(levelname).1s"})
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
			log.Log(t.Context(), l, "line")
		}
		if got := strings.ReplaceAll(s.text("log/trac.log"), "\n", ""); got != want {
			t.Errorf("%q lets %q through, want %q", level, got, want)
		}
		if n := strings.Count(s.host.String(), "msg=line"); n != 4 {
			t.Errorf("the host's log has %d lines", n)
		}
	}
}

// TestTypes: what writes no file makes none.
func TestTypes(t *testing.T) {
	for kind, warned := range map[string]bool{"none": false, "stderr": false, "eventlog": true, "winlog": true} {
		s := newSite(t)
		_, log := s.open(envlog.Settings{Type: kind, File: "trac.log"})
		log.Warn("line")
		if s.text("log/trac.log") != "" || strings.Contains(s.host.String(), "for Windows") != warned || strings.Count(s.host.String(), "msg=line") != 1 {
			t.Errorf("%s: the file has %q, the host's log\n%s", kind, s.text("log/trac.log"), s.host)
		}
	}
	var stderr bytes.Buffer
	s := newSite(t)
	s.logs = envlog.New(&stderr, "")
	_, log := s.open(envlog.Settings{Type: "stderr"})
	log.Error("line")
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d Trac\[envlog_test\] ERROR: line\n$`).MatchString(stderr.String()) {
		t.Errorf("stderr has %q", stderr.String())
	}
}

// TestNoLineIsForged: nothing that a visitor sends begins a line, or steers a
// terminal.
func TestNoLineIsForged(t *testing.T) {
	s := newSite(t)
	_, log := s.open(envlog.Settings{Format: "%(message)s"})
	log.Warn("a\nb\r\x1b[2Jc\u2028d\u202ee\u0085f\xffg", "path", "/x\n2026-11-21 Trac[main] ERROR: forged", "\nkey", "v")
	log.Warn(strings.Repeat("x", 200_000))
	got := s.text("log/trac.log")
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `a\nb\u000d\u001b[2Jc\u2028d\u202ee\u0085f\xffg path="/x\n2026`) || len(lines[1]) > 64<<10 {
		t.Errorf("%d lines, the first %q", len(lines), lines[0])
	}
}

// TestMovedFile: a file that was moved away is noticed, at once if told.
func TestMovedFile(t *testing.T) {
	s := newSite(t)
	l, log := s.open(envlog.Settings{Format: "%(message)s"})
	path := filepath.Join(s.dir, "log", "trac.log")
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before its first line")
	}
	log.Warn("first")
	must(t, os.Rename(path, path+".1"))
	l.Reopen()
	log.Warn("second")
	must(t, os.Rename(path, path+".2"))
	time.Sleep(1100 * time.Millisecond)
	log.Warn("third")
	l.Close()
	log.Warn("fourth")
	for name, want := range map[string]string{"trac.log.1": "first\n", "trac.log.2": "second\n", "trac.log": "third\n"} {
		if got := s.text("log", name); got != want {
			t.Errorf("%s has %q", name, got)
		}
	}
	if strings.Count(s.host.String(), "level=WARN") != 4 {
		t.Errorf("the host's log:\n%s", s.host)
	}
}

// TestUnusableFile: it is told once, what is lost is counted, and when the reason
// is gone the file is written.
func TestUnusableFile(t *testing.T) {
	other := makeEnv(t, filepath.Join(t.TempDir(), "other"))
	for name, spoil := range map[string]func(s *site) string{
		"no directory":         func(s *site) string { must(t, os.RemoveAll(filepath.Join(s.dir, "log"))); return "trac.log" },
		"a directory":          func(s *site) string { return "" },
		"a pipe":               func(s *site) string { must(t, syscall.Mkfifo(filepath.Join(s.dir, "log", "p"), 0o666)); return "p" },
		"a device":             func(s *site) string { return "/dev/null" },
		"its database":         func(s *site) string { return "../db/trac.db" },
		"a new file beside it": func(s *site) string { return "../db/trac.log" },
		"another's database":   func(s *site) string { return filepath.Join(other, "db", "trac.db") },
		"another's log":        func(s *site) string { return filepath.Join(other, "log", "trac.log") },
		"links in a circle":    func(s *site) string { must(t, os.Symlink("l", filepath.Join(s.dir, "log", "l"))); return "l" },
		"a link to another's": func(s *site) string {
			must(t, os.Symlink(filepath.Join(other, "conf", "trac.ini"), filepath.Join(s.dir, "log", "l")))
			return "l"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			file := spoil(s)
			_, log := s.open(envlog.Settings{Type: "file", File: file})
			for range 3 {
				log.Warn("line")
			}
			if s.logs.Lost() != 3 || strings.Count(s.host.String(), "cannot be written") != 1 || strings.Count(s.host.String(), "msg=line") != 3 {
				t.Errorf("%d lost; the host's log:\n%s", s.logs.Lost(), s.host)
			}
			for _, path := range []string{filepath.Join(s.dir, "db/trac.db"), filepath.Join(other, "db/trac.db"), filepath.Join(other, "conf/trac.ini")} {
				if info, err := os.Stat(path); err != nil || info.Size() > 0 {
					t.Errorf("%s was written to", path)
				}
			}
		})
	}
	s := newSite(t)
	must(t, os.RemoveAll(filepath.Join(s.dir, "log")))
	l, log := s.open(envlog.Settings{Format: "%(message)s"})
	log.Warn("lost")
	must(t, os.Mkdir(filepath.Join(s.dir, "log"), 0o755))
	l.Reopen()
	log.Warn("kept")
	if s.text("log/trac.log") != "kept\n" || !strings.Contains(s.host.String(), "written again") {
		t.Errorf("the file has %q, the host's log\n%s", s.text("log/trac.log"), s.host)
	}
}

// TestElsewhere: a log may be outside of all environments, as with Trac.
func TestElsewhere(t *testing.T) {
	out := t.TempDir()
	for name, file := range map[string]func(s *site) string{
		"absolute": func(*site) string { return filepath.Join(out, "absolute") },
		"link": func(s *site) string {
			must(t, os.WriteFile(filepath.Join(out, "link"), nil, 0o644))
			must(t, os.Symlink(filepath.Join(out, "link"), filepath.Join(s.dir, "log", "l")))
			return "l"
		},
		"dangling": func(s *site) string {
			must(t, os.Symlink(filepath.Join(out, "dangling"), filepath.Join(s.dir, "log", "l")))
			return "l"
		},
		"directory": func(s *site) string {
			must(t, os.Remove(filepath.Join(s.dir, "log")))
			must(t, os.Symlink(out, filepath.Join(s.dir, "log")))
			return "directory"
		},
	} {
		s := newSite(t)
		_, log := s.open(envlog.Settings{File: file(s), Format: "%(message)s"})
		log.Warn("line")
		if text, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(text) != "line\n" {
			t.Errorf("%s: %q, %v; the host's log:\n%s", name, text, err, s.host)
		}
	}
}

func TestSyslog(t *testing.T) {
	s := newSite(t)
	socket := filepath.Join(filepath.Dir(s.dir), "syslog")
	listen := func() *net.UnixConn {
		t.Helper()
		_ = os.Remove(socket)
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	next := func(c *net.UnixConn) string {
		t.Helper()
		buf := make([]byte, 1<<16)
		must(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		n, err := c.Read(buf)
		must(t, err)
		return string(buf[:n])
	}
	daemon := listen()
	_, log := s.open(envlog.Settings{Type: "unix"})
	log.Warn("a\nb", "id", 1)
	if got := next(daemon); got != `<12>Trac[envlog_test] WARNING: a\nb id=1` {
		t.Errorf("the daemon has %q", got)
	}
	_ = daemon.Close()
	daemon = listen() // it was started anew
	log.Error("again")
	if got := next(daemon); got != `<11>Trac[envlog_test] ERROR: again` {
		t.Errorf("the daemon has %q", got)
	}
	// Nobody reads any more: the lines are lost, but nobody waits for long.
	start := time.Now()
	for i := range 2000 {
		log.Warn(strings.Repeat("x", 4000), "n", i)
	}
	if took := time.Since(start); took > 3*time.Second || s.logs.Lost() == 0 || strings.Count(s.host.String(), "cannot be written") != 1 {
		t.Errorf("took %v, lost %d, told %d times", took, s.logs.Lost(), strings.Count(s.host.String(), "cannot be written"))
	}
}

// TestWithoutLogs: what serves nothing writes to no environment's log.
func TestWithoutLogs(t *testing.T) {
	var none *envlog.Logs
	s := newSite(t)
	s.logs = none
	l, log := s.open(envlog.Settings{})
	log.Warn("line")
	l.Reopen()
	if s.text("log/trac.log") != "" || none.Lost() != 0 || !strings.Contains(s.host.String(), "msg=line") {
		t.Errorf("the host's log:\n%s", s.host)
	}
}

func BenchmarkLine(b *testing.B) {
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		b.Fatal(err)
	}
	l := envlog.New(nil, "").Open(envlog.Settings{Dir: dir, Type: "file", File: "trac.log"}, slog.New(slog.DiscardHandler))
	defer l.Close()
	log := l.Logger()
	b.ReportAllocs()
	for i := range b.N {
		log.Warn("request failed", "id", "0123456789abcdef", "status", 404, "path", fmt.Sprint("/wiki/", i))
	}
}

// TestOwner: a file that root makes belongs to the environment's owner, and root
// writes to no file of another's. For other users the kernel sees to that.
func TestOwner(t *testing.T) {
	s := newSite(t)
	uid := os.Getuid()
	if uid == 0 {
		uid = 1234
	}
	for _, path := range []string{s.dir, filepath.Join(s.dir, "log")} {
		must(t, os.Chown(path, uid, os.Getgid()))
	}
	_, log := s.open(envlog.Settings{Format: "%(message)s"})
	log.Warn("line")
	info, err := os.Stat(filepath.Join(s.dir, "log", "trac.log"))
	if err != nil || info.Size() == 0 || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("the file that was made: %v, %v; the host's log:\n%s", info, err, s.host)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	must(t, os.WriteFile(foreign, nil, 0o644))
	if os.Getuid() != 0 {
		must(t, os.Chmod(foreign, 0o444))
	}
	for _, file := range []string{foreign, foreign + ".new"} {
		if os.Getuid() != 0 {
			must(t, os.Chmod(filepath.Dir(foreign), 0o555))
		}
		before := s.logs.Lost()
		_, log := s.open(envlog.Settings{File: file})
		log.Warn("line")
		if info, err := os.Stat(file); err == nil && info.Size() > 0 || s.logs.Lost() != before+1 {
			t.Errorf("%s was written: %v", file, info)
		}
	}
	must(t, os.Chmod(filepath.Dir(foreign), 0o755))
}
