package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"
	"unicode/utf8"

	"projhost/envs"
)

// How trac-admin writes dates in tables; they are in the process's time zone.
const (
	dateOnly = "2006-01-02"
	dateTime = "2006-01-02 15:04:05"
)

// written writes a moment for a table; "" for the zero time.
func written(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(layout)
}

// date reads a moment from the command line.
func (c *Console) date(text string) (time.Time, error) { return c.Locale.Parse(text, time.Now()) }

// dateOrNone reads a moment from the command line; "" is none.
func (c *Console) dateOrNone(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return c.date(text)
}

// arg is an argument that may be left out.
func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// author is who runs the program; changes that need a name get it.
func author() string {
	u, err := user.Current()
	if err != nil {
		return "trac"
	}
	return u.Username
}

// with opens the environment and runs f on it.
func with(ctx context.Context, c *Console, f func(*envs.Env) error) error {
	e, err := c.Env(ctx)
	if err != nil {
		return err
	}
	return f(e)
}

// names makes a completion of a list that is read from the environment; each
// argument from the first on for which it is meant is completed from it.
func names(list func(context.Context, *envs.Env) ([]string, error), places ...int) func(context.Context, *Console, []string) []string {
	return func(ctx context.Context, c *Console, args []string) (found []string) {
		for _, place := range places {
			if len(args) != place {
				continue
			}
			err := with(ctx, c, func(e *envs.Env) (err error) {
				found, err = list(ctx, e)
				return err
			})
			if err != nil {
				return nil // completing is a convenience; the command will tell
			}
		}
		return found
	}
}

// maxInput bounds a file that is read as a whole.
const maxInput = 64 << 20

// input reads a file as text, or what the command is fed if name is "".
func (c *Console) input(name string) (string, error) {
	in := c.In
	if name != "" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("%s is no file", name)
		}
		in = file
	}
	if in == nil {
		return "", fmt.Errorf("no file is named, and there is no input")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxInput:
		return "", fmt.Errorf("%s has more than %d MB", orInput(name), maxInput>>20)
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return "", fmt.Errorf("%s is no text in UTF-8", orInput(name))
	}
	return string(text), nil
}

func orInput(name string) string {
	if name == "" {
		return "the input"
	}
	return name
}

// output writes to the console if name is "", else to a file: a new one, or with
// replace in place of what is there.
func (c *Console) output(name string, replace bool, write func(io.Writer) error) error {
	if name == "" {
		return write(c.Out)
	}
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if replace {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(name, how, 0o666)
	switch {
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("%s is there already", name)
	case err != nil:
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		if !replace {
			_ = os.Remove(name)
		}
		return err
	}
	return file.Close()
}
