package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// frame is a formatter of blocks: of a text, or of the text in a citation or a
// processor. Its fields say what it has open; they follow the tree, since
// everything it closes goes through closeTop.
type frame struct {
	b    *builder
	in   inliner
	base int // open elements around it

	paragraph, table, row, cell, defs bool

	lists  []list
	quotes []int // indentation of each open quote
	tabs   []int // tab stops: indentations of lists and quotes of this block

	cited []string   // lines of the citation being collected
	code  *codeBlock // the code block being collected
	ids   map[string]int

	// What the line being read did.
	listLine  bool // began or continued an item
	quoteLine bool // is indented as a quote
	tableLine bool // held a separator
	continued bool // leaves its row open
}

func newFrame(b *builder) *frame {
	b.frames++
	return &frame{b: b, in: inliner{b: b}, base: len(b.open)}
}

// read formats all of a text.
func (f *frame) read(text string) {
	if strings.ContainsAny(text, "\v\f") {
		text = f.b.made(strings.NewReplacer("\v", " ", "\f", " ").Replace(text))
	}
	for text != "" {
		var line string
		line, text = cutLine(text)
		f.line(line)
	}
	f.finish()
}

// finish closes what the text left open.
func (f *frame) finish() {
	for f.code != nil {
		f.endCode()
	}
	f.flushCitation()
	f.closeAll()
	f.b.frames--
}

// line reads one line, in the order of Trac 1.6.
func (f *frame) line(s string) {
	opens := opensBlock(s)
	if f.code != nil {
		f.codeLine(s, opens)
		return
	}
	if trimmed := s[spaces(s, 0):]; strings.HasPrefix(trimmed, ">") && f.cite(s, len(s)-len(trimmed)) {
		return
	}
	f.flushCitation()
	switch {
	case opens:
		f.beginCode(s)
	case strings.HasPrefix(s, "----"):
		f.closeAll()
		f.b.add(node{kind: kRule})
	case s == "":
		f.closeAll()
	default:
		f.text(s)
	}
}

// text reads a line that is neither blank nor part of another block.
func (f *frame) text(s string) {
	if strings.IndexByte(s, '\t') >= 0 {
		s = f.b.made(strings.ReplaceAll(s, "\t", "        "))
	}
	if s[0] != ' ' {
		f.tabs = f.tabs[:0]
		f.closeQuotes(0)
	}
	f.listLine, f.quoteLine, f.tableLine = false, false, false
	if f.heading(s) {
		return
	}
	rest, term, defined := f.lead(s)
	start := len(f.b.tokens)
	f.b.scan(rest, false)
	hoisted := -1
	if !defined && tableWords(rest) {
		hoisted = f.hoist(start)
	}
	f.closeUnused(s[0] == ' ')
	if defined {
		f.define(term)
	}
	f.tokens(start, hoisted)
	f.endLine()
	f.b.tokens = f.b.tokens[:start]
}

// lead handles what a line may start with: an item's mark, a term, indentation.
// It returns the rest of the line. A term is returned for later, when what this
// line does not continue is closed.
func (f *frame) lead(s string) (rest, term string, defined bool) {
	if end, ok := f.item(s); ok {
		return s[end:], "", false
	}
	if term, end, ok := definition(s); ok {
		return s[end:], term, true
	}
	if size, depth := indentation(s); size > 0 && size < len(s) && !strings.HasPrefix(s[size:], "|-") {
		f.indent(depth)
		return s[size:], "", false
	}
	return s, "", false
}

// hoist does what the line's first separator does before the line's text is
// added, and returns which token that is, or -1.
func (f *frame) hoist(start int) int {
	for i := start; i < len(f.b.tokens); i++ {
		t := f.b.tokens[i]
		if t.kind == tAnchor {
			i++
			continue
		}
		if t.kind == tCell || t.kind == tRow {
			f.structure(t)
			return i
		}
	}
	return -1
}

// closeUnused closes what this line does not continue.
func (f *frame) closeUnused(indented bool) {
	if !f.listLine {
		f.closeLists(0)
	}
	if !f.quoteLine {
		f.closeQuotes(0)
	}
	if f.defs && !indented {
		f.closeDefs()
	}
	if f.table && !f.tableLine {
		f.closeTable()
	}
}

// tokens adds the tokens from start; the separator hoisted is done already
// except for the cell it opens.
func (f *frame) tokens(start, hoisted int) {
	end := len(f.b.tokens)
	if start < end && !f.listLine && !f.defs && !f.table {
		f.openParagraph()
	}
	for i := start; i < end; i++ {
		switch t := f.b.tokens[i]; {
		case t.kind == tCell, t.kind == tRow && i != hoisted:
			f.separator(t)
		case t.kind == tRow:
		default:
			i += f.in.token(i)
		}
	}
}

// endLine adds the end of a line of text.
func (f *frame) endLine() {
	n := node{kind: kNewline}
	if last := f.b.nodes[len(f.b.nodes)-1]; f.paragraph && last.kind != kBreak {
		n.flag = fSoft
	}
	f.b.add(n)
	if !f.continued {
		f.closeRow()
	}
	f.continued = f.continued && f.row
}

// heading reads a line as a heading.
func (f *frame) heading(s string) bool {
	i := spaces(s, 0)
	level := runOf(s, i, func(c byte) bool { return c == '=' }) - i
	if level < 1 || level > 6 {
		return false
	}
	text := s[i+level:]
	if spaces(text, 0) == 0 {
		return false
	}
	text, id := headingID(strings.TrimFunc(text, isSpace))
	text = strings.TrimFunc(strings.TrimSuffix(text, s[i:i+level]), isSpace)
	f.closeAll()
	at := len(f.b.nodes)
	f.b.push(node{kind: kHeading, n: uint16(level)})
	f.b.inline(elide(text, 0))
	plain := f.b.plain(at)
	if id == "" {
		id = f.b.made(makeID(plain))
	}
	id = f.unique(id)
	f.b.nodes[at].text = id
	f.b.pop()
	if f.b.frames == 1 {
		f.b.headings = append(f.b.headings, Heading{Level: level, ID: id, Text: f.b.made(plain)})
	}
	return true
}

// headingID cuts "#id" off the end of a heading's text.
func headingID(s string) (text, id string) {
	i := strings.LastIndexByte(s, '#')
	if i < 0 || i+1 == len(s) || nameRun(s, i+1) != len(s) {
		return s, ""
	}
	return strings.TrimFunc(s[:i], isSpace), s[i+1:]
}

// makeID is Trac 1.6's anchor for a heading: its text without the characters
// that are neither of a word nor one of ":.-", starting with "a" if it would
// start with a digit or a sign, or be empty.
func makeID(text string) string {
	id := strings.Map(func(r rune) rune {
		if isWord(r) || r == ':' || r == '.' || r == '-' {
			return r
		}
		return -1
	}, text)
	if r, n := nextRune(id, 0); n == 0 || r == '.' || r == '-' || unicode.IsDigit(r) {
		id = "a" + id
	}
	return id
}

// unique returns id, or id with the first number behind it that no anchor of
// this formatter has.
func (f *frame) unique(id string) string {
	if f.ids == nil {
		f.ids = make(map[string]int)
	}
	try := id
	for n := f.ids[id]; ; {
		if _, used := f.ids[try]; !used {
			break
		}
		n++
		try = id + itoa(n)
		f.ids[id] = n
	}
	f.ids[try] = 0
	f.b.extra += len(try)
	return try
}

// push opens an element of this formatter.
func (f *frame) push(n node) { f.b.push(n) }

func (f *frame) openParagraph() {
	if !f.paragraph {
		f.paragraph = true
		f.push(node{kind: kParagraph})
	}
}

// closeParagraph closes the open paragraph, and inline styles also without one.
func (f *frame) closeParagraph() {
	f.in.closeStyles()
	if f.paragraph {
		f.closeThrough(kParagraph)
	}
}

// closeThrough closes elements up to the innermost of kind k and that too.
func (f *frame) closeThrough(k kind) {
	for len(f.b.open) > f.base {
		if f.closeTop() == k {
			return
		}
	}
}

// closeTop closes the innermost element and forgets it.
func (f *frame) closeTop() kind {
	n := f.b.pop()
	switch n.kind {
	case kStyle:
		f.in.n--
	case kParagraph:
		f.paragraph = false
	case kTable:
		f.table = false
	case kRow:
		f.row = false
	case kCell:
		f.cell = false
	case kDefs:
		f.defs = false
	case kList:
		f.lists = f.lists[:len(f.lists)-1]
	case kQuote:
		f.quotes = f.quotes[:len(f.quotes)-1]
	}
	return n.kind
}

// closeAll closes everything, as before a heading or at a blank line.
func (f *frame) closeAll() {
	f.in.closeStyles()
	for len(f.b.open) > f.base {
		f.closeTop()
	}
}

// indent handles the indentation of a line that no list and no term claimed: it
// continues an item or is a quote. Trac 1.6: a line may be indented by two
// characters more than the mark of a bullet, by three more than a number.
func (f *frame) indent(depth int) {
	if n := len(f.lists); n > 0 {
		top := f.lists[n-1]
		limit := top.depth + 2
		if top.kind != bullets {
			limit++
		}
		if depth >= top.depth && depth <= limit {
			f.listLine = true
			return
		}
		if depth < top.depth {
			for _, l := range f.lists {
				if l.depth < depth {
					f.closeLists(depth + 1)
					f.listLine = true
					return
				}
			}
		}
	}
	if !f.defs {
		f.quote(depth)
	}
}

// quote opens and closes quotes for a line indented by depth.
func (f *frame) quote(depth int) {
	f.quoteLine = true
	f.tab(depth)
	top := 0
	if n := len(f.quotes); n > 0 {
		top = f.quotes[n-1]
	}
	if depth > top {
		for _, t := range f.tabs {
			if t > top {
				f.openQuote(t)
			}
		}
		return
	}
	f.closeQuotes(depth)
	if n := len(f.quotes); n > 0 {
		f.quotes[n-1] = depth
		return
	}
	f.openQuote(depth)
}

// tab sets a tab stop, in place of all that are not before it.
func (f *frame) tab(depth int) {
	n := len(f.tabs)
	for n > 0 && f.tabs[n-1] >= depth {
		n--
	}
	f.tabs = append(f.tabs[:n], depth)
}

func (f *frame) openQuote(depth int) {
	f.closeTable()
	f.closeParagraph()
	f.closeLists(0)
	if f.b.full() {
		return
	}
	f.quotes = append(f.quotes, depth)
	f.push(node{kind: kQuote})
}

// closeQuotes closes the quotes that are indented by more than depth.
func (f *frame) closeQuotes(depth int) {
	for len(f.quotes) > 0 && f.quotes[len(f.quotes)-1] > depth {
		f.closeThrough(kQuote)
	}
}

// cite collects a line of a citation; column is where its ">" is, in bytes of
// white space before it. It declines when nothing more may be nested.
func (f *frame) cite(s string, column int) bool {
	if f.b.full() {
		return false
	}
	if len(f.cited) == 0 {
		depth := utf8.RuneCountInString(s[:column])
		if n := len(f.lists); n > 0 && f.lists[n-1].depth > depth {
			f.closeLists(depth + 1)
		}
		f.closeParagraph()
	}
	f.cited = append(f.cited, s[column+1:])
	return true
}

// flushCitation adds the collected citation, read by a formatter of its own. If
// all its lines start with a space, or are empty or citations, that is dropped.
func (f *frame) flushCitation() {
	if len(f.cited) == 0 {
		return
	}
	lines := f.cited
	f.cited = nil
	spaced := true
	for _, s := range lines {
		spaced = spaced && (s == "" || s[0] == ' ' || s[0] == '>')
	}
	f.push(node{kind: kCitation})
	inner := newFrame(f.b)
	for _, s := range lines {
		if spaced {
			s = strings.TrimPrefix(s, " ")
		}
		inner.line(s)
	}
	inner.finish()
	f.b.pop()
}
