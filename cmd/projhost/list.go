package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"projhost/envs"
	"projhost/internal/fault"
)

// listed is an environment in the output of list --json.
type listed struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	Database    string `json:"database,omitempty"`
	Version     int    `json:"version,omitempty"`
	State       string `json:"state"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

func listCommand() *cobra.Command {
	var f hostFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the environments of a directory and how they are doing",
		Long: "List opens every environment of DIR (or of --env-parent-dir, or of TRAC_ENV_PARENT_DIR)\n" +
			"for reading and tells its name, path, database, table version, state and title.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.parent = args[0]
			}
			list, err := f.inspectAll(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return failed(enc.Encode(list))
			}
			return failed(writeTable(c.OutOrStdout(), list))
		},
	}
	f.where(c.Flags())
	f.logs(c.Flags(), "error")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON instead of a table")
	return c
}

// inspectAll opens every environment of the parent directory, some at a time.
func (f *hostFlags) inspectAll(ctx context.Context, stderr io.Writer) ([]listed, error) {
	settings, err := f.settings()
	if err != nil {
		return nil, err
	}
	dir := settings["TRAC_ENV_PARENT_DIR"]
	if env := settings["TRAC_ENV"]; env != "" && dir == "" {
		dir = filepath.Dir(env)
	}
	if dir == "" {
		return nil, fmt.Errorf("no directory is named: give one, or --env-parent-dir, or set TRAC_ENV_PARENT_DIR")
	}
	settings["TRAC_ENV"], settings["TRAC_ENV_PARENT_DIR"] = "", dir
	roots, err := f.allowedRoots(settings)
	if err != nil {
		return nil, err
	}
	r := f.registry(roots, nil, nil)
	defer func() { _ = r.Close(ctx) }()
	found, err := r.List(ctx, dir)
	if err != nil {
		return nil, failed(fault.As(err).Err)
	}
	list := slices.Collect(found)
	inspect(ctx, r, dir, list)
	out := make([]listed, len(list))
	for i, info := range list {
		state := string(info.State)
		if info.State == envs.Open {
			state = "ok" // that this command has it open says nothing
		}
		out[i] = listed{info.Name, info.Dir, info.Database, info.Version, state, info.Title, info.Description, info.Reason}
	}
	return out, nil
}

// inspect opens each environment to learn its version and state.
func inspect(ctx context.Context, r *envs.Registry, dir string, list []envs.Info) {
	const atOnce = 8
	var wg sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				list[i] = r.Inspect(ctx, dir, list[i])
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
}

func writeTable(w io.Writer, list []listed) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "NAME\tSTATE\tDATABASE\tVERSION\tTITLE\tPATH")
	for _, e := range list {
		version := "-"
		if e.Version > 0 {
			version = fmt.Sprint(e.Version)
		}
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.State, dash(e.Database), version, e.Title, e.Path)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, e := range list {
		if e.Reason != "" {
			if _, err := fmt.Fprintf(w, "\n%s is out of order: %s\n", e.Name, e.Reason); err != nil {
				return err
			}
		}
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
