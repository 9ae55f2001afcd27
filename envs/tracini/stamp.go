package tracini

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds the size of one configuration file, in bytes.
const maxFile = 4 << 20

// stamp is what a file looked like when it was read; one that was not there has
// only a path.
type stamp struct {
	path    string
	there   bool
	size    int64
	written int64 // modification time, ns since 1970
	inode   uint64
	changed int64 // ns since 1970
}

// stampOf makes the stamp of a file that is there.
func stampOf(path string, info fs.FileInfo) stamp {
	s := stamp{path: path, there: true, size: info.Size(), written: info.ModTime().UnixNano()}
	s.inode, s.changed = identity(info)
	return s
}

// stale says whether the file is no longer as it was read. What cannot be
// looked at counts as not there. It only calls stat.
func (s stamp) stale() bool {
	info, err := os.Stat(s.path)
	if err != nil || !info.Mode().IsRegular() {
		return s.there
	}
	return stampOf(s.path, info) != s
}

// read reads a file. One that is not there, or is not a regular file, gives
// fs.ErrNotExist: Trac 1.6 treats both as an empty file. The stamp is taken
// before the text is read, so that a change meanwhile makes it stale.
func read(path string) (text string, s stamp, err error) {
	s = stamp{path: path}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", s, fs.ErrNotExist
	case err != nil:
		return "", s, err
	case !info.Mode().IsRegular(): // to open a pipe would wait for its writer
		return "", s, fs.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return "", s, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", s, err
	}
	if info.Size() > maxFile {
		return "", s, errTooLarge
	}
	buf := make([]byte, info.Size()+1)
	n, err := io.ReadFull(f, buf)
	if err == nil { // it has grown: the stamp is stale already
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(f, maxFile))
		buf = append(buf, rest...)
		n = len(buf)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", s, err
	}
	return string(buf[:n]), stampOf(path, info), nil
}

var errTooLarge = errors.New("the file is larger than 4 MiB")
