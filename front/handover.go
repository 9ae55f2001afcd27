package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Passed is a listening socket that goes from one process to the next.
type Passed struct {
	Addr string `json:"addr"` // the address it was opened for, as it was written
	FD   int    `json:"fd"`   // its descriptor: here, or in the process that gets it
	Owns bool   `json:"owns"` // the socket's file is removed when it is closed
}

// Close closes the descriptor, which is of no more use here.
func (p Passed) Close() error { return unix.Close(p.FD) }

// Sockets are the listening sockets of a Serve, for a process that takes them
// over, and what they are served with.
type Sockets struct {
	open  []listening
	pairs []*keyPair
}

// Reload reads the certificates again, be their files changed or not, and says
// what it did, "" for nothing. One that cannot be read leaves the former in force.
func (s *Sockets) Reload(context.Context) (did string, err error) {
	for _, k := range s.pairs {
		err = errors.Join(err, k.reload())
	}
	if len(s.pairs) > 0 {
		did = fmt.Sprintf("read %d", len(s.pairs))
	}
	return did, err
}

// descriptor is what net's listeners have.
type descriptor interface {
	SyscallConn() (syscall.RawConn, error)
}

// Pass returns duplicates of the sockets, closed when a program is executed
// unless it is told to keep them. Who calls Pass closes them. They are
// non-blocking and stay so: whatever is done to that flag is done to the
// listeners, too.
func (s *Sockets) Pass() ([]Passed, error) {
	var list []Passed
	for _, l := range s.open {
		fd, owns, err := duplicate(l.Listener)
		if err != nil {
			for _, p := range list {
				_ = p.Close() // there is another error to tell
			}
			return nil, fmt.Errorf("passing on the socket of %s: %w", l.addr, err)
		}
		list = append(list, Passed{Addr: l.addr.String(), FD: fd, Owns: owns})
	}
	return list, nil
}

// duplicate also tells whether the listener has made the file of its socket,
// and it is still there.
func duplicate(l net.Listener) (fd int, owns bool, err error) {
	if u, ok := l.(*unixListener); ok {
		now, err := os.Lstat(u.path)
		owns = err == nil && os.SameFile(now, u.made)
		l = u.Listener
	}
	d, ok := l.(descriptor)
	if !ok {
		return -1, false, fmt.Errorf("%T has no descriptor", l)
	}
	raw, err := d.SyscallConn()
	if err != nil {
		return -1, false, err
	}
	if ctlErr := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, firstFree)
	}); ctlErr != nil {
		return -1, false, ctlErr
	}
	return fd, owns, err
}

// firstFree is the first descriptor that is not one of the standard ones.
const firstFree = 3

// Leave says whether the files of unix sockets stay when their listeners are
// closed: they do while another process listens on the same sockets. At first
// that is so for sockets of a former process.
func (s *Sockets) Leave(leave bool) {
	for _, l := range s.open {
		if u, ok := l.Listener.(*unixListener); ok {
			u.leave.Store(leave)
		}
	}
}

// takeFormer returns the sockets that a former process has passed on for an
// address, and which of all are left for the other addresses.
func takeFormer(a Addr, former []Passed) (ls []net.Listener, left []Passed, err error) {
	for _, p := range former {
		if p.Addr != a.text {
			left = append(left, p)
			continue
		}
		l, e := inheritFD(p.FD)
		if e == nil && p.Owns && a.kind == kindUnix {
			l, e = owned(l, a.path)
		}
		if e != nil {
			err = e
			continue
		}
		ls = append(ls, l)
	}
	return ls, left, err
}

// owned is a unix socket of a former process, whose file is now this one's.
func owned(l net.Listener, path string) (net.Listener, error) {
	made, err := os.Lstat(path)
	if err != nil {
		_ = l.Close() // there is another error to tell
		return nil, err
	}
	u := &unixListener{Listener: l, path: path, made: made}
	u.leave.Store(true)
	return u, nil
}

// Listens reports whether descriptor fd is a listening stream socket. If it is
// a socket but does not listen, the error says so; for what is no socket both
// are zero.
func Listens(fd int) (bool, error) {
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return false, nil
	}
	if err := checkListening(fd); err != nil {
		return false, fmt.Errorf("descriptor %d %w", fd, err)
	}
	return true, nil
}

// PassedFor reports whether a former process has passed on a socket of an
// address.
func PassedFor(addr string, former []Passed) bool {
	return slices.ContainsFunc(former, func(p Passed) bool { return p.Addr == addr })
}
