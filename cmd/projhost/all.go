package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// outcome is what became of one environment.
type outcome struct {
	Env    string  `json:"env"`
	Path   string  `json:"path"`
	State  string  `json:"state"` // ok, failed, done before, not reached
	Took   float64 `json:"seconds"`
	Output string  `json:"output,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// States of an outcome.
const (
	allOK     = "ok"
	allFailed = "failed"
	allDone   = "done before"
	allLeft   = "not reached"
)

// allFlags say which environments, and how.
type allFlags struct {
	parent string
	only   []string
	jobs   int
	resume string
	json   bool
	dry    bool
}

func allCommand() *cobra.Command {
	var f allFlags
	c := &cobra.Command{
		Use:   "all COMMAND [ARG...]",
		Short: "Do one thing to every environment of a directory",
		Long: `All runs a command for each environment in --env-parent-dir, some at a time, and ends
with a table of what became of each. The exit code is 1 if one failed. COMMAND is

` + allHelp() + `
With --resume FILE, the names of those that are done are added to FILE, and those in it
are left out: a run that was broken off goes on where it was. Flags of all stand before
COMMAND. With --dry-run, upgrade tells the steps that each environment needs.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			word, err := findAllWord(args)
			if err != nil {
				return err
			}
			args = args[1:]
			if f.dry && word.dry {
				args, f.dry, f.resume = append(slices.Clone(args), "--dry-run"), false, ""
			}
			dirs, err := f.environments()
			if err != nil {
				return failed(err)
			}
			list, err := f.run(c.Context(), dirs, func(ctx context.Context, dir string, out io.Writer) error {
				return word.do(ctx, dir, args, out)
			}, c.ErrOrStderr())
			if err == nil {
				err = f.show(c.OutOrStdout(), list)
			}
			bad := 0
			for _, o := range list {
				if o.State == allFailed || o.State == allLeft {
					bad++
				}
			}
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d of %d environments failed or were not reached", bad, len(list))
			}
			return failed(err)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&f.parent, "env-parent-dir", "", "the directory of environments (as TRAC_ENV_PARENT_DIR)")
	c.Flags().StringArrayVar(&f.only, "only", nil, "names of environments, as \"proj*\"; repeatable (default: all)")
	c.Flags().IntVar(&f.jobs, "jobs", 2*runtime.NumCPU(), "how many at a time")
	c.Flags().StringVar(&f.resume, "resume", "", "leave out those named in this file, and note there what is done")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "list the environments, and do nothing")
	c.Flags().BoolVar(&f.json, "json", false, "write JSON instead of a table")
	return c
}

// environments are the directories in the parent that are environments, sorted.
func (f *allFlags) environments() (dirs []string, err error) {
	if f.parent == "" {
		f.parent = os.Getenv("TRAC_ENV_PARENT_DIR")
	}
	if f.parent == "" {
		return nil, errors.New("no directory is named: give --env-parent-dir, or set TRAC_ENV_PARENT_DIR")
	}
	parent, err := filepath.Abs(f.parent)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if strings.HasPrefix(e.Name(), ".") || !isEnvironment(dir) {
			continue
		}
		wanted := len(f.only) == 0
		for _, pattern := range f.only {
			ok, err := filepath.Match(pattern, e.Name())
			if err != nil {
				return nil, fmt.Errorf("--only %s: %w", pattern, err)
			}
			wanted = wanted || ok
		}
		if wanted {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("no environment was found in %s", parent)
	}
	return dirs, nil
}

// run does the work, some at a time; when ctx ends, what has begun is ended and
// the rest left.
func (f *allFlags) run(ctx context.Context, dirs []string, task func(ctx context.Context, dir string, out io.Writer) error, stderr io.Writer) ([]outcome, error) {
	journal, done, err := f.journal()
	if err != nil {
		return nil, err
	}
	if journal != nil {
		defer func() { _ = journal.Close() }() // each line was written whole
	}
	list := make([]outcome, len(dirs))
	bar := progressOn(stderr, len(dirs))
	places := make(chan struct{}, max(1, f.jobs))
	var wg sync.WaitGroup
	var noting sync.Mutex
	for i, dir := range dirs {
		o := &list[i]
		o.Env, o.Path, o.State = filepath.Base(dir), dir, allLeft
		if done[dir] {
			o.State = allDone
			bar.add(1)
			continue
		}
		if f.dry {
			o.State = "would be done"
			bar.add(1)
			continue
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		wg.Go(func() {
			defer func() { <-places; bar.add(1) }()
			o.do(ctx, task)
			if o.State == allOK && journal != nil {
				noting.Lock()
				defer noting.Unlock()
				if _, err := fmt.Fprintln(journal, dir); err != nil {
					o.Error = "is done, but cannot be noted: " + err.Error()
				}
			}
		})
	}
	wg.Wait()
	bar.end()
	return list, nil
}

func (o *outcome) do(ctx context.Context, task func(ctx context.Context, dir string, out io.Writer) error) {
	begun := time.Now()
	var out bytes.Buffer
	err := task(ctx, o.Path, &out)
	o.Took, o.Output, o.State = time.Since(begun).Seconds(), strings.TrimSpace(out.String()), allOK
	if err != nil {
		o.State, o.Error = allFailed, firstLine(err)
	}
}

// journal opens the file that names what is done, and reads it.
func (f *allFlags) journal() (*os.File, map[string]bool, error) {
	if f.resume == "" || f.dry {
		return nil, nil, nil
	}
	file, err := os.OpenFile(f.resume, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("--resume: %w", err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, fmt.Errorf("--resume: %w", err)
	}
	done := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		done[strings.TrimSuffix(line, "\n")] = true
	}
	return file, done, nil
}

// progress shows how far it is; nil shows nothing.
type progress struct {
	all *mpb.Progress
	bar *mpb.Bar
}

// progressOn shows how far it is with n things, if somebody looks at a terminal.
func progressOn(w io.Writer, n int) *progress {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	p := mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())
	return &progress{p, p.AddBar(int64(n), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersNoUnit("%d of %d ")), mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO)))}
}

// add says that so many more are done.
func (p *progress) add(n int) {
	if p != nil {
		p.bar.IncrBy(n)
	}
}

// set says how many are done, of how many that are known now.
func (p *progress) set(done, known int) {
	if p != nil {
		p.bar.SetTotal(int64(known), false)
		p.bar.SetCurrent(int64(done))
	}
}

// end is for after the last.
func (p *progress) end() {
	if p != nil {
		p.bar.Abort(true) // if the run was broken off
		p.all.Wait()
	}
}

// show writes the table, those that failed last, where they are seen.
func (f *allFlags) show(w io.Writer, list []outcome) error {
	if f.json {
		return writeJSON(w, list)
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b outcome) int { return rank(a.State) - rank(b.State) })
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "NAME\tSTATE\tSECONDS\tWHAT IT SAID") // Flush tells
	for _, o := range sorted {
		said := o.Error
		if said == "" {
			said = o.Output
		}
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%.2f\t%s\n", o.Env, o.State, o.Took, strings.Join(strings.Fields(said), " "))
	}
	return tw.Flush()
}

func rank(state string) int {
	switch state {
	case allFailed:
		return 2
	case allLeft:
		return 1
	}
	return 0
}
