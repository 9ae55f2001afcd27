// Package export makes static files of a project: what a visitor is shown, under
// the same addresses.
//
// Pages come from the handlers that serve them, by requests to a host that the
// caller makes with [Module] among its modules and with its environments only
// read, so that nothing offers to sign in or to change anything. What is asked
// for is what the modules name ([project.Lister]) and what pages link to. Where
// an answer lies is told by place; [confFile] has nginx find it there.
package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"projhost/internal/disk"
)

// Defaults of [Options].
const (
	DefaultMaxAddresses = 1_000_000
	DefaultMaxBytes     = 256 << 30
)

// ErrLimit is in the chain of an error of [Run] that has met a bound of its options.
var ErrLimit = errors.New("the project is larger than what may be exported")

// ErrNothing is in the chain of an error of [Run] that was not shown a single page.
var ErrNothing = errors.New("this visitor is shown nothing of the project")

// Options are what to export, and how.
type Options struct {
	Host http.Handler // answers for the environment
	Dir  string       // the environment's directory, absolute
	// Base is the address of the project: its path is what links begin with, and
	// links to its host are links within the site. The host may be left out.
	Base *url.URL
	User string // who visits, as the web server names users; "" is nobody
	// History includes former versions.
	History bool
	// Replace lets the directory be a former export, whose place is taken.
	Replace bool

	MaxAddresses int   // asked for; 0 is DefaultMaxAddresses
	MaxBytes     int64 // written; 0 is DefaultMaxBytes
	// Progress, if not nil, is told how many addresses have been asked for, of how
	// many that are known.
	Progress func(done, known int)
}

// Report is what became of an export.
type Report struct {
	Pages     int    `json:"pages"`     // of HTML
	Files     int    `json:"files"`     // of other kinds
	Redirects int    `json:"redirects"` // which are pages that lead on
	Bytes     int64  `json:"bytes"`
	External  int    `json:"external"` // links that lead out of the project
	Broken    []Link `json:"broken"`   // links within it that lead to no file
	// Skipped are addresses that the modules name and the visitor is not shown.
	Skipped []Link `json:"skipped"`
}

// Link is a link that leads nowhere.
type Link struct {
	Page   string `json:"page,omitempty"` // where it stands
	Target string `json:"target"`
	Why    string `json:"why"`
}

// Run writes the project into the directory dest, which must not be there, or be
// empty, or be what Replace says. It makes all or nothing: the site is built
// beside dest and gets its name when it is complete and on the disk.
func Run(ctx context.Context, dest string, o Options) (report *Report, err error) {
	if dest, err = filepath.Abs(dest); err != nil {
		return nil, err
	}
	if o.MaxAddresses <= 0 {
		o.MaxAddresses = DefaultMaxAddresses
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if rel, err := filepath.Rel(o.Dir, dest); err == nil && filepath.IsLocal(rel) {
		return nil, fmt.Errorf("%s is inside the environment, in which nothing may be written", dest)
	}
	if real, err := filepath.EvalSymlinks(dest); err == nil {
		dest = real // what a link leads to is replaced, not the link
	}
	mode, former, err := checkDest(dest, o.Replace)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".export-")
	if err != nil {
		return nil, fmt.Errorf("making an export: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	c := newCrawl(o, tmp)
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	if err := c.writeConf(); err != nil {
		return nil, err
	}
	if err := disk.SyncTree(ctx, tmp); err != nil {
		return nil, fmt.Errorf("making an export: %w", err)
	}
	if err := os.Chmod(tmp, mode); err != nil {
		return nil, err
	}
	return c.finish(), moveTo(dest, tmp, former)
}

// newDirMode is the mode of a directory that was not there.
const newDirMode = 0o755

// checkDest fails if dest is in use; the mode is what it has or should get. former
// tells that it holds an export that may be replaced.
func checkDest(dest string, replace bool) (mode fs.FileMode, former bool, err error) {
	info, err := os.Lstat(dest)
	if errors.Is(err, fs.ErrNotExist) {
		return newDirMode, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	entries, err := os.ReadDir(dest)
	if err != nil {
		return 0, false, fmt.Errorf("%s is there already: %w", dest, err)
	}
	if len(entries) == 0 {
		return info.Mode().Perm(), false, nil
	}
	_, err = os.Lstat(filepath.Join(dest, confFile))
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("%s is there already, and not empty", dest)
	case !replace:
		return 0, false, fmt.Errorf("%s holds a former export: --force takes its place", dest)
	}
	return info.Mode().Perm(), true, nil
}

// moveTo gives tmp the name dest, at which nothing may be but an empty directory
// or, where that is known, a former export, which is out of the way for a moment.
func moveTo(dest, tmp string, former bool) error {
	if !former {
		if err := os.Remove(dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(tmp, dest); err != nil {
			return err
		}
		return disk.Sync(filepath.Dir(dest))
	}
	old := tmp + ".old"
	if err := os.Rename(dest, old); err != nil {
		return err
	}
	if err := os.Rename(tmp, dest); err != nil {
		return errors.Join(err, os.Rename(old, dest))
	}
	// Before the former one goes, the new one must be there for good.
	return errors.Join(disk.Sync(filepath.Dir(dest)), os.RemoveAll(old))
}

// BaseOf reads the address of a project, "https://example.org/trac/lighthouse" or
// a path alone.
func BaseOf(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no address of a project", s)
	case u.Scheme != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == ""), u.Scheme == "" && u.Host != "", u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil,
		u.Host == "" && !strings.HasPrefix(u.Path, "/"), strings.Contains(u.Path, "//") || strings.ContainsRune(u.Path, 0):
		return nil, fmt.Errorf("%q is no address of a project: want https://HOST/PATH or /PATH", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}
