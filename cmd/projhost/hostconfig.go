package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/ini.v1"

	"projhost/access/perm"
	"projhost/envs/tracini"
	"projhost/front"
)

// What is set for the host comes from flags, else from variables PROJHOST_NAME,
// else from the file that --config or PROJHOST_CONFIG names, projhost.ini by
// custom. All three have the same names: those of the flags.

const (
	configFlag  = "config"
	variableOf  = "PROJHOST_"
	configByEnv = variableOf + "CONFIG"
)

// setting is one that the file or a variable makes.
type setting struct {
	name   string
	values []string // more than one for flags that are repeatable
	where  string   // "[serve] max-open in FILE", "PROJHOST_MAX_OPEN"
}

// variable is the name of a flag's variable.
func variable(flag string) string {
	return variableOf + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyConfig sets the flags of a command that its command line does not.
func applyConfig(c *cobra.Command, getenv func(string) string) error {
	path, err := c.Flags().GetString(configFlag)
	if err != nil {
		return nil // a command that takes its arguments as they are
	}
	if path == "" {
		path = getenv(configByEnv)
	}
	var file []setting
	if path != "" {
		if file, err = readConfig(path, c.Root(), c.Name()); err != nil {
			return err
		}
	}
	if err := set(c.Flags(), fromVariables(c.Flags(), getenv)); err != nil {
		return err
	}
	return set(c.Flags(), file)
}

// fromVariables are the settings that the process environment makes.
func fromVariables(fs *pflag.FlagSet, getenv func(string) string) (list []setting) {
	fs.VisitAll(func(f *pflag.Flag) {
		if value := getenv(variable(f.Name)); value != "" && f.Name != configFlag {
			list = append(list, setting{f.Name, []string{value}, variable(f.Name)})
		}
	})
	return list
}

// set sets flags that are not set yet. --env and --env-parent-dir are one
// question: who answers one answers both.
func set(fs *pflag.FlagSet, list []setting) error {
	answered := fs.Changed("env") || fs.Changed("env-parent-dir")
	for _, s := range list {
		where := s.name == "env" || s.name == "env-parent-dir"
		if fs.Changed(s.name) || where && answered {
			continue
		}
		values := s.values
		if repeatable(fs.Lookup(s.name)) {
			values = nil
			for _, v := range s.values {
				values = append(values, strings.Fields(v)...)
			}
		} else if len(values) > 1 {
			return fmt.Errorf("%s: is set more than once", s.where)
		}
		for _, v := range values {
			if err := fs.Set(s.name, v); err != nil {
				return fmt.Errorf("%s: %w", s.where, errors.Unwrap(err))
			}
		}
	}
	return nil
}

func repeatable(f *pflag.Flag) bool { return f != nil && strings.HasSuffix(f.Value.Type(), "Array") }

// readConfig reads the settings for a command: those of its section before those
// that stand before all sections, which are for every command that knows them. It
// fails if anything in the file is no setting of any command.
func readConfig(path string, root *cobra.Command, command string) (list []setting, err error) {
	file, err := ini.LoadSources(ini.LoadOptions{AllowShadows: true, IgnoreInlineComment: true, KeyValueDelimiters: "="}, path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", configFlag, err)
	}
	var general []setting
	for _, section := range file.Sections() {
		name := section.Name()
		var of *cobra.Command
		if name != ini.DefaultSection {
			i := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name && !c.DisableFlagParsing })
			if i < 0 {
				return nil, fmt.Errorf("%s: [%s]: there is no such command", path, name)
			}
			of = root.Commands()[i]
		}
		for _, key := range section.Keys() {
			s := setting{key.Name(), key.ValueWithShadows(), fmt.Sprintf("[%s] %s in %s", name, key.Name(), path)}
			if of == nil {
				s.where = fmt.Sprintf("%s in %s", key.Name(), path)
			}
			if !known(root, of, s.name) {
				return nil, fmt.Errorf("%s: there is no such setting%s", s.where, similar(root, of, s.name))
			}
			switch {
			case of == nil:
				general = append(general, s)
			case name == command:
				list = append(list, s)
			}
		}
	}
	for _, s := range general {
		if c, _, err := root.Find([]string{command}); err == nil && c.Flags().Lookup(s.name) != nil {
			if !slices.ContainsFunc(list, func(own setting) bool { return own.name == s.name }) {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// settingNames are the flags of a command, or of all.
func settingNames(root, of *cobra.Command) (names []string) {
	for _, c := range root.Commands() {
		if of == nil || c == of {
			c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "help" || n == configFlag })
	slices.Sort(names)
	return slices.Compact(names)
}

func known(root, of *cobra.Command, name string) bool {
	return slices.Contains(settingNames(root, of), name)
}

// similar says which setting may have been meant.
func similar(root, of *cobra.Command, name string) string {
	for _, n := range settingNames(root, of) {
		if strings.ReplaceAll(strings.ToLower(name), "_", "-") == n || len(name) > 3 && (strings.HasPrefix(n, name[:len(name)-2]) || strings.HasSuffix(n, name[2:])) {
			return fmt.Sprintf("; is %s meant?", n)
		}
	}
	return ""
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config-check [ENV...]",
		Short: "Tell what is set for the host, and what is wrong with it or with a trac.ini",
		Long: `Config-check reads the file that --config or PROJHOST_CONFIG names, and variables
PROJHOST_NAME, as every command does, and shows what they set, for which command.
For each ENV it reads trac.ini, and the files it inherits, and tells which values
do not fit their options. It opens no database. The exit code is 1 if anything is wrong.`,
		RunE: func(c *cobra.Command, args []string) error {
			path, _ := c.Flags().GetString(configFlag) // it has that flag
			if path == "" {
				path = os.Getenv(configByEnv)
			}
			err := showConfig(c, path)
			for _, env := range args {
				err = errors.Join(err, checkIni(c, env))
			}
			return failed(err)
		},
	}
}

// showConfig shows each setting that is not a default, and where it comes from.
func showConfig(c *cobra.Command, path string) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, of := range c.Root().Commands() {
		if of.DisableFlagParsing || of == c {
			continue
		}
		list := fromVariables(of.Flags(), os.Getenv)
		if path != "" {
			file, err := readConfig(path, c.Root(), of.Name())
			if err != nil {
				return err
			}
			for _, s := range file {
				if !slices.ContainsFunc(list, func(v setting) bool { return v.name == s.name }) {
					list = append(list, s)
				}
			}
		}
		if err := set(of.Flags(), list); err != nil {
			return err
		}
		for _, s := range list {
			for _, v := range s.values {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", of.Name(), s.name, front.HideSecret(v), s.where) // Flush tells
			}
		}
	}
	return w.Flush()
}

// checkIni tells what is wrong with an environment's trac.ini.
func checkIni(c *cobra.Command, env string) error {
	config, err := tracini.Load(filepath.Join(env, "conf", "trac.ini"))
	if err != nil {
		return fmt.Errorf("%s: %w", env, err)
	}
	problems, decides := config.Problems(), perm.Inspect(config)
	for _, p := range problems {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%s:%d: [%s] %s = %s: %s\n", p.File, p.Line, p.Section, p.Option, p.Value, p.Problem); err != nil {
			return err
		}
	}
	for _, w := range decides.Warnings {
		if _, err := fmt.Fprintln(c.OutOrStdout(), w); err != nil {
			return err
		}
	}
	switch {
	case decides.Err != nil:
		return fmt.Errorf("%s: everything is refused to everybody: %w", env, decides.Err)
	case len(problems) > 0:
		return fmt.Errorf("%s: %d values are not used", env, len(problems))
	}
	return nil
}
