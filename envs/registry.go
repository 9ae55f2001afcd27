package envs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"projhost/db"
	"projhost/envs/envlog"
	"projhost/internal/fault"
)

// Defaults of [Options].
const (
	DefaultMaxOpen       = 256
	DefaultMaxConcurrent = 32
	DefaultMaxQueue      = 128
	DefaultQueueWait     = 5 * time.Second
	DefaultOpenTimeout   = 15 * time.Second
	DefaultIdleClose     = 10 * time.Minute
	DefaultRecheck       = time.Second
	DefaultMaxMisses     = 4096
	firstBackoff         = time.Second
	lastBackoff          = time.Minute
)

// Options bound a [Registry]. The zero value of a field is its default.
type Options struct {
	AllowRoots    []string      // requests may name environments at and below these; none allows nothing
	MaxOpen       int           // environments open at once
	MaxConcurrent int           // requests at once in one environment
	MaxQueue      int           // requests waiting for one environment
	QueueWait     time.Duration // how long one waits, for its turn and for an open slot
	OpenTimeout   time.Duration // how long opening may take
	IdleClose     time.Duration // an environment unused for so long is closed
	Recheck       time.Duration // how long what the file system said is believed
	MaxMisses     int           // unknown names remembered
	Connections   int           // connections to database servers, of all environments together
	ReadOnly      bool          // every environment is only read
	Admin         bool          // for commands of an administrator: ReadOnly and [trac] readonly, which are about visitors, do not count
	Pooler        bool          // they are reached by way of a pooler in transaction mode
	Listen        bool          // to what other processes tell of projects on database servers
	Logs          *envlog.Logs  // environments' own logs; nil: they have none
	Log           *slog.Logger  // nil discards
}

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxOpen, DefaultMaxOpen)
	def(&o.MaxConcurrent, DefaultMaxConcurrent)
	def(&o.MaxQueue, DefaultMaxQueue)
	def(&o.MaxMisses, DefaultMaxMisses)
	defTime(&o.QueueWait, DefaultQueueWait)
	defTime(&o.OpenTimeout, DefaultOpenTimeout)
	defTime(&o.IdleClose, DefaultIdleClose)
	defTime(&o.Recheck, DefaultRecheck)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Registry holds the environments of a host. Nothing it locks for all of them
// is held while a file or a database is waited for.
type Registry struct {
	options Options
	finder  *finder
	slots   *openSlots
	budget  *db.Budget

	mu      sync.RWMutex
	entries map[string]*entry // by canonical directory
	lists   map[string]*listing

	sizes sizes

	stop    context.CancelFunc
	stopped context.Context
	work    sync.WaitGroup
}

// NewRegistry returns a registry without open environments. Close ends it.
func NewRegistry(o Options) *Registry {
	o = o.withDefaults()
	r := &Registry{
		options: o,
		finder:  newFinder(o),
		slots:   newOpenSlots(o.MaxOpen),
		budget:  db.NewBudget(db.BudgetOptions{Connections: o.Connections, Wait: o.QueueWait, Pooler: o.Pooler, Listen: o.Listen, Log: o.Log}),
		entries: make(map[string]*entry),
		lists:   make(map[string]*listing),
		sizes:   sizes{byDir: make(map[string]Size), tried: make(map[string]time.Time)},
	}
	r.stopped, r.stop = context.WithCancel(context.Background())
	r.work.Go(r.closeIdle)
	return r
}

// Close closes every environment, after the requests in it have ended or ctx
// has; environments still in use then close when they are released.
func (r *Registry) Close(ctx context.Context) error {
	r.stop()
	r.work.Wait()
	defer r.budget.Close() // a connection in use closes when it is given back
	for {
		for _, e := range r.all() {
			e.retire(r)
		}
		// Those being opened count as open: what opens too late to be told to stop
		// is found here.
		busy := r.slots.count()
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("closing environments: %d still in use: %w", busy, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Connections tells how much is used of the budget of connections to database
// servers, and how each server is doing.
func (r *Registry) Connections() db.BudgetState { return r.budget.State() }

// Acquire returns the environment at l, open and up to date, and what to call
// when done with it. One that is closed is opened once for all who ask.
//
// Errors are *[fault.Error]: Busy for an environment that is out of order, has
// too many requests, or could not be opened in time.
func (r *Registry) Acquire(ctx context.Context, l Location) (*Env, func(), error) {
	if l.dir == "" {
		return nil, nil, fault.Wrap(fault.Internal, "", errors.New("acquiring an environment without a location"))
	}
	e := r.entry(l)
	if err := e.gate.enter(ctx, r.options); err != nil {
		return nil, nil, err
	}
	env, err := e.current(ctx, r)
	if err != nil {
		e.gate.leave()
		return nil, nil, err
	}
	var once atomic.Bool
	return env, func() {
		if once.CompareAndSwap(false, true) {
			e.release(env, r)
			e.gate.leave()
		}
	}, nil
}

func (r *Registry) entry(l Location) *entry {
	r.mu.RLock()
	e := r.entries[l.dir]
	r.mu.RUnlock()
	if e != nil {
		return e
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e = r.entries[l.dir]; e == nil {
		e = &entry{loc: l, gate: gate{slots: make(chan struct{}, r.options.MaxConcurrent)}}
		r.entries[l.dir] = e
	}
	return e
}

// known returns the entry of a directory that has been asked for, or nil.
func (r *Registry) known(dir string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries[dir]
}

func (r *Registry) all() []*entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.entries))
}

// closeIdle closes what nobody uses, and forgets directories that are gone.
func (r *Registry) closeIdle() {
	every := max(r.options.IdleClose/4, 10*time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-r.stopped.Done():
			return
		case now := <-tick.C:
			for _, e := range r.all() {
				e.closeIfIdle(r, now.Add(-r.options.IdleClose))
			}
			r.forgetGone()
		}
	}
}

// forgetGone drops the entries of environments that have been removed.
func (r *Registry) forgetGone() {
	for _, e := range r.all() {
		if !e.isClosed() || exists(filepath.Join(e.loc.dir, versionFile)) {
			continue
		}
		r.mu.Lock()
		if e.isClosed() && len(e.gate.slots) == 0 {
			delete(r.entries, e.loc.dir)
		}
		r.mu.Unlock()
	}
}

// evict closes the environment that has been idle longest, if any is idle.
func (r *Registry) evict() bool {
	var victim *entry
	oldest := int64(0)
	for _, e := range r.slots.entries() {
		if used, idle := e.idleSince(); idle && (victim == nil || used < oldest) {
			victim, oldest = e, used
		}
	}
	if victim == nil || !victim.retireIdle(r) {
		return false
	}
	r.options.Log.Debug("environment closed to make room", "env", victim.loc.Name())
	return true
}

// openSlots counts open environments. A slot is taken before opening and given
// back when the database is closed.
type openSlots struct {
	max     int
	mu      sync.Mutex
	open    int
	holders map[*Env]*entry // the environments that are open, and where they belong
	freed   chan struct{}   // closed when something may have become free; nil if nobody waits
}

func newOpenSlots(n int) *openSlots { return &openSlots{max: n, holders: make(map[*Env]*entry)} }

func (s *openSlots) try() (ok bool, freed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open < s.max {
		s.open++
		return true, nil
	}
	if s.freed == nil {
		s.freed = make(chan struct{})
	}
	return false, s.freed
}

// hold notes which environment a taken slot is for.
func (s *openSlots) hold(env *Env, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders[env] = e
}

// give gives a slot back: that of env, or one that none was opened for if nil.
func (s *openSlots) give(env *Env) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holders, env)
	s.open--
	s.wake()
}

// entries are those with an open environment: as many as may be open, at most.
func (s *openSlots) entries() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.holders))
}

// envs are the open environments.
func (s *openSlots) envs() []*Env {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.holders))
}

// idle tells those who wait that an environment can be evicted now.
func (s *openSlots) idle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.max {
		s.wake()
	}
}

func (s *openSlots) wake() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

func (s *openSlots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// reserve takes an open slot, closing an idle environment if all are taken.
func (r *Registry) reserve(ctx context.Context) error {
	for {
		ok, freed := r.slots.try()
		if ok {
			return nil
		}
		if r.evict() {
			continue
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("all %d environments that may be open are in use: %w", r.options.MaxOpen, ctx.Err())
		}
	}
}

// OpenCount is how many environments are open now.
func (r *Registry) OpenCount() int { return r.slots.count() }

// Totals are how a registry's environments are doing together.
type Totals struct {
	Known       int // have been asked for, and are still there
	Open        int
	Quarantined int // out of order, see [ErrBroken]
	Running     int // requests in them
	Waiting     int // requests waiting for their turn
}

// Totals counts; it looks at no file.
func (r *Registry) Totals() Totals {
	all := r.all()
	t := Totals{Known: len(all), Open: r.OpenCount()}
	for _, e := range all {
		t.Running += len(e.gate.slots)
		t.Waiting += int(e.gate.waiting.Load())
		if e.isBroken() {
			t.Quarantined++
		}
	}
	return t
}

// ReopenLogs has environments' own logs opened anew with their next lines: the
// files may have been moved away.
func (r *Registry) ReopenLogs() {
	for _, env := range r.slots.envs() {
		env.ownLog.Reopen()
	}
}

// LostLines is how many lines of environments' own logs could not be written.
func (r *Registry) LostLines() uint64 { return r.options.Logs.Lost() }

// Responds returns when the registry's locks could be had. It does not return
// if they never can.
func (r *Registry) Responds() {
	_ = r.known("")
	_ = r.slots.count()
}
