package life

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"projhost/front"
)

// Names of the variables by which a process tells the next one what it has
// left. They are not those of systemd (sd_listen_fds(3)), which name the
// process they are for by its number: who starts one does not know it yet.
const (
	socketsEnv = "PROJHOST_FDS"        // []front.Passed as JSON
	controlEnv = "PROJHOST_CONTROL_FD" // a connection to the former process
)

// What the two processes say to each other, a line each. The new one says
// ready, or failed with a reason; then the former one says go, or dies.
const (
	sayReady  = "ready"
	sayFailed = "failed "
	sayGo     = "go"
)

// Program is a program as it was started.
type Program struct {
	path string // of its file; what is there is looked at when it is started
	args []string
	env  []string
}

// Self is this program with its arguments and variables. Its file is named as
// the command line named it, without following links: a link may lead to
// another version when the time comes. If that does not lead to the file that
// runs, the file is named as the system does.
func Self(args, env []string) (Program, error) {
	running, err := os.Executable()
	if err != nil {
		return Program{}, err
	}
	p := Program{path: running, args: args}
	if len(args) > 0 {
		if named, err := exec.LookPath(args[0]); err == nil && sameFile(named, running) {
			if p.path, err = filepath.Abs(named); err != nil {
				return Program{}, err
			}
		}
	}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case socketsEnv, controlEnv, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID":
			// About this process; the next one is told of its own.
		default:
			p.env = append(p.env, v)
		}
	}
	return p, nil
}

func sameFile(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return false
	}
	fb, err := os.Stat(b)
	return err == nil && os.SameFile(fa, fb)
}

// successor is a process that has been started to take over.
type successor struct {
	process *os.Process
	control net.Conn
	ended   chan error // how the process has ended, if it does
}

// start starts the program with the given sockets.
func (p Program) start(sockets []front.Passed) (*successor, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	files := []uintptr{0, 1, 2}
	given := make([]front.Passed, len(sockets))
	for i, s := range sockets {
		given[i] = front.Passed{Addr: s.Addr, FD: len(files), Owns: s.Owns}
		files = append(files, uintptr(s.FD))
	}
	list, err := json.Marshal(given)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	env := append(append([]string(nil), p.env...), socketsEnv+"="+string(list), controlEnv+"="+strconv.Itoa(len(files)))
	files = append(files, theirs.Fd())
	// Not os/exec, which would make the sockets blocking ones, for both.
	pid, _, err := syscall.StartProcess(p.path, p.args, &syscall.ProcAttr{Env: env, Files: files})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.path, err), ours.Close())
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	s := &successor{process: process, control: ours, ended: make(chan error, 1)}
	go func() {
		state, err := process.Wait()
		if err == nil {
			err = errors.New("the new process has ended: " + state.String())
		}
		s.ended <- err
	}()
	return s, nil
}

// controlPair is a connection between two processes: one end to use, one to
// give away.
func controlPair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	f := os.NewFile(uintptr(fds[0]), "control")
	c, err := net.FileConn(f) // has a duplicate
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return c, theirs, nil
}

// await waits until the new process is ready, for so long at most.
func (s *successor) await(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	said := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(s.control, maxLine)).ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		reason, failed := strings.CutPrefix(line, sayFailed)
		switch {
		case failed:
			said <- fmt.Errorf("the new process says: %s", reason)
		case line != sayReady && err == nil:
			said <- fmt.Errorf("the new process says %q, which means nothing", line)
		case err != nil && !errors.Is(err, io.EOF):
			said <- err
		case line == sayReady:
			said <- nil
		}
		// At the end of the connection there is the end of the process to tell.
	}()
	select {
	case err := <-said:
		return err
	case err := <-s.ended:
		s.ended <- err
		select {
		case said := <-said: // more to the point
			return errors.Join(said, err)
		default:
			return err
		}
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("the new process was not ready within %v", d)
		}
		return ctx.Err()
	}
}

// maxLine bounds what one process says to the other.
const maxLine = 4 << 10

// kill ends the new process and waits for its end.
func (s *successor) kill() {
	_ = s.process.Kill() // it may have ended by itself
	select {
	case <-s.ended: //nolint:errcheck // it was killed
	case <-time.After(killTime):
	}
	_ = s.control.Close()
}

// killTime is how long a killed process is waited for.
const killTime = 5 * time.Second

// handOver starts the program anew and hands the sockets over. After an error
// everything is as it was.
func (p *Process) handOver(ctx context.Context) error {
	switch {
	case p.o.Program.path == "":
		return errors.New("there is no program to start")
	case p.sockets == nil:
		return errors.New("there are no sockets to hand over")
	case os.Getpid() == 1:
		return errors.New("the first process of a container cannot be replaced: with its end the container ends")
	}
	p.o.Log.Info("handing over to a new process", "program", p.o.Program.path)
	p.notify.send("STATUS=Handing over to a new process.")
	passed, err := p.sockets.Pass()
	if err != nil {
		return err
	}
	s, err := p.o.Program.start(passed)
	for _, f := range passed {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		if s != nil {
			s.kill()
		}
		return err
	}
	if err := s.await(ctx, p.o.Handover); err != nil {
		s.kill()
		p.notify.send("STATUS=Answering requests; a hand-over has failed, see the log.")
		return err
	}
	return p.resign(s)
}

// resign leaves everything to a new process that is ready.
func (p *Process) resign(s *successor) error {
	pid := s.process.Pid
	p.sockets.Leave(true)
	if p.pidFile != nil {
		if err := p.pidFile.write(pid); err != nil {
			p.o.Log.Error("the pid file still names this process", "error", err)
		}
	}
	p.notify.send(fmt.Sprintf("MAINPID=%d", pid), "READY=1", "STATUS=A new process answers requests.")
	_ = s.control.SetWriteDeadline(time.Now().Add(killTime)) // an error shows in the write
	_, err := fmt.Fprintln(s.control, sayGo)
	if err == nil {
		p.o.Log.Info("handed over", "to", pid)
		return s.control.Close()
	}
	s.kill()
	p.sockets.Leave(false)
	if p.pidFile != nil {
		err = errors.Join(err, p.pidFile.write(os.Getpid()))
	}
	p.notify.send(fmt.Sprintf("MAINPID=%d", os.Getpid()), "READY=1", "STATUS=Answering requests; a hand-over has failed, see the log.")
	return fmt.Errorf("telling the new process to go on: %w", err)
}

// Heir is what a former process has left to this one. A nil one is none.
type Heir struct {
	Sockets []front.Passed
	control net.Conn
	said    bool // that it is ready, or has failed
}

// Inherit returns what a former process has left, nil if there is none. The
// variables are looked up by getenv.
func Inherit(getenv func(string) string) (*Heir, error) {
	list, fd := getenv(socketsEnv), getenv(controlEnv)
	if list == "" {
		return nil, nil
	}
	h := new(Heir)
	if err := json.Unmarshal([]byte(list), &h.Sockets); err != nil {
		return nil, fmt.Errorf("%s is for the program itself and holds nonsense: unset it: %w", socketsEnv, err)
	}
	for _, s := range h.Sockets {
		if ok, err := front.Listens(s.FD); !ok {
			err = errors.Join(fmt.Errorf("%s is for the program itself, and %d is no listening socket: unset it", socketsEnv, s.FD), err)
			return nil, err
		}
		syscall.CloseOnExec(s.FD)
	}
	n, err := strconv.Atoi(fd)
	if err != nil || n < 3 {
		return nil, fmt.Errorf("%s is for the program itself and holds nonsense: unset it", controlEnv)
	}
	f := os.NewFile(uintptr(n), "control")
	h.control, err = net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the connection to the former process: %w", err)
	}
	return h, nil
}

// succeed tells the former process that this one is ready, and waits until it
// has left everything to this one. If it has died meanwhile, this one goes on
// alone.
func (h *Heir) succeed(ctx context.Context) error {
	if h == nil {
		return nil
	}
	h.said = true
	stop := context.AfterFunc(ctx, func() { _ = h.control.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { _ = h.control.Close() }()
	if _, err := fmt.Fprintln(h.control, sayReady); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("telling the former process: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(h.control, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("waiting for the former process: %w", err)
	}
	if line != "" && line != sayGo+"\n" {
		return fmt.Errorf("the former process says %q, which means nothing", line)
	}
	return nil
}

// fail tells the former process why this one could not become ready.
func (h *Heir) fail(why error) {
	if h == nil || h.said {
		return
	}
	h.said = true
	reason := strings.ReplaceAll(why.Error(), "\n", "; ")
	_, _ = fmt.Fprintf(h.control, "%s%.1000s\n", sayFailed, reason) // it also sees that this process ends
	_ = h.control.Close()
}
