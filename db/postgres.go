package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// This file, postgres_load.go and postgres_listen.go are the only ones that know the PostgreSQL
// driver: pgx's pgconn, which sends statements and returns rows as text. A project is a schema.
//
// Every transaction binds its connection to the schema, by SET LOCAL search_path
// in the same message as its BEGIN, so that the binding ends with it: whatever
// happens, a connection that is given back is bound to nothing, and a pooler in
// transaction mode is as good as the server itself. The path is the schema alone;
// one that is not there leads to an error, never to another's tables or "public".
//
// Statements are not prepared: across schemas that gains nothing, and a plan kept
// for one schema fails in another (docs/performance.md).

// postgres is a PostgreSQL database: one schema of it.
type postgres struct {
	target target
	budget *Budget
	own    bool // the budget, too
	key    string
	pool   *pool
	alone  bool // the pool is this database's
	path   string
	known  numbered
	log    *slog.Logger
	told   *atomic.Bool // see DB.Told

	mayWrite atomic.Bool
	version  int // see opened

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// pgWay is how the driver reaches a server.
type pgWay struct{ config *pgconn.Config }

func (w pgWay) dial(ctx context.Context) (link, error) {
	c, err := pgconn.ConnectConfig(ctx, w.config)
	if err != nil {
		return nil, connectProblem(err)
	}
	return pgLink{c}, nil
}

// link of pgconn.
type pgLink struct{ *pgconn.PgConn }

// Close tells the server, and waits a moment for it to have let go, since it
// counts connections that are ending.
func (l pgLink) Close(ctx context.Context) error {
	if l.IsClosed() {
		select {
		case <-l.CleanupDone():
		case <-ctx.Done():
		}
		return nil
	}
	if end, ok := ctx.Deadline(); ok {
		_ = l.Conn().SetDeadline(end) // it fails on a connection that is closed
	}
	l.Frontend().Send(&pgproto3.Terminate{})
	if l.Frontend().Flush() == nil {
		_, _ = io.Copy(io.Discard, l.Conn()) // until the server closes it
	}
	return l.PgConn.Close(ctx)
}

// openPostgres finds the schema, or makes it; told is set when somebody tells of it.
func openPostgres(ctx context.Context, t target, o Options, told *atomic.Bool) (*postgres, error) {
	config, err := t.pgConfig()
	if err != nil {
		return nil, err
	}
	d := &postgres{target: t, budget: o.Budget, alone: o.Passing, log: o.Log, told: told, path: Quote(t.schema)}
	if d.budget == nil {
		d.budget, d.own = NewBudget(BudgetOptions{Log: o.Log}), true
	}
	d.key = strings.Join([]string{t.host, t.port, t.user, t.password, t.database}, "\x00")
	d.pool = d.budget.join(d, pgWay{config})
	if err := d.prepare(ctx, o); err != nil {
		_ = d.close()
		return nil, err
	}
	return d, nil
}

// prepare looks at the schema and its version.
func (d *postgres) prepare(ctx context.Context, o Options) error {
	d.mayWrite.Store(!o.ReadOnly && (o.WriteAt == 0 || o.Create))
	if o.Create {
		return d.create(ctx, o.Fill)
	}
	found := false
	err := d.read(ctx, func(tx *Tx) (err error) {
		found, err = tx.One(func(Row) error { return nil }, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", d.target.schema)
		return err
	})
	switch {
	case err != nil:
		return err
	case !found:
		return &problem{is: ErrMissing, err: fmt.Errorf("there is no schema %q", d.target.schema)}
	case o.ReadOnly || o.WriteAt == 0:
		return nil
	}
	if d.version, err = versionOf(ctx, d); err == nil {
		d.mayWrite.Store(d.version == o.WriteAt)
	}
	return err
}

// create makes the schema, unless an empty one is there, and what is in it.
func (d *postgres) create(ctx context.Context, fill func(*Tx) error) error {
	return d.write(ctx, func(tx *Tx) error {
		tables := int64(0)
		_, err := tx.One(func(r Row) error {
			tables = r.Int(0)
			return nil
		}, "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?", d.target.schema)
		if err == nil && tables > 0 {
			err = &problem{is: ErrExists, err: fmt.Errorf("the schema %q is not empty", d.target.schema)}
		}
		if err == nil {
			_, err = tx.Exec("CREATE SCHEMA IF NOT EXISTS " + d.path)
		}
		if err == nil && fill != nil {
			err = fill(tx)
		}
		return err
	})
}

// pgConfig is the driver's configuration. What the connection string leaves
// open is libpq's choice, PGSSLMODE and the password file included.
func (t target) pgConfig() (*pgconn.Config, error) {
	var b strings.Builder
	for _, p := range [][2]string{{"host", t.host}, {"port", t.port}, {"user", t.user}, {"password", t.password}, {"dbname", t.database}} {
		if p[1] != "" {
			b.WriteString(p[0] + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(p[1]) + "' ")
		}
	}
	config, err := pgconn.ParseConfig(b.String())
	if err != nil {
		return nil, malformed("it is not understood by the driver, or the environment's PG* variables are not")
	}
	config.RuntimeParams["application_name"] = "projhost"
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		// A query is cancelled at the server, so that the connection lives on.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelTime}
	}
	return config, nil
}

// cancelTime is how long the server may take to cancel a query.
const cancelTime = time.Second

func (d *postgres) file() string   { return "" }
func (d *postgres) readOnly() bool { return !d.mayWrite.Load() }
func (d *postgres) opened() int    { return d.version }
func (d *postgres) rest() {
	if d.alone {
		d.budget.empty(d.pool)
	}
}

func (d *postgres) close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	d.running.Wait()
	d.budget.leave(d)
	if d.own {
		d.budget.Close()
	}
	return nil
}

// enter notes a transaction that runs; leave it by d.running.Done.
func (d *postgres) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return public(&problem{is: ErrClosed})
	}
	d.running.Add(1)
	return nil
}

func (d *postgres) read(ctx context.Context, f func(*Tx) error) error { return d.run(ctx, false, f) }

func (d *postgres) write(ctx context.Context, f func(*Tx) error) error { return d.run(ctx, true, f) }

func (d *postgres) run(ctx context.Context, write bool, f func(*Tx) error) error {
	if ctx.Err() != nil {
		return ended(ctx, "")
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer d.running.Done()
	t := &pgTx{db: d, ctx: ctx, sent: ctx, write: write}
	if d.budget.options.Pooler {
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTime(ctx)+cancelTime)
		defer cancel()
		t.sent = patient
	}
	defer t.end()
	if err := during(t, write, f); err != nil {
		return err
	}
	return t.commit()
}

// pgTx is a transaction. It takes a connection with its first statement.
type pgTx struct {
	db    *postgres
	ctx   context.Context // of the caller
	sent  context.Context // of what is sent: not that, if it is not to be cancelled
	write bool
	s     *session // nil before the first statement
	c     *pgconn.PgConn
	begun bool
	over  bool      // committed
	open  *pgCursor // the statement that is not at its end
	tag   pgconn.CommandTag
}

// hasTable looks in the schema that the transaction is bound to.
func (t *pgTx) hasTable() string {
	return "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" +
		" WHERE n.nspname = pg_catalog.current_schema() AND c.relname = ?"
}

func (t *pgTx) result() Result { return Result{Changed: t.tag.RowsAffected()} }

// begin is how a transaction begins: reading sees one snapshot.
func (t *pgTx) begin() string {
	if t.write {
		return "BEGIN"
	}
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
}

// bind binds the transaction to the schema, and tells who looks at the server
// whose it is.
const bind = "SELECT pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('application_name', $2, true)," +
	" pg_catalog.set_config('statement_timeout', $3, true)"

// statementTime is how long statements may take: as long as the caller waits.
func statementTime(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return longest
	}
	return min(max(time.Until(end), time.Millisecond), longest)
}

// longest is the longest time for a statement of a caller who waits for ever.
const longest = time.Hour

// start sends a statement, the first one in the same message as what begins and
// binds the transaction. A connection that is found dead then has done nothing
// yet, so another is taken.
func (t *pgTx) start(query string, args []any) (cursor, bool, error) {
	if t.ctx.Err() != nil {
		return nil, false, ended(t.ctx, "running "+query)
	}
	values := make([][]byte, len(args))
	for i, a := range args {
		var err error
		if values[i], err = pgText(a); err != nil {
			return nil, false, &problem{is: ErrMisuse, doing: "running " + query, err: err}
		}
	}
	if t.open != nil {
		if err := t.open.keep(); err != nil {
			return nil, false, t.fail(query, err)
		}
	}
	text := t.db.known.get(query)
	if t.begun {
		c := &pgCursor{tx: t, rows: t.c.ExecParams(t.sent, text, values, nil, nil, nil)}
		return t.first(c, query)
	}
	for {
		fresh, err := t.take()
		if err != nil {
			return nil, false, public(err)
		}
		c, err := t.firstOf(text, values)
		switch {
		case err == nil:
			return t.first(c, query)
		case t.ctx.Err() != nil || fresh && t.c.IsClosed():
		case t.c.IsClosed():
			t.drop()
			t.db.budget.purge(t.db.pool.server)
			continue
		}
		return nil, false, t.fail(query, err)
	}
}

// take takes a connection; fresh tells that it is new.
func (t *pgTx) take() (fresh bool, err error) {
	if t.s, fresh, err = t.db.budget.acquire(t.ctx, t.db.pool); err != nil {
		return false, fmt.Errorf("connecting to %s: %w", t.db.target, err)
	}
	t.c = t.s.link.(pgLink).PgConn
	t.s.sees(t.db.target.schema)
	return fresh, nil
}

// drop gives a dead connection back.
func (t *pgTx) drop() {
	t.db.budget.release(t.s, false)
	t.s, t.c = nil, nil
}

// firstOf sends the beginning of the transaction with its first statement.
func (t *pgTx) firstOf(text string, values [][]byte) (*pgCursor, error) {
	var b pgconn.Batch
	b.ExecParams(t.begin(), nil, nil, nil, nil)
	b.ExecParams(bind, [][]byte{[]byte(t.db.path), []byte(applicationName(t.db.target.schema)), strconv.AppendInt(nil, statementTime(t.ctx).Milliseconds(), 10)}, nil, nil, nil)
	b.ExecParams(text, values, nil, nil, nil)
	all := t.c.ExecBatch(t.sent, &b)
	for range 2 {
		if !all.NextResult() {
			return nil, broken(all.Close())
		}
		if _, err := all.ResultReader().Close(); err != nil {
			_ = all.Close() // the same
			return nil, err
		}
	}
	t.begun = true
	if !all.NextResult() {
		return nil, broken(all.Close())
	}
	return &pgCursor{tx: t, rows: all.ResultReader(), batch: all}, nil
}

// broken is err, or that there is no answer at all.
func broken(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// applicationName is what pg_stat_activity shows, of at most 63 bytes.
func applicationName(schema string) string {
	name := "projhost " + schema
	return strings.ToValidUTF8(name[:min(len(name), 63)], "")
}

// first goes to the first row.
func (t *pgTx) first(c *pgCursor, query string) (cursor, bool, error) {
	t.open = c
	row, err := c.step()
	if err != nil {
		c.release()
		return nil, false, t.fail(query, err)
	}
	return c, row, nil
}

// fail makes an error for the caller.
func (t *pgTx) fail(query string, err error) error {
	if t.ctx.Err() != nil {
		return ended(t.ctx, "running "+query)
	}
	return public(fmt.Errorf("running %s: %w", query, pgProblem(err)))
}

// commit commits; what has only read needs it, too, to give the snapshot back.
func (t *pgTx) commit() error {
	if !t.begun {
		return nil
	}
	if t.open != nil {
		t.open.release()
	}
	all := t.c.Exec(t.sent, "COMMIT")
	tag := pgconn.CommandTag{}
	for all.NextResult() {
		tag, _ = all.ResultReader().Close() // Close of all has the error
	}
	if err := all.Close(); err != nil {
		return t.fail("COMMIT", err)
	}
	t.over = true
	if tag.String() != "COMMIT" { // a statement had failed, and f has kept that to itself
		return public(&problem{is: ErrMisuse, doing: "COMMIT", err: errors.New("a statement had failed, everything was undone")})
	}
	return nil
}

// end undoes what is not committed and gives the connection back.
func (t *pgTx) end() {
	if t.s == nil {
		return
	}
	if t.open != nil {
		t.open.release()
	}
	// A cancelled statement's connection is not used again: its cancellation may
	// still be on the way, and would meet the next one's.
	good := !t.c.IsClosed() && (t.over || t.sent.Err() == nil)
	if good && !t.over {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), cancelTime)
		defer cancel()
		good = t.c.Exec(ctx, "ROLLBACK").Close() == nil
	}
	if good && t.c.TxStatus() != txIdle {
		good = false
	}
	t.db.budget.release(t.s, good)
	t.s = nil
}

// txIdle is the server's word for a connection without a transaction.
const txIdle = 'I'

// pgCursor is a statement that runs. Its rows come as they are read; when
// another statement begins, the rest of them is kept.
type pgCursor struct {
	tx    *pgTx
	rows  *pgconn.ResultReader
	batch *pgconn.MultiResultReader // that rows is of, or nil
	row   [][]byte
	kept  [][][]byte
	done  bool
	err   error
}

func (c *pgCursor) step() (bool, error) {
	if len(c.kept) > 0 {
		c.row, c.kept = c.kept[0], c.kept[1:]
		return true, nil
	}
	if c.done {
		return false, c.err
	}
	if c.rows.NextRow() {
		c.row = c.rows.Values()
		return true, nil
	}
	c.row = nil
	return false, c.finish()
}

// finish reads to the end.
func (c *pgCursor) finish() error {
	if c.done {
		return c.err
	}
	c.done = true
	tag, err := c.rows.Close()
	if c.batch != nil {
		if e := c.batch.Close(); err == nil {
			err = e
		}
	}
	c.tx.tag, c.err = tag, err
	if c.tx.open == c {
		c.tx.open = nil
	}
	return err
}

// keep reads the rest of the rows, and copies the present one, whose bytes are
// the connection's.
func (c *pgCursor) keep() error {
	c.row = copyRow(c.row)
	for c.rows.NextRow() {
		c.kept = append(c.kept, copyRow(c.rows.Values()))
	}
	return c.finish()
}

func copyRow(row [][]byte) [][]byte {
	if row == nil {
		return nil
	}
	c := make([][]byte, len(row))
	for i, v := range row {
		if v != nil {
			c[i] = append([]byte{}, v...)
		}
	}
	return c
}

func (c *pgCursor) release() { _ = c.finish() } // what of it matters has been told

func (c *pgCursor) value(col int) []byte {
	if col < 0 || col >= len(c.row) {
		return nil
	}
	return c.row[col]
}

func (c *pgCursor) null(col int) bool   { return c.value(col) == nil }
func (c *pgCursor) text(col int) string { return string(c.value(col)) }
func (c *pgCursor) bytes(col int) []byte {
	if v := c.value(col); v != nil {
		return append([]byte{}, v...)
	}
	return nil
}

func (c *pgCursor) int(col int) int64 {
	n, err := strconv.ParseInt(string(c.value(col)), 10, 64)
	if err != nil {
		return int64(c.float(col))
	}
	return n
}

func (c *pgCursor) float(col int) float64 {
	f, err := strconv.ParseFloat(string(c.value(col)), 64)
	if err != nil {
		return 0
	}
	return f
}

// pgText is an argument as text, nil for NULL.
func pgText(arg any) ([]byte, error) {
	switch a := arg.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(a), nil
	case []byte:
		return a, nil
	case int:
		return strconv.AppendInt(nil, int64(a), 10), nil
	case int64:
		return strconv.AppendInt(nil, a, 10), nil
	case float64:
		return strconv.AppendFloat(nil, a, 'g', -1, 64), nil
	case bool:
		if a {
			return []byte{'1'}, nil
		}
		return []byte{'0'}, nil
	}
	return nil, fmt.Errorf("an argument of type %T", arg)
}

// connectProblem is what a failed connection is. The driver's texts hold no
// password.
func connectProblem(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch {
		case pe.Code == "3D000":
			return &problem{is: ErrMissing, err: err}
		case strings.HasPrefix(pe.Code, "28"):
			return &problem{is: ErrCannotOpen, err: err}
		}
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		err = attempts{ce}
	}
	return &problem{is: ErrUnavailable, err: err}
}

// attempts says what went wrong with the attempts to connect, each thing once:
// the driver tries every address with TLS and without. It names the database,
// too, as the caller does.
type attempts struct{ *pgconn.ConnectError }

func (a attempts) Error() string {
	var said []string
	for line := range strings.SplitSeq(a.Unwrap().Error(), "\n") {
		if !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// pgProblem says which problem an error of the driver is (PostgreSQL, appendix A).
func pgProblem(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return &problem{is: ErrUnavailable, err: err} // the connection broke
	}
	class := pe.Code[:min(2, len(pe.Code))]
	switch {
	case pe.Code == "23505":
		return &problem{is: ErrTaken, err: err}
	case class == "23":
		return &problem{is: ErrConstraint, err: err}
	case pe.Code == "40001", pe.Code == "40P01", pe.Code == "55P03", pe.Code == "57014":
		return &problem{is: ErrBusy, err: err}
	case class == "57", class == "08", pe.Code == "53300":
		return &problem{is: ErrUnavailable, err: err}
	case pe.Code == "53100":
		return &problem{is: ErrFull, err: err}
	case pe.Code == "25006":
		return &problem{is: ErrReadOnly, err: err}
	case pe.Code == "42501":
		return &problem{is: ErrCannotOpen, err: err}
	}
	return err
}
