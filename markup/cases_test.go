package markup_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"projhost/markup"
)

// wikiCase is a text and the HTML that Trac 1.6 makes of it.
type wikiCase struct {
	Name    string
	Input   string
	Flavor  string
	Context struct{ Realm, ID string }
	User    string
	Config  [][3]string
	Options struct {
		EscapeNewlines bool `json:"escape_newlines"`
		MaxDepth       int  `json:"max_depth"`
		MinDepth       int  `json:"min_depth"`
	}
	Expected string `json:"expected_html"`
}

func (c *wikiCase) options(fix fixtures) markup.Options {
	s := &site{fixtures: fix, config: make(map[string]string), anonymous: c.User == "anonymous"}
	for _, o := range slices.Concat(fix.Config, c.Config) {
		s.config[o[0]+" "+o[1]] = o[2]
	}
	o := markup.Options{
		Resolver: s, Context: markup.Context(c.Context), EscapeNewlines: c.Options.EscapeNewlines,
		LocalURL: fix.AbsBase, ShowEmail: !s.anonymous, PlainMailto: s.config["trac never_obfuscate_mailto"] == "true",
	}
	if list := s.config["wiki safe_schemes"]; list != "" {
		o.SafeSchemes = strings.Split(list, ", ")
	}
	return o
}

func (c *wikiCase) render(fix fixtures) string {
	var d *markup.Doc
	switch c.Flavor {
	case "oneliner":
		d = markup.ParseInline(c.Input)
	case "inline":
		d = markup.ParseShort(c.Input)
	case "outline":
		return "" // later
	default:
		d = markup.Parse(c.Input)
	}
	return string(d.AppendHTML(nil, c.options(fix)))
}

// names reads a list of case names: one a line, with a reason behind it.
func names(t testing.TB, file string) map[string]bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := make(map[string]bool)
	var order []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, _, _ := strings.Cut(lines.Text(), " ")
		if name == "" || name[0] == '#' {
			continue
		}
		list[name] = true
		order = append(order, name)
	}
	if !slices.IsSorted(order) {
		t.Errorf("%s is not sorted", file)
	}
	return list
}

// TestCases renders every case. Those in later.txt are not supported yet and
// must fail, so that the list shrinks; those in differs.txt are meant to be
// written otherwise than Trac writes them.
func TestCases(t *testing.T) {
	var cases []wikiCase
	var fix fixtures
	readJSON(t, "testdata/cases.json", &cases)
	readJSON(t, "testdata/fixtures.json", &fix)
	later, differs := names(t, "testdata/later.txt"), names(t, "testdata/differs.txt")
	seen := make(map[string]bool)
	passed := 0
	for _, c := range cases {
		seen[c.Name] = true
		got := c.render(fix)
		same := got == c.Expected
		if same {
			passed++
		}
		switch {
		case same && (later[c.Name] || differs[c.Name]):
			t.Errorf("%s passes: take it off its list", c.Name)
		case !same && !later[c.Name] && !differs[c.Name]:
			t.Errorf("%s\n   in %q\n  got %q\n want %q", c.Name, c.Input, got, c.Expected)
		}
	}
	for name := range later {
		if !seen[name] {
			t.Errorf("testdata/later.txt: no case %q", name)
		}
	}
	t.Logf("%d of %d cases are as Trac has them, %d are for later, %d differ on purpose", passed, len(cases), len(later), len(differs))
}
