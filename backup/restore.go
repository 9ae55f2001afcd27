package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/schema"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/internal/disk"
)

// Restore makes an environment out of an archive, in dir, which must be empty or
// not be there. It is built beside dir, checked as by [Verify], and gets its name
// when everything is right. Files get their former owners if root does it. Its
// database is a file of SQLite, whatever it was, unless Options.Database names
// another, which is filled in one transaction.
func Restore(ctx context.Context, file, dir string, o Options) (_ *Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restoring %s: %w", file, err)
		}
	}()
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(list) > 0 {
		return nil, fmt.Errorf("%s %w and is not empty", dir, ErrExists)
	}
	there := err == nil
	if o.Database != "" && !strings.HasPrefix(o.Database, schema.KindPostgres+":") {
		return nil, errors.New("the database that is named is not one of PostgreSQL; a file of SQLite is made without naming one")
	}
	tmp, done, err := newWork(filepath.Dir(dir), filepath.Base(dir))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	report, err := unpack(ctx, file, tmp, o, true)
	if err != nil {
		return nil, err
	}
	if len(report.Differences) > 0 {
		return nil, broken("%s%s", report.Differences[0], andMore(len(report.Differences)-1))
	}
	give := func() error {
		if there {
			if err := os.Remove(dir); err != nil {
				return err
			}
		}
		if err := os.Rename(tmp, dir); err != nil {
			return err
		}
		return disk.Sync(filepath.Dir(dir))
	}
	if o.Database == "" {
		return report, give()
	}
	return report, report.convert(ctx, tmp, dir, o, give)
}

// convert puts the database of what was unpacked in dir, and will be at dest, where
// Options.Database says; give is called when everything is right, and may undo it
// all by failing.
func (r *Report) convert(ctx context.Context, dir, dest string, o Options, give func() error) error {
	m := r.Manifest.Database
	from, err := db.Open(ctx, dir, scheme+string(m.Path), db.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	_, err = convert.Copy(ctx, from, dir, o.Database, convert.Options{
		Counted: m.Counted, Replace: o.ReplaceText, Progress: o.tables(r), For: dest,
		Then: func(copied *convert.Report) error {
			r.leftOf(copied.Left)
			if err := setDatabase(dir, o.Database); err != nil {
				return err
			}
			if err := os.Remove(filepath.Join(dir, filepath.FromSlash(string(m.Path)))); err != nil {
				return err
			}
			return give()
		},
	})
	return errors.Join(err, from.Close())
}

// tables tells of tables as Options.Progress does of files.
func (o *Options) tables(r *Report) func(table string) {
	return func(table string) {
		if o.Progress != nil {
			o.Progress(Progress{Doing: "database", Path: table, Files: r.Files, Bytes: r.Bytes})
		}
	}
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n)
}

// removeAll removes a directory, even if directories in it may not be written.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// Verify tells whether an archive would bring its environment back: it compares
// every sum, unpacks it into a temporary directory, opens what comes out and
// counts the rows of every table. What is wrong with the archive is in
// Report.Differences; the error is for what kept Verify from telling.
func Verify(ctx context.Context, file string, o Options) (_ *Report, err error) {
	tmp, done, err := newWork(cmp.Or(o.TempDir, os.TempDir()), "projhost-verify")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	report, err := unpack(ctx, file, tmp, o, false)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", file, err)
	}
	return report, nil
}

// unpack unpacks an archive into the empty directory dir and compares what comes
// out with its manifest. If strict, it ends at the first thing wrong.
func unpack(ctx context.Context, file, dir string, o Options, strict bool) (*Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, broken("it is no regular file")
	}
	report := &Report{}
	amiss := func(err error) error {
		if strict || !errors.Is(err, ErrArchive) {
			return err
		}
		if err != nil {
			report.Differences = append(report.Differences, Difference{"archive", "as it was written", strings.TrimPrefix(err.Error(), ErrArchive.Error()+": ")})
		}
		return nil
	}
	if err := checkWhole(ctx, f, info.Size()); err != nil {
		if err := amiss(err); err != nil {
			return nil, err
		}
	}
	to, err := newUnpacker(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = to.close() }()
	to.synced = strict
	r := &reader{to: to, limit: o.limit(), progress: o.Progress}
	err = r.read(ctx, f, info.Size())
	report.Manifest, report.Files, report.Bytes = r.manifest, len(r.files), r.bytes
	if err == nil {
		err = to.finish()
	}
	if err != nil {
		return report, amiss(err) // what came out is not all, and not worth looking at
	}
	if o.Progress != nil {
		o.Progress(Progress{Doing: "checking", Files: report.Files, Bytes: report.Bytes})
	}
	report.Differences = append(report.Differences, r.manifest.compareFiles(r.files)...)
	if len(report.Differences) > 0 && strict {
		return report, nil
	}
	return report, report.open(ctx, dir, o.Database != "")
}

// open opens what was unpacked and compares it with the manifest. moves says that
// its database will be another.
func (r *Report) open(ctx context.Context, dir string, moves bool) error {
	m := r.Manifest
	differs := func(what, want string, err error) {
		r.Differences = append(r.Differences, Difference{what, want, err.Error()})
	}
	var sums map[string]convert.Digest
	version, tables, err := readDatabase(ctx, dir, string(m.Database.Path), func(tx *db.Tx) (err error) {
		if m.Database.Sums != nil {
			sums, err = convert.Digests(tx, schema.KindSQLite)
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		differs("database", "whole", err)
		return nil
	}
	if version != m.Database.Version {
		differs("database", fmt.Sprintf("tables of version %d", m.Database.Version), fmt.Errorf("tables of version %d", version))
	}
	r.Differences = append(r.Differences, m.compareTables(tables, sums)...)
	r.leftOf(m.Database.Left)
	if m.Database.Moved {
		if err := setDatabase(dir, m.Database.Setting); err != nil {
			differs("conf/trac.ini", "[trac] database = "+m.Database.Setting, err)
			return nil
		}
		if !moves {
			r.warn("conf/trac.ini has been changed to say [trac] database = %s.", m.Database.Setting)
		}
	}
	for _, name := range m.Missing {
		r.warn("The database knows an attachment whose file was missing already: %s.", name.show())
	}
	for _, x := range m.LeftOut {
		r.warn("Not included: %s: %s.", x.Path.show(), x.Why)
	}
	inherited := ""
	for _, name := range m.Inherits {
		if _, err := os.Stat(string(name)); err != nil {
			inherited = string(name)
			r.warn("conf/trac.ini inherits from %s, which is not here and not included.", name.show())
		}
	}
	config, err := tracini.Load(filepath.Join(dir, "conf", "trac.ini"))
	if err == nil && config.String("trac", "database") != m.Database.Setting { // another's, maybe: not to be opened
		err = fmt.Errorf("conf/trac.ini says [trac] database = %s", config.String("trac", "database"))
	}
	var e *opened
	if err == nil {
		if e, err = openEnvironment(ctx, dir); err == nil {
			defer e.close()
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && inherited != "": // it may be right where that file is
		r.warn("It could not be opened as an environment without it: %v.", err)
	case err != nil:
		differs("environment", "one that opens", err)
	default:
		r.environment(e.Env)
	}
	return nil
}

// environment compares the opened environment with the manifest.
func (r *Report) environment(e *envs.Env) {
	if e.Version() != r.Manifest.Database.Version {
		r.Differences = append(r.Differences, Difference{"environment", fmt.Sprintf("version %d", r.Manifest.Database.Version), fmt.Sprintf("version %d", e.Version())})
	}
	want := e.Path(filepath.FromSlash(string(r.Manifest.Database.Path)))
	if got := e.DB().File(); got != want {
		r.Differences = append(r.Differences, Difference{"environment", "its database is " + want, got})
	}
}
