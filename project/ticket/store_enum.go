package ticket

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
)

// List is one of the lists of values in the table enum.
type List string

// The lists.
const (
	Priorities  List = "priority"
	Resolutions List = "resolution"
	Severities  List = "severity"
	Types       List = "ticket_type"
)

// Enum is a value that is in a list.
type Enum struct {
	Name        string
	Place       int // in the list, from 1
	Description string
}

// column is the column of ticket that has values of the list.
func (l List) column() string {
	if l == Types {
		return "type"
	}
	return string(l)
}

func (l List) String() string { return strings.ReplaceAll(string(l), "_", " ") }

// Enums returns a list in its order.
func Enums(ctx context.Context, e *envs.Env, l List) (list []Enum, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list, err = l.read(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading values of tickets: %w", err)
	}
	return list, nil
}

// read sorts here: the place is a number kept as text.
func (l List) read(tx *db.Tx) (list []Enum, err error) {
	err = tx.Each(func(row db.Row) error {
		place, err := strconv.ParseFloat(strings.TrimSpace(row.Text(1)), 64)
		if err != nil {
			place = 0 // as Trac's databases take it
		}
		list = append(list, Enum{row.Text(0), int(place), row.Text(2)})
		return nil
	}, "SELECT name, value, description FROM enum WHERE type = ? ORDER BY name", string(l))
	slices.SortStableFunc(list, func(a, b Enum) int { return a.Place - b.Place })
	return list, err
}

// find returns where a value is in the list.
func (l List) find(list []Enum, name string) (int, error) {
	i := slices.IndexFunc(list, func(x Enum) bool { return x.Name == name })
	if i >= 0 {
		return i, nil
	}
	known := "none"
	for j, x := range list {
		if j == 0 {
			known = x.Name
		} else {
			known += ", " + x.Name
		}
	}
	return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no %s %q; there are: %s.", l, name, known))
}

func (l List) mustNot(list []Enum, name string) error {
	if slices.ContainsFunc(list, func(x Enum) bool { return x.Name == name }) {
		return fault.New(fault.Conflict, fmt.Sprintf("There is a %s %q already.", l, name))
	}
	return nil
}

// setPlace writes the place of a value.
func (l List) setPlace(tx *db.Tx, name string, place int) error {
	_, err := tx.Exec("UPDATE enum SET value = ? WHERE type = ? AND name = ?", strconv.Itoa(place), string(l), name)
	return err
}

// AddEnum puts a value at the end of a list.
func AddEnum(ctx context.Context, e *envs.Env, l List, x Enum) error {
	name, err := CleanName(l.String(), x.Name)
	if err != nil {
		return err
	}
	return l.change(ctx, e, func(tx *db.Tx, list []Enum) error {
		if err := l.mustNot(list, name); err != nil {
			return err
		}
		place := 1
		if n := len(list); n > 0 {
			place = list[n-1].Place + 1
		}
		_, err := tx.Exec("INSERT INTO enum (type, name, value, description) VALUES (?, ?, ?, ?)",
			string(l), name, strconv.Itoa(place), orNull(x.Description))
		return err
	})
}

// RenameEnum gives a value another name, in the tickets that have it, too; their
// history says nothing of it, as in Trac.
func RenameEnum(ctx context.Context, e *envs.Env, l List, name, newName string) error {
	newName, err := CleanName(l.String(), newName)
	if err != nil {
		return err
	}
	return l.change(ctx, e, func(tx *db.Tx, list []Enum) error {
		if _, err := l.find(list, name); err != nil || name == newName {
			return err
		}
		if err := l.mustNot(list, newName); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE enum SET name = ? WHERE type = ? AND name = ?", newName, string(l), name); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE ticket SET "+l.column()+" = ? WHERE "+l.column()+" = ?", newName, name)
		return err
	})
}

// MoveEnum moves a value one place up, or down, in its list; at the end of the
// list it stays.
func MoveEnum(ctx context.Context, e *envs.Env, l List, name string, up bool) error {
	return l.change(ctx, e, func(tx *db.Tx, list []Enum) error {
		i, err := l.find(list, name)
		j := i + 1
		if up {
			j = i - 1
		}
		if err != nil || j < 0 || j >= len(list) {
			return err
		}
		if list[i].Place == list[j].Place { // by another program: the list has no order of its own yet
			for k := range list {
				list[k].Place = k + 1
				if err := l.setPlace(tx, list[k].Name, list[k].Place); err != nil {
					return err
				}
			}
		}
		if err := l.setPlace(tx, list[i].Name, list[j].Place); err != nil {
			return err
		}
		return l.setPlace(tx, list[j].Name, list[i].Place)
	})
}

// RemoveEnum removes a value from a list, and those after it move up. Tickets
// that have it keep it.
func RemoveEnum(ctx context.Context, e *envs.Env, l List, name string) error {
	return l.change(ctx, e, func(tx *db.Tx, list []Enum) error {
		i, err := l.find(list, name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM enum WHERE type = ? AND name = ?", string(l), name); err != nil {
			return err
		}
		for _, x := range list[i+1:] {
			if x.Place > list[i].Place {
				if err := l.setPlace(tx, x.Name, x.Place-1); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (l List) change(ctx context.Context, e *envs.Env, f func(tx *db.Tx, list []Enum) error) error {
	return change(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		list, err := l.read(tx)
		if err != nil {
			return err
		}
		return f(tx, list)
	})
}
