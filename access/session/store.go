package session

import (
	"context"
	"fmt"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
)

// List returns all sessions with their attributes, sorted by id.
func List(ctx context.Context, e *envs.Env) (list []Session, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		places := map[ID]int{}
		err := tx.Each(func(row db.Row) error {
			s := scan(row)
			places[s.ID] = len(list)
			list = append(list, s)
			return nil
		}, "SELECT sid, authenticated, last_visit FROM session ORDER BY sid, authenticated")
		if err != nil {
			return err
		}
		return tx.Each(func(row db.Row) error {
			if i, ok := places[ID{row.Text(0), row.Int(1) != 0}]; ok {
				list[i].Attributes[row.Text(2)] = row.Text(3)
			}
			return nil
		}, "SELECT sid, authenticated, name, value FROM session_attribute ORDER BY sid, authenticated, name")
	})
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	return list, nil
}

func scan(row db.Row) Session {
	s := Session{ID: ID{row.Text(0), row.Int(1) != 0}, Attributes: map[string]string{}}
	if at := row.Int(2); at != 0 {
		s.LastVisit = time.Unix(at, 0)
	}
	return s
}

// Get returns a session; found is false if there is none.
func Get(ctx context.Context, e *envs.Env, id ID) (s Session, found bool, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		found, err = tx.One(func(row db.Row) error {
			s = scan(row)
			return nil
		}, "SELECT sid, authenticated, last_visit FROM session WHERE sid = ? AND authenticated = ?", id.SID, id.number())
		if err != nil || !found {
			return err
		}
		return tx.Each(func(row db.Row) error {
			s.Attributes[row.Text(0)] = row.Text(1)
			return nil
		}, "SELECT name, value FROM session_attribute WHERE sid = ? AND authenticated = ? ORDER BY name", id.SID, id.number())
	})
	if err != nil {
		return Session{}, false, fmt.Errorf("reading a session: %w", err)
	}
	return s, found, nil
}

func (id ID) number() int64 {
	if id.Authenticated {
		return 1
	}
	return 0
}

// Add makes a session, last seen at now, with attributes; empty ones are left
// out. A session that is there already is a Conflict.
func Add(ctx context.Context, e *envs.Env, id ID, now time.Time, attributes map[string]string) error {
	if id.SID == "" {
		return fault.New(fault.Invalid, "A session needs an id.")
	}
	return change(ctx, e, func(tx *db.Tx) error {
		found, err := exists(tx, id)
		if err != nil {
			return err
		}
		if found {
			return fault.New(fault.Conflict, fmt.Sprintf("There is a session %q already.", id.SID))
		}
		_, err = tx.Exec("INSERT INTO session (sid, authenticated, last_visit) VALUES (?, ?, ?)", id.SID, id.number(), now.Unix())
		if err != nil {
			return err
		}
		for name, value := range attributes {
			if err := put(tx, id, name, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Set gives a session an attribute; "" removes it. A session that is not there
// is NotFound.
func Set(ctx context.Context, e *envs.Env, id ID, name, value string) error {
	return change(ctx, e, func(tx *db.Tx) error {
		found, err := exists(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, fmt.Sprintf("There is no session %q.", id.SID))
		}
		return put(tx, id, name, value)
	})
}

// Delete removes sessions; those that are not there are left out. With
// strangers, all of those who have not logged in go, too. How many sessions have
// gone is returned.
func Delete(ctx context.Context, e *envs.Env, strangers bool, ids ...ID) (gone int, err error) {
	err = change(ctx, e, func(tx *db.Tx) error {
		gone = 0
		if strangers {
			r, err := tx.Exec("DELETE FROM session WHERE authenticated = 0")
			if err != nil {
				return err
			}
			gone = int(r.Changed)
			if _, err := tx.Exec("DELETE FROM session_attribute WHERE authenticated = 0"); err != nil {
				return err
			}
		}
		for _, id := range ids {
			r, err := tx.Exec("DELETE FROM session WHERE sid = ? AND authenticated = ?", id.SID, id.number())
			if err != nil {
				return err
			}
			gone += int(r.Changed)
			if _, err := tx.Exec("DELETE FROM session_attribute WHERE sid = ? AND authenticated = ?", id.SID, id.number()); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// Purge removes the sessions of those who have not logged in and were last
// seen before a moment, and attributes that belong to none of theirs. How many
// sessions have gone is returned.
func Purge(ctx context.Context, e *envs.Env, before time.Time) (gone int, err error) {
	err = change(ctx, e, func(tx *db.Tx) error {
		r, err := tx.Exec("DELETE FROM session WHERE authenticated = 0 AND last_visit < ?", before.Unix())
		if err != nil {
			return err
		}
		gone = int(r.Changed)
		_, err = tx.Exec("DELETE FROM session_attribute WHERE authenticated = 0 AND NOT EXISTS " +
			"(SELECT s.sid FROM session s WHERE s.sid = session_attribute.sid AND s.authenticated = 0)")
		return err
	})
	return gone, err
}

func exists(tx *db.Tx, id ID) (bool, error) {
	return tx.One(func(db.Row) error { return nil },
		"SELECT sid FROM session WHERE sid = ? AND authenticated = ?", id.SID, id.number())
}

func put(tx *db.Tx, id ID, name, value string) error {
	_, err := tx.Exec("DELETE FROM session_attribute WHERE sid = ? AND authenticated = ? AND name = ?", id.SID, id.number(), name)
	if err != nil || value == "" {
		return err
	}
	_, err = tx.Exec("INSERT INTO session_attribute (sid, authenticated, name, value) VALUES (?, ?, ?, ?)", id.SID, id.number(), name, value)
	return err
}

// change writes, and has every process look at the names of users again.
func change(ctx context.Context, e *envs.Env, f func(*db.Tx) error) error {
	err := e.DB().Write(ctx, func(tx *db.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		if err := tx.Changed(usersKey); err != nil {
			return err
		}
		return tx.Changed(usersDictKey)
	})
	if err != nil {
		return fmt.Errorf("changing sessions: %w", err)
	}
	return nil
}
