package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listenUnix makes a unix socket.
//
// Its mode and owner are set between bind(2) and listen(2): until then nobody
// can connect, whatever they are, so there is no moment at which somebody may who
// should not. (A narrow umask would not do: it is the whole process's, and other
// goroutines make files.) On Linux the file is even made with mode 0600, for it
// takes the mode of its descriptor.
func listenUnix(ctx context.Context, a Addr) (net.Listener, error) {
	uid, gid, err := ids(a.owner, a.group)
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, filepath.Dir(a.path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := takeOver(ctx, a.path); err != nil {
		return nil, err
	}
	fd, err := bindUnix(a.path)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), a.path)
	defer f.Close() // the listener has a duplicate
	made, err := os.Lstat(a.path)
	if err != nil {
		return nil, err
	}
	l, err := openUnix(a, f, uid, gid)
	if err != nil {
		removeIf(a.path, made)
		return nil, err
	}
	return &unixListener{Listener: l, path: a.path, made: made}, nil
}

// bindUnix returns the descriptor of a socket bound to a path, which nobody can
// connect to yet.
func bindUnix(path string) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	_ = syscall.Fchmod(fd, 0o600) // elsewhere than on Linux it may say no, see listenUnix
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// backlog is how many connections may wait to be accepted; the kernel has a
// limit of its own (net.core.somaxconn).
const backlog = 4096

// openUnix gives a bound socket its owner and mode and lets it be connected to.
func openUnix(a Addr, f *os.File, uid, gid int) (net.Listener, error) {
	if uid >= 0 || gid >= 0 {
		if err := os.Lchown(a.path, uid, gid); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(a.path, a.mode); err != nil {
		return nil, err
	}
	if err := syscall.Listen(int(f.Fd()), backlog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	return net.FileListener(f)
}

// ids looks up the owner and group, by name or number; -1 leaves it as it is.
func ids(owner, group string) (uid, gid int, err error) {
	uid, gid = -1, -1
	if owner != "" {
		uid, err = id(owner, func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		})
	}
	if err == nil && group != "" {
		gid, err = id(group, func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		})
	}
	return uid, gid, err
}

func id(name string, lookup func(string) (string, error)) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	s, err := lookup(name)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(s)
}

// probeTime is how long the socket that is there may take to accept.
const probeTime = 2 * time.Second

// takeOver removes a socket that a server has left behind, which shows in that
// a connection to it is refused. It refuses anything else that is there: a
// server that runs, and what is no socket.
func takeOver(ctx context.Context, path string) error {
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if there.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket; it is left alone", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%s is in use by a server that runs", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s may be in use by a server: %w", path, err)
	}
	removeIf(path, there)
	return nil
}

// removeIf removes path if it still is the file that was seen. While a socket is
// open its inode is not used for another, so that cannot be mistaken.
func removeIf(path string, seen fs.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, seen) {
		_ = os.Remove(path) // a socket that stays is taken over by the next server
	}
}

// Waiting for lockDir.
const (
	lockTries = 100
	lockPause = 50 * time.Millisecond
)

// lockDir keeps two servers that start at once from taking over the same
// stale socket, the second removing what the first has just made. A directory
// that cannot be locked is used without.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return func() {}, nil
		}
		return nil, err
	}
	for range lockTries {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return func() { _ = d.Close() }, nil // locked, or it cannot be
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), d.Close())
		}
	}
	return nil, errors.Join(fmt.Errorf("%s is locked by another process", dir), d.Close())
}

// unixListener removes its socket when it is closed, if that still is the one
// it has made, and no other process goes on listening on it.
type unixListener struct {
	net.Listener
	path  string
	made  fs.FileInfo
	leave atomic.Bool
	once  sync.Once
}

func (l *unixListener) Close() error {
	l.once.Do(func() {
		if !l.leave.Load() {
			removeIf(l.path, l.made)
		}
	})
	return l.Listener.Close()
}
