// Package admin has trac-admin's commands on one environment: their names,
// arguments, output and errors are Trac's, so that scripts go on working.
//
// A [Command] is one row of [Commands]; [Run] finds the one that words begin
// with, on a command line or in the shell. Commands write to a [Console] and
// open the environment through it. What they do to data is done by the packages
// that own it (access/perm, project/...), so that pages can do the same.
package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"projhost/internal/fault"
)

// Needs is what a command needs of the environment.
type Needs uint8

const (
	// Current: an environment with tables of the present version, which is
	// refused when it must be upgraded first. The zero value.
	Current Needs = iota
	// Directory: an environment's directory; the command opens what it needs.
	Directory
	// Nothing: the directory may not even be there.
	Nothing
)

// Command is one of trac-admin's.
type Command struct {
	Name string // its words: "permission list"
	Args string // its arguments, for people: "[user]"
	Help string // what it does, one sentence or a few lines
	Min  int    // arguments at least
	Max  int    // and at most; -1 for any number
	// Flags says that arguments may be flags, which Run reads for itself; Min and
	// Max do not count then.
	Flags bool
	Needs Needs
	// Run does it. Its error is what the user is told, after "Error: ".
	Run func(ctx context.Context, c *Console, args []string) error
	// Complete, if not nil, returns what the argument that follows args may be,
	// for the shell.
	Complete func(ctx context.Context, c *Console, args []string) []string
}

// Commands returns all commands, sorted by name. extra are those of the caller.
func Commands(extra ...Command) []Command {
	all := slices.Concat(configCommands(), permissionCommands(), sessionCommands(), componentCommands(), enumCommands(),
		milestoneCommands(), versionCommands(), ticketCommands(), attachmentCommands(), wikiCommands(),
		hotcopyCommands(), upgradeCommands(), initCommands(), extra)
	all = append(all, helpCommand(func() []Command { return all }))
	slices.SortFunc(all, func(a, b Command) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Exit codes of trac-admin (trac/admin/console.py).
const (
	ExitFailed  = 2 // every error that is reported
	ExitPartial = 1 // some of it was done, see ErrPartial
)

// ErrPartial in an error's chain says that the command has done a part of its
// work; trac-admin exits with 1 then.
var ErrPartial = errors.New("not all was done")

// ErrUsage in an error's chain says that words are no command, or the
// arguments not those of the command.
var ErrUsage = errors.New("see help")

// usage is an ErrUsage that says so in its own words alone.
type usage string

func (u usage) Error() string        { return string(u) }
func (u usage) Is(target error) bool { return target == ErrUsage } //nolint:errorlint // it is the sentinel

// Run runs the command that words begin with.
func Run(ctx context.Context, c *Console, all []Command, words []string) error {
	cmd, args, err := find(all, words)
	if err != nil {
		return err
	}
	if !cmd.Flags && (len(args) < cmd.Min || cmd.Max >= 0 && len(args) > cmd.Max) {
		return usage(fmt.Sprintf("invalid arguments: %s", cmd.Usage()))
	}
	if err := c.ready(cmd.Needs); err != nil {
		return err
	}
	return told(cmd.Run(ctx, c, args))
}

// told leaves the kind out of a failure whose words are for everybody; a page
// needs the kind, a command line only the words. Those of a conflict say more
// than its cause, a key of a table.
func told(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Err == nil || f.Kind == fault.Conflict) && f.Public != "" {
		return errors.New(f.Public)
	}
	return err
}

// Usage is the command with its arguments.
func (c *Command) Usage() string { return strings.TrimSpace(c.Name + " " + c.Args) }

// find returns the command whose name is the most words, and the other words.
func find(all []Command, words []string) (*Command, []string, error) {
	if len(words) == 0 {
		return nil, nil, usage("no command was given; \"help\" lists them")
	}
	for n := min(len(words), maxWords); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		if i := slices.IndexFunc(all, func(c Command) bool { return c.Name == name }); i >= 0 {
			return &all[i], words[n:], nil
		}
	}
	var group []string
	for i := range all {
		if strings.HasPrefix(all[i].Name, words[0]+" ") {
			group = append(group, all[i].Usage())
		}
	}
	if len(group) > 0 {
		return nil, nil, usage(fmt.Sprintf("invalid arguments, one of these is meant:\n  %s", strings.Join(group, "\n  ")))
	}
	return nil, nil, usage(fmt.Sprintf("%s: command not found%s", words[0], suggestion(all, words)))
}

// maxWords is how many words a command's name has at most.
const maxWords = 2
