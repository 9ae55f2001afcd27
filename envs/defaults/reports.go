package defaults

import "strings"

// Report is a report of tickets. Its number is its place in the list.
type Report struct{ Title, Description, Query string }

// Reports returns the reports of a new environment, 1 to 8 as in Trac 1.6. Their
// SQL is understood by SQLite and by PostgreSQL, and gives each ticket the
// colour of its priority.
func Reports() []Report {
	const (
		open     = "t.status <> 'closed'"
		accepted = "t.status = 'accepted'"
		priority = "COALESCE(CAST(p.value AS integer), 1000)" // those without come last, in every database
		mine     = "COALESCE(t.owner, '') = $USER"
		hidden   = "t.changetime AS _changetime, t.description AS _description, t.reporter AS _reporter"
		all      = "t.id AS ticket, t.summary, t.component, t.version, t.milestone, t.type, t.owner, t.status, t.time AS created"
		ofMile   = "t.id AS ticket, t.summary, t.component, t.version, t.type, t.owner, t.status, t.time AS created"
		ofOwner  = "t.id AS ticket, t.summary, t.component, t.milestone, t.type, t.time AS created"
	)
	return []Report{
		{
			"Active Tickets",
			"All tickets that are not closed, the most important first.\n\nThe colour of a row is the ticket's priority.\n",
			query("", all+", "+hidden, open, priority, "t.milestone", "t.type", "t.time"),
		},
		{
			"Active Tickets by Version",
			"Tickets that are not closed, one group for each version.\n",
			query("t.version AS __group__", ofMile+", "+hidden, open, "(t.version IS NULL)", "t.version", priority, "t.type", "t.time"),
		},
		{
			"Active Tickets by Milestone",
			"Tickets that are not closed, one group for each milestone: what is left to do until it is reached.\n",
			query("'Milestone ' || t.milestone AS __group__", ofMile+", "+hidden, open,
				"(t.milestone IS NULL)", "t.milestone", priority, "t.type", "t.time"),
		},
		{
			"Accepted, Active Tickets by Owner",
			"Who works on what: accepted tickets, one group for each owner.\n",
			query("t.owner AS __group__", ofOwner+", "+hidden, accepted, "t.owner", priority, "t.type", "t.time"),
		},
		{
			"Accepted, Active Tickets by Owner (Full Description)",
			"Accepted tickets, one group for each owner, each with its description in a row of its own.\n",
			query("t.owner AS __group__", ofOwner+", t.description AS _description_, t.changetime AS _changetime, t.reporter AS _reporter",
				accepted, "t.owner", priority, "t.type", "t.time"),
		},
		{
			"All Tickets By Milestone  (Including closed)",
			"Every ticket, one group for each milestone, the latest first. Closed tickets are grey and come last, one's own are bold.\n",
			query("t.milestone AS __group__,\n  CASE WHEN t.status = 'closed' THEN 'color: #777; background: #ddd; border-color: #ccc;'\n"+
				"    WHEN "+mine+" THEN 'font-weight: bold' END AS __style__",
				"t.id AS ticket, t.summary, t.component, t.status, t.resolution, t.version, t.type, t.priority, t.owner, "+
					"t.changetime AS modified, t.time AS _time, t.reporter AS _reporter",
				"", "(t.milestone IS NULL)", "t.milestone DESC", "(t.status = 'closed')",
				"CASE WHEN t.status = 'closed' THEN -t.changetime ELSE "+priority+" END"),
		},
		{
			"My Tickets",
			"The tickets that whoever looks owns, has reported or has written a comment on, unless they are closed.\n",
			query("CASE WHEN "+mine+" AND "+accepted+" THEN 'Accepted'\n    WHEN "+mine+" THEN 'Owned'\n"+
				"    WHEN t.reporter = $USER THEN 'Reported' ELSE 'Commented' END AS __group__",
				"t.id AS ticket, t.summary, t.component, t.version, t.milestone, t.type, t.priority, t.time AS created, "+hidden,
				open+"\n  AND ("+mine+" OR t.reporter = $USER OR EXISTS (SELECT 1 FROM ticket_change c\n"+
					"    WHERE c.ticket = t.id AND c.field = 'comment' AND c.author = $USER))",
				"("+mine+" AND "+accepted+") DESC", "("+mine+") DESC", "(COALESCE(t.reporter, '') = $USER) DESC",
				priority, "t.milestone", "t.type", "t.time"),
		},
		{
			"Active Tickets, Mine first",
			"Tickets that are not closed, those of whoever looks before the others.\n",
			query("CASE WHEN "+mine+" THEN 'My Tickets' ELSE 'Active Tickets' END AS __group__", all+", "+hidden, open,
				"("+mine+") DESC", priority, "t.milestone", "t.type", "t.time"),
		},
	}
}

// query writes a report's SQL; group is a column for people's eyes, or nothing.
func query(group, columns, where string, order ...string) string {
	if group != "" {
		group = ",\n  " + group
	}
	if where != "" {
		where = "WHERE " + where + "\n"
	}
	return "SELECT p.value AS __color__" + group + ",\n  " + columns + "\n" +
		"FROM ticket t\nLEFT JOIN enum p ON p.name = t.priority AND p.type = 'priority'\n" + where +
		"ORDER BY " + strings.Join(order, ", ") + "\n"
}
