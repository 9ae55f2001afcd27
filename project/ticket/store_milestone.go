package ticket

import (
	"context"
	"fmt"
	"slices"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/project/attachment"
)

// Milestone is something to be reached. Zero times are not set.
type Milestone struct {
	Name           string
	Due, Completed time.Time
	Description    string
}

// Milestones returns all milestones in their order: completed ones first, by when
// they were, then those with a day to be completed by, then the others by name.
func Milestones(ctx context.Context, e *envs.Env) (list []Milestone, err error) {
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		list = nil
		return tx.Each(func(row db.Row) error {
			list = append(list, Milestone{row.Text(0), moment(row.Int(1)), moment(row.Int(2)), row.Text(3)})
			return nil
		}, "SELECT name, due, completed, description FROM milestone ORDER BY name")
	})
	if err != nil {
		return nil, fmt.Errorf("reading milestones: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Milestone) int {
		if order := compareTimes(a.Completed, b.Completed); order != 0 {
			return order
		}
		if order := compareTimes(a.Due, b.Due); order != 0 {
			return order
		}
		return compareNatural(a.Name, b.Name)
	})
	return list, nil
}

// MilestoneExists tells whether there is a milestone.
func MilestoneExists(tx *db.Tx, name string) (bool, error) { return milestones.has(tx, name) }

// changeMilestones writes, and has every process read milestones again.
func changeMilestones(ctx context.Context, e *envs.Env, f func(tx *db.Tx, files *attachment.Files) error) error {
	return change(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		if err := f(tx, files); err != nil {
			return err
		}
		return tx.Changed(milestonesKey)
	})
}

// AddMilestone makes a milestone.
func AddMilestone(ctx context.Context, e *envs.Env, m Milestone) error {
	name, err := CleanName(string(milestones), m.Name)
	if err != nil {
		return err
	}
	return changeMilestones(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := milestones.mustNot(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO milestone (name, due, completed, description) VALUES (?, ?, ?, ?)",
			name, stamp(m.Due), stamp(m.Completed), orNull(m.Description))
		return err
	})
}

// renamed is what Trac has tickets say whose milestone was renamed.
const renamed = "Milestone renamed"

// RenameMilestone gives a milestone another name. Its attachments go along, and
// its tickets are changed by author, all at the same moment, with a comment.
func RenameMilestone(ctx context.Context, e *envs.Env, name, newName, author string, now time.Time) error {
	newName, err := CleanName(string(milestones), newName)
	if err != nil {
		return err
	}
	return changeMilestones(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		changed, err := milestones.rename(tx, name, newName)
		if err != nil || !changed {
			return err
		}
		if err := files.MoveAll(tx, milestoneResource(name), milestoneResource(newName)); err != nil {
			return err
		}
		var tickets []int64
		err = tx.Each(func(row db.Row) error {
			tickets = append(tickets, row.Int(0))
			return nil
		}, "SELECT id FROM ticket WHERE milestone = ? ORDER BY id", name)
		if err != nil {
			return err
		}
		at, err := freeMoment(tx, now)
		if err != nil {
			return err
		}
		for _, id := range tickets {
			if err := save(tx, id, at, author, renamed, fieldChange{"milestone", name, newName}); err != nil {
				return err
			}
		}
		return nil
	})
}

// freeMoment is now, or the next microsecond in which no ticket was changed: a
// ticket can be changed only once in each.
func freeMoment(tx *db.Tx, now time.Time) (int64, error) {
	for at := now.UnixMicro(); ; at++ {
		taken, err := tx.One(nothing, "SELECT ticket FROM ticket_change WHERE time = ?", at)
		if err != nil || !taken {
			return at, err
		}
	}
}

func milestoneResource(name string) perm.Resource {
	return perm.Resource{Realm: string(milestones), ID: name}
}

// SetMilestoneDue says until when a milestone is to be completed; the zero time
// is any time.
func SetMilestoneDue(ctx context.Context, e *envs.Env, name string, due time.Time) error {
	return setMilestone(ctx, e, name, "UPDATE milestone SET due = ? WHERE name = ?", due)
}

// SetMilestoneCompleted says when a milestone was completed; the zero time is
// not yet.
func SetMilestoneCompleted(ctx context.Context, e *envs.Env, name string, completed time.Time) error {
	return setMilestone(ctx, e, name, "UPDATE milestone SET completed = ? WHERE name = ?", completed)
}

func setMilestone(ctx context.Context, e *envs.Env, name, query string, at time.Time) error {
	return changeMilestones(ctx, e, func(tx *db.Tx, _ *attachment.Files) error {
		if err := milestones.must(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec(query, stamp(at), name)
		return err
	})
}

// RemoveMilestone removes a milestone with its attachments. Its tickets keep its
// name.
func RemoveMilestone(ctx context.Context, e *envs.Env, name string) error {
	return changeMilestones(ctx, e, func(tx *db.Tx, files *attachment.Files) error {
		if err := milestones.remove(tx, name); err != nil {
			return err
		}
		return files.RemoveAll(tx, milestoneResource(name))
	})
}
