package schema

import (
	"slices"
	"strings"
)

// Kinds of databases, as db.DB.Kind names them.
const (
	KindSQLite   = "sqlite"
	KindPostgres = "postgres"
)

// Make returns the statements that make one table, as Trac makes them, in a
// database of the kind. Columns and key are written as "name, version int" and
// "name,version": text unless marked int, int64, or auto for a key that counts
// up by itself; indices are the columns of each. [Version]'s own tables are
// those of [Tables]; this is for tables that were otherwise once.
func Make(kind, name, columns, key string, indices ...string) []string {
	return table{name, columns, key, indices}.statements(kind)
}

// MakeNow returns the statements that make a table of the present version.
func MakeNow(kind, name string) []string {
	all := tables()
	i := slices.IndexFunc(all, func(t table) bool { return t.name == name })
	return all[i].statements(kind)
}

// statements make the table and its indices.
func (t table) statements(kind string) []string {
	list, quoted := []string{t.sqlite()}, func(names string) string { return names }
	if kind == KindPostgres {
		list, quoted = []string{t.postgres()}, quote
	}
	for _, columns := range t.indices {
		name := t.name + "_" + strings.ReplaceAll(columns, ",", "_") + "_idx"
		list = append(list, "CREATE INDEX "+quoted(name)+" ON "+quoted(t.name)+" ("+quoted(columns)+")")
	}
	return list
}
