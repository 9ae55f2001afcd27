package convert

import (
	"regexp"
	"slices"
	"strings"

	"projhost/db"
	"projhost/db/schema"
)

// class is how the values of a column go from one kind of database to the other.
type class uint8

const (
	text  class = iota // as it is, of any type that is not one of the others
	whole              // a number without a fraction
	real
	truth // 0 or 1 in SQLite
	bytes
)

// table is a table, as either kind of database can make it.
type table struct {
	name    string
	columns []column
	key     []string // of the primary key
	indices []index
	// from is what its rows are read from, as SQL.
	from string
}

// column is one. Its type is one of PostgreSQL's.
type column struct {
	name     string
	kind     string
	auto     bool   // counts up by itself; it is the key then
	required bool   // NOT NULL
	standard string // a literal, or ""
}

type index struct {
	name    string
	columns []string
	unique  bool
	made    bool // by UNIQUE in its table, as Trac's keys are in SQLite
}

func (c column) class() class {
	switch c.kind {
	case "smallint", "integer", "bigint":
		return whole
	case "real", "double precision":
		return real
	case "boolean":
		return truth
	case "bytea":
		return bytes
	}
	return text
}

func (t *table) names() []string {
	var list []string
	for _, c := range t.columns {
		list = append(list, c.name)
	}
	return list
}

// own says whether the table is one of Trac's of the present version, which are
// made as Trac makes them.
func (t *table) own() bool {
	want := schema.Columns(t.name)
	return want != nil && slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(t.names())))
}

// statements make the table in a database of the kind; present says that its
// tables are of the present version.
func (t *table) statements(kind string, present bool) []string {
	var list []string
	if present && t.own() {
		list = schema.MakeNow(kind, t.name)
	} else {
		list = []string{t.statement(kind)}
	}
	made := strings.ReplaceAll(strings.Join(list, "\n"), `"`, "")
	for _, i := range t.indices {
		if strings.Contains(made, " INDEX "+i.name+" ON ") || i.made && present && t.own() {
			continue
		}
		unique := ""
		if i.unique {
			unique = "UNIQUE "
		}
		list = append(list, "CREATE "+unique+"INDEX "+db.Quote(i.name)+" ON "+db.Quote(t.name)+" ("+db.Quote(i.columns...)+")")
	}
	return list
}

// statement makes a table that is not Trac's present one.
func (t *table) statement(kind string) string {
	var lines []string
	auto := false
	for _, c := range t.columns {
		line := db.Quote(c.name) + " " + c.typeIn(kind)
		if c.auto {
			auto = true
			line += " PRIMARY KEY"
		} else if c.required {
			line += " NOT NULL"
		}
		if c.standard != "" {
			line += " DEFAULT " + c.standard
		}
		lines = append(lines, line)
	}
	if len(t.key) > 0 && !auto {
		lines = append(lines, "PRIMARY KEY ("+db.Quote(t.key...)+")")
	}
	return "CREATE TABLE " + db.Quote(t.name) + " (\n    " + strings.Join(lines, ",\n    ") + "\n)"
}

// typeIn is the column's type. SQLite's names say what it makes of values, by the
// letters in them (https://sqlite.org/datatype3.html, section 3.1), and all else
// is for [typeOf], which reads it back: "text timestamp with time zone".
func (c column) typeIn(kind string) string {
	switch {
	case kind == schema.KindPostgres && c.auto:
		return "bigserial"
	case kind == schema.KindPostgres:
		return c.kind
	case c.auto:
		return "integer"
	}
	if name, ok := map[string]string{"text": "text", "smallint": "int2", "integer": "int4", "bigint": "int8",
		"real": "float4", "double precision": "float8", "boolean": "boolean", "bytea": "blob"}[c.kind]; ok {
		return name
	}
	return db.Quote("text " + c.kind)
}

// carried are the types that can be made again by their names, as format_type
// writes them.
var carried = regexp.MustCompile(`^[a-z][a-z0-9_ ]*(\([0-9]+(,[0-9]+)?\))?( with(out)? time zone)?(\[\])?$`)

// typeOf is the type for a column that SQLite has declared so; exact is false if
// another is taken for it.
func typeOf(declared string) (kind string, exact bool) {
	d := strings.ToLower(strings.TrimSpace(declared))
	if after, ok := strings.CutPrefix(d, "text "); ok && carried.MatchString(after) {
		return after, true
	}
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(d, p) })
	}
	switch { // SQLite's rules, in their order
	case d == "int2":
		return "smallint", true
	case d == "int4":
		return "integer", true
	case d == "boolean":
		return "boolean", true
	case d == "float4":
		return "real", true
	case has("int"):
		return "bigint", true
	case d == "", has("char", "clob", "text"):
		return "text", true
	case has("blob"):
		return "bytea", true
	case has("real", "floa", "doub"): //nolint:misspell // all it needs to hold
		return "double precision", true
	}
	return "text", false
}

// literal says whether a default is plain enough for both kinds: a number or a
// text in quotes.
var literal = regexp.MustCompile(`^(-?[0-9]+(\.[0-9]+)?|'[^'\\]*')$`)
