package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Shell runs commands that come line by line, as trac-admin does when it is
// given an environment alone. An error ends a command, not the shell.
type Shell struct {
	Console  *Console
	Commands []Command
	Report   func(error) // tells the user of an error
}

// Terminal is what a person types at.
type Terminal interface {
	// ReadLine shows a prompt and returns what is typed, without the line's end;
	// io.EOF if nothing more comes. complete, if not nil, is asked at each TAB.
	ReadLine(ctx context.Context, prompt string, complete func(line string, pos int) Completion) (string, error)
}

// Completion is what a TAB makes of a line.
type Completion struct {
	Line string
	Pos  int      // of the cursor, in bytes
	Show []string // the words it may go on with, if there are several
}

// ErrReported says that some commands have failed, of which the user was told.
var ErrReported = errors.New("some commands have failed")

// maxLine bounds a line of a script, in bytes.
const maxLine = 1 << 20

// Interact serves a person until they leave with quit, exit, Ctrl-C or the end
// of input; the result is nil then.
func (s *Shell) Interact(ctx context.Context, t Terminal) error {
	c := s.Console
	c.Interactive = true
	c.ask = func(prompt string) (string, error) { return t.ReadLine(ctx, prompt, nil) }
	defer func() { c.ask = nil }()
	if err := c.Printf("\"help\" lists the commands, \"quit\" leaves.\n"); err != nil {
		return err
	}
	complete := func(line string, pos int) Completion { return s.complete(ctx, line, pos) }
	for {
		line, err := t.ReadLine(ctx, "Trac ["+c.Dir+"]> ", complete)
		switch {
		case errors.Is(err, io.EOF):
			return c.Printf("\n")
		case err != nil:
			return err
		}
		leave, err := s.line(ctx, line)
		if err != nil {
			s.Report(err)
		}
		if leave || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Script runs the commands that in has, one a line. It goes on after an error;
// the result is [ErrReported] then.
func (s *Shell) Script(ctx context.Context, in io.Reader) error {
	s.Console.In, s.Console.Interactive = nil, false // answers would be taken for commands, and commands for answers
	failed := false
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() && ctx.Err() == nil {
		leave, err := s.line(ctx, lines.Text())
		if err != nil {
			failed = true
			s.Report(err)
		}
		if leave {
			break
		}
	}
	if err := errors.Join(lines.Err(), ctx.Err()); err != nil {
		return fmt.Errorf("reading commands: %w", err)
	}
	if failed {
		return ErrReported
	}
	return nil
}

// line runs one line; leave says that it was the last.
func (s *Shell) line(ctx context.Context, line string) (leave bool, err error) {
	words, err := Split(line)
	switch {
	case err != nil || len(words) == 0:
		return false, err
	case len(words) == 1 && (words[0] == "quit" || words[0] == "exit"):
		return true, nil
	}
	// Another process may change anything before the next line.
	defer s.Console.Close()
	return false, Run(ctx, s.Console, s.Commands, words)
}

// Split parts a line into words as trac-admin's shell does: at blanks, but not
// inside '…' or "…". A backslash is a letter like any other.
func Split(line string) ([]string, error) {
	words, _, open := lex(line)
	if open != 0 {
		return nil, usage(fmt.Sprintf("the quotation mark %c is not closed", open))
	}
	return words, nil
}

// lex is Split of a line that may not be complete: last is where its last word
// begins, the line's end if that is a blank; open is the mark that is not closed.
func lex(line string) (words []string, last int, open rune) {
	var word strings.Builder
	inside := false
	for i, r := range line {
		switch {
		case open == 0 && unicode.IsSpace(r):
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
			continue
		case !inside:
			inside, last = true, i
		}
		switch {
		case open == r:
			open = 0
		case open == 0 && (r == '"' || r == '\''):
			open = r
		default:
			word.WriteRune(r)
		}
	}
	if !inside {
		return words, len(line), open
	}
	return append(words, word.String()), last, open
}

// quote writes a word so that Split reads it.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, `"'`) && !strings.ContainsFunc(word, unicode.IsSpace) {
		return word
	}
	return `"` + strings.ReplaceAll(word, `"`, `"'"'"`) + `"`
}

// complete completes the word before the cursor as far as there is no choice.
func (s *Shell) complete(ctx context.Context, line string, pos int) Completion {
	words, last, _ := lex(line[:pos])
	start := ""
	if last < pos {
		start, words = words[len(words)-1], words[:len(words)-1]
	}
	var fit []string
	for _, word := range s.candidates(ctx, words) {
		if strings.HasPrefix(word, start) {
			fit = append(fit, word)
		}
	}
	slices.Sort(fit)
	fit = slices.Compact(fit)
	done := func(text string, show []string) Completion {
		return Completion{Line: line[:last] + text + line[pos:], Pos: last + len(text), Show: show}
	}
	switch len(fit) {
	case 0:
		return Completion{Line: line, Pos: pos}
	case 1:
		return done(quote(fit[0])+" ", nil)
	}
	if common := commonStart(fit); len(common) > len(start) && quote(common) == common {
		return done(common, nil)
	}
	return Completion{Line: line, Pos: pos, Show: fit}
}

// candidates are what may follow words.
func (s *Shell) candidates(ctx context.Context, words []string) []string {
	list := nextWords(s.Commands, words)
	if len(words) == 0 {
		return append(list, "exit", "quit")
	}
	if c, args, err := find(s.Commands, words); err == nil && c.Complete != nil {
		list = append(list, c.Complete(ctx, s.Console, args)...)
		s.Console.Close()
	}
	return list
}

// commonStart is what all words begin with.
func commonStart(words []string) string {
	first := words[0]
	for i, r := range first {
		start := first[:i+len(string(r))]
		if slices.ContainsFunc(words, func(w string) bool { return !strings.HasPrefix(w, start) }) {
			return first[:i]
		}
	}
	return first
}
