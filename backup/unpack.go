package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"time"
)

// unpacker puts an archive's things below a directory. All names go through an
// [os.Root], which no name and no link can leave.
type unpacker struct {
	root   *os.Root
	owner  func(h *tar.Header) (uid, gid int) // nil: whoever runs this
	dirs   []unpacked
	links  []unpacked
	synced bool // files are written to disk
}

type unpacked struct {
	name string
	h    *tar.Header
}

func newUnpacker(dir string) (*unpacker, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	u := &unpacker{root: root}
	if os.Geteuid() == 0 {
		u.owner = owners()
	}
	return u, nil
}

// owners finds the user and group of a thing, by their names where these are
// known here, else by their numbers.
func owners() func(h *tar.Header) (uid, gid int) {
	users, groups := map[string]int{}, map[string]int{}
	find := func(known map[string]int, name string, otherwise int, lookUp func(string) (string, error)) int {
		if name == "" {
			return otherwise
		}
		id, ok := known[name]
		if !ok {
			id = -1
			if text, err := lookUp(name); err == nil {
				if n, err := strconv.Atoi(text); err == nil {
					id = n
				}
			}
			known[name] = id
		}
		if id < 0 {
			return otherwise
		}
		return id
	}
	return func(h *tar.Header) (uid, gid int) {
		uid = find(users, h.Uname, h.Uid, func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		})
		gid = find(groups, h.Gname, h.Gid, func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		})
		return uid, gid
	}
}

// dir makes a directory that can be written to; finish gives it its mode.
func (u *unpacker) dir(name string, h *tar.Header) error {
	if err := u.root.MkdirAll(name, 0o700); err != nil {
		return err
	}
	u.dirs = append(u.dirs, unpacked{name, h})
	return nil
}

func (u *unpacker) file(name string, h *tar.Header, r io.Reader) (err error) {
	if err := u.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	if err := u.own(name, h); err != nil {
		return err
	}
	if err := f.Chmod(fs.FileMode(h.Mode) & fs.ModePerm); err != nil {
		return err
	}
	if u.synced {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return u.root.Chtimes(name, time.Time{}, h.ModTime)
}

// link is made at the end, so that nothing is written through one.
func (u *unpacker) link(name string, h *tar.Header) error {
	u.links = append(u.links, unpacked{name, h})
	return nil
}

func (u *unpacker) own(name string, h *tar.Header) error {
	if u.owner == nil {
		return nil
	}
	uid, gid := u.owner(h)
	return u.root.Lchown(name, uid, gid)
}

// finish makes the links and gives directories their modes, the deepest first.
func (u *unpacker) finish() error {
	for _, l := range u.links {
		if err := u.root.MkdirAll(path.Dir(l.name), 0o700); err != nil {
			return err
		}
		if err := u.root.Symlink(l.h.Linkname, l.name); err != nil {
			return err
		}
		if err := u.own(l.name, l.h); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if _, err := u.root.Stat(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: the link %q: %w", ErrArchive, l.name, err)
		}
	}
	for _, d := range slices.Backward(u.dirs) {
		if err := u.own(d.name, d.h); err != nil {
			return err
		}
		mode := fs.FileMode(d.h.Mode) & fs.ModePerm
		if d.h.Mode&setgid != 0 {
			mode |= fs.ModeSetgid
		}
		if err := u.root.Chmod(d.name, mode); err != nil {
			return err
		}
		if err := u.root.Chtimes(d.name, time.Time{}, d.h.ModTime); err != nil {
			return err
		}
		if u.synced && mode&0o400 != 0 {
			if err := u.syncDir(d.name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unpacker) syncDir(name string) error {
	f, err := u.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (u *unpacker) close() error { return u.root.Close() }
