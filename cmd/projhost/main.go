// Command projhost hosts any number of Trac-compatible project environments
// from one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"projhost/project"
	"projhost/project/account"
	"projhost/project/chrome"
	"projhost/project/download"
	"projhost/project/wiki"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// modules are the rooms of the house. A new module is one line here.
func modules() []project.Module {
	return []project.Module{
		account.Module{},
		chrome.Module{},
		download.Module{},
		wiki.Module{},
	}
}

func main() {
	ctx, stop := untilTold()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if !errors.Is(err, errQuiet) {
		_, _ = fmt.Fprintln(stderr, "projhost: "+firstLine(err))
	}
	if errors.Is(err, errFailed) || errors.Is(err, errQuiet) {
		return exitFailure
	}
	return exitUsage
}

// errFailed marks a failure of the work, as against one of the command line.
var errFailed = errors.New("failed")

// errQuiet is a failure that has been reported already.
var errQuiet = errors.New("reported")

// exitCode is a failure that has been reported and has an exit code of its own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

type failure struct{ error }

func (f failure) Is(target error) bool { return target == errFailed }
func (f failure) Unwrap() error        { return f.error }

// failed marks err as a failure of the work; nil stays nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

func firstLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "projhost",
		Short:         "Host any number of Trac project environments from one process",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },

		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return applyConfig(c, os.Getenv) },
	}
	root.PersistentFlags().String(configFlag, "", "file with settings, named as the flags (also PROJHOST_CONFIG; see config-check)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serveCommand(), cgiCommand(), listCommand(), checkCommand(), demoCommand(), tracdCommand(), deployCommand(), adminCommand(),
		allCommand(), backupCommand(), restoreCommand(), verifyCommand(), exportCommand(),
		doctorCommand(), pingCommand(), configCheckCommand(), versionCommand(),
	)
	return root
}
