package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"projhost/db"
)

// lite reads what an SQLite database is made of.
type lite struct {
	tx   *db.Tx
	left []string
}

func (l *lite) leave(format string, args ...any) {
	l.left = append(l.left, fmt.Sprintf(format, args...))
}

// onlyHere are words in a table's SQL that stand for what is not carried.
var onlyHere = regexp.MustCompile(`(?i)\b(CHECK\s*\(|REFERENCES\b|COLLATE\b|GENERATED\b)`)

// tables returns the tables, and what else there is.
func (l *lite) tables() (list []table, left []string, err error) {
	type named struct{ name, kind, sql string }
	var all []named
	err = l.tx.Each(func(r db.Row) error {
		all = append(all, named{r.Text(0), r.Text(1), r.Text(2)})
		return nil
	}, "SELECT l.name, l.type, m.sql FROM pragma_table_list l JOIN sqlite_master m ON m.name = l.name AND m.type IN ('table', 'view')"+
		" WHERE l.schema = 'main' ORDER BY m.rowid")
	for _, n := range all {
		if err != nil {
			break
		}
		switch {
		case n.kind == "shadow" || strings.HasPrefix(n.name, "sqlite_"):
			continue // of a virtual table, of SQLite's own
		case n.kind != "table":
			l.leave("the %s %s", map[string]string{"view": "view", "virtual": "virtual table"}[n.kind], n.name)
			continue
		}
		for _, word := range slices.Compact(slices.Sorted(slices.Values(onlyHere.FindAllString(n.sql, -1)))) {
			l.leave("%s in the table %s", strings.ToUpper(strings.TrimRight(word, "( ")), n.name)
		}
		var t table
		if t, err = l.table(n.name); err == nil {
			list = append(list, t)
		}
	}
	if err == nil {
		err = l.tx.Each(func(r db.Row) error {
			l.leave("the trigger %s", r.Text(0))
			return nil
		}, "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
	}
	return list, l.left, err
}

func (l *lite) table(name string) (table, error) {
	t := table{name: name, from: db.Quote(name)}
	places := map[int64]string{}
	rowid := ""
	err := l.tx.Each(func(r db.Row) error {
		c := column{name: r.Text(0), required: r.Int(2) != 0, standard: r.Text(3)}
		var exact bool
		if c.kind, exact = typeOf(r.Text(1)); !exact {
			l.leave("the type %s of %s.%s, which becomes text", r.Text(1), name, c.name)
		}
		if c.standard != "" && !literal.MatchString(c.standard) {
			if !strings.EqualFold(c.standard, "NULL") {
				l.leave("the default of %s.%s", name, c.name)
			}
			c.standard = ""
		}
		if place := r.Int(4); place > 0 {
			places[place] = c.name
			if strings.EqualFold(r.Text(1), "integer") {
				rowid = c.name
			}
		}
		t.columns = append(t.columns, c)
		return nil
	}, `SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid`, name)
	if err != nil {
		return t, err
	}
	for i := int64(1); places[i] != ""; i++ {
		t.key = append(t.key, places[i])
	}
	if len(t.key) == 1 && rowid != "" { // it counts up (https://sqlite.org/autoinc.html)
		for i := range t.columns {
			t.columns[i].auto = t.columns[i].name == rowid
		}
	}
	return t, l.indices(&t)
}

func (l *lite) indices(t *table) error {
	type found struct {
		index
		partial bool
	}
	var list []found
	err := l.tx.Each(func(r db.Row) error {
		list = append(list, found{index{name: r.Text(0), unique: r.Int(1) != 0, made: r.Text(2) == "u"}, r.Int(3) != 0})
		return nil
	}, `SELECT name, "unique", origin, partial FROM pragma_index_list(?) WHERE origin <> 'pk' ORDER BY seq DESC`, t.name)
	for _, f := range list {
		if err != nil {
			return err
		}
		plain := !f.partial
		err = l.tx.Each(func(r db.Row) error {
			plain = plain && !r.Null(0)
			f.columns = append(f.columns, r.Text(0))
			return nil
		}, "SELECT name FROM pragma_index_info(?) ORDER BY seqno", f.name)
		if f.made {
			f.name = t.name + "_" + strings.Join(f.columns, "_") + "_key"
		}
		if plain {
			t.indices = append(t.indices, f.index)
		} else {
			l.leave("the index %s, of an expression or with a condition", f.name)
		}
	}
	return err
}
