// Package envs finds, opens, counts, bounds and closes project environments.
//
// An environment is a directory made by Trac's initenv: VERSION, conf/trac.ini
// and a database. A request gets hold of one as *[Env], the only way to a
// project's settings and data; there is no default and no process-wide one.
package envs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"projhost/db"
	"projhost/envs/envlog"
	"projhost/envs/tracini"
	"projhost/internal/stamp"
)

// Env is an open environment, as it was when it was opened: when its settings
// change, it is replaced by another Env. It is safe for concurrent use until
// the release function that came with it is called.
type Env struct {
	loc      Location
	config   *tracini.Config
	db       *db.DB
	version  int
	readOnly ReadOnlyBy
	ownLog   *envlog.Log
	log      *slog.Logger // ownLog's
	dbFile   stamp.Stamp  // the database file, for SQLite

	mu       sync.Mutex
	followed []followed
	trouble  string

	refs    int  // guarded by the entry's mutex
	retired bool // likewise: no longer handed out, to be closed at refs 0
	slots   sync.Map
	used    atomic.Int64 // unix nanoseconds of the last Acquire
}

// Name is the base name of the environment's directory. It is what logs say;
// the project's title is [project] name in its configuration.
func (e *Env) Name() string { return e.loc.Name() }

// Dir is the environment's directory, absolute and without symbolic links.
func (e *Env) Dir() string { return e.loc.Dir() }

// Path returns a path below the environment's directory.
func (e *Env) Path(elem ...string) string {
	return filepath.Join(append([]string{e.loc.Dir()}, elem...)...)
}

// Config is the environment's trac.ini as read when the environment was opened.
func (e *Env) Config() *tracini.Config { return e.config }

// DB is the environment's database.
func (e *Env) DB() *db.DB { return e.db }

// Version is the version of the database's schema, 29 to 45.
func (e *Env) Version() int { return e.version }

// ReadOnly is true for an environment that is only read.
func (e *Env) ReadOnly() bool { return e.readOnly != ReadWrite }

// ReadOnlyBy is why it is only read, [ReadWrite] if it is not.
func (e *Env) ReadOnlyBy() ReadOnlyBy { return e.readOnly }

// Log writes to the host's log, with the environment's name on every line, and to
// the environment's own, see [Options].Logs.
func (e *Env) Log() *slog.Logger { return e.log }

// followed is a file that a module has made something of.
type followed struct {
	file  stamp.File
	again func() stamp.File
}

// Follow has again called when it is seen, at most a second later, that a file is not
// what it was, and before anybody else is handed the environment. Again returns the
// file as it found it. It is for what must not wait for the next opening; requests
// under way see to it themselves that nothing changes for them.
func (e *Env) Follow(f stamp.File, again func() stamp.File) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.followed = append(e.followed, followed{f, again})
}

// Trouble notes what administrators are to know of the environment while it is open,
// see [Status]; "" takes the former note away. Only what keeps all visitors out
// belongs here.
func (e *Env) Trouble(note string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = note
}

func (e *Env) noted() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trouble
}

// catchUp has modules look again at files that have changed. One goroutine at a time
// calls it.
func (e *Env) catchUp() {
	e.mu.Lock()
	list := slices.Clone(e.followed)
	e.mu.Unlock()
	for i, f := range list {
		if !f.file.Stale() {
			continue
		}
		now := f.again()
		e.mu.Lock()
		e.followed[i].file = now
		e.mu.Unlock()
	}
}

// close closes the database, whatever modules keep that can be closed, and at last
// the log.
func (e *Env) close() {
	e.slots.Range(func(_, v any) bool {
		if c, ok := v.(*cell).value.(io.Closer); ok {
			if err := c.Close(); err != nil {
				e.log.Warn("closing a module's value", "error", err)
			}
		}
		return true
	})
	if err := e.db.Close(); err != nil {
		e.log.Warn("closing the database", "error", err)
	}
	e.log.Debug("environment closed")
	e.ownLog.Close()
}

type contextKey struct{}

// NewContext returns ctx carrying e.
func NewContext(ctx context.Context, e *Env) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// ErrNoContext says that a context carries no environment.
var ErrNoContext = errors.New("the context carries no environment")

// FromContext returns the environment that ctx carries, or [ErrNoContext].
// Only dispatch calls it; everything below is handed the *Env.
func FromContext(ctx context.Context) (*Env, error) {
	if e, ok := ctx.Value(contextKey{}).(*Env); ok && e != nil {
		return e, nil
	}
	return nil, ErrNoContext
}

// Slot is a place in every environment for a module's value: a cache, say. The
// value is made when first asked for and dropped with the environment; if it is
// an io.Closer, it is closed then. Modules have no state of their own, so that
// nothing of one project can reach another.
type Slot[T any] struct{ build func(*Env) T }

// NewSlot returns a slot whose values build makes. It is meant for a
// package-level variable, which is never written again.
func NewSlot[T any](build func(*Env) T) *Slot[T] { return &Slot[T]{build} }

// Get returns the value of e, making it if this is the first call; calls that
// come meanwhile wait for it.
func (s *Slot[T]) Get(e *Env) T {
	v, ok := e.slots.Load(s)
	if !ok {
		v, _ = e.slots.LoadOrStore(s, new(cell))
	}
	c := v.(*cell)
	c.once.Do(func() { c.value = s.build(e) })
	return c.value.(T)
}

// cell holds one environment's value of a slot.
type cell struct {
	once  sync.Once
	value any
}
