package tracini_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"projhost/envs/tracini"
)

// TestOptionsAreThoseOfTrac compares the table with testdata/ini-options.tsv,
// which was taken from a running Trac 1.6, field by field.
func TestOptionsAreThoseOfTrac(t *testing.T) {
	text, err := os.ReadFile("testdata/ini-options.tsv")
	must(t, err)
	ours := map[string]tracini.Option{}
	for o := range tracini.Options() {
		ours[o.Section+"\t"+o.Name] = o
	}
	// Trac reads the order of every item of a bar, though its list has only those
	// that initenv writes.
	for _, bar := range []string{"mainnav", "metanav"} {
		if o := ours[bar+"\t<item>.order"]; o.Type != tracini.TypeFloat || o.Registered {
			t.Errorf("[%s] <item>.order: %+v", bar, o)
		}
		delete(ours, bar+"\t<item>.order")
	}
	for _, own := range []string{"readonly", "readonly_max_age", "readonly_notice"} { // this program's, see docs/configuration.md
		if o := ours["trac\t"+own]; o.Declarer != "projhost" || o.Registered || o.Written {
			t.Errorf("[trac] %s: %+v", own, o)
		}
		delete(ours, "trac\t"+own)
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	if len(rows) < 200 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows {
		f := strings.Split(strings.TrimRight(row, "\r"), "\t")
		for len(f) < 7 {
			f = append(f, "")
		}
		o, ok := ours[f[0]+"\t"+f[1]]
		if !ok {
			t.Errorf("[%s] %s is missing", f[0], f[1])
			continue
		}
		delete(ours, f[0]+"\t"+f[1])
		compareOption(t, o, f)
	}
	for name := range ours {
		t.Errorf("%q is not Trac's", name)
	}
}

func compareOption(t *testing.T, o tracini.Option, f []string) {
	t.Helper()
	name := "[" + f[0] + "] " + f[1]
	if want := strings.Replace(f[2], "free-form section", "section", 1); string(o.Type) != want {
		t.Errorf("%s: type %s, want %s", name, o.Type, want)
	}
	standard, initial, apart := strings.Cut(f[3], " (unset); initenv writes ")
	if !apart {
		initial = standard
	}
	if o.Default != standard {
		t.Errorf("%s: default %q, want %q", name, o.Default, standard)
	}
	if o.Written != (f[4] == "yes") || o.Written && o.Initial != initial {
		t.Errorf("%s: written %v as %q, want %q as %q", name, o.Written, o.Initial, f[4], initial)
	}
	if o.Declarer != f[6] {
		t.Errorf("%s: of %q, want %q", name, o.Declarer, f[6])
	}
	rule := f[5]
	if want := f[1] != "*" && !strings.Contains(rule, "registry") && !strings.HasPrefix(rule, "per-item"); o.Registered != want {
		t.Errorf("%s: registered %v, want %v", name, o.Registered, want)
	}
	var choices []string
	for _, lead := range []string{"choices: ", "implementations shipped: "} {
		if _, list, ok := strings.Cut(rule, lead); ok {
			list, _, _ = strings.Cut(list, ";")
			choices = strings.Split(strings.ReplaceAll(list, "''", ""), ", ")
		}
	}
	if !slices.Equal(o.Choices, choices) {
		t.Errorf("%s: choices %q, want %q", name, o.Choices, choices)
	}
	if want := strings.Contains(rule, "case-insensitive"); o.AnyCase != want {
		t.Errorf("%s: any case %v, want %v", name, o.AnyCase, want)
	}
	separators := ""
	switch {
	case strings.Contains(rule, "separator: comma or space"):
		separators = ", "
	case strings.Contains(rule, "separator: comma"), f[2] == "component-list", f[0] == "inherit" && f[1] == "file":
		separators = ","
	}
	if o.Separators != separators {
		t.Errorf("%s: separators %q, want %q", name, o.Separators, separators)
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]tracini.Type{
		"mainnav.wiki": tracini.TypeBool, "mainnav.mine.order": tracini.TypeFloat, "metanav.x.label": tracini.TypeString,
		"mainnav.mine.other": "", "trac.Base_URL": tracini.TypeString, "trac.nosuch": "", "plugin.x": "",
	} {
		section, option, _ := strings.Cut(name, ".")
		if o, ok := tracini.Find(section, option); o.Type != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", name, o.Type, ok)
		}
	}
}

// TestNormalize: one case for each type, and each kind of refusal.
func TestNormalize(t *testing.T) {
	for _, c := range []struct{ section, option, value, want string }{
		{"trac", "check_auth_ip", "Yes", "enabled"},
		{"trac", "check_auth_ip", "0", "disabled"},
		{"trac", "check_auth_ip", "", "disabled"},
		{"trac", "check_auth_ip", "ture", "!yes, no"},
		{"trac", "TIMEOUT", " 1_000 ", "1000"},
		{"trac", "timeout", "", "0"},
		{"trac", "timeout", "abc", "!whole number"},
		{"trac", "timeout", "1.5", "!whole number"},
		{"trac", "timeout", "99999999999999999999", "!too large"},
		{"trac", "auto_preview_timeout", "1.50", "1.50"},
		{"trac", "auto_preview_timeout", "x", "!a number"},
		{"logging", "log_level", "debug", "DEBUG"},
		{"logging", "log_level", "", "!ALL, CRITICAL"},
		{"trac", "default_date_format", "", ""},
		{"trac", "default_date_format", "ISO8601", "!none of an empty value, iso8601"},
		{"ticket", "allowed_empty_fields", " a , b,, c ", "a,b,c"},
		{"notification", "smtp_always_cc", "a@x b@x", "a@x,b@x"},
		{"trac", "permission_policies", "MyPolicy, DefaultWikiPolicy", "MyPolicy,DefaultWikiPolicy"},
		{"trac", "default_handler", "MyModule", "MyModule"},
		{"svn", "authz_file", " ../x ", "../x"},
		{"mainnav", "wiki", "yes", "yes"},
		{"mainnav", "wiki.order", "first", "!a number"},
		{"inherit", "file", "a, b", "a, b"},
		{"plugin", "x", " a ", "a"},
	} {
		got, err := tracini.Normalize(c.section, c.option, c.value)
		if part, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "["+c.section+"] "+c.option) {
				t.Errorf("[%s] %s = %q: got %q, %v", c.section, c.option, c.value, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("[%s] %s = %q: got %q, %v; want %q", c.section, c.option, c.value, got, err, c.want)
		}
	}
}

// TestOneBadValue: a value that does not fit costs its option alone, and every
// type has a default to fall back on.
func TestOneBadValue(t *testing.T) {
	bad := map[tracini.Type]string{tracini.TypeInt: "abc", tracini.TypeFloat: "abc", tracini.TypeChoice: "abc"}
	tried := 0
	for o := range tracini.Options() {
		if bad[o.Type] == "" || strings.Contains(o.Name, "<") {
			continue
		}
		tried++
		c := with(t, "["+o.Section+"]\n"+o.Name+" = "+bad[o.Type]+"\nother.label = kept\n")
		standard := with(t, "")
		same := false
		switch o.Type {
		case tracini.TypeInt:
			same = c.Int(o.Section, o.Name) == standard.Int(o.Section, o.Name)
		case tracini.TypeFloat:
			same = c.Float(o.Section, o.Name) == standard.Float(o.Section, o.Name)
		case tracini.TypeChoice:
			same = c.Choice(o.Section, o.Name) == o.Default
		}
		if problems := c.Problems(); !same || len(problems) != 1 || c.String(o.Section, "other.label") != "kept" {
			t.Errorf("[%s] %s: the default is used: %v; problems %+v", o.Section, o.Name, same, problems)
		}
	}
	if tried < 30 {
		t.Errorf("only %d options were tried", tried)
	}
}

func TestValuesAndDump(t *testing.T) {
	c := with(t, "[trac]\ntimeout = abc\nbase_url = http://x\npermission_policies = A, B\n[plugin]\nx = 1\n  2\n[mainnav]\nwiki = disabled\n")
	byName := map[string]tracini.Value{}
	for _, v := range c.Values() {
		byName[v.Section+"."+v.Name] = v
	}
	file := c.Files()[0].Path
	for name, want := range map[string]tracini.Value{
		"trac.base_url": {Setting: tracini.Setting{Section: "trac", Name: "base_url", Value: "http://x"}, File: file, Line: 3},
		"project.name":  {Setting: tracini.Setting{Section: "project", Name: "name", Value: "My Project"}},
		"plugin.x":      {Setting: tracini.Setting{Section: "plugin", Name: "x", Value: "1\n2"}, File: file, Line: 6},
	} {
		if got := byName[name]; got.Setting != want.Setting || got.File != want.File || got.Line != want.Line || got.Problems != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if len(byName["trac.timeout"].Problems) != 1 || len(byName["trac.permission_policies"].Problems) != 2 {
		t.Errorf("problems: %+v", byName["trac.timeout"])
	}
	if _, there := byName["mainnav.wiki.order"]; there {
		t.Error("an option that Trac does not register is in force though nobody sets it")
	}
	text, err := c.Dump()
	must(t, err)
	for _, part := range []string{
		"\n# timeout: not a whole number; 20 is used\ntimeout = abc\n", "\n[mainnav]\nwiki = disabled\n\n", "\nx = 1\n\t2\n", "\nname = My Project\n",
		"\n# permission_policies: component A is not part of Trac\n# permission_policies: component B",
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	again := with(t, string(text))
	for _, v := range again.Values() {
		if v.File == "" || byName[v.Section+"."+v.Name].Value != v.Value {
			t.Errorf("read back: %+v", v)
		}
	}
}
