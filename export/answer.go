package export

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
)

// answer is what the host says to one request. What is looked into is kept in
// memory, everything else in a file.
type answer struct {
	dir    string // where the file is made
	header http.Header
	status int
	text   bytes.Buffer
	file   *os.File // nil if all is in text
	digest hash.Hash
	size   int64
	most   int64 // that may be written
	err    error // of writing
}

var _ http.ResponseWriter = (*answer)(nil)

// errAborted is an answer that the host has broken off.
var errAborted = errors.New("the answer was broken off")

// from has the host answer.
func (a *answer) from(h http.Handler, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
				panic(v)
			}
			err = cmp.Or(a.err, errAborted)
		}
	}()
	h.ServeHTTP(a, r)
	if a.err != nil {
		return a.err
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return nil
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.err != nil {
		return 0, a.err
	}
	if a.size += int64(len(p)); a.size > a.most {
		a.err = fmt.Errorf("%w: too many bytes", ErrLimit)
		return 0, a.err
	}
	if a.status != http.StatusOK || a.isPage() || a.isCSS() || a.mediaType() == "application/json" {
		return a.text.Write(p)
	}
	if a.file == nil {
		if a.file, a.err = os.CreateTemp(a.dir, ".incoming-"); a.err != nil {
			return 0, a.err
		}
		a.digest = sha256.New()
	}
	_, _ = a.digest.Write(p) // never fails
	n, err := a.file.Write(p)
	a.err = err
	return n, err
}

func (a *answer) mediaType() string {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return kind
}

// isPage tells pages of the site from files that happen to be HTML.
func (a *answer) isPage() bool {
	return a.mediaType() == "text/html" && a.header.Get("Content-Disposition") == ""
}

func (a *answer) isCSS() bool {
	return a.mediaType() == "text/css" && a.header.Get("Content-Disposition") == ""
}

// isStatic tells files that are HTML from pages that have been made: parts of
// those are not to be had.
func (a *answer) isStatic() bool { return a.header.Get("Accept-Ranges") != "" }

// sum is a digest of the body.
func (a *answer) sum() (sum [sha256.Size]byte) {
	if a.file == nil {
		return sha256.Sum256(a.text.Bytes())
	}
	a.digest.Sum(sum[:0])
	return sum
}

// moveTo makes a file of the body, below dir; fs.ErrExist says that there is one.
func (a *answer) moveTo(dir, name string) error {
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), newDirMode); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	if a.file == nil {
		return os.WriteFile(to, a.text.Bytes(), 0o644)
	}
	if err := os.Rename(a.file.Name(), to); err != nil {
		return err
	}
	err := errors.Join(a.file.Chmod(0o644), a.file.Close())
	a.file = nil
	return err
}

// discard removes what has not been moved.
func (a *answer) discard() {
	if a.file != nil {
		_ = a.file.Close()
		_ = os.Remove(a.file.Name()) // the whole directory goes if something went wrong
	}
}
