package convert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"projhost/db"
	"projhost/db/schema"
)

// reader makes values of rows.
type reader struct {
	t    *table
	kind string // of the database that is read
	// plain has texts be such as PostgreSQL takes: UTF-8 without NUL. What is not
	// is an error, unless replace puts U+FFFD in its place.
	plain, replace bool
	replaced       map[string]int64 // how many values, by column
	n              int64            // the row, from 1
}

// read makes values of a row, one for each column.
func (r *reader) read(row db.Row, values []any) ([]any, error) {
	r.n++
	values = values[:0]
	for i, c := range r.t.columns {
		v, err := r.value(row, i, c)
		if err != nil {
			return nil, &RowError{Table: r.t.name, Row: r.n, First: row.Text(0), Column: c.name, Err: err}
		}
		values = append(values, v)
	}
	return values, nil
}

// RowError is a value that the other kind of database cannot hold.
type RowError struct {
	Table  string
	Row    int64  // counted from 1, in the order in which they are read
	First  string // what its first column holds
	Column string
	Err    error
}

func (e *RowError) Error() string {
	return fmt.Sprintf("table %s, row %d (it begins with %.80q), column %s: %v", e.Table, e.Row, e.First, e.Column, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

func (r *reader) value(row db.Row, i int, c column) (any, error) {
	if row.Null(i) {
		return nil, nil
	}
	if c.class() == bytes {
		return r.bytes(row, i)
	}
	s := row.Text(i)
	wrong := func(what string) error { return fmt.Errorf("%.80q is not %s", s, what) }
	switch c.class() {
	case whole:
		bits := map[string]int{"smallint": 16, "integer": 32, "bigint": 64}[c.kind]
		if n, err := strconv.ParseInt(s, 10, bits); err == nil {
			return n, nil
		}
		return nil, wrong(fmt.Sprintf("a whole number of %d bits", bits))
	case real:
		f, err := strconv.ParseFloat(s, 64)
		switch {
		case err != nil:
			return nil, wrong("a number")
		case math.IsNaN(f): // SQLite has none, and would store NULL
			return "NaN", nil
		case math.IsInf(f, 0):
			return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0], nil
		case c.kind == "real": // a few digits that stand for it
			return f, nil
		}
		return row.Float(i), nil // SQLite's text of it is not exact
	case truth:
		switch s {
		case "t", "1":
			return true, nil
		case "f", "0":
			return false, nil
		}
		return nil, wrong("0 or 1")
	}
	return r.text(s, c)
}

func (r *reader) bytes(row db.Row, i int) (any, error) {
	if r.kind != schema.KindPostgres {
		return row.Bytes(i), nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(row.Text(i), `\x`))
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

func (r *reader) text(s string, c column) (any, error) {
	if !r.plain || utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
		return s, nil
	}
	if !r.replace {
		if utf8.ValidString(s) {
			return nil, fmt.Errorf("there is a NUL in the text %.80q", s)
		}
		return nil, fmt.Errorf("the text %.80q is not UTF-8", s)
	}
	r.replaced[r.t.name+"."+c.name]++
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd"), nil
}

// Digest stands for the rows of a table, in whatever order they come.
type Digest struct {
	Rows int64 `json:"rows"`
	Sum  Sum   `json:"sum"`
}

// Sum is the sum of the digests of rows, each a number of 128 bits.
type Sum [2]uint64

// MarshalText implements [encoding.TextMarshaler].
func (s Sum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x%016x", s[0], s[1]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Sum) UnmarshalText(b []byte) error {
	var raw [16]byte
	if n, err := hex.Decode(raw[:], b[:min(len(b), 32)]); err != nil || n != len(raw) || len(b) != 32 {
		return fmt.Errorf("%.40q is not the sum of rows", b)
	}
	s[0], s[1] = binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	return nil
}

// add adds a row. buffer is used again and again.
func (d *Digest) add(values []any, buffer []byte) []byte {
	b := buffer[:0]
	for _, v := range values {
		at := len(b)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, '0')
		switch v := v.(type) {
		case nil:
			b[at+8] = 'n'
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case float64:
			b = strconv.AppendFloat(b, v, 'g', -1, 64)
		case bool:
			b = strconv.AppendBool(b, v)
		}
		binary.BigEndian.PutUint64(b[at:], uint64(len(b)-at))
	}
	sum := sha256.Sum256(b)
	low := binary.BigEndian.Uint64(sum[8:]) + d.Sum[1]
	high := binary.BigEndian.Uint64(sum[:]) + d.Sum[0]
	if low < d.Sum[1] {
		high++
	}
	d.Sum, d.Rows = Sum{high, low}, d.Rows+1
	return b
}
