package admin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"projhost/admin"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                          nil,
		"  \t ":                     nil,
		"permission list":           {"permission", "list"},
		` a  "b c"  'd "e' `:        {"a", "b c", `d "e`},
		`C:\temp\new "\n" '\\'`:     {`C:\temp\new`, `\n`, `\\`},
		`a"b c"d'e f'`:              {"ab cde f"},
		`"" ''`:                     {"", ""},
		"größe\u00a0x # no comment": {"größe", "x", "#", "no", "comment"},
	} {
		if got, err := admin.Split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`a "b`, `'`, `a"`} {
		if got, err := admin.Split(line); !errors.Is(err, admin.ErrUsage) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

// typist is a terminal at which lines are typed that were thought of before.
type typist struct {
	lines   []string // a TAB asks for completion and shows it
	prompts []string
	shown   []string
}

func (p *typist) ReadLine(_ context.Context, prompt string, complete func(string, int) admin.Completion) (string, error) {
	p.prompts = append(p.prompts, prompt)
	if len(p.lines) == 0 {
		return "", io.EOF
	}
	line := ""
	for i, part := range strings.Split(p.lines[0], "\t") {
		if i > 0 {
			c := complete(line, len(line))
			line = c.Line[:c.Pos]
			p.shown = append(p.shown, strings.Join(c.Show, " "))
		}
		line += part
	}
	p.lines = p.lines[1:]
	return line, nil
}

// shell has, besides Trac's commands, one that asks.
func shell(c *admin.Console, errs *[]string) *admin.Shell {
	return &admin.Shell{Console: c, Report: func(err error) { *errs = append(*errs, err.Error()) }, Commands: admin.Commands(admin.Command{
		Name: "who", Needs: admin.Nothing,
		Run: func(_ context.Context, c *admin.Console, _ []string) error {
			name, err := c.Ask("Name", "nobody")
			if err != nil {
				return err
			}
			return c.Printf("it is %s\n", name)
		},
	})}
}

func TestInteract(t *testing.T) {
	c := fixture(t, "[a]\nb = 1\n[a c]\nd = 2\n")
	var errs []string
	p := &typist{lines: []string{
		"config get a b", "", "nosuch", "config get 'a", "config set a b 'x y'", "config get a b",
		"who", "me", "who", "", "conf\tg\t\"a \td\t", "exit", "config get a b",
	}}
	if err := shell(c, &errs).Interact(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	out := c.Out.(*bytes.Buffer).String()
	if want := "1\nx y\nit is me\nit is nobody\n2\n"; !strings.HasSuffix(out, want) {
		t.Errorf("written: %q, want %q", out, want)
	}
	if len(errs) != 2 || !strings.Contains(errs[0], "nosuch: command not found") || !strings.Contains(errs[1], "not closed") {
		t.Errorf("errors: %q", errs)
	}
	if !slices.Equal(p.lines, []string{"config get a b"}) {
		t.Errorf("not read: %q", p.lines)
	}
	if want := "Trac [" + c.Dir + "]> "; p.prompts[0] != want || p.prompts[7] != "Name [nobody]> " {
		t.Errorf("prompts: %q", p.prompts)
	}
	// The end of input leaves as well, and a shell that ends with its context says so.
	if err := shell(c, &errs).Interact(t.Context(), &typist{}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := shell(c, &errs).Interact(ctx, &typist{lines: []string{"help", "help"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestScript(t *testing.T) {
	c := fixture(t, "[a]\nb = 1\n")
	var errs []string
	err := shell(c, &errs).Script(t.Context(), strings.NewReader("config get a b\nnosuch\n\nwho\nconfig get a b"))
	if !errors.Is(err, admin.ErrReported) || len(errs) != 2 || !strings.Contains(errs[1], "nobody to ask") {
		t.Errorf("got %v; errors %q", err, errs)
	}
	if out := c.Out.(*bytes.Buffer).String(); out != "1\n1\n" {
		t.Errorf("written: %q", out)
	}
	errs = nil
	if err := shell(c, &errs).Script(t.Context(), strings.NewReader("config get a b\nquit\nnosuch\n")); err != nil || errs != nil {
		t.Errorf("got %v; errors %q", err, errs)
	}
	if err := shell(c, &errs).Script(t.Context(), strings.NewReader(strings.Repeat("x", 2<<20))); err == nil || errors.Is(err, admin.ErrReported) {
		t.Errorf("a line of 2 MiB: %v", err)
	}
}

func TestComplete(t *testing.T) {
	c := fixture(t, "[it's]\nq\"x = 1\n[my own]\nb = 1\n")
	for _, x := range []struct{ typed, line, shown string }{
		{"perm", "permission ", ""},
		{"config get pro", "config get project ", ""},
		{"config get project na", "config get project name ", ""},
		{"config get my", `config get "my own" `, ""},
		{`config get "my o`, `config get "my own" `, ""},
		{`config get 'my own' `, `config get 'my own' b `, ""},
		{"config get it", `config get "it's" `, ""},
		{`config get "it's" q`, `config get "it's" "q"'"'"x" `, ""},
		{"config ", "config ", "dump get remove set"},
		{"e", "exit ", ""},
		{"config get tic", "config get ticket", ""},
		{"config get ticket", "config get ticket", "ticket ticket-custom ticket-workflow"},
		{"config get trac default_h", "config get trac default_handler ", ""},
		{"config set trac timeout 1", "config set trac timeout 1", ""},
		{"help config g", "help config get ", ""},
		{"nosuch x", "nosuch x", ""},
	} {
		p := &typist{lines: []string{x.typed + "\t"}}
		got := ""
		s := shell(c, new([]string))
		_ = s.Interact(t.Context(), catch{p, &got})
		if got != x.line || len(p.shown) != 1 || p.shown[0] != x.shown {
			t.Errorf("%q became %q, showing %q; want %q, %q", x.typed, got, p.shown, x.line, x.shown)
		}
		if words, err := admin.Split(got); strings.HasSuffix(got, " ") && (err != nil || len(words) == 0) {
			t.Errorf("%q is no line: %v", got, err)
		}
	}
}

// catch keeps the first line that a typist types, and leaves.
type catch struct {
	*typist
	line *string
}

func (c catch) ReadLine(ctx context.Context, prompt string, complete func(string, int) admin.Completion) (string, error) {
	line, err := c.typist.ReadLine(ctx, prompt, complete)
	if err == nil {
		*c.line = line
	}
	return "quit", err
}

// keys is a keyboard that sends keys, and what came on the screen.
type keys struct {
	io.Reader
	bytes.Buffer
}

func (k *keys) Read(p []byte) (int, error)  { return k.Reader.Read(p) }
func (k *keys) Write(p []byte) (int, error) { return k.Buffer.Write(p) }

// TestTerminal: real keys, of which some edit, complete, and call up former lines.
func TestTerminal(t *testing.T) {
	c := fixture(t, "[a]\nb = 1\n")
	var errs []string
	k := &keys{Reader: strings.NewReader("config \tget a c\x7fb\r\x1b[A\rconfig get a nosuch\r\x04")}
	raw, restored := 0, 0
	terminal := admin.NewTerminal(admin.Keyboard{
		ReadWriter: k,
		Raw:        func() (func() error, error) { raw++; return func() error { restored++; return nil }, nil },
		Size:       func() (int, int, error) { return 120, 40, nil },
	})
	if err := shell(c, &errs).Interact(t.Context(), terminal); err != nil {
		t.Fatal(err)
	}
	if out := c.Out.(*bytes.Buffer).String(); !strings.HasSuffix(out, "\n1\n1\n\n") {
		t.Errorf("written: %q", out)
	}
	if len(errs) != 1 || !strings.Contains(errs[0], "nosuch") {
		t.Errorf("errors: %q", errs)
	}
	if raw != 4 || restored != 4 {
		t.Errorf("raw %d times, restored %d times; want 4", raw, restored)
	}
	if !strings.Contains(k.String(), "dump  get  remove  set") {
		t.Errorf("the screen: %q", k.String())
	}
}

func TestTerminalEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	restored := make(chan bool, 1)
	terminal := admin.NewTerminal(admin.Keyboard{
		ReadWriter: &keys{Reader: r},
		Raw:        func() (func() error, error) { return func() error { restored <- true; return nil }, nil },
		Size:       func() (int, int, error) { return 0, 0, errors.New("unknown") },
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := terminal.ReadLine(ctx, "> ", nil); !errors.Is(err, context.Canceled) || !<-restored {
		t.Errorf("got %v", err)
	}
}

func TestHelp(t *testing.T) {
	all := admin.Commands()
	text, err := admin.Help(all, nil)
	for _, part := range []string{"config set section option value", "permission list [user]", "help [command...]"} {
		if err != nil || !strings.Contains(text, part) {
			t.Errorf("%q is not in %q, %v", part, text, err)
		}
	}
	text, err = admin.Help(all, []string{"config"})
	if err != nil || !strings.Contains(text, "config dump\n\n    ") || strings.Contains(text, "permission") {
		t.Errorf("got %q, %v", text, err)
	}
	if text, err = admin.Help(all, []string{"config", "get"}); err != nil || strings.Contains(text, "config set") {
		t.Errorf("got %q, %v", text, err)
	}
	for words, want := range map[string]string{
		"permision": "was this meant: permission?", "confg get": "config get", "permissoin lost": "permission?", "xyzzy": "",
	} {
		_, err := admin.Help(all, strings.Fields(words))
		if !errors.Is(err, admin.ErrUsage) || !strings.Contains(err.Error(), want) || want == "" && strings.Contains(err.Error(), "meant") {
			t.Errorf("%s: %v", words, err)
		}
	}
}
