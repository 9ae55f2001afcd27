package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exitAdmin is trac-admin's exit code for every error it reports.
const exitAdmin = 2

// adminCommands are trac-admin's.
func adminCommands() []string {
	return []string{
		"attachment", "changeset", "component", "config", "convert_db", "deploy", "help", "hotcopy", "initdb", "initenv", "milestone", "permission",
		"priority", "repository", "resolution", "session", "severity", "ticket", "ticket_type", "upgrade", "version", "wiki",
	}
}

func adminCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "admin ENV COMMAND [ARG...]",
		Short: "Trac's trac-admin: of its commands, deploy",
		Long: `Admin takes trac-admin's command lines: an environment, a command, its arguments.

  projhost admin ENV deploy DIR    as "projhost deploy DIR --env ENV", with its flags

An error is said as trac-admin says it, and the exit code is 2.`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
				return c.Help()
			}
			err := admin(c.Context(), args, c.OutOrStdout())
			if err == nil || errors.Is(err, errQuiet) {
				return err
			}
			_, _ = fmt.Fprintln(c.ErrOrStderr(), "Error: "+firstLine(err))
			return exitCode(exitAdmin)
		},
	}
}

// admin runs one command on the environment args[0].
func admin(ctx context.Context, args []string, out io.Writer) error {
	env, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return errors.New("commands cannot be typed in yet: give one, as in \"projhost admin ENV deploy DIR\"")
	}
	name, rest := args[1], args[2:]
	if !slices.Contains(adminCommands(), name) {
		return fmt.Errorf("%s: command not found", name)
	}
	if name != "deploy" {
		return fmt.Errorf("%s: not available yet", name)
	}
	if !isEnvironment(env) {
		return fmt.Errorf("no Trac environment found at %s: it has no file VERSION", env)
	}
	f := deployFlags{envs: []string{env}}
	fs := pflag.NewFlagSet("deploy", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.flags(fs)
	err = fs.Parse(rest)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err := fmt.Fprintf(out, "deploy DIR\n\n    Write what web servers need into DIR, and static files\n\n%s", fs.FlagUsages())
		return err
	case err != nil:
		return err
	case f.list:
		return listServers(out)
	case fs.NArg() != 1:
		return errors.New("invalid arguments: deploy DIR")
	}
	return f.run(ctx, fs.Arg(0), out)
}
