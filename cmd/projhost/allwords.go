package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"projhost/admin"
	"projhost/backup"
)

// allWord is a command of all.
type allWord struct {
	name  string
	args  string // as the help shows them
	help  string // may have several lines
	least int    // arguments
	most  int
	into  bool // the first one is a directory that must be there
	dry   bool // has a --dry-run of its own, which tells more than that it would be done
	// do does it to the environment in dir; what it writes is shown with it.
	do func(ctx context.Context, dir string, args []string, out io.Writer) error
}

// anyNumber of arguments; the command itself looks at them.
const anyNumber = math.MaxInt

func allWords() []allWord {
	return []allWord{
		{name: "list", help: "what database each has, and what the version of its tables means", do: allList},
		{name: "check", help: "as projhost check", do: allCheck},
		{name: "backup", args: "DIR", least: 1, most: 1, into: true, do: allBackup,
			help: "as projhost backup, into DIR/NAME.tar.gz, which takes the place of an older one"},
		{name: "export", args: "DIR [URL]", least: 1, most: 2, do: allExport,
			help: "as projhost export, into DIR/NAME, with URL/NAME as the address of each;\nthe place of a former export is taken"},
		{name: "hotcopy", args: "DIR", least: 1, most: 1, into: true, do: allHotcopy,
			help: "as projhost admin ENV hotcopy, to DIR/NAME"},
		{name: "upgrade", most: anyNumber, dry: true, do: allAdminWord("upgrade"),
			help: "as projhost admin ENV upgrade, with its flags: a verified copy of each database\ncomes first"},
		{name: "config", args: "ARGS", least: 1, most: anyNumber, do: allAdminWord("config"),
			help: `as projhost admin ENV config: config set trac base_url ""`},
		{name: "admin", args: "COMMAND", least: 1, most: anyNumber, do: allAdmin,
			help: "any command of trac-admin"},
	}
}

// usage is a command with its arguments.
func (w *allWord) usage() string { return strings.TrimSpace(w.name + " " + w.args) }

// allHelp tells of each command, in lines that all end.
func allHelp() string {
	var b strings.Builder
	for _, w := range allWords() {
		left := w.usage()
		for line := range strings.SplitSeq(w.help, "\n") {
			fmt.Fprintf(&b, "  %-20s  %s\n", left, line)
			left = ""
		}
	}
	return b.String()
}

// findAllWord is the command that args begin with, if the others are what it takes.
func findAllWord(args []string) (*allWord, error) {
	words := allWords()
	i := slices.IndexFunc(words, func(w allWord) bool {
		return w.name == args[0] && w.least <= len(args)-1 && len(args)-1 <= w.most
	})
	if i < 0 {
		usages := make([]string, len(words))
		for i := range words {
			usages[i] = words[i].usage()
		}
		usages[len(usages)-1] = "or " + usages[len(usages)-1]
		return nil, fmt.Errorf("all %s: want %s", strings.Join(args, " "), strings.Join(usages, ", "))
	}
	w := &words[i]
	if !w.into {
		return w, nil
	}
	// It is not made: a disk that should be there may not be mounted.
	if fi, err := os.Stat(args[1]); err != nil {
		return nil, failed(fmt.Errorf("all %s: the directory %s cannot be used: %w", w.name, args[1], unwrapPath(err)))
	} else if !fi.IsDir() {
		return nil, failed(fmt.Errorf("all %s: %s is not a directory", w.name, args[1]))
	}
	return w, nil
}

func allList(ctx context.Context, dir string, _ []string, out io.Writer) error {
	r := checkOne(ctx, dir)
	for _, x := range r.Findings {
		if !r.OK {
			return errors.New(x.Text)
		}
		if x.About == "database" {
			_, err := fmt.Fprint(out, x.Text)
			return err
		}
	}
	return nil
}

func allCheck(ctx context.Context, dir string, _ []string, _ io.Writer) error {
	r := checkOne(ctx, dir)
	if r.OK {
		return nil
	}
	var wrong []string
	for _, x := range r.Findings {
		if x.Weight == problem {
			wrong = append(wrong, x.About+": "+x.Text)
		}
	}
	return errors.New(strings.Join(wrong, "; "))
}

func allBackup(ctx context.Context, dir string, args []string, out io.Writer) error {
	r, err := backup.Create(ctx, dir, filepath.Join(args[0], filepath.Base(dir)+".tar.gz"), backup.Options{Replace: true})
	if err == nil {
		_, err = fmt.Fprintf(out, "%d files, %d bytes, %d warnings", r.Files, r.Bytes, len(r.Warnings))
	}
	return err
}

func allExport(ctx context.Context, dir string, args []string, out io.Writer) error {
	x := exportFlags{replace: true}
	if len(args) == 2 {
		x.baseURL = strings.TrimRight(args[1], "/") + "/" + url.PathEscape(filepath.Base(dir))
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return err
	}
	r, err := x.run(ctx, dir, filepath.Join(args[0], filepath.Base(dir)), slog.New(slog.DiscardHandler), nil)
	if err == nil {
		_, err = fmt.Fprint(out, exported(r))
	}
	return err
}

func allHotcopy(ctx context.Context, dir string, args []string, out io.Writer) error {
	return allAdmin(ctx, dir, []string{"hotcopy", filepath.Join(args[0], filepath.Base(dir))}, out)
}

// allAdminWord does one command of trac-admin.
func allAdminWord(name string) func(context.Context, string, []string, io.Writer) error {
	return func(ctx context.Context, dir string, args []string, out io.Writer) error {
		return allAdmin(ctx, dir, slices.Concat([]string{name}, args), out)
	}
}

func allAdmin(ctx context.Context, dir string, args []string, out io.Writer) error {
	c := &admin.Console{Dir: dir, Out: out, Locale: processLocale()}
	defer c.Close()
	return admin.Run(ctx, c, adminCommands(), args)
}
