// Package upgrade brings an environment of an older Trac to the present version
// of the tables, step by step, as Trac's own upgrade does: each step is one
// transaction, which also stores its number, so that a failed upgrade stays at
// the last good step and can be taken up again.
//
// Steps that change trac.ini keep a copy of it, trac.ini.dbNN.bak, and write the
// new one just before their transaction is committed; if it cannot be, the
// former text comes back.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"projhost/db"
	"projhost/db/schema"
)

// Oldest is the oldest version of the tables that can be upgraded, Trac 0.11's.
const Oldest = 21

// Step leads from one version of the tables to the next.
type Step struct {
	To   int    // the version it leads to
	Does string // what it does, one sentence
	run  func(*stage) error
	// backup is what a copy of trac.ini is called, after "trac.ini."; "" is
	// "dbNN.bak".
	backup string
}

// Environment is what is upgraded.
type Environment struct {
	Dir string // its directory
	DB  *db.DB // open, with nobody else writing to it
	// Note is told what people should know or do; nil is nobody.
	Note func(string)
}

// stage is a step that is being done.
type stage struct {
	env  *Environment
	tx   *db.Tx
	kind string // of database
	ini  *ini
	// after is called once the step is committed.
	after []func() error
}

// Steps returns the steps from a version of the tables to the present one, none
// if it is that. It fails for a version that is too old, or too new.
func Steps(version int) ([]Step, error) {
	switch {
	case version < Oldest:
		return nil, fmt.Errorf("the tables are of version %d; upgrading begins with %d, Trac 0.11's: upgrade with an older Trac first", version, Oldest)
	case version > schema.Version:
		return nil, fmt.Errorf("the tables are of version %d; this program knows up to %d: use a newer one", version, schema.Version)
	}
	return all()[version-Oldest:], nil
}

// all returns every step, sorted: the first leads from Oldest to the next.
func all() []Step {
	list := slices.Concat(tableSteps(), configSteps(), attachmentSteps())
	slices.SortFunc(list, func(a, b Step) int { return a.To - b.To })
	return list
}

// Run does the steps from the environment's version to the present one. done is
// told of each, once it is committed.
func Run(ctx context.Context, e *Environment, done func(Step) error) error {
	version, err := e.DB.Version(ctx)
	if err != nil {
		return err
	}
	steps, err := Steps(version)
	if err != nil {
		return err
	}
	// Who has the project open finds out without that, too, a moment later.
	defer func() { _ = e.DB.Tell(ctx) }()
	for _, s := range steps {
		if err := s.do(ctx, e); err != nil {
			return fmt.Errorf("step %d (the tables stay at version %d): %w", s.To, s.To-1, err)
		}
		if err := done(s); err != nil {
			return err
		}
	}
	return nil
}

// do does the step.
func (s Step) do(ctx context.Context, e *Environment) error {
	g := &stage{env: e, kind: e.DB.Kind(), ini: newINI(filepath.Join(e.Dir, "conf", "trac.ini"))}
	err := e.DB.Write(ctx, func(tx *db.Tx) error {
		g.tx = tx
		now, err := tx.Exec("UPDATE system SET value = ? WHERE name = ? AND value = ?",
			strconv.Itoa(s.To), "database_version", strconv.Itoa(s.To-1))
		switch {
		case err != nil:
			return err
		case now.Changed != 1:
			return fmt.Errorf("the tables are not of version %d any more: another program is at work", s.To-1)
		}
		if err := s.run(g); err != nil {
			return err
		}
		suffix := s.backup
		if suffix == "" {
			suffix = fmt.Sprintf("db%d.bak", s.To)
		}
		return g.ini.save(ctx, suffix)
	})
	if err != nil {
		return errors.Join(err, g.ini.restore())
	}
	for _, f := range g.after {
		if err := f(); err != nil {
			g.note("after step %d: %v", s.To, err)
		}
	}
	return nil
}

// note tells people something.
func (g *stage) note(format string, args ...any) {
	if g.env.Note != nil {
		g.env.Note(fmt.Sprintf(format, args...))
	}
}

// exec runs statements one after the other.
func (g *stage) exec(statements ...string) error {
	for _, s := range statements {
		if _, err := g.tx.Exec(s); err != nil {
			return err
		}
	}
	return nil
}
