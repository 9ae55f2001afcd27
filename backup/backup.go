// Package backup copies environments while they are used, as a directory
// ([Hotcopy]) or as one file ([Create]), brings them back ([Restore]) and tells
// whether a file would bring them back ([Verify]).
//
// An archive is a gzip-compressed tar file, which tar reads, too: the environment
// below env/, its database first, and last manifest.json, a [Manifest] with size
// and SHA-256 of every file and the number of rows of every table. A second,
// empty gzip member ends it; its comment is the SHA-256 of all bytes before it.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"projhost/db/convert"
	"projhost/envs"
	"projhost/internal/fault"
)

// Options are how to make, read or bring back a backup. The zero value is fine.
type Options struct {
	// Progress, if not nil, is called now and then, by the caller's goroutine.
	Progress func(Progress)
	// Replace lets Create take the place of a file that is there.
	Replace bool
	// NoDatabase leaves the database out of a Hotcopy.
	NoDatabase bool
	// MaxBytes bounds what an archive may hold, in bytes; 0 is 256 GiB.
	MaxBytes int64
	// TempDir is where Verify unpacks; "" is the system's.
	TempDir string
	// Database is the connection string of the database that what is made shall
	// have, for Restore and Hotcopy; it must not be there, or be an empty schema.
	// "" is a file of SQLite in the environment.
	Database string
	// ReplaceText puts U+FFFD in the place of what a database of PostgreSQL does
	// not take: a NUL, and bytes that are not UTF-8.
	ReplaceText bool
}

// maxBytes is what an archive may hold unless Options.MaxBytes says otherwise.
const maxBytes = 256 << 30

func (o *Options) limit() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return maxBytes
}

// Progress is how far the work is.
type Progress struct {
	Doing string // "database", "files", "reading", "checking"
	Path  string // the file at hand, may be ""
	Files int    // files done
	Bytes int64  // bytes of them
}

// Report is what became of it.
type Report struct {
	Manifest *Manifest // nil if there was none to be read
	// Warnings are what the administrator should know: what is not in the backup,
	// or is elsewhere. Whole sentences.
	Warnings []string
	// Differences are what is not as the manifest says; only of Verify.
	Differences []Difference
	Files       int   // how many files there are
	Bytes       int64 // and how many bytes in them
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// leftOf warns of what is not in the copy of a database.
func (r *Report) leftOf(list []string) {
	for _, what := range list {
		r.warn("Not in the copy of the database, or not as it was: %s.", what)
	}
}

// Difference is one thing that is not as it was when the backup was made.
type Difference struct {
	What  string // a file, a table, "archive", "database", "environment"
	Want  string
	Found string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s instead of %s", d.What, d.Found, d.Want)
}

var (
	// ErrExists is in the chain of errors about a place that is taken.
	ErrExists = errors.New("is there already")
	// ErrArchive is in the chain of errors about a file that is no archive of
	// this program's, or none that may be unpacked, or is damaged.
	ErrArchive = errors.New("not an archive of projhost, or damaged")
)

// opened is an environment that is being copied.
type opened struct {
	*envs.Env
	place place       // of its database
	main  os.FileInfo // its database, if that is a file
	like  os.FileInfo // what has the owner and the mode for a copy of the database
	close func()
}

// openEnvironment opens dir; the caller calls close. Errors are for the
// operator.
func openEnvironment(ctx context.Context, dir string) (*opened, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := envs.NewRegistry(envs.Options{AllowRoots: []string{dir}})
	stop := func() { _ = r.Close(context.Background()) } // nothing is in use
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		stop()
		return nil, fmt.Errorf("opening %s: %w", dir, fault.As(err).Err)
	}
	e, release, err := r.Acquire(ctx, loc)
	if err != nil {
		stop()
		if f := fault.As(err); errors.Is(err, envs.ErrBroken) {
			err = errors.New(strings.TrimPrefix(f.Err.Error(), envs.ErrBroken.Error()+": "))
		}
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	o := &opened{Env: e, close: func() { release(); stop() }}
	if file := e.DB().File(); file != "" {
		o.main, err = os.Stat(file)
		o.like = o.main
	} else {
		o.like, err = os.Stat(envs.ConfigFile(dir))
	}
	if err != nil {
		o.close()
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	o.place = o.choosePlace()
	return o, nil
}

// scheme begins Trac's name for an SQLite database.
const scheme = "sqlite:"

// place is where the database is in a copy of the environment.
type place struct {
	path string // from the copy's top, with slashes
	// setting is what [trac] database must say there; moved, that it says
	// something else, by which the copy would use the original's database.
	setting string
	moved   bool
}

// choosePlace keeps a database where it is if it is named by a relative path
// inside the environment, and puts any other into db, under a name that is free.
// The copy of one in a server is a file, too.
func (e *opened) choosePlace() place {
	setting := e.Config().String("trac", "database")
	if local, ok := localFile(setting); ok {
		return place{path: local, setting: setting}
	}
	base, parameters, more := "trac.db", "", false
	if e.main != nil {
		_, parameters, more = strings.Cut(setting, "?")
		base = strings.NewReplacer("?", "_", "%", "_").Replace(filepath.Base(e.DB().File()))
	}
	p := place{path: "db/" + base, moved: true}
	for i := 2; e.taken(p.path); i++ {
		p.path = fmt.Sprintf("db/%d-%s", i, base)
	}
	p.setting = scheme + p.path
	if more {
		p.setting += "?" + parameters
	}
	return p
}

// localFile is the file that a connection string names, if it is one below the
// environment, with slashes.
func localFile(dsn string) (path string, ok bool) {
	file, ok := strings.CutPrefix(dsn, scheme)
	file, _, _ = strings.Cut(file, "?")
	if !ok || !filepath.IsLocal(file) {
		return "", false
	}
	return filepath.ToSlash(filepath.Clean(file)), true
}

// taken says whether there is another file than the database at a path.
func (e *opened) taken(path string) bool {
	info, err := os.Stat(e.Path(path))
	return err == nil && !os.SameFile(info, e.main)
}

// copyDatabase copies the database to a file of SQLite.
func (e *opened) copyDatabase(ctx context.Context, dir, name string) (*convert.Report, error) {
	if e.main != nil {
		return &convert.Report{}, e.DB().CopyTo(ctx, filepath.Join(dir, name))
	}
	return convert.Copy(ctx, e.DB(), dir, scheme+name, convert.Options{})
}

// lend gives a copy of the database to those whose the original is.
func (e *opened) lend(file string) error {
	own(file, e.like)
	return os.Chmod(file, e.like.Mode().Perm())
}

// above returns the directories that the database is in.
func (p place) above() (list []string) {
	for up := path.Dir(p.path); up != "."; up = path.Dir(up) {
		list = append(list, up)
	}
	return list
}

// free fails if there is something at path.
func free(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%s %w", path, ErrExists)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// apart returns where path really is, which must not be inside the environment:
// it would be copied into itself.
func apart(env, path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	if dir == env || strings.HasPrefix(dir, strings.TrimSuffix(env, "/")+"/") {
		return "", fmt.Errorf("%s is inside the environment", path)
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}
