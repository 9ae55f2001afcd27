// Package defaults holds what a new environment begins with besides the rows
// that db/schema has: settings of trac.ini, reports, wiki pages and samples of
// templates. Names and meanings are Trac 1.6's, the words are our own.
package defaults

import (
	"embed"
	"slices"
	"strings"

	"projhost/envs/tracini"
)

// Workflow returns the settings of Trac's basic workflow of tickets.
func Workflow() []tracini.Setting {
	return in("ticket-workflow", []string{
		"leave", "* -> *",
		"leave.default", "1",
		"leave.operations", "leave_status",
		"create", "<none> -> new",
		"create.default", "1",
		"create_and_assign", "<none> -> assigned",
		"create_and_assign.label", "assign",
		"create_and_assign.operations", "may_set_owner",
		"create_and_assign.permissions", "TICKET_MODIFY",
		"accept", "new,assigned,accepted,reopened -> accepted",
		"accept.operations", "set_owner_to_self",
		"accept.permissions", "TICKET_MODIFY",
		"reassign", "new,assigned,accepted,reopened -> assigned",
		"reassign.operations", "set_owner",
		"reassign.permissions", "TICKET_MODIFY",
		"resolve", "new,assigned,accepted,reopened -> closed",
		"resolve.operations", "set_resolution",
		"resolve.permissions", "TICKET_MODIFY",
		"reopen", "closed -> reopened",
		"reopen.operations", "del_resolution",
		"reopen.permissions", "TICKET_CREATE",
	})
}

// Subscribers returns who is told of changes of tickets without asking for it.
func Subscribers() []tracini.Setting {
	return in("notification-subscriber", []string{
		"always_notify_cc", "CarbonCopySubscriber",
		"always_notify_previous_updater", "TicketPreviousUpdatersSubscriber",
		"always_notify_updater", "TicketUpdaterSubscriber",
	})
}

// in makes settings of one section out of names and values by turns.
func in(section string, pairs []string) []tracini.Setting {
	list := make([]tracini.Setting, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, tracini.Setting{Section: section, Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// Settings returns what a new environment's trac.ini holds: every option that
// Trac 1.6 writes there, with its default.
func Settings() []tracini.Setting {
	list := Participants()
	for o := range tracini.Options() {
		if o.Written && o.Section != "mainnav" && o.Section != "metanav" {
			list = append(list, tracini.Setting{Section: o.Section, Name: o.Name, Value: o.Initial})
		}
	}
	return list
}

// Participants returns what a new trac.ini holds even if it inherits from
// others: the order of navigation, the workflow, who is told of changes.
func Participants() []tracini.Setting {
	list := append(Workflow(), Subscribers()...)
	for o := range tracini.Options() {
		if o.Written && (o.Section == "mainnav" || o.Section == "metanav") {
			list = append(list, tracini.Setting{Section: o.Section, Name: o.Name, Value: o.Initial})
		}
	}
	return list
}

// Sample returns the text of conf/trac.ini.sample: every option that has a name
// of its own, with its default.
func Sample() ([]byte, error) {
	return tracini.Format(func(yield func(tracini.Setting) bool) {
		for o := range tracini.Options() {
			named := o.Type != tracini.TypeFreeform && !strings.Contains(o.Name, "<")
			if named && !yield(tracini.Setting{Section: o.Section, Name: o.Name, Value: o.Default}) {
				return
			}
		}
	})
}

// Page is a wiki page.
type Page struct {
	Name, Text string
	ReadOnly   bool // only who has WIKI_ADMIN may change it
}

//go:embed pages templates
var files embed.FS

// Pages returns the pages of a new wiki, sorted by name. All may be changed by
// their administrators alone, but those that are made to be changed.
func Pages() ([]Page, error) {
	entries, err := files.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	var list []Page
	for _, e := range entries {
		text, err := files.ReadFile("pages/" + e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, Page{e.Name(), string(text), !slices.Contains(Own(), e.Name())})
	}
	return list, nil
}

// Own returns the names of the pages that a project makes its own: they are not
// read-only, and no newer text takes their place.
func Own() []string { return []string{InterMap, "SandBox", "WikiStart"} }

// InterMap is the page that says what prefixes of other wikis mean.
const InterMap = "InterMapTxt"

// Templates returns the samples of templates, by file name.
func Templates() (map[string][]byte, error) {
	entries, err := files.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = files.ReadFile("templates/" + e.Name()); err != nil {
			return nil, err
		}
	}
	return all, nil
}
