package admin

import (
	"context"
	"time"

	"projhost/envs"
	"projhost/project/ticket"
)

func milestoneCommands() []Command {
	return []Command{
		{Name: "milestone list", Help: "List milestones.", Run: milestoneList},
		{Name: "milestone add", Args: "name [due]", Min: 1, Max: 2, Run: milestoneAdd, Help: "Make a milestone."},
		{Name: "milestone rename", Args: "name newname", Min: 2, Max: 2, Run: milestoneRename, Complete: names(milestoneNames, 0),
			Help: "Rename a milestone, in its tickets, too, whose history tells it."},
		{Name: "milestone due", Args: "name date", Min: 2, Max: 2, Run: milestoneDate(ticket.SetMilestoneDue), Complete: names(milestoneNames, 0),
			Help: "Say until when a milestone is to be completed; \"\" is any time."},
		{Name: "milestone completed", Args: "name date", Min: 2, Max: 2, Run: milestoneDate(ticket.SetMilestoneCompleted), Complete: names(milestoneNames, 0),
			Help: "Say when a milestone was completed; \"\" is not yet."},
		{Name: "milestone remove", Args: "name", Min: 1, Max: 1, Run: milestoneRemove, Complete: names(milestoneNames, 0),
			Help: "Remove a milestone with its attachments; its tickets keep the name."},
	}
}

func milestoneNames(ctx context.Context, e *envs.Env) (list []string, err error) {
	all, err := ticket.Milestones(ctx, e)
	for _, m := range all {
		list = append(list, m.Name)
	}
	return list, err
}

func milestoneList(ctx context.Context, c *Console, _ []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		all, err := ticket.Milestones(ctx, e)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, m := range all {
			rows = append(rows, []string{m.Name, written(m.Due, dateOnly), written(m.Completed, dateTime)})
		}
		return c.Table([]string{"Name", "Due", "Completed"}, rows)
	})
}

func milestoneAdd(ctx context.Context, c *Console, args []string) error {
	due, err := c.dateOrNone(arg(args, 1))
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		return ticket.AddMilestone(ctx, e, ticket.Milestone{Name: args[0], Due: due})
	})
}

func milestoneRename(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		return ticket.RenameMilestone(ctx, e, args[0], args[1], author(), time.Now())
	})
}

func milestoneDate(set func(context.Context, *envs.Env, string, time.Time) error) func(context.Context, *Console, []string) error {
	return func(ctx context.Context, c *Console, args []string) error {
		at, err := c.dateOrNone(args[1])
		if err != nil {
			return err
		}
		return with(ctx, c, func(e *envs.Env) error { return set(ctx, e, args[0], at) })
	}
}

func milestoneRemove(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.RemoveMilestone(ctx, e, args[0]) })
}
