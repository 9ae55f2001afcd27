// Package stamp tells whether a file is still the one that was looked at,
// without opening it.
package stamp

import (
	"io/fs"
	"os"
	"time"
)

// Stamp is what a regular file looked like at one moment. An edit, a replacement
// and a removal all change it. The zero value is a file that was not there.
type Stamp struct {
	size    int64
	written int64 // modification time, ns since 1970
	id      identity
}

// Of looks at a path; it follows links. What is not there, is no regular file or
// cannot be looked at gives the zero Stamp.
func Of(path string) Stamp {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{}
	}
	return OfInfo(info)
}

// OfInfo is Of a file whose status is known already.
func OfInfo(info fs.FileInfo) Stamp {
	if !info.Mode().IsRegular() {
		return Stamp{}
	}
	return Stamp{size: info.Size(), written: info.ModTime().UnixNano(), id: identityOf(info)}
}

// Written is the modification time, the zero time of a file that was not there.
func (s Stamp) Written() time.Time {
	if s == (Stamp{}) {
		return time.Time{}
	}
	return time.Unix(0, s.written)
}

// SameFile is true while a path still names the same file, whatever has been
// written to it since.
func (s Stamp) SameFile(t Stamp) bool { return s.id.device == t.id.device && s.id.inode == t.id.inode }

// File is a path and what was there.
type File struct {
	Path string
	Stamp
}

// Look makes the File of a path as it is now.
func Look(path string) File { return File{path, Of(path)} }

// Stale says whether the file is no longer as it was.
func (f File) Stale() bool { return Of(f.Path) != f.Stamp }

// identity is what tells one file from another under the same name, and an edit
// that keeps both size and modification time.
type identity struct {
	device, inode uint64
	changed       int64 // ns since 1970
}
