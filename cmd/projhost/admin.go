package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"projhost/admin"
	"projhost/internal/locale"
)

func adminCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "admin ENV [COMMAND [ARG...]]",
		Short: "Trac's trac-admin: one environment's settings and data",
		Long: `Admin takes trac-admin's command lines: an environment, a command, its arguments.
Without a command it asks for one after the other at a terminal, and otherwise reads
them from standard input, one a line. Tables are written as JSON with --json before the
environment.

` + adminHelp() + `
An error is said as trac-admin says it, and the exit code is 2. A line that fails does not
keep later ones from being run.`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			console := &admin.Console{In: c.InOrStdin(), Out: c.OutOrStdout(), Err: c.ErrOrStderr(), Locale: processLocale()}
			if len(args) > 0 && args[0] == "--json" {
				console.JSON, args = true, args[1:]
			}
			if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || len(args) == 1 && args[0] == "help" {
				return c.Help()
			}
			report := func(err error) {
				if !errors.Is(err, errQuiet) {
					_, _ = fmt.Fprintln(c.ErrOrStderr(), "Error: "+firstLine(err))
				}
			}
			var err error
			switch {
			case args[0] == "help": // before any environment
				err = admin.Run(c.Context(), console, adminCommands(), args)
			case len(args) == 1:
				err = adminShell(c.Context(), console, args[0], report)
			default:
				err = runAdmin(c.Context(), console, args)
			}
			switch {
			case err == nil || errors.Is(err, errQuiet):
				return err
			case errors.Is(err, admin.ErrPartial):
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "Error: "+err.Error())
				return exitCode(admin.ExitPartial)
			case !errors.Is(err, admin.ErrReported):
				report(err)
			}
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
	text, _ := admin.Help(adminCommands(), nil) // fails for words only
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
	_, c.Interactive = terminalOf(c.In)
	defer c.Close()
	return admin.Run(ctx, c, adminCommands(), args[1:])
}

// adminShell runs the commands that a person types, or that standard input has.
func adminShell(ctx context.Context, c *admin.Console, env string, report func(error)) (err error) {
	if c.Dir, err = filepath.Abs(env); err != nil {
		return err
	}
	defer c.Close()
	shell := admin.Shell{Console: c, Commands: adminCommands(), Report: report}
	fd, person := terminalOf(c.In)
	if !person {
		return shell.Script(ctx, c.In)
	}
	return shell.Interact(ctx, admin.NewTerminal(admin.Keyboard{
		ReadWriter: struct {
			io.Reader
			io.Writer
		}{c.In, c.Out},
		Raw: func() (func() error, error) {
			state, err := term.MakeRaw(fd)
			return func() error { return term.Restore(fd, state) }, err
		},
		Size: func() (int, int, error) { return term.GetSize(fd) },
	}))
}

// terminalOf says whether input comes from a terminal, and by what descriptor.
func terminalOf(in io.Reader) (fd int, ok bool) {
	f, ok := in.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
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
