package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// daemonVariable tells a process that it is the one in the background, and
// which process has started it.
const daemonVariable = "PROJHOST_DAEMON"

func isDaemon() bool { return os.Getenv(daemonVariable) != "" }

// reportFD is where a daemon reports to the process that started it, which
// waits for that. In a daemon's own children it is something else.
const reportFD = 3

// daemonReady ends the report of one that has begun to serve; no text has it.
const daemonReady = 0

// daemonStart bounds how long a daemon may take to be ready.
const daemonStart = 2 * time.Minute

// maxReport bounds what is passed on of a daemon's report, in bytes.
const maxReport = 64 << 10

// spawnDaemon runs this program again with the same arguments, in a session of
// its own and without the terminal, and waits until it serves. A Go program
// cannot fork; it has other threads at once.
func spawnDaemon(stderr io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return failed(fmt.Errorf("going into the background: %w", err))
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return failed(fmt.Errorf("going into the background: %w", err))
	}
	defer func() { _ = ours.Close() }()
	c := exec.Command(program, os.Args[1:]...) // streams are /dev/null
	c.Env = append(os.Environ(), daemonVariable+"="+strconv.Itoa(os.Getpid()))
	c.ExtraFiles = []*os.File{theirs} // becomes reportFD
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = c.Start()
	_ = theirs.Close()
	if err != nil {
		return failed(fmt.Errorf("going into the background: %w", err))
	}
	_ = ours.SetReadDeadline(time.Now().Add(daemonStart))
	report, err := io.ReadAll(io.LimitReader(ours, maxReport))
	text, _, ready := bytes.Cut(report, []byte{daemonReady})
	_, _ = stderr.Write(text)
	if ready {
		return c.Process.Release()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Process.Kill()
		_ = c.Wait()
		return failed(fmt.Errorf("the process in the background was not ready within %s", daemonStart))
	}
	_ = c.Wait() // its status follows
	if code := c.ProcessState.ExitCode(); code > 0 {
		return exitCode(code)
	}
	return errQuiet
}

// report is a daemon's way to tell how it is doing, until it is ready.
type report struct {
	mu   sync.Mutex
	file *os.File // nil when it is over
}

func daemonReport() *report {
	if os.Getenv(daemonVariable) != strconv.Itoa(os.Getppid()) {
		return new(report)
	}
	syscall.CloseOnExec(reportFD)
	return &report{file: os.NewFile(reportFD, "report")}
}

// Write passes text on; after the report's end it goes nowhere.
func (r *report) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		_, _ = r.file.Write(p) // nobody is left to be told
	}
	return len(p), nil
}

// ready ends the report well.
func (r *report) ready() {
	_, _ = r.Write([]byte{daemonReady})
	r.close()
}

func (r *report) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}

// pidFile holds the number of a process, and a lock for as long as it lives. A
// nil *pidFile is none.
type pidFile struct {
	path string
	file *os.File
}

// maxPID bounds what is read of a pid file, in bytes.
const maxPID = 32

// checkPIDFile fails if the file's process lives, or if the file is of another
// kind and had better not be written over.
func checkPIDFile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	defer func() { _ = f.Close() }()
	return checkPID(f)
}

func checkPID(f *os.File) error {
	text, err := io.ReadAll(io.LimitReader(f, maxPID))
	if err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	number := strings.TrimSpace(string(text))
	if number == "" {
		return nil
	}
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return fmt.Errorf("--pidfile %s does not hold the number of a process: name another file, or remove it", f.Name())
	}
	if err := syscall.Kill(pid, 0); (err == nil || errors.Is(err, syscall.EPERM)) && pid != os.Getpid() {
		return fmt.Errorf("the process %d of --pidfile %s is running", pid, f.Name())
	}
	return nil
}

// newPIDFile opens and locks the file; nothing is written yet.
func newPIDFile(path string) (*pidFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--pidfile: %w", err)
	}
	if err := lockPIDFile(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &pidFile{path, f}, nil
}

func lockPIDFile(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has the --pidfile %s locked", f.Name())
	}
	ours, err := f.Stat()
	if err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	if now, err := os.Lstat(f.Name()); err != nil || !os.SameFile(ours, now) {
		return fmt.Errorf("the --pidfile %s was removed at this moment by a process that ended: try again", f.Name())
	}
	return checkPID(f)
}

// write puts this process's number in.
func (p *pidFile) write() error {
	if p == nil {
		return nil
	}
	err := p.file.Truncate(0)
	if err == nil {
		_, err = p.file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	return nil
}

// remove removes the file or, where that is not allowed any more, empties it.
func (p *pidFile) remove() {
	if p == nil {
		return
	}
	if os.Remove(p.path) != nil {
		_ = p.file.Truncate(0)
	}
	_ = p.file.Close()
}
