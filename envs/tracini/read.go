package tracini

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"projhost/internal/stamp"
)

// maxFile bounds the size of one configuration file, in bytes.
const maxFile = 4 << 20

// read reads a file. One that is not there, or is not a regular file, gives
// fs.ErrNotExist: Trac 1.6 treats both as an empty file. The stamp is taken
// before the text is read, so that a change meanwhile makes it stale.
func read(path string) (text string, s stamp.File, err error) {
	s.Path = path
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
	s.Stamp = stamp.OfInfo(info)
	return string(buf[:n]), s, nil
}

var errTooLarge = errors.New("the file is larger than 4 MiB")
