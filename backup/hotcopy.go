package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"projhost/db/convert"
	"projhost/internal/disk"
)

// Hotcopy copies the environment at dir, which may be in use, into the directory
// dest, which must not be there. All of it is copied, logs too, links as they
// are; the database as it is at one moment, unless Options.NoDatabase leaves it
// out. A database that is not named by a path inside the environment, or is in a
// server, is put into db, as a file of SQLite, and the copy's trac.ini says so.
// Options.Database puts it elsewhere, into another kind of database.
//
// What cannot be copied is told in an error that matches [ErrPartial]; the rest
// is there then.
func Hotcopy(ctx context.Context, dir, dest string, o Options) (_ *Report, err error) {
	e, err := openEnvironment(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if dest, err = apart(e.Dir(), dest); err != nil {
		return nil, err
	}
	if err := free(dest); err != nil {
		return nil, err
	}
	tmp, done, err := newWork(filepath.Dir(dest), filepath.Base(dest))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	c := &copier{e: e, o: o, to: tmp}
	give := func() error {
		if err := free(dest); err != nil {
			return err
		}
		if err := os.Rename(tmp, dest); err != nil {
			return err
		}
		return disk.Sync(filepath.Dir(dest))
	}
	if o.Database != "" {
		err = c.convert(ctx, dest, give)
	} else if err = c.copy(ctx); err == nil {
		err = give()
	}
	if err != nil {
		return nil, err
	}
	if len(c.failed) > 0 {
		return &c.report, &partial{c.failed}
	}
	return &c.report, nil
}

// ErrPartial is in the chain of an error about things that are not in a copy.
var ErrPartial = errors.New("not everything was copied")

type partial struct{ failed []error }

func (p *partial) Error() string {
	lines := make([]string, len(p.failed))
	for i, err := range p.failed {
		lines[i] = err.Error()
	}
	return "The following errors happened while copying the environment:\n" + strings.Join(lines, "\n")
}

func (p *partial) Is(target error) bool { return target == ErrPartial } //nolint:errorlint // it is the sentinel
func (p *partial) Unwrap() []error      { return p.failed }

// copier makes one hot copy.
type copier struct {
	e      *opened
	o      Options
	to     string
	dirs   []thing
	failed []error
	report Report
}

// copy copies everything, the database first.
func (c *copier) copy(ctx context.Context) error {
	p := c.e.place
	if c.o.NoDatabase {
		return c.files(ctx, p.path, nil)
	}
	c.progress("database", p.path)
	file := c.place(thing{path: p.path})
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	copied, err := c.e.copyDatabase(ctx, filepath.Dir(file), filepath.Base(file))
	if err != nil {
		return err
	}
	if err := c.e.lend(file); err != nil {
		return err
	}
	if err := c.files(ctx, p.path, p.above()); err != nil || !p.moved {
		return err
	}
	c.report.leftOf(copied.Left)
	c.report.warn("The database was at %s; the copy's is at %s, and its trac.ini says so.", cmp.Or(c.e.DB().File(), c.e.DB().String()), p.path)
	return setDatabase(c.to, p.setting)
}

// convert copies everything that will be at dest, the database into another kind; give is called when
// everything is right.
func (c *copier) convert(ctx context.Context, dest string, give func() error) error {
	path, local := localFile(c.o.Database)
	file := c.place(thing{path: path})
	_, err := convert.Copy(ctx, c.e.DB(), c.to, c.o.Database, convert.Options{
		Replace: c.o.ReplaceText, Progress: c.o.tables(&c.report), For: dest,
		Then: func(copied *convert.Report) error {
			c.report.leftOf(copied.Left)
			if !local {
				path = c.e.place.path
			} else if err := c.e.lend(file); err != nil {
				return err
			}
			if err := c.files(ctx, path, place{path: path}.above()); err != nil {
				return err
			}
			if err := setDatabase(c.to, c.o.Database); err != nil {
				return err
			}
			return give()
		},
	})
	return err
}

// files copies everything but the database, which is at a path in the copy, or
// would be; directories above it are followed.
func (c *copier) files(ctx context.Context, database string, follow []string) error {
	t := &tree{
		top: c.e.Dir(), main: c.e.main, follow: follow, lenient: true, skip: func(p string) bool { return ofDatabase(database, p) },
		visit: func(x thing) error { return c.thing(ctx, x) },
		leave: func(p, why string) { c.failed = append(c.failed, fmt.Errorf("%s: %s", p, why)) },
	}
	if err := t.walk(ctx); err != nil {
		return err
	}
	for i := len(c.dirs) - 1; i >= 0; i-- { // the deepest first
		x := c.dirs[i]
		file := c.place(x)
		own(file, x.info)
		err := errors.Join(disk.Sync(file), os.Chmod(file, x.info.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky)), os.Chtimes(file, time.Time{}, x.info.ModTime()))
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) place(x thing) string { return filepath.Join(c.to, filepath.FromSlash(x.path)) }

func (c *copier) progress(doing, path string) {
	if c.o.Progress != nil {
		c.o.Progress(Progress{Doing: doing, Path: path, Files: c.report.Files, Bytes: c.report.Bytes})
	}
}

// thing copies one thing. That a file cannot be read is noted; that the copy
// cannot be written ends it.
func (c *copier) thing(ctx context.Context, x thing) error {
	to := c.place(x)
	switch x.info.Mode().Type() {
	case fs.ModeDir:
		c.dirs = append(c.dirs, x)
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case fs.ModeSymlink:
		if err := os.Symlink(x.link, to); err != nil {
			return err
		}
		own(to, x.info)
		return nil
	}
	c.progress("files", x.path)
	from, err := os.Open(x.file)
	if err != nil {
		if err := ignoreGone(err); err != nil {
			c.failed = append(c.failed, err)
		}
		return nil
	}
	defer func() { _ = from.Close() }()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, &stoppable{ctx, from})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	own(to, x.info)
	if err := errors.Join(f.Chmod(x.info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	c.report.Files++
	c.report.Bytes += n
	return os.Chtimes(to, time.Time{}, x.info.ModTime())
}
