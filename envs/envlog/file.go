package envlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"projhost/internal/stamp"
)

const (
	// fileMode is that of a log file that is made, less the process's umask, as
	// with Trac.
	fileMode fs.FileMode = 0o666
	// lookAfter is how long a file is believed to be where it was.
	lookAfter = time.Second
	maxLinks  = 16
)

// file is a log file. It is appended to, opened with the first line, and opened
// anew when it has been moved away.
type file struct {
	path string
	env  string // directory of the environment

	f      *os.File
	id     stamp.Stamp
	looked time.Time
}

func (f *file) write(_ slog.Level, line []byte) error {
	now := time.Now()
	if f.f != nil && now.Sub(f.looked) >= lookAfter {
		if f.looked = now; !f.id.SameFile(stamp.Of(f.path)) {
			f.close()
		}
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return fmt.Errorf("opening the log file %s: %w", f.path, err)
		}
		f.looked = now
	}
	_, err := f.f.Write(append(line, '\n')) // one write: lines of several processes do not mix
	return err
}

func (f *file) close() {
	if f.f != nil {
		_ = f.f.Close() // every write of it was whole
		f.f = nil
	}
}

// open opens the file, or makes it. A log may be anywhere, as with Trac, but in
// no environment outside its own log directory; and root writes only for the
// environment's owner where that could.
func (f *file) open() error {
	real, err := follow(f.path)
	if err != nil {
		return err
	}
	if err := f.allowed(filepath.Dir(real)); err != nil {
		return err
	}
	dir, err := os.OpenRoot(filepath.Dir(real)) // the directory itself, whatever becomes of its name meanwhile
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	const flags = os.O_WRONLY | os.O_APPEND | syscall.O_NONBLOCK // a pipe without a reader is not waited for
	opened, err := dir.OpenFile(filepath.Base(real), flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		opened, err = f.create(dir, filepath.Base(real), flags)
	}
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		err = f.owned(info)
	}
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f.f, f.id = opened, stamp.OfInfo(info)
	return nil
}

// create makes the file; root gives it to the environment's owner.
func (f *file) create(dir *os.Root, name string, flags int) (*os.File, error) {
	info, err := dir.Stat(".")
	if err == nil {
		err = f.owned(info)
	}
	if err != nil {
		return nil, err
	}
	made, err := dir.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil || os.Geteuid() != 0 {
		return made, err
	}
	if env, err := os.Stat(f.env); err == nil {
		if owner, ok := env.Sys().(*syscall.Stat_t); ok {
			err = made.Chown(int(owner.Uid), int(owner.Gid))
		}
		if err != nil {
			return nil, errors.Join(err, made.Close())
		}
	}
	return made, nil
}

// owned fails if this is root and what info is about is not the environment's
// owner's: that could have named any file.
func (f *file) owned(info fs.FileInfo) error {
	if os.Geteuid() != 0 {
		return nil
	}
	env, err := os.Stat(f.env)
	if err != nil {
		return err
	}
	owner, ok := env.Sys().(*syscall.Stat_t)
	of, also := info.Sys().(*syscall.Stat_t)
	if !ok || !also || owner.Uid != of.Uid {
		return errors.New("it belongs to another user than the environment, and root writes to no such place")
	}
	return nil
}

// allowed fails for a directory in an environment that is not for logs: a log in
// the place of a database would be its end.
func (f *file) allowed(dir string) error {
	own, err := filepath.EvalSymlinks(filepath.Join(f.env, "log"))
	for ; ; dir = filepath.Dir(dir) {
		if err == nil && dir == own {
			return nil
		}
		if isEnv(dir) {
			return fmt.Errorf("it is in the environment %s, and not in the log directory of its own", filepath.Base(dir))
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func isEnv(dir string) bool {
	for _, name := range []string{"VERSION", "conf/trac.ini"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// follow is the path without symbolic links; the file itself need not be there,
// the directory it is to be in must.
func follow(path string) (string, error) {
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", errors.New("too many symbolic links")
}
