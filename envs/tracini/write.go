package tracini

import (
	"bytes"
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

// Value is an option's value in force, and where it comes from.
type Value struct {
	Setting
	File string // that sets it; "" for Trac's default
	Line int
	// Problems say what is wrong with the value, and what is used in its place.
	Problems []string
}

// Values lists every option that the files set or that Trac has a default for,
// sorted. A value is as the file has it, even if it does not fit its option.
func (c *Config) Values() []Value {
	var list []Value
	for _, s := range c.sections {
		for _, e := range c.entries[s.lo:s.hi] {
			v := Value{Setting: Setting{s.name, e.name, e.value}, File: c.files[e.file].Path, Line: int(e.line)}
			if o := registered().find(s.name, e.name); o != nil {
				v.Problems = o.check(e.value)
			}
			list = append(list, v)
		}
	}
	for _, o := range registered().sorted {
		if _, set := c.Lookup(o.Section, o.Name); o.Registered && !set {
			list = append(list, Value{Setting: Setting{o.Section, o.Name, o.Default}})
		}
	}
	slices.SortFunc(list, func(a, b Value) int {
		return option{a.Section, a.Name}.compare(option{b.Section, b.Name})
	})
	return list
}

// Dump writes all values in force as one trac.ini, which inherits nothing more
// than it did. Above a value that does not fit its option stands a comment.
func (c *Config) Dump() ([]byte, error) {
	values := c.Values()
	text, err := Format(func(yield func(Setting) bool) {
		for _, v := range values {
			if !yield(v.Setting) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	src, bad := parse(string(text))
	if bad != nil {
		return nil, bad
	}
	var b bytes.Buffer
	at := 0
	for _, v := range values { // in the order of the text
		if len(v.Problems) == 0 {
			continue
		}
		start := src.find(option{v.Section, v.Name}).start
		b.Write(text[at:start])
		at = start
		for _, p := range v.Problems {
			b.WriteString("# " + v.Name + ": " + strings.Join(strings.Fields(p), " ") + "\n")
		}
	}
	b.Write(text[at:])
	return b.Bytes(), nil
}

// coding is the first line of a file, as Trac 1.6 writes it.
const coding = "# -*- coding: utf-8 -*-\n"

// Format writes settings as Trac 1.6 saves them: UTF-8 with a coding comment,
// sections and options sorted, an empty line after each section. It fails if
// the text would not be read back as the same settings, as with an option that
// is there twice or a name that holds "=".
func Format(settings iter.Seq[Setting]) ([]byte, error) {
	sorted := slices.SortedFunc(settings, func(a, b Setting) int {
		return option{a.Section, a.Name}.compare(option{b.Section, b.Name})
	})
	var b strings.Builder
	b.WriteString(coding)
	for i, s := range sorted {
		if i == 0 || s.Section != sorted[i-1].Section {
			b.WriteString("\n[" + s.Section + "]\n")
		}
		writeValue(&b, s.Name+" = ", "", s.Value, "\n")
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
