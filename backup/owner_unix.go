//go:build unix

package backup

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// own gives a file the owner of another, if root does it.
func own(file string, as fs.FileInfo) {
	if st, ok := as.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		_ = os.Lchown(file, int(st.Uid), int(st.Gid)) // a file system without owners does without
	}
}

// lock locks an open file or directory until it is closed, or the process ends.
func lock(f *os.File) int {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return lockHad
	case errors.Is(err, syscall.EWOULDBLOCK):
		return lockTaken
	}
	return lockUnknown
}
