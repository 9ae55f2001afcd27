package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// thing is a file, a directory or a link of an environment.
type thing struct {
	path string // from the top, with slashes; "." is the top
	file string // where it is
	info fs.FileInfo
	link string // where it leads, if it is a link
}

// tree walks through an environment's directory.
type tree struct {
	top  string
	main os.FileInfo // the database's file, which nobody may open
	// follow are links that are taken for what they lead to.
	follow []string
	// skip tells what is left out without a word.
	skip  func(path string) bool
	visit func(thing) error
	// leave is told what cannot be copied.
	leave func(path, why string)
	// lenient leaves directories that may not be read, too.
	lenient bool
}

// followed are parts of an environment that are often on another disk.
func followed() []string {
	return []string{"conf", "conf/trac.ini", "db", "files", "files/attachments", "htdocs", "plugins", "templates"}
}

// oldBackup are Trac's copies of a database before an upgrade.
var oldBackup = regexp.MustCompile(`^(?:sqlite|postgres|mysql)\.[0-9]+\.[0-9]+\.bak(?:\.gz)?$`)

// notInArchive is what an archive does without: logs, what is made anew, the
// database, which is copied otherwise, and former backups.
func notInArchive(database string) func(string) bool {
	return func(p string) bool {
		dir, name := path.Split(p)
		return dir == "log/" || p == ".egg-cache" || oldBackup.MatchString(name) || ofDatabase(database, p)
	}
}

// ofDatabase is true for the database's file and what SQLite keeps beside it.
func ofDatabase(database, p string) bool {
	rest, ok := strings.CutPrefix(p, database)
	return ok && slices.Contains([]string{"", "-journal", "-wal", "-shm", "-stmtjrnl"}, rest)
}

func (t *tree) walk(ctx context.Context) error {
	info, err := os.Stat(t.top)
	if err != nil {
		return err
	}
	return t.one(ctx, thing{path: ".", file: t.top, info: info})
}

// one visits a thing, and all that is below it.
func (t *tree) one(ctx context.Context, x thing) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if x.info.Mode()&fs.ModeSymlink != 0 && slices.Contains(t.follow, x.path) {
		info, err := os.Stat(x.file)
		if err != nil {
			t.leave(x.path, "it is a link that leads nowhere")
			return nil
		}
		x.info = info
	}
	switch kind := x.info.Mode().Type(); {
	case kind == 0 && os.SameFile(x.info, t.main):
		return nil // the database by another name
	case kind == 0:
		return t.visit(x)
	case kind == fs.ModeSymlink:
		if x.link, err = os.Readlink(x.file); err != nil {
			return ignoreGone(err)
		}
		return t.visit(x)
	case kind == fs.ModeDir:
		return t.dir(ctx, x)
	}
	t.leave(x.path, "it is neither a file nor a directory nor a link")
	return nil
}

func (t *tree) dir(ctx context.Context, x thing) error {
	list, err := os.ReadDir(x.file)
	if t.lenient && errors.Is(err, fs.ErrPermission) {
		t.leave(x.path, "it may not be read")
		return nil
	}
	if err != nil {
		return ignoreGone(err)
	}
	if err := t.visit(x); err != nil {
		return err
	}
	for _, e := range list {
		below := thing{path: path.Join(x.path, e.Name()), file: filepath.Join(x.file, e.Name())}
		if t.skip(below.path) {
			continue
		}
		if below.info, err = os.Lstat(below.file); err != nil {
			if err := ignoreGone(err); err != nil {
				return err
			}
			continue
		}
		if err := t.one(ctx, below); err != nil {
			return err
		}
	}
	return nil
}

// ignoreGone forgives what was removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// staysInside is true for a link that leads to something in the same tree,
// whatever other such links there are on its way: it is spelled in the one
// clean way, with ".." at its beginning only.
func staysInside(at, target string) bool {
	return target != "" && !path.IsAbs(target) && path.Clean(target) == target &&
		!strings.ContainsRune(target, 0) && filepath.IsLocal(path.Join(path.Dir(at), target))
}

// relative spells a link's target so that it stays inside if it does so at all.
func (t *tree) relative(at, target string) string {
	if !path.IsAbs(target) {
		return path.Clean(target)
	}
	below, err := filepath.Rel(t.top, target)
	if err != nil || !filepath.IsLocal(below) {
		return target
	}
	rel, err := filepath.Rel(path.Dir(at), below)
	if err != nil {
		return target
	}
	return filepath.ToSlash(rel)
}
