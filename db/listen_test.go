package db_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
)

// retries is when a server that could not be listened to has been tried again.
const retries = 600 * time.Millisecond

// listened waits until the one server of a budget is listened to.
func listened(t *testing.T, b *db.Budget) {
	t.Helper()
	pgtest.Eventually(t, "somebody who listens", func() bool {
		st := b.State()
		return st.Listening == 1 && len(st.Servers) == 1 && st.Servers[0].Listening == 1
	})
}

// heard waits until something has been heard n times, and no more.
func heard(t *testing.T, b *db.Budget, n uint64) {
	t.Helper()
	pgtest.Eventually(t, fmt.Sprintf("%d heard", n), func() bool { return b.State().Servers[0].Heard >= n })
	if got := b.State().Servers[0].Heard; got != n {
		t.Errorf("heard %d, want %d", got, n)
	}
}

// TestListen has one server for all that is about telling and listening.
func TestListen(t *testing.T) {
	s := pgtest.Start(t)
	for _, name := range []string{"one", "two", "three", oddName} {
		project(t, s, name, db.Options{})
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, *pgtest.Server)
	}{
		{"tell", tell}, {"killed", listenerKilled}, {"gives way", listenerGivesWay}, {"few", listenersAreFew},
		{"lives", listenerLives}, {"flood", flood}, {"standby", standby},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

const oddName = `Möwe "x" 'y'; \z`

// tell: what one process tells of a project, another that has it open is
// told, and of no other; a look at it forgets that.
func tell(t *testing.T, s *pgtest.Server) {
	b := db.NewBudget(db.BudgetOptions{Connections: 8, Listen: true})
	defer b.Close()
	o := db.Options{Budget: b, WriteAt: schema.Version}
	one, again, other := openSchema(t, s, "one", o), openSchema(t, s, "one", o), openSchema(t, s, oddName, o)
	all := []*db.DB{one, again, other}
	told := func(what string, want ...bool) {
		t.Helper()
		for i, d := range all {
			if d.Told() != want[i] {
				t.Errorf("%s: %d is told: %v", what, i, d.Told())
			}
			must(t, d.Look(t.Context()))
			if d.Told() {
				t.Errorf("%s: %d is told after it was looked at", what, i)
			}
		}
	}
	listened(t, b)
	told("before anybody listened", true, true, true)
	if n := s.SQL("projects", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'projhost listening'"); n != "1" {
		t.Errorf("%s connections listen", n)
	}

	must(t, db.Tell(t.Context(), "", s.DSN("one"), nil))
	heard(t, b, 1)
	told("of one", true, true, false)
	reader := openSchema(t, s, oddName, db.Options{ReadOnly: true})
	must(t, errors.Join(reader.Tell(t.Context()), reader.Close()))
	heard(t, b, 2)
	told("of the other", false, false, true)

	s.SQL("projects", "UPDATE one.system SET value = '44' WHERE name = 'database_version'")
	must(t, db.Tell(t.Context(), "", s.DSN("one"), b))
	heard(t, b, 3)
	told("of an older version", true, true, false)
	if !one.Outdated() || !again.Outdated() || other.Outdated() {
		t.Error("looking at the version has not shown that it is another")
	}

	must(t, again.Close())
	all = []*db.DB{one, other}
	s.SQL("projects", "NOTIFY projhost; NOTIFY projhost, 'nosuch'; NOTIFY others, 'one'; SELECT pg_notify('projhost', repeat('x', 7999))")
	heard(t, b, 6)
	told("nonsense", false, false)

	if err := db.Tell(t.Context(), "", s.DSN("nosuch"), nil); !errors.Is(err, db.ErrMissing) {
		t.Errorf("telling of a schema that is not there: %v", err)
	}
	must(t, db.Tell(t.Context(), "/nosuch", "sqlite:db/trac.db", nil))
	s.SQL("projects", "UPDATE one.system SET value = '45' WHERE name = 'database_version'")
	must(t, errors.Join(one.Close(), other.Close()))
	pgtest.Eventually(t, "no connection", func() bool { return b.State().Open == 0 && s.Connections() == 0 })
}

// listenerKilled: a connection that listens and is killed comes back, and
// since something may have been told meanwhile, everything is told. Nobody else
// notices.
func listenerKilled(t *testing.T, s *pgtest.Server) {
	b := db.NewBudget(db.BudgetOptions{Connections: 4, Listen: true})
	defer b.Close()
	var all []*db.DB
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, openSchema(t, s, name, db.Options{Budget: b}))
	}
	for range 2 {
		listened(t, b)
		for _, d := range all {
			must(t, d.Look(t.Context()))
		}
		if n := s.SQL("projects", "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'projhost listening'"); n != "1" {
			t.Fatalf("%s connections were killed", n)
		}
		pgtest.Eventually(t, "all are told", func() bool {
			return all[0].Told() && all[1].Told() && all[2].Told()
		})
		for _, d := range all {
			if _, err := start(t.Context(), d); err != nil {
				t.Error(err)
			}
		}
	}
}

// listenerGivesWay: transactions have the whole budget when they want it,
// and what is free afterwards may listen again.
func listenerGivesWay(t *testing.T, s *pgtest.Server) {
	const limit = 4
	b := db.NewBudget(db.BudgetOptions{Connections: limit, Wait: 10 * time.Second, Listen: true})
	defer b.Close()
	var all []*db.DB
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, openSchema(t, s, name, db.Options{Budget: b}))
	}
	for _, hold := range []time.Duration{retries, 0} {
		listened(t, b)
		var inside, seen, done sync.WaitGroup
		inside.Add(limit)
		seen.Add(1)
		most := 0
		for i := range limit {
			done.Go(func() {
				var once sync.Once
				defer once.Do(inside.Done)
				err := all[i%len(all)].Read(t.Context(), func(tx *db.Tx) error {
					_, err := tx.One(func(db.Row) error { return nil }, "SELECT 1")
					once.Do(inside.Done)
					inside.Wait() // all have a connection at a time
					if i == 0 {
						time.Sleep(hold)
						most = s.Connections()
						if st := b.State(); st.Listening != 0 || st.Open != limit || st.Servers[0].InUse() != limit {
							t.Errorf("while all are in use: %+v", st)
						}
						seen.Done()
					}
					seen.Wait()
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if most > limit || most == 0 {
			t.Errorf("the server has seen %d connections", most)
		}
	}
}

// listenersAreFew: at most a quarter of the budget listens, however many
// servers there are; of a small budget, nothing.
func listenersAreFew(t *testing.T, s *pgtest.Server) {
	for connections, want := range map[int]int{3: 0, 11: 2} {
		b := db.NewBudget(db.BudgetOptions{Connections: connections, Listen: true, Idle: 50 * time.Millisecond})
		for _, role := range []string{"a", "b", "c"} {
			s.SQL("postgres", fmt.Sprintf("DROP ROLE IF EXISTS %[1]s; CREATE ROLE %[1]s SUPERUSER LOGIN", role))
			dsn := "postgres://" + role + "@/projects?host=" + s.Dir + "&schema=public"
			d, err := db.Open(t.Context(), "", dsn, db.Options{Budget: b})
			must(t, err)
			defer func() { _ = d.Close() }()
		}
		pgtest.Eventually(t, "those that may listen", func() bool { return b.State().Listening == want })
		for end := time.Now().Add(retries); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if st := b.State(); st.Listening > want || st.Open > connections {
				t.Fatalf("of %d connections: %+v", connections, st)
			}
		}
		b.Close()
	}
}

// standby: a server that does not let anybody listen is used without; as
// soon as it does, it is listened to.
func standby(t *testing.T, s *pgtest.Server) {
	s.Standby()
	b := db.NewBudget(db.BudgetOptions{Listen: true})
	defer b.Close()
	d := openSchema(t, s, "one", db.Options{Budget: b})
	for end := time.Now().Add(retries); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, err := start(t.Context(), d); err != nil || text != "page of one" {
			t.Fatalf("%q, %v", text, err)
		}
		if st := b.State(); st.Listening != 0 || st.Servers[0].Problem != "" {
			t.Fatalf("%+v", st)
		}
	}
	if err := d.Tell(t.Context()); !errors.Is(err, db.ErrReadOnly) {
		t.Errorf("telling: %v", err)
	}
	s.SQL("postgres", "SELECT pg_promote()")
	listened(t, b)
	must(t, d.Tell(t.Context()))
	heard(t, b, 1)
}

// listenerLives: one that listens is replaced in time, as others are, and
// everything it had ends with the budget.
func listenerLives(t *testing.T, s *pgtest.Server) {
	b := db.NewBudget(db.BudgetOptions{Listen: true, Life: 300 * time.Millisecond})
	defer b.Close()
	d := openSchema(t, s, "one", db.Options{Budget: b})
	process := func() (pid string) {
		pgtest.Eventually(t, "somebody who listens", func() bool {
			pid = s.SQL("projects", "SELECT pid FROM pg_stat_activity WHERE application_name = 'projhost listening' AND query LIKE 'LISTEN%'")
			return pid != ""
		})
		return pid
	}
	first := process()
	pgtest.Eventually(t, "another that listens", func() bool { return process() != first })
	b.Close()
	if st := b.State(); st.Listening != 0 || st.Open != 0 || s.Connections() != 0 {
		t.Errorf("after the end: %+v", st)
	}
	must(t, d.Close())
}

// flood: whoever tells ever so much gets nothing kept.
func flood(t *testing.T, s *pgtest.Server) {
	const n = 10_000
	b := db.NewBudget(db.BudgetOptions{Listen: true})
	defer b.Close()
	d := openSchema(t, s, "one", db.Options{Budget: b})
	listened(t, b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s.SQL("projects", fmt.Sprintf("SELECT count(pg_notify('projhost', i || repeat('x', 2000))) FROM generate_series(1, %d) i", n))
	heard(t, b, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes are kept of %d notifications", grown, n)
	}
	if text, err := start(context.Background(), d); err != nil || text != "page of one" {
		t.Errorf("%q, %v", text, err)
	}
}
