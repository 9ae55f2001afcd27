package envs

import (
	"os"
	"syscall"
)

// stamp tells whether a file is still the one that was looked at: an edit, a
// replacement and a removal all change it. The zero value is a missing file.
type stamp struct {
	dev, ino uint64
	mtime    int64 // nanoseconds
	size     int64
}

// stampOf looks at a path without opening it; it follows links.
func stampOf(path string) stamp {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{mtime: fi.ModTime().UnixNano(), size: fi.Size()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = st.Dev, st.Ino
	}
	return s
}

// sameFile is true while the path still names the same file, whatever has been
// written to it since.
func (s stamp) sameFile(t stamp) bool { return s.dev == t.dev && s.ino == t.ino }
