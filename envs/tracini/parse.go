package tracini

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultSection is the section whose options every other section of the same
// file has too, before its own; where it sets one itself, its value counts.
const DefaultSection = "DEFAULT"

// source is one file's text taken apart. Strings are cut out of that text, so
// it stays in memory as long as they do.
type source struct {
	sections []string  // in the order of the file, without [DEFAULT]
	settings []sourced // sorted by section and name
	headers  []span    // of sections, in the order of the file
}

// span is a part of a file's text: bytes, up to and with a line's end.
type span struct {
	name       string // of the section that begins there
	start, end int
	line       int
}

// option is the full name of an option.
type option struct{ section, name string }

// sourced is one option of a file.
type sourced struct {
	option
	value      string
	line       int
	start, end int // its lines, in bytes of the text
}

// parser reads trac.ini as Trac 1.6 does, that is as a Python ConfigParser
// that is strict and does not interpolate. It is our own because ini.v1 cannot
// be told these rules: see TestIniV1.
type parser struct {
	source
	rules   bool            // the file is one for [Sections], not a trac.ini
	seen    map[string]bool // sections
	section string
	inside  bool            // a section header was read
	current int             // the setting that is being read, -1 if none
	more    strings.Builder // its value, once it is longer than a line
	indent  int             // of the line that began it, in characters
	blank   int             // empty lines since its last line of text
	at, end int             // the line that is being read, in bytes of the text
}

// parse takes the text of a trac.ini apart. The error has no file name yet.
func parse(text string) (*source, *Error) { return new(parser).parse(text) }

func (p *parser) parse(text string) (*source, *Error) {
	switch {
	case strings.HasPrefix(text, "\ufeff"):
		return nil, &Error{Line: 1, Problem: "the file begins with a byte order mark, which Trac refuses"}
	case !utf8.ValidString(text):
		return nil, &Error{Line: badLine(text), Problem: "not UTF-8"}
	}
	p.current, p.seen = -1, map[string]bool{}
	p.settings = make([]sourced, 0, strings.Count(text, "\n")+1)
	size := len(text)
	for number := 1; text != ""; number++ {
		var line string
		p.at = size - len(text)
		line, text = cutLine(text)
		p.end = size - len(text)
		if problem := p.line(line, number); problem != "" {
			return nil, &Error{Line: number, Problem: problem}
		}
	}
	p.finish()
	if bad := p.sort(); bad != nil {
		return nil, bad
	}
	return &p.source, nil
}

// sort sorts the settings; none may be there twice.
func (s *source) sort() *Error {
	slices.SortStableFunc(s.settings, func(a, b sourced) int { return a.compare(b.option) })
	var bad *Error
	for i := 1; i < len(s.settings); i++ {
		if e := &s.settings[i]; e.option == s.settings[i-1].option && (bad == nil || e.line < bad.Line) {
			bad = &Error{Line: e.line, Problem: "option " + e.name + " is twice in section [" + e.section + "]"}
		}
	}
	return bad
}

// compare orders options by section and name.
func (o option) compare(p option) int {
	if c := strings.Compare(o.section, p.section); c != 0 {
		return c
	}
	return strings.Compare(o.name, p.name)
}

// find returns an option of the file, or nil.
func (s *source) find(o option) *sourced {
	i, ok := slices.BinarySearchFunc(s.settings, o, func(e sourced, o option) int { return e.compare(o) })
	if !ok {
		return nil
	}
	return &s.settings[i]
}

// badLine is the number of the line that holds the first byte that is not UTF-8.
func badLine(text string) int {
	number := 1
	for text != "" {
		line, rest := cutLine(text)
		if !utf8.ValidString(line) {
			break
		}
		number, text = number+1, rest
	}
	return number
}

// cutLine takes the first line off. A line ends with LF, CR LF or CR.
func cutLine(text string) (line, rest string) {
	i := strings.IndexByte(text, '\n')
	if i < 0 {
		i = len(text)
	}
	if cr := strings.IndexByte(text[:i], '\r'); cr >= 0 {
		if cr+1 < len(text) && text[cr+1] == '\n' {
			return text[:cr], text[cr+2:]
		}
		return text[:cr], text[cr+1:]
	}
	return text[:i], text[min(i+1, len(text)):]
}

// line reads one line; it returns what is wrong with it, or nothing.
func (p *parser) line(raw string, number int) (problem string) {
	text := trim(raw)
	switch {
	case text == "":
		p.blank++
		return ""
	case text[0] == '#' || text[0] == ';':
		return ""
	}
	indent := indentOf(raw)
	if p.current >= 0 && indent > p.indent {
		p.extend(text)
		return ""
	}
	p.finish()
	p.indent = indent
	if name, ok := p.header(text); ok {
		return p.begin(name, number)
	}
	if !p.inside {
		return "text before the first [section]"
	}
	return p.set(text, number)
}

// header reads a section header. What follows the bracket is ignored. For Python
// before 3.11 that is the first one, which is the safe choice for a trac.ini; in a
// file of rules, sections are patterns that hold brackets, and the last one counts.
func (p *parser) header(text string) (name string, ok bool) {
	end := strings.IndexByte(text, ']')
	if p.rules {
		end = strings.LastIndexByte(text, ']')
	}
	if text[0] != '[' || end < 2 {
		return "", false
	}
	return text[1:end], true
}

// begin starts a section.
func (p *parser) begin(name string, number int) (problem string) {
	p.section, p.inside = name, true
	p.headers = append(p.headers, span{name, p.at, p.end, number})
	if name == DefaultSection { // which Trac lets a file have twice
		return ""
	}
	if p.seen[name] {
		return "section [" + name + "] is there twice"
	}
	p.seen[name] = true
	p.sections = append(p.sections, name)
	return ""
}

// set reads the first line of an option.
func (p *parser) set(text string, number int) (problem string) {
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		return "neither [section] nor name = value: " + excerpt(text)
	}
	name := trim(text[:i])
	if !p.rules {
		name = strings.ToLower(name)
	}
	if name == "" {
		return "an option without a name: " + excerpt(text)
	}
	p.current, p.blank = len(p.settings), 0
	p.settings = append(p.settings, sourced{option: option{p.section, name}, value: trim(text[i+1:]), line: number, start: p.at, end: p.end})
	return ""
}

// extend adds a further line to the value that is being read.
func (p *parser) extend(text string) {
	if p.more.Len() == 0 {
		p.more.WriteString(p.settings[p.current].value)
	}
	for ; p.blank > 0; p.blank-- {
		p.more.WriteByte('\n')
	}
	p.more.WriteByte('\n')
	p.more.WriteString(text)
	p.settings[p.current].end = p.end
}

// finish ends the value that is being read. Empty lines at its end are dropped.
func (p *parser) finish() {
	if p.current >= 0 && p.more.Len() > 0 {
		p.settings[p.current].value = p.more.String()
		p.more.Reset()
	}
	p.current = -1
}

// indentOf counts the characters of white space before the text of a line.
func indentOf(line string) int {
	n := 0
	for _, r := range line {
		if !isSpace(r) {
			break
		}
		n++
	}
	return n
}

// isSpace is Python's str.isspace: the four information separators count too.
func isSpace(r rune) bool { return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r) }

// trim is Python's str.strip.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') { // nearly always all there is
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	if s == "" || plain(s[0]) && plain(s[len(s)-1]) {
		return s
	}
	return strings.TrimFunc(s, isSpace)
}

// plain says whether a byte is a character that is certainly no white space.
func plain(b byte) bool { return b > ' ' && b < 0x7f }

// excerpt is the beginning of a line, for an error message.
func excerpt(line string) string {
	const most = 60 // characters
	n := 0
	for i := range line {
		if n++; n > most {
			return line[:i] + "…"
		}
	}
	return line
}
