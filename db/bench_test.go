package db_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"projhost/db"
)

// tickets makes an environment with 1000 tickets.
func tickets(tb testing.TB) (dir string) {
	tb.Helper()
	dir = environment(tb)
	d := open(tb, dir, "sqlite:db/trac.db", db.Options{})
	must(tb, d.Write(tb.Context(), func(tx *db.Tx) error {
		for i := range 1000 {
			_, err := tx.Exec("INSERT INTO ticket (type, time, changetime, component, priority, owner, reporter, milestone, status, summary, description) "+
				"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "defect", i, i, "component1", "major", "somebody", "another", "milestone1", "new",
				fmt.Sprintf("Summary of ticket %d", i), strings.Repeat("Something is wrong. ", 10))
			if err != nil {
				return err
			}
		}
		return tx.Changed("pages")
	}))
	return dir
}

// twoPoints is what a small page asks for.
func twoPoints(tx *db.Tx) error {
	_, err := tx.One(func(r db.Row) error {
		_, _ = r.Text(1), r.Text(8)
		return nil
	}, "SELECT id, type, time, component, priority, owner, reporter, status, summary FROM ticket WHERE id = ?", 500)
	if err != nil {
		return err
	}
	_, err = tx.Generation("pages")
	return err
}

func hundredRows(tx *db.Tx) error {
	n := 0
	return tx.Each(func(r db.Row) error {
		n += int(r.Int(0))
		for i := 1; i < 10; i++ {
			n += len(r.Text(i))
		}
		return nil
	}, "SELECT id, type, time, component, priority, owner, reporter, milestone, status, summary FROM ticket WHERE id > ? ORDER BY id LIMIT 100", 300)
}

func BenchmarkRead(b *testing.B) {
	for _, mode := range []string{"DELETE", "WAL"} {
		dir := tickets(b)
		d := open(b, dir, "sqlite:db/trac.db?journal_mode="+mode, db.Options{})
		must(b, d.Write(b.Context(), func(*db.Tx) error { return nil }))
		for name, f := range map[string]func(*db.Tx) error{"two points": twoPoints, "100 rows": hundredRows} {
			b.Run(mode+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					must(b, d.Read(b.Context(), f))
				}
			})
		}
		b.Run(mode+"/write", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, d.Write(b.Context(), func(tx *db.Tx) error { return tx.Changed("pages") }))
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := tickets(b)
	b.ReportAllocs()
	for b.Loop() {
		d, err := db.Open(b.Context(), dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
		must(b, err)
		must(b, d.Read(b.Context(), twoPoints))
		must(b, d.Close())
	}
}

// BenchmarkResident reports the resident memory of an open database.
func BenchmarkResident(b *testing.B) {
	const n = 500
	dir := tickets(b)
	text, err := os.ReadFile(filepath.Join(dir, "db/trac.db"))
	must(b, err)
	for i := range n {
		must(b, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), text, 0o644))
	}
	for b.Loop() {
		before := resident(b)
		var all []*db.DB
		for i := range n {
			d, err := db.Open(b.Context(), dir, "sqlite:"+fmt.Sprint(i), db.Options{WriteAt: 45})
			must(b, err)
			must(b, d.Read(b.Context(), twoPoints))
			all = append(all, d)
		}
		few := resident(b)
		for _, d := range all {
			must(b, d.Read(b.Context(), hundredRows))
		}
		b.ReportMetric((few-before)/n, "B-after-2-rows/db")
		b.ReportMetric((resident(b)-before)/n, "B-after-100-rows/db")
		for _, d := range all {
			must(b, d.Close())
		}
	}
}

// resident is the memory of this process, in bytes.
func resident(tb testing.TB) float64 {
	tb.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip("only Linux tells")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	must(tb, err)
	return float64(pages * os.Getpagesize())
}
