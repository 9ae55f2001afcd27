package tracini

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Problem is a set value that does not fit its option. The default is used in
// its place, which Trac would answer with an error.
type Problem struct {
	File            string
	Line            int
	Section, Option string
	Value           string
	Problem         string
}

// value returns an option as set, else as registered, and its registration,
// which is nil for an option that Trac does not know.
func (c *Config) value(section, name string) (value string, set bool, o *Option) {
	name = strings.ToLower(name)
	o = registered().find(section, name)
	if value, set = c.Lookup(section, name); !set && o != nil {
		value = o.Default
	}
	return value, set, o
}

// typed reads an option by read; where that fails, the default's value is used,
// and zero where there is none.
func typed[T any](c *Config, section, option string, read func(string) (T, error)) T {
	value, set, o := c.value(section, option)
	v, err := read(value)
	if err != nil && set && o != nil {
		v, err = read(o.Default)
	}
	if err != nil {
		var zero T
		return zero
	}
	return v
}

// String returns an option, or its registered default, or nothing.
func (c *Config) String(section, option string) string {
	value, _, _ := c.value(section, option)
	return value
}

// Bool returns an option by the rule of [ParseBool].
func (c *Config) Bool(section, option string) bool {
	value, _, _ := c.value(section, option)
	b, _ := ParseBool(value)
	return b
}

// Int returns an option by the rule of [ParseInt].
func (c *Config) Int(section, option string) int { return typed(c, section, option, ParseInt) }

// Float returns an option by the rule of [ParseFloat].
func (c *Config) Float(section, option string) float64 {
	return typed(c, section, option, ParseFloat)
}

// List returns an option's items: parted at the option's separators (a comma
// unless registered otherwise), stripped, without empty ones.
func (c *Config) List(section, option string) []string {
	value, _, o := c.value(section, option)
	if o != nil && o.Separators != "" {
		return splitList(value, o.Separators)
	}
	return splitList(value, ",")
}

// Choice returns an option in the spelling of the registered choice; the
// default if it is none of them.
func (c *Config) Choice(section, option string) string {
	value, _, o := c.value(section, option)
	if o == nil || o.Type != TypeChoice {
		return value
	}
	if choice, ok := o.choose(value); ok {
		return choice
	}
	return o.Default
}

// choose finds value among the choices.
func (o *Option) choose(value string) (choice string, ok bool) {
	i := slices.IndexFunc(o.Choices, func(choice string) bool {
		return choice == value || o.AnyCase && strings.EqualFold(choice, value)
	})
	if i < 0 {
		return "", false
	}
	return o.Choices[i], true
}

// Path returns an option as an absolute path without symbolic links, as far as
// it exists; nothing if it is empty. A relative path is taken from the
// directory of the file given to [Load], even if it stands in an inherited
// file (Trac 1.6).
func (c *Config) Path(section, option string) string {
	path := c.LinkedPath(section, option)
	if path == "" {
		return ""
	}
	return realPath(path)
}

// LinkedPath is Path with symbolic links left in it: for what has to be noticed
// when a link is turned elsewhere.
func (c *Config) LinkedPath(section, option string) string {
	value, _, _ := c.value(section, option)
	if value == "" {
		return ""
	}
	if !filepath.IsAbs(value) {
		value = filepath.Join(filepath.Dir(c.file), value)
	}
	abs, err := filepath.Abs(value)
	if err != nil {
		return filepath.Clean(value)
	}
	return abs
}

// realPath resolves the symbolic links of the part of path that exists.
func realPath(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if !errors.Is(err, os.ErrNotExist) || dir == path {
		return path
	}
	return filepath.Join(realPath(dir), filepath.Base(path))
}

// ParseBool reads a bool as Trac 1.6 does: a number is true unless zero; else
// yes, true, enabled and on are, in any case. Everything else is false; ok
// tells whether that was meant.
func ParseBool(s string) (value, ok bool) {
	if f, err := ParseFloat(s); err == nil && s != "" {
		return f != 0, true
	}
	switch strings.ToLower(trim(s)) {
	case "yes", "true", "enabled", "on":
		return true, true
	case "no", "false", "disabled", "off", "":
		return false, true
	}
	return false, false
}

// ParseInt reads a decimal integer as Trac 1.6 does: blanks around it and
// single underscores between digits are fine, and nothing is 0.
func ParseInt(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	digits, ok := underscores(trim(s))
	if !ok {
		return 0, errors.New("not a whole number")
	}
	n, err := strconv.Atoi(digits)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("the number is too large")
	case err != nil:
		return 0, errors.New("not a whole number")
	}
	return n, nil
}

// ParseFloat reads a number as Trac 1.6 does; nothing is 0.
func ParseFloat(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	digits, ok := underscores(trim(s))
	if !ok || strings.ContainsAny(digits, "xXpP") { // Go reads hexadecimal, Python does not
		return 0, errors.New("not a number")
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil && !math.IsInf(f, 0) { // too large is infinite, as in Python
		return 0, errors.New("not a number")
	}
	return f, nil
}

// underscores removes the underscores that stand between two digits; ok is
// false if there are others.
func underscores(s string) (plain string, ok bool) {
	if !strings.Contains(s, "_") {
		return s, true
	}
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := range len(s) {
		if s[i] == '_' && (!digit(i-1) || !digit(i+1)) {
			return "", false
		}
	}
	return strings.ReplaceAll(s, "_", ""), true
}

// ParseList parts s at commas, strips the items and drops empty ones.
func ParseList(s string) []string { return splitList(s, ",") }

func splitList(s, separators string) []string {
	var items []string
	for item := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if item = trim(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Problems checks every set option against Trac's registry.
func (c *Config) Problems() []Problem {
	var list []Problem
	for _, s := range c.sections {
		for _, e := range c.entries[s.lo:s.hi] {
			o := registered().find(s.name, e.name)
			if o == nil {
				continue
			}
			for _, p := range o.check(e.value) {
				list = append(list, Problem{File: c.files[e.file].Path, Line: int(e.line),
					Section: s.name, Option: e.name, Value: e.value, Problem: p})
			}
		}
	}
	return list
}

// check says what is wrong with a value of the option, and what comes of it.
func (o *Option) check(value string) []string {
	if o.Type == TypeComponent || o.Type == TypeComponentList {
		return o.checkComponents(value)
	}
	_, err := o.normal(value)
	switch {
	case err == nil:
		return nil
	case o.Type == TypeBool:
		return []string{err.Error() + "; it counts as no"}
	}
	return []string{err.Error() + "; " + orEmpty(o.Default) + " is used"}
}

// checkComponents says which of the named components Trac does not ship.
func (o *Option) checkComponents(value string) []string {
	names := []string{value}
	if o.Type == TypeComponentList {
		names = splitList(value, ",")
	}
	var list []string
	for _, name := range names {
		if _, ok := o.choose(name); !ok {
			list = append(list, "component "+orEmpty(name)+" is not part of Trac")
		}
	}
	return list
}

// Normalize returns a value in the spelling in which Trac 1.6 saves it: bools as
// enabled or disabled, lists without blanks, choices as registered. It fails,
// naming what is allowed, if the type of the option refuses the value. Names of
// components are not checked: a plugin may have them.
func Normalize(section, option, value string) (string, error) {
	o := registered().find(section, strings.ToLower(option))
	if o == nil {
		return trim(value), nil
	}
	normal, err := o.normal(value)
	switch {
	case err != nil && o.Type == TypeChoice: // the error names them
		return "", fmt.Errorf("[%s] %s cannot be %q: %w", section, option, value, err)
	case err != nil:
		return "", fmt.Errorf("[%s] %s cannot be %q: %w; it takes %s", section, option, value, err, o.takes())
	case !o.Registered: // Trac saves it as given
		return trim(value), nil
	}
	return normal, nil
}

// normal is Normalize for the option; the error says what the value is not.
func (o *Option) normal(value string) (string, error) {
	switch o.Type {
	case TypeBool:
		b, ok := ParseBool(value)
		switch {
		case !ok:
			return "", errors.New("neither yes nor no")
		case b:
			return "enabled", nil
		}
		return "disabled", nil
	case TypeInt:
		n, err := ParseInt(value)
		return strconv.Itoa(n), err
	case TypeFloat:
		_, err := ParseFloat(value)
		return trim(value), err
	case TypeChoice:
		choice, ok := o.choose(trim(value))
		if !ok {
			names := make([]string, len(o.Choices))
			for i, c := range o.Choices {
				names[i] = orEmpty(c)
			}
			return "", errors.New("none of " + strings.Join(names, ", "))
		}
		return choice, nil
	case TypeList, TypeComponentList:
		return strings.Join(splitList(value, o.Separators), o.Separators[:1]), nil
	}
	return trim(value), nil
}

// takes says, for people, what values the option takes.
func (o *Option) takes() string {
	switch o.Type {
	case TypeBool:
		return "yes, no, true, false, enabled, disabled, on, off or a number"
	case TypeInt:
		return "a whole number"
	case TypeFloat:
		return "a number"
	}
	return "any text"
}

func orEmpty(s string) string {
	if s == "" {
		return "an empty value"
	}
	return s
}
