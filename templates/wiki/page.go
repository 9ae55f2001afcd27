// Package wiki holds the pages of the wiki module.
package wiki

import (
	"strconv"

	"projhost/templates"
)

// Page is a wiki page as it is shown.
type Page struct {
	Name   string
	Crumbs []Crumb // the way to the page, itself last; empty shows none
	HTML   string  // trusted: the text, rendered

	Version int // what is shown
	Latest  int // the newest version there is
	Author  string
	Time    templates.Time
	Comment string // the author's, as plain text

	// CommentHTML is trusted and stands in for Comment if it is set.
	CommentHTML string

	// OldVersion says that a version was asked for by its number, so that it
	// is told first and not at the end.
	OldVersion bool
	PrevHref   string // the version before; "" for none
	NextHref   string // the version after; "" for none
	LatestHref string // the page as it is now
	DiffHref   string // what this version changed; "" for no such page
	TimeHref   string // what else happened then; "" for no such page
}

// Crumb is a step of the way to a page. One without Href is plain text.
type Crumb struct {
	Label, Href string
}

func (p *Page) newest() bool { return p.Latest <= p.Version }

func (p *Page) versionLabel() string { return "Version " + strconv.Itoa(p.Version) }

// changeTitle tells the change in one line.
func (p *Page) changeTitle() string {
	s := p.versionLabel()
	if p.Author != "" {
		s += " by " + p.Author
	}
	if p.Comment != "" {
		s += ": " + p.Comment
	}
	return s
}

// MissingPage is what is offered in place of a page that is not there.
type MissingPage struct {
	Name    string
	Crumbs  []Crumb
	Message string           // instead of the usual words; "" is those
	Parents []templates.Link // pages of that name higher up, there or not
	Related []templates.Link // pages with a similar name
	Start   string           // link to the start page; "" for none

	CreateHref string // where the page can be made; "" if the visitor may not
}
