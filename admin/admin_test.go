package admin_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"projhost/admin"
	"projhost/testenvs"
)

// console makes an environment and is where commands on it run.
func console(t *testing.T) (*admin.Console, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	c := &admin.Console{Dir: testenvs.Parent(t, "one") + "/one", Out: out}
	t.Cleanup(c.Close)
	return c, out
}

func run(t *testing.T, c *admin.Console, words ...string) {
	t.Helper()
	if err := admin.Run(t.Context(), c, admin.Commands(), words); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

func TestCommandsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range admin.Commands() {
		if seen[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		seen[c.Name] = true
		if c.Help == "" || c.Run == nil || c.Max >= 0 && c.Max < c.Min {
			t.Errorf("%s is not whole", c.Name)
		}
		if c.Flags { // which its Run reads, and counts
			continue
		}
		if wanted := len(strings.Fields(strings.ReplaceAll(c.Args, "[sid[:0|:1]]", "[sid]"))); c.Max >= 0 && wanted != c.Max {
			t.Errorf("%s: takes %d arguments, names %d", c.Usage(), c.Max, wanted)
		}
		if strings.HasSuffix(c.Args, "...") != (c.Max < 0) && !strings.HasSuffix(c.Args, "...]") {
			t.Errorf("%s: takes %d arguments", c.Usage(), c.Max)
		}
	}
	// trac-admin's, as far as they are about data
	for line := range strings.Lines(`attachment add list remove move export
component add list rename remove chown
milestone add list rename due completed remove
permission list add remove export import
priority add change list order remove
resolution add change list order remove
session list add set delete purge
severity add change list order remove
ticket remove remove_comment
ticket_type add change list order remove
version add list rename time remove
wiki list rename remove export import dump load replace upgrade
`) {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			if !seen[words[0]+" "+w] {
				t.Errorf("%s %s is missing", words[0], w)
			}
		}
	}
	for _, name := range []string{"initenv", "initdb", "upgrade", "hotcopy", "convert_db"} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCompletion(t *testing.T) {
	c, _ := console(t)
	run(t, c, "permission", "add", "bo", "crew")
	run(t, c, "session", "add", "ana")
	run(t, c, "session", "add", "f00:0")
	file := filepath.Join(t.TempDir(), "f.txt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, c, "attachment", "add", "wiki:WikiStart", file)
	all := admin.Commands()
	for words, want := range map[string]string{
		"permission list":                      "anonymous",
		"permission add":                       "bo",
		"permission add|bo":                    "TRAC_ADMIN",
		"permission add|bo|X":                  "authenticated",
		"permission remove|bo|X":               "WIKI_VIEW",
		"session set":                          "default_handler",
		"session set|name":                     "f00:0",
		"session set|name|ana":                 "",
		"session list":                         "ana:1",
		"session delete":                       "f00:0",
		"session delete|x|y":                   "ana:1",
		"component chown":                      "component2",
		"priority remove":                      "blocker",
		"priority order|blocker":               "down",
		"ticket_type change":                   "task",
		"milestone due":                        "milestone4",
		"version time":                         "2.0",
		"wiki export":                          "Größe/Übersicht",
		"attachment remove|wiki:WikiStart":     "f.txt",
		"attachment export|nonsense":           "",
		"attachment export|wiki:WikiStart|f|d": "",
		"component rename|component1":          "",
	} {
		parts := strings.Split(words, "|")
		i := slices.IndexFunc(all, func(c admin.Command) bool { return c.Name == parts[0] })
		got := all[i].Complete(t.Context(), c, parts[1:])
		if want == "" && len(got) > 0 || want != "" && !slices.Contains(got, want) {
			t.Errorf("%s: %v", words, got)
		}
	}
	gone := &admin.Console{Dir: t.TempDir(), Out: new(bytes.Buffer)}
	for _, cmd := range all {
		if cmd.Complete == nil {
			continue
		}
		for n := range 3 {
			if n < cmd.Min {
				cmd.Complete(t.Context(), gone, slices.Repeat([]string{"wiki:x"}, n)) // must not fail
			}
		}
	}
}

func TestErrors(t *testing.T) {
	c, _ := console(t)
	for words, says := range map[string]string{
		"permission import":                                 "no file is named, and there is no input",
		"wiki import X":                                     "no file is named, and there is no input",
		"wiki dump /nosuch/nosuch":                          "/nosuch/nosuch",
		"wiki import a//b /nosuch":                          "open /nosuch: ",
		"attachment add wiki:Nowhere " + c.Dir + "/VERSION": "There is no wiki:Nowhere.",
		"component rename component1 component2":            `There is a component "component2" already.`,
	} {
		err := admin.Run(t.Context(), c, admin.Commands(), strings.Fields(words))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "not found:") || errors.Is(err, admin.ErrUsage) {
			t.Errorf("%s: %v", words, err)
		}
	}
	c.In = strings.NewReader(strings.Repeat("x", 64<<20+1))
	if err := admin.Run(t.Context(), c, admin.Commands(), []string{"wiki", "import", "X"}); err == nil || !strings.Contains(err.Error(), "the input has more than 64 MB") {
		t.Errorf("%v", err)
	}
	c.In = strings.NewReader("ana,WIKI_VIEW\nbo,\"x")
	if err := admin.Run(t.Context(), c, admin.Commands(), []string{"permission", "import"}); err == nil || !strings.Contains(err.Error(), "the input: ") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}

func TestPrettySize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KB", 1536: "1.5 KB", 1 << 20: "1.0 MB", 5 << 30: "5.0 GB", 3 << 40: "3.0 TB", 2048 << 40: "2048.0 TB",
	} {
		if got := admin.PrettySize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestFileNames(t *testing.T) {
	for name, file := range map[string]string{
		"WikiStart": "WikiStart", "a/b c": "a%2Fb%20c", "Größe": "Gr%C3%B6%C3%9Fe", "..": "%2E%2E", ".": "%2E", "a%2Fb": "a%252Fb", "~_-.": "~_-.",
	} {
		if got := admin.QuoteName(name); got != file {
			t.Errorf("%q: %s, want %s", name, got, file)
		}
	}
	for file, name := range map[string]string{"%": "%", "100%": "100%", "%zz": "%zz", "%4": "%4", "a%20b%": "a b%", "%+1": "%+1"} {
		if got := admin.UnquoteName(file); got != name {
			t.Errorf("%q: %q, want %q", file, got, name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[^\x00]+`).Draw(t, "name")
		file := admin.QuoteName(name)
		if got := admin.UnquoteName(file); got != name {
			t.Fatalf("%q becomes %q, then %q", name, file, got)
		}
		if strings.Contains(file, "/") || file == "." || file == ".." {
			t.Fatalf("%q is no file's name", file)
		}
	})
}

func TestWrap(t *testing.T) {
	text := strings.Repeat("word, ", 40)
	for line := range strings.Lines(admin.Wrap(text)) {
		if len(line) > 76 || line[0] != ' ' {
			t.Errorf("%q", line)
		}
	}
	if got := admin.Wrap("a, b"); got != " a, b\n" {
		t.Errorf("%q", got)
	}
}
