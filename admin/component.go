package admin

import (
	"context"

	"projhost/envs"
	"projhost/project/ticket"
)

func componentCommands() []Command {
	return []Command{
		{Name: "component list", Help: "List components and who looks after them.", Run: componentList},
		{Name: "component add", Args: "name [owner]", Min: 1, Max: 2, Run: componentAdd, Help: "Make a component."},
		{Name: "component rename", Args: "name newname", Min: 2, Max: 2, Run: componentRename, Complete: names(componentNames, 0),
			Help: "Rename a component, in its tickets, too."},
		{Name: "component remove", Args: "name", Min: 1, Max: 1, Run: componentRemove, Complete: names(componentNames, 0),
			Help: "Remove a component; its tickets keep the name."},
		{Name: "component chown", Args: "name owner", Min: 2, Max: 2, Run: componentChown, Complete: names(componentNames, 0),
			Help: "Say who looks after a component."},
	}
}

func componentNames(ctx context.Context, e *envs.Env) (list []string, err error) {
	all, err := ticket.Components(ctx, e)
	for _, x := range all {
		list = append(list, x.Name)
	}
	return list, err
}

func componentList(ctx context.Context, c *Console, _ []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		all, err := ticket.Components(ctx, e)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, x := range all {
			rows = append(rows, []string{x.Name, x.Owner})
		}
		return c.Table([]string{"Name", "Owner"}, rows)
	})
}

func componentAdd(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		return ticket.AddComponent(ctx, e, ticket.Component{Name: args[0], Owner: arg(args, 1)})
	})
}

func componentRename(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.RenameComponent(ctx, e, args[0], args[1]) })
}

func componentRemove(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.RemoveComponent(ctx, e, args[0]) })
}

func componentChown(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return ticket.SetComponentOwner(ctx, e, args[0], args[1]) })
}
