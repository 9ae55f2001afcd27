package e2e_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the same SQLite, as a driver for database/sql

	"projhost/db"
	"projhost/testenvs"
)

// Sizes of the comparison of package db with database/sql.
const (
	sqliteTickets = 1000
	sqliteRounds  = 9
	sqliteRound   = 200 * time.Millisecond
	sqliteOpen    = 200
)

// The queries of the comparison: what a small page asks for, and a list.
const (
	oneTicket = "SELECT id, type, time, component, priority, owner, reporter, status, summary FROM ticket WHERE id = ?"
	oneCache  = "SELECT generation FROM cache WHERE id = ?"
	aHundred  = "SELECT id, type, time, component, priority, owner, reporter, milestone, status, summary FROM ticket WHERE id > ? ORDER BY id LIMIT 100"
)

// reader asks a database for what pages ask for.
type reader interface {
	twoRows(b *testing.B)
	hundredRows(b *testing.B)
}

// native asks through package db.
type native struct{ d *db.DB }

func openNative(b *testing.B, dir, file string) reader {
	b.Helper()
	d, err := db.Open(b.Context(), dir, "sqlite:"+file, db.Options{WriteAt: 45})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	return native{d}
}

func (n native) read(b *testing.B, f func(*db.Tx) error) {
	if err := n.d.Read(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

func (n native) twoRows(b *testing.B) {
	n.read(b, func(tx *db.Tx) error {
		found, err := tx.One(func(r db.Row) error {
			if r.Int(0) != 500 || r.Text(8) == "" || r.Text(1) == "" || r.Text(3) == "" || r.Text(7) == "" {
				return fmt.Errorf("ticket %d", r.Int(0))
			}
			return nil
		}, oneTicket, 500)
		if err != nil || !found {
			return fmt.Errorf("found %v: %w", found, err)
		}
		_, err = tx.One(func(r db.Row) error { _ = r.Int(0); return nil }, oneCache, 1)
		return err
	})
}

func (n native) hundredRows(b *testing.B) {
	n.read(b, func(tx *db.Tx) error {
		size := 0
		return tx.Each(func(r db.Row) error {
			size += int(r.Int(0) + r.Int(2))
			for _, i := range []int{1, 3, 4, 5, 6, 7, 8, 9} {
				size += len(r.Text(i))
			}
			return nil
		}, aHundred, 300)
	})
}

// standard asks through database/sql, with statements prepared once.
type standard struct {
	d                         *sql.DB
	oneTicket, cache, hundred *sql.Stmt
}

func openStandard(b *testing.B, dir, file string) reader {
	b.Helper()
	d, err := sql.Open("sqlite", filepath.Join(dir, file))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	s := &standard{d: d}
	for query, stmt := range map[string]**sql.Stmt{oneTicket: &s.oneTicket, oneCache: &s.cache, aHundred: &s.hundred} {
		if *stmt, err = d.PrepareContext(b.Context(), query); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func (s *standard) read(b *testing.B, f func(*sql.Tx) error) {
	tx, err := s.d.BeginTx(b.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	if err := f(tx); err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func (s *standard) twoRows(b *testing.B) {
	s.read(b, func(tx *sql.Tx) error {
		var id, at int64
		var kind, component, priority, owner, reporter, status, summary string
		err := tx.StmtContext(b.Context(), s.oneTicket).QueryRowContext(b.Context(), 500).
			Scan(&id, &kind, &at, &component, &priority, &owner, &reporter, &status, &summary)
		if err != nil {
			return err
		}
		var generation int64
		err = tx.StmtContext(b.Context(), s.cache).QueryRowContext(b.Context(), 1).Scan(&generation)
		if err == sql.ErrNoRows {
			err = nil
		}
		return err
	})
}

func (s *standard) hundredRows(b *testing.B) {
	s.read(b, func(tx *sql.Tx) error {
		rows, err := tx.StmtContext(b.Context(), s.hundred).QueryContext(b.Context(), 300)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		size := 0
		for rows.Next() {
			var id, at int64
			var text [8]string
			if err := rows.Scan(&id, &text[0], &at, &text[1], &text[2], &text[3], &text[4], &text[5], &text[6], &text[7]); err != nil {
				return err
			}
			size += int(id + at)
			for _, t := range text {
				size += len(t)
			}
		}
		return rows.Err()
	})
}

// ticketsIn fills the database of a new environment.
func ticketsIn(b *testing.B) (dir string) {
	b.Helper()
	dir = testenvs.Make(b, testenvs.Parent(b), "one", nil)
	d, err := db.Open(b.Context(), dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
	if err != nil {
		b.Fatal(err)
	}
	err = d.Write(b.Context(), func(tx *db.Tx) error {
		for i := range sqliteTickets {
			_, err := tx.Exec("INSERT INTO ticket (type, time, changetime, component, priority, owner, reporter, milestone, status, summary, description) "+
				"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "defect", i, i, "component1", "major", "somebody", "another", "milestone1", "new",
				fmt.Sprintf("Summary of ticket %d", i), strings.Repeat("Something is wrong. ", 10))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkSQLite compares package db with database/sql over the same SQLite.
func BenchmarkSQLite(b *testing.B) {
	dir := ticketsIn(b)
	ways := []func(*testing.B, string, string) reader{openNative, openStandard}
	once(b, func() {
		readers := []reader{ways[0](b, dir, "db/trac.db"), ways[1](b, dir, "db/trac.db")}
		for _, c := range []struct {
			what string
			f    func(reader, *testing.B)
		}{{"transaction of two single rows", reader.twoRows}, {"transaction of 100 rows", reader.hundredRows}} {
			var times [2][]time.Duration
			for range sqliteRounds {
				for i, r := range readers {
					n, began := 0, time.Now()
					for ; time.Since(began) < sqliteRound; n++ {
						c.f(r, b)
					}
					times[i] = append(times[i], time.Since(began)/time.Duration(n))
				}
			}
			own, std := median(times[0]), median(times[1])
			line(b, "SQLite, "+c.what, fmt.Sprintf("native API %s, database/sql %s: %.2fx", micros(own), micros(std), float64(own)/float64(std)), "-", true)
		}
		var few, many [2]int
		for i, open := range ways {
			few[i], many[i] = sizeOfOpen(b, dir, open)
		}
		line(b, "SQLite, memory of an open database", fmt.Sprintf("native API %d KiB after the two rows, %d after the 100; database/sql %d and %d",
			few[0]>>10, many[0]>>10, few[1]>>10, many[1]>>10), "-", true)
	})
}

// sizeOfOpen is what an open database adds to the process, in bytes, after few
// and after many rows have been read.
func sizeOfOpen(b *testing.B, dir string, open func(*testing.B, string, string) reader) (few, many int) {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "db", "trac.db"))
	if err != nil {
		b.Fatal(err)
	}
	files := b.TempDir()
	for i := range sqliteOpen {
		if err := os.WriteFile(filepath.Join(files, fmt.Sprint(i)), text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	debug.FreeOSMemory()
	before := resident(b, os.Getpid())
	var all []reader
	for i := range sqliteOpen {
		r := open(b, files, fmt.Sprint(i))
		r.twoRows(b)
		all = append(all, r)
	}
	debug.FreeOSMemory()
	few = (resident(b, os.Getpid()) - before) / sqliteOpen
	for _, r := range all {
		r.hundredRows(b)
	}
	debug.FreeOSMemory()
	return few, (resident(b, os.Getpid()) - before) / sqliteOpen
}
