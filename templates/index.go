package templates

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// IndexPage is the list of the projects of a host.
type IndexPage struct {
	Lang      string // "" is English
	Title     string // "" is "Projects"
	Projects  []Project
	Generator string // the program, for the foot of the page; "" for none

	// Action is where the filter box leads without a script, with what was
	// typed as "q"; the answer is a page of the Projects that [Project.Matches]
	// and has Query set. With an empty Action only a script shows the box.
	Action string
	Query  string
	Total  int // how many there are, if Projects are not all; 0 for all
}

// Project is one entry of the index.
type Project struct {
	Name        string
	Description string
	Href        string // "" shows the name without a link
	Broken      bool   // cannot be opened at present
}

// Matches reports whether each word of query is part of the project's name or
// description, letter case aside. The empty query matches all.
func (p Project) Matches(query string) bool {
	text := strings.ToLower(p.Name + "\n" + p.Description)
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// filterFrom is how many projects make a filter box worth its room.
const filterFrom = 8

func (p *IndexPage) title() string { return cmp.Or(p.Title, "Projects") }

func (p *IndexPage) total() int { return max(p.Total, len(p.Projects)) }

// scripted reports whether a script can filter: it needs to have all projects.
func (p *IndexPage) scripted() bool { return p.filter() && p.total() == len(p.Projects) }

func (p *IndexPage) filter() bool { return p.Query != "" || p.total() >= filterFrom }

// count is how many projects are shown of how many.
func (p *IndexPage) count() string {
	shown, total := len(p.Projects), p.total()
	switch {
	case total == 1 && shown == 1:
		return "1 project"
	case shown == total:
		return Thousands(total) + " projects"
	}
	return Thousands(shown) + " of " + Thousands(total) + " projects"
}

// Thousands writes n with thin spaces between groups of three digits.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Index returns the document that lists the projects, in the order given. It
// needs no other file; [HostPolicy] allows all it does.
func Index(p *IndexPage) templ.Component {
	return hostPage(p.Lang, p.title(), p.Generator, index(p), p.scripted())
}
