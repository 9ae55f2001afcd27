package db_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/internal/fault"
)

// Sizes of TestBudget.
const (
	budgetSchemas = 500
	budgetClients = 64
	budgetLimit   = 12
	budgetRounds  = 60 // of each client
)

// crowd are projects of one server. Every seventh has connections that do not
// outlive a request.
type crowd struct {
	t      *testing.T
	server *pgtest.Server
	budget *db.Budget
	names  []string
	all    []*db.DB
}

func newCrowd(t *testing.T, n, limit int) *crowd {
	c := &crowd{t: t, server: pgtest.Start(t, fmt.Sprintf("max_connections = %d", limit+6), "max_locks_per_transaction = 256")}
	c.budget = db.NewBudget(db.BudgetOptions{Connections: limit, Wait: 20 * time.Second})
	t.Cleanup(c.budget.Close)
	// Made within the server, for making 500 projects takes a while.
	project(t, c.server, "p0", db.Options{Budget: c.budget})
	c.server.SQL("projects", fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		EXECUTE format('CREATE SCHEMA p%%s', i);
		EXECUTE format('CREATE TABLE p%%s.wiki AS SELECT name, version, time, author, ''page of p%%s''::text AS text FROM p0.wiki', i, i);
		EXECUTE format('CREATE TABLE p%%s.system AS SELECT * FROM p0.system', i);
		EXECUTE format('CREATE TABLE p%%s.cache AS SELECT * FROM p0.cache', i);
	END LOOP; END $$`, n-1))
	for i := range n {
		name := fmt.Sprintf("p%d", i)
		c.names = append(c.names, name)
		c.all = append(c.all, openSchema(t, c.server, name, db.Options{Budget: c.budget, Passing: i%7 == 3}))
	}
	return c
}

// ask asks a project for its page, as a request would.
func (c *crowd) ask(ctx context.Context, i int) error {
	d := c.all[i]
	defer d.Rest()
	text, err := start(ctx, d)
	if err == nil && text != "page of "+c.names[i] {
		c.t.Errorf("%s has got %q", c.names[i], text)
	}
	return err
}

// TestBudget: however many projects and clients there are, the server never
// sees more connections than are allowed, nobody fails, and nobody sees another's
// rows.
func TestBudget(t *testing.T) {
	c := newCrowd(t, budgetSchemas, budgetLimit)
	done := make(chan struct{})
	most := 0
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			most = max(most, c.server.Connections())
		}
	})
	var wg sync.WaitGroup
	var answers, ended atomic.Int64
	for i := range budgetClients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(i)))
			for range budgetRounds {
				ctx, cancel := context.WithCancel(t.Context())
				if rng.IntN(10) == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(rng.IntN(2000))*time.Microsecond)
				}
				err := c.ask(ctx, rng.IntN(len(c.all)))
				switch {
				case err == nil:
					answers.Add(1)
				case ctx.Err() != nil:
					ended.Add(1)
				default:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	close(done)
	watch.Wait()
	t.Logf("%d answers, %d given up, at most %d connections seen, %+v", answers.Load(), ended.Load(), most, c.budget.State())
	if most > budgetLimit || most < budgetLimit/2 {
		t.Errorf("the server has seen %d connections, the limit is %d", most, budgetLimit)
	}
	if st := c.budget.State(); st.Waiting != 0 || st.Open != st.Idle || st.Open > budgetLimit {
		t.Errorf("left: %+v", st)
	}
}

// TestServerGone: while a server is down its projects fail, and say so; when it
// is back they answer again without anybody's help. Killed connections fail only
// who uses them.
func TestServerGone(t *testing.T) {
	c := newCrowd(t, 20, 6)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answers, failed atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(4, uint64(i)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch err := c.ask(t.Context(), rng.IntN(len(c.all))); {
				case err == nil:
					answers.Add(1)
				case fault.As(err).Kind == fault.Busy && fault.As(err).RetryAfter > 0:
					failed.Add(1)
					time.Sleep(time.Millisecond)
				default:
					t.Error(err)
				}
			}
		})
	}
	more := func(what string) {
		n := answers.Load()
		pgtest.Eventually(t, "answers "+what, func() bool { return answers.Load() > n+200 })
	}
	more("at first")
	for range 5 {
		before := failed.Load()
		c.server.SQL("postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'projects'")
		more("after connections were killed")
		if n := failed.Load() - before; n > 8 {
			t.Errorf("%d requests failed for connections that were killed under 8 clients", n)
		}
	}
	c.server.Down()
	n := failed.Load()
	pgtest.Eventually(t, "failures", func() bool { return failed.Load() > n+100 })
	if st := c.budget.State().Servers; len(st) != 1 || st[0].Address != c.all[0].Server() || st[0].Databases != 20 ||
		st[0].DeadUntil.IsZero() || !strings.Contains(st[0].Problem, "cannot be reached") {
		t.Errorf("while the server was down: %+v", st)
	}
	// A connection may lie idle that nobody has found dead yet.
	pgtest.Eventually(t, "no connection in use", func() bool { return c.budget.State().Servers[0].InUse() == 0 })
	c.server.Up()
	more("when the server was back")
	if st := c.budget.State().Servers; len(st) != 1 || !st[0].DeadUntil.IsZero() || st[0].Problem != "" || st[0].Open == 0 {
		t.Errorf("when it was back: %+v", st)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d answers, %d failures", answers.Load(), failed.Load())
}

// backend is the server's process that serves a transaction of d, which takes a while.
func backend(t *testing.T, d *db.DB, takes time.Duration) (pid int64) {
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error {
			pid = r.Int(0)
			return nil
		}, "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_sleep(?)", takes.Seconds())
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return pid
}

// TestBurst: after a quiet second, many who ask in one pool at a time wait for its
// connections, rather than close another pool's; who waits for long gets one.
func TestBurst(t *testing.T) {
	c := newCrowd(t, 2, 4) // in two of four pools
	backends := func(d *db.DB, n int, takes time.Duration) map[int64]bool {
		var mu sync.Mutex
		var wg sync.WaitGroup
		found := map[int64]bool{}
		for range n {
			wg.Go(func() {
				pid := backend(t, d, takes)
				mu.Lock()
				defer mu.Unlock()
				found[pid] = true
			})
		}
		wg.Wait()
		return found
	}
	one, other := c.all[0], c.all[1]
	const while, long = 20 * time.Millisecond, time.Second
	first, second := backends(one, 2, while), backends(other, 2, while)
	if len(first) != 2 || len(second) != 2 || maps.Equal(first, second) {
		t.Fatalf("%v and %v: want two connections in each pool", first, second)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := backends(one, 6, time.Millisecond); !maps.Equal(got, first) {
		t.Errorf("served by %v, not by %v alone", got, first)
	}
	if got := backends(other, 2, while); !maps.Equal(got, second) {
		t.Errorf("the other pool has %v, it had %v", got, second)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := backends(one, 3, long); len(got) != 3 {
		t.Errorf("served by %v: who waits for long must get a spare connection of the other pool", got)
	}
}

// TestLongTransaction: who shares a pool with one that takes for ever gets
// another's connection, however busy the others are, and no new one is opened.
func TestLongTransaction(t *testing.T) {
	c := newCrowd(t, 16, 4)
	pools := map[int64][]*db.DB{} // by the server's process
	for i, d := range c.all {
		if i%7 != 3 {
			pid := backend(t, d, 0)
			pools[pid] = append(pools[pid], d)
		}
	}
	var crowded []*db.DB
	for _, all := range pools {
		if len(all) > len(crowded) {
			crowded = all
		}
	}
	if len(pools) != 4 || len(crowded) < 2 {
		t.Fatalf("%d processes serve 14 projects, at most %d one: want 4, and one of several", len(pools), len(crowded))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, all := range pools {
		if all[0] == crowded[0] {
			continue
		}
		for range 2 { // so that none is ever idle for long
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = backend(t, all[0], time.Millisecond)
					}
				}
			})
		}
	}
	err := crowded[0].Read(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Generation("any"); err != nil {
			return err
		}
		if pid := backend(t, crowded[1], 0); pools[pid] == nil {
			t.Errorf("answered by %d, a new process", pid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	if st := c.budget.State(); st.Waiting != 0 || st.Open != 4 || st.Idle != 4 {
		t.Errorf("left: %+v", st)
	}
}

// TestBudgetIsUsedUp: who does not get a connection in time is told to come back.
func TestBudgetIsUsedUp(t *testing.T) {
	s := pgtest.Start(t)
	b := db.NewBudget(db.BudgetOptions{Connections: 1, Wait: 200 * time.Millisecond})
	defer b.Close()
	project(t, s, "one", db.Options{Budget: b})
	project(t, s, "two", db.Options{Budget: b})
	one, two := openSchema(t, s, "one", db.Options{Budget: b}), openSchema(t, s, "two", db.Options{Budget: b})
	err := one.Read(t.Context(), func(tx *db.Tx) error {
		if err := tx.Each(func(db.Row) error { return nil }, "SELECT name FROM system"); err != nil {
			return err
		}
		waited := make(chan db.BudgetState)
		go func() {
			defer close(waited)
			pgtest.Eventually(t, "somebody who waits", func() bool { return b.State().Waiting == 1 })
			waited <- b.State()
		}()
		_, err := start(t.Context(), two)
		if st := <-waited; len(st.Servers) != 1 || st.Servers[0].Waiting != 1 || st.Servers[0].InUse() != 1 || st.Servers[0].Idle != 0 || st.Servers[0].Pools != 1 {
			t.Errorf("while one waits: %+v", st)
		}
		if f := fault.As(err); f.Kind != fault.Busy || f.RetryAfter <= 0 {
			t.Errorf("no connection was free, and the other project said %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if text, err := start(t.Context(), two); err != nil || text != "page of two" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestTransactionPooler has PgBouncer give each transaction whichever connection
// is free, which is where others see the tables of the project before them.
func TestTransactionPooler(t *testing.T) {
	s := pgtest.Start(t)
	dsn := s.Bouncer(3)
	b := db.NewBudget(db.BudgetOptions{Connections: 12, Pooler: true})
	defer b.Close()
	names := []string{"one", "two", "three", "four", "public"}
	for _, name := range names {
		project(t, s, name, db.Options{Budget: b})
	}
	var wg sync.WaitGroup
	for i := range 24 {
		name := names[i%len(names)]
		d, err := db.Open(t.Context(), "", dsn(name), db.Options{Budget: b})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		wg.Go(func() {
			for n := range 50 {
				ctx, cancel := t.Context(), func() {}
				if n%5 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(n)*20*time.Microsecond)
				}
				text, err := start(ctx, d)
				if err != nil && ctx.Err() == nil || err == nil && text != "page of "+name {
					t.Errorf("%s has got %q, %v", name, text, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
