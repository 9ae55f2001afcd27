package convert_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/pgtest"
	"projhost/db/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// project makes a database of Trac's with a few rows of every kind.
func project(t *testing.T, dir, dsn string, more ...string) {
	t.Helper()
	d, err := db.Open(t.Context(), dir, dsn, db.Options{Create: true})
	must(t, err)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		statements := append(schema.For(d.Kind()), more...)
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
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
		for i := range 300 {
			_, err := tx.Exec("INSERT INTO ticket (type, time, summary, description, keywords) VALUES (?, ?, ?, ?, ?)", "defect",
				int64(1)<<50+int64(i), fmt.Sprintf("Ticket %d\t\\N \\. 'x' \"y\"", i), strings.Repeat("Zeile\r\n\v\f\bÄ 日本 𝄞\n", i%7), nil)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec("DELETE FROM ticket WHERE id > 290")
		return err
	}))
	must(t, d.Close())
}

func open(t *testing.T, dir, dsn string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dir, dsn, db.Options{})
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// dump is every row of some tables, as text.
func dump(t *testing.T, d *db.DB, tables map[string]int) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		for name, columns := range tables {
			err := tx.Each(func(r db.Row) error {
				line := ""
				for i := range columns {
					line += fmt.Sprintf("%q,%v|", r.Text(i), r.Null(i))
				}
				all[name] = append(all[name], line)
				return nil
			}, "SELECT * FROM "+name)
			if err != nil {
				return err
			}
			slices.Sort(all[name])
		}
		return nil
	}))
	return all
}

// ours are Trac's tables, with how many columns they have.
func ours() map[string]int {
	all := map[string]int{}
	for _, name := range schema.Tables() {
		all[name] = len(schema.Columns(name))
	}
	return all
}

// describe is what a server says of a schema's tables.
func describe(s *pgtest.Server, name string) string {
	text := s.SQL("projects", fmt.Sprintf("SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, column_default "+
		"FROM information_schema.columns WHERE table_schema = '%s' ORDER BY 1, 2", name))
	text += "\n" + s.SQL("projects", fmt.Sprintf("SELECT indexdef FROM pg_indexes WHERE schemaname = '%s' ORDER BY 1", name))
	text += "\n" + s.SQL("projects", fmt.Sprintf("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = '%s'::regnamespace ORDER BY 1", name))
	return strings.ReplaceAll(text, name+".", "")
}

// made is what SQLite says of a database's tables.
func made(t *testing.T, d *db.DB) (list []string) {
	t.Helper()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(r db.Row) error {
			list = append(list, r.Text(0))
			return nil
		}, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
	}))
	return list
}

// plugin is a table of a plugin, as Trac's API makes it in SQLite.
const plugin = `CREATE TABLE tag ("id" integer PRIMARY KEY, "name" text, "weight" real, "data" blob, "when" integer, "Odd ""name?" text, UNIQUE (name))`

func TestCopy(t *testing.T) {
	s := pgtest.Start(t)
	t.Run("there and back", func(t *testing.T) { thereAndBack(t, s) })
	t.Run("types", func(t *testing.T) { types(t, s) })
	t.Run("refused", func(t *testing.T) { refused(t, s) })
}

// thereAndBack: from SQLite to PostgreSQL and back, every row is as it was,
// and what Trac and projhost themselves make is what there is.
func thereAndBack(t *testing.T, s *pgtest.Server) {
	dir := t.TempDir()
	project(t, dir, "sqlite:one.db", plugin, "CREATE INDEX tag_when_idx ON tag (\"when\")", "CREATE INDEX wiki_author ON wiki (author)",
		`INSERT INTO tag VALUES (7, '', 0.1, x'00ff5c', 1234567890123456, 'a'), (8, 'n', -1e300, x'', NULL, NULL), (9, NULL, NULL, NULL, -1, ' ')`)
	project(t, "", s.DSN("fresh"), "INSERT INTO wiki (name) SELECT 'x' WHERE false")
	one := open(t, dir, "sqlite:one.db")
	there, err := convert.Copy(t.Context(), one, dir, s.DSN("there"), convert.Options{Alone: true})
	must(t, err)
	if len(there.Left) > 0 || there.Tables["ticket"].Rows != 290 || there.Version != schema.Version {
		t.Errorf("%+v", there)
	}
	tables := ours()
	want := dump(t, one, tables)
	if diff := cmp.Diff(want, dump(t, open(t, "", s.DSN("there")), tables)); diff != "" {
		t.Error(diff)
	}
	for _, statement := range []string{"SELECT 1", "UPDATE ticket SET keywords = '' WHERE id = 5", "UPDATE ticket SET keywords = NULL, type = 'defec', time = 1 WHERE id = 5"} {
		d := open(t, "", s.DSN("there"))
		differ := errors.New("undone")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
			if got, err := convert.Digests(tx, d.Kind()); err != nil || cmp.Equal(got, there.Tables) != (statement == "SELECT 1") {
				t.Errorf("after %s: %v, %v", statement, got["ticket"], err)
			}
			return differ
		})
		if !errors.Is(err, differ) {
			t.Error(err)
		}
	}
	s.SQL("projects", `DROP INDEX there.wiki_author`)
	before := describe(s, "there")
	s.SQL("projects", `CREATE INDEX wiki_author ON there.wiki (author)`)
	_, rest, _ := strings.Cut(before, "tag|6|") // its columns come between Trac's
	if fresh := describe(s, "fresh"); !strings.Contains(before, "tag_name_key") || rest == "" || len(fresh) < 1000 {
		t.Error(before)
	} else {
		for line := range strings.Lines(before) {
			if !strings.Contains(line, "tag") && !strings.Contains(fresh, line) {
				t.Errorf("not as Trac makes it: %s", line)
			}
		}
	}
	if id := s.SQL("projects", "INSERT INTO there.ticket (summary) VALUES ('next') RETURNING id"); !strings.HasPrefix(id, "291") {
		t.Errorf("the next ticket is %s", id)
	}
	s.SQL("projects", "DELETE FROM there.ticket WHERE id = 291")
	pg := open(t, "", s.DSN("there"))
	back, err := convert.Copy(t.Context(), pg, dir, "sqlite:back.db", convert.Options{})
	must(t, err)
	if back.Counted["ticket"] != 291 || len(back.Left) > 0 {
		t.Errorf("%+v", back)
	}
	two := open(t, dir, "sqlite:back.db")
	tables["tag"] = 6
	if diff := cmp.Diff(dump(t, one, tables), dump(t, two, tables)); diff != "" {
		t.Error(diff)
	}
	isTag := func(s string) bool { return strings.Contains(s, "tag") || strings.Contains(s, "wiki_author") }
	if diff := cmp.Diff(slices.DeleteFunc(made(t, one), isTag), slices.DeleteFunc(made(t, two), isTag)); diff != "" {
		t.Error(diff)
	}
	if list := strings.Join(made(t, two), "\n"); !strings.Contains(list, `CREATE UNIQUE INDEX "tag_name_key"`) || !strings.Contains(list, "tag_when_idx") || !strings.Contains(list, "wiki_author") {
		t.Error(list)
	}
	if _, err := convert.Copy(t.Context(), two, dir, s.DSN("again"), convert.Options{Counted: back.Counted}); err != nil {
		t.Fatal(err)
	}
	if id := s.SQL("projects", "INSERT INTO again.ticket (summary) VALUES ('next') RETURNING id"); !strings.HasPrefix(id, "292") {
		t.Errorf("the number of a ticket that was removed is given again: %s", id)
	}
	if describe(s, "there") != describe(s, "again") {
		t.Error(cmp.Diff(describe(s, "there"), describe(s, "again")))
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Error(list, err)
	}
}

// types: what a plugin has in PostgreSQL comes back from an SQLite file as it
// was, and what does not is named.
func types(t *testing.T, s *pgtest.Server) {
	dir := t.TempDir()
	project(t, "", s.DSN("one"))
	s.SQL("projects", `CREATE TABLE one.odd (a smallint DEFAULT 7, b integer NOT NULL, c bigint, d real, e double precision, f boolean, g bytea, h numeric(30,10),
  i varchar(20) DEFAULT 'x', j char(4), k timestamp with time zone, l date, m interval, n uuid, o jsonb, p integer[], q text[], r inet, s timestamp(3), "T u?" text,
  PRIMARY KEY (b, c))`)
	s.SQL("projects", `INSERT INTO one.odd VALUES
 (-32768, 2147483647, 9223372036854775807, 0.1, 0.1, false, '\x00ff', 12345678901234567890.1234567890, '1.10', '01', '2024-02-29 12:00:00.123456+09', '0044-03-15 BC', '1 day 00:00:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, "x"]}', '{1,NULL}', '{"a b",c}', '10.0.0.0/8', '2024-01-01 00:00:00.5', '007'),
 (NULL, 1, 1, 'NaN', '-Infinity', NULL, '', 'NaN', '', NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (1, 2, 2, 3.4028235e38, 5e-324, true, NULL, 1e15, '1e3', 'ab', NULL, NULL, '05:00', NULL, '5', '{}', '{}', NULL, NULL, '5')`)
	s.SQL("projects", `CREATE INDEX odd_l ON one.odd (l, m)`)
	s.SQL("projects", `CREATE UNIQUE INDEX odd_n ON one.odd (n)`)
	for _, statement := range []string{
		"CREATE VIEW one.seen AS SELECT 1", "CREATE SEQUENCE one.lonely", "CREATE TYPE one.mood AS ENUM ('good', 'bad')",
		"CREATE TABLE one.feeling (id serial, m one.mood, n integer CHECK (n > 0), made integer GENERATED ALWAYS AS (n + 1) STORED, at timestamp DEFAULT now())",
		"INSERT INTO one.feeling (m, n) VALUES ('bad', 4)", "CREATE INDEX ofit ON one.feeling ((n + 1))",
		"CREATE FUNCTION one.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"ALTER TABLE one.feeling ADD CONSTRAINT fk FOREIGN KEY (n) REFERENCES one.ticket (id) NOT VALID",
	} {
		s.SQL("projects", statement)
	}
	d := open(t, "", s.DSN("one"))
	r, err := convert.Copy(t.Context(), d, dir, "sqlite:one.db", convert.Options{})
	must(t, err)
	want := []string{"the check feeling_n_check", "the foreign key fk", "the function f", "the sequence lonely", "the type mood", "the view seen",
		"the type mood of feeling.m, which becomes text", "how feeling.made is generated; its values are there", "the default of feeling.at",
		"the index ofit, of an expression, with a condition or of a kind of its own", "that feeling.id counts up by itself"}
	for _, w := range want {
		if !slices.ContainsFunc(r.Left, func(l string) bool { return strings.ReplaceAll(l, "one.", "") == w }) {
			t.Errorf("%q is not in %q", w, r.Left)
		}
	}
	if len(r.Left) != len(want) {
		t.Errorf("%d things are left: %q", len(r.Left), r.Left)
	}
	back, err := convert.Copy(t.Context(), open(t, dir, "sqlite:one.db"), dir, s.DSN("two"), convert.Options{})
	must(t, err)
	if diff := cmp.Diff(r.Tables, back.Tables); diff != "" || len(back.Left) > 0 {
		t.Error(diff, back.Left)
	}
	if diff := cmp.Diff(s.SQL("projects", "SELECT * FROM one.odd ORDER BY b"), s.SQL("projects", "SELECT * FROM two.odd ORDER BY b")); diff != "" {
		t.Error(diff)
	}
	odd := func(text string) (list []string) {
		for line := range strings.Lines(text) {
			if strings.Contains(line, "odd") {
				list = append(list, line)
			}
		}
		return list
	}
	if diff := cmp.Diff(odd(describe(s, "one")), odd(describe(s, "two"))); diff != "" {
		t.Error(diff)
	}
}

// refused: what PostgreSQL cannot hold is told by table, row and column, and
// nothing is left of the attempt.
func refused(t *testing.T, s *pgtest.Server) {
	for i, c := range []struct{ statement, want, replaced string }{
		{"UPDATE ticket SET time = 'soon' WHERE id = 3", `table ticket, row 3 (it begins with "3"), column time: "soon" is not a whole number of 64 bits`, ""},
		{"UPDATE milestone SET due = 1.5 WHERE name = 'milestone2'", `(it begins with "milestone2"), column due: "1.5" is not a whole number`, ""},
		{"UPDATE wiki SET readonly = 4294967296", "", ""},
		{"INSERT INTO wiki (name, version, text, readonly) VALUES ('W', 1, '', 4294967296)", `4294967296`, ""},
		{"UPDATE ticket SET summary = 'a' || char(0) || 'b' WHERE id = 290", "row 290 (it begins with \"290\"), column summary: there is a NUL", "a\ufffdb"},
		{"UPDATE ticket SET summary = CAST(x'61ff62' AS text) WHERE id = 290", "column summary: the text \"a\\xffb\" is not UTF-8", "a\ufffdb"},
		{"INSERT INTO permission (username, action) VALUES ('ana', NULL)", `null value in column "action" of relation "permission"`, ""},
	} {
		dir, name := t.TempDir(), fmt.Sprint("to", i)
		project(t, dir, "sqlite:one.db")
		d := open(t, dir, "sqlite:one.db")
		must(t, d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(c.statement); return err }))
		_, err := convert.Copy(t.Context(), d, dir, s.DSN(name), convert.Options{})
		if c.want == "" {
			must(t, err)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "row") && !strings.Contains(err.Error(), "line") {
			t.Errorf("%s: %v", c.statement, err)
		}
		if n := s.SQL("projects", "SELECT count(*) FROM pg_namespace WHERE nspname = '"+name+"'"); n != "0" {
			t.Errorf("%s: a schema is left", c.statement)
		}
		r, err := convert.Copy(t.Context(), d, dir, s.DSN(name), convert.Options{Replace: true})
		if (err == nil) != (c.replaced != "") {
			t.Errorf("%s: replaced: %v", c.statement, err)
		}
		if c.replaced != "" {
			if got := s.SQL("projects", "SELECT summary FROM "+name+".ticket WHERE id = 290"); got != c.replaced || len(r.Left) != 1 || !strings.Contains(r.Left[0], "1 values of ticket.summary") {
				t.Errorf("%q, %q", got, r.Left)
			}
		}
	}
	dir := t.TempDir()
	project(t, dir, "sqlite:one.db")
	d := open(t, dir, "sqlite:one.db")
	s.SQL("projects", "CREATE TABLE public.x (a int)")
	if _, err := convert.Copy(t.Context(), d, dir, s.DSN("public"), convert.Options{}); !errors.Is(err, db.ErrExists) {
		t.Error(err)
	}
	if _, err := convert.Copy(t.Context(), d, dir, "sqlite:two.db", convert.Options{}); !errors.Is(err, convert.ErrSameKind) {
		t.Error(err)
	}
	sorry := errors.New("sorry")
	if _, err := convert.Copy(t.Context(), d, dir, s.DSN("then"), convert.Options{Then: func(*convert.Report) error { return sorry }}); !errors.Is(err, sorry) {
		t.Error(err)
	}
	if n := s.SQL("projects", "SELECT count(*) FROM pg_tables WHERE schemaname = 'then'"); n != "0" {
		t.Errorf("%s tables are left", n)
	}
	for _, then := range []error{sorry, nil} {
		pg := open(t, "", s.DSN("to2"))
		_, err := convert.Copy(t.Context(), pg, dir, "sqlite:db/three.db", convert.Options{Alone: true, Then: func(*convert.Report) error { return then }})
		if _, statErr := os.Stat(filepath.Join(dir, "db/three.db")); !errors.Is(err, then) || errors.Is(statErr, fs.ErrNotExist) != (then != nil) {
			t.Error(err, statErr)
		}
	}
	pg := open(t, "", s.DSN("to2"))
	if _, err := convert.Copy(t.Context(), pg, dir, "sqlite:db/three.db", convert.Options{}); !errors.Is(err, db.ErrExists) {
		t.Error(err)
	}
	for i := range 10 { // wherever it ends
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		stop := func(string) {
			if n++; n > 2*i {
				cancel()
			}
		}
		_, err := convert.Copy(ctx, d, dir, s.DSN("ended"), convert.Options{Progress: stop})
		_, err2 := convert.Copy(ctx, pg, dir, "sqlite:ended.db", convert.Options{Progress: stop})
		cancel()
		if _, statErr := os.Stat(filepath.Join(dir, "ended.db")); err == nil || err2 == nil || statErr == nil {
			t.Error(err, err2, statErr)
		}
	}
	if n := s.SQL("projects", "SELECT count(*) FROM pg_namespace WHERE nspname = 'ended'"); n != "0" {
		t.Error("a schema is left")
	}
	if list, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
}
