package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// CopyTree copies the files of the directory from to the path to below dir, over
// what is there: the copies are the source's, whoever edits them. It returns how
// many it wrote. Hidden files, and links that lead out of from, are left out. As
// with Trac's deploy, to may not lie within from, and nothing is deleted; a
// source that is not there is empty.
func CopyTree(dir, to, from string, dryRun bool) (int, error) {
	target := filepath.Join(dir, filepath.FromSlash(to))
	if within(target, from) {
		return 0, fmt.Errorf("%s is within %s, of which it would be a copy: choose another directory", target, from)
	}
	source, err := os.OpenRoot(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = source.Close() }()
	if !dryRun {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil && !(dryRun && errors.Is(err, fs.ErrNotExist)) {
		return 0, err
	}
	if root != nil {
		defer func() { _ = root.Close() }()
	}
	n := 0
	err = fs.WalkDir(source.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		info, err := source.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil // a link to elsewhere, a socket
		}
		wrote, err := copyFile(root, path.Join(to, name), source, name, dryRun)
		if wrote {
			n++
		}
		return err
	})
	return n, err
}

// within tells whether target is dir or lies below it, whatever links lead there.
func within(target, dir string) bool {
	rel, err := filepath.Rel(existing(dir), existing(target))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// existing resolves the links of as much of a path as there is.
func existing(name string) string {
	rest := ""
	for {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			return filepath.Join(real, rest)
		}
		up := filepath.Dir(name)
		if up == name {
			return filepath.Join(name, rest)
		}
		rest, name = filepath.Join(filepath.Base(name), rest), up
	}
}

// copyFile copies one file unless it is there already.
func copyFile(root *os.Root, to string, source *os.Root, from string, dryRun bool) (bool, error) {
	if root == nil {
		return true, nil
	}
	in, err := source.Open(from)
	if err != nil {
		return false, err
	}
	defer func() { _ = in.Close() }()
	info, err := root.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, fmt.Errorf("%s: a directory is in the way", to)
	case info.Mode().IsRegular():
		same, err := sameContent(root, to, in)
		if same || err != nil {
			return false, err
		}
	}
	if dryRun {
		return true, nil
	}
	if err := root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return false, err
	}
	return true, replace(root, to, 0o644, info, func(out io.Writer) error {
		_, err := io.Copy(out, in)
		return err
	})
}

// sameContent compares a file with another, which it leaves at its beginning.
func sameContent(root *os.Root, name string, other *os.File) (bool, error) {
	in, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { _ = in.Close() }()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(in, a)
		m, errB := io.ReadFull(other, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			_, err := other.Seek(0, io.SeekStart)
			return false, err
		}
		if errA != nil || errB != nil {
			end := errA == errB //nolint:errorlint // both are io.EOF or io.ErrUnexpectedEOF
			_, err := other.Seek(0, io.SeekStart)
			return end, err
		}
	}
}
