package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/templates"
)

// allServers is what --server takes for every one there is.
const allServers = "all"

// deployFlags are what "deploy" and "admin ENV deploy" take.
type deployFlags struct {
	deploy.Options
	servers, ways []string
	envs          []string
	parent        string
	prefix        string
	auth          string
	write         deploy.WriteOptions
	list          bool
	check         bool
}

func deployCommand() *cobra.Command {
	var f deployFlags
	c := &cobra.Command{
		Use:   "deploy DIR",
		Short: "Write the configuration of web servers, scripts, units and static files",
		Long: `Deploy writes into DIR what a web server and a process manager need to serve
projects through this program: for each --server a complete configuration with
words on how to include it, units, scripts, and htdocs/ with the static files.

A file that somebody has edited since is left alone: the difference is shown,
and the exit code is 1. With --force it is overwritten. Nothing is deleted.

Each --env is at PREFIX/NAME, a single one at PREFIX itself.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.list {
				return failed(listServers(c.OutOrStdout()))
			}
			if len(args) == 0 {
				return errors.New("no directory is named: projhost deploy DIR")
			}
			return f.run(c.Context(), args[0], c.OutOrStdout())
		},
	}
	c.Flags().StringArrayVar(&f.envs, "env", nil, "an environment; repeatable")
	c.Flags().StringVar(&f.parent, "env-parent-dir", "", "a directory of environments")
	f.flags(c.Flags())
	return c
}

// flags adds all but those that name environments.
func (f *deployFlags) flags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.servers, "server", nil, "a web server, or \"all\"; repeatable (see --list)")
	fs.StringArrayVar(&f.ways, "way", nil, "how it reaches projhost; repeatable (default: the server's first; with \"all\", every one)")
	fs.StringVar(&f.prefix, "prefix", "/", "where the projects are on the site")
	fs.StringVar(&f.Listen, "listen", "", "where projhost listens: a socket's path or 127.0.0.1:PORT (default: a socket in --run-dir)")
	fs.StringVar(&f.auth, "auth", "", "let the web server ask for passwords: basic or digest")
	fs.StringVar(&f.Auth.File, "auth-file", "", "its list of users (default: one in DIR/auth)")
	fs.StringVar(&f.Auth.Realm, "realm", "", "what it asks passwords for (default \"projhost\")")
	fs.BoolVar(&f.Auth.All, "auth-all", false, "ask on every page, not for login alone")
	fs.StringVar(&f.Domain, "domain", "", "host name of the site (default: whichever is asked for)")
	fs.StringVar(&f.Address, "address", "", "where the web server listens, 8080 or 127.0.0.1:8080 (default 80, or 443 with --tls-cert)")
	fs.StringVar(&f.TLSCert, "tls-cert", "", "certificate chain")
	fs.StringVar(&f.TLSKey, "tls-key", "", "its key (default: in the same file)")
	fs.StringVar(&f.RunDir, "run-dir", "", "where sockets are made (default /run/projhost)")
	fs.StringVar(&f.User, "user", "", "who projhost runs as (default trac)")
	fs.StringVar(&f.Group, "group", "", "who may connect to its sockets (default www-data)")
	fs.StringVar(&f.LCTime, "lc-time", "", "locale of dates, as ru_RU")
	fs.BoolVar(&f.XSendfile, "xsendfile", false, "let the web server send files of the environments that projhost names")
	fs.BoolVar(&f.write.Force, "force", false, "overwrite what somebody has edited")
	fs.BoolVar(&f.write.DryRun, "dry-run", false, "say what would be done, and do nothing")
	fs.BoolVar(&f.check, "check", false, "then run each web server with this configuration, on a spare port and in a directory of its own, and walk through the site")
	fs.BoolVar(&f.list, "list", false, "list servers and ways")
}

// listServers prints what --server and --way take.
func listServers(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range deploy.Servers() {
		for _, way := range s.Ways {
			note := ""
			if way.Untested {
				note = "not run by our tests"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s, %s\t%s\n", s.Name, way.Name, s.Title, way.Title, note)
		}
	}
	return w.Flush()
}

// run writes everything and says what became of it.
func (f *deployFlags) run(ctx context.Context, dir string, out io.Writer) error {
	if err := f.complete(dir); err != nil {
		return err
	}
	choices, err := f.choices()
	if err != nil {
		return err
	}
	choices, skipped, err := f.possible(choices)
	if err != nil {
		return err
	}
	plans, err := deploy.PlanAll(f.Options, choices)
	if err != nil {
		return err
	}
	files, err := filesOf(plans)
	if err != nil {
		return err
	}
	sites := f.sites()
	// A target within a source is refused before anything is written.
	for _, s := range sites {
		if _, err := deploy.CopyTree(f.Dir, s.to, s.from, true); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return failed(err)
	}
	changes, err := deploy.Write(f.Dir, files, f.write)
	if err != nil {
		return failed(err)
	}
	copied := 0
	for _, s := range sites {
		n, err := deploy.CopyTree(f.Dir, s.to, s.from, f.write.DryRun)
		if err != nil {
			return failed(err)
		}
		copied += n
	}
	for _, s := range skipped {
		_, _ = fmt.Fprintf(out, "left out: %v\n", s)
	}
	if err := f.report(out, plans, changes, copied); err != nil || !f.check {
		return err
	}
	return f.checkAll(ctx, choices, out)
}

// checkAll runs each server that was chosen.
func (f *deployFlags) checkAll(ctx context.Context, choices []deploy.Choice, out io.Writer) error {
	if len(choices) == 0 {
		return errors.New("--check needs a --server to check")
	}
	var errs []error
	for _, c := range choices {
		o := f.Options
		o.Server, o.Way = c.Server, c.Way
		err := checkDeploy(ctx, o, out)
		if errors.Is(err, try.ErrNotInstalled) && slices.Contains(f.servers, allServers) {
			_, _ = fmt.Fprintln(out, err)
			continue
		}
		errs = append(errs, err)
	}
	return failed(errors.Join(errs...))
}

// complete makes paths absolute and reads what the flags do not say.
func (f *deployFlags) complete(dir string) error {
	for _, p := range []*string{&dir, &f.TLSCert, &f.TLSKey, &f.RunDir, &f.Auth.File, &f.parent} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	f.Dir = dir
	f.Auth.Kind = deploy.AuthKind(f.auth)
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if f.Program, err = filepath.EvalSymlinks(program); err != nil {
		return err
	}
	if err := f.mounts(); err != nil {
		return err
	}
	for i, m := range f.Mounts {
		there, err := filepath.EvalSymlinks(m.Env + m.Parent)
		if err != nil {
			return err
		}
		if there != m.Env+m.Parent {
			f.Mounts[i].Real = there
		}
	}
	f.Secret, err = deploy.Secret(dir)
	return failed(err)
}

// mounts makes them of --env and --env-parent-dir.
func (f *deployFlags) mounts() error {
	switch {
	case len(f.envs) == 0 && f.parent == "":
		return errors.New("no environment: give --env or --env-parent-dir")
	case len(f.envs) > 0 && f.parent != "":
		return errors.New("--env and --env-parent-dir were both given")
	case f.parent != "":
		if info, err := os.Stat(f.parent); err != nil || !info.IsDir() {
			return fmt.Errorf("--env-parent-dir %s: not a directory", f.parent)
		}
		f.Mounts = []deploy.Mount{{Path: f.prefix, Parent: f.parent}}
		return nil
	}
	for _, env := range f.envs {
		env, err := filepath.Abs(env)
		if err != nil {
			return err
		}
		if !isEnvironment(env) {
			return fmt.Errorf("--env %s: not an environment, it has no file VERSION", env)
		}
		at := f.prefix
		if len(f.envs) > 1 {
			at = path.Join("/", f.prefix, filepath.Base(env))
		}
		f.Mounts = append(f.Mounts, deploy.Mount{Path: at, Env: env})
	}
	return nil
}

// isEnvironment tells whether a directory looks like one.
func isEnvironment(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "VERSION"))
	return err == nil && info.Mode().IsRegular()
}

// choices are the servers and ways that were asked for.
func (f *deployFlags) choices() ([]deploy.Choice, error) {
	var list []deploy.Choice
	used := map[string]bool{}
	for _, name := range f.servers {
		found := false
		for _, s := range deploy.Servers() {
			if name != s.Name && name != allServers {
				continue
			}
			found = true
			for i, w := range s.Ways {
				if len(f.ways) == 0 && (i == 0 || name == allServers) || slices.Contains(f.ways, w.Name) {
					used[w.Name] = true
					list = append(list, deploy.Choice{Server: s.Name, Way: w.Name})
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("no server %q: there are %s, and %s", name, strings.Join(deploy.ServerNames(), ", "), allServers)
		}
	}
	for _, w := range f.ways {
		if !used[w] {
			return nil, fmt.Errorf("--way %s: none of the servers has it: see projhost deploy --list", w)
		}
	}
	if len(list) == 0 {
		list = append(list, deploy.Choice{})
	}
	return list, nil
}

// possible leaves out, of "all", what cannot be had with the other options, and
// says why; what was named must be possible.
func (f *deployFlags) possible(choices []deploy.Choice) (kept []deploy.Choice, skipped []error, err error) {
	for _, c := range choices {
		o := f.Options
		o.Server, o.Way = c.Server, c.Way
		_, err := deploy.Plan(o)
		switch {
		case err == nil:
			kept = append(kept, c)
		case c.Server == "" || slices.Contains(f.servers, c.Server):
			return nil, nil, err
		default:
			skipped = append(skipped, fmt.Errorf("%s --way %s: %w", c.Server, c.Way, err))
		}
	}
	if len(kept) == 0 {
		return nil, nil, errors.Join(skipped...)
	}
	return kept, skipped, nil
}

// filesOf are the files of all plans and the program's own static files.
func filesOf(plans []deploy.Planned) ([]deploy.File, error) {
	all := map[string]deploy.File{}
	for _, p := range plans {
		for _, file := range p.Files {
			if other, ok := all[file.Path]; ok && other != file {
				return nil, fmt.Errorf("two of the servers want different files %s: deploy them into directories of their own", file.Path)
			}
			all[file.Path] = file
		}
	}
	for a := range templates.Assets() {
		name := "htdocs/common/" + a.Name
		all[name] = deploy.File{Path: name, Mode: 0o644, Text: string(a.Body)}
	}
	list := make([]deploy.File, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}

// site is an environment's own static files, and where they are copied to.
type site struct{ from, to string }

// sites are those of all environments that there are now.
func (f *deployFlags) sites() []site {
	var list []site
	for _, m := range f.Mounts {
		dirs := []string{m.Env}
		if m.Parent != "" {
			dirs = nil
			entries, _ := os.ReadDir(m.Parent) // that it is there was looked at before
			for _, e := range entries {
				dirs = append(dirs, filepath.Join(m.Parent, e.Name()))
			}
		}
		for _, dir := range dirs {
			if name := filepath.Base(dir); isEnvironment(dir) && !strings.HasPrefix(name, ".") {
				list = append(list, site{filepath.Join(dir, "htdocs"), "htdocs/site/" + name})
			}
		}
	}
	return list
}

// report says what was done, what was not, and what to do next.
func (f *deployFlags) report(out io.Writer, plans []deploy.Planned, changes []deploy.Change, copied int) error {
	edited, changed, assets := 0, copied, 0
	for _, c := range changes {
		switch {
		case c.Outcome == deploy.Edited:
			edited++
			_, _ = fmt.Fprintf(out, "%-11s %s\n%s", c.Outcome, c.Path, c.Diff)
		case c.Changed() && strings.HasPrefix(c.Path, "htdocs/common/"):
			changed++
			assets++
		case c.Changed():
			changed++
			_, _ = fmt.Fprintf(out, "%-11s %s\n", c.Outcome, c.Path)
		case c.Outcome == deploy.Left:
			_, _ = fmt.Fprintf(out, "%-11s %s (not needed for this; remove it if nothing else uses it)\n", c.Outcome, c.Path)
		}
	}
	if assets > 0 {
		_, _ = fmt.Fprintf(out, "%-11s %d files in htdocs/common\n", "written", assets)
	}
	if copied > 0 {
		_, _ = fmt.Fprintf(out, "%-11s %d files in htdocs/site\n", "copied", copied)
	}
	switch {
	case edited > 0:
		_, err := fmt.Fprintf(out, "%d edited: left alone, see above; --force overwrites\n", edited)
		return errors.Join(errQuiet, err)
	case changed == 0:
		_, err := fmt.Fprintln(out, "nothing to do")
		return failed(err)
	case f.write.DryRun:
		_, err := fmt.Fprintln(out, "nothing was written (--dry-run)")
		return failed(err)
	}
	return failed(f.next(out, plans))
}

// next says what is left to the administrator.
func (f *deployFlags) next(out io.Writer, plans []deploy.Planned) error {
	var b strings.Builder
	b.WriteString("\nNext:\n")
	for _, p := range plans {
		if p.Config != "" {
			fmt.Fprintf(&b, "- %s (%s): the first lines of %s say how to include it\n", p.Options.Server, p.Options.Way, filepath.Join(f.Dir, p.Config))
		}
	}
	if f.Auth.Kind != deploy.AuthNone {
		for _, file := range usersFiles(plans) {
			fmt.Fprintf(&b, "- put who may log in into %s\n", file)
		}
	}
	if slices.ContainsFunc(plans[0].Files, func(file deploy.File) bool { return strings.HasPrefix(file.Path, "units/") }) {
		fmt.Fprintf(&b, "- start projhost by one of the files in %s: the first lines of each say how\n", filepath.Join(f.Dir, "units"))
	}
	var listen []string
	for _, p := range plans {
		for _, l := range p.Listen {
			if l = "--listen " + shellWord(l); !slices.Contains(listen, l) {
				listen = append(listen, l)
			}
		}
	}
	if len(listen) > 0 {
		words := []string{shellWord(f.Program), "serve"}
		words = append(words, listen...)
		for _, flag := range plans[0].Flags {
			words = append(words, shellWord(flag))
		}
		fmt.Fprintf(&b, "- or start it by hand: %s\n", strings.Join(words, " "))
	}
	if b.String() == "\nNext:\n" {
		return nil
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func usersFiles(plans []deploy.Planned) []string {
	var list []string
	for _, p := range plans {
		if file := p.Options.Auth.File; file != "" && !slices.Contains(list, file) {
			list = append(list, file)
		}
	}
	return list
}

// shellWord quotes a word for a shell if it needs that.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-:+=,%", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
