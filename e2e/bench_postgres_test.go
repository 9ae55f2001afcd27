package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
)

// Sizes of BenchmarkPostgres.
const (
	pgSchemas = 500
	pgClients = 64
	pgLimit   = 20 // connections, db.DefaultConnections
)

// pgWay is one way of sharing connections.
type pgWay struct {
	name    string
	schemas int
	own     bool // each database has a budget of its own, of one connection
	passing bool // connections do not outlive a request
	all     []*db.DB
	rates   []float64
}

func (w *pgWay) open(b *testing.B, s *pgtest.Server) {
	b.Helper()
	shared := db.NewBudget(db.BudgetOptions{Connections: pgLimit, Wait: time.Minute})
	b.Cleanup(shared.Close)
	for i := range w.schemas {
		budget := shared
		if w.own {
			budget = db.NewBudget(db.BudgetOptions{Connections: 1, Wait: time.Minute})
			b.Cleanup(budget.Close)
		}
		d, err := db.Open(context.Background(), "", s.DSN(fmt.Sprintf("p%d", i)), db.Options{Budget: budget, Passing: w.passing, WriteAt: schema.Version})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = d.Close() })
		w.all = append(w.all, d)
	}
}

// page is what a wiki page asks the database.
func page(d *db.DB) error {
	defer d.Rest()
	none := func(db.Row) error { return nil }
	return d.Read(context.Background(), func(tx *db.Tx) error {
		if _, err := tx.Generation("trac.wiki.api.WikiSystem.pages"); err != nil {
			return err
		}
		_, err := tx.One(none, "SELECT version, time, author, text, comment FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", "WikiStart")
		return err
	})
}

// round has clients ask for pages of random projects for a while, and counts the
// answers after a moment in which the processor's caches become this way's.
func (w *pgWay) round(b *testing.B, d time.Duration) {
	b.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now().Add(200 * time.Millisecond)
	end := begin.Add(d)
	for i := range pgClients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 9))
			for time.Now().Before(end) {
				if err := page(w.all[rng.IntN(len(w.all))]); err != nil {
					b.Error(err)
					return
				}
				if time.Now().After(begin) {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	w.rates = append(w.rates, float64(n.Load())/d.Seconds())
}

// BenchmarkPostgres compares 500 projects that share a budget with one project
// that has all of it, with a pool for each project, and with none.
func BenchmarkPostgres(b *testing.B) {
	s := pgtest.Start(b, fmt.Sprintf("max_connections = %d", pgSchemas+4*pgLimit+10), "max_locks_per_transaction = 1024", "shared_buffers = 256MB")
	for i := range pgSchemas {
		d, err := db.Open(context.Background(), "", s.DSN(fmt.Sprintf("p%d", i)), db.Options{Create: true})
		if err != nil {
			b.Fatal(err)
		}
		err = d.Write(context.Background(), func(tx *db.Tx) error {
			for _, statement := range schema.For(d.Kind()) {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			for _, values := range schema.System().Values {
				if _, err := tx.Exec(schema.System().Insert(), values...); err != nil {
					return err
				}
			}
			_, err := tx.Exec("INSERT INTO wiki (name, version, time, author, text) VALUES ('WikiStart', 1, 1, 'trac', ?)", fmt.Sprintf("%04000d", i))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		_ = d.Close()
	}
	ways := []*pgWay{
		{name: "one project", schemas: 1},
		{name: "500 projects, shared pools", schemas: pgSchemas},
		{name: "500 projects, a pool each (500 connections)", schemas: pgSchemas, own: true},
		{name: "500 projects, no pool", schemas: pgSchemas, passing: true},
	}
	for _, w := range ways {
		w.open(b, s)
		w.round(b, 3*time.Second) // until nearly every connection knows the projects that it serves
		w.rates = nil
	}
	once(b, func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 11 {
			for _, i := range rng.Perm(len(ways)) { // none always follows the one that opens a connection each time
				ways[i].round(b, time.Second)
			}
		}
		const what = "PostgreSQL, 64 clients, 20 connections: "
		for _, w := range ways {
			line(b, what+w.name, thousands(median(w.rates))+" transactions/s", "-", true)
		}
		ratioTo := func(one, other *pgWay) float64 {
			var all []float64
			for i := range one.rates {
				all = append(all, one.rates[i]/other.rates[i])
			}
			return median(all)
		}
		r := ratioTo(ways[1], ways[0])
		line(b, what+"500 projects against one", fmt.Sprintf("%.2fx", r), ">= 0.9x", r >= 0.9)
		line(b, what+"shared pools against a pool each", fmt.Sprintf("%.2fx", ratioTo(ways[1], ways[2])), "-", true)
		line(b, what+"shared pools against no pool", fmt.Sprintf("%.2fx", ratioTo(ways[1], ways[3])), "-", true)
	})
}
