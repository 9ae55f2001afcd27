package convert

import (
	"fmt"
	"strings"

	"projhost/db"
)

// server reads what a schema of PostgreSQL is made of.
type server struct {
	tx   *db.Tx
	left []string
}

func (s *server) leave(format string, args ...any) {
	s.left = append(s.left, fmt.Sprintf(format, args...))
}

// settings make values readable in one way, whatever role and server say, and
// rows that a policy hides an error.
const settings = "SELECT set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true)," +
	" set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true), set_config('timezone', 'UTC', true)," +
	" set_config('row_security', 'off', true), set_config('client_encoding', 'UTF8', true)"

// set brings the transaction's connection to the settings.
func (s *server) set() error {
	_, err := s.tx.One(func(db.Row) error { return nil }, settings)
	return err
}

// lock keeps writers of a table out until the transaction's end.
func (s *server) lock(t table) error {
	_, err := s.tx.Exec("LOCK TABLE " + db.Quote(t.name) + " IN SHARE MODE")
	return err
}

// here is the schema that the transaction is bound to.
const here = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = pg_catalog.current_schema())"

// others are things of a schema that are not carried, with their names.
const others = `
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END, relname
  FROM pg_catalog.pg_class WHERE relnamespace = ` + here + ` AND relkind IN ('v', 'm', 'f')
UNION ALL SELECT 'sequence', relname FROM pg_catalog.pg_class c WHERE relnamespace = ` + here + ` AND relkind = 'S'
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
UNION ALL SELECT 'partition', c.relname FROM pg_catalog.pg_class c WHERE relnamespace = ` + here + ` AND relkind IN ('r', 'p') AND relispartition
UNION ALL SELECT 'function', proname FROM pg_catalog.pg_proc WHERE pronamespace = ` + here + `
UNION ALL SELECT 'trigger', tgname FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
   WHERE c.relnamespace = ` + here + ` AND NOT t.tgisinternal
UNION ALL SELECT 'type', typname FROM pg_catalog.pg_type WHERE typnamespace = ` + here + ` AND typtype IN ('e', 'd', 'r')
UNION ALL SELECT CASE contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' ELSE 'exclusion' END, conname
  FROM pg_catalog.pg_constraint WHERE connamespace = ` + here + ` AND contype IN ('c', 'f', 'x') AND conrelid <> 0
UNION ALL SELECT 'policy', polname FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = ` + here + `
UNION ALL SELECT 'rule', rulename FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
   WHERE c.relnamespace = ` + here + ` AND c.relkind = 'r'
ORDER BY 1, 2`

// tables returns the tables, and what else there is.
func (s *server) tables() (list []table, left []string, err error) {
	err = s.tx.Each(func(r db.Row) error {
		t := table{name: r.Text(0), from: db.Quote(r.Text(0))}
		if r.Text(1) == "r" {
			t.from = "ONLY " + t.from // those that inherit are tables of their own
		}
		list = append(list, t)
		return nil
	}, "SELECT relname, relkind FROM pg_catalog.pg_class WHERE relnamespace = "+here+
		" AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY oid")
	if err == nil {
		err = s.tx.Each(func(r db.Row) error {
			s.leave("the %s %s", r.Text(0), r.Text(1))
			return nil
		}, others)
	}
	full := list[:0]
	for _, t := range list {
		if err == nil {
			err = s.columns(&t)
		}
		if err == nil {
			err = s.indices(&t)
		}
		if len(t.columns) == 0 {
			s.leave("the table %s, which has no columns", t.name)
			continue
		}
		full = append(full, t)
	}
	return full, s.left, err
}

func (s *server) columns(t *table) error {
	return s.tx.Each(func(r db.Row) error {
		c := column{name: r.Text(0), kind: r.Text(1), required: r.Text(2) == "t", standard: r.Text(3)}
		if r.Text(4) != "t" || !carried.MatchString(c.kind) {
			s.leave("the type %s of %s.%s, which becomes text", c.kind, t.name, c.name)
			c.kind = "text"
		}
		switch value, _, _ := strings.Cut(c.standard, "::"); {
		case r.Text(5) != "":
			s.leave("how %s.%s is generated; its values are there", t.name, c.name)
			c.standard = ""
		case r.Text(6) != "", strings.HasPrefix(c.standard, "nextval("):
			c.auto, c.standard = c.class() == whole, ""
		case c.standard != "" && !literal.MatchString(value):
			if !strings.HasPrefix(c.standard, "NULL") {
				s.leave("the default of %s.%s", t.name, c.name)
			}
			c.standard = ""
		default:
			c.standard = value
		}
		t.columns = append(t.columns, c)
		return nil
	}, `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
		coalesce(e.typnamespace, y.typnamespace) = 'pg_catalog'::regnamespace, a.attgenerated, a.attidentity
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
		LEFT JOIN pg_catalog.pg_type e ON e.oid = y.typelem AND y.typcategory = 'A'
		LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relnamespace = `+here+` AND c.relname = ? AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, t.name)
}

func (s *server) indices(t *table) error {
	err := s.tx.Each(func(r db.Row) error {
		name, columns, unique, primary := r.Text(0), strings.Split(r.Text(1), "\x01"), r.Text(2) == "t", r.Text(3) == "t"
		switch {
		case r.Text(4) != "t":
			s.leave("the index %s, of an expression, with a condition or of a kind of its own", name)
		case primary:
			t.key = columns
		default:
			t.indices = append(t.indices, index{name: name, columns: columns, unique: unique})
		}
		return nil
	}, `SELECT i.relname, (SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(1) ORDER BY k.n) FROM pg_catalog.unnest(x.indkey[0:x.indnkeyatts - 1]) WITH ORDINALITY k(attnum, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum),
		x.indisunique, x.indisprimary, x.indexprs IS NULL AND x.indpred IS NULL AND m.amname = 'btree'
		FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
		JOIN pg_catalog.pg_am m ON m.oid = i.relam
		WHERE c.relnamespace = `+here+` AND c.relname = ? ORDER BY i.oid`, t.name)
	for i := range t.columns { // one that counts up is the key in both kinds, or just a number
		c := &t.columns[i]
		if c.auto && (len(t.key) != 1 || t.key[0] != c.name) {
			s.leave("that %s.%s counts up by itself", t.name, c.name)
			c.auto = false
		}
	}
	return err
}

// sequenceOf is the name of the sequence that a column counts up by; "" if it has
// none of its own.
func (s *server) sequenceOf(t *table, c column) (name string, err error) {
	_, err = s.tx.One(func(r db.Row) error {
		name = r.Text(0)
		return nil
	}, "SELECT pg_catalog.pg_get_serial_sequence(pg_catalog.quote_ident(?), ?)", t.name, c.name)
	return name, err
}

// counted is the last number that a column has counted; 0 is none.
func (s *server) counted(t *table, c column) (last int64, err error) {
	name, err := s.sequenceOf(t, c)
	if err != nil || name == "" {
		return 0, err
	}
	_, err = s.tx.One(func(r db.Row) error {
		if last = r.Int(0); r.Text(1) != "t" {
			last--
		}
		return nil
	}, "SELECT last_value, is_called FROM "+name) // quoted by the server
	return max(last, 0), err
}

// countOn lets a column go on counting after last.
func (s *server) countOn(t *table, c column, last int64) error {
	name, err := s.sequenceOf(t, c)
	if err != nil || name == "" || last < 1 {
		return err
	}
	_, err = s.tx.One(func(db.Row) error { return nil }, "SELECT pg_catalog.setval(CAST(? AS regclass), CAST(? AS bigint))", name, last)
	return err
}
