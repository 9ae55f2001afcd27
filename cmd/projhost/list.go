package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/status"
)

// listFlags say of which environments list tells, and from where.
type listFlags struct {
	host    hostFlags
	query   status.Query
	json    bool
	live    string
	keyFile string
	timeout time.Duration
}

func listCommand() *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the environments of a directory and how they are doing",
		Long: `List opens every environment of DIR (or of --env-parent-dir, or of TRAC_ENV_PARENT_DIR)
for reading and tells its name, path, database, table version, state, title and size.

With --live it opens none, but asks a running server about all that it serves, and
what was counted there: the server must have an --admin-listen, which is named as
there, or an --admin-key-file; then the address of the site will do, too.

  projhost list --live http+unix:/run/projhost/admin.sock --state broken
  projhost list --live https://example.org/trac --admin-key-file key --sort=-requests`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := f.list(c.Context(), args)
			if err != nil {
				return err
			}
			if f.json {
				return failed(writeJSON(c.OutOrStdout(), list))
			}
			return failed(writeTable(c.OutOrStdout(), list))
		},
	}
	fs := c.Flags()
	f.host.where(fs)
	f.host.logs(fs, "error")
	fs.BoolVar(&f.json, "json", false, "write JSON instead of a table")
	fs.StringVar(&f.query.Text, "filter", "", "only those that have these words in name, title or path")
	fs.StringVar(&f.query.State, "state", "", "only those in this state: "+strings.Join(status.States(), ", "))
	fs.StringVar(&f.query.Database, "database", "", "only those with this kind of database")
	fs.StringVar(&f.query.Sort, "sort", "", "sort by "+strings.Join(status.SortKeys(), ", ")+"; after a - the largest first (default title)")
	fs.StringVar(&f.live, "live", "", "ask the running server at this address")
	fs.StringVar(&f.keyFile, adminKeyFlag, "", "file with the key that the server wants")
	fs.DurationVar(&f.timeout, "timeout", liveTime, "how long to wait for the server")
	return c
}

// list are the rows that are asked for.
func (f *listFlags) list(ctx context.Context, args []string) ([]*status.Row, error) {
	if f.query.State == listedOK && f.live == "" {
		f.query.State = string(envs.Open)
	}
	if _, err := f.query.Select(nil); err != nil {
		return nil, err
	}
	if f.live != "" {
		if len(args) > 0 {
			return nil, fmt.Errorf("a server tells of all its environments: give either --live or a directory")
		}
		rep, err := f.ask(ctx)
		return rep.Environments, err
	}
	if len(args) == 1 {
		f.host.parent = args[0]
	}
	rows, err := f.host.inspectAll(ctx)
	if err != nil {
		return nil, err
	}
	rows, err = f.query.Select(rows)
	for i := range rows {
		if rows[i].State == string(envs.Open) {
			rows[i].State = listedOK // that this command has it open says nothing
		}
	}
	return rows, err
}

// listedOK is the state of what can be opened, where no server has it open.
const listedOK = "ok"

// inspectAll opens every environment of the parent directory, some at a time.
func (f *hostFlags) inspectAll(ctx context.Context) ([]*status.Row, error) {
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
	return inspect(ctx, r, dir, slices.Collect(found)), nil
}

// inspect opens each environment to learn its version and state, and measures it.
func inspect(ctx context.Context, r *envs.Registry, dir string, list []envs.Info) []*status.Row {
	const atOnce = 8
	rows := make([]*status.Row, len(list))
	var wg sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				info := r.Inspect(ctx, dir, list[i])
				size, err := r.Measure(ctx, info.Dir)
				if err != nil {
					size = envs.Size{} // what is wrong with it is told as its state
				}
				rows[i] = status.NewRow(info, size)
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return rows
}

// writeTable writes what was counted only if a server tells it.
func writeTable(w io.Writer, list []*status.Row) error {
	live := slices.ContainsFunc(list, func(e *status.Row) bool { return e.Use != nil })
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heading := "NAME\tSTATE\tDATABASE\tVERSION\tTITLE\tPATH\tSIZE"
	if live {
		heading += "\tREQUESTS\tERRORS\tMEAN\tP95\tLAST USE"
	}
	_, _ = fmt.Fprintln(tw, heading)
	for _, e := range list {
		version, size := "-", "-"
		if e.Version > 0 {
			version = fmt.Sprint(e.Version)
		}
		if e.Size != nil {
			size = status.Bytes(e.Size.Total())
		}
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s", e.Name, e.State, dash(e.Database), version, e.Title, e.Path, size)
		if u := e.Use; u != nil {
			mean, p95, last := "-", "-", "-"
			if u.Last != nil {
				mean, p95, last = status.Took(u.Mean), status.Took(u.P95), u.Last.Local().Format(time.DateTime)
			}
			_, _ = fmt.Fprintf(tw, "\t%d\t%d\t%s\t%s\t%s", u.Requests, u.Errors, mean, p95, last)
		}
		_, _ = fmt.Fprintln(tw)
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
