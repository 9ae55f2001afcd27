// Package authz reads the file of rules of Trac's AuthzPolicy and tells which rule
// is for a user and a resource. What a rule then means is for package perm, which
// knows the actions.
//
// The syntax is trac.ini's, but for what [tracini.Sections] says. Facts of Trac 1.6:
//
//   - [groups] has lists of users, and of other groups as "@name".
//   - Any other section is a pattern of resources. Its options are a user, a group as
//     "@name", "authenticated" (whoever has logged in), or "anonymous" or "*"
//     (everybody); their values are lists of actions, "!" before those that are denied.
//   - Sections count in the order of the file, and so do the options in each. The
//     first option for the user in the first matching section that has one for him is
//     the rule; nothing else is looked at.
package authz

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"projhost/envs/tracini"
)

// Item is what a rule says of one action.
type Item struct {
	Action string
	Denied bool
}

// rule is an option of a section.
type rule struct {
	who   string
	items []Item
	line  int
}

// section is a pattern of resources and its rules.
type section struct {
	name    string
	pattern pattern
	rules   []rule
}

// File is a file of rules as read at one moment. It never changes.
type File struct {
	path     string
	groups   map[string]int      // and the line of each
	within   map[string][]string // a user or "@group" -> the groups that list it
	defaults []rule
	sections []section
}

// Load reads a file. An error is a *[tracini.Error], which names the file and, if
// it is one line's, the line: it is not there, empty, or not to be understood, or a
// group is unknown or has itself as a member. It wraps fs.ErrNotExist if the file is
// not there.
func Load(path string) (*File, error) {
	list, err := tracini.Sections(path)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &tracini.Error{File: path, Problem: "the file has no section"}
	}
	f := &File{path: path, groups: make(map[string]int), within: make(map[string][]string)}
	var usual, groups []tracini.Key
	grouped := false
	for _, s := range list {
		switch s.Name {
		case tracini.DefaultSection:
			usual, f.defaults = s.Keys, rulesOf(s.Keys)
		case "groups":
			groups, grouped = s.Keys, true
		default:
			f.sections = append(f.sections, section{s.Name, patternOf(s.Name), rulesOf(s.Keys)})
		}
	}
	if grouped {
		err = f.join(slices.Concat(usual, groups))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// patternOf is what a section's name stands for: of any version, if it says none.
func patternOf(name string) pattern {
	if !strings.Contains(name, "@") {
		name += "@*"
	}
	return newPattern(name)
}

func rulesOf(keys []tracini.Key) []rule {
	list := make([]rule, len(keys))
	for i, k := range keys {
		list[i] = rule{who: k.Name, line: k.Line}
		for _, action := range tracini.ParseList(k.Value) {
			action, denied := strings.CutPrefix(action, "!")
			list[i].items = append(list[i].items, Item{action, denied})
		}
	}
	return list
}

// join notes who is in which group; of two of a name, the later counts.
func (f *File) join(groups []tracini.Key) error {
	members := make(map[string][]string, len(groups))
	for _, g := range groups {
		f.groups[g.Name] = g.Line
		members[g.Name] = tracini.ParseList(g.Value)
	}
	for _, g := range groups {
		if f.groups[g.Name] != g.Line {
			continue
		}
		for _, m := range members[g.Name] {
			if name, ok := strings.CutPrefix(m, "@"); ok && f.groups[name] == 0 {
				return &tracini.Error{File: f.path, Line: g.Line, Problem: fmt.Sprintf("the group %s has the member %s, and [groups] has no %s", g.Name, m, name)}
			}
			f.within[m] = append(f.within[m], g.Name)
		}
	}
	return f.uncircled(members)
}

// uncircled fails if a group is, by way of others or not, a member of itself.
// It takes away groups without groups in them until there are none.
func (f *File) uncircled(members map[string][]string) error {
	open := make(map[string]int) // groups in a group, as often as it lists them
	var free []string
	for g, list := range members {
		n := 0
		for _, m := range list {
			if strings.HasPrefix(m, "@") {
				n++
			}
		}
		if n > 0 {
			open[g] = n
		} else {
			free = append(free, g)
		}
	}
	for len(free) > 0 {
		g := free[len(free)-1]
		free = free[:len(free)-1]
		for _, above := range f.within["@"+g] {
			if open[above]--; open[above] == 0 {
				free = append(free, above)
				delete(open, above)
			}
		}
	}
	bad := ""
	for g := range open {
		if bad == "" || f.groups[g] < f.groups[bad] {
			bad = g
		}
	}
	if bad == "" {
		return nil
	}
	return &tracini.Error{File: f.path, Line: f.groups[bad], Problem: fmt.Sprintf("the group %s has itself among the members of its groups", bad)}
}

// Mention is an action or a group that a section names, and where.
type Mention struct {
	Section, Name string
	Line          int
}

// Actions ranges over all actions that rules name.
func (f *File) Actions() iter.Seq[Mention] {
	return f.mentions(func(r rule, yield func(string) bool) bool {
		for _, i := range r.items {
			if !yield(i.Action) {
				return false
			}
		}
		return true
	})
}

// Strangers ranges over the groups that rules are for and [groups] does not have:
// such a rule is for nobody, as in Trac.
func (f *File) Strangers() iter.Seq[Mention] {
	return f.mentions(func(r rule, yield func(string) bool) bool {
		name, ok := strings.CutPrefix(r.who, "@")
		return !ok || f.groups[name] != 0 || yield(r.who)
	})
}

// mentions ranges over what each yields of rules; one of [DEFAULT] counts once.
func (f *File) mentions(each func(r rule, yield func(string) bool) bool) iter.Seq[Mention] {
	return func(yield func(Mention) bool) {
		for _, s := range append([]section{{name: tracini.DefaultSection, rules: f.defaults}}, f.sections...) {
			for _, r := range s.rules {
				if !each(r, func(name string) bool { return yield(Mention{s.name, name, r.line}) }) {
					return
				}
			}
		}
	}
}

// String says how much there is in the file.
func (f *File) String() string {
	return fmt.Sprintf("%s: %d groups, %d sections", f.path, len(f.groups), len(f.sections))
}

// Rules are the rules of a file for one user, in its order.
type Rules []forUser

type forUser struct {
	pattern pattern
	items   []Item
}

// For returns the rules for a user by his name, "anonymous" for whoever is not known,
// that is has not logged in.
func (f *File) For(user string, known bool) Rules {
	groups := f.groupsOf(user)
	meant := func(r rule) bool {
		if name, ok := strings.CutPrefix(r.who, "@"); ok {
			return groups[name]
		}
		switch r.who {
		case "*", "anonymous", user:
			return true
		case "authenticated":
			return known
		}
		return false
	}
	list := make(Rules, 0, len(f.sections))
	usual := slices.IndexFunc(f.defaults, meant)
	for _, s := range f.sections {
		switch i := slices.IndexFunc(s.rules, meant); {
		case usual >= 0:
			list = append(list, forUser{s.pattern, s.instead(f.defaults[usual])})
		case i >= 0:
			list = append(list, forUser{s.pattern, s.rules[i].items})
		}
	}
	return list
}

// instead is what a section says in the place of a rule of [DEFAULT].
func (s *section) instead(usual rule) []Item {
	for _, r := range s.rules {
		if r.who == usual.who {
			return r.items
		}
	}
	return usual.items
}

// groupsOf are the groups that a user is in, by way of others too.
func (f *File) groupsOf(user string) map[string]bool {
	in := make(map[string]bool)
	if strings.HasPrefix(user, "@") {
		return in // a name, not a group
	}
	for todo := []string{user}; len(todo) > 0; {
		who := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, g := range f.within[who] {
			if !in[g] {
				in[g] = true
				todo = append(todo, "@"+g)
			}
		}
	}
	return in
}

// Find returns the rule for a resource, written "realm:id@version" with its parents
// before it, parted by "/". Without any item it denies everything. ok is false if
// there is no rule.
func (r Rules) Find(resource string) (items []Item, ok bool) {
	for _, u := range r {
		if u.pattern.match(resource) {
			return u.items, true
		}
	}
	return nil, false
}
