package tracini

import (
	"iter"
	"slices"
	"strings"
	"sync"
)

// Type is the kind of an option's values.
type Type string

// The types of options. A TypeFreeform section has options of the user's own names.
const (
	TypeString        Type = "string"
	TypeBool          Type = "bool"
	TypeInt           Type = "int"
	TypeFloat         Type = "float"
	TypeList          Type = "list"
	TypeChoice        Type = "choice"
	TypePath          Type = "path"
	TypeComponent     Type = "component"
	TypeComponentList Type = "component-list"
	TypeFreeform      Type = "section"
)

// Option is an option that Trac 1.6 registers.
type Option struct {
	Section, Name string // Name is "*" for a TypeFreeform section, or holds "<item>"
	Type          Type
	Default       string
	// Initial is what a new environment's trac.ini gets; Written is false if
	// it does not hold the option.
	Initial string
	Written bool
	// Separators are the characters that part a TypeList; it is saved with the first.
	Separators string
	// Choices are the values of a TypeChoice, or the components that Trac ships.
	Choices []string
	// AnyCase means that case does not count in Choices.
	AnyCase bool
	// Declarer is the Trac component that reads the option, with its package, if known.
	Declarer string
	// Registered says that Trac knows the option even where no file sets it. Others
	// are looked for by name when they are needed.
	Registered bool
}

// registry is optionTable taken apart.
type registry struct {
	sorted []Option
	exact  map[option]int
	items  map[string][]int // patterns with <item>, by section
}

// registered parses optionTable once; nobody changes the result.
var registered = sync.OnceValue(func() *registry {
	r := &registry{exact: map[option]int{}, items: map[string][]int{}}
	for line := range strings.Lines(strings.TrimPrefix(optionTable, "\n")) {
		o := parseOption(strings.TrimSuffix(line, "\n"))
		i := len(r.sorted)
		r.sorted = append(r.sorted, o)
		if strings.Contains(o.Name, "<item>") {
			r.items[o.Section] = append(r.items[o.Section], i)
		} else {
			r.exact[option{o.Section, o.Name}] = i
		}
	}
	// The longest pattern first: "<item>" alone fits every name without a dot.
	for _, list := range r.items {
		slices.SortFunc(list, func(a, b int) int { return len(r.sorted[b].Name) - len(r.sorted[a].Name) })
	}
	return r
})

// parseOption reads one line of optionTable.
func parseOption(line string) Option {
	var f [7]string
	copy(f[:], strings.Split(line, "\t"))
	o := Option{Section: f[0], Name: f[1], Type: Type(f[2]), Default: f[3]}
	declarer, unknown := strings.CutPrefix(f[6], "-")
	o.Declarer, o.Registered = declarer, !unknown && o.Type != TypeFreeform
	o.Initial, o.Written = f[4], f[4] != ""
	if f[4] == "+" {
		o.Initial = o.Default
	}
	switch o.Type {
	case TypeList:
		o.Separators = f[5]
	case TypeChoice, TypeComponent, TypeComponentList:
		names, anyCase := strings.CutPrefix(f[5], "~")
		o.Choices, o.AnyCase = strings.Split(names, "|"), anyCase
		if o.Type == TypeComponentList {
			o.Separators = ","
		}
	}
	return o
}

// find returns the registered option of that name, or nil.
func (r *registry) find(section, name string) *Option {
	if i, ok := r.exact[option{section, name}]; ok {
		return &r.sorted[i]
	}
	for _, i := range r.items[section] {
		end := strings.TrimPrefix(r.sorted[i].Name, "<item>")
		if strings.HasSuffix(name, end) && (end != "" || !strings.Contains(name, ".")) {
			return &r.sorted[i]
		}
	}
	return nil
}

// Find returns what Trac knows of an option; ok is false if that is nothing.
// The names of options are not case sensitive.
func Find(section, option string) (o Option, ok bool) {
	if p := registered().find(section, strings.ToLower(option)); p != nil {
		return *p, true
	}
	return o, false
}

// Options ranges over the options that Trac 1.6 registers, sorted by section
// and name. Choices must not be changed.
func Options() iter.Seq[Option] { return slices.Values(registered().sorted) }
