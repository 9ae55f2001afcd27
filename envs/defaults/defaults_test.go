package defaults_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"projhost/envs/defaults"
	"projhost/envs/tracini"
	"projhost/markup"
)

// names are the pages of a new wiki in Trac 1.6.
const names = `CamelCase InterMapTxt InterTrac InterWiki PageTemplates RecentChanges SandBox TicketQuery TitleIndex
TracAccessibility TracAdmin TracBackup TracBatchModify TracBrowser TracCgi TracChangeLog TracChangeset TracEnvironment
TracFastCgi TracFineGrainedPermissions TracGuide TracImport TracIni TracInstall TracInterfaceCustomization TracLinks
TracLogging TracModPython TracModWSGI TracNavigation TracNotification TracPermissions TracPlugins TracQuery TracReports
TracRepositoryAdmin TracRevisionLog TracRoadmap TracRss TracSearch TracStandalone TracSupport TracSyntaxColoring
TracTickets TracTicketsCustomFields TracTimeline TracUnicode TracUpgrade TracWiki TracWorkflow WikiDeletePage
WikiFormatting WikiHtml WikiMacros WikiNewPage WikiPageNames WikiProcessors WikiRestructuredText
WikiRestructuredTextLinks WikiStart`

func pages(t *testing.T) []defaults.Page {
	t.Helper()
	list, err := defaults.Pages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPages(t *testing.T) {
	var got []string
	for _, p := range pages(t) {
		got = append(got, p.Name)
		if want := !slices.Contains([]string{"InterMapTxt", "SandBox", "WikiStart"}, p.Name); p.ReadOnly != want {
			t.Errorf("%s: read-only is %v", p.Name, p.ReadOnly)
		}
		if !strings.HasPrefix(p.Text, "= ") || !strings.HasSuffix(p.Text, "\n") || len(p.Text) < 40 {
			t.Errorf("%s: %.40q", p.Name, p.Text)
		}
		for n, line := range strings.Split(p.Text, "\n") {
			if strings.TrimRight(line, " ") != line || strings.ContainsAny(line, "\t\r") {
				t.Errorf("%s:%d: blanks", p.Name, n+1)
			}
		}
		if open, end := strings.Count(p.Text, "{{{"), strings.Count(p.Text, "}}}"); open != end {
			t.Errorf("%s: %d blocks begin and %d end", p.Name, open, end)
		}
	}
	if want := strings.Fields(names); !slices.Equal(got, want) {
		t.Errorf("pages %v", got)
	}
}

// linker notes which pages are linked to.
type linker struct{ linked map[string]bool }

func (l linker) Resolve(_ markup.Context, link markup.Link) markup.Target {
	if link.Realm == "wiki" {
		l.linked[strings.SplitN(link.Target, "@", 2)[0]] = true
	}
	return markup.Target{}
}

// TestLinks: no page leads to one that is not there, and every page can be
// reached from the first.
func TestLinks(t *testing.T) {
	leads := map[string]map[string]bool{}
	for _, p := range pages(t) {
		l := linker{map[string]bool{}}
		html := string(markup.Parse(p.Text).AppendHTML(nil, markup.Options{Resolver: l}))
		if strings.Contains(html, "{{{") && !strings.Contains(html, "<pre") && !strings.Contains(html, "<code") {
			t.Errorf("%s: a block is not one: %s", p.Name, html)
		}
		leads[p.Name] = l.linked
	}
	for from, to := range leads {
		for name := range to {
			if leads[name] == nil {
				t.Errorf("%s leads to %q, which is not there", from, name)
			}
		}
	}
	reached, next := map[string]bool{"WikiStart": true}, []string{"WikiStart"}
	for len(next) > 0 {
		for name := range leads[next[0]] {
			if !reached[name] {
				reached[name], next = true, append(next, name)
			}
		}
		next = next[1:]
	}
	for name := range leads {
		if !reached[name] && name != "TracModPython" {
			t.Errorf("nothing leads to %s", name)
		}
	}
}

// TestSettings: what is written has no option twice, and is the default of
// what is registered.
func TestSettings(t *testing.T) {
	for _, list := range [][]tracini.Setting{defaults.Settings(), defaults.Participants()} {
		if _, err := tracini.Format(slices.Values(list)); err != nil {
			t.Error(err)
		}
	}
	if n := len(defaults.Participants()); n != 37 {
		t.Errorf("%d settings besides defaults", n)
	}
	sample, err := defaults.Sample()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trac.ini")
	if err := os.WriteFile(file, sample, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := tracini.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for o := range tracini.Options() {
		if value, ok := c.Lookup(o.Section, o.Name); o.Name != "*" && !strings.Contains(o.Name, "<") && (!ok || value != o.Default) {
			t.Errorf("the sample has [%s] %s = %q", o.Section, o.Name, value)
		}
	}
}

func TestTemplates(t *testing.T) {
	all, err := defaults.Templates()
	if err != nil || len(all) != 3 {
		t.Errorf("%d templates, %v", len(all), err)
	}
	for name, text := range all {
		s := strings.TrimSpace(string(text))
		if !strings.HasSuffix(name, ".html.sample") || !strings.HasPrefix(s, "{#") || !strings.HasSuffix(s, "#}") {
			t.Errorf("%s shows something: %s", name, s)
		}
	}
}
