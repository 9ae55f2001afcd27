package tracini_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/envs/tracini"
)

func TestParseBool(t *testing.T) {
	for s, want := range map[string][2]bool{
		"yes": {true, true}, "TRUE": {true, true}, "Enabled": {true, true}, "on": {true, true},
		"1": {true, true}, "0.5": {true, true}, "-1": {true, true}, "1e3": {true, true}, "nan": {true, true}, "inf": {true, true}, " 2 ": {true, true},
		"0": {false, true}, "0.0": {false, true}, "": {false, true}, "no": {false, true}, "disabled": {false, true}, "off": {false, true}, "False": {false, true},
		"y": {false, false}, "t": {false, false}, "yess": {false, false}, "0x1": {false, false},
	} {
		if v, ok := tracini.ParseBool(s); v != want[0] || ok != want[1] {
			t.Errorf("%q: %v, %v", s, v, ok)
		}
	}
}

func TestParseNumbers(t *testing.T) {
	for s, want := range map[string]int{"": 0, "12": 12, " 12 ": 12, "+5": 5, "-1": -1, "1_000": 1000, "007": 7} {
		if n, err := tracini.ParseInt(s); err != nil || n != want {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"1.5", "0x10", "abc", "1_", "_1", "1__0", "9999999999999999999999", "1 2", " "} {
		if n, err := tracini.ParseInt(s); err == nil {
			t.Errorf("%q: %d", s, n)
		}
	}
	for s, want := range map[string]float64{"": 0, "2.0": 2, " 1e3 ": 1000, ".5": .5, "1_0.5": 10.5, "inf": math.Inf(1), "-Infinity": math.Inf(-1), "1e999": math.Inf(1)} {
		if f, err := tracini.ParseFloat(s); err != nil || f != want {
			t.Errorf("%q: %g, %v", s, f, err)
		}
	}
	for _, s := range []string{"0x10", "0x1p3", "1,5", "abc", "1._5"} {
		if f, err := tracini.ParseFloat(s); err == nil {
			t.Errorf("%q: %g", s, f)
		}
	}
}

func TestGetters(t *testing.T) {
	c := with(t, `
[Trac]
base_url = not this section
[trac]
BASE_URL = http://x
timeout = abc
auto_preview_timeout = 1.25
secure_cookies = Enabled
use_xsendfile = maybe
permission_policies = A , ,B
default_dateinfo_format = absolut
default_date_format =
[logging]
log_level = debug
[notification]
smtp_always_cc = a@x b@x,c@x
smtp_port =
[plugin]
some = 5
items = x,, y ,
[mainnav]
wiki.order = 3
tickets = disabled
`)
	equal := func(what string, got, want any) {
		t.Helper()
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %#v, want %#v", what, got, want)
		}
	}
	equal("set", c.String("trac", "base_url"), "http://x")
	equal("any case", c.String("trac", "Base_URL"), "http://x")
	equal("default", c.String("project", "name"), "My Project")
	equal("default of an option elsewhere", c.String("nowhere", "name"), "")
	equal("bad int", c.Int("trac", "timeout"), 20)
	equal("default int", c.Int("trac", "anonymous_session_lifetime"), 90)
	equal("empty int", c.Int("notification", "smtp_port"), 0)
	equal("unknown int", c.Int("plugin", "some"), 5)
	equal("unset unknown int", c.Int("plugin", "none"), 0)
	equal("bad unknown int", c.Int("plugin", "items"), 0)
	equal("float", c.Float("trac", "auto_preview_timeout"), 1.25)
	equal("pattern", c.Float("mainnav", "wiki.order"), 3.0)
	equal("default of a written option", c.Float("mainnav", "search.order"), math.Inf(1))
	equal("bool", c.Bool("trac", "secure_cookies"), true)
	equal("bad bool", c.Bool("trac", "use_xsendfile"), false)
	equal("bool by default on", c.Bool("trac", "wiki_toolbars"), true)
	equal("bool of a pattern", c.Bool("mainnav", "wiki"), true)
	equal("bool of a pattern, set", c.Bool("mainnav", "tickets"), false)
	equal("list", c.List("trac", "permission_policies"), []string{"A", "B"})
	equal("default list", c.List("ticket", "allowed_empty_fields"), []string{"milestone", "version"})
	equal("list parted by blanks too", c.List("notification", "smtp_always_cc"), []string{"a@x", "b@x", "c@x"})
	equal("unknown list", c.List("plugin", "items"), []string{"x", "y"})
	equal("choice in any case", c.Choice("logging", "log_level"), "DEBUG")
	equal("bad choice", c.Choice("trac", "default_dateinfo_format"), "relative")
	equal("empty choice", c.Choice("trac", "default_date_format"), "")
	equal("default choice", c.Choice("logging", "log_type"), "file")
}

func TestPath(t *testing.T) {
	dir := write(t, map[string]string{
		"env/conf/trac.ini": "[inherit]\nfile = ../../site/p.ini\nplugins_dir = /none/../abs\n[svn]\nauthz_file = link/x/../authz\n",
		"site/p.ini":        "[inherit]\ntemplates_dir = ../tpl\nhtdocs_dir =\n[authz_policy]\nauthz_file = link/authz",
		"real/authz":        "",
	})
	if err := os.Symlink("../../real", filepath.Join(dir, "env/conf/link")); err != nil {
		t.Fatal(err)
	}
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, filepath.Join(dir, "env/conf/trac.ini"))
	for _, p := range []struct{ section, option, want string }{
		{"inherit", "templates_dir", top + "/env/tpl"}, // said by the parent, still below the environment
		{"inherit", "plugins_dir", "/abs"},
		{"inherit", "htdocs_dir", ""},
		{"authz_policy", "authz_file", top + "/real/authz"},
		{"svn", "authz_file", top + "/real/authz"},
		{"gitweb-repositories", "projects_base", ""},
	} {
		if got := c.Path(p.section, p.option); got != p.want {
			t.Errorf("[%s] %s is %q, want %q", p.section, p.option, got, p.want)
		}
	}
	if got, want := c.LinkedPath("authz_policy", "authz_file"), filepath.Join(dir, "env/conf/link/authz"); got != want || c.LinkedPath("inherit", "htdocs_dir") != "" {
		t.Errorf("with its links: %q, want %q", got, want)
	}
}

func TestProblems(t *testing.T) {
	c := with(t, "[trac]\ntimeout = abc\nsecure_cookies = y\npermission_policies = DefaultWikiPolicy, MyPolicy\n"+
		"default_handler = WikiModule\n[logging]\nlog_level =\nlog_type = FILE\n[mainnav]\nwiki.order = first\n[plugin]\nx = y\n")
	var got []string
	for _, p := range c.Problems() {
		if p.File != c.Files()[0].Path || p.Line == 0 || p.Problem == "" {
			t.Errorf("incomplete: %+v", p)
		}
		got = append(got, p.Section+"."+p.Option+"="+p.Value)
	}
	want := []string{"logging.log_level=", "mainnav.wiki.order=first", "trac.permission_policies=DefaultWikiPolicy, MyPolicy", "trac.secure_cookies=y", "trac.timeout=abc"}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestOptions checks that the table is whole and that each default suits its
// own option.
func TestOptions(t *testing.T) {
	all := slices.Collect(tracini.Options())
	registered, text := 0, strings.Builder{}
	section := ""
	for i, o := range all {
		if o.Section == "" || o.Name == "" || o.Type == "" {
			t.Errorf("incomplete: %+v", o)
		}
		if i > 0 && (all[i-1].Section > o.Section || all[i-1].Section == o.Section && all[i-1].Name >= o.Name) {
			t.Errorf("not sorted at %s.%s", o.Section, o.Name)
		}
		if o.Type == tracini.TypeFreeform || strings.Contains(o.Name, "<") || o.Default == "inf" {
			continue
		}
		registered++
		if o.Section != section {
			section = o.Section
			text.WriteString("[" + section + "]\n")
		}
		text.WriteString(o.Name + " = " + o.Default + "\n")
	}
	if registered < 183 {
		t.Errorf("%d registered options", registered)
	}
	if p := with(t, text.String()).Problems(); len(p) > 0 {
		t.Errorf("defaults that do not suit: %+v", p)
	}
}

func TestFormat(t *testing.T) {
	got, err := tracini.Format(slices.Values([]tracini.Setting{{"b", "x", "1\n\n2"}, {"a", "y", ""}, {"a", "b", "é"}}))
	if want := "# -*- coding: utf-8 -*-\n\n[a]\nb = é\ny = \n\n[b]\nx = 1\n\t\n\t2\n\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, s := range [][]tracini.Setting{
		{{"a", "b=c", "d"}}, {{"a", "B", "d"}}, {{"a", "", "d"}}, {{"", "b", "d"}}, {{"a]", "b", "c"}}, {{"a", "b", " c"}},
		{{"a", "b", "c\n#d"}}, {{"a", "b", "c\n"}}, {{"a", "b", "1"}, {"a", "b", "2"}}, {{"a\nx", "b", "c"}}, {{"a", "#b", "c"}}, {{"a", "b", "\xff"}},
	} {
		if got, err := tracini.Format(slices.Values(s)); err == nil {
			t.Errorf("%q was written as %q", s, got)
		}
	}
}

func TestSettings(t *testing.T) {
	c := with(t, "[b]\ny = 2\nx = 1\n[a]\nz = 3")
	want := []tracini.Setting{{"a", "z", "3"}, {"b", "x", "1"}, {"b", "y", "2"}}
	if got := slices.Collect(c.Settings()); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// full is a trac.ini with everything that a new environment's has.
func full(tb testing.TB) []byte {
	tb.Helper()
	var settings []tracini.Setting
	for o := range tracini.Options() {
		if o.Type != tracini.TypeFreeform && !strings.Contains(o.Name, "<") {
			settings = append(settings, tracini.Setting{o.Section, o.Name, o.Default})
		}
	}
	text, err := tracini.Format(slices.Values(settings))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func BenchmarkLoad(b *testing.B) {
	text := full(b)
	file := filepath.Join(b.TempDir(), "trac.ini")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tracini.Load(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStale(b *testing.B) {
	c := with(b, string(full(b)))
	for b.Loop() {
		if c.Stale() {
			b.Fatal("stale")
		}
	}
}

func BenchmarkString(b *testing.B) {
	c := with(b, string(full(b)))
	b.ReportAllocs()
	for b.Loop() {
		c.String("trac", "base_url")
	}
}
