package life

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// logMode is the mode of a log file that is made: others learn nothing of
// who reads what.
const logMode fs.FileMode = 0o640

// LogFile is a file that is appended to, and that can be moved away.
type LogFile struct {
	path string
	mu   sync.Mutex
	f    *os.File
}

// OpenLog opens a log file, or makes it. A relative path counts from the
// directory the process is in now.
func OpenLog(path string) (*LogFile, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := openLog(abs)
	if err != nil {
		return nil, err
	}
	return &LogFile{path: abs, f: f}, nil
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, logMode)
}

// Path is where the file is made anew.
func (l *LogFile) Path() string { return l.path }

// Write appends. Each call is one write to the file, so lines of several
// processes do not mix.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Write(p)
}

// Reopen opens the path anew, for the file has been moved away. If that fails,
// the former file stays in use.
func (l *LogFile) Reopen() error {
	f, err := openLog(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	former := l.f
	l.f = f
	return former.Close()
}

// Close closes the file; nothing may be written any more.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}

// pidFile is a file with the process's number, for init scripts.
type pidFile struct{ path string }

// newPIDFile writes the process's number, unless a former process has done so.
func newPIDFile(path string, write bool) (*pidFile, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	p := &pidFile{abs}
	if !write {
		return p, nil
	}
	return p, p.write(os.Getpid())
}

// pidMode lets everybody read it: "service status" need not be root's.
const pidMode fs.FileMode = 0o644

// write replaces the file as a whole, so that nobody reads half a number.
func (p *pidFile) write(pid int) error {
	f, err := os.CreateTemp(filepath.Dir(p.path), filepath.Base(p.path)+".*")
	if err != nil {
		return fmt.Errorf("the pid file cannot be written: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", pid)
	err = errors.Join(err, f.Chmod(pidMode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // there is another error to tell
		return fmt.Errorf("the pid file cannot be written: %w", err)
	}
	return nil
}

// remove removes the file, if it still names this process.
func (p *pidFile) remove() {
	if p == nil {
		return
	}
	text, err := os.ReadFile(p.path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(p.path) // one that stays is overwritten by the next process
	}
}
