package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// listening is a socket and the address it was opened for. One address of
// systemd's may be several sockets.
type listening struct {
	net.Listener
	addr Addr
}

// listenAll listens on all addresses or on none. An address that a former
// process has passed sockets on for has those.
func listenAll(ctx context.Context, addrs []Addr, former []Passed) ([]listening, error) {
	var open []listening
	passed, err := passedBySystemd(slices.DeleteFunc(slices.Clone(addrs), func(a Addr) bool { return PassedFor(a.text, former) }))
	if err != nil {
		return nil, err
	}
	defer closeFiles(passed)
	defer func() {
		for _, p := range former { // whose addresses are not listened on any more
			_ = p.Close()
		}
	}()
	for _, a := range addrs {
		var ls []net.Listener
		switch {
		case PassedFor(a.text, former):
			ls, former, err = takeFormer(a, former)
		case a.kind == kindSystemd:
			ls, err = takePassed(a, passed, addrs)
		default:
			ls, err = listen(ctx, a)
		}
		for _, l := range ls {
			open = append(open, listening{l, a})
		}
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("listening on %s: %w", a, err)
		}
	}
	return open, nil
}

func closeAll(open []listening) {
	for _, l := range open {
		_ = l.Close() // there is another error to tell
	}
}

// listen opens the socket of an address that is not systemd's.
func listen(ctx context.Context, a Addr) ([]net.Listener, error) {
	var l net.Listener
	var err error
	switch a.kind {
	case kindTCP:
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.host)
	case kindUnix:
		l, err = listenUnix(ctx, a)
	case kindFD:
		l, err = inheritFD(a.fd)
	default:
		err = fmt.Errorf("no kind of socket %q", string(a.kind))
	}
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// inheritFD takes a listening socket over that the program was started with:
// descriptor 0 by spawn-fcgi and Apache's mod_fcgid (FastCGI 1.0 section 2.2). The
// descriptor itself is closed, so that the socket ends with the listener; in
// place of the standard input comes /dev/null, so that no file takes its number.
func inheritFD(fd int) (net.Listener, error) {
	if err := checkListening(fd); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	f := os.NewFile(uintptr(own), fmt.Sprintf("descriptor %d", fd))
	l, err := net.FileListener(f) // has a duplicate
	if err := errors.Join(err, f.Close(), letGo(fd)); err != nil {
		if l != nil {
			_ = l.Close()
		}
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return l, nil
}

// letGo closes an inherited descriptor, or makes it /dev/null if it is the
// standard input.
func letGo(fd int) error {
	if fd != 0 {
		return unix.Close(fd)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	return errors.Join(unix.Dup2(int(null.Fd()), 0), null.Close())
}

// checkListening refuses what is no listening stream socket, before it becomes
// one that fails at every Accept.
func checkListening(fd int) error {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	switch {
	case errors.Is(err, syscall.EBADF):
		return errors.New("is not open: was the program started by a web server, spawn-fcgi or systemd?")
	case errors.Is(err, syscall.ENOTSOCK):
		return errors.New("is not a socket: was the program started by a web server, spawn-fcgi or systemd?")
	case err != nil:
		return err
	case kind != syscall.SOCK_STREAM:
		return errors.New("is not a stream socket")
	}
	on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil {
		return err
	}
	if on == 0 {
		return errors.New("is a socket that nobody listens on (a connection?)")
	}
	return nil
}

// passedBySystemd returns the sockets that systemd has started the program
// with (sd_listen_fds(3)), if an address wants one. The library reads
// LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, minds that they are for this
// process, and sets close-on-exec.
func passedBySystemd(addrs []Addr) ([]*os.File, error) {
	var names []string
	for _, a := range addrs {
		if a.kind != kindSystemd {
			continue
		}
		if slices.Contains(names, a.name) {
			return nil, fmt.Errorf("%s: another address takes the same sockets of systemd", a)
		}
		names = append(names, a.name)
	}
	if len(names) == 0 {
		return nil, nil
	}
	files := activation.Files(true)
	if len(files) == 0 {
		return nil, errors.New("systemd has passed no socket to this process: start it by its .socket unit")
	}
	return files, nil
}

// takePassed returns the sockets of one name, or without a name those that no
// other address takes.
func takePassed(a Addr, files []*os.File, addrs []Addr) ([]net.Listener, error) {
	var ls []net.Listener
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		if a.name == "" && namedBy(addrs, f.Name()) || a.name != "" && a.name != f.Name() {
			continue
		}
		l, err := fromSystemd(f)
		if err != nil {
			return ls, fmt.Errorf("socket %s: %w", f.Name(), err)
		}
		ls = append(ls, l)
	}
	if len(ls) == 0 {
		return nil, fmt.Errorf("systemd has passed no such socket, but %s", strings.Join(names, ", "))
	}
	return ls, nil
}

func namedBy(addrs []Addr, name string) bool {
	return slices.ContainsFunc(addrs, func(a Addr) bool { return a.kind == kindSystemd && a.name == name })
}

func fromSystemd(f *os.File) (net.Listener, error) {
	if err := checkListening(int(f.Fd())); err != nil {
		return nil, err
	}
	return net.FileListener(f)
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // the listeners have duplicates
	}
}
