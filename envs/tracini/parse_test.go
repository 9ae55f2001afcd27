package tracini_test

import (
	"slices"
	"strings"
	"testing"

	"gopkg.in/ini.v1"
	"pgregory.net/rapid"

	"projhost/envs/tracini"
)

// TestSyntax holds one case for each rule. What Trac makes of the texts was
// compared with Python's ConfigParser, strict and without interpolation.
func TestSyntax(t *testing.T) {
	for _, c := range []struct {
		rule, text string
		want       string // "section|name|value" by ";", "!" and part of the problem
		line       int    // of the problem
	}{
		{"an option", "[a]\nb = c\n", "a|b|c", 0},
		{"no line end at the end", "[a]\nb = c", "a|b|c", 0},
		{"nothing", "", "", 0},
		{"no blanks needed", "[a]\nb=c", "a|b|c", 0},
		{"colon", "[a]\nb: c = d", "a|b|c = d", 0},
		{"the first delimiter counts", "[a]\nb = c : d", "a|b|c : d", 0},
		{"blanks are stripped", "[a]\n b\t \t=  c d \t\n", "a|b|c d", 0},
		{"other white space too", "[a]\nb = \u00a0c\u2003\x1c", "a|b|c", 0},
		{"an empty value", "[a]\nb =\nc =  \n", "a|b|;a|c|", 0},
		{"names are lower-cased", "[a]\nBaSe_URL.Ä = C", "a|base_url.ä|C", 0},
		{"sections are case sensitive", "[a]\nb=1\n[A]\nb=2", "A|b|2;a|b|1", 0},
		{"blanks in a section's name are kept", "[a]\nb=1\n[ a ]\nb=2", " a |b|2;a|b|1", 0},
		{"text after the bracket is ignored", "[a] b = c ; d\ne=f", "a|e|f", 0},
		{"a section may be indented", "  [a]\nb=c", "a|b|c", 0},
		{"quotes are literal", `[a]` + "\nb = \"c\"\nd='e'\nf=`g`\nh=\"\"\"i\"\"\"", "a|b|\"c\";a|d|'e';a|f|`g`;a|h|\"\"\"i\"\"\"", 0},
		{"no interpolation", "[a]\nb = %(c)s $d %\n", "a|b|%(c)s $d %", 0},
		{"backslashes are literal", "[a]\nb = c\\\nd = e\\n", "a|b|c\\;a|d|e\\n", 0},
		{"comments", "# x\n[a]\n  ; y\nb = c\n#d = e\n", "a|b|c", 0},
		{"comments before any section", "; x\n\n   # y\n[a]\nb=c", "a|b|c", 0},
		{"no inline comments", "[a]\nb = c ; d # e\n", "a|b|c ; d # e", 0},
		{"continuation", "[a]\nb = c\n  d\n\te\nf = g", "a|b|c\nd\ne;a|f|g", 0},
		{"continuation from nothing", "[a]\nb =\n  c", "a|b|\nc", 0},
		{"continuation with delimiters", "[a]\nb = c\n  d = e\n  [f]", "a|b|c\nd = e\n[f]", 0},
		{"comment between continuation lines", "[a]\nb = c\n# x\n  d\n  # y\n  e", "a|b|c\nd\ne", 0},
		{"empty lines in a value are kept", "[a]\nb = c\n\n \n  d\n", "a|b|c\n\n\nd", 0},
		{"empty lines after a value are dropped", "[a]\nb = c\n\n\nd = e\n\n", "a|b|c;a|d|e", 0},
		{"the first option may be indented", "[a]\n   b = c\n", "a|b|c", 0},
		{"as deep is no continuation", "[a]\n  b = c\n  d = e\n f = g", "a|b|c;a|d|e;a|f|g", 0},
		{"deeper is one", "[a]\n b = c\n  d = e", "a|b|c\nd = e", 0},
		{"depth is counted in characters", "[a]\n\tb = c\n  d", "a|b|c\nd", 0},
		{"a header ends a value", "[a]\nb = c\n[d]\n  e = f", "a|b|c;d|e|f", 0},
		{"CR LF", "[a]\r\nb = c\r\n  d\r\n\r\n", "a|b|c\nd", 0},
		{"CR", "[a]\rb = c\rd = e", "a|b|c;a|d|e", 0},
		{"NUL", "[a]\nb = c\x00d", "a|b|c\x00d", 0},
		{"a bracket in a name", "[a]\n[b = c\n[]=d", "a|[]|d;a|[b|c", 0},
		{"DEFAULT may be there twice", "[DEFAULT]\na=1\n[DEFAULT]\nb=2", "DEFAULT|a|1;DEFAULT|b|2", 0},

		{"text before a section", "# x\n\na = b\n[c]", "!before the first", 3},
		{"a continuation before a section", "  a\n", "!before the first", 1},
		{"a bare word", "[a]\nb = c\nword\n", "!neither", 3},
		{"an empty header", "[a]\n[]\n", "!neither", 2},
		{"a header without end", "[a]\n[b\n", "!neither", 2},
		{"no name", "[a]\n = b\n", "!without a name", 2},
		{"byte order mark", "\ufeff[a]\n", "!byte order mark", 1},
		{"section twice", "[a]\n[b]\n[a]\n", "!twice", 3},
		{"option twice", "[a]\nb=1\n\nB=2\n", "!twice", 4},
		{"option twice in DEFAULT", "[DEFAULT]\nb=1\n[DEFAULT]\nb=2\n", "!twice", 4},
		{"not UTF-8", "[a]\nb = c\nd = \xff\n", "!UTF-8", 3},
		{"Latin 1", "[a]\rb = caf\xe9", "!UTF-8", 2},
	} {
		t.Run(c.rule, func(t *testing.T) {
			p, bad := tracini.Parse(c.text)
			if problem, fails := strings.CutPrefix(c.want, "!"); fails {
				if bad == nil {
					t.Fatalf("no error, but %q", p.Settings)
				}
				if !strings.Contains(bad.Problem, problem) || bad.Line != c.line {
					t.Errorf("line %d: %s; want line %d: …%s…", bad.Line, bad.Problem, c.line, problem)
				}
				return
			}
			if bad != nil {
				t.Fatalf("line %d: %s", bad.Line, bad.Problem)
			}
			var got []string
			for _, s := range p.Settings {
				got = append(got, s.Section+"|"+s.Name+"|"+s.Value)
			}
			if strings.Join(got, ";") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, ";"), c.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	p, bad := tracini.Parse("[a]\n\nb = 1\n  2\n\nc = 3")
	if bad != nil || !slices.Equal(p.Lines, []int{3, 6}) {
		t.Error(p.Lines, bad)
	}
}

// FuzzParse: parsing never panics, and what was parsed can be written and is
// then parsed as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"[a]\nb = c\n\n  d\n# e\n", "[DEFAULT]\nx=1\n[a]\r\n[b]\rY:\n\t z", "\ufeff[a]", "[a\nb", "[s]\nİ = ß\n\x1f=", "[a]\n[b]]c = d]"} {
		f.Add(seed)
	}
	f.Fuzz(checkRoundTrip)
}

func checkRoundTrip(t *testing.T, text string) {
	p, bad := tracini.Parse(text)
	if bad != nil {
		if bad.Line < 1 || bad.Problem == "" {
			t.Errorf("error without line or words: %+v", bad)
		}
		return
	}
	written, err := tracini.Format(slices.Values(p.Settings))
	if err != nil {
		t.Fatalf("%q cannot be written: %v", text, err)
	}
	again, bad := tracini.Parse(string(written))
	if bad != nil {
		t.Fatalf("%q was written as %q: %s", text, written, bad.Problem)
	}
	sorted := slices.Clone(p.Settings)
	slices.SortFunc(sorted, bySectionAndName)
	if !slices.Equal(again.Settings, sorted) {
		t.Errorf("%q became %q", sorted, again.Settings)
	}
}

func bySectionAndName(a, b tracini.Setting) int {
	if c := strings.Compare(a.Section, b.Section); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// TestRoundTrip feeds texts that are mostly well formed.
func TestRoundTrip(t *testing.T) {
	word := rapid.StringMatching(`[a-zé.%$"=:#;\[\]` + "`" + ` ]{0,6}`)
	rapid.Check(t, func(r *rapid.T) {
		var b strings.Builder
		for i := range rapid.IntRange(0, 4).Draw(r, "sections") {
			b.WriteString("[" + strings.Repeat("s", i+1) + "]\n")
			for j := range rapid.IntRange(0, 4).Draw(r, "options") {
				b.WriteString(strings.Repeat("o", j+1) + " = " + word.Draw(r, "value"))
				for range rapid.IntRange(0, 2).Draw(r, "lines") {
					b.WriteString("\n\t" + word.Draw(r, "line"))
				}
				b.WriteString("\n")
			}
		}
		checkRoundTrip(t, b.String())
	})
}

// TestIniV1 shows both why trac.ini is not read by ini.v1, told as well as it
// can be what Trac does, and that our parser agrees with it on plain files.
func TestIniV1(t *testing.T) {
	load := func(text string) (string, error) {
		f, err := ini.LoadSources(ini.LoadOptions{
			AllowPythonMultilineValues: true, IgnoreInlineComment: true, PreserveSurroundedQuote: true,
			KeyValueDelimiters: "=:", AllowNonUniqueSections: false, SkipUnrecognizableLines: false,
		}, []byte(text))
		if err != nil {
			return "", err
		}
		k, err := f.Section("a").GetKey("b")
		if err != nil {
			return "", err
		}
		return k.Value(), nil
	}
	for _, text := range []string{"[a]\nb = c\n", "# x\n[a]\nb: c d\n[e]\nf = g", "[a]\nb = %(c)s ; d # e\n", "[a]\nb = \"c\"\n", "[a]\nb =\n"} {
		want, err := load(text)
		p, bad := tracini.Parse(text)
		if err != nil || bad != nil || p.Settings[0].Value != want {
			t.Errorf("%q: ini.v1 has %q, %v; we have %q, %v", text, want, err, p.Settings, bad)
		}
	}
	for rule, text := range map[string]string{
		"an option twice is an error":   "[a]\nb = c\nb = d\n",
		"a section twice is an error":   "[a]\nb = c\n[a]\ne = f\n",
		"a byte order mark is an error": "\ufeff[a]\nb = c\n",
		"not UTF-8 is an error":         "[a]\nb = \xff\n",
		"names are lower-cased":         "[a]\nB = c\n",
		"backquotes are literal":        "[a]\nb = `c`\n",
		"three quotes are literal":      "[a]\nb = \"\"\"c\"\"\"\n",
		"as deep is no continuation":    "[a]\n  b = c\n  d = e\n",
	} {
		value, err := load(text)
		p, bad := tracini.Parse(text)
		if err == nil && bad == nil && p.Settings[0].Value == value {
			t.Errorf("%s: ini.v1 can do that now: %q", rule, value)
		}
	}
}
