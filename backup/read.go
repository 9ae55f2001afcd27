package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
)

// Bounds of an archive.
const (
	maxThings   = 10_000_000
	maxManifest = 1 << 30 // bytes
	maxName     = 4096    // bytes
)

// sink takes what is in an archive. Names are local (filepath.IsLocal) and
// clean, the top is "."; none comes twice, and nothing is below a file or a link.
type sink interface {
	dir(name string, h *tar.Header) error
	file(name string, h *tar.Header, r io.Reader) error
	link(name string, h *tar.Header) error
}

// reader reads one archive.
type reader struct {
	to       sink
	limit    int64 // of bytes, in all
	progress func(Progress)

	seen     map[string]bool // true for a directory
	files    map[Name]File
	bytes    int64
	manifest *Manifest
}

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrArchive, fmt.Sprintf(format, args...))
}

// checkWhole compares the sum of the whole file with what its end says.
func checkWhole(ctx context.Context, f io.ReaderAt, size int64) error {
	whole := sha256.New()
	n := size - int64(len(trailer(whole)))
	if n <= 0 {
		return broken("it is too short")
	}
	if _, err := io.Copy(whole, &stoppable{ctx, io.NewSectionReader(f, 0, n)}); err != nil {
		return err
	}
	want := trailer(whole)
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, n); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(got, want) {
		return broken("its SHA-256 is not the one that its end tells")
	}
	return nil
}

// read reads an archive to its end, whose sum is checked elsewhere.
func (r *reader) read(ctx context.Context, f io.ReaderAt, size int64) error {
	body := max(0, size-int64(len(trailer(sha256.New()))))
	packed := bufio.NewReaderSize(&stoppable{ctx, io.NewSectionReader(f, 0, body)}, 1<<18)
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return unreadable(ctx, err)
	}
	plain.Multistream(false)
	r.seen, r.files = map[string]bool{}, map[Name]File{}
	in := tar.NewReader(plain)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadable(ctx, err)
		}
		if r.manifest != nil {
			return broken("there is %q after the manifest", h.Name)
		}
		if err := r.entry(ctx, h, in); err != nil {
			return err
		}
	}
	if r.manifest == nil {
		return broken("it has no manifest")
	}
	n, err := io.Copy(io.Discard, io.LimitReader(plain, 1))
	switch {
	case err != nil:
		return unreadable(ctx, err)
	case n > 0:
		return broken("there is something after its end")
	}
	switch _, err := packed.ReadByte(); {
	case err == nil:
		return broken("there is something between its end and its sum")
	case !errors.Is(err, io.EOF):
		return unreadable(ctx, err)
	}
	return nil
}

// unreadable makes an ErrArchive of what gzip or tar say, but not of the end of
// a context.
func unreadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}

// entry takes one thing out.
func (r *reader) entry(ctx context.Context, h *tar.Header, in io.Reader) error {
	if len(r.seen) >= maxThings || len(h.Name) > maxName || len(h.Linkname) > maxName {
		return broken("it holds too many files, or too long a name")
	}
	if h.Size < 0 || h.Size > r.limit-r.bytes {
		return broken("%q goes beyond the bound of %d bytes in all", h.Name, r.limit)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return broken("%q has holes", h.Name) // a few bytes that say they are many
		}
	}
	if h.Name == manifestName && h.Typeflag == tar.TypeReg {
		return r.readManifest(ctx, h, in)
	}
	name, err := r.place(h)
	if err != nil {
		return err
	}
	if r.progress != nil {
		r.progress(Progress{Doing: "reading", Path: name, Files: len(r.files), Bytes: r.bytes})
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return r.to.dir(name, h)
	case tar.TypeSymlink:
		if !staysInside(name, h.Linkname) {
			return broken("the link %q leads to %q, out of the environment", name, h.Linkname)
		}
		r.files[Name(name)] = File{Path: Name(name), Link: Name(h.Linkname)}
		return r.to.link(name, h)
	case tar.TypeReg:
		sum := sha256.New()
		counted := &counter{r: io.TeeReader(in, sum)}
		if err := r.to.file(name, h, counted); err != nil {
			if counted.err != nil {
				return unreadable(ctx, counted.err)
			}
			return err
		}
		r.files[Name(name)] = File{Path: Name(name), Size: counted.n, SHA256: hex.EncodeToString(sum.Sum(nil))}
		r.bytes += counted.n
		return nil
	}
	return broken("%q is of type %q, neither a file nor a directory nor a link", h.Name, h.Typeflag)
}

// place is where a thing belongs, from the top of the environment.
func (r *reader) place(h *tar.Header) (string, error) {
	name, ok := strings.CutPrefix(h.Name, treePrefix)
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
	}
	if name == "" && h.Typeflag == tar.TypeDir {
		name = "."
	}
	if !ok || strings.ContainsRune(name, 0) || !filepath.IsLocal(name) || path.Clean(name) != name {
		return "", broken("%q is no name of a file below %s", h.Name, treePrefix)
	}
	isDir := h.Typeflag == tar.TypeDir
	if _, twice := r.seen[name]; twice {
		return "", broken("%q comes twice", h.Name)
	}
	for up := path.Dir(name); name != "."; up = path.Dir(up) {
		known, there := r.seen[up]
		if there && !known {
			return "", broken("%q is below what is no directory", h.Name)
		}
		if up == "." {
			break
		}
	}
	r.seen[name] = isDir
	return name, nil
}

func (r *reader) readManifest(ctx context.Context, h *tar.Header, in io.Reader) error {
	if h.Size > maxManifest {
		return broken("its manifest is too long")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return unreadable(ctx, err)
	}
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%w: its manifest: %w", ErrArchive, err)
	}
	if m.Format != format {
		return broken("it is of format %d; this program reads %d", m.Format, format)
	}
	if p := string(m.Database.Path); !filepath.IsLocal(p) || path.Clean(p) != p || strings.ContainsAny(p, "?\x00") || p == ":memory:" {
		return broken("its database cannot be at %q", p)
	}
	if file, _, _ := strings.Cut(m.Database.Setting, "?"); path.Clean(strings.TrimPrefix(file, scheme)) != string(m.Database.Path) {
		return broken("its database is said to be at %q and at %q", m.Database.Path, m.Database.Setting)
	}
	r.manifest = m
	return nil
}

// counter counts what is read and remembers what went wrong with it.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
