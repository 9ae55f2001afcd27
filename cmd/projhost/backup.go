package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"projhost/backup"
)

// backupFlags are what backup, restore and verify have in common.
type backupFlags struct {
	quiet    bool
	progress bool
	max      bytesValue
	options  backup.Options
}

func (f *backupFlags) register(c *cobra.Command, reads bool) {
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say nothing if all goes well; warnings are said")
	c.Flags().BoolVar(&f.progress, "progress", false, "tell every second how far it is")
	if reads {
		c.Flags().Var(&f.max, "max-size", "refuse archives of more than this, unpacked (default 256GB)")
	}
}

// prepare makes the options of one run.
func (f *backupFlags) prepare(stderr io.Writer) backup.Options {
	f.options.MaxBytes = int64(f.max)
	if f.progress {
		last := time.Now()
		f.options.Progress = func(p backup.Progress) {
			if now := time.Now(); now.Sub(last) >= time.Second {
				last = now
				_, _ = fmt.Fprintf(stderr, "%s: %d files, %d bytes %s\n", p.Doing, p.Files, p.Bytes, p.Path)
			}
		}
	}
	return f.options
}

// tell says what became of it.
func (f *backupFlags) tell(c *cobra.Command, what string, r *backup.Report) error {
	for _, w := range r.Warnings {
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "warning: "+w)
	}
	if f.quiet || r.Manifest == nil {
		return nil
	}
	m := r.Manifest
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s of %s, %d files, %d bytes, %d tables of version %d\n",
		what, m.Environment, m.Made.Format(time.RFC3339), r.Files, r.Bytes, len(m.Database.Tables), m.Database.Version)
	return err
}

func backupCommand() *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use:   "backup ENV FILE",
		Short: "Copy an environment that may be in use into one file",
		Long: "Backup copies an environment's database, settings, attachments and other files, but not its\n" +
			"logs, into FILE, which tar can read, too. Nobody has to stop working. FILE gets its name\n" +
			"when it is complete; it may only be read by its owner, for trac.ini may hold passwords.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			report, err := backup.Create(c.Context(), args[0], args[1], f.prepare(c.ErrOrStderr()))
			if err != nil {
				return failed(err)
			}
			return failed(f.tell(c, args[1], report))
		},
	}
	f.register(c, false)
	c.Flags().BoolVar(&f.options.Replace, "replace", false, "take the place of a file that is there")
	return c
}

func restoreCommand() *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use:   "restore FILE DIR",
		Short: "Make an environment out of a backup",
		Long: "Restore unpacks FILE beside DIR, checks everything as verify does, and only then gives it the\n" +
			"name DIR, which must be an empty directory or not be there. Run by root, it gives the files their owners.\n" +
			"The database is a file of SQLite, also of an environment that had it in PostgreSQL, unless --database\n" +
			"names an empty schema, or one that is not there, for it.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			report, err := backup.Restore(c.Context(), args[0], args[1], f.prepare(c.ErrOrStderr()))
			if err != nil {
				return failed(err)
			}
			return failed(f.tell(c, args[1], report))
		},
	}
	f.register(c, true)
	c.Flags().StringVar(&f.options.Database, "database", "", "put the database into PostgreSQL: postgres://user:password@host/db?schema=name")
	c.Flags().BoolVar(&f.options.ReplaceText, "replace-invalid", false, "put U+FFFD in the place of what PostgreSQL refuses in texts")
	return c
}

func verifyCommand() *cobra.Command {
	var f backupFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Tell whether a backup would bring its environment back",
		Long: "Verify compares every digest, unpacks FILE into a temporary directory, opens the environment\n" +
			"and its database, checks that for damage and counts the rows of every table. What differs from\n" +
			"the time of the backup is listed, and the exit code is 1.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			report, err := backup.Verify(c.Context(), args[0], f.prepare(c.ErrOrStderr()))
			if err != nil {
				return failed(err)
			}
			if asJSON {
				err = writeVerified(c.OutOrStdout(), report)
			} else if err = f.tell(c, args[0], report); err == nil {
				err = writeDifferences(c.OutOrStdout(), report.Differences)
			}
			if n := len(report.Differences); err == nil && n > 0 {
				err = fmt.Errorf("%s differs from what was backed up in %d things", args[0], n)
			}
			return failed(err)
		},
	}
	f.register(c, true)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.Flags().StringVar(&f.options.TempDir, "temp-dir", "", "where to unpack (default the system's)")
	return c
}

// verified is the outcome of verify --json.
type verified struct {
	OK          bool         `json:"ok"`
	Environment string       `json:"environment,omitempty"`
	Made        *time.Time   `json:"made,omitempty"`
	Files       int          `json:"files"`
	Bytes       int64        `json:"bytes"`
	Warnings    []string     `json:"warnings"`
	Differences []difference `json:"differences"`
}

type difference struct {
	What  string `json:"what"`
	Want  string `json:"want"`
	Found string `json:"found"`
}

func writeVerified(w io.Writer, r *backup.Report) error {
	v := verified{OK: len(r.Differences) == 0, Files: r.Files, Bytes: r.Bytes, Warnings: append([]string{}, r.Warnings...), Differences: []difference{}}
	if r.Manifest != nil {
		v.Environment, v.Made = r.Manifest.Environment, &r.Manifest.Made
	}
	for _, d := range r.Differences {
		v.Differences = append(v.Differences, difference(d))
	}
	return writeJSON(w, v)
}

func writeDifferences(w io.Writer, list []backup.Difference) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "verified: nothing is missing, and nothing has changed")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "WHAT\tWANT\tFOUND")
	for _, d := range list {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\n", d.What, d.Want, d.Found)
	}
	return tw.Flush()
}
