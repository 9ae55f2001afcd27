package status

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"projhost/templates"
)

// column is a column of the page, after that of the state.
type column struct {
	key, label, hint string
	number           bool
	cell             func(r *Row, now time.Time) templates.StatusCell
}

// columns are those of the page; the first two are the row's name and state.
func columns() []column {
	return []column{
		{key: "name", label: "Environment"},
		{key: "state", label: "State"},
		{key: "database", label: "Database", cell: func(r *Row, _ time.Time) templates.StatusCell {
			return templates.StatusCell{Value: cmp.Or(r.Database, "–"), Note: r.Pool}
		}},
		{key: "version", label: "Version", hint: "Version of the tables", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			c := templates.StatusCell{Value: "–"}
			if r.Version > 0 {
				c.Value = strconv.Itoa(r.Version)
			}
			if r.NeedsUpgrade {
				c.Note = "needs upgrade"
			}
			return c
		}},
		{key: "size", label: "Size", hint: "Database and attachments", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			if r.Size == nil {
				return templates.StatusCell{Value: "not yet known"}
			}
			c := templates.StatusCell{Value: Bytes(r.Size.Total())}
			if r.Size.Attachments > 0 {
				c.Note = Bytes(r.Size.Attachments) + " attached"
			}
			return c
		}},
		{key: "running", label: "Now", hint: "Requests in it now, and waiting", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			c := templates.StatusCell{Value: strconv.Itoa(r.Use.Running)}
			if r.Use.Waiting > 0 {
				c.Note, c.Bad = thousands(r.Use.Waiting)+" waiting", true
			}
			return c
		}},
		{key: "requests", label: "Requests", hint: "Since the program was started", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			return templates.StatusCell{Value: thousands(r.Use.Requests)}
		}},
		{key: "errors", label: "Errors", hint: "Requests answered with a status of 500 or more", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			return templates.StatusCell{Value: thousands(r.Use.Errors), Bad: r.Use.Errors > 0}
		}},
		{key: "mean", label: "Mean", hint: "Time that a request takes on average", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			return templates.StatusCell{Value: took(r, r.Use.Mean)}
		}},
		{key: "p95", label: "95 %", hint: "Time within which 95 of 100 recent requests were answered", number: true, cell: func(r *Row, _ time.Time) templates.StatusCell {
			return templates.StatusCell{Value: took(r, r.Use.P95)}
		}},
		{key: "last", label: "Last use", cell: func(r *Row, now time.Time) templates.StatusCell {
			if r.Use.Last == nil {
				return templates.StatusCell{Value: "–"}
			}
			return templates.StatusCell{Value: ago(now.Sub(*r.Use.Last)), Machine: r.Use.Last.UTC().Format(time.RFC3339)}
		}},
	}
}

// stateWords are what a state is called on the page.
func stateWords(state string) string {
	switch state {
	case "broken":
		return "out of order"
	case NeedsUpgrade:
		return "needs upgrade"
	}
	return state
}

// layOut puts into words what the page shows.
func layOut(p *templates.StatusPage, q Query, h *Host, rows []*Row, databases []string) {
	now := time.Now()
	part, page, pages := q.page(rows)
	p.Text = q.Text
	p.Facts = facts(h, now)
	p.States = choices(q.State, States())
	p.Databases = choices(q.Database, databases)
	p.Count = counted(h.Known, "environment")
	if len(rows) != h.Known {
		p.Count = thousands(len(rows)) + " of " + p.Count
	}
	cols := columns()
	for _, c := range cols {
		head := q.column(c, p.Action)
		p.Columns = append(p.Columns, head)
		p.Orders = append(p.Orders, templates.StatusChoice{Value: c.first(), Label: c.label, Chosen: head.Sorted != ""})
	}
	p.Orders = append([]templates.StatusChoice{{Label: "Title", Chosen: q.Sort == ""}}, p.Orders...)
	for i := range part {
		p.Rows = append(p.Rows, layRow(part[i], cols[2:], now))
	}
	for _, a := range actions() {
		p.Actions = append(p.Actions, templates.StatusChoice{Value: a.name, Label: a.label})
	}
	if pages == 1 {
		return
	}
	p.Place = fmt.Sprintf("Page %s of %s", thousands(page), thousands(pages))
	link := func(n int) string {
		other := q
		other.Page = n
		return address(p.Action, other.Values())
	}
	if page > 1 {
		p.Previous = link(page - 1)
	}
	if page < pages {
		p.Next = link(page + 1)
	}
}

// first is how rows are sorted by the column at first: of figures one asks for
// the largest.
func (c *column) first() string {
	if c.number || c.key == "last" {
		return "-" + c.key
	}
	return c.key
}

// column is a heading: the one that rows are sorted by turns the order round.
func (q Query) column(c column, action string) templates.StatusColumn {
	next := q
	next.Page, next.Sort = 1, c.first()
	out := templates.StatusColumn{Label: c.label, Hint: c.hint, Number: c.number}
	switch q.Sort {
	case c.key:
		out.Sorted, next.Sort = "ascending", "-"+c.key
	case "-" + c.key:
		out.Sorted, next.Sort = "descending", c.key
	}
	out.Href = address(action, next.Values())
	return out
}

func layRow(r *Row, cols []column, now time.Time) templates.StatusRow {
	out := templates.StatusRow{Dir: r.Path, Name: r.Name, Title: r.Title, Mark: r.State, State: stateWords(r.State)}
	say := func(words string) { out.Notes = append(out.Notes, words) }
	if r.Reason != "" {
		say(r.Reason)
	}
	if r.Retry != nil {
		say("tried again in " + span(r.Retry.Sub(now)))
	}
	if r.Stale != "" {
		say("goes on with former settings: " + r.Stale)
	}
	if r.Trouble != "" {
		say("lets nobody in: " + r.Trouble)
	}
	switch r.ReadOnlyBy {
	case "host":
		say("read-only, since the server was started so")
	case "setting":
		say("read-only by [trac] readonly")
	}
	for _, c := range cols {
		out.Cells = append(out.Cells, c.cell(r, now))
	}
	return out
}

func facts(h *Host, now time.Time) []templates.StatusFact {
	fact := func(name, value, note string) templates.StatusFact {
		return templates.StatusFact{Name: name, Value: value, Note: note}
	}
	c := h.Connections
	note := ""
	switch {
	case c.Waiting > 0:
		note = thousands(c.Waiting) + " waiting for one"
	case c.Listening > 0:
		note = thousands(c.Listening) + " listening for changes"
	}
	return []templates.StatusFact{
		fact("Running for", span(now.Sub(h.Started)), "version "+h.Version),
		fact("Open", thousands(h.Open), "of "+thousands(h.Known)),
		fact("Out of order", thousands(h.Broken), ""),
		fact("Need an upgrade", thousands(h.NeedsUpgrade), ""),
		fact("Requests", thousands(h.Requests), counted(h.Errors, "error")),
		fact("Database connections", fmt.Sprintf("%d of %d", c.Open, c.Limit), note),
		fact("Memory", Bytes(int64(h.Memory)), ""),
	}
}

// kinds are the kinds of database that rows have.
func kinds(rows []*Row) (list []string) {
	for i := range rows {
		if k := rows[i].Database; k != "" && !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

func choices(chosen string, values []string) []templates.StatusChoice {
	if chosen != "" && !slices.Contains(values, chosen) {
		values = append(values, chosen)
	}
	list := []templates.StatusChoice{{Label: "any"}}
	for _, v := range values {
		list = append(list, templates.StatusChoice{Value: v, Label: stateWords(v), Chosen: v == chosen})
	}
	return list
}

func thousands[T int | uint64](n T) string { return templates.Thousands(int(n)) }

// counted is a number of things.
func counted[T int | uint64](n T, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}

// took is a time of a row's requests, in seconds, in words.
func took(r *Row, seconds float64) string {
	if r.Use.Requests == 0 {
		return "–"
	}
	return Took(seconds)
}

// Took is a short time in words, "1.3 ms".
func Took(seconds float64) string {
	switch {
	case seconds < 0.001:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case seconds < 0.1:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// Bytes is a size in words, "1.3 MB", in powers of 1024.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"KB", "MB", "GB", "TB"} {
		if f /= 1 << 10; f < 1<<10 {
			break
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + unit
}

// ago is how long something is past.
func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// span is a time in its largest unit or two.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d.Round(time.Second)/time.Second)))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}
