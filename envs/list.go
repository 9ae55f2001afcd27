package envs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"projhost/db/schema"
	"projhost/envs/tracini"
	"projhost/internal/fault"
	"projhost/internal/stamp"
)

// State is how an environment is doing.
type State string

const (
	Closed   State = "closed"    // in order as far as is known, not open now
	Open     State = "open"      // open, for reading and writing
	ReadOnly State = "read-only" // open, for reading only: see [Info.ReadOnlyBy]
	Broken   State = "broken"    // cannot be opened
)

// Info is what is known of an environment without opening it.
type Info struct {
	Name        string // directory entry, as it stands in URLs
	Dir         string // canonical path
	Title       string // [project] name, or Name if the settings cannot be read
	Description string // [project] descr
	Database    string // kind: sqlite, postgres, mysql
	Pool        string // which file it is, or which connections it has; no password
	State       State
	Version     int        // of the tables; 0 if it has not been opened yet
	OldTables   bool       // they are of an older Trac: it needs an upgrade
	Reason      string     // why it is Broken, for operators only
	ReadOnlyBy  ReadOnlyBy // why it is ReadOnly, or will be when it is opened
}

// rescanAfter is how long a listing is believed without a look at the disk.
const rescanAfter = 2 * time.Second

// rescanPatience is how long a visitor waits for a rescan before the former
// listing is shown instead.
const rescanPatience = 10 * time.Millisecond

// List ranges over the environments of a parent directory, sorted by title
// without regard to case. It opens none: titles come from a scan that is
// remembered and repeated in the background. Only the first call for a parent
// waits for the scan, as long as ctx allows.
func (r *Registry) List(ctx context.Context, parent string) (iter.Seq[Info], error) {
	real, err := r.finder.parent(parent)
	if err != nil {
		return nil, err
	}
	return r.list(ctx, real, nil)
}

// ListNamed is List for environments that are anywhere: dirs has the directory
// of each by the name it stands under in URLs. The map is not changed any more.
func (r *Registry) ListNamed(ctx context.Context, dirs map[string]string) (iter.Seq[Info], error) {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		key.WriteString("\x00" + name + "\x00" + dirs[name]) // no path has a NUL
	}
	return r.list(ctx, key.String(), dirs)
}

func (r *Registry) list(ctx context.Context, key string, dirs map[string]string) (iter.Seq[Info], error) {
	infos, err := r.listing(key, dirs).get(ctx, r)
	if err != nil {
		return nil, err
	}
	return func(yield func(Info) bool) {
		for i := range infos {
			if !yield(r.withState(infos[i].verified())) {
				return
			}
		}
	}, nil
}

// withState adds what is known of an environment that has been asked for.
func (r *Registry) withState(i Info) Info {
	if e := r.known(i.Dir); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.tell(&i)
	}
	return i
}

// tell adds what is known here to what a listing knows; the caller holds the
// lock. What was opened since the listing tried to is no longer Broken.
func (e *entry) tell(i *Info) {
	switch {
	case e.env != nil:
		i.State, i.Version, i.Reason, i.ReadOnlyBy = Open, e.env.version, "", e.env.readOnly
		if e.env.ReadOnly() {
			i.State = ReadOnly
		}
	case e.broken != nil:
		i.State, i.Reason, i.OldTables = Broken, e.broken.err.Error(), errors.Is(e.broken.err, errOldTables)
	case e.version > 0:
		i.State, i.Version, i.Reason = Closed, e.version, ""
	}
	if i.Version > 0 {
		i.OldTables = i.Version < schema.Version
	}
}

func (r *Registry) listing(key string, dirs map[string]string) *listing {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lists[key]
	if l == nil {
		l = &listing{parent: key, dirs: dirs}
		r.lists[key] = l
	}
	return l
}

// listing is the remembered scan of one parent directory, or of the directories
// that were named.
type listing struct {
	parent string
	dirs   map[string]string // by name; nil for a parent's

	mu      sync.Mutex
	scanned []scanned // never written again once it is here
	at      time.Time
	err     error
	running chan struct{} // closed when the running scan ends; nil if none runs

	verifying atomic.Bool
}

// scanned is an environment and the files its Info was read from.
type scanned struct {
	Info
	files   []stamp.File
	verdict *atomic.Pointer[verdict] // shared by all scans that find the files unchanged
}

// verdict is the outcome of opening an environment once, to see whether it can
// be: a file that is no database looks like any other from outside.
type verdict struct {
	version   int
	reason    string // why it cannot be opened; "" if it can
	oldTables bool
	at        time.Time
}

// verified is the scan's info, with what opening it has shown.
func (s *scanned) verified() Info {
	i := s.Info
	if v := s.verdict.Load(); v != nil && i.State != Broken {
		i.Version, i.OldTables = v.version, v.oldTables
		if v.reason != "" {
			i.State, i.Reason = Broken, v.reason
		}
	}
	return i
}

// verifyAgainAfter is how long a bad verdict stands.
const verifyAgainAfter = time.Minute

// verifyShare bounds what verifying takes of a core: one part in so many.
const verifyShare = 20

// verify opens the environments of a listing that nobody has asked for yet, one
// at a time and at leisure, and closes each at once.
func (l *listing) verify(r *Registry) {
	defer l.verifying.Store(false)
	l.mu.Lock()
	list := l.scanned
	l.mu.Unlock()
	for i := range list {
		s := &list[i]
		v := s.verdict.Load()
		if s.State == Broken || r.known(s.Dir) != nil || v != nil && (v.reason == "" || time.Since(v.at) < verifyAgainAfter) {
			continue
		}
		began := time.Now()
		s.verdict.Store(r.try(Location{s.Dir}))
		if r.rest(verifyShare * time.Since(began)); r.stopped.Err() != nil {
			return
		}
	}
}

// try opens and closes an environment.
func (r *Registry) try(l Location) *verdict {
	ctx, cancel := context.WithTimeout(r.stopped, r.options.OpenTimeout)
	defer cancel()
	e, err := r.open(ctx, l)
	if err != nil {
		if r.stopped.Err() == nil {
			r.options.Log.Warn("environment cannot be opened", "env", l.Name(), "dir", l.dir, "error", err)
		}
		return &verdict{reason: err.Error(), oldTables: errors.Is(err, errOldTables), at: time.Now()}
	}
	e.close()
	return &verdict{version: e.version, oldTables: e.version < schema.Version, at: time.Now()}
}

// get returns the listing, scanned anew if it is old.
func (l *listing) get(ctx context.Context, r *Registry) ([]scanned, error) {
	l.mu.Lock()
	old, err, at := l.scanned, l.err, l.at
	if !at.IsZero() && time.Since(at) < rescanAfter {
		l.mu.Unlock()
		return old, err
	}
	if l.running == nil {
		l.running = make(chan struct{})
		go l.scan(r)
	}
	running := l.running
	l.mu.Unlock()
	var patience <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(rescanPatience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-running:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.scanned, l.err
	case <-patience:
		return old, err
	case <-ctx.Done():
		return nil, fmt.Errorf("listing environments: %w", ctx.Err())
	}
}

// scan reads the directory anew, then has what is new in it verified.
func (l *listing) scan(r *Registry) {
	l.mu.Lock()
	before := make(map[string]*scanned, len(l.scanned))
	for i := range l.scanned {
		before[l.scanned[i].Name] = &l.scanned[i]
	}
	l.mu.Unlock()
	var found []scanned
	var err error
	if l.dirs != nil {
		found = r.scanNamed(l.dirs, before)
	} else {
		found, err = r.scanParent(l.parent, before)
	}
	if err != nil {
		r.options.Log.Error("listing environments", "parent", l.parent, "error", err)
	}
	l.mu.Lock()
	l.scanned, l.err, l.at = found, err, time.Now()
	close(l.running)
	l.running = nil
	l.mu.Unlock()
	if l.verifying.CompareAndSwap(false, true) {
		l.verify(r)
	}
}

// scanParent reads a parent directory; of environments whose files are as they
// were before, nothing is read again.
func (r *Registry) scanParent(parent string, before map[string]*scanned) ([]scanned, error) {
	ignored, err := readIgnore(parent)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "", err)
	}
	dir, err := os.Open(parent)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "", err)
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, fault.Wrap(fault.Internal, "", err)
	}
	found := make([]scanned, 0, max(len(before), 8))
	for _, name := range names {
		if CheckName(name) != nil || ignored.match(name) {
			continue
		}
		found = r.scanAnew(found, name, filepath.Join(parent, name), before)
	}
	return inOrder(found), nil
}

// scanNamed looks at directories that were named, wherever they are.
func (r *Registry) scanNamed(dirs map[string]string, before map[string]*scanned) []scanned {
	found := make([]scanned, 0, len(dirs))
	for name, dir := range dirs {
		found = r.scanAnew(found, name, dir, before)
	}
	return inOrder(found)
}

// scanAnew appends one environment, read again if its files have changed.
func (r *Registry) scanAnew(found []scanned, name, path string, before map[string]*scanned) []scanned {
	if old := before[name]; old != nil && old.unchanged() {
		return append(found, *old)
	}
	if s, ok := r.scanOne(name, path); ok {
		return append(found, s)
	}
	return found
}

func inOrder(found []scanned) []scanned {
	slices.SortFunc(found, func(a, b scanned) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Name, b.Name))
	})
	return slices.Clip(found)
}

func (s *scanned) unchanged() bool { return !slices.ContainsFunc(s.files, stamp.File.Stale) }

// scanOne reads what a listing shows of one environment; ok is false if there
// is none at path.
func (r *Registry) scanOne(name, path string) (s scanned, ok bool) {
	dir, err := canonical(path)
	if err != nil || !looksLikeEnvironment(dir) {
		return s, false
	}
	s = *unread(Location{dir})
	s.Name, s.Title = name, name
	// Stamps are taken before the files are read, so that no edit is missed.
	// VERSION is watched as the path names it: a link may be turned elsewhere.
	s.files = []stamp.File{stamp.Look(filepath.Join(path, versionFile)), stamp.Look(filepath.Join(dir, configFile))}
	config, err := tracini.Load(filepath.Join(dir, configFile))
	if err == nil {
		s.files = append(s.files[:1], config.Files()...)
		r.describe(&s.Info, config)
		err = checkVersionFile(dir)
	}
	if err != nil {
		s.State, s.Reason = Broken, err.Error()
	}
	return s, true
}

// unread is what is known of an environment of which nothing was read.
func unread(l Location) *scanned {
	return &scanned{Info: Info{Name: l.Name(), Dir: l.dir, Title: l.Name(), State: Closed}, verdict: new(atomic.Pointer[verdict])}
}

// describe reads what settings say of an environment. It keeps nothing of them.
func (r *Registry) describe(i *Info, config *tracini.Config) {
	if title := strings.TrimSpace(config.String("project", "name")); title != "" {
		i.Title = strings.Clone(title)
	}
	i.Description = strings.Clone(config.String("project", "descr"))
	dsn := config.String("trac", "database")
	kind, _, _ := strings.Cut(dsn, ":")
	i.Database = strings.Clone(kind)
	i.Pool = strings.Clone(r.budget.Describe(i.Dir, dsn, !poolable(config)))
	i.ReadOnlyBy = r.declared(config)
}

// Inspect opens an environment of List's to tell how it is really doing.
func (r *Registry) Inspect(ctx context.Context, parent string, i Info) Info {
	if i.State == Broken {
		return i
	}
	loc, err := r.Locate(Lookup{Parent: parent, Name: i.Name})
	if err == nil {
		var release func()
		if _, release, err = r.Acquire(ctx, loc); err == nil {
			defer release()
			return r.withState(i)
		}
	}
	if i = r.withState(i); i.State != Broken {
		i.State, i.Reason = Broken, fault.As(err).Err.Error()
	}
	return i
}
