// Package markup reads Trac's wiki text and writes it as HTML.
//
// The way is text → tree → HTML. [Parse] reads a text once, line by line, and
// never fails: what is not markup is text. The tree it returns knows nothing of
// any project, is never written again and may be rendered by many goroutines,
// so a text is parsed once and kept for as long as it stays the same. What a
// link leads to, and whether it leads anywhere, is asked at rendering, of the
// [Resolver] in the [Options].
//
// # How the grammar is laid out
//
// A formatter ([frame]) takes lines one at a time and decides what each of them
// is, in a fixed order (block.go): a line of a code block (code.go), a citation,
// a rule, a blank line, and else text. A line of text may start as a heading,
// an item of a list (list.go) or a definition, or with an indentation. What
// follows is cut into tokens by a scanner (scan.go, scanlink.go) which tries at
// each position the inline forms in Trac's order; the first that matches wins,
// and a "!" before it makes it plain text. Cells and row separators are such
// tokens too, which is why a table may begin in the middle of a line (table.go).
//
// Citations and processors with wiki text in them are read by a formatter of
// their own that adds to the same tree. Headings, terms, labels and summaries
// are read by the inline formatter alone (inline.go).
//
// The tree (node.go) is kept flat, as its opening and closing nodes in document
// order, each pair knowing of one another; so reading it needs no recursion
// and every element is closed exactly once, whatever the text does.
//
// # How to add to it
//
// An inline form: match it in scanner.match at its place in the order, emit a
// node of a new kind, write that kind in html.go. A link with a new prefix needs
// nothing here: every "prefix:target" reaches the Resolver. A block: a case in
// frame.line or frame.text which opens and closes nodes, with its state
// dropped in frame.dropped. A processor: a case in frame.process. A macro: take
// its name out of unavailableMacro and render its node, which holds name and
// arguments as written, in html.go.
package markup

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Doc is a text that was read: a tree. It is immutable.
type Doc struct {
	nodes    []node
	links    []Link
	headings []Heading
	size     int
}

// Heading is a heading of a text.
type Heading struct {
	Level int    // 1 to 6
	ID    string // the anchor, unique among the text's own headings
	Text  string // without markup
}

// Parse reads a text of blocks: a page, a description, a comment. It takes
// time and memory linear in the text, so the caller bounds its length.
func Parse(text string) *Doc {
	text = strings.ToValidUTF8(text, "\uFFFD")
	b := newBuilder(len(text))
	f := newFrame(b)
	f.read(text)
	return b.doc()
}

// ParseInline reads a text as one line, as for a heading or a summary: block
// markup stays text and code blocks become "[…]" (Trac's "oneliner").
func ParseInline(text string) *Doc {
	text = strings.ToValidUTF8(text, "\uFFFD")
	b := newBuilder(len(text))
	b.inline(elide(text, 0))
	return b.doc()
}

// ParseShort is [ParseInline] of the text cut to a length fit for lists, as
// Trac cuts it: at a space, if it is longer than 75 characters.
func ParseShort(text string) *Doc {
	text = strings.ToValidUTF8(text, "\uFFFD")
	b := newBuilder(len(text))
	b.inline(elide(text, shortLength))
	return b.doc()
}

// Headings returns the headings in the order of the text, those inside
// citations and processors not included. The caller must not change it.
func (d *Doc) Headings() []Heading { return d.headings }

// Size estimates the bytes that keeping d costs beyond its text.
func (d *Doc) Size() int { return d.size }

func (b *builder) doc() *Doc {
	for len(b.open) > 0 {
		b.pop()
	}
	d := &Doc{nodes: tight(b.nodes), links: tight(b.links), headings: tight(b.headings)}
	d.size = 128 + len(d.nodes)*nodeSize + len(d.links)*linkSize + len(d.headings)*headingSize + b.extra
	return d
}

// tight returns s without much unused room behind it, for keeping.
func tight[T any](s []T) []T {
	if cap(s)-len(s) <= len(s)/8 {
		return s
	}
	return slices.Clip(append(make([]T, 0, len(s)), s...))
}

// shortLength is where Trac 1.6 begins to shorten a line, in characters.
const shortLength = 75

// shorten cuts a line that is longer than shortLength before its last space in
// the first shortLength-4 characters, or there if it has none.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= shortLength {
		return s
	}
	cut := 0
	for range shortLength - 4 {
		_, n := utf8.DecodeRuneInString(s[cut:])
		cut += n
	}
	if i := strings.LastIndexAny(s[:cut], " \n"); i > 0 {
		cut = i
	}
	return s[:cut] + " ..."
}
