package templates_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"projhost/templates"
	"projhost/templates/wiki"
)

func fullChrome() *templates.Chrome {
	return &templates.Chrome{
		Lang: "en", Title: "HarbourNotes", Project: "Lighthouse", Descr: "Lamps & lenses", Generator: "projhost 1.0",
		Home: "/lighthouse", Assets: "/lighthouse/chrome/common", Icon: "/lighthouse/chrome/common/trac.ico",
		Start: "/lighthouse/wiki", Help: "/lighthouse/wiki/TracGuide", SearchAction: "/lighthouse/search",
		Mainnav: []templates.NavItem{
			{Name: "wiki", Label: "Wiki", Href: "/lighthouse/wiki", AccessKey: "1", Active: true},
			{Name: "timeline", Label: "Timeline", Href: "/lighthouse/timeline", AccessKey: "2"},
			{Name: "roadmap", Label: "Roadmap", Href: "/lighthouse/roadmap", AccessKey: "3"},
			{Name: "tickets", Label: "View Tickets", Href: "/lighthouse/report"},
			{Name: "search", Label: "Search", Href: "/lighthouse/search", AccessKey: "4"},
		},
		Metanav: []templates.NavItem{
			{Name: "logout", Label: "Logout", Href: "/lighthouse/logout", PostToken: "t0ken"},
			{Name: "prefs", Label: "Preferences", Href: "/lighthouse/prefs"},
			{Name: "note", Label: "only a word"},
		},
		Ctxtnav: []templates.Link{{Label: "Start Page", Href: "/lighthouse/wiki/WikiStart"}, {Label: "Index", Href: "/lighthouse/wiki/TitleIndex"}},
		Alternates: []templates.Alternate{
			{Href: "?format=txt", Type: "text/x-trac-wiki", Title: "Plain Text"},
			{Href: "?format=rss", Type: "application/rss+xml", Title: "RSS Feed", Class: "rss"},
			{Href: "?action=edit", Type: "application/x-wiki", Title: "Edit this page"},
			{Href: "/lighthouse/wiki", Rel: "up", Title: "Up"},
		},
		Robots: "noindex, nofollow", Notices: []string{"Saved."}, Warnings: []string{"One.", "Two."},
		ContentClass: "wiki narrow", FooterHTML: "Visit the<br /><a href=\"https://example.org/\">harbour</a>",
		User: "ana", RequestID: "req-1",
	}
}

func wikiPage() *wiki.Page {
	return &wiki.Page{
		Name: "HarbourNotes", HTML: "<h1 class=\"section\" id=\"Notes\">Notes</h1>\n<p>Text.</p>\n",
		Crumbs:  []wiki.Crumb{{Label: "wiki:", Href: "/lighthouse/wiki"}, {Label: "Harbour", Href: "/lighthouse/wiki/Harbour"}, {Label: "Notes", Href: "/lighthouse/wiki/Harbour/Notes"}},
		Version: 2, Latest: 2, Author: "ana", Comment: "first words", DiffHref: "?action=diff&version=2", TimeHref: "/lighthouse/timeline",
		Time: templates.Time{Text: "yesterday", Machine: "2026-11-20T10:00:00Z"},
	}
}

func oldPage() *wiki.Page {
	p := wikiPage()
	p.OldVersion, p.Latest, p.CommentHTML = true, 4, "first <em>words</em>"
	p.PrevHref, p.NextHref, p.LatestHref = "?version=1", "?version=3", "/lighthouse/wiki/HarbourNotes"
	return p
}

func missingPage() *wiki.MissingPage {
	return &wiki.MissingPage{
		Name: "A/B", Parents: []templates.Link{{Label: "B", Href: "/b"}}, Related: []templates.Link{{Label: "AB"}},
		Start: "/s", CreateHref: "/c",
	}
}

// everyPage is each page in a full and a bare form.
func everyPage() map[string]templ.Component {
	bare := &templates.Chrome{}
	problem := templates.Problem{Status: 500, Heading: "Oh", Message: "Why", Advice: "Do", ID: "id1", Links: []templates.Link{{Label: "There", Href: "/t"}}}
	logo := fullChrome()
	logo.Logo = &templates.Logo{Src: "/logo.png", Alt: "Logo", Link: "/w", Width: 100, Height: 50}
	return map[string]templ.Component{
		"view":          templates.Layout(fullChrome(), wiki.View(wikiPage())),
		"view old":      templates.Layout(logo, wiki.View(oldPage())),
		"view bare":     templates.Layout(bare, wiki.View(&wiki.Page{})),
		"missing":       templates.Layout(fullChrome(), wiki.Missing(missingPage())),
		"missing bare":  templates.Layout(bare, wiki.Missing(&wiki.MissingPage{})),
		"error":         templates.Error(fullChrome(), problem),
		"error bare":    templates.Error(bare, templates.Problem{}),
		"host error":    templates.HostError(problem),
		"host bare":     templates.HostError(templates.Problem{}),
		"index":         templates.Index(manyProjects(60)),
		"index empty":   templates.Index(&templates.IndexPage{}),
		"index queried": templates.Index(&templates.IndexPage{Query: "x", Action: "/", Total: 70, Lang: "de"}),
	}
}

func TestPagesAreWellFormed(t *testing.T) {
	for name, c := range everyPage() {
		t.Run(name, func(t *testing.T) {
			doc := render(t, c)
			if !strings.HasPrefix(doc, "<!doctype html><html lang=\"") {
				t.Errorf("begins with %.60q", doc)
			}
			checkMarkup(t, doc)
		})
	}
}

// checkMarkup reports tags that do not match, ids used twice, labels of no
// field, inline handlers and scripts of another place.
func checkMarkup(t *testing.T, doc string) {
	t.Helper()
	doc = regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>`).ReplaceAllString(doc, "<$1></$2>")
	d := xml.NewDecoder(strings.NewReader(doc))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var open []string
	ids := map[string]int{}
	var fors []string
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				checkAttr(t, e.Name.Local, a)
				if a.Name.Local == "id" {
					ids[a.Value]++
				}
				if a.Name.Local == "for" {
					fors = append(fors, a.Value)
				}
			}
			if !slices.Contains(xml.HTMLAutoClose, e.Name.Local) {
				open = append(open, e.Name.Local)
			}
		case xml.EndElement:
			if slices.Contains(xml.HTMLAutoClose, e.Name.Local) {
				continue // RawToken ends <br /> too
			}
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> ends %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	for id, n := range ids {
		if n > 1 || id == "" {
			t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, f := range fors {
		if ids[f] == 0 {
			t.Errorf("a label is for %q, which is not there", f)
		}
	}
}

func checkAttr(t *testing.T, element string, a xml.Attr) {
	t.Helper()
	switch name := a.Name.Local; {
	case strings.HasPrefix(name, "on"), name == "style", element == "script" && name == "src":
		t.Errorf("<%s %s=%q> is not for a strict content security policy", element, name, a.Value)
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Value)), "javascript:") && (name == "href" || name == "src" || name == "action"):
		t.Errorf("<%s %s=%q>", element, name, a.Value)
	}
}

// TestChromeKeepsTracsNames holds what user styles and scripts depend on.
func TestChromeKeepsTracsNames(t *testing.T) {
	doc := render(t, templates.Layout(fullChrome(), wiki.View(wikiPage())))
	for _, want := range []string{
		`<title>HarbourNotes – Lighthouse</title>`,
		`id="banner"`, `id="header"`, `id="logo"`, `id="metanav"`, `id="mainnav"`, `id="main"`, `id="ctxtnav"`, `id="footer"`, `id="altlinks"`,
		`<div id="content" class="wiki narrow">`, `<div class="wikipage searchable"><div id="wikipage" class="trac-content">`,
		`<form id="search" role="search" action="/lighthouse/search" method="get">`, `id="proj-search" name="q"`,
		`<li class="active"><a href="/lighthouse/wiki" accesskey="1" aria-current="page">Wiki</a></li>`,
		`<form id="logout" class="trac-logout" method="post" action="/lighthouse/logout"><input type="hidden" name="__FORM_TOKEN" value="t0ken">`,
		`<li><span>only a word</span></li>`, `Signed in as <b><bdi>ana</bdi></b>`,
		`<link rel="search" href="/lighthouse/search">`, `<link rel="start" href="/lighthouse/wiki">`, `<link rel="help" href="/lighthouse/wiki/TracGuide">`,
		`<link rel="icon" href="/lighthouse/chrome/common/trac.ico" type="image/x-icon">`,
		`<link rel="alternate" href="?format=txt" type="text/x-trac-wiki" title="Plain Text">`,
		`<link rel="alternate" href="?action=edit" type="application/x-wiki" title="Edit this page">`, `<link rel="up" href="/lighthouse/wiki" title="Up">`,
		`<meta name="robots" content="noindex, nofollow">`, `<meta name="generator" content="projhost 1.0">`,
		`id="pagepath" class="noprint"`, `class="pathentry first"`, `class="pathentry sep"`, `aria-current="page">Notes</a>`,
		`<div class="trac-modifiedby"><a href="?action=diff&amp;version=2" title="Version 2 by ana: first words" rel="nofollow">`,
		`<time datetime="2026-11-20T10:00:00Z">yesterday</time>`, `<p class="comment">first words</p>`,
		`id="warning" class="system-message warning" role="alert"`, `id="notice" class="system-message notice" role="status"`,
		`Visit the<br /><a href="https://example.org/">harbour</a>`, `<a class="skip" href="#main">`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	downloads := doc[strings.Index(doc, `id="altlinks"`):]
	if strings.Contains(downloads, "Edit this page") || strings.Contains(downloads, ">Up<") || !strings.Contains(downloads, `class="rss"`) {
		t.Errorf("downloads: %s", downloads)
	}
}

func TestBareChromeShowsNothingEmpty(t *testing.T) {
	doc := render(t, templates.Layout(&templates.Chrome{Project: "P", User: "anonymous"}, templ.NopComponent))
	for _, not := range []string{`id="search"`, "<nav", "<footer", `id="altlinks"`, "system-message", `rel="icon"`, `rel="search"`, "robots", "anonymous", "request-id", `href=""`, "<p class=\"descr\""} {
		if strings.Contains(doc, not) {
			t.Errorf("the page holds %s:\n%s", not, doc)
		}
	}
	if !strings.Contains(doc, "<title>P</title>") || !strings.Contains(doc, `<a id="logo" class="name" href="/">`) {
		t.Error(doc)
	}
}

func TestLogo(t *testing.T) {
	for _, tt := range []struct {
		logo templates.Logo
		want string
	}{
		{templates.Logo{Src: "/l.png"}, `<a id="logo" href="/x"><img src="/l.png" alt="P"></a>`},
		{templates.Logo{Src: "https://cdn.example/l.png", Alt: "A", Link: "/w", Width: -1, Height: 40}, `<a id="logo" href="/w"><img src="https://cdn.example/l.png" alt="A" height="40"></a>`},
		{templates.Logo{Src: "javascript:alert(1)"}, `<img src="about:invalid`},
		{templates.Logo{}, `<a id="logo" class="name" href="/x"><bdi>P</bdi></a>`},
	} {
		doc := render(t, templates.Layout(&templates.Chrome{Project: "P", Home: "/x", Logo: &tt.logo}, templ.NopComponent))
		if !strings.Contains(doc, tt.want) {
			t.Errorf("%+v: no %s in %s", tt.logo, tt.want, doc)
		}
	}
}

// hostile is text that would do harm if one place forgot to escape it.
const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;{{.}}</title></style>` + "\x00\u202e"

func TestHostileTextStaysText(t *testing.T) {
	bad := "javascript:alert(1)"
	link := templates.Link{Label: hostile, Href: bad, Title: hostile}
	c := &templates.Chrome{
		Lang: hostile, Title: hostile, Project: hostile, Descr: hostile, Generator: hostile, Home: bad, Assets: hostile,
		Icon: bad, Start: bad, Help: bad, SearchAction: bad, SearchQuery: hostile, Robots: hostile, ContentClass: hostile,
		Mainnav: []templates.NavItem{{Name: hostile, Label: hostile, Href: bad, AccessKey: hostile, Active: true}, {Label: hostile}},
		Metanav: []templates.NavItem{{Name: hostile, Label: hostile, Href: bad, PostToken: hostile}}, Ctxtnav: []templates.Link{link},
		Alternates: []templates.Alternate{{Href: bad, Type: hostile, Title: hostile, Class: hostile}, {Rel: hostile, Href: hostile}},
		Notices:    []string{hostile}, Warnings: []string{hostile, hostile}, User: hostile, RequestID: hostile,
		Logo: &templates.Logo{Src: bad, Alt: hostile, Link: bad},
	}
	named := *c
	named.Logo = nil
	page := &wiki.Page{
		Name: hostile, Crumbs: []wiki.Crumb{{Label: hostile, Href: bad}, {Label: hostile}, {Label: hostile, Href: hostile}}, Author: hostile, Comment: hostile,
		Time: templates.Time{Text: hostile, Machine: hostile}, DiffHref: bad, TimeHref: bad, PrevHref: bad, NextHref: bad, LatestHref: bad,
	}
	old := *page
	old.OldVersion = true
	missing := &wiki.MissingPage{Name: hostile, Message: hostile, Parents: []templates.Link{link}, Related: []templates.Link{link}, Start: bad, CreateHref: bad}
	problem := templates.Problem{Heading: hostile, Message: hostile, Advice: hostile, ID: hostile, Links: []templates.Link{link}}
	for name, body := range map[string]templ.Component{
		"view":    templates.Layout(c, wiki.View(page)),
		"old":     templates.Layout(&named, wiki.View(&old)),
		"missing": templates.Layout(c, wiki.Missing(missing)),
		"error":   templates.Error(c, problem),
		"host":    templates.HostError(problem),
		"index": templates.Index(&templates.IndexPage{Lang: hostile, Title: hostile, Generator: hostile, Action: bad, Query: hostile, Projects: []templates.Project{
			{Name: hostile, Description: hostile, Href: bad}, {Name: hostile, Broken: true}, {Name: hostile}}}),
	} {
		t.Run(name, func(t *testing.T) {
			doc := render(t, body)
			for _, not := range []string{"<script>alert", "<img src=x", `href="javascript`, `action="javascript`, `src="javascript`} {
				if strings.Contains(doc, not) {
					t.Errorf("the page holds %s", not)
				}
			}
			doc = strings.NewReplacer("\x00", "", `id="`+"&#34;", `data-x="`).Replace(doc)
			checkMarkup(t, doc)
		})
	}
}

func TestTrustedFieldsStayAsTheyAre(t *testing.T) {
	c := &templates.Chrome{FooterHTML: "<i>foot</i>"}
	p := &wiki.Page{HTML: "<p>a <b>b</b></p>", Comment: "<u>", CommentHTML: "<i>c</i>", Time: templates.Time{Text: "now"}}
	doc := render(t, templates.Layout(c, wiki.View(p)))
	for _, want := range []string{c.FooterHTML, p.HTML, p.CommentHTML} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in the page", want)
		}
	}
}

func TestErrorLeavesChromeAlone(t *testing.T) {
	c := fullChrome()
	c.Title = ""
	doc := render(t, templates.Error(c, templates.Problem{Status: 404, ID: "E-77"}))
	for _, want := range []string{"<title>Nothing is here – Lighthouse</title>", `<div id="content" class="error">`, "<h1>Nothing is here</h1>", "<code>E-77</code>", `<a href="/lighthouse">`, `id="mainnav"`} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in %s", want, doc)
		}
	}
	if c.Title != "" || c.ContentClass != "wiki narrow" {
		t.Errorf("the chrome was changed: %+v", c)
	}
}

func TestEachStatusHasWords(t *testing.T) {
	for _, status := range []int{0, 400, 401, 403, 404, 405, 409, 413, 418, 500, 501, 503} {
		doc := render(t, templates.HostError(templates.Problem{Status: status}))
		if strings.Contains(doc, "<h1></h1>") || strings.Contains(doc, "<title></title>") {
			t.Errorf("%d: no heading", status)
		}
		checkMarkup(t, doc)
	}
}

func TestIndex(t *testing.T) {
	page := &templates.IndexPage{Projects: []templates.Project{
		{Name: "Lighthouse", Description: "Lamps & lenses", Href: "/lighthouse"},
		{Name: "bröken", Description: "/srv/secret: not a database", Href: "/broken", Broken: true},
	}}
	doc := render(t, templates.Index(page))
	for _, want := range []string{"<title>Projects</title>", `<a href="/lighthouse"><bdi>Lighthouse</bdi></a>`, "<p>Lamps &amp; lenses</p>", "<bdi>bröken</bdi>", "2 projects"} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in %s", want, doc)
		}
	}
	for _, not := range []string{"secret", `href="/broken"`, "<form", "<script", "stylesheet"} {
		if strings.Contains(doc, not) {
			t.Errorf("the index holds %s", not)
		}
	}
}

func TestIndexFilter(t *testing.T) {
	all := manyProjects(1200)
	doc := render(t, templates.Index(all))
	if !strings.Contains(doc, "1\u202f200 projects") || !strings.Contains(doc, " hidden>") || !strings.Contains(doc, "<script>") {
		t.Error("without an action the box is for the script")
	}
	some := &templates.IndexPage{Action: "/", Query: "11", Total: 1200}
	for _, p := range all.Projects {
		if p.Matches(some.Query) {
			some.Projects = append(some.Projects, p)
		}
	}
	doc = render(t, templates.Index(some))
	if strings.Contains(doc, " hidden>") || strings.Contains(doc, "<script>") || !strings.Contains(doc, `value="11"`) || !strings.Contains(doc, "of 1\u202f200 projects") {
		t.Error("a part of the list is filtered by the server alone")
	}
}

func TestMatches(t *testing.T) {
	p := templates.Project{Name: "Маяк North", Description: "Lamps and LENSES"}
	for query, want := range map[string]bool{"": true, "  ": true, "маяк": true, "lens NORTH": true, "lens south": false} {
		if got := p.Matches(query); got != want {
			t.Errorf("%q: %v", query, got)
		}
	}
}

func TestCancelledVisitorStopsRendering(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := templates.Layout(fullChrome(), wiki.View(wikiPage())).Render(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
