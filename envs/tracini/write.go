package tracini

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Setting is one option and its value.
type Setting struct{ Section, Name, Value string }

// Settings ranges over all that the files set, sorted.
func (c *Config) Settings() iter.Seq[Setting] {
	return func(yield func(Setting) bool) {
		for _, s := range c.sections {
			for _, e := range c.entries[s.lo:s.hi] {
				if !yield(Setting{s.name, e.name, e.value}) {
					return
				}
			}
		}
	}
}

// Format writes settings as Trac 1.6 saves them: UTF-8 with a coding comment,
// sections and options sorted, an empty line after each section. It fails if
// the text would not be read back as the same settings, as with an option that
// is there twice or a name that holds "=".
func Format(settings iter.Seq[Setting]) ([]byte, error) {
	sorted := slices.SortedFunc(settings, func(a, b Setting) int {
		return option{a.Section, a.Name}.compare(option{b.Section, b.Name})
	})
	var b strings.Builder
	b.WriteString("# -*- coding: utf-8 -*-\n")
	for i, s := range sorted {
		if i == 0 || s.Section != sorted[i-1].Section {
			b.WriteString("\n[" + s.Section + "]\n")
		}
		b.WriteString(s.Name + " = " + strings.ReplaceAll(s.Value, "\n", "\n\t") + "\n")
	}
	b.WriteByte('\n')
	src, bad := parse(b.String())
	if bad != nil {
		return nil, fmt.Errorf("formatting a configuration: line %d: %s", bad.Line, bad.Problem)
	}
	for i, s := range sorted {
		if i >= len(src.settings) || src.settings[i].option != (option{s.Section, s.Name}) || src.settings[i].value != s.Value {
			return nil, fmt.Errorf("formatting a configuration: [%s] %s cannot be written", s.Section, s.Name)
		}
	}
	if len(src.settings) != len(sorted) {
		return nil, fmt.Errorf("formatting a configuration: %d options became %d", len(sorted), len(src.settings))
	}
	return []byte(b.String()), nil
}
