package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"projhost/backup"
)

func hotcopyCommands() []Command {
	return []Command{
		{Name: "hotcopy", Args: "DEST [--no-database]", Help: "Copy an environment that may be in use.", Min: 1, Max: 2, Needs: Directory, Run: hotcopy},
	}
}

// hotcopy copies the environment. It works before an upgrade, too.
func hotcopy(ctx context.Context, c *Console, args []string) error {
	const without = "--no-database"
	o := backup.Options{NoDatabase: slices.Contains(args, without)}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == without })
	if len(args) != 1 {
		return usage("invalid arguments: hotcopy DEST [--no-database]")
	}
	if err := c.Printf("Hotcopying %s to %s ...\n", c.Dir, args[0]); err != nil {
		return err
	}
	report, err := backup.Hotcopy(ctx, c.Dir, args[0], o)
	if errors.Is(err, backup.ErrPartial) {
		return fmt.Errorf("%w: %w", ErrPartial, err)
	}
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		if err := c.Printf("%s\n", w); err != nil {
			return err
		}
	}
	return c.Printf("Hotcopy done.\n")
}
