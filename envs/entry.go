package envs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"projhost/internal/fault"
	"projhost/internal/stage"
	"projhost/internal/stamp"
)

// entry is what the registry knows of one environment's directory, open or
// not. Its mutex is held for moments only: opening and looking at files happen
// in a flight of their own, for which callers wait as long as they like.
type entry struct {
	loc  Location
	gate gate

	mu      sync.Mutex
	env     *Env      // nil while closed
	checked time.Time // when env was last compared with the files
	flight  *flight   // opening or checking, nil if neither
	broken  *broken   // why it cannot be opened, nil if unknown or fine
	reload  *broken   // why env is older than its files
	renew   bool      // env is to be replaced whatever its files look like
	version int       // of the tables when it was opened last; 0 if it never was, or cannot be now

	strayAt time.Time // when stray was read
	stray   *scanned  // what a listing would know; see Registry.stray
}

// flight is one attempt to bring an entry up to date.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// broken is a failure that is not tried again before until, unless the files
// it came from change.
type broken struct {
	err    error
	until  time.Time
	delay  time.Duration
	files  fileSet
	looked time.Time // when files was last compared with the disk
}

// fileSet is the state of the files that decide whether an environment opens.
type fileSet struct{ version, config, db stamp.Stamp }

func filesOf(dir string) fileSet {
	return fileSet{
		version: stamp.Of(filepath.Join(dir, versionFile)),
		config:  stamp.Of(filepath.Join(dir, configFile)),
		db:      stamp.Of(filepath.Join(dir, "db", "trac.db")),
	}
}

// current returns the open environment, counted as used once more.
func (e *entry) current(ctx context.Context, r *Registry) (*Env, error) {
	for settled := false; ; {
		e.mu.Lock()
		now := time.Now()
		if e.env != nil && !e.renew && !e.env.db.Outdated() && (settled || now.Sub(e.checked) < r.options.Recheck && !e.env.db.Told()) {
			env := e.env
			env.refs++
			env.used.Store(now.UnixNano())
			e.mu.Unlock()
			return env, nil
		}
		if e.env == nil && e.broken.stands(now) && now.Sub(e.broken.looked) < r.options.Recheck {
			err := e.broken.fault(now)
			e.mu.Unlock()
			return nil, err
		}
		f := e.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			e.flight = f
			go e.fly(r, f)
		}
		e.mu.Unlock()
		if err := f.wait(ctx); err != nil {
			return nil, err
		}
		settled = true // however long it took
	}
}

// wait returns when the flight has landed.
func (f *flight) wait(ctx context.Context) error {
	clock := stage.Of(ctx)
	clock.Begin(stage.Open)
	defer clock.End(stage.Open)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fault.Wrap(fault.As(ctx.Err()).Kind, "This project is taking too long to open.", fmt.Errorf("waiting for the environment to open: %w", ctx.Err()))
	}
}

// fly opens the environment, or compares an open one with its files. It
// depends on no caller's context: others may be waiting for the outcome.
func (e *entry) fly(r *Registry, f *flight) {
	ctx, cancel := context.WithTimeout(r.stopped, r.options.OpenTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			f.err = fault.Wrap(fault.Internal, "", fmt.Errorf("panic while opening %s: %v", e.loc.Name(), v))
		}
		e.mu.Lock()
		e.flight = nil
		e.mu.Unlock()
		close(f.done)
	}()
	e.mu.Lock()
	env := e.env
	e.mu.Unlock()
	if env == nil {
		f.err = e.openFirst(ctx, r)
		return
	}
	f.err = e.check(ctx, r, env)
}

// openFirst opens a closed environment. One that is quarantined is tried again
// before its time only if its files have changed.
func (e *entry) openFirst(ctx context.Context, r *Registry) error {
	files := filesOf(e.loc.dir)
	e.mu.Lock()
	e.renew = false
	if now := time.Now(); e.broken.stands(now) && e.broken.files == files {
		e.broken.looked = now
		err := e.broken.fault(now)
		e.mu.Unlock()
		return err
	}
	e.mu.Unlock()
	env, err := r.openCounted(ctx, e)
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		if fault.As(err).Kind == fault.Busy || r.stopped.Err() != nil {
			return err // the host's trouble, not the environment's
		}
		e.broken, e.version = e.broken.again(err, now, files), 0
		r.options.Log.Error("environment is out of order", "env", e.loc.Name(), "dir", e.loc.dir, "error", err, "retry_in", e.broken.delay)
		return e.broken.fault(now)
	}
	e.env, e.checked, e.broken, e.reload, e.version = env, now, nil, nil, env.version
	env.used.Store(now.UnixNano())
	return nil
}

// openCounted opens an environment within the bound of open ones.
func (r *Registry) openCounted(ctx context.Context, e *entry) (*Env, error) {
	wait, cancel := context.WithTimeout(ctx, r.options.QueueWait)
	defer cancel()
	if err := r.reserve(wait); err != nil {
		return nil, &fault.Error{Kind: fault.Busy, Public: "Too many projects are busy at the moment.", Err: err, RetryAfter: r.options.QueueWait}
	}
	env, err := r.open(ctx, e.loc)
	if err != nil {
		r.slots.give(nil)
		return nil, err
	}
	r.slots.hold(env, e)
	env.log.Debug("environment opened", "dir", e.loc.dir, "schema", env.version, "read_only", string(env.readOnly))
	return env, nil
}

// check compares an open environment with its files and replaces it if they
// have changed. Settings that cannot be read leave the old ones in force: a
// slip of the editor must not take a running project down.
func (e *entry) check(ctx context.Context, r *Registry, env *Env) error {
	if !exists(filepath.Join(e.loc.dir, versionFile)) {
		e.retire(r)
		return notFound(fmt.Errorf("%w: %s has been removed", ErrNotFound, e.loc.dir))
	}
	if env.db.Told() { // before looking at the files: what is told meanwhile is for the next time
		_ = env.db.Look(ctx) // who needs the database is told why it cannot be had
	}
	if env.db.Outdated() {
		env.log.Info("environment is opened anew: its tables are of another version now")
		e.retire(r)
		return e.openFirst(ctx, r)
	}
	env.catchUp()
	files := filesOf(e.loc.dir)
	fresh := !env.config.Stale() && env.dbFile.SameFile(stamp.Of(env.db.File()))
	e.mu.Lock()
	fresh, e.renew = fresh && !e.renew, false
	known := e.reload != nil && e.reload.files == files && time.Now().Before(e.reload.until)
	e.mu.Unlock()
	if fresh || known {
		e.confirm(env, fresh)
		return nil
	}
	next, err := r.openCounted(ctx, e)
	if err != nil {
		e.mu.Lock()
		e.reload = e.reload.again(err, time.Now(), files)
		e.mu.Unlock()
		env.log.Error("changed settings cannot be used; the former ones stay in force", "error", err)
		e.confirm(env, false)
		return nil
	}
	e.replace(r, env, next)
	return nil
}

// confirm notes that env has been compared with its files just now.
func (e *entry) confirm(env *Env, fresh bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if fresh {
		e.reload = nil
	}
	if e.env == env {
		e.checked = time.Now()
	}
}

// replace puts next in the place of env, which closes when its last request ends;
// if it was to make room meanwhile, it is closed already.
func (e *entry) replace(r *Registry, env, next *Env) {
	now := time.Now()
	next.used.Store(now.UnixNano())
	e.mu.Lock()
	e.env, e.checked, e.reload, e.version = next, now, nil, next.version
	if env.db.Told() { // while next was being opened
		e.checked = time.Time{}
	}
	unused := env.refs == 0 && !env.retired
	env.retired = true
	e.mu.Unlock()
	next.log.Info("environment reloaded: its files have changed")
	if unused {
		r.shut(env)
	}
}

// release gives back what current returned.
func (e *entry) release(env *Env, r *Registry) {
	e.mu.Lock()
	env.refs--
	last := env.refs == 0
	shut := last && env.retired
	e.mu.Unlock()
	switch {
	case shut:
		r.shut(env)
	case last:
		env.db.Rest()
		r.slots.idle()
	}
}

// shut closes an environment that is neither in use nor handed out any more.
func (r *Registry) shut(env *Env) {
	env.close()
	r.slots.give(env)
}

// retire stops handing the environment out and tells whether it is closed now;
// if not, that happens when its last request ends.
func (e *entry) retire(r *Registry) bool {
	e.mu.Lock()
	env := e.env
	e.env = nil
	unused := env != nil && env.refs == 0
	if env != nil {
		env.retired = true
	}
	e.mu.Unlock()
	if unused {
		r.shut(env)
	}
	return env == nil || unused
}

// retireIdle closes the environment if nobody uses it.
func (e *entry) retireIdle(r *Registry) bool {
	e.mu.Lock()
	env := e.env
	if env == nil || env.refs > 0 {
		e.mu.Unlock()
		return false
	}
	e.env, env.retired = nil, true
	e.mu.Unlock()
	r.shut(env)
	return true
}

func (e *entry) closeIfIdle(r *Registry, before time.Time) {
	if used, idle := e.idleSince(); idle && used < before.UnixNano() {
		e.retireIdle(r)
	}
}

// idleSince is when the environment was last asked for, if it is open and unused.
func (e *entry) idleSince() (unixNano int64, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.env == nil || e.env.refs > 0 {
		return 0, false
	}
	return e.env.used.Load(), true
}

func (e *entry) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.env == nil && e.flight == nil
}

func (e *entry) isBroken() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.env == nil && e.broken != nil
}

// again returns the state after one more failure: twice the delay, up to a bound.
func (b *broken) again(err error, now time.Time, files fileSet) *broken {
	delay := firstBackoff
	if b != nil && b.files == files {
		delay = min(2*b.delay, lastBackoff)
	}
	return &broken{err: err, until: now.Add(delay), delay: delay, files: files, looked: now}
}

// stands is true while the failure is not to be tried again.
func (b *broken) stands(now time.Time) bool { return b != nil && now.Before(b.until) }

// ErrBroken is in the chain of every error about an environment that is out of
// order.
var ErrBroken = errors.New("environment is out of order")

func (b *broken) fault(now time.Time) error {
	return &fault.Error{
		Kind:       fault.Busy,
		Public:     "This project is out of order. Its administrator finds the reason in the log.",
		Err:        fmt.Errorf("%w: %w", ErrBroken, b.err),
		RetryAfter: max(b.until.Sub(now), time.Second),
	}
}

// gate bounds the requests in one environment.
type gate struct {
	slots   chan struct{}
	waiting atomic.Int32
}

func (g *gate) enter(ctx context.Context, o Options) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int32(o.MaxQueue) {
		return busy(o, "too many requests are waiting")
	}
	clock := stage.Of(ctx)
	clock.Begin(stage.Wait)
	defer clock.End(stage.Wait)
	timer := time.NewTimer(o.QueueWait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return busy(o, "no request ended in time")
	case <-ctx.Done():
		return fmt.Errorf("waiting for a turn: %w", ctx.Err())
	}
}

func (g *gate) leave() { <-g.slots }

func busy(o Options, why string) error {
	return &fault.Error{
		Kind:       fault.Busy,
		Public:     "This project has too many requests at the moment.",
		Err:        fmt.Errorf("environment is overloaded: %s (%d at once, %d waiting)", why, o.MaxConcurrent, o.MaxQueue),
		RetryAfter: o.QueueWait,
	}
}
