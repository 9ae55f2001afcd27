package db

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite "modernc.org/sqlite/lib"
)

// This file is the only one that knows the SQLite library: SQLite itself,
// translated to Go, called by its C interface (https://sqlite.org/c3ref).
// Memory that SQLite sees is its own, never Go's.
//
// database/sql and its driver are not used: measured side by side
// (docs/performance.md), they made a transaction of two small queries and a
// list of 100 rows cost three times as much. Nor do they tell whether a file is
// in WAL mode before anything is done about it.

// openMode is how a connection is opened.
type openMode uint8

const (
	readOnly  openMode = iota // the file is opened for reading
	queryOnly                 // for writing, but queries only; undoes a crash, tidies the WAL up
	readWrite                 // for writing
	immutable                 // for reading, without locks: the file is taken to be unchanging
	inMemory                  // no file
)

const (
	// maxStatements bounds the prepared statements a connection keeps.
	maxStatements = 48
	// arenaSize is the memory a connection keeps for arguments, in bytes.
	arenaSize = 1024
	// lookasideSize and lookasideCount are the memory set aside for small needs;
	// SQLite's own choice, 48 KiB, is no faster here.
	lookasideSize, lookasideCount = 256, 32
	// cacheSize is the most that a connection keeps of the file, in KiB; four
	// times as much is SQLite's own choice.
	cacheSize = 512
	// interruptEvery is the pause between attempts to stop a query whose time is up.
	interruptEvery = 2 * time.Millisecond
	wordSize       = int(unsafe.Sizeof(uintptr(0)))
)

// conn is a connection to an SQLite database. Only one goroutine may use it at
// a time; between begin and end, the end of a context stops what it does.
type conn struct {
	tls  *libc.TLS
	db   uintptr // sqlite3*
	mode openMode
	seen sight // of an immutable file

	statements map[string]*stmt
	clock      uint64 // counts uses of statements
	arena      uintptr
	used       int // bytes of arena

	unwatch func() bool
	over    atomic.Bool    // set at end
	watcher sync.WaitGroup // the goroutine that stops queries
	bounded bool           // cacheSize is set
}

// stmt is a prepared statement.
type stmt struct {
	c      *conn
	p      uintptr // sqlite3_stmt*
	args   int
	last   uint64 // c.clock at its last use
	busy   bool
	once   bool      // not among c.statements
	mark   int       // c.used before its arguments
	chunks []uintptr // arguments that did not fit into the arena
}

// openConn opens a file, which must be there, or memory.
func openConn(path string, mode openMode) (*conn, error) {
	if mode == immutable {
		path = fileURI(path, "immutable=1")
	}
	c := &conn{tls: libc.NewTLS(), mode: mode, statements: map[string]*stmt{}}
	if err := c.open(path, flagsOf(mode)); err != nil {
		_ = c.close()
		return nil, err
	}
	if mode == queryOnly {
		if err := c.exec("PRAGMA query_only = 1"); err != nil {
			_ = c.close()
			return nil, err
		}
	}
	return c, nil
}

func flagsOf(mode openMode) int32 {
	switch mode {
	case queryOnly, readWrite:
		return sqlite.SQLITE_OPEN_READWRITE
	case immutable:
		return sqlite.SQLITE_OPEN_READONLY | sqlite.SQLITE_OPEN_URI
	case inMemory:
		return sqlite.SQLITE_OPEN_READWRITE | sqlite.SQLITE_OPEN_CREATE | sqlite.SQLITE_OPEN_MEMORY
	default:
		return sqlite.SQLITE_OPEN_READONLY
	}
}

func (c *conn) open(path string, flags int32) error {
	if c.arena = sqlite.Xsqlite3_malloc(c.tls, arenaSize); c.arena == 0 {
		return errMemory()
	}
	name, err := c.copyIn(path + "\x00")
	if err != nil {
		return err
	}
	defer sqlite.Xsqlite3_free(c.tls, name)
	rc := sqlite.Xsqlite3_open_v2(c.tls, name, c.arena, flags|sqlite.SQLITE_OPEN_NOMUTEX, 0)
	c.db = readWord(c.arena)
	if rc != sqlite.SQLITE_OK {
		return c.failure(rc)
	}
	sqlite.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	small := libc.VaList(c.arena, uintptr(0), int32(lookasideSize), int32(lookasideCount))
	sqlite.Xsqlite3_db_config(c.tls, c.db, sqlite.SQLITE_DBCONFIG_LOOKASIDE, small)
	return nil
}

// close closes the connection. A transaction that is open is undone.
func (c *conn) close() error {
	for _, s := range c.statements {
		sqlite.Xsqlite3_finalize(c.tls, s.p)
	}
	c.statements = nil
	rc := sqlite.Xsqlite3_close(c.tls, c.db) // of 0 is fine
	c.db = 0
	sqlite.Xsqlite3_free(c.tls, c.arena)
	c.tls.Close()
	if rc != sqlite.SQLITE_OK {
		return &problem{is: errSQLite, err: fmt.Errorf("closing: code %d", rc)}
	}
	return nil
}

// begin lets the end of ctx stop what the connection does, until end is called.
func (c *conn) begin(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	c.over.Store(false)
	c.watcher.Add(1)
	c.unwatch = context.AfterFunc(ctx, c.interrupt)
}

// interrupt stops the query that is running. SQLite forgets an interrupt that
// comes between two queries, hence the repetition.
func (c *conn) interrupt() {
	defer c.watcher.Done()
	tls := libc.NewTLS() // c.tls is in use
	defer tls.Close()
	for !c.over.Load() {
		sqlite.Xsqlite3_interrupt(tls, c.db)
		time.Sleep(interruptEvery)
	}
}

func (c *conn) end() {
	if c.unwatch == nil {
		return
	}
	c.over.Store(true)
	if c.unwatch() {
		c.watcher.Done()
	}
	c.watcher.Wait()
	c.unwatch = nil
}

// exec runs a statement without arguments and without an answer.
func (c *conn) exec(query string) error { return c.query(query, func(Row) {}) }

// query runs a statement without arguments.
func (c *conn) query(query string, f func(Row)) error {
	s, row, err := c.start(query, nil)
	if err != nil {
		return err
	}
	defer s.release()
	for row && err == nil {
		f(Row{s})
		row, err = s.step()
	}
	return err
}

// touch reads the file for the first time.
func (c *conn) touch() error { return c.exec("SELECT 1 FROM sqlite_master LIMIT 1") }

// bound limits the connection's memory. It is called when the tables are known
// already, for SQLite would read them first.
func (c *conn) bound() {
	if !c.bounded {
		c.bounded = true
		_ = c.exec(fmt.Sprintf("PRAGMA cache_size = -%d", cacheSize))
		c.forgetAll()
	}
}

// inTransaction says whether a transaction is open.
func (c *conn) inTransaction() bool { return sqlite.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// writeProtected says whether the file could only be opened for reading.
func (c *conn) writeProtected() bool { return sqlite.Xsqlite3_db_readonly(c.tls, c.db, 0) == 1 }

func (c *conn) result() Result {
	return Result{Changed: sqlite.Xsqlite3_changes64(c.tls, c.db), ID: sqlite.Xsqlite3_last_insert_rowid(c.tls, c.db)}
}

// wal says whether the file is in WAL mode. It reads the file's header without
// making SQLite look for the WAL (file format 1.3: byte 18, the write version,
// is 2).
func (c *conn) wal() bool {
	const place, version = 18, 2
	return c.readFile(c.arena, 1, place) && libc.GoBytes(c.arena, 1)[0] == version
}

// readFile reads n bytes of the database's file into memory of SQLite's, as they
// are, through the descriptor that SQLite holds, without a lock.
func (c *conn) readFile(into uintptr, n int32, offset int64) bool {
	if c.mode == inMemory {
		return false
	}
	if sqlite.Xsqlite3_file_control(c.tls, c.db, 0, sqlite.SQLITE_FCNTL_FILE_POINTER, c.arena) != sqlite.SQLITE_OK {
		return false
	}
	file := readWord(c.arena)
	methods := readWord(file)
	if methods == 0 {
		return false
	}
	read := readWord(methods + unsafe.Offsetof(sqlite.Tsqlite3_io_methods{}.FxRead))
	xRead := *(*func(*libc.TLS, uintptr, uintptr, int32, sqlite.Tsqlite3_int64) int32)(unsafe.Pointer(&struct{ uintptr }{read}))
	return xRead(c.tls, file, into, n, offset) == sqlite.SQLITE_OK
}

// copyFile writes the first size bytes of the database's file, as they are.
func (c *conn) copyFile(ctx context.Context, w io.Writer, size int64) error {
	const most = 1 << 16
	p := sqlite.Xsqlite3_malloc(c.tls, most)
	if p == 0 {
		return errMemory()
	}
	defer sqlite.Xsqlite3_free(c.tls, p)
	for offset := int64(0); offset < size; offset += most {
		if ctx.Err() != nil {
			return ended(ctx, "reading the file")
		}
		n := min(most, size-offset)
		if !c.readFile(p, int32(n), offset) {
			return &problem{is: ErrCannotOpen, err: errors.New("it cannot be read to its end")}
		}
		if _, err := w.Write(libc.GoBytes(p, int(n))); err != nil {
			return err
		}
	}
	return nil
}

// copying is a copy in the making (https://sqlite.org/c3ref/backup_finish.html).
// Both connections must stay open until finish.
type copying struct {
	from, to *conn
	p        uintptr // sqlite3_backup*
}

// copyTo begins to copy the whole database into that of another connection,
// which must be empty.
func (c *conn) copyTo(to *conn) (*copying, error) {
	name, err := to.copyIn("main\x00")
	if err != nil {
		return nil, err
	}
	defer sqlite.Xsqlite3_free(to.tls, name)
	p := sqlite.Xsqlite3_backup_init(to.tls, to.db, name, c.db, name)
	if p == 0 {
		return nil, to.failure(sqlite.Xsqlite3_extended_errcode(to.tls, to.db))
	}
	return &copying{c, to, p}, nil
}

// step copies some pages more; done is true after the last. If the database has
// changed since the step before, it begins anew. After ErrBusy it may be
// repeated.
func (k *copying) step(pages int) (done bool, err error) {
	switch rc := sqlite.Xsqlite3_backup_step(k.to.tls, k.p, int32(pages)); rc {
	case sqlite.SQLITE_OK:
		return false, nil
	case sqlite.SQLITE_DONE:
		return true, nil
	default: // which of the two it comes from is not told, nor are more words
		return false, &problem{is: kindOf(rc), err: fmt.Errorf("%s (SQLite code %d)", libc.GoString(sqlite.Xsqlite3_errstr(k.to.tls, rc)), rc)}
	}
}

// left is how many pages are still to be copied, as of the last step.
func (k *copying) left() int { return int(sqlite.Xsqlite3_backup_remaining(k.to.tls, k.p)) }

// finish ends it; what it says of errors, step has said.
func (k *copying) finish() { sqlite.Xsqlite3_backup_finish(k.to.tls, k.p) }

// start prepares a statement, gives it its arguments and runs it up to its
// first row. If it fails, the statement is released already.
func (c *conn) start(query string, args []any) (s *stmt, row bool, err error) {
	if s, err = c.prepare(query); err != nil {
		return nil, false, err
	}
	if err = s.bind(args); err == nil {
		row, err = s.step()
	}
	if err != nil {
		s.release()
		return nil, false, err
	}
	return s, row, nil
}

// prepare finds a statement that was prepared before, or prepares it.
func (c *conn) prepare(query string) (*stmt, error) {
	c.clock++
	s := c.statements[query]
	if s == nil || s.busy { // busy: the query runs inside itself
		once := s != nil
		var err error
		if s, err = c.compile(query); err != nil {
			return nil, err
		}
		s.once = once
		if !once {
			c.forget()
			c.statements[query] = s
		}
	}
	s.busy, s.last, s.mark = true, c.clock, c.used
	return s, nil
}

// forget drops the statement that has not been used for the longest time, once
// there are too many.
func (c *conn) forget() {
	if len(c.statements) < maxStatements {
		return
	}
	oldest, least := "", uint64(math.MaxUint64)
	for query, s := range c.statements {
		if !s.busy && s.last < least {
			oldest, least = query, s.last
		}
	}
	if s := c.statements[oldest]; s != nil {
		sqlite.Xsqlite3_finalize(c.tls, s.p)
		delete(c.statements, oldest)
	}
}

// forgetAll drops all statements, to give back the memory of those that a
// connection needs only at its beginning.
func (c *conn) forgetAll() {
	for query, s := range c.statements {
		if !s.busy {
			sqlite.Xsqlite3_finalize(c.tls, s.p)
			delete(c.statements, query)
		}
	}
}

// compile prepares a statement. It must be the only one in query.
func (c *conn) compile(query string) (*stmt, error) {
	if strings.ContainsRune(query, 0) {
		return nil, misuse("the statement holds a NUL")
	}
	text, err := c.copyIn(query + "\x00")
	if err != nil {
		return nil, err
	}
	defer sqlite.Xsqlite3_free(c.tls, text)
	out, err := c.copyIn(string(make([]byte, 2*wordSize))) // the statement, and where it ends
	if err != nil {
		return nil, err
	}
	defer sqlite.Xsqlite3_free(c.tls, out)
	rc := sqlite.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(query)+1), sqlite.SQLITE_PREPARE_PERSISTENT, out, out+uintptr(wordSize))
	if rc != sqlite.SQLITE_OK {
		return nil, c.failure(rc)
	}
	s := &stmt{c: c, p: readWord(out)}
	rest := query[min(int(readWord(out+uintptr(wordSize))-text), len(query)):]
	if s.p == 0 || strings.Trim(rest, "; \t\r\n") != "" {
		sqlite.Xsqlite3_finalize(c.tls, s.p)
		return nil, misuse("not exactly one statement")
	}
	s.args = int(sqlite.Xsqlite3_bind_parameter_count(c.tls, s.p))
	return s, nil
}

// bind gives the statement its arguments.
func (s *stmt) bind(args []any) error {
	if len(args) != s.args {
		return misuse(fmt.Sprintf("%d arguments for %d places", len(args), s.args))
	}
	for i, a := range args {
		var rc int32
		place := int32(i + 1)
		switch a := a.(type) {
		case nil:
			rc = sqlite.Xsqlite3_bind_null(s.c.tls, s.p, place)
		case string:
			rc = s.bindText(place, a)
		case int64:
			rc = sqlite.Xsqlite3_bind_int64(s.c.tls, s.p, place, a)
		case int:
			rc = sqlite.Xsqlite3_bind_int64(s.c.tls, s.p, place, int64(a))
		case bool:
			n := int64(0)
			if a {
				n = 1
			}
			rc = sqlite.Xsqlite3_bind_int64(s.c.tls, s.p, place, n)
		case float64:
			rc = sqlite.Xsqlite3_bind_double(s.c.tls, s.p, place, a)
		case []byte:
			rc = s.bindBytes(place, a)
		default:
			return misuse(fmt.Sprintf("an argument is of type %T", a))
		}
		if rc != sqlite.SQLITE_OK {
			return s.c.failure(rc)
		}
	}
	return nil
}

func (s *stmt) bindText(place int32, text string) int32 {
	p := s.room(len(text))
	if p == 0 {
		return sqlite.SQLITE_NOMEM
	}
	copy(libc.GoBytes(p, len(text)), text)
	return sqlite.Xsqlite3_bind_text(s.c.tls, s.p, place, p, int32(len(text)), 0)
}

func (s *stmt) bindBytes(place int32, b []byte) int32 {
	if b == nil {
		return sqlite.Xsqlite3_bind_null(s.c.tls, s.p, place)
	}
	p := s.room(len(b))
	if p == 0 {
		return sqlite.SQLITE_NOMEM
	}
	copy(libc.GoBytes(p, len(b)), b)
	return sqlite.Xsqlite3_bind_blob(s.c.tls, s.p, place, p, int32(len(b)), 0)
}

// room finds memory for n bytes of an argument, which stays until release; 0
// if there is none.
func (s *stmt) room(n int) uintptr {
	c := s.c
	if n <= arenaSize-c.used {
		p := c.arena + uintptr(c.used)
		c.used = min(arenaSize, c.used+max(n, 1))
		return p
	}
	if n > math.MaxInt32 {
		return 0
	}
	p := sqlite.Xsqlite3_malloc(c.tls, int32(n))
	if p != 0 {
		s.chunks = append(s.chunks, p)
	}
	return p
}

// step moves to the next row; row is false after the last.
func (s *stmt) step() (row bool, err error) {
	switch rc := sqlite.Xsqlite3_step(s.c.tls, s.p); rc {
	case sqlite.SQLITE_ROW:
		return true, nil
	case sqlite.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.failure(rc)
	}
}

// release ends the run of the statement and gives its arguments' memory back.
// Statements are released in the reverse order of their start.
func (s *stmt) release() {
	c := s.c
	sqlite.Xsqlite3_reset(c.tls, s.p) // repeats the error of the last step
	for _, p := range s.chunks {
		sqlite.Xsqlite3_free(c.tls, p)
	}
	s.chunks, s.busy, c.used = nil, false, s.mark
	if s.once {
		sqlite.Xsqlite3_finalize(c.tls, s.p)
	}
}

func (s *stmt) text(col int) string {
	p := sqlite.Xsqlite3_column_text(s.c.tls, s.p, int32(col))
	if p == 0 {
		return ""
	}
	return string(libc.GoBytes(p, int(sqlite.Xsqlite3_column_bytes(s.c.tls, s.p, int32(col)))))
}

func (s *stmt) bytes(col int) []byte {
	if s.null(col) {
		return nil
	}
	p := sqlite.Xsqlite3_column_blob(s.c.tls, s.p, int32(col))
	if p == 0 {
		return []byte{}
	}
	return append([]byte(nil), libc.GoBytes(p, int(sqlite.Xsqlite3_column_bytes(s.c.tls, s.p, int32(col))))...)
}

func (s *stmt) int(col int) int64 { return sqlite.Xsqlite3_column_int64(s.c.tls, s.p, int32(col)) }

func (s *stmt) float(col int) float64 {
	return sqlite.Xsqlite3_column_double(s.c.tls, s.p, int32(col))
}

func (s *stmt) null(col int) bool {
	return sqlite.Xsqlite3_column_type(s.c.tls, s.p, int32(col)) == sqlite.SQLITE_NULL
}

// copyIn copies a string into memory of SQLite's; the caller frees it.
func (c *conn) copyIn(s string) (uintptr, error) {
	if len(s) > math.MaxInt32 {
		return 0, errMemory()
	}
	p := sqlite.Xsqlite3_malloc(c.tls, int32(len(s)))
	if p == 0 {
		return 0, errMemory()
	}
	copy(libc.GoBytes(p, len(s)), s)
	return p, nil
}

// readWord reads a pointer out of SQLite's memory.
func readWord(p uintptr) uintptr {
	b := libc.GoBytes(p, wordSize)
	if wordSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

// Problems that callers have no use for.
const (
	errSQLite      Problem = "SQLite"
	errInterrupted Problem = "interrupted"
)

func misuse(what string) error { return &problem{is: ErrMisuse, err: errors.New(what)} }

func errMemory() error { return &problem{is: errSQLite, err: errors.New("out of memory")} }

func isInterrupt(err error) bool { return errors.Is(err, errInterrupted) }

// failure makes an error out of a result code, with SQLite's own words.
func (c *conn) failure(rc int32) error {
	words := libc.GoString(sqlite.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 && rc&0xff != sqlite.SQLITE_NOMEM {
		words = libc.GoString(sqlite.Xsqlite3_errmsg(c.tls, c.db))
	}
	return &problem{is: kindOf(rc), err: fmt.Errorf("%s (SQLite code %d)", words, rc)}
}

// kindOf sorts result codes (https://sqlite.org/rescode.html).
func kindOf(rc int32) Problem {
	switch rc {
	case sqlite.SQLITE_READONLY_ROLLBACK, sqlite.SQLITE_READONLY_RECOVERY, sqlite.SQLITE_READONLY_CANTINIT:
		return ErrRecovery
	case sqlite.SQLITE_CONSTRAINT_UNIQUE, sqlite.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite.SQLITE_CONSTRAINT_ROWID:
		return ErrTaken
	}
	switch rc & 0xff {
	case sqlite.SQLITE_BUSY, sqlite.SQLITE_LOCKED:
		return ErrBusy
	case sqlite.SQLITE_INTERRUPT:
		return errInterrupted
	case sqlite.SQLITE_READONLY:
		return ErrReadOnly
	case sqlite.SQLITE_CANTOPEN, sqlite.SQLITE_PERM:
		return ErrCannotOpen
	case sqlite.SQLITE_NOTADB:
		return ErrNotDatabase
	case sqlite.SQLITE_CORRUPT:
		return ErrCorrupt
	case sqlite.SQLITE_FULL:
		return ErrFull
	case sqlite.SQLITE_CONSTRAINT:
		return ErrConstraint
	}
	return errSQLite
}
