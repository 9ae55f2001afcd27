package db

import "errors"

// Tx is a transaction. It belongs to the function it was given to and must not
// be used after that has returned, nor by two goroutines at once.
type Tx struct {
	run   runner // nil when the transaction is over
	write bool
}

// runner is a transaction of one kind of database.
type runner interface {
	// start prepares and begins a statement; row tells whether it has a row. The
	// caller releases s.
	start(query string, args []any) (s cursor, row bool, err error)
	// load adds rows, which each hands over one after another.
	load(table string, columns []string, each func(row func(values []any) error) error) error
	// result is what the statement did that has just ended.
	result() Result
	// fail makes an error for the caller out of one of step's.
	fail(query string, err error) error
	// hasTable is a query that has a row if there is a table of the name that
	// is its argument.
	hasTable() string
}

// cursor is a statement that runs.
type cursor interface {
	step() (row bool, err error)
	release()
	text(col int) string
	int(col int) int64
	float(col int) float64
	null(col int) bool
	bytes(col int) []byte
}

// during runs f with a transaction that is over when it returns.
func during(r runner, write bool, f func(*Tx) error) error {
	tx := &Tx{run: r, write: write}
	defer func() { tx.run = nil }()
	return f(tx)
}

// Row is a row of an answer; it may be used only until the function it was
// given to returns. Columns count from 0; one that is not there is NULL.
type Row struct{ s cursor }

// Text is a column as text, "" for NULL.
func (r Row) Text(col int) string { return r.s.text(col) }

// Int is a column as a number, 0 for NULL or text that is none.
func (r Row) Int(col int) int64 { return r.s.int(col) }

// Float is a column as a number, 0 for NULL or text that is none.
func (r Row) Float(col int) float64 { return r.s.float(col) }

// Null says whether a column is NULL.
func (r Row) Null(col int) bool { return r.s.null(col) }

// Bytes is a copy of a column as it is stored, nil for NULL.
func (r Row) Bytes(col int) []byte { return r.s.bytes(col) }

// Result is what a statement did.
type Result struct {
	Changed int64 // rows inserted, changed or removed
	ID      int64 // of the row inserted last on this connection
}

// Each runs a query and calls f for each row. It stops at the first error of f
// and returns it as it is. Arguments are string, int, int64, float64, bool,
// []byte, or nil for NULL. f may run other queries.
func (t *Tx) Each(f func(Row) error, query string, args ...any) error {
	s, row, err := t.start(query, args)
	if err != nil {
		return err
	}
	defer s.release()
	for row {
		if err := f(Row{s}); err != nil {
			return err
		}
		if row, err = s.step(); err != nil {
			return t.run.fail(query, err)
		}
	}
	return nil
}

// One runs a query and calls f for its first row, if there is one. The error
// of f is returned as it is.
func (t *Tx) One(f func(Row) error, query string, args ...any) (found bool, err error) {
	s, row, err := t.start(query, args)
	if err != nil {
		return false, err
	}
	defer s.release()
	if !row {
		return false, nil
	}
	return true, f(Row{s})
}

// Exec runs a statement that changes something; it is refused with ErrReadOnly
// in a transaction of [DB.Read].
func (t *Tx) Exec(query string, args ...any) (Result, error) {
	if t.run != nil && !t.write {
		return Result{}, public(&problem{is: ErrReadOnly, doing: "running " + query})
	}
	s, row, err := t.start(query, args)
	if err != nil {
		return Result{}, err
	}
	defer s.release()
	for row {
		if row, err = s.step(); err != nil {
			return Result{}, t.run.fail(query, err)
		}
	}
	return t.run.result(), nil
}

// Load adds rows to a table in the fastest way there is, without keeping them.
// each hands them over, one after another, and may read another database
// meanwhile, but not this transaction. Values are those of [Tx.Each], one for each
// column; []byte is for columns of bytes. The error of each is returned as it is.
func (t *Tx) Load(table string, columns []string, each func(row func(values []any) error) error) error {
	switch {
	case t.run == nil:
		return &problem{is: ErrMisuse, doing: "filling " + table, err: errOver}
	case !t.write:
		return public(&problem{is: ErrReadOnly, doing: "filling " + table})
	}
	return t.run.load(table, columns, each)
}

func (t *Tx) start(query string, args []any) (s cursor, row bool, err error) {
	if t.run == nil {
		return nil, false, &problem{is: ErrMisuse, doing: "running " + query, err: errOver}
	}
	return t.run.start(query, args)
}

var errOver = errors.New("the transaction is over")

// cacheID is the number that Trac gives a cached value in the table cache
// (Trac 1.6: trac/cache.py, a hash of 31 bits).
func cacheID(key string) int64 {
	r := []rune(key)
	if len(r) == 0 {
		return 0
	}
	h := int64(r[0]) << 7
	for _, c := range r {
		h = (1000003*h)&0x7fffffff ^ int64(c)
	}
	return h ^ int64(len(r))
}

// Generation returns the generation of a value that Trac keeps in memory, such
// as "trac.wiki.api.WikiSystem.pages"; -1 if it was never changed. Whoever
// keeps such a value too reads it anew when the generation is another.
func (t *Tx) Generation(key string) (int64, error) {
	generation := int64(-1)
	_, err := t.One(func(r Row) error {
		generation = r.Int(0)
		return nil
	}, "SELECT generation FROM cache WHERE id = ?", cacheID(key))
	return generation, err
}

// Changed raises the generation of a value that Trac keeps in memory, so that
// every process reads it anew once this transaction is committed.
func (t *Tx) Changed(key string) error {
	id := cacheID(key)
	r, err := t.Exec("UPDATE cache SET generation = generation + 1 WHERE id = ?", id)
	if err == nil && r.Changed == 0 {
		_, err = t.Exec("INSERT INTO cache (id, generation, key) VALUES (?, ?, ?)", id, 0, key)
	}
	return err
}
