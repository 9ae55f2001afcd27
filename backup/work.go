package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// tmpMark is in the names of directories that something is made in, between the
// name of what is made and a number.
const tmpMark = ".tmp-"

// workTries bounds how often a directory is made that another process takes for
// one that was left behind.
const workTries = 10

// newWork makes a directory, in dir, for making what is to be called name. It is
// locked while this process lives, so that done, or another process when this one
// was killed, removes it. Such as others have left behind are removed first.
func newWork(dir, name string) (tmp string, done func() error, err error) {
	prefix := "." + name + tmpMark
	sweep(dir, prefix)
	for range workTries {
		if tmp, err = os.MkdirTemp(dir, prefix); err != nil {
			return "", nil, err
		}
		f, err := os.Open(tmp)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, errors.Join(err, os.Remove(tmp))
		}
		// Between the two, somebody may have locked it, and is removing it.
		if locked := lock(f); locked == lockTaken || !still(f, tmp) {
			_ = f.Close() // it was only read
			continue
		}
		return tmp, func() error { return errors.Join(removeAll(tmp), f.Close()) }, nil
	}
	return "", nil, errors.New("another process removes each directory that is made in " + dir)
}

// sweep removes the directories of processes that were killed. What cannot be
// removed, or locked, stays.
func sweep(dir, prefix string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range list {
		number, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if lock(f) == lockHad && still(f, path) {
			_ = removeAll(path)
		}
		_ = f.Close()
	}
}

// still says whether an open directory has its name yet.
func still(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// Outcomes of lock.
const (
	lockHad = iota
	lockTaken
	lockUnknown // the system, or the file system, has no such locks
)
