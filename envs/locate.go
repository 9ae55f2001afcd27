package envs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"projhost/internal/fault"
)

// Lookup is what a request said of the environment it wants: either Dir, or
// Parent and Name. A relative path is taken
// from the directory the program was started in.
type Lookup struct {
	Dir    string // the environment itself (TRAC_ENV)
	Parent string // a directory of environments (TRAC_ENV_PARENT_DIR)
	Name   string // which of them, as the URL said, decoded
}

// Location is an environment's directory that was found, is inside an allowed
// root and is spelled in its one canonical way. Only [Registry.Locate] makes
// one; the zero value is no location.
type Location struct{ dir string }

// Dir is the canonical path: absolute, without symbolic links.
func (l Location) Dir() string { return l.dir }

// Name is the base name of the canonical path.
func (l Location) Name() string { return filepath.Base(l.dir) }

// Errors by which the operator's log says why a look-up was refused. A visitor
// is told of none of them apart.
var (
	ErrNoEnvironment = errors.New("neither an environment nor a parent directory was named")
	ErrTwoNamed      = errors.New("both an environment and a parent directory were named")
	ErrOutsideRoots  = errors.New("the directory is outside the allowed roots; start with --allow-root to allow it")
	ErrNotFound      = errors.New("there is no such environment")
)

// Locate finds the environment that l means. It opens nothing. Answers are
// remembered for [Options.Recheck], so that a busy project costs no system
// call and an unknown name one map access.
//
// Errors are *[fault.Error]: NotFound for names that are malformed, hidden,
// ignored or not there, Internal for what only the web server's configuration
// can have caused.
func (r *Registry) Locate(l Lookup) (Location, error) {
	switch {
	case l.Dir != "" && l.Parent != "":
		return Location{}, fault.Wrap(fault.Internal, "", ErrTwoNamed)
	case l.Dir == "" && l.Parent == "":
		return Location{}, fault.Wrap(fault.Internal, "", ErrNoEnvironment)
	case l.Parent != "":
		if err := CheckName(l.Name); err != nil {
			return Location{}, notFound(err)
		}
	}
	return r.finder.find(l)
}

func notFound(err error) error {
	return fault.Wrap(fault.NotFound, "Environment not found", err)
}

// finder answers look-ups from memory for a while.
type finder struct {
	roots   rootSet
	recheck time.Duration
	misses  int // bound of the negative cache

	mu   sync.RWMutex
	hit  map[Lookup]found
	miss map[Lookup]found
}

// found is an answer and when it was last checked.
type found struct {
	loc Location
	err error
	at  time.Time
}

func newFinder(o Options) *finder {
	return &finder{
		roots:   rootSet{given: o.AllowRoots},
		recheck: o.Recheck,
		misses:  o.MaxMisses,
		hit:     make(map[Lookup]found),
		miss:    make(map[Lookup]found),
	}
}

func (f *finder) find(l Lookup) (Location, error) {
	now := time.Now()
	f.mu.RLock()
	a, ok := f.hit[l]
	if !ok {
		a, ok = f.miss[l]
	}
	f.mu.RUnlock()
	if ok && now.Sub(a.at) < f.recheck {
		return a.loc, a.err
	}
	loc, err := f.look(l)
	f.remember(l, found{loc, err, now})
	return loc, err
}

// remember keeps an answer. Names that exist are as many as there are
// directory entries; names that do not are bounded, and forgotten all at once
// when there are too many.
func (f *finder) remember(l Lookup, a found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.err == nil {
		delete(f.miss, l)
		f.hit[l] = a
		return
	}
	delete(f.hit, l)
	if len(f.miss) >= f.misses {
		clear(f.miss)
	}
	f.miss[Lookup{strings.Clone(l.Dir), strings.Clone(l.Parent), strings.Clone(l.Name)}] = a
}

// look goes to the file system.
func (f *finder) look(l Lookup) (Location, error) {
	dir := l.Dir
	if dir == "" {
		parent, err := f.parent(l.Parent)
		if err != nil {
			return Location{}, err
		}
		ignored, err := readIgnore(parent)
		if err != nil {
			return Location{}, fault.Wrap(fault.Internal, "", err)
		}
		if ignored.match(l.Name) {
			return Location{}, notFound(fmt.Errorf("project name %q is named by %s", l.Name, ignoreFile))
		}
		dir = filepath.Join(parent, l.Name)
	}
	real, err := canonical(dir)
	if err != nil {
		return Location{}, notFound(fmt.Errorf("%w: %w", ErrNotFound, err))
	}
	if !f.roots.allow(real, f.recheck) {
		return Location{}, f.outside(l, real)
	}
	if !looksLikeEnvironment(real) {
		return Location{}, notFound(fmt.Errorf("%w: %s has neither VERSION nor conf/trac.ini", ErrNotFound, real))
	}
	return Location{real}, nil
}

// parent returns the canonical form of a parent directory that may be used.
func (f *finder) parent(dir string) (string, error) {
	real, err := canonical(dir)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "", fmt.Errorf("parent directory: %w", err))
	}
	if !f.roots.allow(real, f.recheck) {
		return "", fault.Wrap(fault.Internal, "", fmt.Errorf("parent directory %s: %w", real, ErrOutsideRoots))
	}
	return real, nil
}

// outside is a missing project to the visitor who guessed a name, and the web
// server's fault where it named the directory.
func (f *finder) outside(l Lookup, real string) error {
	err := fmt.Errorf("%s: %w", real, ErrOutsideRoots)
	if l.Dir != "" {
		return fault.Wrap(fault.Internal, "", err)
	}
	return notFound(err)
}

// canonical returns the one spelling of an existing directory: absolute, clean,
// without symbolic links.
func canonical(dir string) (string, error) {
	if strings.ContainsRune(dir, 0) {
		return "", errors.New("the path holds a NUL")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("%s is not a directory", real)
	}
	return real, nil
}

// looksLikeEnvironment is true for a directory that somebody meant to be one,
// be it in order or not.
func looksLikeEnvironment(dir string) bool {
	return exists(filepath.Join(dir, versionFile)) || exists(filepath.Join(dir, configFile))
}

// exists is true for what is there, and for what may be there but cannot be
// looked at.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid)
}

// rootSet are the directories below which requests may name environments.
type rootSet struct {
	given []string

	mu   sync.Mutex
	real []string
	at   time.Time
}

// allow tells whether a canonical path is one of the roots or below one. The
// roots themselves are resolved again now and then, since a link that is a
// root may be turned to another place.
func (s *rootSet) allow(dir string, recheck time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.real == nil || now.Sub(s.at) >= recheck {
		s.real, s.at = make([]string, 0, len(s.given)), now
		for _, g := range s.given {
			if real, err := canonical(g); err == nil {
				s.real = append(s.real, real)
			}
		}
	}
	for _, root := range s.real {
		if within(root, dir) {
			return true
		}
	}
	return false
}

// within is true if dir is root or below it; both are clean and absolute.
func within(root, dir string) bool {
	if root == dir || root == string(filepath.Separator) {
		return true
	}
	return strings.HasPrefix(dir, root) && dir[len(root)] == filepath.Separator
}
