// Package schema holds the tables of a Trac environment as SQL, and the rows
// that a new environment begins with. It talks to no database.
package schema

import (
	"iter"
	"slices"
	"strings"
)

// Version is the version of the tables made here, that of Trac 1.6. It is the
// value of database_version in the table system.
const Version = 45

// table is one table. Columns are text unless marked: "name int" is an integer
// of 32 bits, "name int64" one of 64, "name auto" a key that counts up by
// itself. No column is NOT NULL, and there are no foreign keys.
type table struct {
	name    string
	columns string   // parted by spaces and commas: "name, version int"
	key     string   // columns of the key, parted by commas
	indices []string // the columns of each further index, parted by commas
}

// tables lists the tables in the order in which Trac makes them.
func tables() []table {
	return []table{
		{"system", "name, value", "name", nil},
		{"permission", "username, action", "username,action", nil},
		{"auth_cookie", "cookie, name, ipnr, time int", "cookie,ipnr,name", nil},
		{"session", "sid, authenticated int, last_visit int", "sid,authenticated",
			[]string{"last_visit", "authenticated"}},
		{"session_attribute", "sid, authenticated int, name, value", "sid,authenticated,name", nil},
		{"cache", "id int, generation int, key", "id", nil},
		{"attachment", "type, id, filename, size int, time int64, description, author", "type,id,filename", nil},
		{"wiki", "name, version int, time int64, author, text, comment, readonly int", "name,version",
			[]string{"time"}},
		{"repository", "id int, name, value", "id,name", nil},
		{"revision", "repos int, rev, time int64, author, message", "repos,rev", []string{"repos,time"}},
		{"node_change", "id auto, repos int, rev, path, node_type, change_type, base_path, base_rev", "id",
			[]string{"repos,rev,path", "repos,path,rev"}},
		{"ticket", "id auto, type, time int64, changetime int64, component, severity, priority, owner, reporter, cc, " +
			"version, milestone, status, resolution, summary, description, keywords", "id", []string{"time", "status"}},
		{"ticket_change", "ticket int, time int64, author, field, oldvalue, newvalue", "ticket,time,field",
			[]string{"ticket", "time"}},
		{"ticket_custom", "ticket int, name, value", "ticket,name", nil},
		{"enum", "type, name, value, description", "type,name", nil},
		{"component", "name, owner, description", "name", nil},
		{"milestone", "name, due int64, completed int64, description", "name", nil},
		{"version", "name, time int64, description", "name", nil},
		{"report", "id auto, author, title, query, description", "id", nil},
		{"notify_subscription", "id auto, time int64, changetime int64, class, sid, authenticated int, distributor, " +
			"format, priority int, adverb", "id", []string{"sid,authenticated", "class"}},
		{"notify_watch", "id auto, sid, authenticated int, class, realm, target", "id",
			[]string{"sid,authenticated,class", "class,realm,target"}},
	}
}

// SQLite returns the statements that make the tables and their indices in an
// empty SQLite database, exactly as Trac 1.6 makes them.
func SQLite() []string {
	var list []string
	for _, t := range tables() {
		list = append(list, t.statements(KindSQLite)...)
	}
	return list
}

// sqlite is the statement that makes the table: a key of one column is its
// PRIMARY KEY, one of several is UNIQUE.
func (t table) sqlite() string {
	var lines []string
	for name, kind := range t.each() {
		line := "    " + name + " " + kind
		if kind == "auto" {
			line = "    " + name + " integer"
		}
		if name == t.key {
			line += " PRIMARY KEY"
		}
		lines = append(lines, line)
	}
	if strings.Contains(t.key, ",") {
		lines = append(lines, "    UNIQUE ("+t.key+")")
	}
	return "CREATE TABLE " + t.name + " (\n" + strings.Join(lines, ",\n") + "\n)"
}

// each ranges over the columns and their SQLite types; a key that counts up by
// itself is "auto".
func (t table) each() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for column := range strings.SplitSeq(t.columns, ", ") {
			name, kind, _ := strings.Cut(column, " ")
			switch kind {
			case "":
				kind = "text"
			case "int", "int64":
				kind = "integer"
			}
			if !yield(name, kind) {
				return
			}
		}
	}
}

// Tables returns the names of the tables in the order in which Trac makes them.
func Tables() []string {
	var names []string
	for _, t := range tables() {
		names = append(names, t.name)
	}
	return names
}

// Columns returns the names of a table's columns, nil if there is no such table.
func Columns(name string) []string {
	all := tables()
	i := slices.IndexFunc(all, func(t table) bool { return t.name == name })
	if i < 0 {
		return nil
	}
	var names []string
	for column := range all[i].each() {
		names = append(names, column)
	}
	return names
}
