package db

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// What the zero values of BudgetOptions mean.
const (
	DefaultConnections = 20
	DefaultConnWait    = 5 * time.Second
	DefaultConnIdle    = 2 * time.Minute
	DefaultConnLife    = 15 * time.Minute
)

// BudgetOptions bound the connections to database servers.
type BudgetOptions struct {
	Connections int           // open at a time, on all servers together
	Wait        time.Duration // for one to come free
	Idle        time.Duration // without use, before one is closed
	Life        time.Duration // after which one is replaced, so that the server's process gives its memory back
	Log         *slog.Logger  // nil is none

	// Pooler says that servers are reached by way of a pooler in transaction mode,
	// such as PgBouncer. A statement is not cancelled then, for a cancellation may
	// meet another client's, but the server is told how long it may take.
	Pooler bool
}

// Budget is the one bound above all connections to database servers. Databases
// on one server, of one user, share a few pools, each database always the same
// one: a server's process keeps some 80 KiB for every schema it has touched, so
// that it pays to let it see few. A pool may grow while others do not need their
// share. Who waits gets, in the order of asking, a connection of the pool that is
// given back, or one of another pool that can do without, which then changes pools;
// one of another server, or of a database whose connections do not outlive a
// request, makes room for a new one instead. Close it when all its databases are
// closed.
type Budget struct {
	options BudgetOptions

	mu      sync.Mutex
	open    int // connections, and those being opened
	servers map[string]*server
	waiting []*waiter // first come, first
	closed  bool
	stop    chan struct{}
	reaper  sync.WaitGroup
}

// NewBudget makes a budget.
func NewBudget(o BudgetOptions) *Budget {
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	for _, d := range []struct {
		have     *time.Duration
		standard time.Duration
	}{{&o.Wait, DefaultConnWait}, {&o.Idle, DefaultConnIdle}, {&o.Life, DefaultConnLife}} {
		if *d.have <= 0 {
			*d.have = d.standard
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Budget{options: o, servers: map[string]*server{}, stop: make(chan struct{})}
	b.reaper.Go(b.reap)
	return b
}

// Close closes all connections.
func (b *Budget) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	close(b.stop)
	var all []*session
	for _, s := range b.servers {
		for _, p := range s.pools {
			all = append(all, p.takeIdle()...)
		}
	}
	b.mu.Unlock()
	b.bury(all)
	b.reaper.Wait()
}

// BudgetState is what a budget looks like at a moment. Open counts connections
// that are being opened or closed, too; Idle are those that are open and unused.
type BudgetState struct {
	Limit, Open, Idle, Waiting int
	Servers                    []ServerState // with open databases, by address
}

// ServerState is how a server's database, as one user sees it, is doing.
type ServerState struct {
	Address   string    // [DB.Server]: without a password, safe to show to an operator
	Databases int       // that are open
	Pools     int       // which connections are in
	Open      int       // connections, and those being opened
	Idle      int       // of them: unused
	Waiting   int       // transactions that wait for a connection
	DeadUntil time.Time // when it is tried again; zero for one that answered the last time
	Problem   string    // why it is dead, for the operator; "" for one that answered
}

// InUse are the connections that transactions have, or that are being opened.
func (s ServerState) InUse() int { return s.Open - s.Idle }

// State tells how much of the budget is used, and by which servers.
func (b *Budget) State() BudgetState {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := BudgetState{Limit: b.options.Connections, Open: b.open, Waiting: len(b.waiting)}
	for _, s := range b.servers {
		one := s.state()
		for _, w := range b.waiting {
			if w.pool.server == s {
				one.Waiting++
			}
		}
		st.Idle += one.Idle
		st.Servers = append(st.Servers, one)
	}
	slices.SortFunc(st.Servers, func(x, y ServerState) int { return strings.Compare(x.Address, y.Address) })
	return st
}

func (s *server) state() ServerState {
	st := ServerState{Address: s.name, Databases: s.users, Pools: len(s.pools)}
	for _, p := range s.pools {
		st.Open += p.open
		st.Idle += len(p.idle)
	}
	if s.failure != nil {
		st.DeadUntil, st.Problem = s.until, s.failure.Error()
	}
	return st
}

// server is a database of a server, as one user sees it.
type server struct {
	name  string  // to be shown
	users int     // open databases
	pools []*pool // the first few are shared
	dial  func(context.Context) (link, error)

	// After a failed connection none is tried for a while, see down.
	until   time.Time
	pause   time.Duration
	failure error
}

// poolsOfServer is how many pools a server has, if the budget is not smaller: with
// the standard one, each project is known to one process of the server.
const poolsOfServer = DefaultConnections

// pool are connections that some of a server's databases share; those of a
// database whose connections do not outlive a request have one of their own.
type pool struct {
	server *server
	own    bool       // of one database
	open   int        // connections, and those being opened
	idle   []*session // the last used one last
	gone   bool       // no database is left that uses it
}

// takeIdle empties the pool's idle list and forgets its sessions.
func (p *pool) takeIdle() []*session {
	all := p.idle
	p.idle = nil
	p.open -= len(all)
	return all
}

// waiter is somebody who waits for a connection.
type waiter struct {
	pool  *pool
	since time.Time
	got   chan *session // nil: the place for a new one
}

// join notes that a database of a server is open, and returns its pool.
func (b *Budget) join(key, name, schema string, own bool, dial func(context.Context) (link, error)) *pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.servers[key]
	if s == nil {
		s = &server{name: name, dial: dial}
		for range b.sharedPools() {
			s.pools = append(s.pools, &pool{server: s})
		}
		b.servers[key] = s
	}
	s.users++
	if own {
		p := &pool{server: s, own: true}
		s.pools = append(s.pools, p)
		return p
	}
	return s.pools[b.poolOf(schema)]
}

// poolOf is which of a server's shared pools a schema uses, from 0.
func (b *Budget) poolOf(schema string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(schema))
	return int(h.Sum32() % uint32(b.sharedPools()))
}

// Describe says, without opening it or telling a password, which file a database
// is, or which connections one of a server has; passing are those that end with
// a request. What makes no sense has no description.
func (b *Budget) Describe(dir, dsn string, passing bool) string {
	t, err := parseTarget(dir, dsn)
	switch {
	case err != nil:
		return ""
	case t.kind != kindPostgres:
		if below, err := filepath.Rel(dir, t.path); err == nil && filepath.IsLocal(below) {
			return below
		}
		return t.path
	case passing:
		return t.String() + ", not pooled"
	}
	return fmt.Sprintf("%s, pool %d of %d", t, b.poolOf(t.schema)+1, b.sharedPools())
}

// sharedPools is how many pools a server's databases share.
func (b *Budget) sharedPools() int { return min(poolsOfServer, b.options.Connections) }

// leave undoes join.
func (b *Budget) leave(key string, p *pool, own bool) {
	b.mu.Lock()
	s := p.server
	s.users--
	var left []*session
	if own {
		p.gone = true
		left = p.takeIdle()
		s.pools = slices.DeleteFunc(s.pools, func(q *pool) bool { return q == p })
	}
	if s.users == 0 {
		for _, q := range s.pools {
			q.gone = true
			left = append(left, q.takeIdle()...)
		}
		delete(b.servers, key)
	}
	b.mu.Unlock()
	b.bury(left)
}

// bury closes connections that are in no pool any more, and then hands out their
// places: the server must never see more than are allowed.
func (b *Budget) bury(all []*session) {
	if len(all) == 0 {
		return
	}
	for _, s := range all {
		s.hangUp()
	}
	b.mu.Lock()
	b.freed(len(all))
	b.mu.Unlock()
}

var (
	errBudget = errors.New("all database connections are in use")
	errShut   = errors.New("the host is ending")
)

// Connections move from one pool to another slowly, for each move costs a new
// one, which is dearer than some hundred pages.
const (
	// spare is for how long a connection is idle that its pool can do without.
	spare = time.Second
	// patience is how long one waits for a connection of one's own pool before
	// another has to give up a spare one, or one above its share: after a quiet
	// second all are spare, and the first to ask must not close what the others
	// are about to need.
	patience = 50 * time.Millisecond
	// hardship is how long one waits before any pool has to: its own have none, or
	// its own are busy with what takes long.
	hardship = 250 * time.Millisecond
)

// acquire returns a connection of a pool: an idle one, which fresh says may be
// dead, or a new one.
func (b *Budget) acquire(ctx context.Context, p *pool) (s *session, fresh bool, err error) {
	b.mu.Lock()
	if err := b.refuses(p.server); err != nil {
		b.mu.Unlock()
		return nil, false, err
	}
	if s := b.takeFrom(p); s != nil {
		b.mu.Unlock()
		return s, false, nil
	}
	if b.open < b.options.Connections {
		b.open++
		p.open++
		b.mu.Unlock()
		s, err = b.connect(ctx, p)
		return s, true, err
	}
	if p.open == 0 {
		if s := b.dispensable(p, 0); s != nil {
			kept := b.move(s, p)
			b.mu.Unlock()
			return b.moved(ctx, s, kept, p)
		}
	}
	w := &waiter{pool: p, since: time.Now(), got: make(chan *session, 1)}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	return b.await(ctx, w)
}

// refuses tells why no connection can be had; the caller holds the lock.
func (b *Budget) refuses(s *server) error {
	switch {
	case b.closed:
		return &problem{is: ErrClosed, err: errShut}
	case s.failure != nil && time.Now().Before(s.until):
		return s.failure
	}
	return nil
}

// await waits until a connection, or the place for one, is given to w.
func (b *Budget) await(ctx context.Context, w *waiter) (s *session, fresh bool, err error) {
	end := time.NewTimer(b.options.Wait)
	defer end.Stop()
	turn := time.NewTicker(patience)
	defer turn.Stop()
	for {
		select {
		case s := <-w.got:
			return b.given(ctx, w.pool, s)
		case <-turn.C: // somebody else's may be idle
			b.mu.Lock()
			if slices.Contains(b.waiting, w) {
				if s := b.dispensable(w.pool, time.Since(w.since)); s != nil {
					b.drop(w)
					kept := b.move(s, w.pool)
					b.mu.Unlock()
					return b.moved(ctx, s, kept, w.pool)
				}
			}
			b.mu.Unlock()
			continue
		case <-end.C:
			err = &problem{is: ErrBusy, err: fmt.Errorf("%w (%d), and none came free in %s", errBudget, b.options.Connections, b.options.Wait)}
		case <-ctx.Done():
			err = ended(ctx, "waiting for a connection")
		case <-b.stop:
			err = &problem{is: ErrClosed, err: errShut}
		}
		b.mu.Lock()
		waits := b.drop(w)
		b.mu.Unlock()
		if waits {
			return nil, false, err
		}
		b.giveUp(w.pool, <-w.got) // it came at the last moment
		return nil, false, err
	}
}

// given makes use of what one got for p: a connection, or nil for the place of one.
func (b *Budget) given(ctx context.Context, p *pool, s *session) (_ *session, fresh bool, err error) {
	if s != nil {
		return s, false, nil
	}
	s, err = b.connect(ctx, p)
	return s, true, err
}

// giveUp returns what a waiter got and has no use for.
func (b *Budget) giveUp(p *pool, s *session) {
	if s != nil {
		b.release(s, true)
		return
	}
	b.mu.Lock()
	p.open--
	b.freed(1)
	b.mu.Unlock()
}

// drop takes w from those who wait, and tells whether it was among them.
func (b *Budget) drop(w *waiter) bool {
	i := slices.Index(b.waiting, w)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	return true
}

// takeFrom takes the idle connection of a pool that was used last; the caller
// holds the lock.
func (b *Budget) takeFrom(p *pool) *session {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return s
}

// dispensable takes away the connection that has been idle for longest, of all,
// if its pool can do without, p has none, or somebody has waited for one of p's
// for too long; the caller holds the lock.
func (b *Budget) dispensable(p *pool, waited time.Duration) *session {
	var of *pool
	for _, srv := range b.servers {
		for _, q := range srv.pools {
			if len(q.idle) > 0 && (of == nil || q.idle[0].used.Before(of.idle[0].used)) {
				of = q
			}
		}
	}
	if of == nil || p.open > 0 && waited < hardship && time.Since(of.idle[0].used) < spare {
		return nil
	}
	s := of.idle[0]
	of.idle = of.idle[1:]
	return s
}

// move gives the place of a connection to p, and the connection, too, if both pools
// are shared ones of the same server: a process there that has one more schema to
// know is cheaper than one that has to begin. If not, the caller hangs up. It holds
// the lock.
func (b *Budget) move(s *session, p *pool) (kept bool) {
	s.pool.open--
	p.open++
	if kept = s.pool.server == p.server && !s.pool.own && !p.own; kept {
		s.pool = p
	}
	return kept
}

// moved makes use of what move gave to p.
func (b *Budget) moved(ctx context.Context, s *session, kept bool, p *pool) (_ *session, fresh bool, err error) {
	if !kept {
		s.hangUp()
		s = nil
	}
	return b.given(ctx, p, s)
}

// share is how many connections each pool may have that needs some.
func (b *Budget) share() int {
	needy := map[*pool]bool{}
	for _, w := range b.waiting {
		needy[w.pool] = true
	}
	for _, srv := range b.servers {
		for _, p := range srv.pools {
			if p.open > 0 {
				needy[p] = true
			}
		}
	}
	return max(1, b.options.Connections/max(1, len(needy)))
}

// connect opens a connection in a place that is taken already. If ctx ends
// meanwhile, the connection is opened all the same, for others: how long a
// visitor waits says nothing about the server.
func (b *Budget) connect(ctx context.Context, p *pool) (*session, error) {
	type outcome struct {
		s   *session
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTime)
		defer cancel()
		l, err := p.server.dial(within)
		s, err := b.connected(p, l, err)
		done <- outcome{s, err}
	}()
	select {
	case o := <-done:
		return o.s, o.err
	case <-ctx.Done():
	}
	go func() {
		if o := <-done; o.err == nil {
			b.release(o.s, true)
		}
	}()
	return nil, ended(ctx, "connecting")
}

// connected makes a session of a link, or gives its place back.
func (b *Budget) connected(p *pool, l link, err error) (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	srv := p.server
	if err != nil {
		p.open--
		b.freed(1)
		if errors.Is(err, ErrUnavailable) {
			b.down(srv, err)
		}
		return nil, err
	}
	if srv.failure != nil {
		b.options.Log.Warn("database server answers again", "server", srv.name)
	}
	srv.failure, srv.pause = nil, 0
	now := time.Now()
	return &session{link: l, pool: p, made: now, used: now}, nil
}

// connectTime is how long connecting may take.
const connectTime = 5 * time.Second

// Pauses after a failed connection.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 10 * time.Second
)

// down has the next connection to a server tried after a pause only; meanwhile
// whoever asks is told at once.
func (b *Budget) down(s *server, err error) {
	now := time.Now()
	if s.failure != nil && now.Before(s.until) {
		return // several failed at a time
	}
	s.pause = min(max(2*s.pause, firstPause), lastPause)
	s.until, s.failure = now.Add(s.pause), err
	b.options.Log.Error("database server cannot be used", "server", s.name, "error", err, "next attempt in", s.pause)
}

// release gives a connection back. One that is not good, or has lived or seen
// enough, is closed.
func (b *Budget) release(s *session, good bool) {
	now := time.Now()
	b.mu.Lock()
	if !good || b.closed || s.pool.gone || now.Sub(s.made) > b.options.Life || s.seenEnough() {
		s.pool.open--
		b.mu.Unlock()
		b.bury([]*session{s})
		return
	}
	s.used = now
	w := b.heir(s.pool, now)
	switch {
	case w == nil:
		s.pool.idle = append(s.pool.idle, s)
	case w.pool == s.pool:
		b.drop(w)
		w.got <- s
	default:
		b.drop(w)
		if b.move(s, w.pool) {
			w.got <- s
			break
		}
		b.mu.Unlock()
		s.hangUp()
		w.got <- nil
		return
	}
	b.mu.Unlock()
}

// heir is who gets a connection of p next that is given back, nil if nobody does:
// who waits for one of p, unless p has more than its share and others less, or
// others none, or have waited far longer.
func (b *Budget) heir(p *pool, now time.Time) *waiter {
	if len(b.waiting) == 0 {
		return nil
	}
	var own *waiter
	for _, w := range b.waiting {
		if w.pool == p {
			own = w
			break
		}
	}
	if now.Sub(b.waiting[0].since) < patience {
		return own
	}
	share := b.share()
	for _, w := range b.waiting {
		age := now.Sub(w.since)
		switch {
		case w.pool == p || age < patience:
		case w.pool.open == 0 && (own == nil || p.open > 1 || age >= hardship),
			w.pool.open < share && p.open > share,
			age >= hardship && (own == nil || age >= 4*now.Sub(own.since)):
			return w
		}
	}
	return own
}

// freed hands out the places of n connections that were closed; the caller
// holds the lock.
func (b *Budget) freed(n int) {
	for range n {
		if len(b.waiting) == 0 {
			b.open--
			continue
		}
		w := b.waiting[0]
		b.waiting = b.waiting[1:]
		w.pool.open++
		w.got <- nil
	}
}

// purge closes a server's idle connections: one was found dead.
func (b *Budget) purge(srv *server) {
	b.mu.Lock()
	var all []*session
	for _, p := range srv.pools {
		all = append(all, p.takeIdle()...)
	}
	b.mu.Unlock()
	b.bury(all)
}

// empty closes a pool's idle connections.
func (b *Budget) empty(p *pool) {
	b.mu.Lock()
	all := p.takeIdle()
	b.mu.Unlock()
	b.bury(all)
}

// reap closes connections that have been idle for long.
func (b *Budget) reap() {
	t := time.NewTicker(max(b.options.Idle/4, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-t.C:
			b.reapAt(now)
		}
	}
}

func (b *Budget) reapAt(now time.Time) {
	b.mu.Lock()
	var old []*session
	for _, srv := range b.servers {
		for _, p := range srv.pools {
			for len(p.idle) > 0 && now.Sub(p.idle[0].used) > b.options.Idle {
				old = append(old, p.idle[0])
				p.idle = p.idle[1:]
				p.open--
			}
		}
	}
	b.mu.Unlock()
	b.bury(old)
}

// link is a connection as the driver has it.
type link interface {
	Close(ctx context.Context) error
}

// session is a connection and what is known of it.
type session struct {
	link link
	pool *pool
	made time.Time
	used time.Time       // when it was given back
	seen map[string]bool // schemas
}

// mostSeen bounds what the server's process keeps in memory, some 80 KiB for a
// schema.
const mostSeen = 256

func (s *session) sees(schema string) {
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[schema] = true
}

func (s *session) seenEnough() bool { return len(s.seen) > mostSeen }

// hangUp closes the connection, in the way of the protocol if the server answers.
func (s *session) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.link.Close(ctx) // it is of no more use
}
