// Package tracini reads trac.ini: its syntax, the files it inherits from, and
// typed values with Trac's defaults. [Save] changes one and keeps the rest of it.
//
// A [Config] is what those files held at one moment. It never changes and may
// be used by many goroutines; [Config.Stale] tells when to [Load] again.
package tracini

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"projhost/internal/stamp"
)

// Bounds of inheritance, in files.
const (
	maxDepth = 16
	maxFiles = 64
)

// Config is a trac.ini and what it inherits, as read at one moment.
type Config struct {
	file     string // as given to Load
	sections []section
	entries  []entry // by section, then name
	files    []stamp.File
}

// section is a run of entries.
type section struct {
	name   string
	lo, hi int
}

type entry struct {
	name, value string
	line        int32
	file        int32 // index into files
}

// Error says why a configuration cannot be read. It names files and quotes
// their text, so it is for the operator only.
type Error struct {
	File    string
	Line    int // 0: the file as a whole
	Problem string
	Err     error // the cause, if the system refused
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

func (e *Error) Unwrap() error { return e.Err }

// Load reads a trac.ini and the files named by its [inherit] file option. An
// error is always an *Error; it wraps fs.ErrNotExist if the file itself is not
// there. An inherited file that is not there counts as empty (Trac 1.6).
//
// Relative names are taken from the directory of the file that says them. An
// option's value comes from the file itself, else from its parents in the
// order listed, each with its own parents before the next.
func Load(file string) (*Config, error) {
	l := &loader{sections: map[string]bool{}, read: map[string]bool{}}
	if err := l.load(file, nil); err != nil {
		return nil, err
	}
	return l.config(file), nil
}

// loader gathers a file and its parents.
type loader struct {
	sections map[string]bool
	found    map[option]bool // nil until there is a second file
	entries  []located
	files    []stamp.File
	read     map[string]bool
}

type located struct {
	option
	entry
}

// load reads one file and, after it, its parents. above are the files that led
// to it, outermost first. What an earlier file set is not set again.
func (l *loader) load(file string, above []string) error {
	text, st, err := read(file)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && len(above) > 0:
		l.files = append(l.files, st)
		return nil
	case missing:
		return &Error{File: file, Problem: "no such file", Err: err}
	case err != nil:
		return &Error{File: file, Problem: "cannot be read: " + err.Error(), Err: err}
	}
	src, bad := parse(text)
	if bad != nil {
		bad.File = file
		return bad
	}
	l.files = append(l.files, st)
	l.add(src, len(l.files)-1)
	return l.parents(src, file, append(above, file))
}

// parents loads the files named by [inherit] file in src.
func (l *loader) parents(src *source, file string, above []string) error {
	value, line := src.inherited()
	for _, name := range splitList(value, ",") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		name = filepath.Clean(name)
		problem := ""
		switch {
		case slices.ContainsFunc(above, func(a string) bool { return filepath.Clean(a) == name }):
			problem = "inherits from itself by way of " + name
		case l.read[name]: // all it says has been said
			continue
		case len(above) >= maxDepth:
			problem = fmt.Sprintf("more than %d files inherit from one another", maxDepth)
		case len(l.files) >= maxFiles:
			problem = fmt.Sprintf("inherits from more than %d files", maxFiles)
		}
		if problem != "" {
			return &Error{File: file, Line: line, Problem: problem}
		}
		l.read[name] = true
		if err := l.load(name, above); err != nil {
			return err
		}
	}
	return nil
}

// inherited is the value of [inherit] file in this file, and its line.
func (s *source) inherited() (value string, line int) {
	e := s.find(option{"inherit", "file"})
	if e == nil && slices.Contains(s.sections, "inherit") {
		e = s.find(option{DefaultSection, "file"})
	}
	if e == nil {
		return "", 0
	}
	return e.value, e.line
}

// add adds what no earlier file said. The options of [DEFAULT] count as said
// in each section of the same file.
func (l *loader) add(src *source, file int) {
	first := l.entries == nil
	if first {
		l.entries = make([]located, 0, len(src.settings))
	} else if l.found == nil {
		l.found = make(map[option]bool, len(l.entries))
		for _, e := range l.entries {
			l.found[e.option] = true
		}
	}
	put := func(key option, s *sourced) {
		if l.found != nil {
			if l.found[key] {
				return
			}
			l.found[key] = true
		}
		e := entry{name: key.name, value: s.value, line: int32(s.line), file: int32(file)}
		l.entries = append(l.entries, located{key, e})
	}
	for _, name := range src.sections {
		l.sections[name] = true
	}
	for i := range src.settings {
		s := &src.settings[i]
		if s.section != DefaultSection {
			put(s.option, s)
			continue
		}
		for _, name := range src.sections {
			if key := (option{name, s.name}); src.find(key) == nil {
				put(key, s)
			}
		}
	}
}

// config sorts what was gathered.
func (l *loader) config(file string) *Config {
	slices.SortFunc(l.entries, func(a, b located) int { return a.compare(b.option) })
	c := &Config{file: file, files: slices.Clip(l.files)}
	c.entries = make([]entry, len(l.entries))
	c.sections = make([]section, 0, len(l.sections))
	for name := range l.sections {
		c.sections = append(c.sections, section{name: name})
	}
	slices.SortFunc(c.sections, func(a, b section) int { return strings.Compare(a.name, b.name) })
	at := 0
	for i := range c.sections {
		s := &c.sections[i]
		s.lo = at
		for at < len(l.entries) && l.entries[at].section == s.name {
			c.entries[at] = l.entries[at].entry
			at++
		}
		s.hi = at
	}
	return c
}

// Files lists the files that were read, the environment's own first, then
// those it inherits, with those that are not there: each as it was just before
// it was read. The caller must not change the list.
func (c *Config) Files() []stamp.File { return c.files }

// Stale says whether one of the files is no longer as it was read: its
// modification time, size, inode or (on Linux) change time differ, or it came
// or went. It only calls stat, once a file.
func (c *Config) Stale() bool { return slices.ContainsFunc(c.files, stamp.File.Stale) }

// options returns the entries of a section, none if there is no such section.
func (c *Config) options(name string) []entry {
	i, ok := slices.BinarySearchFunc(c.sections, name, func(s section, name string) int {
		return strings.Compare(s.name, name)
	})
	if !ok {
		return nil
	}
	return c.entries[c.sections[i].lo:c.sections[i].hi]
}

// Lookup returns an option's value as the files have it, without a default.
// The names of options are not case sensitive, those of sections are.
func (c *Config) Lookup(section, option string) (value string, ok bool) {
	entries := c.options(section)
	i, ok := slices.BinarySearchFunc(entries, strings.ToLower(option), func(e entry, name string) int {
		return cmp.Compare(e.name, name)
	})
	if !ok {
		return "", false
	}
	return entries[i].value, true
}

// Section ranges over the options of a section that the files set, sorted.
func (c *Config) Section(name string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, e := range c.options(name) {
			if !yield(e.name, e.value) {
				return
			}
		}
	}
}

// Sections lists the sections that the files have, sorted, those without
// options too.
func (c *Config) Sections() []string {
	names := make([]string, len(c.sections))
	for i, s := range c.sections {
		names[i] = s.name
	}
	return names
}
