package db

import (
	"context"
	"errors"
	"time"
)

// A project changes in ways that no table tells of: its trac.ini is saved, its
// tables are upgraded. Who has it open looks for that once a second, and twice a
// second. Who changes it by this program tells so besides, by PostgreSQL's NOTIFY,
// and who listens looks at the next request already. What is told is a schema's
// name and nothing else: whoever hears it only looks again, so nothing has to be
// believed, and where nobody tells or listens (a Trac, a pooler, a standby, a budget
// that is used up) nothing is lost but that second.

// channel is what is listened to in a server's database.
const channel = "projhost"

// tellTime is how long telling may take: later, others have looked by themselves.
const tellTime = time.Second

// Tell tells all who listen to the database's server that something of the project
// has changed: those who have it open find that [DB.Told]. It needs no permission
// to write ([DB.ReadOnly]), takes a second at most, and does nothing for a database
// in a file. Errors are those of [DB.Write]; the change itself does not depend on it.
func (d *DB) Tell(ctx context.Context) error {
	if d.target.kind != kindPostgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	return d.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("SELECT pg_catalog.pg_notify(?, pg_catalog.current_schema())", channel)
		return err
	})
}

// Tell does [DB.Tell] for a database that is not open. Errors are those of [Open],
// too.
func Tell(ctx context.Context, dir, dsn string, budget *Budget) error {
	if t, err := parseTarget(dir, dsn); err != nil || t.kind != kindPostgres {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	d, err := Open(ctx, dir, dsn, Options{Budget: budget})
	if err != nil {
		return err
	}
	return errors.Join(d.Tell(ctx), d.Close())
}

// Told says that somebody may have changed something of the project since the
// last [DB.Look]: another process has said so, or it could not be heard for a while.
func (d *DB) Told() bool { return d.told.Load() }

// Look looks at the version of the tables now, so that [DB.Outdated] is up to
// date, and forgets what was [DB.Told]: what else depends on that is to be looked
// at afterwards. Errors are those of [DB.Read].
func (d *DB) Look(ctx context.Context) error {
	d.told.Store(false)
	if d.opened() == 0 {
		return nil
	}
	return d.read(ctx, d.look)
}

// ear is a connection that listens.
type ear interface {
	link
	// wait returns when ctx ends or the connection does.
	wait(ctx context.Context) error
}

// Pauses before a server is listened to: the first leaves opening a project in
// peace, the others, twice as long each, follow what has ended early.
const (
	firstListen = 250 * time.Millisecond
	lastListen  = time.Minute
)

// listenTime is how long it may take to begin to listen. It is short, since a
// transaction that needs the place waits so long.
const listenTime = time.Second

// listeningPart is which part of the budget may listen, one in so many.
const listeningPart = 4

// attend has a server listened to while databases of it are open, if that was
// asked for; the caller holds the lock.
func (b *Budget) attend(s *server) {
	ctx, leave := context.WithCancel(b.stopped)
	s.leave = leave
	if !b.options.Listen || b.options.Pooler || b.closed {
		return
	}
	b.work.Go(func() {
		for pause := firstListen; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			begun := time.Now()
			b.hear(ctx, s)
			if pause = min(2*pause, lastListen); time.Since(begun) > lastListen {
				pause = firstListen
			}
		}
	})
}

// hear listens to a server, if there is a place that nobody needs, until ctx or
// the connection ends, it is old, or somebody needs its place.
func (b *Budget) hear(ctx context.Context, s *server) {
	ctx, yield := context.WithTimeout(ctx, b.options.Life)
	defer yield()
	if !b.seat(s, yield) {
		return
	}
	defer b.unseat(s)
	// Not within ctx: the server would count for a while what is given up half-way.
	within, cancel := context.WithTimeout(b.stopped, listenTime)
	e, err := s.way.listen(within, func(schema string) { b.heard(s, schema) })
	cancel()
	if err != nil {
		b.options.Log.Debug("database server cannot be listened to", "server", s.name, "error", err)
		return
	}
	b.listening(s)
	b.options.Log.Debug("database server is listened to", "server", s.name)
	err = e.wait(ctx)
	b.options.Log.Debug("database server is not listened to any more", "server", s.name, "error", err)
	hangUp(e)
}

// seat takes a place for a connection that listens, which gives it back when yield
// is called.
func (b *Budget) seat(s *server, yield context.CancelFunc) bool {
	b.mu.Lock()
	former, ok := b.place()
	if ok {
		b.ears++
		s.yield = yield
	}
	b.mu.Unlock()
	if former != nil {
		hangUp(former.link)
	}
	return ok
}

// place takes a place that is free, or that of a connection that its pool can do
// without, which the caller closes: on a busy server none is ever free. Who waits
// comes first. The caller holds the lock.
func (b *Budget) place() (former *session, ok bool) {
	switch {
	case len(b.waiting) > 0 || b.ears >= b.options.Connections/listeningPart:
		return nil, false
	case b.open < b.options.Connections:
		b.open++
		return nil, true
	}
	if former = b.unused(spare); former == nil {
		return nil, false
	}
	former.pool.open--
	return former, true
}

// unseat gives the place back; its connection is closed.
func (b *Budget) unseat(s *server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ears--
	s.yield, s.listening = nil, false
	b.freed(1)
}

// hush has a connection that listens, if there is one, end and leave its place to
// who waits; the caller holds the lock and waits next.
func (b *Budget) hush() {
	for _, s := range b.servers {
		if s.yield != nil {
			s.yield()
			s.yield = nil
			return
		}
	}
}

// listening notes that a server is listened to. What was told before was not
// heard, so it may be about any of its projects.
func (b *Budget) listening(s *server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.listening = true
	for _, all := range s.open {
		for _, d := range all {
			d.told.Store(true)
		}
	}
}

// heard notes that it was told that something of a schema has changed. Anybody may
// tell anything; what is no open project's is left out of account.
func (b *Budget) heard(s *server, schema string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.heard++
	for _, d := range s.open[schema] {
		d.told.Store(true)
	}
}
