package schema

import "strings"

// Postgres returns the statements that make the tables and their indices in an
// empty schema of PostgreSQL, as Trac 1.6 makes them. The transaction must be
// bound to the schema.
func Postgres() []string {
	var list []string
	for _, t := range tables() {
		list = append(list, t.statements(KindPostgres)...)
	}
	return list
}

// For returns the statements for a kind of database, "sqlite" or "postgres".
func For(kind string) []string {
	if kind == KindPostgres {
		return Postgres()
	}
	return SQLite()
}

// quote quotes names that are parted by commas.
func quote(names string) string { return `"` + strings.ReplaceAll(names, ",", `","`) + `"` }

// postgres is the statement that makes the table. Keys of several columns have
// a name, TABLE_pk.
func (t table) postgres() string {
	var lines []string
	for column := range strings.SplitSeq(t.columns, ", ") {
		name, kind, _ := strings.Cut(column, " ")
		line := "    " + quote(name) + " " + map[string]string{"": "text", "int": "int", "int64": "bigint", "auto": "SERIAL"}[kind]
		if name == t.key {
			line += " PRIMARY KEY"
		}
		lines = append(lines, line)
	}
	if strings.Contains(t.key, ",") {
		lines = append(lines, "    CONSTRAINT "+quote(t.name+"_pk")+" PRIMARY KEY ("+quote(t.key)+")")
	}
	return "CREATE TABLE " + quote(t.name) + " (\n" + strings.Join(lines, ",\n") + "\n)"
}
