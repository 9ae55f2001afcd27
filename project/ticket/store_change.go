package ticket

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
)

// fieldChange is a change of a field. NULL and "" are the same.
type fieldChange struct {
	field, oldValue, newValue string
}

// save changes fields of a ticket and writes its history: a row for each field,
// and one with the comment and its number.
func save(tx *db.Tx, id, at int64, author, comment string, fields ...fieldChange) error {
	number, err := nextComment(tx, id)
	if err != nil {
		return err
	}
	for _, c := range slices.Concat(fields, []fieldChange{{"comment", strconv.Itoa(number), comment}}) {
		_, err := tx.Exec("INSERT INTO ticket_change (ticket, time, author, field, oldvalue, newvalue) VALUES (?, ?, ?, ?, ?, ?)",
			id, at, author, c.field, orNull(c.oldValue), orNull(c.newValue))
		if err != nil {
			return err
		}
	}
	for _, c := range fields {
		if err := set(tx, id, c.field, c.newValue); err != nil {
			return err
		}
	}
	_, err = tx.Exec("UPDATE ticket SET changetime = ? WHERE id = ?", at, id)
	return err
}

// set sets a field of a ticket.
func set(tx *db.Tx, id int64, field, value string) error {
	if isColumn(field) {
		_, err := tx.Exec("UPDATE ticket SET "+field+" = ? WHERE id = ?", orNull(value), id)
		return err
	}
	r, err := tx.Exec("UPDATE ticket_custom SET value = ? WHERE ticket = ? AND name = ?", orNull(value), id, field)
	if err == nil && r.Changed == 0 {
		_, err = tx.Exec("INSERT INTO ticket_custom (ticket, name, value) VALUES (?, ?, ?)", id, field, orNull(value))
	}
	return err
}

// numbered is a change of a ticket: all rows of one time.
type numbered struct {
	time   int64
	number int // of its comment, 0 if that has none
}

// changes returns a ticket's changes, the oldest first.
func changes(tx *db.Tx, id int64) (list []numbered, err error) {
	err = tx.Each(func(row db.Row) error {
		if n := len(list); n == 0 || list[n-1].time != row.Int(0) {
			list = append(list, numbered{time: row.Int(0)})
		}
		if row.Text(1) == "comment" {
			list[len(list)-1].number = commentNumber(row.Text(2))
		}
		return nil
	}, "SELECT time, field, oldvalue FROM ticket_change WHERE ticket = ? ORDER BY time, field", id)
	return list, err
}

// commentNumber reads "3", "1.3" (an answer to the first) and "description.3";
// 0 is none.
func commentNumber(text string) int {
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, '.')+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// nextComment is the number of a ticket's next comment. Changes that Trac made
// before it numbered them count one each.
func nextComment(tx *db.Tx, id int64) (int, error) {
	list, err := changes(tx, id)
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].number > 0 {
			return list[i].number + len(list) - i, err
		}
	}
	return len(list) + 1, err
}

// findComment returns the time of the change with a comment's number: one that
// says so, else one that counts so.
func findComment(list []numbered, number int) (at int64, found bool) {
	for _, c := range list {
		if c.number == number {
			return c.time, true
		}
	}
	n := 0
	for _, c := range list {
		if n++; c.number > 0 {
			n = c.number
		}
		if n == number {
			return c.time, true
		}
	}
	return 0, false
}

// RemoveComment removes a comment of a ticket and undoes the changes that came
// with it: where a field was changed again later, that change starts from the
// value before; else the ticket has that value again. A ticket or a comment that
// is not there is NotFound.
func RemoveComment(ctx context.Context, e *envs.Env, id int64, number int, now time.Time) error {
	err := e.DB().Write(ctx, func(tx *db.Tx) error {
		if err := must(tx, id); err != nil {
			return err
		}
		list, err := changes(tx, id)
		if err != nil {
			return err
		}
		at, found := findComment(list, number)
		if !found || number <= 0 {
			return fault.New(fault.NotFound, fmt.Sprintf("Ticket #%d has no comment %d.", id, number))
		}
		if err := undo(tx, id, at); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM ticket_change WHERE ticket = ? AND time = ?", id, at); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE ticket SET changetime = ? WHERE id = ?", now.UnixMicro(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("removing a comment: %w", err)
	}
	return nil
}

// undo undoes what a change did to fields.
func undo(tx *db.Tx, id, at int64) error {
	var fields []fieldChange
	err := tx.Each(func(row db.Row) error {
		if field := row.Text(0); field != "comment" && !strings.HasPrefix(field, "_") {
			fields = append(fields, fieldChange{field, row.Text(1), row.Text(2)})
		}
		return nil
	}, "SELECT field, oldvalue, newvalue FROM ticket_change WHERE ticket = ? AND time = ? ORDER BY field", id, at)
	if err != nil {
		return err
	}
	for _, c := range fields {
		next, from := int64(0), ""
		later, err := tx.One(func(row db.Row) error {
			next, from = row.Int(0), row.Text(1)
			return nil
		}, "SELECT time, oldvalue FROM ticket_change WHERE ticket = ? AND time > ? AND field = ? ORDER BY time LIMIT 1", id, at, c.field)
		switch {
		case err != nil:
		case !later:
			err = set(tx, id, c.field, c.oldValue)
		case from == c.newValue:
			_, err = tx.Exec("UPDATE ticket_change SET oldvalue = ? WHERE ticket = ? AND time = ? AND field = ?", orNull(c.oldValue), id, next, c.field)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
