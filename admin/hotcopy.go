package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"projhost/backup"
)

func hotcopyCommands() []Command {
	return []Command{
		{Name: "convert_db", Args: convertArgs, Help: "Move the environment to another kind of database, or with NEWENV a copy of it.\n" +
			"DB is a connection string, as of initenv, of a database that is not there, or an empty schema.\n" +
			"With --replace-invalid, U+FFFD takes the place of what PostgreSQL refuses in texts.",
			Flags: true, Needs: Directory, Run: convertDB},
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

const convertArgs = "DB [NEWENV] [--replace-invalid]"

// convertDB moves an environment to another database. It works before an
// upgrade, too, so that a copy made by one can be brought back.
func convertDB(ctx context.Context, c *Console, args []string) error {
	const replace = "--replace-invalid"
	o := backup.Options{ReplaceText: slices.Contains(args, replace)}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == replace })
	if len(args) < 1 || len(args) > 2 || strings.HasPrefix(args[0], "-") {
		return usage("invalid arguments: convert_db " + convertArgs)
	}
	var report *backup.Report
	var err error
	where := c.Dir
	if len(args) > 1 {
		where, o.Database = args[1], args[0]
		report, err = backup.Hotcopy(ctx, c.Dir, where, o)
	} else {
		c.Close() // a shell has it open
		report, err = backup.Convert(ctx, c.Dir, args[0], o)
	}
	switch {
	case errors.Is(err, backup.ErrSame):
		return unchanged(err.Error())
	case errors.Is(err, backup.ErrPartial):
		return fmt.Errorf("%w: %w", ErrPartial, err)
	case err != nil:
		return err
	}
	for _, w := range report.Warnings {
		if err := c.Printf("%s\n", w); err != nil {
			return err
		}
	}
	return c.Printf("The environment %s has its tables in the other database now; all rows were compared.\n", where)
}

// unchanged says that there was nothing to do, for which trac-admin exits with 1.
type unchanged string

func (u unchanged) Error() string        { return string(u) }
func (u unchanged) Is(target error) bool { return target == ErrPartial } //nolint:errorlint // it is the sentinel
