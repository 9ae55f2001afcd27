package attachment

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"projhost/envs"
)

// Files is what a transaction does to the bytes of attachments: what it makes
// is taken back unless it is committed, what it takes away goes only then.
type Files struct {
	env  *envs.Env
	root *os.Root // nil until needed
	made []string // to be removed if the transaction fails
	gone []string // to be removed once it is committed
}

// open opens the directory of attachments; with create it is made if need be,
// else the error is fs.ErrNotExist.
func (f *Files) open(create bool) (*os.Root, error) {
	if f.root != nil {
		return f.root, nil
	}
	dir := f.env.Path("files", "attachments")
	if create {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	f.root = root
	return root, err
}

// incoming keeps bytes aside, safe on the disk, until it is known what they
// are to be called.
func (f *Files) incoming(body io.Reader) (name string, size int64, err error) {
	root, err := f.open(true)
	if err != nil {
		return "", 0, err
	}
	if err := sweep(root, time.Now().Add(-maxIncoming)); err != nil {
		return "", 0, err
	}
	name = incomingPrefix + rand.Text()
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", 0, err
	}
	f.made, f.gone = append(f.made, name), append(f.gone, name)
	size, err = io.Copy(file, body)
	if err == nil {
		err = file.Sync()
	}
	return name, size, errors.Join(err, file.Close())
}

const (
	incomingPrefix = ".incoming-"
	// maxIncoming is how long bytes are kept aside; older ones are of a process
	// that has crashed.
	maxIncoming = 24 * time.Hour
)

// sweep removes what was kept aside and is last written to before a moment.
func sweep(root *os.Root, before time.Time) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), incomingPrefix) {
			continue
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = root.Remove(entry.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// put gives bytes another name, at which there must be none; both names count
// until the transaction ends. The error is fs.ErrExist if there are.
func (f *Files) put(from, to string) error {
	root, err := f.open(true)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(path.Dir(to), 0o777); err != nil {
		return err
	}
	err = root.Link(from, to)
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		err = duplicate(root, from, to) // a file system without links
	}
	if err != nil {
		return err
	}
	f.made = append(f.made, to)
	return syncDir(root, path.Dir(to))
}

// syncDir has the names in a directory written to the disk.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func duplicate(root *os.Root, from, to string) error {
	in, err := root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		err = errors.Join(err, root.Remove(to))
	}
	return err
}

// move is put, and the former name goes with the commit. Bytes that are missing
// already are no failure: their row is all there is.
func (f *Files) move(from, to string) error {
	if _, err := f.open(false); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := f.put(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		f.gone = append(f.gone, from)
	}
	return err
}

// end does what was left for the end, and removes directories left empty.
func (f *Files) end(committed bool) error {
	remove := f.made
	if committed {
		remove = f.gone
	}
	if f.root == nil && len(remove) > 0 {
		if _, err := f.open(false); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // none of them is there
			}
			return fmt.Errorf("files of attachments are left over: %w", err)
		}
	}
	var errs []error
	for _, name := range remove {
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if f.root.Remove(dir) != nil {
				break // not empty
			}
		}
	}
	if f.root != nil {
		_ = f.root.Close()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("files of attachments are left over: %w", err)
	}
	return nil
}
