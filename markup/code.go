package markup

import (
	"strings"
	"unicode/utf8"
)

// codeBlock is a {{{ … }}} being collected.
type codeBlock struct {
	depth  int      // blocks open within it, and itself
	lines  []string // its content
	indent string   // the white space before what named it
	name   string   // the processor, "" while not known
	args   string   // the rest of the processor's line
}

// opensBlock reports whether a line opens a code block: "{{{" alone or with a
// processor, and no "}}}" anywhere.
func opensBlock(s string) bool {
	rest, ok := strings.CutPrefix(s[spaces(s, 0):], "{{{")
	if !ok || strings.Contains(s, "}}}") {
		return false
	}
	rest = rest[spaces(rest, 0):]
	return rest == "" || processorName(rest) > 0
}

// processorName returns the length of "#!name" at the start of s, or 0. A name
// starts with a word character, "+" or "-" and goes on with those and ",./".
func processorName(s string) int {
	if !strings.HasPrefix(s, "#!") || len(s) == 2 {
		return 0
	}
	if r, _ := utf8.DecodeRuneInString(s[2:]); !isWord(r) && r != '+' && r != '-' {
		return 0
	}
	return wordRun(s, 2, "+-,./")
}

// named takes the processor from s, "#!name args" without white space before.
func (c *codeBlock) named(s string) bool {
	n := processorName(s)
	if n == 0 {
		return false
	}
	c.name, c.args = s[2:n], s[n:]
	return true
}

func (f *frame) beginCode(s string) {
	size := spaces(s, 0)
	f.code = &codeBlock{depth: 1, indent: s[:size]}
	rest := s[size+3:]
	f.code.named(rest[spaces(rest, 0):])
}

// codeLine collects a line of the open code block, or closes the block.
func (f *frame) codeLine(s string, opens bool) {
	c := f.code
	switch {
	case opens:
		c.depth++
	case strings.TrimFunc(s, isSpace) == "}}}":
		if c.depth--; c.depth == 0 {
			f.endCode()
			return
		}
	}
	if c.name == "" {
		size := spaces(s, 0)
		if c.named(s[size:]) {
			c.indent = s[:size]
			return
		}
		c.name = "default"
	}
	c.lines = append(c.lines, s)
}

// endCode adds the collected block. Trac 1.6: one without content and processor
// does nothing at all.
func (f *frame) endCode() {
	c := f.code
	f.code = nil
	if c.name == "" {
		return
	}
	c.dedent()
	switch c.name {
	case "td", "th", "tr":
	default:
		f.closeTable()
	}
	f.closeParagraph()
	f.process(c)
}

// dedent removes the block's indentation from its lines if all have it.
func (c *codeBlock) dedent() {
	if c.indent == "" {
		return
	}
	for _, s := range c.lines {
		if s != "" && !strings.HasPrefix(s, c.indent) {
			return
		}
	}
	for i, s := range c.lines {
		c.lines[i] = strings.TrimPrefix(s, c.indent)
	}
}

// text is the content as one string.
func (f *frame) codeText(c *codeBlock) string {
	if len(c.lines) == 0 {
		return ""
	}
	return f.b.made(strings.Join(c.lines, "\n") + "\n")
}

// Modes of a kPre.
const (
	preWiki  = iota // preformatted text
	prePlain        // code of no language
	preCode         // code of the language in the kLanguage before it
)

// process adds what a processor makes of its content. What has no case here is
// taken for a language, and shown as its code; so is HTML.
func (f *frame) process(c *codeBlock) {
	if f.b.full() {
		f.b.add(node{kind: kPre, n: preWiki, text: f.codeText(c)})
		return
	}
	switch c.name {
	case "default":
		f.b.add(node{kind: kPre, n: preWiki, text: f.codeText(c)})
	case "comment":
	case "htmlcomment":
		f.htmlComment(f.codeText(c))
	case "div":
		f.wrap(kDiv, withClass(parseArgs(c.args), "wikipage"), c)
	case "rtl":
		f.wrap(kDiv, rightToLeft(parseArgs(c.args)), c)
	case "span", "Span":
		f.push(node{kind: kSpan, text: f.b.made(attributes(parseArgs(c.args)))})
		f.b.inline(elide(f.codeText(c), 0))
		f.b.pop()
	case "td", "th":
		f.cellBlock(c)
	case "tr":
		f.rowBlock(c)
	case "table":
		f.tableBlock(c)
	case "text/x-trac-wiki", "application/x-trac-wiki":
		f.wrap(kWikiCode, nil, c)
	case "text/plain", "text", "txt", "TXT":
		f.b.add(node{kind: kPre, n: prePlain, text: expandTabs(f.codeText(c))})
	default:
		f.b.add(node{kind: kLanguage, text: c.name})
		f.b.add(node{kind: kPre, n: preCode, text: expandTabs(f.codeText(c))})
	}
}

// wrap adds an element around the content, read by a formatter of its own.
func (f *frame) wrap(k kind, attrs []attr, c *codeBlock) {
	f.push(node{kind: k, text: f.b.made(attributes(attrs))})
	f.nested(c)
	f.b.pop()
}

func (f *frame) nested(c *codeBlock) {
	inner := newFrame(f.b)
	for _, s := range c.lines {
		inner.line(s)
	}
	inner.finish()
}

// htmlComment adds a comment, in which "--" must not stand.
func (f *frame) htmlComment(text string) {
	if strings.Contains(text, "--") {
		f.message(`Error: Forbidden character sequence "--" in htmlcomment wiki code block`)
		return
	}
	f.b.add(node{kind: kComment, text: text})
}

// message adds an error for the writer of the text.
func (f *frame) message(text string) { f.b.add(node{kind: kMessage, text: text}) }

// withClass adds the class to attributes that have none.
func withClass(list []attr, class string) []attr {
	for _, a := range list {
		if a.name == "class" {
			return list
		}
	}
	return append(list, attr{"class", class})
}

// rightToLeft puts the class "rtl" before the one that is given.
func rightToLeft(list []attr) []attr {
	for i, a := range list {
		if a.name == "class" {
			list[i].value = "rtl " + a.value
		}
	}
	return withClass(list, "rtl")
}

// expandTabs replaces tabs by spaces up to the next multiple of eight, as Trac
// does in code that it highlights.
func expandTabs(s string) string {
	if strings.IndexByte(s, '\t') < 0 {
		return s
	}
	var out strings.Builder
	column := 0
	for _, r := range s {
		switch r {
		case '\t':
			n := 8 - column%8
			out.WriteString("        "[:n])
			column += n
		case '\n':
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteRune(r)
			column++
		}
	}
	return out.String()
}
