package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"projhost/access/perm"
	"projhost/db/schema"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/internal/fault"
)

// Weights of a finding.
const (
	fine    = "ok"
	notice  = "note"  // works, but not as in Trac
	problem = "error" // does not work
)

// finding is one line of a check.
type finding struct {
	Weight string `json:"weight"`
	About  string `json:"about"`
	Text   string `json:"text"`
}

// checked is the outcome of checking one environment.
type checked struct {
	Path     string    `json:"path"`
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

func (c *checked) add(weight, about, format string, args ...any) {
	c.Findings = append(c.Findings, finding{weight, about, fmt.Sprintf(format, args...)})
}

func checkCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check ENV...",
		Short: "Tell what of an environment is and is not supported",
		Long: "Check opens each environment for reading, alters nothing, and tells what works, what\n" +
			"works otherwise than in Trac, and what does not. It fails if an environment cannot be served.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			results := make([]checked, len(args))
			bad := 0
			for i, dir := range args {
				if results[i] = checkOne(c.Context(), dir); !results[i].OK {
					bad++
				}
			}
			var err error
			if asJSON {
				err = writeJSON(c.OutOrStdout(), results)
			} else {
				err = writeChecks(c.OutOrStdout(), results)
			}
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d of %d environments cannot be served", bad, len(args))
			}
			return failed(err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeChecks(w io.Writer, results []checked) error {
	for _, r := range results {
		if _, err := fmt.Fprintln(w, r.Path); err != nil {
			return err
		}
		for _, f := range r.Findings {
			if _, err := fmt.Fprintf(w, "  %-5s  %s: %s\n", f.Weight, f.About, f.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkOne opens one environment and looks around in it.
func checkOne(ctx context.Context, dir string) (c checked) {
	c.Path = dir
	abs, err := filepath.Abs(dir)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		c.add(problem, "directory", "%v", err)
		return c
	}
	r := envs.NewRegistry(envs.Options{AllowRoots: []string{abs}})
	defer func() { _ = r.Close(ctx) }()
	e, release, err := acquire(ctx, r, abs)
	if err != nil {
		c.add(problem, "environment", "%v", err)
		return c
	}
	defer release()
	c.OK = true
	c.database(e)
	c.permissions(e)
	c.settings(e)
	c.plugins(e)
	c.templates(e)
	return c
}

// acquire opens the environment in dir; the error is for the operator.
func acquire(ctx context.Context, r *envs.Registry, dir string) (*envs.Env, func(), error) {
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		return nil, nil, fault.As(err).Err
	}
	e, release, err := r.Acquire(ctx, loc)
	if err != nil {
		return nil, nil, errors.New(strings.TrimPrefix(fault.As(err).Err.Error(), envs.ErrBroken.Error()+": "))
	}
	return e, release, nil
}

func (c *checked) database(e *envs.Env) {
	if e.ReadOnlyBy() == envs.ReadOnlyBySetting {
		c.add(fine, "read-only", "[trac] readonly: nobody signs in, nothing can be changed")
	}
	if e.Version() < schema.Version {
		c.add(notice, "database", "%s, tables of version %d: served for reading only, not altered; version %d can be changed too", e.DB().Kind(), e.Version(), schema.Version)
		return
	}
	c.add(fine, "database", "%s, tables of version %d", e.DB().Kind(), e.Version())
}

func (c *checked) permissions(e *envs.Env) {
	d := perm.Inspect(e.Config())
	for _, w := range d.Warnings {
		c.add(notice, "permissions", "%s", w)
	}
	if d.Err != nil {
		c.OK = false
		c.add(problem, "permissions", "everything is refused to everybody: %v", d.Err)
		return
	}
	c.add(fine, "permissions", "decided by %s", d.Policies)
}

func (c *checked) settings(e *envs.Env) {
	for _, p := range e.Config().Problems() {
		c.add(notice, "trac.ini", "[%s] %s = %s: %s", p.Section, p.Option, p.Value, p.Problem)
	}
	if h := e.Config().String("trac", "default_handler"); h != "WikiModule" {
		c.add(notice, "trac.ini", "[trac] default_handler = %s is not offered yet: the project has no start page", h)
	}
}

// plugins names the Python that is not run here.
func (c *checked) plugins(e *envs.Env) {
	for name, value := range e.Config().Section("components") {
		on, _ := tracini.ParseBool(value)
		if on && !strings.HasPrefix(name, "trac.") && !perm.HasComponent(name) {
			c.add(notice, "plugins", "[components] %s: a plugin or an optional part of Trac, not available here", name)
		}
	}
	for _, pattern := range []string{"*.py", "*.egg", "*.egg-link"} {
		files, _ := filepath.Glob(e.Path("plugins", pattern)) // the pattern is well formed
		for _, f := range files {
			c.add(notice, "plugins", "%s is written in Python and not run", filepath.Base(f))
		}
	}
}

// templates names page templates that are not used here.
func (c *checked) templates(e *envs.Env) {
	files, _ := filepath.Glob(e.Path("templates", "*.html")) // the pattern is well formed
	for _, f := range files {
		c.add(notice, "templates", "%s is a template of Trac and not used", filepath.Base(f))
	}
}
