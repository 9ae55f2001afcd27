package envs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"projhost/envs/tracini"
	"projhost/internal/fault"
)

// Status is how an environment is doing at a moment, as an administrator sees it.
type Status struct {
	Info
	Retry   time.Time // of one that is Broken: when it is tried again though its files stay as they are; zero: when it is asked for
	Stale   string    // why its changed settings are not in force; "" if they are
	Trouble string    // why it is open and yet lets nobody in, for operators only; see [Env.Trouble]
	Running int       // requests in it
	Waiting int       // requests that wait for it
	Size    Size      // see Size.At
}

// Snapshot tells of every environment that is listed or was asked for, in no
// order. It opens none and waits for none. Sizes are measured meanwhile, at
// leisure, for the calls to come. Only a directory that is listed for the first
// time is waited for, as long as ctx allows.
func (r *Registry) Snapshot(ctx context.Context) []Status {
	entries := r.all()
	byDir := make(map[string]*entry, len(entries))
	for _, e := range entries {
		byDir[e.loc.dir] = e
	}
	var lists [][]scanned
	n := len(entries)
	for _, l := range r.listings() {
		list, err := l.get(ctx, r)
		if err != nil {
			continue // scan has logged it
		}
		lists = append(lists, list)
		n = max(n, len(list))
	}
	seen, all := make(map[string]bool, n), make([]Status, 0, n)
	add := func(s *scanned, e *entry) {
		if !seen[s.Dir] {
			seen[s.Dir] = true
			all = append(all, r.status(s, e))
		}
	}
	for _, list := range lists {
		for i := range list {
			add(&list[i], byDir[list[i].Dir])
		}
	}
	looks := maxStrays
	for dir, e := range byDir {
		if !seen[dir] {
			add(r.stray(e, &looks), e)
		}
	}
	r.measureSoon(all)
	return all
}

func (r *Registry) listings() []*listing {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.lists))
}

// status is what a listing knows, and what is known of an environment that has
// been asked for; else e is nil.
func (r *Registry) status(s *scanned, e *entry) Status {
	st := Status{Info: s.verified(), Size: r.sizes.of(s.Dir)}
	if v := s.verdict.Load(); v != nil && v.reason != "" {
		st.Retry = v.at.Add(verifyAgainAfter)
	}
	if e != nil {
		st.Running, st.Waiting = len(e.gate.slots), int(e.gate.waiting.Load())
		e.mu.Lock()
		e.tell(&st.Info)
		if e.broken != nil {
			st.Retry = e.broken.until
		}
		if e.env != nil {
			st.Trouble = e.env.noted()
			if e.reload != nil {
				st.Stale = e.reload.err.Error()
			}
		}
		e.mu.Unlock()
	}
	if st.State != Broken || st.Retry.Before(time.Now()) {
		st.Retry = time.Time{}
	}
	return st
}

// maxStrays is of how many environments that no listing has a Snapshot looks at
// the files.
const maxStrays = 256

// stray is what a listing would know of an environment that none has, since only
// the web server names it.
func (r *Registry) stray(e *entry, looks *int) *scanned {
	e.mu.Lock()
	s, at := e.stray, e.strayAt
	e.mu.Unlock()
	if s != nil && time.Since(at) < rescanAfter || *looks == 0 {
		if s == nil {
			s = unread(e.loc)
		}
		return s
	}
	*looks--
	if s == nil || !s.unchanged() {
		found, ok := r.scanOne(e.loc.Name(), e.loc.dir)
		if !ok {
			return unread(e.loc) // it is gone, and forgotten soon
		}
		s = &found
	}
	e.mu.Lock()
	e.stray, e.strayAt = s, time.Now()
	e.mu.Unlock()
	return s
}

// Find returns the location of an environment that Snapshot tells of.
func (r *Registry) Find(ctx context.Context, dir string) (Location, error) {
	if e := r.known(dir); e != nil {
		return e.loc, nil
	}
	for _, l := range r.listings() {
		list, err := l.get(ctx, r)
		if err != nil {
			continue // scan has logged it
		}
		for i := range list {
			if list[i].Dir == dir {
				return Location{dir}, nil
			}
		}
	}
	return Location{}, notFound(fmt.Errorf("%w: %s", ErrNotFound, dir))
}

// Open opens an environment, if it is not open. It does not wait for a turn
// among the requests for it.
func (r *Registry) Open(ctx context.Context, l Location) error {
	e := r.entry(l)
	env, err := e.current(ctx, r)
	if err == nil {
		e.release(env, r)
	}
	return err
}

// CloseEnv closes an environment. If requests are in it, it is closed when the
// last of them ends, and their number is returned. Whoever asks for it next has
// it opened again.
func (r *Registry) CloseEnv(l Location) (running int) {
	e := r.known(l.dir)
	if e == nil || e.retire(r) {
		return 0
	}
	return len(e.gate.slots)
}

// Reload has an environment read its settings and open its database anew, though
// its files look as before, and lifts its quarantine. Requests that are in it end
// with what they had. If an open one cannot be opened anew, it stays as it was,
// and the error says why.
func (r *Registry) Reload(ctx context.Context, l Location) error {
	e := r.entry(l)
	e.mu.Lock()
	e.broken, e.reload, e.renew = nil, nil, true
	e.mu.Unlock()
	if err := r.Open(ctx, l); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reload != nil {
		return fault.Wrap(fault.Busy, "It goes on with the settings it had.", e.reload.err)
	}
	return nil
}

// SetReadOnly writes [trac] readonly to an environment's trac.ini and reloads it.
func (r *Registry) SetReadOnly(ctx context.Context, l Location, on bool) error {
	value := "disabled"
	if on {
		value = "enabled"
	}
	if err := SaveConfig(ctx, l.dir, r.budget, tracini.Change{Section: "trac", Name: "readonly", Value: value}); err != nil {
		return err
	}
	return r.Reload(ctx, l)
}
