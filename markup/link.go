package markup

import "strings"

// Form is how a link is written in the text.
type Form uint8

const (
	FormShort     Form = iota // realm:target
	FormAngle                 // <realm:target>
	FormBracket               // [realm:target label]
	FormCreole                // [[realm:target|label]]
	FormCamel                 // CamelCase, [CamelCase label]
	FormQuoted                // ["page name" label]
	FormShorthand             // #12 {3} [5] r5 [5:9]
	FormRelative              // [./page] [/path] [#anchor] [?query]
)

// Context is the resource a text belongs to. Relative links start from it.
type Context struct{ Realm, ID string }

// Link is a link as the text has it. Nothing in it is decoded or checked.
//
// Target, Query and Fragment follow one another in the text, Query with its
// "?" and Fragment with its "#". A realm that cuts its targets in another way
// takes [Link.Whole]. The realm is empty for "/path", a path below the project.
type Link struct {
	Form     Form
	Labelled bool   // the text gives a label of its own
	Realm    string // "wiki", "ticket", "http"
	Target   string // "TracGuide", "1,3-5", "//example.org/"
	Query    string
	Fragment string
	Label    string // what to show for it
	Text     string // the link as written, shown if it leads nowhere
}

// Whole is the target with its query and fragment.
func (l Link) Whole() string {
	if l.Query == "" && l.Fragment == "" {
		return l.Target
	}
	return l.Target + l.Query + l.Fragment
}

// Target says how to write a link. The zero Target means that the link cannot
// be resolved: its text is shown as it was written.
type Target struct {
	Href     string // not escaped; without one the anchor is written without it
	Class    string // "wiki", "closed ticket"
	Title    string
	Rel      string
	Label    string // shown in place of the link's label
	Missing  bool   // the resource does not exist: class "missing" is put before Class
	External bool   // written as a link that leaves the project, with its icon
	Plain    bool   // no link: the label alone
	Extra    Extra  // a second link behind the first, as for downloads
}

// Extra is a link with an icon for its label.
type Extra struct{ Href, Class, Title string }

// Resolver says what links mean. It is asked at rendering, once a link, in the
// order of the text.
//
// It is asked for every realm, "http" too; for addresses of the web ("//…"
// after the scheme) and "mailto" a zero Target means that they are written as
// Trac does. An Href with a scheme that is not safe is never written.
type Resolver interface {
	Resolve(from Context, l Link) Target
}

// splitTarget cuts a target at its first "#" and what is before at its first "?".
func splitTarget(s string) (target, query, fragment string) {
	target = s
	if i := strings.IndexByte(target, '#'); i >= 0 {
		target, fragment = target[:i], target[i:]
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		target, query = target[:i], target[i:]
	}
	return target, query, fragment
}

// newLink makes a link to realm:target; label is "" if the text gives none.
func newLink(form Form, realm, target, label, text string) Link {
	l := Link{Form: form, Labelled: label != "", Realm: realm, Label: label, Text: text}
	l.Target, l.Query, l.Fragment = splitTarget(target)
	return l
}

// pageLabel is Trac 1.6's label of a page link without one: the name without
// leading slashes and dots, unless nothing is left of it.
func pageLabel(target string) string {
	target, _, _ = splitTarget(target)
	if s := trimDots(target); s != "" {
		return s
	}
	return target
}

// trimDots drops the leading "/", "." and ".." components.
func trimDots(s string) string {
	for {
		switch {
		case strings.HasPrefix(s, "/"):
			s = s[1:]
		case strings.HasPrefix(s, "./"):
			s = s[2:]
		case strings.HasPrefix(s, "../"):
			s = s[3:]
		case s == ".", s == "..":
			return ""
		default:
			return s
		}
	}
}

// bracketLabel is the label of [realm:target] without one: the whole address
// if it is one of the web, else the target, else the realm.
func bracketLabel(realm, target, text string) string {
	switch {
	case realm == "wiki":
		return pageLabel(target)
	case strings.HasPrefix(target, "//"):
		return text
	case strings.TrimLeft(target, "/") != "":
		return strings.TrimLeft(target, "/")
	}
	return realm
}

// relativeLabel is the label of a relative link without one.
func relativeLabel(whole string) string {
	target, _, _ := splitTarget(whole)
	if s := trimDots(target); s != "" {
		return s
	}
	if target != "" {
		return target
	}
	return whole
}

// unquoteLabel removes one pair of quotes around s.
func unquoteLabel(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// absolute turns a relative link into the link it means from there: one within
// the realm of from if it has an id, else one to a path of the project. It is
// not ok where there is nothing to be relative to. Trac 1.6: the id is a path
// whose last part counts as a directory.
func absolute(from Context, l Link) (abs Link, ok bool) {
	if strings.HasPrefix(l.Target, "/") {
		return l, true
	}
	l.Realm = from.Realm
	if l.Target = relativeID(from.ID, l.Target); l.Target == "" {
		l.Target, l.Realm = "/"+from.Realm, ""
	}
	return l, from.Realm != ""
}

// relativeID follows the leading "." and ".." components of target from id.
func relativeID(id, target string) string {
	for target != "" {
		part, rest, _ := strings.Cut(target, "/")
		switch part {
		case "", ".":
		case "..":
			id = id[:max(0, strings.LastIndexByte(id, '/'))]
		default:
			if id == "" {
				return target
			}
			return id + "/" + target
		}
		target = rest
	}
	return id
}

// StartPage is the page that an empty page name means.
const StartPage = "WikiStart"

// Page tells which page and version the target of a wiki link means on the
// page current ("" if the text is not on a page). Trac 1.6: a name is looked
// for from the current page upwards, so a page of a guide links its siblings
// by their last name; "./", "../" and "/" name it exactly.
func Page(current, target string, exists func(name string) bool) (name, version string) {
	target, version, _ = strings.Cut(target, "@")
	target = strings.TrimRight(target, "/")
	switch {
	case target == "":
		return StartPage, version
	case target[0] == '/':
		name = strings.TrimLeft(target, "/")
	case target == ".", target == "..", strings.HasPrefix(target, "./"), strings.HasPrefix(target, "../"):
		name = relativeID(current, target)
	default:
		name = scoped(current, target, exists)
	}
	if name == "" {
		name = StartPage
	}
	return name, version
}

// scoped finds the page that name means on the page current.
func scoped(current, name string, exists func(string) bool) string {
	slash := strings.LastIndexByte(current, '/')
	if slash < 0 {
		return name
	}
	parent := current[:slash]
	for up := parent; ; {
		if exists(up + "/" + name) {
			return up + "/" + name
		}
		i := strings.LastIndexByte(up, '/')
		if i < 0 {
			break
		}
		up = up[:i]
	}
	if exists(name) {
		return name
	}
	first, rest, ok := strings.Cut(name, "/")
	for start := 0; ok && start < len(current); {
		part, _, more := strings.Cut(current[start:], "/")
		end := start + len(part)
		if part == first && exists(current[:end]) {
			return current[:end] + "/" + rest
		}
		if !more {
			break
		}
		start = end + 1
	}
	return parent + "/" + name
}
