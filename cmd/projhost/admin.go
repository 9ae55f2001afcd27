package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"projhost/admin"
	"projhost/internal/locale"
)

func adminCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "admin ENV COMMAND [ARG...]",
		Short: "Trac's trac-admin: one environment's settings and data",
		Long: `Admin takes trac-admin's command lines: an environment, a command, its arguments.
Tables are written as JSON with --json before the environment.

` + adminHelp() + `
An error is said as trac-admin says it, and the exit code is 2.`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			console := &admin.Console{In: c.InOrStdin(), Out: c.OutOrStdout(), Locale: processLocale()}
			if len(args) > 0 && args[0] == "--json" {
				console.JSON, args = true, args[1:]
			}
			if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
				return c.Help()
			}
			err := runAdmin(c.Context(), console, args)
			switch {
			case err == nil || errors.Is(err, errQuiet):
				return err
			case errors.Is(err, admin.ErrPartial):
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "Error: "+err.Error())
				return exitCode(admin.ExitPartial)
			}
			_, _ = fmt.Fprintln(c.ErrOrStderr(), "Error: "+firstLine(err))
			return exitCode(admin.ExitFailed)
		},
	}
}

// processLocale is how whoever runs the program writes dates (POSIX, section 8.2).
func processLocale() locale.Locale {
	l, _ := locale.Find(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_TIME"), os.Getenv("LANG")))
	return l
}

// adminHelp lists the commands, with the first line of what they say of themselves.
func adminHelp() string {
	text := ""
	for _, c := range adminCommands() {
		first, _, _ := strings.Cut(c.Help, "\n")
		text += fmt.Sprintf("  %-44s %s\n", c.Usage(), first)
	}
	return text
}

// adminCommands are admin's, and deploy, which is a command of this program's too.
func adminCommands() []admin.Command {
	return admin.Commands(admin.Command{
		Name: "deploy", Args: "DIR", Help: "Write what web servers need, as \"projhost deploy DIR --env ENV\", with its flags.",
		Flags: true, Needs: admin.Directory, Run: adminDeploy,
	})
}

// runAdmin runs one command on the environment args[0].
func runAdmin(ctx context.Context, c *admin.Console, args []string) (err error) {
	if c.Dir, err = filepath.Abs(args[0]); err != nil {
		return err
	}
	defer c.Close()
	return admin.Run(ctx, c, adminCommands(), args[1:])
}

func adminDeploy(ctx context.Context, c *admin.Console, args []string) error {
	f := deployFlags{envs: []string{c.Dir}}
	fs := pflag.NewFlagSet("deploy", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.flags(fs)
	err := fs.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return c.Printf("deploy DIR\n\n    Write what web servers need into DIR, and static files\n\n%s", fs.FlagUsages())
	case err != nil:
		return err
	case f.list:
		return listServers(c.Out)
	case fs.NArg() != 1:
		return errors.New("invalid arguments: deploy DIR")
	}
	return f.run(ctx, fs.Arg(0), c.Out)
}
