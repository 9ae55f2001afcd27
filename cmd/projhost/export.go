package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"projhost/dispatch"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/export"
	"projhost/project"
)

// exportFlags say what is exported, and how.
type exportFlags struct {
	baseURL  string
	user     string
	history  bool
	replace  bool
	strict   bool
	json     bool
	maxSize  bytesValue
	maxPages int
}

func exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export ENV DEST",
		Short: "Make static files of a project, with the same addresses",
		Long: `Export writes what a visitor of the project is shown into the directory DEST: pages,
attachments byte for byte, static files. The visitor is nobody in particular, or --user.
Nothing in it offers to sign in or to change anything. A web server that has the
project's address at DEST answers with these files; DEST/.export/nginx.conf, included
in a server of nginx, has it answer every address as before (docs/operating.md).

DEST must not be there, or be empty; with --force it may be a former export. It gets
its name when it is complete. At the end, links within the project that lead to
nothing are listed; with --strict, the exit code is 1 if there are any.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			bar := progressOn(c.ErrOrStderr(), 0)
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			report, err := f.run(c.Context(), args[0], args[1], log, bar.set)
			bar.end()
			if err != nil {
				return failed(err)
			}
			if err := f.tell(c.OutOrStdout(), args[1], report); err != nil {
				return failed(err)
			}
			if n := len(report.Broken); f.strict && n > 0 {
				return failed(fmt.Errorf("%d links lead to nothing", n))
			}
			return nil
		},
	}
	c.Flags().StringVar(&f.baseURL, "base-url", "", "address of the project, https://HOST/PATH or /PATH (default: [trac] base_url, else /NAME)")
	c.Flags().StringVar(&f.user, "user", "", "export what this user is shown (default: what everybody is)")
	c.Flags().BoolVar(&f.history, "history", false, "include former versions of pages")
	c.Flags().BoolVar(&f.replace, "force", false, "take the place of a former export")
	c.Flags().BoolVar(&f.strict, "strict", false, "fail if a link leads to nothing")
	c.Flags().BoolVar(&f.json, "json", false, "write JSON")
	c.Flags().Var(&f.maxSize, "max-size", "refuse to write more than this (default 256GB)")
	c.Flags().IntVar(&f.maxPages, "max-pages", export.DefaultMaxAddresses, "refuse projects of more addresses")
	return c
}

// run exports the environment in dir; log is told why a page cannot be made.
func (f *exportFlags) run(ctx context.Context, dir, dest string, log *slog.Logger, progress func(done, known int)) (report *export.Report, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	base, err := f.base(dir)
	if err != nil {
		return nil, err
	}
	r := envs.NewRegistry(envs.Options{AllowRoots: []string{dir}, ReadOnly: true})
	defer func() { err = errors.Join(err, r.Close(context.WithoutCancel(ctx))) }()
	if _, release, err := acquire(ctx, r, dir); err != nil {
		return nil, err // in words, where the host would have a page
	} else {
		release()
	}
	host := dispatch.New(dispatch.Options{Registry: r, Site: project.NewSite(append(modules(), export.Module{})...), Log: log})
	return export.Run(ctx, dest, export.Options{
		Host: host, Dir: dir, Base: base, User: f.user, History: f.history, Replace: f.replace,
		MaxAddresses: f.maxPages, MaxBytes: int64(f.maxSize), Progress: progress,
	})
}

// base is the address of the project in dir: as the flag says, as trac.ini says,
// or where a server of its parent directory has it.
func (f *exportFlags) base(dir string) (*url.URL, error) {
	if f.baseURL != "" {
		return export.BaseOf(f.baseURL)
	}
	config, err := tracini.Load(envs.ConfigFile(dir))
	if err != nil {
		return nil, err
	}
	if own := config.String("trac", "base_url"); own != "" {
		return export.BaseOf(own)
	}
	return &url.URL{Path: "/" + filepath.Base(dir)}, nil
}

// exported is a report in a line.
func exported(r *export.Report) string {
	return fmt.Sprintf("%d pages, %d files, %d redirects, %d bytes; %d links lead elsewhere, %d to nothing; %d addresses are not shown",
		r.Pages, r.Files, r.Redirects, r.Bytes, r.External, len(r.Broken), len(r.Skipped))
}

// tell says what became of it.
func (f *exportFlags) tell(w io.Writer, dest string, r *export.Report) error {
	if f.json {
		return writeJSON(w, r)
	}
	if _, err := fmt.Fprintf(w, "%s: %s\n", dest, exported(r)); err != nil {
		return err
	}
	for _, l := range r.Skipped {
		if _, err := fmt.Fprintf(w, "not shown: %s (%s)\n", l.Target, l.Why); err != nil {
			return err
		}
	}
	for _, l := range r.Broken {
		if _, err := fmt.Fprintf(w, "leads to nothing: %s on %s (%s)\n", l.Target, l.Page, l.Why); err != nil {
			return err
		}
	}
	return nil
}
