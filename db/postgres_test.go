package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/internal/fault"
)

// project makes a schema with Trac's tables and one page that names it.
func project(t testing.TB, s *pgtest.Server, name string, o db.Options) {
	t.Helper()
	o.Create = true
	d, err := db.Open(context.Background(), "", s.DSN(name), o)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(context.Background(), func(tx *db.Tx) error {
		for _, statement := range schema.For(d.Kind()) {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		for _, rows := range append(schema.Defaults(), schema.System()) {
			for _, values := range rows.Values {
				if _, err := tx.Exec(rows.Insert(), values...); err != nil {
					return err
				}
			}
		}
		_, err := tx.Exec("INSERT INTO wiki (name, version, time, author, text) VALUES (?, ?, ?, ?, ?)", "WikiStart", 1, int64(1), "trac", "page of "+name)
		return err
	})
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
}

func openSchema(t testing.TB, s *pgtest.Server, name string, o db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), "", s.DSN(name), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// start returns the text of a project's page.
func start(ctx context.Context, d *db.DB) (text string, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error {
			text = r.Text(0)
			return nil
		}, "SELECT text FROM wiki WHERE name = ? ORDER BY version DESC LIMIT 1", "WikiStart")
		return err
	})
	return text, err
}

func TestPostgres(t *testing.T) {
	s := pgtest.Start(t)
	b := db.NewBudget(db.BudgetOptions{Connections: 4})
	defer b.Close()
	odd := `Möwe "x" 'y'; \z`
	for _, name := range []string{"one", odd} {
		project(t, s, name, db.Options{Budget: b})
	}
	for _, name := range []string{"one", odd} {
		d := openSchema(t, s, name, db.Options{Budget: b, WriteAt: schema.Version})
		if text, err := start(t.Context(), d); err != nil || text != "page of "+name {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if v, err := d.Version(t.Context()); err != nil || v != schema.Version || d.ReadOnly() {
			t.Errorf("%s: version %d, %v, read-only %v", name, v, err, d.ReadOnly())
		}
	}
	d := openSchema(t, s, "one", db.Options{Budget: b})
	t.Run("nested", func(t *testing.T) { nested(t, d) })
	t.Run("undone", func(t *testing.T) { undone(t, d) })
	t.Run("reading only", func(t *testing.T) {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Each(func(db.Row) error { return nil }, "INSERT INTO wiki (name, version) VALUES ('x', 1) RETURNING name")
		})
		if !errors.Is(err, db.ErrReadOnly) {
			t.Errorf("writing while reading: %v", err)
		}
	})
	t.Run("constraint", func(t *testing.T) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO system (name, value) VALUES (?, ?)", "database_version", "1")
			return err
		})
		if !errors.Is(err, db.ErrConstraint) {
			t.Errorf("a key that is there: %v", err)
		}
	})
	t.Run("race", func(t *testing.T) { race(t, d) })
	t.Run("refused", func(t *testing.T) { refusedStrings(t, s, b) })
}

// race has two insert a row of the same key, though both have looked before: the
// second waits for the first, and then meets a conflict, in words for visitors.
func race(t *testing.T, d *db.DB) {
	insert := func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO component (name) VALUES (?)", "wings")
		return err
	}
	second := make(chan error)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		err := insert(tx)
		go func() { second <- d.Write(context.Background(), insert) }()
		pgtest.Eventually(t, "the second waits", func() (waits bool) {
			waits, err := tx.One(func(db.Row) error { return nil }, "SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted")
			return waits && err == nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := errors.AsType[*fault.Error](<-second)
	if !ok || f.Kind != fault.Conflict || !errors.Is(f, db.ErrTaken) || strings.Contains(f.Public, "key") {
		t.Errorf("the second: %v", f)
	}
}

// nested runs queries within the rows of another.
func nested(t *testing.T, d *db.DB) {
	got := ""
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(outer db.Row) error {
			name := outer.Text(0)
			err := tx.Each(func(inner db.Row) error {
				got += fmt.Sprint(name, "/", inner.Text(0), "=", inner.Int(1), " ")
				return nil
			}, "SELECT name, CAST(value AS int) FROM enum WHERE type = ? AND CAST(value AS int) <= ? ORDER BY name", name, 1)
			if outer.Text(0) != name {
				t.Errorf("the row has changed from %q to %q", name, outer.Text(0))
			}
			return err
		}, "SELECT DISTINCT type FROM enum ORDER BY type")
	})
	if want := "priority/blocker=1 resolution/fixed=1 ticket_type/defect=1 "; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
}

// undone writes and fails.
func undone(t *testing.T, d *db.DB) {
	boom := errors.New("boom")
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec("UPDATE wiki SET text = ?", "changed"); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		r, err := tx.Exec("UPDATE wiki SET text = ?", "changed")
		if r.Changed != 1 {
			t.Errorf("changed %d rows", r.Changed)
		}
		_, _ = tx.Exec("SELECT nonsense FROM nowhere") // kept from the transaction
		return err
	})
	if !errors.Is(err, db.ErrMisuse) {
		t.Errorf("a failure that was kept quiet: %v", err)
	}
	if text, err := start(t.Context(), d); err != nil || text != "page of one" {
		t.Errorf("%q, %v", text, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE wiki SET text = ?", "changed")
		cancel()
		return err
	})
	if err == nil {
		t.Error("committed after the end of the context")
	}
	if text, err := start(t.Context(), d); err != nil || text != "page of one" {
		t.Errorf("%q, %v", text, err)
	}
}

// refusedStrings has connection strings that lead nowhere, and says what no
// error may say.
func refusedStrings(t *testing.T, s *pgtest.Server, b *db.Budget) {
	secret := strings.Replace(s.DSN("one"), "@", ":s3cret@", 1)
	for dsn, want := range map[string]error{
		"postgres:x":                 db.ErrConnString,
		"postgres://u@h":             db.ErrConnString,
		"postgres://u@h/":            db.ErrConnString,
		"postgres://u@h:x/d":         db.ErrConnString,
		"postgres://u@h:70000/d":     db.ErrConnString,
		"postgres://u:s3cret%zz@h/d": db.ErrConnString,
		secret + "&x":                db.ErrConnString,
		secret + "&schema=":          db.ErrConnString,
		strings.Replace(secret, "schema=one", "schema=two", 1):        db.ErrMissing,
		strings.Replace(secret, "/projects", "/nosuch", 1):            db.ErrMissing,
		strings.Replace(secret, "host=", "host=/nosuch", 1):           db.ErrUnavailable,
		strings.Replace(secret, "schema=one", "schema=pg_catalog", 1): db.ErrNotTrac,
	} {
		d, err := db.Open(t.Context(), "", dsn, db.Options{Budget: b, WriteAt: schema.Version})
		if err == nil {
			_ = d.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", dsn, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := db.Open(t.Context(), "", s.DSN("one"), db.Options{Budget: b, Create: true}); !errors.Is(err, db.ErrExists) {
		t.Errorf("a schema with tables: %v", err)
	}
}
