// Package ticket has a project's tickets and what they can be assigned to:
// components, milestones, versions, and the lists of types, priorities,
// severities and resolutions.
package ticket

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
)

// Names of the values that Trac keeps in memory of what is stored here.
const (
	fieldsKey     = "trac.ticket.api.TicketSystem.fields"
	milestonesKey = "trac.ticket.model.MilestoneCache.milestones"
)

// maxID is the highest number a ticket can have (Trac 1.6).
const maxID = 1 << 31

// ParseID reads the number of a ticket.
func ParseID(text string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || id <= 0 || id > maxID {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%q is not the number of a ticket.", text))
	}
	return id, nil
}

// CleanName is the name of a component, milestone, version or the like as it is
// stored: without white space around it, and single blanks within. An empty one
// is Invalid.
func CleanName(what, name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" {
		return "", fault.New(fault.Invalid, fmt.Sprintf("The name of a %s cannot be empty.", what))
	}
	return name, nil
}

// Exists tells whether there is a ticket.
func Exists(tx *db.Tx, id int64) (bool, error) {
	return tx.One(nothing, "SELECT id FROM ticket WHERE id = ?", id)
}

func nothing(db.Row) error { return nil }

// orNull is how an empty text is stored.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stamp is how a moment is stored: in microseconds, none as 0.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is one read back; 0 and NULL are none.
func moment(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// change writes, and has every process read the fields of tickets again.
func change(ctx context.Context, e *envs.Env, f func(tx *db.Tx, files *attachment.Files) error) error {
	err := attachment.Write(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		if err := f(tx, files); err != nil {
			return err
		}
		return tx.Changed(fieldsKey)
	})
	if err != nil {
		return fmt.Errorf("changing what tickets can be: %w", err)
	}
	return nil
}

// table is one of those that have a name as their key and are a field of tickets
// of the same name: component, milestone, version.
type table string

const (
	components table = "component"
	milestones table = "milestone"
	versions   table = "version"
)

func (t table) has(tx *db.Tx, name string) (bool, error) {
	return tx.One(nothing, "SELECT name FROM "+string(t)+" WHERE name = ?", name)
}

// must fails unless a row is there.
func (t table) must(tx *db.Tx, name string) error {
	found, err := t.has(tx, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, fmt.Sprintf("There is no %s %q.", t, name))
	}
	return err
}

// mustNot fails if a row is there.
func (t table) mustNot(tx *db.Tx, name string) error {
	found, err := t.has(tx, name)
	if err == nil && found {
		err = fault.New(fault.Conflict, fmt.Sprintf("There is a %s %q already.", t, name))
	}
	return err
}

// rename gives a row another name; changed is false if it has that already.
// Tickets are not touched.
func (t table) rename(tx *db.Tx, name, newName string) (changed bool, err error) {
	if err := t.must(tx, name); err != nil || name == newName {
		return false, err
	}
	if err := t.mustNot(tx, newName); err != nil {
		return false, err
	}
	_, err = tx.Exec("UPDATE "+string(t)+" SET name = ? WHERE name = ?", newName, name)
	return true, err
}

// remove removes a row. Tickets keep its name.
func (t table) remove(tx *db.Tx, name string) error {
	if err := t.must(tx, name); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM "+string(t)+" WHERE name = ?", name)
	return err
}

// compareNatural compares names as people sort them: digits as numbers.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := run(a), run(b)
		a, b = a[len(x):], b[len(y):]
		order := strings.Compare(x, y)
		if isDigit(x[0]) && isDigit(y[0]) {
			p, q := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if order = len(p) - len(q); order == 0 {
				order = strings.Compare(p, q)
			}
		}
		if order != 0 {
			return order
		}
	}
	return len(a) - len(b)
}

// run is the digits, or what are none, at the beginning of s.
func run(s string) string {
	n := 1
	for n < len(s) && isDigit(s[n]) == isDigit(s[0]) {
		n++
	}
	return s[:n]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Remove removes a ticket with its history and attachments. One that is not
// there is NotFound.
func Remove(ctx context.Context, e *envs.Env, id int64) error {
	err := attachment.Write(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		if err := must(tx, id); err != nil {
			return err
		}
		if err := files.RemoveAll(tx, perm.Resource{Realm: "ticket", ID: strconv.FormatInt(id, 10)}); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM ticket WHERE id = ?", "DELETE FROM ticket_change WHERE ticket = ?", "DELETE FROM ticket_custom WHERE ticket = ?",
		} {
			if _, err := tx.Exec(query, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing a ticket: %w", err)
	}
	return nil
}

func must(tx *db.Tx, id int64) error {
	found, err := Exists(tx, id)
	if err == nil && !found {
		err = fault.New(fault.NotFound, fmt.Sprintf("There is no ticket #%d.", id))
	}
	return err
}

// isColumn tells the fields that are columns of the table ticket from those in
// ticket_custom.
func isColumn(field string) bool {
	return slices.Contains([]string{
		"type", "component", "severity", "priority", "owner", "reporter", "cc", "version", "milestone", "status", "resolution",
		"summary", "description", "keywords",
	}, field)
}
