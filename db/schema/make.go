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
	list, quote := []string{t.sqlite()}, ""
	if kind == KindPostgres {
		list, quote = []string{t.postgres()}, `"`
	}
	for _, columns := range t.indices {
		index := t.name + "_" + strings.ReplaceAll(columns, ",", "_") + "_idx"
		list = append(list, "CREATE INDEX "+quote+index+quote+" ON "+quote+t.name+quote+
			" ("+quote+strings.ReplaceAll(columns, ",", quote+","+quote)+quote+")")
	}
	return list
}

// postgres is the statement that makes the table: names are quoted, a key of
// several columns is the constraint TABLE_pk.
func (t table) postgres() string {
	types := map[string]string{"": "text", "int": "integer", "int64": "bigint", "auto": "SERIAL"}
	var lines []string
	for column := range strings.SplitSeq(t.columns, ", ") {
		name, kind, _ := strings.Cut(column, " ")
		line := `    "` + name + `" ` + types[kind]
		if name == t.key {
			line += " PRIMARY KEY"
		}
		lines = append(lines, line)
	}
	if strings.Contains(t.key, ",") {
		key := `"` + strings.ReplaceAll(t.key, ",", `","`) + `"`
		lines = append(lines, `    CONSTRAINT "`+t.name+`_pk" PRIMARY KEY (`+key+")")
	}
	return `CREATE TABLE "` + t.name + "\" (\n" + strings.Join(lines, ",\n") + "\n)"
}
