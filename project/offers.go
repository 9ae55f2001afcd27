package project

import (
	"slices"
	"strings"

	"projhost/access/perm"
	"projhost/internal/href"
	"projhost/internal/stage"
	"projhost/markup"
)

// NavItem is an entry of the main or the meta navigation.
type NavItem struct {
	Name      string // as trac.ini spells it in [mainnav] or [metanav]
	Label     string
	Path      string // below the project, "/wiki"
	AccessKey string // a digit, as Trac assigns them, or ""
	Post      bool   // a button that sends a form with the visitor's token, for what changes something
}

// Navigator is a module with entries in the navigation.
type Navigator interface {
	// Mainnav and Metanav return the entries r's user may see.
	Mainnav(r *Request) ([]NavItem, error)
	Metanav(r *Request) ([]NavItem, error)
}

// LinkFunc tells what a link means in a text of the resource from. A zero Target
// leaves the text as it is. After an error it is not called again.
type LinkFunc func(from markup.Context, l markup.Link) (markup.Target, error)

// Linker is a module that knows what links in wiki text mean.
type Linker interface {
	// LinkRealms are the prefixes it resolves: "wiki", say.
	LinkRealms() []string
	// Links returns what resolves them while one text is rendered for r.
	Links(r *Request) (LinkFunc, error)
}

// Starter is a module that can answer a project's first page.
type Starter interface {
	// Start answers "/" under the name that [trac] default_handler gives it.
	StartName() string
	Start(r *Request) (Reply, error)
}

// Lister is a module that can name all it has, whether anything links there or
// not: for a copy of a whole project.
type Lister interface {
	// Addresses returns the addresses of what r's user may see, below the project
	// and encoded: "/wiki/A%20B?format=txt". With history, those of former
	// versions are among them.
	Addresses(r *Request, history bool) ([]string, error)
}

// Site is the modules of the host and what they offer, asked once. It is the
// same for all projects and is never written again.
type Site struct {
	modules    []Module
	navigators []Navigator
	linkers    map[string]Linker
	starters   map[string]Starter
}

// NewSite asks each module what it offers.
func NewSite(mods ...Module) *Site {
	s := &Site{modules: mods, linkers: make(map[string]Linker), starters: make(map[string]Starter)}
	for _, m := range mods {
		if n, ok := m.(Navigator); ok {
			s.navigators = append(s.navigators, n)
		}
		if l, ok := m.(Linker); ok {
			for _, realm := range l.LinkRealms() {
				s.linkers[realm] = l
			}
		}
		if st, ok := m.(Starter); ok {
			s.starters[st.StartName()] = st
		}
	}
	return s
}

// Modules are the modules in the order they were given.
func (s *Site) Modules() []Module { return slices.Clone(s.modules) }

// Addresses is what every [Lister] of the modules names, and the first page.
func (s *Site) Addresses(r *Request, history bool) ([]string, error) {
	list := []string{"/"}
	for _, m := range s.modules {
		if l, ok := m.(Lister); ok {
			more, err := l.Addresses(r, history)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	}
	return list, nil
}

// Starter returns the module that answers a project's first page, if it is
// there: [trac] default_handler names it.
func (s *Site) Starter(r *Request) (Starter, bool) {
	st, ok := s.starters[r.Env.Config().String("trac", "default_handler")]
	return st, ok
}

// Render writes wiki text of the resource from as HTML for r's user: the one
// place where it is done, whichever module the text belongs to.
func (s *Site) Render(r *Request, from markup.Context, doc *markup.Doc) (string, error) {
	shown, err := r.emailsShown(perm.Resource{Realm: from.Realm, ID: from.ID})
	if err != nil {
		return "", err
	}
	clock := stage.Of(r.Context())
	clock.Begin(stage.Render)
	defer clock.End(stage.Render)
	config := r.Env.Config()
	links := &resolver{site: s, request: r, ready: make(map[Linker]LinkFunc)}
	html := doc.AppendHTML(make([]byte, 0, htmlGuess), markup.Options{
		Resolver: links, Context: from, ShowEmail: shown,
		SafeSchemes: config.List("wiki", "safe_schemes"),
		LocalURL:    config.String("project", "url"),
		PlainMailto: config.Bool("trac", "never_obfuscate_mailto"),
	})
	return string(html), links.err
}

// htmlGuess is room for a page of moderate length.
const htmlGuess = 4096

// resolver asks the modules what links mean. After the first failure, err,
// links stay text.
type resolver struct {
	site    *Site
	request *Request
	ready   map[Linker]LinkFunc
	err     error
}

var _ markup.Resolver = (*resolver)(nil)

// Resolve implements [markup.Resolver].
func (v *resolver) Resolve(from markup.Context, l markup.Link) markup.Target {
	if v.err != nil {
		return markup.Target{}
	}
	if l.Realm == "" {
		return markup.Target{Href: v.path(l)}
	}
	linker, ok := v.site.linkers[l.Realm]
	if !ok {
		return markup.Target{}
	}
	links := v.ready[linker]
	if links == nil {
		if links, v.err = linker.Links(v.request); v.err != nil {
			return markup.Target{}
		}
		v.ready[linker] = links
	}
	var to markup.Target
	to, v.err = links(from, l)
	return to
}

// path is the link of "[/path]", below the project, or of "[//path]", below
// the root of the site.
func (v *resolver) path(l markup.Link) string {
	if strings.HasPrefix(l.Target, "//") {
		return href.Base("").Path(l.Target) + l.Query + l.Fragment
	}
	return v.request.Href.Path(l.Target) + l.Query + l.Fragment
}
