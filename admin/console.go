package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/text/width"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/internal/locale"
)

// Console is where a command runs: the environment it is about, where its
// output goes, and who can be asked. It is used by one goroutine, for one
// command or for all of a shell; Close it afterwards.
type Console struct {
	Dir  string    // the environment's directory, absolute
	In   io.Reader // what answers are read from; nil is nobody
	Out  io.Writer
	Err  io.Writer // what is not output, but should be known; nil is nobody
	JSON bool      // tables are written as JSON: a list of objects
	// Interactive says that a person is there: questions may be asked.
	Interactive bool
	// Locale is how dates may be typed, besides ISO 8601.
	Locale locale.Locale

	lines    *bufio.Reader
	ask      func(prompt string) (string, error) // of a shell's terminal, else nil
	registry *envs.Registry
	env      *envs.Env
	release  func()
}

// Env opens the environment, once. Errors are for the user.
func (c *Console) Env(ctx context.Context) (*envs.Env, error) {
	if c.env != nil {
		return c.env, nil
	}
	c.registry = envs.NewRegistry(envs.Options{AllowRoots: []string{c.Dir}, Admin: true})
	loc, err := c.registry.Locate(envs.Lookup{Dir: c.Dir})
	if err == nil {
		c.env, c.release, err = c.registry.Acquire(ctx, loc)
	}
	switch {
	case err != nil:
		err = errors.New(strings.TrimPrefix(fault.As(err).Err.Error(), envs.ErrBroken.Error()+": "))
	case c.env.ReadOnly():
		err = fmt.Errorf("the tables are of version %d: run \"projhost admin %s upgrade\" first", c.env.Version(), c.Dir)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	if c.Err != nil && c.env.Config().Bool("trac", "readonly") {
		_, _ = fmt.Fprintln(c.Err, "note: this project is read-only for its visitors ([trac] readonly); commands change it all the same")
	}
	return c.env, nil
}

// Close closes the environment. It may be opened again.
func (c *Console) Close() {
	if c.release != nil {
		c.release()
	}
	if c.registry != nil {
		_ = c.registry.Close(context.Background()) // nothing is in use
	}
	c.env, c.release, c.registry = nil, nil, nil
}

// ready tells what keeps a command from being run.
func (c *Console) ready(n Needs) error {
	if n == Nothing {
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "VERSION")); err != nil {
		return fmt.Errorf("no Trac environment found at %s: it has no file VERSION", c.Dir)
	}
	return nil
}

// Printf writes a line of output.
func (c *Console) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(c.Out, format, args...)
	return err
}

// Ask asks a question; an empty answer is the default. It fails if nobody is
// there to answer.
func (c *Console) Ask(question, standard string) (string, error) {
	if !c.Interactive || c.In == nil && c.ask == nil {
		return "", fmt.Errorf("%s is not given, and there is nobody to ask", question)
	}
	line, err := c.answer(fmt.Sprintf("%s [%s]> ", question, standard))
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("%s: no answer: %w", question, err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return standard, nil
	}
	return line, nil
}

// answer reads a line of what a person says.
func (c *Console) answer(prompt string) (string, error) {
	if c.ask != nil {
		return c.ask(prompt)
	}
	if err := c.Printf("%s", prompt); err != nil {
		return "", err
	}
	if c.lines == nil {
		c.lines = bufio.NewReader(c.In)
	}
	return c.lines.ReadString('\n')
}

// Table writes rows as trac-admin does: an empty line, the headings, dashes, the
// rows, an empty line; columns are as wide as they must be, two blanks apart.
// With JSON it is a list of objects, named by the headings in small letters,
// blanks as "_".
func (c *Console) Table(headings []string, rows [][]string) error {
	if c.JSON {
		list := make([]map[string]string, len(rows))
		for i, row := range rows {
			list[i] = make(map[string]string, len(row))
			for j, cell := range row {
				list[i][strings.ReplaceAll(strings.ToLower(headings[j]), " ", "_")] = cell
			}
		}
		return c.Object(list)
	}
	widths := make([]int, len(headings))
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], cells(cell))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-cells(cell)+columnGap))
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	line(headings)
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	b.WriteString(strings.Repeat("-", total) + "\n")
	for _, row := range rows {
		line(row)
	}
	b.WriteByte('\n')
	return c.Printf("%s", b.String())
}

// columnGap is what stands between columns, in blanks.
const columnGap = 2

// Object writes a value as JSON.
func (c *Console) Object(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// cells is how many cells of a terminal a text takes: characters of East Asia
// take two (Unicode Standard Annex 11).
func cells(s string) (n int) {
	for _, r := range s {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
