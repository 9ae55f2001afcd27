package deploy

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pmezard/go-difflib/difflib"
)

// Manifest is the name, below the directory, of the list of what has been
// written there: a SHA-256 and a quoted path in each line. By it a file that
// somebody has edited is told from one that is as it was written.
const Manifest = ".projhost-deploy"

// Outcome is what Write did with a file.
type Outcome string

// The outcomes.
const (
	Unchanged   Outcome = "unchanged"   // it is as it would be written
	Created     Outcome = "created"     // there was none
	Updated     Outcome = "updated"     // nobody had edited it
	Overwritten Outcome = "overwritten" // somebody had, and force was given
	Edited      Outcome = "edited"      // somebody has; it was left alone, see Diff
	Kept        Outcome = "kept"        // it is the administrator's, File.Once
	Left        Outcome = "left"        // it was written once and belongs to no plan now; never deleted
)

// Change is what became of one file.
type Change struct {
	Path string // below the directory
	Outcome
	Diff string // of what is there to what would be written; "" unless Edited
}

// Changed tells whether the file was written.
func (c Change) Changed() bool {
	return c.Outcome == Created || c.Outcome == Updated || c.Outcome == Overwritten
}

// WriteOptions say how to write.
type WriteOptions struct {
	Force  bool // also over what somebody has edited
	DryRun bool // say only what would be done
}

// Write puts files below dir, which it makes if need be, and returns what became
// of each, by path. What has been edited since it was written, or was there
// before, is left alone unless forced. A file is replaced at once or not at all,
// and keeps its mode and owner; no symbolic link is followed out of dir.
func Write(dir string, files []File, o WriteOptions) ([]Change, error) {
	if !o.DryRun {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if o.DryRun && errors.Is(err, fs.ErrNotExist) {
		var all []Change
		for _, f := range files {
			all = append(all, Change{Path: f.Path, Outcome: Created})
		}
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	w := writer{root: root, WriteOptions: o}
	if err := w.readManifest(); err != nil {
		return nil, err
	}
	before := maps.Clone(w.sums)
	var all []Change
	for _, f := range files {
		c, err := w.file(f)
		if err != nil {
			return all, errors.Join(fmt.Errorf("%s: %w", f.Path, err), w.writeManifest(before))
		}
		all = append(all, c)
	}
	all = append(all, w.left(files)...)
	return all, w.writeManifest(before)
}

// writer is one run of Write.
type writer struct {
	WriteOptions
	root *os.Root
	sums map[string]string // by path: what was written, as hex of SHA-256
}

// sum is the SHA-256 of a text in hex.
func sum(s []byte) string {
	h := sha256.Sum256(s)
	return hex.EncodeToString(h[:])
}

// file writes one, or does not.
func (w *writer) file(f File) (Change, error) {
	c := Change{Path: f.Path}
	if !fs.ValidPath(f.Path) || f.Path == Manifest {
		return c, fmt.Errorf("no path below the directory")
	}
	info, err := w.root.Lstat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		c.Outcome = Created
		return c, w.replace(f, nil)
	}
	if err != nil {
		return c, err
	}
	if f.Once {
		c.Outcome = Kept
		return c, nil
	}
	if info.IsDir() {
		return c, fmt.Errorf("a directory is in the way")
	}
	have := []byte(nil)
	if info.Mode().IsRegular() {
		if have, err = w.read(f.Path); err != nil {
			return c, err
		}
		if string(have) == f.Text {
			c.Outcome = Unchanged
			w.sums[f.Path] = sum(have)
			return c, nil
		}
	}
	was, known := w.sums[f.Path]
	switch {
	case known && info.Mode().IsRegular() && was == sum(have):
		c.Outcome = Updated
	case w.Force:
		c.Outcome = Overwritten
	default:
		c.Outcome, c.Diff = Edited, diff(f, string(have), info)
		return c, nil
	}
	return c, w.replace(f, info)
}

// maxRead bounds what is read of a file that stands where one is to be written, in bytes.
const maxRead = 64 << 20

func (w *writer) read(name string) ([]byte, error) {
	in, err := w.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	return io.ReadAll(io.LimitReader(in, maxRead))
}

// replace puts a file in the place of another, info, or of none.
func (w *writer) replace(f File, info fs.FileInfo) error {
	w.sums[f.Path] = sum([]byte(f.Text))
	if w.DryRun {
		return nil
	}
	if dir := path.Dir(f.Path); dir != "." {
		if err := w.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return replace(w.root, f.Path, f.Mode, info, func(out io.Writer) error {
		_, err := io.WriteString(out, f.Text)
		return err
	})
}

// replace writes a new file beside an old one and gives it its name. The mode is
// that of the old one, if it was a regular file, and its owner, if that can be had.
func replace(root *os.Root, name string, mode fs.FileMode, old fs.FileInfo, write func(io.Writer) error) (err error) {
	temp := path.Join(path.Dir(name), "."+path.Base(name)+"."+rand.Text()[:8])
	out, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp)
		}
	}()
	if old != nil && old.Mode().IsRegular() {
		mode = old.Mode().Perm()
		if st, ok := old.Sys().(*syscall.Stat_t); ok {
			_ = out.Chown(int(st.Uid), int(st.Gid)) // only root may
		}
	}
	if err := errors.Join(write(out), out.Chmod(mode), out.Sync(), out.Close()); err != nil {
		return err
	}
	return root.Rename(temp, name)
}

// left are files of earlier plans that are still there.
func (w *writer) left(files []File) []Change {
	var all []Change
	for _, name := range slices.Sorted(maps.Keys(w.sums)) {
		if slices.ContainsFunc(files, func(f File) bool { return f.Path == name }) {
			continue
		}
		if _, err := w.root.Lstat(name); err != nil {
			delete(w.sums, name)
			continue
		}
		all = append(all, Change{Path: name, Outcome: Left})
	}
	return all
}

// maxDiff is the length of a text, in bytes, of which differences are shown.
const maxDiff = 1 << 20

// diff shows what would change. The content of a secret is not shown.
func diff(f File, have string, info fs.FileInfo) string {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Sprintf("%s is a %s, not a file\n", f.Path, info.Mode().Type())
	case f.Secret:
		return f.Path + " differs; it is a secret and not shown\n"
	case strings.ContainsRune(have+f.Text, 0):
		return f.Path + " differs; it is no text\n"
	case len(have) > maxDiff || len(f.Text) > maxDiff:
		return f.Path + " differs; it is too long to show\n"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(have), B: lines(f.Text),
		FromFile: f.Path + " (as it is)", ToFile: f.Path + " (as it would be written)", Context: 3,
	})
	if err != nil {
		return f.Path + " differs\n" // no writer that fails is involved
	}
	return text
}

// lines splits a text after its line breaks. A last line without one is given one, and
// says so.
func lines(s string) []string {
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n\\ No newline at end of file\n"
	}
	return slices.Collect(strings.Lines(s))
}

// readManifest reads the list of what has been written; there may be none yet.
func (w *writer) readManifest() error {
	w.sums = map[string]string{}
	text, err := w.read(Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		digest, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, err := strconv.Unquote(quoted)
		if err != nil || len(digest) != 2*sha256.Size || !fs.ValidPath(name) {
			return fmt.Errorf("%s: line %q is none of its own: remove the file to start anew", Manifest, line)
		}
		w.sums[name] = digest
	}
	return nil
}

// writeManifest writes the list if it is another than before.
func (w *writer) writeManifest(before map[string]string) error {
	if w.DryRun || maps.Equal(before, w.sums) {
		return nil
	}
	return replace(w.root, Manifest, 0o644, nil, func(out io.Writer) error {
		for _, name := range slices.Sorted(maps.Keys(w.sums)) {
			if _, err := fmt.Fprintf(out, "%s %q\n", w.sums[name], name); err != nil {
				return err
			}
		}
		return nil
	})
}

// secretBytes are as many as no one can guess.
const secretBytes = 32

// Secret returns the secret that a plan in dir uses: the one written there, or a
// new one.
func Secret(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, secretFile)) //nolint:gosec // the administrator's own directory
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b := make([]byte, secretBytes)
		_, _ = rand.Read(b) // never fails
		return hex.EncodeToString(b), nil
	case err != nil:
		return "", err
	}
	s := strings.TrimSpace(string(text))
	if !isName(s, "-_") {
		return "", fmt.Errorf("%s holds no secret of letters and digits: remove it to have a new one made", filepath.Join(dir, secretFile))
	}
	return s, nil
}

// secretFile is where AJP's secret is, below Options.Dir.
const secretFile = "secret/ajp"
