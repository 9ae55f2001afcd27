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
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"projhost/db"
	"projhost/internal/disk"
)

const (
	treePrefix   = "env/"
	manifestName = "manifest.json"
	// maxWhole is the size up to which a file is read before it is written, in
	// bytes, so that a change meanwhile does no harm.
	maxWhole = 1 << 20
)

// Create copies the environment at dir, which may be in use, into a new file.
// The database is copied first, as it is at one moment, everything else after
// it, so that what the database knows of is there unless it was removed in the
// meantime; the report and the manifest name such attachments. Logs, Trac's
// database copies of former upgrades and what is outside are not included.
//
// The file is made beside its final name, in a directory that begins with a dot,
// with mode 0600; it gets its name when it is complete and on disk. It fails
// with ErrExists if there is such a file, unless Options.Replace is set.
func Create(ctx context.Context, dir, file string, o Options) (_ *Report, err error) {
	e, err := openEnvironment(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if file, err = apart(e.Dir(), file); err != nil {
		return nil, fmt.Errorf("making a backup: %w", err)
	}
	if info, err := os.Lstat(file); err == nil && (!o.Replace || !info.Mode().IsRegular()) {
		return nil, fmt.Errorf("making a backup: %s %w", file, ErrExists)
	}
	tmp, done, err := newWork(filepath.Dir(file), filepath.Base(file))
	if err != nil {
		return nil, fmt.Errorf("making a backup: %w", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	w := &writer{e: e, o: o, tmp: tmp, files: map[Name]bool{}}
	if err := w.write(ctx, filepath.Join(tmp, "archive")); err != nil {
		return nil, fmt.Errorf("making a backup of %s: %w", e.Dir(), err)
	}
	if err := give(filepath.Join(tmp, "archive"), file, o.Replace); err != nil {
		return nil, fmt.Errorf("making a backup: %w", err)
	}
	return &w.report, disk.Sync(filepath.Dir(file))
}

// give renames a file; what is there is not overwritten unless that is wanted.
func give(from, to string, replace bool) error {
	if replace {
		return os.Rename(from, to)
	}
	err := os.Link(from, to)
	switch {
	case err == nil:
		return nil // the other name goes with its directory
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w", to, ErrExists)
	}
	if err := free(to); err != nil { // a file system without links
		return err
	}
	return os.Rename(from, to)
}

// writer writes one archive.
type writer struct {
	e     *opened
	o     Options
	tmp   string
	tar   *tar.Writer
	files map[Name]bool

	manifest Manifest
	report   Report
}

// write writes the archive and everything that belongs to it to disk.
func (w *writer) write(ctx context.Context, file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	whole := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, whole), 1<<18)
	// Fast: most of what is large is compressed already, and others want the CPU.
	packed, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return err
	}
	w.tar = tar.NewWriter(packed)
	if err := w.all(ctx); err != nil {
		return err
	}
	if err := errors.Join(w.tar.Close(), packed.Close(), buffered.Flush()); err != nil {
		return err
	}
	if _, err := f.Write(trailer(whole)); err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// trailer is the end of an archive: a gzip member (RFC 1952) of nothing, whose
// comment tells the sum of all before it.
func trailer(whole hash.Hash) []byte {
	const withComment, unknownSystem = 0x10, 0xff
	b := []byte{0x1f, 0x8b, 8, withComment, 0, 0, 0, 0, 0, unknownSystem}
	b = append(b, "projhost backup, sha256 "+hex.EncodeToString(whole.Sum(nil))+"\x00"...)
	b = append(b, 3, 0)                      // one block, the last, of nothing
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0) // its CRC and its length
}

func (w *writer) all(ctx context.Context) error {
	m := &w.manifest
	w.report.Manifest = m
	m.Format, m.Made, m.Environment = format, time.Now().UTC().Truncate(time.Second), w.e.Name()
	expected, err := w.database(ctx)
	if err != nil {
		return err
	}
	t := &tree{
		top: w.e.Dir(), main: w.e.main, follow: append(followed(), w.e.place.above()...), skip: notInArchive(w.e.place.path),
		visit: func(x thing) error { return w.thing(ctx, x) },
		leave: func(p, why string) { w.leave(p, why) },
	}
	if err := t.walk(ctx); err != nil {
		return err
	}
	for _, name := range expected {
		if !w.files[name] {
			m.Missing = append(m.Missing, name)
			w.report.warn("The database knows an attachment whose file is not there: %s.", name.show())
		}
	}
	for _, f := range w.e.Config().Files()[1:] {
		m.Inherits = append(m.Inherits, Name(f.Path))
		w.report.warn("conf/trac.ini inherits from %s, which is not included.", f.Path)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o600, Size: int64(len(text)), ModTime: m.Made}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err = w.tar.Write(text)
	return err
}

func (w *writer) progress(doing, path string) {
	if w.o.Progress != nil {
		w.o.Progress(Progress{Doing: doing, Path: path, Files: w.report.Files, Bytes: w.report.Bytes})
	}
}

func (w *writer) leave(p, why string) {
	w.manifest.LeftOut = append(w.manifest.LeftOut, Omission{Name(p), why})
	w.report.warn("Not included: %s: %s.", Name(p).show(), why)
}

// database copies the database and adds the copy; it returns the files that the
// copy knows of.
func (w *writer) database(ctx context.Context) (expected []Name, err error) {
	const name = "database"
	w.progress("database", w.e.place.path)
	file := filepath.Join(w.tmp, name)
	copied, err := w.e.copyDatabase(ctx, w.tmp, name)
	if err != nil {
		return nil, err
	}
	p := w.e.place
	m := &w.manifest.Database
	m.Path, m.Setting, m.Moved = Name(p.path), p.setting, p.moved
	if w.e.main == nil {
		m.Kind, m.Sums, m.Counted, m.Left = w.e.DB().Kind(), copied.Tables, copied.Counted, copied.Left
	} else if p.moved {
		w.report.warn("The database is at %s; restored, it will be at %s, and trac.ini will say so.", w.e.DB().File(), p.path)
	}
	w.report.leftOf(copied.Left)
	m.Version, m.Tables, err = readDatabase(ctx, w.tmp, name, func(tx *db.Tx) error {
		if w.e.Version() < firstHashed {
			return nil
		}
		return attachments(tx, func(n Name) { expected = append(expected, n) })
	})
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	h, err := w.header(p.path, info, "")
	if err != nil {
		return nil, err
	}
	if owner, err := w.header(p.path, w.e.like, ""); err == nil { // the copy is of whoever runs this
		h.Uid, h.Gid, h.Uname, h.Gname, h.Mode = owner.Uid, owner.Gid, owner.Uname, owner.Gname, owner.Mode
	}
	return expected, errors.Join(w.regular(ctx, h, p.path, file), os.Remove(file))
}

// header is what tar says of a thing, with the names of its owner and group.
func (w *writer) header(p string, info fs.FileInfo, link string) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return nil, err
	}
	h.Name = treePrefix + p
	if p == "." {
		h.Name = treePrefix
	} else if info.IsDir() {
		h.Name += "/"
	}
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Mode = int64(info.Mode().Perm())
	if info.IsDir() && info.Mode()&fs.ModeSetgid != 0 {
		h.Mode |= setgid
	}
	return h, nil
}

// setgid is the mode of a directory whose files get its group.
const setgid = 0o2000

// thing adds what the walk has found.
func (w *writer) thing(ctx context.Context, x thing) error {
	switch kind := x.info.Mode().Type(); kind {
	case fs.ModeDir:
		h, err := w.header(x.path, x.info, "")
		if err != nil {
			return err
		}
		return w.tar.WriteHeader(h)
	case fs.ModeSymlink:
		t := tree{top: w.e.Dir()}
		target := t.relative(x.path, x.link)
		if !staysInside(x.path, target) {
			w.leave(x.path, "it is a link to "+Name(x.link).show()+", outside the environment")
			return nil
		}
		h, err := w.header(x.path, x.info, target)
		if err != nil {
			return err
		}
		w.add(File{Path: Name(x.path), Link: Name(target)})
		return w.tar.WriteHeader(h)
	}
	h, err := w.header(x.path, x.info, "")
	if err != nil {
		return err
	}
	w.progress("files", x.path)
	return w.regular(ctx, h, x.path, x.file)
}

func (w *writer) add(f File) {
	w.manifest.Files = append(w.manifest.Files, f)
	w.files[f.Path] = true
	w.report.Files++
	w.report.Bytes += f.Size
}

// regular adds a file. One that changes while it is read is added as it was at
// its beginning, and the report says so.
func (w *writer) regular(ctx context.Context, h *tar.Header, p, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return ignoreGone(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var from io.Reader = f
	if info.Size() <= maxWhole {
		text, err := io.ReadAll(io.LimitReader(f, maxWhole+1))
		if err != nil {
			return err
		}
		from, h.Size = bytes.NewReader(text), int64(len(text))
	} else {
		h.Size = info.Size()
	}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), io.LimitReader(&stoppable{ctx, from}, h.Size))
	if err != nil {
		return err
	}
	if short := h.Size - n; short > 0 { // tar has been told another size
		w.report.warn("%s has become shorter while it was read; its end is zeros.", Name(p).show())
		if _, err := io.CopyN(io.MultiWriter(w.tar, sum), zeros{}, short); err != nil {
			return err
		}
	} else if now, err := f.Stat(); err == nil && (now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime())) {
		w.report.warn("%s has changed while it was read.", Name(p).show())
	}
	w.add(File{Path: Name(path.Clean(p)), Size: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// zeros is as many zeros as anybody wants.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// stoppable is a reader that fails when its context ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}
