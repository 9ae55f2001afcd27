package tracini

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Change is one change of a file: an option gets a value, or goes.
type Change struct {
	Section, Name, Value string
	// Remove removes the option, or all of the section if Name is empty.
	Remove bool
}

// ErrNotSet says that what is to be removed is not in the file.
var ErrNotSet = errors.New("not set")

// String names what is changed.
func (c Change) String() string {
	if c.Name == "" {
		return "[" + c.Section + "]"
	}
	return "[" + c.Section + "] " + c.Name
}

// Edit makes changes in the text of a file, one after the other. All that they
// are not about stays as it is, byte for byte: comments, empty lines, order,
// indentation, ends of lines. A changed option keeps its place; a new one goes
// to its place in the alphabet if the options of its section stand in that
// order, else to the section's end; likewise a new section. With a section go
// the comments inside it, not those that stand above the next one.
//
// Edit fails if the text cannot be read, or would not be read back as what was
// meant; if what is to be removed is not there, the error is [ErrNotSet].
func Edit(text string, changes ...Change) (string, error) {
	src, bad := parse(text)
	if bad != nil {
		return "", bad
	}
	for _, c := range changes {
		c.Name = strings.ToLower(c.Name)
		next, err := c.in(text, src)
		if err != nil {
			return "", fmt.Errorf("%v is %w", c, err)
		}
		if next == text {
			continue
		}
		after, bad := parse(next)
		switch {
		case bad != nil:
			return "", fmt.Errorf("%v cannot be written: %s", c, bad.Problem)
		case !c.done(src, after):
			return "", fmt.Errorf("%v cannot be written: it would not be read back as the same", c)
		}
		text, src = next, after
	}
	return text, nil
}

// in is text, which src was read from, with the change made.
func (c Change) in(text string, src *source) (string, error) {
	if c.Remove && c.Name == "" {
		return removeSection(text, src, c.Section)
	}
	old := src.find(option{c.Section, c.Name})
	switch {
	case c.Remove && old == nil:
		return "", ErrNotSet
	case c.Remove:
		return text[:old.start] + text[old.end:], nil
	case old == nil:
		return c.insert(text, src), nil
	case old.value == c.Value:
		return text, nil
	}
	return text[:old.start] + replaceValue(text, old, c.Value) + text[old.end:], nil
}

// done says whether after differs from before by the change and nothing else.
func (c Change) done(before, after *source) bool {
	whole := c.Remove && c.Name == ""
	others := func(s *source) (sections []string, settings []Setting) {
		for _, name := range s.sections {
			if name != c.Section {
				sections = append(sections, name)
			}
		}
		for i := range s.settings {
			e := &s.settings[i]
			if e.section != c.Section || !whole && e.name != c.Name {
				settings = append(settings, Setting{e.section, e.name, e.value})
			}
		}
		return sections, settings
	}
	sections, settings := others(before)
	sectionsNow, settingsNow := others(after)
	if !slices.Equal(sections, sectionsNow) || !slices.Equal(settings, settingsNow) {
		return false
	}
	now := after.find(option{c.Section, c.Name})
	if c.Remove {
		return now == nil && !(whole && slices.Contains(after.sections, c.Section))
	}
	return now != nil && now.value == c.Value
}

// replaceValue is the text of an option with another value. The comments among
// its lines come after it.
func replaceValue(text string, old *sourced, value string) string {
	lines := text[old.start:old.end]
	first, rest := cutLine(lines)
	eol := lines[len(first) : len(lines)-len(rest)]
	if eol == "" {
		eol = lineEnd(text)
	}
	i := strings.IndexAny(first, "=:") + 1
	gap := first[i : len(first)-len(strings.TrimLeftFunc(first[i:], isSpace))]
	if gap == "" && trim(first[i:]) == "" && i > 1 && isSpace(rune(first[i-2])) {
		gap = " " // "name =" without a value
	}
	var b strings.Builder
	writeValue(&b, first[:i]+gap, indentation(first), value, eol)
	for rest != "" {
		line, after := cutLine(rest)
		if isComment(line) {
			b.WriteString(rest[:len(rest)-len(after)])
		}
		rest = after
	}
	if endsLine(lines) {
		return b.String()
	}
	return strings.TrimSuffix(b.String(), eol)
}

// writeValue writes the lines of an option: head is what stands before the
// value. Lines after the first stand deeper than indent, by a tab as in Trac 1.6.
func writeValue(b *strings.Builder, head, indent, value, eol string) {
	first, rest, more := strings.Cut(value, "\n")
	b.WriteString(head + first + eol)
	for more {
		first, rest, more = strings.Cut(rest, "\n")
		b.WriteString(indent + "\t" + first + eol)
	}
}

// insert is text with an option that it does not have.
func (c Change) insert(text string, src *source) string {
	h := -1 // the section's last header: [DEFAULT] may have several
	for i := range src.headers {
		if src.headers[i].name == c.Section {
			h = i
		}
	}
	eol := lineEnd(text)
	var b strings.Builder
	if h < 0 {
		return c.insertSection(text, src, eol)
	}
	at, indent := c.place(text, src, h)
	b.WriteString(text[:at])
	if !endsLine(text[:at]) {
		b.WriteString(eol)
	}
	writeValue(&b, indent+c.Name+" = ", indent, c.Value, eol)
	b.WriteString(text[at:])
	return b.String()
}

// place is where a new option goes in the section of header h, and how deep. An
// option must not be deeper than the one before it, nor the next line of text
// deeper than it: that would make it a part of the value.
func (c Change) place(text string, src *source, h int) (at int, indent string) {
	options := src.inside(h)
	i := len(options)
	if slices.IsSortedFunc(options, func(a, b *sourced) int { return strings.Compare(a.name, b.name) }) {
		i, _ = slices.BinarySearchFunc(options, c.Name, func(o *sourced, name string) int { return strings.Compare(o.name, name) })
	}
	switch {
	case i > 0:
		return options[i-1].end, indentation(text[options[i-1].start:])
	case len(options) > 0:
		return aboveComments(text, src.headers[h].end, options[0].start), indentation(text[options[0].start:])
	case h+1 < len(src.headers):
		indent = indentation(text[src.headers[h+1].start:])
	}
	return src.headers[h].end, indent
}

// inside lists the options below header h, in the order of the file.
func (s *source) inside(h int) []*sourced {
	end := int(^uint(0) >> 1)
	if h+1 < len(s.headers) {
		end = s.headers[h+1].start
	}
	var list []*sourced
	for i := range s.settings {
		if o := &s.settings[i]; o.start > s.headers[h].start && o.start < end {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *sourced) int { return cmp.Compare(a.start, b.start) })
	return list
}

// insertSection is text with a new section that has one option.
func (c Change) insertSection(text string, src *source, eol string) string {
	i := len(src.headers)
	byName := func(a, b span) int { return strings.Compare(a.name, b.name) }
	if slices.IsSortedFunc(src.headers, byName) {
		i, _ = slices.BinarySearchFunc(src.headers, span{name: c.Section}, byName)
	}
	at, indent := len(text), ""
	if i < len(src.headers) {
		low := 0
		if i > 0 {
			low = src.headers[i-1].end
		}
		next := src.headers[i].start
		indent = indentation(text[next:])
		// What stands at the very top is about the file, not about its first section.
		if at = aboveComments(text, low, next); at == 0 {
			at = next
		}
	}
	var b strings.Builder
	b.WriteString(text[:at])
	switch {
	case text == "":
		b.WriteString(coding + "\n")
	case !endsLine(text[:at]):
		b.WriteString(eol + eol)
	case at > 0 && trim(text[previousLine(text, at):at]) != "":
		b.WriteString(eol)
	}
	apart := at < len(text) || endsBlank(text)
	b.WriteString(indent + "[" + c.Section + "]" + eol)
	writeValue(&b, indent+c.Name+" = ", indent, c.Value, eol)
	if apart {
		b.WriteString(eol)
	}
	b.WriteString(text[at:])
	return b.String()
}

// removeSection is text without a section.
func removeSection(text string, src *source, name string) (string, error) {
	found := false
	for h := len(src.headers) - 1; h >= 0; h-- { // from the end, so that what is before stays where it is
		if src.headers[h].name != name {
			continue
		}
		found = true
		low, high := src.headers[h].end, len(text)
		if options := src.inside(h); len(options) > 0 {
			low = options[len(options)-1].end
		}
		if h+1 < len(src.headers) {
			high = src.headers[h+1].start
		}
		text = text[:src.headers[h].start] + text[sectionEnd(text, low, high):]
	}
	if !found {
		return "", ErrNotSet
	}
	return text, nil
}

// sectionEnd is where a section's own lines end, between its last option and
// the next header: comments after an empty line are not about it.
func sectionEnd(text string, low, high int) int {
	attached := aboveComments(text, low, high)
	blank := false
	for at := low; at < attached; {
		line, rest := cutLine(text[at:])
		switch {
		case blank && isComment(line):
			return at
		case trim(line) == "":
			blank = true
		}
		at = len(text) - len(rest)
	}
	return attached
}

// aboveComments is the start of the comments that stand directly above the line
// at, if any, but not before low.
func aboveComments(text string, low, at int) int {
	for at > low {
		start := previousLine(text, at)
		if start < low || !isComment(text[start:at]) {
			break
		}
		at = start
	}
	return at
}

// previousLine is the start of the line that ends where the line at starts.
func previousLine(text string, at int) int {
	before := text[:at]
	if s, ok := strings.CutSuffix(before, "\r\n"); ok {
		before = s
	} else {
		before = before[:len(before)-1]
	}
	return strings.LastIndexAny(before, "\r\n") + 1
}

func isComment(line string) bool {
	text := trim(line)
	return text != "" && (text[0] == '#' || text[0] == ';')
}

// indentation is the white space before the text of the first line.
func indentation(text string) string {
	line, _ := cutLine(text)
	return line[:len(line)-len(strings.TrimLeftFunc(line, isSpace))]
}

// lineEnd is what ends the first line, LF if nothing does.
func lineEnd(text string) string {
	line, rest := cutLine(text)
	if end := text[len(line) : len(text)-len(rest)]; end != "" {
		return end
	}
	return "\n"
}

// endsLine says whether what follows text begins a line.
func endsLine(text string) bool {
	return text == "" || text[len(text)-1] == '\n' || text[len(text)-1] == '\r'
}

// endsBlank says whether the last line is empty.
func endsBlank(text string) bool {
	return text == "" || endsLine(text) && trim(text[previousLine(text, len(text)):]) == ""
}
