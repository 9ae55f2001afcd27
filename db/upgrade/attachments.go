package upgrade

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"projhost/db"
	"projhost/db/schema"
)

func attachmentSteps() []Step {
	return []Step{{To: 28, Does: "Move attachments to files/attachments, under names made by hashing.", run: moveAttachments}}
}

// moveAttachments gives the files their new names as well; the former ones are
// removed once the step is committed, so that one that fails loses nothing.
func moveAttachments(g *stage) error {
	var rows [][3]string
	err := g.tx.Each(func(r db.Row) error {
		rows = append(rows, [3]string{r.Text(0), r.Text(1), r.Text(2)})
		return nil
	}, "SELECT type, id, filename FROM attachment ORDER BY type, id, filename")
	if err != nil {
		return err
	}
	old := filepath.Join(g.env.Dir, "attachments")
	switch real, err := filepath.EvalSymlinks(old); {
	case err == nil:
		old = real // administrators move it to another disk
	case errors.Is(err, fs.ErrNotExist) && len(rows) == 0:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	var done []string // former names
	for _, r := range rows {
		from, err := formerFile(old, r)
		if err != nil {
			return err
		}
		to := filepath.Join(g.env.Dir, "files", "attachments", filepath.FromSlash(schema.AttachmentPath(r[0], r[1], r[2])))
		if !filepath.IsLocal(r[0]) || strings.ContainsAny(r[0], `/\`) {
			return fmt.Errorf("an attachment is of the kind %q", r[0])
		}
		switch there, err := same(from, to); {
		case err != nil:
			return err
		case from == "" && !there:
			g.note("the file of the attachment %s:%s: %s is missing", r[0], r[1], r[2])
			continue
		case from == "":
			continue
		case !there:
			if err := g.place(from, to, old); err != nil {
				return fmt.Errorf("moving the attachment %s:%s: %s: %w", r[0], r[1], r[2], err)
			}
		}
		done = append(done, from)
	}
	g.after = append(g.after, func() error { return g.removeFormer(old, done) })
	return nil
}

// formerFile finds an attachment where Trac kept it before: id and name were
// quoted as in URLs. It is "" if there is none.
func formerFile(old string, r [3]string) (string, error) {
	for _, rel := range []string{
		filepath.Join(r[0], filepath.FromSlash(quote(r[1])), quote(r[2])),
		filepath.Join(r[0], filepath.FromSlash(r[1]), r[2]),
	} {
		if !filepath.IsLocal(rel) {
			continue // "../" in the name of a page leads nowhere
		}
		info, err := os.Lstat(filepath.Join(old, rel))
		if err == nil && info.Mode().IsRegular() {
			return filepath.Join(old, rel), nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// quote is what Python 2's urllib.quote makes of a text.
func quote(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/"
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// same says whether to is there; it must be from then, as an earlier attempt
// has left it.
func same(from, to string) (there bool, err error) {
	info, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || from == "" {
		return err == nil, err
	}
	if was, err := os.Lstat(from); err != nil || os.SameFile(info, was) {
		return err == nil, err
	}
	a, err := os.ReadFile(from)
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(to)
	if err == nil && !bytes.Equal(a, b) {
		err = fmt.Errorf("%s and %s are different files for one attachment", from, to)
	}
	return err == nil, err
}

// place gives from the name to as well, or makes a copy where that cannot be.
// New directories are like the one attachments were in.
func (g *stage) place(from, to, old string) error {
	var missing []string
	for dir := filepath.Dir(to); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(like(f, old), f.Close()); err != nil {
			return err
		}
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, like(out, from), out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// removeFormer removes the former names and what directories they leave empty.
func (g *stage) removeFormer(old string, files []string) error {
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	var dirs []string
	left := 0
	err := filepath.WalkDir(old, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		default:
			left++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if left > 0 {
		g.note("%d files in %s belong to no attachment and stay there", left, old)
	}
	for _, dir := range slices.Backward(dirs) {
		_ = os.Remove(dir) // unless something is in it
	}
	return nil
}
