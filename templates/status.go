package templates

// StatusPage shows administrators how all environments are doing.
type StatusPage struct {
	Action string // where its forms lead: the page itself
	Same   string // with what is asked for
	JSON   string // the same for programs
	Leave  string // forgets the key; "" if none was asked for

	Facts []StatusFact
	Done  []string // what was done, in sentences
	Not   []string // what was not, and why

	Text      string
	States    []StatusChoice
	Databases []StatusChoice
	Orders    []StatusChoice // for narrow screens, which show no headings
	Count     string         // "12 of 300 environments"
	Columns   []StatusColumn
	Rows      []StatusRow
	Actions   []StatusChoice

	Place          string // "Page 2 of 10"; "" if there is one
	Previous, Next string // "" if there is none
}

// StatusFact is a figure of the host.
type StatusFact struct{ Name, Value, Note string }

// StatusChoice is one of several.
type StatusChoice struct {
	Value, Label string
	Chosen       bool
}

// StatusColumn is a column that rows can be sorted by.
type StatusColumn struct {
	Label  string
	Hint   string // in more words; "" if the label says all
	Href   string
	Sorted string // "ascending" or "descending"; "" if it is by another column
	Number bool
}

// StatusRow is an environment. Its cells stand in the order of the columns.
type StatusRow struct {
	Dir   string // names it in the form
	Name  string
	Title string
	Mark  string // of the state: "open", "closed", "read-only", "broken"
	State string
	Notes []string // what there is to say about the state
	Cells []StatusCell
}

// StatusCell is a figure.
type StatusCell struct {
	Value   string
	Note    string // below it
	Machine string // of a moment, RFC 3339
	Bad     bool
}
