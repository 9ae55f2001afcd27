package admin

import (
	"context"

	"projhost/access/perm"
)

func permissionCommands() []Command {
	return []Command{
		{Name: "permission list", Args: "[user]", Help: "List permission rules, or what a user may do.", Max: 1, Run: permissionList},
	}
}

// permissionList lists the table.
func permissionList(ctx context.Context, c *Console, args []string) error {
	e, err := c.Env(ctx)
	if err != nil {
		return err
	}
	entries, err := perm.Entries(ctx, e)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, x := range entries {
		if len(args) == 0 || x.Subject == args[0] {
			rows = append(rows, []string{x.Subject, x.Action})
		}
	}
	return c.Table([]string{"User", "Action"}, rows)
}
