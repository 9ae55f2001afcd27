package upgrade

import (
	"fmt"
	"strings"

	"projhost/db"
	"projhost/db/schema"
)

// tableSteps are the steps that change tables and rows only.
func tableSteps() []Step {
	return []Step{
		{To: 22, Does: "Make the table cache, which tells processes that something was changed.", run: cacheByKey},
		{To: 23, Does: "Make the table repository, and say of revisions which repository they are of.", run: repositoryNames},
		{To: 24, Does: "Number the repositories.", run: repositoryNumbers},
		{To: 25, Does: "Keep times in microseconds.", run: microseconds},
		{To: 26, Does: "Write Subversion's revisions with ten digits, so that they sort.", run: tenDigits},
		{To: 27, Does: "Make the table cache anew, with numbers as keys.", run: cacheByNumber},
		{To: 34, Does: "Make the table notify_subscription.", run: makes("notify_subscription")},
		{To: 35, Does: "Make the table notify_watch.", run: makes("notify_watch")},
		{To: 37, Does: "Change columns of MySQL databases; nothing in others.", run: func(*stage) error { return nil }},
		{To: 38, Does: "Give the rows of node_change a key of their own, and indices for paths.", run: nodeChangeKey},
		{To: 42, Does: "Drop the addresses of visitors from attachments and wiki pages.", run: noAddresses},
		{To: 44, Does: "Add descriptions to the values of choice fields.", run: enumDescription},
	}
}

// makes is a step that makes a table.
func makes(name string) func(*stage) error {
	return func(g *stage) error { return g.exec(schema.MakeNow(g.kind, name)...) }
}

// remake makes a table anew by the statements and fills it: columns take, in
// order, what from says of the former table's rows. It is done with a temporary
// table, which every kind of database can do, with what belongs to a table (its
// indices, its key) going and coming with it.
func (g *stage) remake(table, columns, from string, statements []string) error {
	old := table + "_old"
	return g.exec(append(append([]string{
		"CREATE TEMPORARY TABLE " + old + " AS SELECT * FROM " + table,
		"DROP TABLE " + table,
	}, statements...),
		"INSERT INTO "+table+" ("+columns+") SELECT "+from+" FROM "+old,
		"DROP TABLE "+old,
	)...)
}

func cacheByKey(g *stage) error {
	return g.exec(schema.Make(g.kind, "cache", "key, generation int", "key")...)
}

// cacheByNumber begins counting anew: no process has read anything by these
// numbers yet.
func cacheByNumber(g *stage) error {
	return g.exec(append([]string{"DROP TABLE cache"}, schema.MakeNow(g.kind, "cache")...)...)
}

const (
	revisionColumns   = "rev, time, author, message"
	nodeChangeColumns = "rev, path, node_type, change_type, base_path, base_rev"
)

func repositoryNames(g *stage) error {
	if err := g.exec(schema.Make(g.kind, "repository", "id, name, value", "id,name")...); err != nil {
		return err
	}
	err := g.remake("revision", "repos, "+revisionColumns, "'', "+revisionColumns,
		schema.Make(g.kind, "revision", "repos, rev, time int, author, message", "repos,rev", "repos,time"))
	if err != nil {
		return err
	}
	err = g.remake("node_change", "repos, "+nodeChangeColumns, "'', "+nodeChangeColumns,
		schema.Make(g.kind, "node_change", "repos, "+nodeChangeColumns, "repos,rev,path,change_type", "repos,rev"))
	if err != nil {
		return err
	}
	return g.exec(
		"INSERT INTO repository (id, name, value) SELECT '', name, value FROM system WHERE name IN ('repository_dir', 'youngest_rev')",
		"DELETE FROM system WHERE name IN ('repository_dir', 'youngest_rev')",
	)
}

func repositoryNumbers(g *stage) error {
	var names []string
	err := g.tx.Each(func(r db.Row) error {
		names = append(names, r.Text(0))
		return nil
	}, "SELECT id FROM repository UNION SELECT repos FROM revision UNION SELECT repos FROM node_change ORDER BY 1")
	if err != nil {
		return err
	}
	// The numbers are kept where the temporary tables can be joined with them.
	if err := g.exec("CREATE TEMPORARY TABLE repos_number (number integer, name text)"); err != nil {
		return err
	}
	for i, name := range names {
		if _, err := g.tx.Exec("INSERT INTO repos_number (number, name) VALUES (?, ?)", i+1, name); err != nil {
			return err
		}
	}
	number := func(column string) string {
		return "(SELECT n.number FROM repos_number n WHERE n.name = " + column + ")"
	}
	err = g.remake("repository", "id, name, value", number("id")+", name, value", schema.MakeNow(g.kind, "repository"))
	if err != nil {
		return err
	}
	err = g.remake("revision", "repos, "+revisionColumns, number("repos")+", "+revisionColumns,
		schema.Make(g.kind, "revision", "repos int, rev, time int, author, message", "repos,rev", "repos,time"))
	if err != nil {
		return err
	}
	err = g.remake("node_change", "repos, "+nodeChangeColumns, number("repos")+", "+nodeChangeColumns,
		schema.Make(g.kind, "node_change", "repos int, "+nodeChangeColumns, "repos,rev,path,change_type", "repos,rev"))
	if err != nil {
		return err
	}
	return g.exec("INSERT INTO repository (id, name, value) SELECT number, 'name', name FROM repos_number",
		"DROP TABLE repos_number")
}

func microseconds(g *stage) error {
	for _, t := range []string{"attachment time", "wiki time", "revision time", "ticket time", "ticket changetime",
		"ticket_change time", "milestone due", "milestone completed", "version time"} {
		table, column, _ := strings.Cut(t, " ")
		if g.kind == schema.KindPostgres { // SQLite's integers are large enough
			if err := g.exec("ALTER TABLE " + table + " ALTER COLUMN " + column + " TYPE bigint"); err != nil {
				return err
			}
		}
		if err := g.exec(fmt.Sprintf("UPDATE %s SET %s = %[2]s * 1000000 WHERE %[2]s IS NOT NULL", table, column)); err != nil {
			return err
		}
	}
	return nil
}

// tenDigits changes the revisions of the repositories whose cache is of
// Subversion.
func tenDigits(g *stage) error {
	digits := "rev NOT GLOB '*[^0-9]*'"
	if g.kind == schema.KindPostgres {
		digits = "rev ~ '^[0-9]+$'"
	}
	for _, table := range []string{"revision", "node_change"} {
		err := g.exec("UPDATE " + table + " SET rev = substr('0000000000' || rev, length(rev) + 1, 10) " +
			"WHERE length(rev) < 10 AND " + digits +
			" AND repos IN (SELECT id FROM repository WHERE name = 'repository_dir' AND value LIKE 'svn:%')")
		if err != nil {
			return err
		}
	}
	return nil
}

func nodeChangeKey(g *stage) error {
	return g.remake("node_change", "repos, "+nodeChangeColumns, "repos, "+nodeChangeColumns, schema.MakeNow(g.kind, "node_change"))
}

func noAddresses(g *stage) error {
	for _, table := range []string{"attachment", "wiki"} {
		columns := strings.Join(schema.Columns(table), ", ")
		if err := g.remake(table, columns, columns, schema.MakeNow(g.kind, table)); err != nil {
			return err
		}
	}
	return nil
}

func enumDescription(g *stage) error {
	const columns = "type, name, value"
	return g.remake("enum", columns, columns, schema.MakeNow(g.kind, "enum"))
}
