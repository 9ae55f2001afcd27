package admin

import (
	"context"

	"projhost/envs"
	"projhost/project/ticket"
)

func versionCommands() []Command {
	return []Command{
		{Name: "version list", Help: "List versions.", Run: versionList},
		{Name: "version add", Args: "name [time]", Min: 1, Max: 2, Run: versionAdd, Help: "Make a version."},
		{Name: "version rename", Args: "name newname", Min: 2, Max: 2, Run: versionRename, Complete: names(versionNames, 0),
			Help: "Rename a version, in its tickets, too."},
		{Name: "version time", Args: "name time", Min: 2, Max: 2, Run: versionTime, Complete: names(versionNames, 0),
			Help: "Say when a version came out; \"\" is unknown."},
		{Name: "version remove", Args: "name", Min: 1, Max: 1, Run: versionRemove, Complete: names(versionNames, 0),
			Help: "Remove a version; its tickets keep the name."},
	}
}

func versionNames(ctx context.Context, e *envs.Env) (list []string, err error) {
	all, err := ticket.Versions(ctx, e)
	for _, v := range all {
		list = append(list, v.Name)
	}
	return list, err
}

func versionList(ctx context.Context, c *Console, _ []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		all, err := ticket.Versions(ctx, e)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, v := range all {
			rows = append(rows, []string{v.Name, written(v.Time, dateOnly)})
		}
		return c.Table([]string{"Name", "Time"}, rows)
	})
}

func versionAdd(ctx context.Context, c *Console, args []string) error {
	at, err := c.dateOrNone(arg(args, 1))
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error {
		return ticket.AddVersion(ctx, e, ticket.Version{Name: args[0], Time: at})
	})
}

func versionRename(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.RenameVersion(ctx, e, args[0], args[1]) })
}

func versionTime(ctx context.Context, c *Console, args []string) error {
	at, err := c.dateOrNone(args[1])
	if err != nil {
		return err
	}
	return with(ctx, c, func(e *envs.Env) error { return ticket.SetVersionTime(ctx, e, args[0], at) })
}

func versionRemove(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.RemoveVersion(ctx, e, args[0]) })
}
