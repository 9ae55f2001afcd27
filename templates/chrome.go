package templates

import (
	"cmp"
	"path"
	"strings"

	"github.com/a-h/templ"
)

// Chrome is what surrounds the body of a project's page. The zero value of
// each field leaves its part of the page out, unless it says otherwise.
type Chrome struct {
	Lang      string // of the page's words, "de"; "" is English
	Title     string // of the page; "" shows the project's name alone
	Project   string // the project's name
	Descr     string // the project's description
	Generator string // the program and its version, "projhost 1.0"
	Home      string // link to the project, "/trac/lighthouse"; "" is "/"
	Assets    string // link in front of asset names, "/trac/lighthouse/chrome/common"

	Logo  *Logo  // nil shows the project's name in its place
	Icon  string // link to the icon
	Start string // link to the start page, for <link rel="start">
	Help  string // link to the guide, for <link rel="help">

	Mainnav []NavItem
	Metanav []NavItem
	Ctxtnav []Link // what else can be done with this page

	SearchAction string // where the search box leads; "" hides it
	SearchQuery  string // what is in the search box

	Alternates   []Alternate
	Robots       string   // "noindex, nofollow"
	Notices      []string // what went well
	Warnings     []string // what did not
	ContentClass string   // class of #content: "wiki narrow"
	FooterHTML   string   // trusted: [project] footer of trac.ini

	User      string // who is signed in; "" or "anonymous" shows nothing
	ReadOnly  string // that nothing can be changed, and why; shown on a strip
	RequestID string // names the request in the log; shown to programs only
}

// Logo is the picture in front of a project's pages.
type Logo struct {
	Src           string
	Alt           string // "" is the project's name
	Link          string // "" is the project's home
	Width, Height int    // in CSS pixels; 0 or less leaves it to the picture
}

// NavItem is an entry of the main or the meta navigation.
type NavItem struct {
	Name      string // as trac.ini spells it in [mainnav] or [metanav]
	Label     string
	Href      string // "" shows the label as plain text
	AccessKey string
	Active    bool

	// PostToken, if set, makes the entry a button that posts this form token
	// to Href: signing out changes something, so it is no link.
	PostToken string
}

// Link is a labelled link. An empty Href shows the label as plain text.
type Link struct {
	Label string
	Href  string
	Title string // a longer hint; "" for none
}

// Alternate is a <link> of the page's head. Those with Rel "" or "alternate"
// and a Title are also offered in "Download in other formats" on the page.
type Alternate struct {
	Href  string
	Type  string // media type
	Title string
	Rel   string // "" is "alternate"; else "prev", "next", "up", …
	Class string // class of the link in the page, as "rss"
}

// Time is a moment as the visitor reads it and as machines do.
type Time struct {
	Text    string // in the visitor's zone and format
	Machine string // RFC 3339
}

// mediaEdit is the media type of links to an editor: no download.
const mediaEdit = "application/x-wiki"

func (a Alternate) rel() string { return cmp.Or(a.Rel, "alternate") }

// download reports whether a is another form of the page that can be fetched.
func (a Alternate) download() bool {
	return a.rel() == "alternate" && a.Title != "" && a.Type != mediaEdit
}

func (c *Chrome) downloads() bool {
	for _, a := range c.Alternates {
		if a.download() {
			return true
		}
	}
	return false
}

// DocTitle is the title of the document: the page's, a dash, the project's.
func (c *Chrome) DocTitle() string {
	switch {
	case c.Title == "":
		return c.Project
	case c.Project == "":
		return c.Title
	}
	return c.Title + " – " + c.Project
}

func (c *Chrome) lang() string { return cmp.Or(c.Lang, "en") }

func (c *Chrome) home() string { return cmp.Or(c.Home, "/") }

func (c *Chrome) asset(name string) string { return AssetHref(c.Assets, name) }

func (c *Chrome) signedIn() bool { return c.User != "" && c.User != "anonymous" }

// iconType is the media type of the icon at href, "" if its name does not tell.
func iconType(href string) string {
	href, _, _ = strings.Cut(href, "?")
	switch strings.ToLower(path.Ext(href)) {
	case ".ico":
		return "image/x-icon"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".gif":
		return "image/gif"
	}
	return ""
}

// Layout returns the whole document: the chrome around body.
func Layout(c *Chrome, body templ.Component) templ.Component { return layout(c, body) }
