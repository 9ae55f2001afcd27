package admin

import (
	"context"
	"fmt"

	"projhost/envs"
	"projhost/project/ticket"
)

// enumCommands are the same for each list of values.
func enumCommands() (all []Command) {
	for _, list := range []ticket.List{ticket.Priorities, ticket.Resolutions, ticket.Severities, ticket.Types} {
		values := names(func(ctx context.Context, e *envs.Env) (found []string, err error) {
			enums, err := ticket.Enums(ctx, e, list)
			for _, x := range enums {
				found = append(found, x.Name)
			}
			return found, err
		}, 0)
		name, what := string(list), list.String()
		all = append(all,
			Command{Name: name + " list", Help: "List the values that the " + what + " of a ticket can have.", Run: enumList(list)},
			Command{Name: name + " add", Args: "value", Min: 1, Max: 1, Help: "Add a value to those of the " + what + " of tickets.",
				Run: func(ctx context.Context, c *Console, args []string) error {
					return with(ctx, c, func(e *envs.Env) error { return ticket.AddEnum(ctx, e, list, ticket.Enum{Name: args[0]}) })
				}},
			Command{Name: name + " change", Args: "value newvalue", Min: 2, Max: 2, Complete: values, Help: "Rename a " + what + ", in its tickets, too.",
				Run: func(ctx context.Context, c *Console, args []string) error {
					return with(ctx, c, func(e *envs.Env) error { return ticket.RenameEnum(ctx, e, list, args[0], args[1]) })
				}},
			Command{Name: name + " remove", Args: "value", Min: 1, Max: 1, Complete: values, Help: "Remove a " + what + "; its tickets keep the name.",
				Run: func(ctx context.Context, c *Console, args []string) error {
					return with(ctx, c, func(e *envs.Env) error { return ticket.RemoveEnum(ctx, e, list, args[0]) })
				}},
			Command{Name: name + " order", Args: "value up|down", Min: 2, Max: 2, Help: "Move a " + what + " up or down in the list.",
				Run: enumOrder(list), Complete: func(ctx context.Context, c *Console, args []string) []string {
					if len(args) == 1 {
						return []string{"up", "down"}
					}
					return values(ctx, c, args)
				}},
		)
	}
	return all
}

func enumList(list ticket.List) func(context.Context, *Console, []string) error {
	return func(ctx context.Context, c *Console, _ []string) error {
		return with(ctx, c, func(e *envs.Env) error {
			all, err := ticket.Enums(ctx, e, list)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, x := range all {
				rows = append(rows, []string{x.Name})
			}
			return c.Table([]string{"Possible Values"}, rows)
		})
	}
}

func enumOrder(list ticket.List) func(context.Context, *Console, []string) error {
	return func(ctx context.Context, c *Console, args []string) error {
		if args[1] != "up" && args[1] != "down" {
			return fmt.Errorf("%q is neither \"up\" nor \"down\"", args[1])
		}
		return with(ctx, c, func(e *envs.Env) error { return ticket.MoveEnum(ctx, e, list, args[0], args[1] == "up") })
	}
}
