package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
	"projhost/db/schema"
	"projhost/internal/fault"
)

func TestOpenErrors(t *testing.T) {
	dir := environment(t)
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	for _, c := range []struct {
		dsn  string
		want error
	}{
		{"", db.ErrConnString},
		{"trac.db", db.ErrConnString},
		{"sqlite:", db.ErrConnString},
		{"sqlite:?timeout=5", db.ErrConnString},
		{"sqlite://host/x.db", db.ErrConnString},
		{"sqlite:db/trac.db?timeout", db.ErrConnString},
		{"sqlite:db/trac.db?timeout=soon", db.ErrConnString},
		{"sqlite:db/trac.db?timeout=-1", db.ErrConnString},
		{"sqlite:db/trac.db?timeout=%zz", db.ErrConnString},
		{"sqlite:db/trac.db?journal_mode=OFF", db.ErrConnString},
		{"sqlite:db/trac.db?synchronous=maybe;DROP", db.ErrConnString},
		{"sqlite:a\x00b", db.ErrConnString},
		{"postgres://user:s3cret@127.0.0.1:1/trac", db.ErrUnavailable},
		{"postgres://user:s3cret@ho@st:port/trac?x", db.ErrConnString},
		{"mysql://user:s3cret@host/trac", db.ErrNotServed},
		{"s3cret://x", db.ErrNotServed},
		{"sqlite:db/none.db", db.ErrMissing},
		{"sqlite:db/none.db", fs.ErrNotExist},
		{"sqlite:none/none.db", db.ErrMissing},
		{"sqlite:folder", db.ErrCannotOpen},
	} {
		d, err := db.Open(t.Context(), dir, c.dsn, db.Options{})
		if err == nil {
			_ = d.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.dsn, err, c.want)
		}
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error for %q shows the password: %v", c.dsn, err)
		}
	}
	if exists(dir, "db/none.db") || exists(dir, "none") {
		t.Error("opening a missing file made it")
	}
}

func TestOpenForms(t *testing.T) {
	dir := environment(t)
	file := filepath.Join(dir, "db/trac.db")
	for _, dsn := range []string{
		"sqlite:db/trac.db", "sqlite:" + file, "sqlite://" + file, "sqlite:db/../db/trac.db?cursor=lazy&unknown=1",
		"sqlite:db/trac.db?timeout=0.5&journal_mode=delete&synchronous=normal",
	} {
		d := open(t, dir, dsn, db.Options{WriteAt: schema.Version})
		if v, err := d.Version(t.Context()); v != 45 || err != nil || d.Kind() != "sqlite" || d.ReadOnly() {
			t.Errorf("%s: version %d, %v", dsn, v, err)
		}
		if real, err := filepath.EvalSymlinks(file); err != nil || d.File() != real {
			t.Errorf("%s: the file is %s", dsn, d.File())
		}
		must(t, d.Write(t.Context(), func(*db.Tx) error { return nil }))
	}
}

func TestCreate(t *testing.T) {
	dir := environment(t)
	if d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{Create: true}); !errors.Is(err, db.ErrExists) {
		t.Error(d, err)
	}
	create(t, dir, "sqlite:new/dir/x.db")
	open(t, dir, "sqlite:new/dir/x.db", db.Options{WriteAt: 45})
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{
		"a?b", "a%20b", "a#b", "a b", "пустой", "a&b=c", "file:x", "a'b\"c", "mode=ro;", "..a", "日本", "a\\b", "100%", "tab\tnew\nline", "e\u0301",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			file := create(t, dir, "sqlite:db/trac.db")
			if filepath.Base(filepath.Dir(filepath.Dir(file))) != name {
				t.Errorf("the file is %q", file)
			}
			for _, mode := range []string{"WAL", "DELETE"} {
				for _, o := range []db.Options{{WriteAt: schema.Version}, {ReadOnly: true}} {
					if got := marker(t, open(t, dir, "sqlite:db/trac.db", o)); got != "whole" {
						t.Errorf("read %q", got)
					}
				}
				setMode(t, dir, mode)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	d := open(t, "/nowhere", "sqlite::memory:", db.Options{})
	must(t, d.Write(t.Context(), fill))
	if got := marker(t, d); got != "whole" || d.File() != "" {
		t.Errorf("read %q in %q", got, d.File())
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		name, do string
		version  int
		want     error
	}{
		{"good", "", 45, nil},
		{"old", "UPDATE system SET value = '29' WHERE name = 'database_version'", 29, nil},
		{"no table", "DROP TABLE system", 0, db.ErrNotTrac},
		{"no row", "DELETE FROM system", 0, db.ErrNotTrac},
		{"no number", "UPDATE system SET value = 'x'", 0, db.ErrNotTrac},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := environment(t)
			if c.do != "" {
				must(t, open(t, dir, "sqlite:db/trac.db", db.Options{}).Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(c.do)
					return err
				}))
			}
			d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{WriteAt: schema.Version})
			if !errors.Is(err, c.want) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			defer func() { must(t, d.Close()) }()
			if v, err := d.Version(t.Context()); v != c.version || err != nil || d.ReadOnly() != (v != 45) {
				t.Error(v, err, d.ReadOnly())
			}
		})
	}
}

func TestNotADatabase(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"text": strings.Repeat("not a database at all ", 100), "short": "x", "empty": ""} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		want := db.ErrNotDatabase
		if name != "text" { // SQLite takes such a file for an empty database
			want = db.ErrNotTrac
		}
		for _, o := range []db.Options{{WriteAt: 45}, {ReadOnly: true}, {}} {
			d, err := db.Open(t.Context(), dir, "sqlite:"+name, o)
			if err == nil {
				_, err = d.Version(t.Context())
				must(t, d.Close())
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s was changed", name)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 {
		t.Error("files were made:", list)
	}
}

func TestValues(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	long := strings.Repeat("é", 5000)
	args := []any{"text", int64(math.MinInt64), 7, true, 1.5, nil, []byte{0, 1, 2}, "", "a\x00b", long, []byte(nil), []byte{}}
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		found, err := tx.One(func(r db.Row) error {
			if r.Text(0) != "text" || r.Int(1) != math.MinInt64 || r.Int(2) != 7 || r.Int(3) != 1 || r.Float(4) != 1.5 ||
				!r.Null(5) || r.Text(5) != "" || r.Int(5) != 0 || r.Bytes(5) != nil || string(r.Bytes(6)) != "\x00\x01\x02" ||
				r.Null(7) || r.Text(7) != "" || r.Text(8) != "a\x00b" || r.Text(9) != long || !r.Null(10) || r.Null(11) || r.Bytes(11) == nil {
				t.Error("values do not come back")
			}
			if !r.Null(12) || r.Text(12) != "" || r.Text(-1) != "" || r.Text(2) != "7" || r.Int(0) != 0 {
				t.Error("odd columns")
			}
			return nil
		}, "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?", args...)
		if err != nil || !found {
			t.Error(found, err)
		}
		res, err := tx.Exec("INSERT INTO report (title) VALUES (?), (?)", "a", "b")
		if err != nil || res.Changed != 2 || res.ID != 2 {
			t.Error(res, err)
		}
		return err
	}))
}

func TestMisuse(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	var kept *db.Tx
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		kept = tx
		none := func(db.Row) error { return nil }
		for query, args := range map[string][]any{
			"SELECT ?":                  nil,
			"SELECT 1":                  {1},
			"":                          nil,
			"-- nothing":                nil,
			"SELECT 1; SELECT 2":        nil,
			"SELECT 1\x00":              nil,
			"SELECT ? -- struct":        {struct{}{}},
			"SELECT 1; DROP TABLE wiki": nil,
		} {
			if err := tx.Each(none, query, args...); !errors.Is(err, db.ErrMisuse) {
				t.Errorf("%q: %v", query, err)
			}
		}
		if err := tx.Each(none, "SELEC 1"); err == nil || !strings.Contains(err.Error(), "syntax") {
			t.Error(err)
		}
		if err := tx.Each(none, "SELECT 1; \n"); err != nil {
			t.Error(err)
		}
		_, err := tx.Exec("DELETE FROM wiki")
		if !errors.Is(err, db.ErrReadOnly) || fault.As(err).Kind != fault.Denied {
			t.Error(err)
		}
		if err := tx.Each(none, "DELETE FROM wiki"); !errors.Is(err, db.ErrReadOnly) {
			t.Error(err)
		}
		return nil
	}))
	if _, err := kept.Generation("x"); !errors.Is(err, db.ErrMisuse) {
		t.Error("a transaction that is over:", err)
	}
}

func TestErrorsOfF(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	mine := errors.New("mine")
	set := func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", "changed", "marker")
		return err
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		must(t, set(tx))
		return tx.Each(func(db.Row) error { return mine }, "SELECT name FROM enum")
	})
	if err != mine || marker(t, d) != "whole" {
		t.Error(err, marker(t, d))
	}
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic was swallowed")
			}
		}()
		_ = d.Write(t.Context(), func(tx *db.Tx) error {
			must(t, set(tx))
			return tx.Each(func(db.Row) error { panic("oh") }, "SELECT name FROM enum")
		})
	}()
	if marker(t, d) != "whole" {
		t.Error("a panic committed")
	}
	must(t, d.Write(t.Context(), set))
	if marker(t, d) != "changed" {
		t.Error("not committed")
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO system (name, value) VALUES (?, ?)", "marker", "again")
		return err
	})
	if !errors.Is(err, db.ErrConstraint) || !errors.Is(err, db.ErrTaken) || fault.As(err).Kind != fault.Conflict {
		t.Error(err)
	}
}

// TestNested runs a query inside itself, and more statements than are kept.
func TestNested(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	const query = "SELECT name FROM enum WHERE type = ? ORDER BY value"
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		var got []string
		err := tx.Each(func(outer db.Row) error {
			return tx.Each(func(inner db.Row) error {
				got = append(got, outer.Text(0)+inner.Text(0))
				return nil
			}, query, "ticket_type")
		}, query, "ticket_type")
		if len(got) != 9 || got[1] != "defectenhancement" {
			t.Error(got)
		}
		for i := range 200 {
			if err == nil {
				_, err = tx.One(func(r db.Row) error {
					if r.Int(0) != int64(i) {
						t.Error(r.Int(0))
					}
					return nil
				}, fmt.Sprintf("SELECT %d, ?", i), strings.Repeat("x", i*10))
			}
		}
		return err
	}))
}

func TestSnapshot(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir := environment(t)
			setMode(t, dir, mode)
			d := open(t, dir, "sqlite:db/trac.db", db.Options{WriteAt: 45})
			var stop atomic.Bool
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					for !stop.Load() {
						must(t, d.Read(t.Context(), func(tx *db.Tx) error {
							a, err := system(tx, "a")
							time.Sleep(time.Millisecond)
							b, err2 := system(tx, "b")
							if a != b {
								t.Errorf("a is %s, b is %s", a, b)
							}
							return errors.Join(err, err2)
						}))
					}
				})
			}
			for i := range 30 {
				must(t, d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("INSERT OR REPLACE INTO system (name, value) VALUES (?, ?)", "a", i)
					time.Sleep(time.Millisecond)
					_, err2 := tx.Exec("INSERT OR REPLACE INTO system (name, value) VALUES (?, ?)", "b", i)
					return errors.Join(err, err2)
				}))
			}
			stop.Store(true)
			wg.Wait()
			if got := journalMode(t, d); !strings.EqualFold(got, mode) {
				t.Errorf("the mode became %s", got)
			}
		})
	}
}

// TestWritersTakeTurns: no update is lost, by two handles of one file too.
func TestWritersTakeTurns(t *testing.T) {
	dir := environment(t)
	handles := []*db.DB{open(t, dir, "sqlite:db/trac.db", db.Options{}), open(t, dir, "sqlite:db/trac.db", db.Options{})}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 25 {
				must(t, handles[i%2].Write(t.Context(), func(tx *db.Tx) error {
					g, err := tx.Generation("k")
					if err != nil {
						return err
					}
					if g < 0 {
						return tx.Changed("k")
					}
					_, err = tx.Exec("UPDATE cache SET generation = ? WHERE key = ?", g+1, "k")
					return err
				}))
			}
		})
	}
	wg.Wait()
	must(t, handles[0].Read(t.Context(), func(tx *db.Tx) error {
		g, err := tx.Generation("k")
		if g != 99 {
			t.Errorf("%d of 100 changes are there", g+1)
		}
		return err
	}))
}

// TestGeneration compares with the numbers that Trac 1.6 gives its values.
func TestGeneration(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	keys := map[string]int64{
		"trac.wiki.api.WikiSystem.pages":                        901198563,
		"trac.wiki.interwiki.InterWikiMap.interwiki_map":        2085311731,
		"trac.perm.DefaultPermissionStore._all_permissions":     1722364385,
		"trac.env.Environment._known_users":                     1173095902,
		"trac.ticket.api.TicketSystem.fields":                   660951007,
		"trac.versioncontrol.cache.CachedRepository.metadata:1": 648805364,
	}
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		for key, id := range keys {
			if g, err := tx.Generation(key); g != -1 || err != nil {
				t.Error(key, g, err)
			}
			must(t, tx.Changed(key))
			must(t, tx.Changed(key))
			_, err := tx.One(func(r db.Row) error {
				if r.Int(0) != id || r.Int(1) != 1 {
					t.Errorf("%s has id %d, generation %d", key, r.Int(0), r.Int(1))
				}
				return nil
			}, "SELECT id, generation FROM cache WHERE key = ?", key)
			must(t, err)
		}
		return nil
	}))
}

// endless is a query that takes for ever.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

func TestContextStopsQuery(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{})
	run := func(ctx context.Context, tx func(context.Context, func(*db.Tx) error) error) (time.Duration, error) {
		start := time.Now()
		err := tx(ctx, func(tx *db.Tx) error {
			_, err := tx.One(func(db.Row) error { return nil }, endless)
			return err
		})
		return time.Since(start), err
	}
	for range 3 { // the connection stays good
		for name, f := range map[string]func(context.Context, func(*db.Tx) error) error{"read": d.Read, "write": d.Write} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			took, err := run(ctx, f)
			cancel()
			if fault.As(err).Kind != fault.Busy || !errors.Is(err, context.DeadlineExceeded) || fault.As(err).RetryAfter == 0 || took > 2*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			took, err = run(ctx, f)
			if fault.As(err).Kind != fault.Canceled || !errors.Is(err, context.Canceled) || took > 2*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			if _, err = run(ctx, f); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, canceled before: %v", name, err)
			}
			if marker(t, d) != "whole" {
				t.Error("no good afterwards")
			}
		}
	}
}

// TestContextsEndAtAnyTime ends transactions at random moments: each does all
// or nothing, and the connections stay good.
func TestContextsEndAtAnyTime(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db?synchronous=off", db.Options{})
	must(t, d.Write(t.Context(), func(tx *db.Tx) error { return tx.Changed("k") }))
	var wg sync.WaitGroup
	var written atomic.Int64
	for range 6 {
		wg.Go(func() {
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(3*time.Millisecond))
				err := d.Write(ctx, func(tx *db.Tx) error { return tx.Changed("k") })
				if err == nil {
					written.Add(1)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("write:", err)
				}
				err = d.Read(ctx, func(tx *db.Tx) error {
					n := 0
					err := tx.Each(func(db.Row) error { n++; return nil }, "SELECT a.name FROM enum a, enum b, enum c")
					if err == nil && n != 13*13*13 {
						t.Errorf("%d rows", n)
					}
					return err
				})
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error("read:", err)
				}
			}
		})
	}
	wg.Wait()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		g, err := tx.Generation("k")
		if g != written.Load() {
			t.Errorf("generation %d after %d changes", g, written.Load())
		}
		return err
	}))
}

func TestContextStopsWaiting(t *testing.T) {
	d := open(t, environment(t), "sqlite:db/trac.db", db.Options{Readers: 1})
	free, busy := make(chan struct{}), make(chan struct{}, 2)
	hold := func(*db.Tx) error {
		busy <- struct{}{}
		<-free
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { must(t, d.Read(t.Context(), hold)) })
	wg.Go(func() { must(t, d.Write(t.Context(), hold)) })
	<-busy
	<-busy
	for name, f := range map[string]func(context.Context, func(*db.Tx) error) error{"read": d.Read, "write": d.Write} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := f(ctx, func(*db.Tx) error { t.Error("runs"); return nil })
		cancel()
		if fault.As(err).Kind != fault.Busy {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(free)
	wg.Wait()
}

func TestCloseWaits(t *testing.T) {
	dir := environment(t)
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
	must(t, err)
	started, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var done atomic.Bool
	wg.Go(func() {
		must(t, d.Write(t.Context(), func(tx *db.Tx) error {
			close(started)
			<-free
			_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", "late", "marker")
			done.Store(true)
			return err
		}))
	})
	<-started
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	for { // until Close has begun
		err := d.Read(t.Context(), func(*db.Tx) error { return nil })
		if errors.Is(err, db.ErrClosed) {
			if fault.As(err).Kind != fault.Busy {
				t.Error(err)
			}
			break
		}
		must(t, err)
	}
	close(free)
	must(t, <-closed)
	if !done.Load() {
		t.Error("Close did not wait")
	}
	wg.Wait()
	must(t, d.Close())
	if err := d.Write(t.Context(), nil); !errors.Is(err, db.ErrClosed) {
		t.Error(err)
	}
	if got := marker(t, open(t, dir, "sqlite:db/trac.db", db.Options{})); got != "late" {
		t.Error(got)
	}
}

func TestManyOpen(t *testing.T) {
	dir := environment(t)
	text, err := os.ReadFile(filepath.Join(dir, "db/trac.db")) // closed: there are no locks to lose
	must(t, err)
	n := 500
	if testing.Short() {
		n = 50
	}
	var all []*db.DB
	for i := range n {
		name := fmt.Sprintf("%d.db", i)
		must(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
		d := open(t, dir, "sqlite:"+name+"?synchronous=off", db.Options{WriteAt: 45})
		must(t, d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", i, "marker")
			return err
		}))
		all = append(all, d)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range all {
				i = (i + w*61) % n
				if got := marker(t, all[i]); got != fmt.Sprint(i) {
					t.Errorf("database %d says %s", i, got)
				}
			}
		})
	}
	wg.Wait()
}
