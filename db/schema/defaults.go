package schema

import "strings"

// Rows are rows for one table. A value is a string, an int64, or nil for NULL.
type Rows struct {
	Table   string
	Columns []string
	Values  [][]any
}

// Insert is the statement that inserts one of the rows; its values are the
// arguments.
func (r Rows) Insert() string {
	marks := strings.Repeat("?, ", len(r.Columns)-1) + "?"
	return "INSERT INTO " + r.Table + " (" + strings.Join(r.Columns, ", ") + ") VALUES (" + marks + ")"
}

// System returns the rows that every environment has.
func System() Rows {
	return Rows{"system", []string{"name", "value"}, [][]any{
		{"initial_database_version", "45"},
		{"database_version", "45"},
	}}
}

// Defaults returns the rows that Trac 1.6 gives a new environment unless it is
// made without default data, but for reports and wiki pages.
func Defaults() []Rows {
	return []Rows{
		{"permission", []string{"username", "action"}, permissions()},
		{"enum", []string{"type", "name", "value", "description"}, enums()},
		{"component", []string{"name", "owner", "description"}, [][]any{
			{"component1", "somebody", nil},
			{"component2", "somebody", nil},
		}},
		{"milestone", []string{"name", "due", "completed", "description"}, [][]any{
			{"milestone1", int64(0), int64(0), nil},
			{"milestone2", int64(0), int64(0), nil},
			{"milestone3", int64(0), int64(0), nil},
			{"milestone4", int64(0), int64(0), nil},
		}},
		{"version", []string{"name", "time", "description"}, [][]any{
			{"1.0", int64(0), nil},
			{"2.0", int64(0), nil},
		}},
	}
}

// permissions are what everybody, and who has logged in, may do.
func permissions() [][]any {
	var rows [][]any
	for action := range strings.FieldsSeq(`LOG_VIEW FILE_VIEW WIKI_VIEW SEARCH_VIEW REPORT_VIEW REPORT_SQL_VIEW
		TICKET_VIEW BROWSER_VIEW TIMELINE_VIEW CHANGESET_VIEW ROADMAP_VIEW MILESTONE_VIEW`) {
		rows = append(rows, []any{"anonymous", action})
	}
	for action := range strings.FieldsSeq("WIKI_CREATE WIKI_MODIFY TICKET_CREATE TICKET_MODIFY") {
		rows = append(rows, []any{"authenticated", action})
	}
	return rows
}

// enums are the values of choice fields; a value is its place in the list. The
// field severity begins without values.
func enums() [][]any {
	var rows [][]any
	for _, e := range []struct{ kind, names string }{
		{"resolution", "fixed invalid wontfix duplicate worksforme"},
		{"priority", "blocker critical major minor trivial"},
		{"ticket_type", "defect enhancement task"},
	} {
		for i, name := range strings.Fields(e.names) {
			rows = append(rows, []any{e.kind, name, string(rune('1' + i)), nil})
		}
	}
	return rows
}
