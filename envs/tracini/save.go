package tracini

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"projhost/internal/disk"
	"projhost/internal/stamp"
)

// ErrInherited says that what is to be removed is set, but not in the section of
// the file that is changed.
var ErrInherited = errors.New("set elsewhere")

// lockPause is how long a writer waits before it tries again to lock.
const lockPause = 5 * time.Millisecond

// Save makes changes in a file as [Edit] does; a symbolic link is followed. A
// reader sees the former text or the new one, never a part: a new file takes
// the place of the old, with its mode and, as far as the system permits, its
// owner and group. Writers wait for one another, until ctx ends, by a lock on
// the directory. Nothing is written if nothing changes.
//
// What could not be loaded afterwards is refused, such as an [inherit] file
// that inherits from itself. If what is to be removed comes from an inherited
// file or from [DEFAULT], the error is [ErrInherited]; if it is set nowhere,
// [ErrNotSet].
func Save(ctx context.Context, file string, changes ...Change) error {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("changing %s: %w", file, err)
	}
	unlock, err := lockDir(ctx, filepath.Dir(real))
	if err != nil {
		return fmt.Errorf("changing %s: %w", file, err)
	}
	defer unlock()
	for range raceTries {
		if err = saveLocked(file, real, changes); !errors.Is(err, errRaced) {
			return err
		}
	}
	return err
}

// raceTries is how often a change is made again because the file has changed
// meanwhile: editors and Trac do not wait for locks.
const raceTries = 5

var errRaced = errors.New("something else keeps changing the file")

// saveLocked makes the changes in real, which is what file leads to.
func saveLocked(file, real string, changes []Change) error {
	text, seen, err := read(real)
	if err != nil {
		return fmt.Errorf("changing %s: %w", file, err)
	}
	next, err := Edit(text, changes...)
	switch {
	case errors.Is(err, ErrNotSet):
		return elsewhere(file, text, changes, err)
	case err != nil:
		return fmt.Errorf("changing %s: %w", file, err)
	case next == text:
		return nil
	case len(next) > maxFile:
		return fmt.Errorf("changing %s: %w", file, errTooLarge)
	}
	if err := loadable(file, text, next); err != nil {
		return fmt.Errorf("changing %s: %w", file, err)
	}
	if err := replace(real, next, seen); err != nil {
		return fmt.Errorf("changing %s: %w", file, err)
	}
	return nil
}

// elsewhere says where that is set which cannot be removed from the file.
func elsewhere(file, text string, changes []Change, notSet error) error {
	config, err := Load(file)
	if err != nil {
		return fmt.Errorf("changing %s: %w", file, notSet)
	}
	for i, c := range changes {
		// The one that fails is the first that cannot be made after those before it.
		if _, err := Edit(text, changes[:i+1]...); err == nil {
			continue
		}
		if from, ok := config.source(c.Section, c.Name); ok {
			return fmt.Errorf("%v is %w: in %s", c, ErrInherited, from)
		}
		break
	}
	return notSet
}

// source tells, for people, where an option, or any option of a section, comes from.
func (c *Config) source(section, option string) (string, bool) {
	for _, e := range c.options(section) {
		if option == "" || e.name == strings.ToLower(option) {
			if e.file == 0 {
				return fmt.Sprintf("[%s] of %s, line %d", DefaultSection, c.files[0].Path, e.line), true
			}
			return fmt.Sprintf("%s, line %d", c.files[e.file].Path, e.line), true
		}
	}
	return "", false
}

// loadable fails if the files that the new text inherits from cannot be loaded.
// Those it inherited from before do not matter: they may be what is being mended.
func loadable(file, before, after string) error {
	old, bad := parse(before)
	if bad != nil {
		return bad
	}
	src, bad := parse(after)
	if bad != nil {
		return bad
	}
	was, _ := old.inherited()
	if now, _ := src.inherited(); now == was {
		return nil
	}
	l := &loader{sections: map[string]bool{}, read: map[string]bool{}}
	return l.parents(src, file, []string{file})
}

// lockDir locks a directory against other writers. Go's own locks would not do:
// trac-admin's commands are processes of their own.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = d.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("the directory cannot be locked: %w", err), d.Close())
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process is changing it: %w", ctx.Err()), d.Close())
		}
	}
}

// replace writes text beside a file and moves it into the file's place, unless
// that is no longer as it was seen.
func replace(file, text string, seen stamp.File) error {
	old, err := os.Stat(file)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".new-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = alike(f, old)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && seen.Stale() {
		err = errRaced
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return disk.Sync(dir)
}

// alike gives a new file the owner, group and mode of the old one, and makes
// sure that its modification time differs: Trac compares nothing else.
func alike(f *os.File, old fs.FileInfo) error {
	mode := old.Mode().Perm()
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil && f.Chown(-1, int(st.Gid)) != nil {
			// Another group must not read what only the old one could.
			mode &^= 0o070 &^ (mode << 3)
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if now.ModTime().Equal(old.ModTime()) {
		later := old.ModTime().Add(time.Millisecond)
		return os.Chtimes(f.Name(), later, later)
	}
	return nil
}
