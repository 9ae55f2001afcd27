package tracini

import (
	"cmp"
	"slices"
)

// Section is one section of a file, as [Sections] returns it.
type Section struct {
	Name string
	Line int
	Keys []Key
}

// Key is one option of a Section.
type Key struct {
	Name, Value string
	Line        int
}

// Sections reads a file of rules, which has trac.ini's syntax but for this: the
// names of options keep their case, those of sections may hold brackets (ConfigParser
// since Python 3.11), all is in the order of the file, and nothing is inherited.
// [DEFAULT] is one of the sections. Errors are as with [Load].
func Sections(file string) ([]Section, error) {
	src, err := parseFile(file, &parser{rules: true})
	if err != nil {
		return nil, err
	}
	var list []Section
	at := make(map[string]int)
	for _, h := range src.headers {
		if _, again := at[h.name]; !again {
			at[h.name] = len(list)
			list = append(list, Section{Name: h.name, Line: h.line})
		}
	}
	for _, s := range src.settings {
		keys := &list[at[s.section]].Keys
		*keys = append(*keys, Key{s.name, s.value, s.line})
	}
	for i := range list {
		slices.SortFunc(list[i].Keys, func(a, b Key) int { return cmp.Compare(a.Line, b.Line) })
	}
	return list, nil
}
