package db

import (
	"errors"
	"os"
	"strings"
	"time"
)

// takeReader hands out a connection to read with, an idle one if there is one
// that is still good.
func (d *lite) takeReader() (*conn, error) {
	for {
		d.mu.Lock()
		n := len(d.idle)
		if n == 0 {
			d.mu.Unlock()
			return d.openReader()
		}
		c := d.idle[n-1]
		d.idle = d.idle[:n-1]
		d.mu.Unlock()
		if d.unchanged(c) == nil {
			return c, nil
		}
		d.discard(c)
	}
}

// giveReader ends a reading transaction and keeps its connection.
func (d *lite) giveReader(tx *liteTx) {
	c := tx.c
	tx.c = nil
	c.end()
	if c.inTransaction() && c.exec("COMMIT") != nil && c.exec("ROLLBACK") != nil {
		d.discard(c)
		return
	}
	c.bound()
	d.mu.Lock()
	d.idle = append(d.idle, c)
	d.mu.Unlock()
}

// takeWriter hands out the connection to write with; its place is the caller's.
func (d *lite) takeWriter() (*conn, error) {
	if d.target.path == memory {
		return d.takeReader()
	}
	d.mu.Lock()
	c := d.writer
	d.writer = nil
	d.mu.Unlock()
	if c != nil {
		return c, nil
	}
	return d.openWriter()
}

// giveWriter ends a writing transaction, undoing it unless it is committed,
// and keeps its connection.
func (d *lite) giveWriter(tx *liteTx) {
	if d.target.path == memory {
		c := tx.c
		c.end()
		if c.inTransaction() {
			_ = c.exec("ROLLBACK")
		}
		d.giveReader(tx)
		return
	}
	c := tx.c
	tx.c = nil
	c.end()
	if c.inTransaction() && c.exec("ROLLBACK") != nil {
		_ = c.close() // which undoes it too
		return
	}
	d.mu.Lock()
	d.writer = c
	d.mu.Unlock()
}

// discard closes a reader's connection.
func (d *lite) discard(c *conn) {
	_ = c.close()
	if c.mode == immutable {
		d.mu.Lock()
		d.immutable--
		d.mu.Unlock()
	}
}

// dropUnfit closes the connections that were opened while it was unknown
// whether the database may be written. One that reads a file without WAL is as
// good as any.
func (d *lite) dropUnfit() {
	d.mu.Lock()
	idle := d.idle
	d.idle = nil
	d.mu.Unlock()
	for _, c := range idle {
		if c.mode == immutable || c.wal() {
			d.discard(c)
			continue
		}
		d.mu.Lock()
		d.idle = append(d.idle, c)
		d.mu.Unlock()
	}
}

// openReader opens a connection to read with. It cannot alter the file:
//
//   - without a WAL, the file is opened for reading only; if a crash left a
//     journal to be undone, [Tx.recover] opens another connection;
//   - with a WAL, to be the last to close the file means to tidy the WAL up, so
//     it is opened for writing where that is allowed, with PRAGMA query_only;
//   - where that is not allowed, or not possible, the WAL file that is there is
//     read, by way of its index (-shm), which SQLite keeps up to date. If there is
//     none, nobody writes at this moment, and making one would alter things: the
//     file is read as one that cannot change, and watched.
func (d *lite) openReader() (*conn, error) {
	path := d.target.path
	if path == memory {
		return openConn(path, inMemory)
	}
	c, err := openConn(path, readOnly)
	if err != nil || !c.wal() {
		return c, err
	}
	if d.mayWrite.Load() {
		_ = c.close()
		if c, err = openConn(path, queryOnly); err != nil {
			return nil, err
		}
		if err = c.touch(); err == nil || errors.Is(err, ErrBusy) {
			return c, nil
		}
		if !errors.Is(err, ErrCannotOpen) && !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrRecovery) {
			_ = c.close()
			return nil, err
		}
	}
	if _, statErr := os.Stat(path + "-wal"); statErr != nil {
		_ = c.close()
		return d.openImmutable()
	}
	if err == nil && d.lockless() {
		err = &problem{is: ErrBusy, err: errors.New("another program began to write to it")}
	}
	if _, statErr := os.Stat(path + "-shm"); err == nil && statErr != nil && errors.Is(c.touch(), ErrCannotOpen) {
		err = &problem{is: ErrRecovery, err: errors.New("its WAL has lost its index, the -shm file, and none can be made")}
	}
	if err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// lockless says whether connections without locks are open still. To close one
// drops the locks of others that were opened meanwhile.
func (d *lite) lockless() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.immutable > 0
}

// openImmutable opens the file without locks. The connection is used only
// while the file stays as it is; what was read meanwhile is not trusted if it
// does not.
func (d *lite) openImmutable() (*conn, error) {
	seen, err := look(d.target.path)
	if err != nil {
		return nil, &problem{is: ErrCannotOpen, err: err}
	}
	c, err := openConn(d.target.path, immutable)
	if err != nil {
		return nil, err
	}
	c.seen = seen
	d.mu.Lock()
	d.immutable++
	d.mu.Unlock()
	return c, nil
}

// unchanged fails with ErrBusy if c takes no locks and its file has changed.
func (d *lite) unchanged(c *conn) error {
	if c.mode != immutable {
		return nil
	}
	if now, err := look(d.target.path); err == nil && now == c.seen {
		return nil
	}
	return public(&problem{is: ErrBusy, err: errors.New("another program changed it meanwhile")})
}

// sight is what a file looks like from outside.
type sight struct {
	size    int64
	written time.Time
	wal     bool // there is a WAL file
}

func look(path string) (sight, error) {
	info, err := os.Stat(path)
	if err != nil {
		return sight{}, err
	}
	_, err = os.Stat(path + "-wal")
	return sight{info.Size(), info.ModTime(), err == nil}, nil
}

// recoverer opens a connection that undoes, at its first query, what a crash
// left, but does not write otherwise.
func (d *lite) recoverer() (*conn, error) {
	if !d.mayWrite.Load() {
		return nil, &problem{is: ErrRecovery}
	}
	return openConn(d.target.path, queryOnly)
}

// openWriter opens the connection to write with, and sets what the connection
// string asks for.
func (d *lite) openWriter() (*conn, error) {
	c, err := openConn(d.target.path, readWrite)
	if err != nil {
		return nil, err
	}
	if c.writeProtected() {
		_ = c.close()
		return nil, &problem{is: ErrReadOnly, err: errors.New("the file is write-protected")}
	}
	if d.target.synchronous != "" {
		err = c.exec("PRAGMA synchronous = " + d.target.synchronous)
	}
	if err == nil && d.target.journalMode != "" {
		d.setJournalMode(c)
	}
	if err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// setJournalMode changes the journal mode. A file that others are using keeps
// the one it has, which is safe, so that is only reported.
func (d *lite) setJournalMode(c *conn) {
	var got string
	err := c.query("PRAGMA journal_mode = "+d.target.journalMode, func(r Row) { got = r.Text(0) })
	if err != nil || !strings.EqualFold(got, d.target.journalMode) {
		d.log.Warn("journal mode not set", "database", d.target.String(), "asked", d.target.journalMode, "has", got, "err", err)
	}
}
