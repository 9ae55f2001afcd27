package schema_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/db/schema"
)

// TestSQLite compares with what ".schema" says of a database made by Trac 1.6.
func TestSQLite(t *testing.T) {
	want, err := os.ReadFile("testdata/trac-1.6.sql")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(schema.SQLite(), ";\n") + ";\n"
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// TestMake compares with what Trac makes in PostgreSQL, by the rules of its
// PostgreSQL backend.
func TestMake(t *testing.T) {
	for kind, want := range map[string]string{
		schema.KindSQLite: "CREATE TABLE a (\n    id integer PRIMARY KEY,\n    n integer,\n    at integer,\n    s text\n);CREATE INDEX a_n_s_idx ON a (n,s);" +
			"CREATE TABLE b (\n    x text,\n    y integer,\n    UNIQUE (x,y)\n)",
		schema.KindPostgres: "CREATE TABLE \"a\" (\n    \"id\" SERIAL PRIMARY KEY,\n    \"n\" int,\n    \"at\" bigint,\n    \"s\" text\n);" +
			"CREATE INDEX \"a_n_s_idx\" ON \"a\" (\"n\",\"s\");" +
			"CREATE TABLE \"b\" (\n    \"x\" text,\n    \"y\" int,\n    CONSTRAINT \"b_pk\" PRIMARY KEY (\"x\",\"y\")\n)",
	} {
		got := append(schema.Make(kind, "a", "id auto, n int, at int64, s", "id", "n,s"), schema.Make(kind, "b", "x, y int", "x,y")...)
		if d := cmp.Diff(want, strings.Join(got, ";")); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
		var all []string
		for _, name := range schema.Tables() {
			all = append(all, schema.MakeNow(kind, name)...)
		}
		if d := cmp.Diff(schema.For(kind), all); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
}

func TestTables(t *testing.T) {
	names := schema.Tables()
	if len(names) != 21 {
		t.Errorf("%d tables", len(names))
	}
	for _, name := range names {
		if len(schema.Columns(name)) < 2 {
			t.Errorf("table %s has columns %q", name, schema.Columns(name))
		}
	}
	if got := schema.Columns("ticket_change"); !cmp.Equal(got, []string{"ticket", "time", "author", "field", "oldvalue", "newvalue"}) {
		t.Error(got)
	}
	if schema.Columns("none") != nil {
		t.Error("a table that is not there has columns")
	}
}

// TestDefaults checks the shape of the rows and their numbers.
func TestDefaults(t *testing.T) {
	numbers := map[string]int{}
	for _, r := range append(schema.Defaults(), schema.System()) {
		numbers[r.Table] += len(r.Values)
		known := map[string]bool{}
		for _, c := range schema.Columns(r.Table) {
			known[c] = true
		}
		for _, c := range r.Columns {
			if !known[c] {
				t.Errorf("table %s has no column %s", r.Table, c)
			}
		}
		for _, v := range r.Values {
			if len(v) != len(r.Columns) {
				t.Errorf("%s: %v", r.Table, v)
			}
		}
		if got := strings.Count(r.Insert(), "?"); got != len(r.Columns) {
			t.Error(r.Insert())
		}
	}
	want := map[string]int{"system": 2, "permission": 16, "enum": 13, "component": 2, "milestone": 4, "version": 2}
	if !cmp.Equal(numbers, want) {
		t.Error(cmp.Diff(want, numbers))
	}
	for _, v := range schema.System().Values {
		if v[1] != strconv.Itoa(schema.Version) {
			t.Error(v)
		}
	}
}
