package admin

import (
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/term"
)

// Keyboard is a person's keys and screen.
type Keyboard struct {
	io.ReadWriter
	// Raw makes it hand over each key alone. That is undone after each line, so
	// that Ctrl-C stops a command.
	Raw func() (restore func() error, err error)
	// Size is that of the screen, in characters.
	Size func() (width, height int, err error)
}

// NewTerminal reads lines with editing, completion and a history, which is
// forgotten with it.
func NewTerminal(k Keyboard) Terminal { return &terminal{term.NewTerminal(k, ""), k} }

type terminal struct {
	*term.Terminal
	keyboard Keyboard
}

func (t *terminal) ReadLine(ctx context.Context, prompt string, complete func(string, int) Completion) (line string, err error) {
	restore, err := t.keyboard.Raw()
	if err != nil {
		return "", err
	}
	defer func() { _ = restore() }() // the line counts in any case
	if width, height, err := t.keyboard.Size(); err == nil && width > 0 {
		if err := t.SetSize(width, height); err != nil {
			return "", err
		}
	}
	t.SetPrompt(prompt)
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' || complete == nil {
			return "", 0, false
		}
		c := complete(line, pos)
		if len(c.Show) > 0 {
			_, _ = t.Write([]byte(strings.Join(c.Show, "  ") + "\n")) // the next prompt would fail, too
		}
		return c.Line, c.Pos, true
	}
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := t.Terminal.ReadLine()
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		done <- read{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done(): // nothing else ends the reading of a key: the process is about to end
		return "", ctx.Err()
	}
}
