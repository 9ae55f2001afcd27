package admin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"projhost/access/auth"
	"projhost/access/perm"
	"projhost/envs"
)

func permissionCommands() []Command {
	return []Command{
		{Name: "permission list", Args: "[user]", Help: "List permission rules, or what a user may do.", Max: 1, Run: permissionList, Complete: names(subjects, 0)},
		{Name: "permission add", Args: "user action...", Min: 2, Max: -1, Run: permissionAdd, Complete: completePermission,
			Help: "Allow actions to a user or a group, or put them into groups."},
		{Name: "permission remove", Args: "user action...", Min: 2, Max: -1, Run: permissionRemove, Complete: completePermission,
			Help: "Take actions or groups away again; \"*\" means all users, or all actions."},
		{Name: "permission export", Args: "[file]", Max: 1, Run: permissionExport,
			Help: "Write the rules as CSV, a line for each user, into a file or to the output."},
		{Name: "permission import", Args: "[file]", Max: 1, Run: permissionImport,
			Help: "Add the rules of such a file, or of the input. None is taken away."},
	}
}

// permissionList lists the table, or what a user may do, and all actions.
func permissionList(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		var rows [][]string
		if len(args) > 0 && args[0] != "" {
			granted, err := perm.Granted(ctx, e, auth.Named(args[0]))
			if err != nil {
				return err
			}
			for _, a := range granted {
				rows = append(rows, []string{args[0], a})
			}
		} else {
			entries, err := perm.Entries(ctx, e)
			if err != nil {
				return err
			}
			for _, x := range entries {
				rows = append(rows, []string{x.Subject, x.Action})
			}
		}
		if err := c.Table([]string{"User", "Action"}, rows); err != nil || c.JSON {
			return err
		}
		return c.Printf("\nAvailable actions:\n%s\n", wrap(strings.Join(perm.Actions(e), ", ")))
	})
}

// wrap breaks a text into lines as trac-admin does: indented by one, at most 75
// characters.
func wrap(text string) string {
	const width = 75
	var b strings.Builder
	line := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == 0:
		case line+1+len(word) > width:
			b.WriteByte('\n')
			line = 0
		}
		b.WriteString(" " + word)
		line += 1 + len(word)
	}
	return b.String() + "\n"
}

// entriesOf are the words of a command: a user, and actions.
func entriesOf(args []string) (list []perm.Entry) {
	for _, action := range args[1:] {
		list = append(list, perm.Entry{Subject: args[0], Action: action})
	}
	return list
}

func permissionAdd(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		already, err := perm.Grant(ctx, e, entriesOf(args))
		if err != nil {
			return err
		}
		for _, x := range already {
			if err := c.Printf("%s has %s already.\n", x.Subject, x.Action); err != nil {
				return err
			}
		}
		return nil
	})
}

func permissionRemove(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error { return perm.Revoke(ctx, e, entriesOf(args)) })
}

func permissionExport(ctx context.Context, c *Console, args []string) error {
	return with(ctx, c, func(e *envs.Env) error {
		entries, err := perm.Entries(ctx, e)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, x := range entries {
			if n := len(rows); n > 0 && rows[n-1][0] == x.Subject {
				rows[n-1] = append(rows[n-1], x.Action)
			} else {
				rows = append(rows, []string{x.Subject, x.Action})
			}
		}
		return c.output(arg(args, 0), true, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
	})
}

func permissionImport(ctx context.Context, c *Console, args []string) error {
	text, err := c.input(arg(args, 0))
	if err != nil {
		return err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	var add []perm.Entry
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", orInput(arg(args, 0)), err)
		}
		line, _ := r.FieldPos(0)
		if len(row) < 2 {
			return fmt.Errorf("%s, line %d: a user and at least one action are wanted, as \"user,action,...\"", orInput(arg(args, 0)), line)
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		add = append(add, entriesOf(row)...)
	}
	return with(ctx, c, func(e *envs.Env) error {
		_, err := perm.Grant(ctx, e, add)
		return err
	})
}

func completePermission(ctx context.Context, c *Console, args []string) []string {
	if len(args) == 0 {
		return names(subjects, 0)(ctx, c, args)
	}
	return names(func(ctx context.Context, e *envs.Env) ([]string, error) {
		groups, err := subjects(ctx, e)
		return append(perm.Actions(e), groups...), err
	}, len(args))(ctx, c, args)
}

// subjects are the users and groups of the table.
func subjects(ctx context.Context, e *envs.Env) (list []string, err error) {
	entries, err := perm.Entries(ctx, e)
	for _, x := range entries {
		if n := len(list); n == 0 || list[n-1] != x.Subject {
			list = append(list, x.Subject)
		}
	}
	return list, err
}
