package markup

// kind says what a node is. An element has an opening node and a closing one,
// of the same kind with the bit closing set.
type kind uint8

const closing kind = 0x80

const (
	// Leaves.
	kText     kind = iota // text
	kRaw                  // text as written, whose quotes are written as entities too
	kNewline              // the end of a line; flag soft: in a paragraph
	kBreak                // a line break; text: the side to clear, or ""
	kCode                 // verbatim text within a line
	kPre                  // a code block; n: its mode
	kRule                 // a horizontal rule
	kLink                 // at: index into Doc.links
	kMail                 // an address
	kMacro                // text: name and arguments; at: length of the name
	kMessage              // an error shown to the writer of the text
	kComment              // a comment that is kept in the HTML
	kLanguage             // says the language of the kPre after it
	kNothing              // what was a node

	// Elements.
	kStyle     // n: which
	kAnchor    // text: id
	kParagraph //
	kHeading   // n: level, text: id
	kList      // n: listKind, text: start or ""
	kItem      //
	kDefs      // a definition list
	kTerm      //
	kDef       //
	kQuote     // by indentation
	kCitation  // by ">"
	kTable     // flag plain: by a processor; text: attributes
	kRow       // text: attributes
	kCell      // n: colspan, flags header and alignment; text: attributes
	kDiv       // text: attributes
	kSpan      // text: attributes
	kWikiCode  // wiki text as the content of a code processor

	// Tokens that steer the building of the tree and are not kept in it.
	tStyle  // n: marker
	tCell   // n: pairs of bars, flags
	tRow    // text: attributes
	tAnchor // text: id; the text token behind it is the label
)

// Flags of nodes.
const (
	fSoft   uint8 = 1 << iota // kNewline: becomes a break if newlines are escaped
	fHeader                   // kCell: th
	fLeft                     // kCell: text-align
	fRight
	fLast     // tCell: nothing follows it on its line
	fContinue // tCell: the row goes on with the next line
	fPlain    // kTable: no newlines inside and behind it
)

// node is one step through the tree.
type node struct {
	kind kind
	flag uint8
	n    uint16
	at   int32 // leaves: see kind; elements: index of the other node of the pair
	text string
}

// Sizes of these types on a 64-bit machine, in bytes, for [Doc.Size].
const (
	nodeSize    = 24
	linkSize    = 104
	headingSize = 40
)

// maxOpen bounds how many elements may be open within one another. Lists,
// quotes and processors that would go deeper are flattened into what is open.
const maxOpen = 200

// builder makes a tree. The formatters of nested texts share it.
type builder struct {
	nodes    []node
	open     []int32 // opening nodes not closed yet, by index
	links    []Link
	headings []Heading
	frames   int    // formatters at work within one another
	tokens   []node // a stack of scanned lines
	extra    int    // bytes made that are not part of the text
}

func newBuilder(size int) *builder {
	return &builder{nodes: make([]node, 0, 8+size/16), links: make([]Link, 0, size/256), open: make([]int32, 0, 16)}
}

func (b *builder) add(n node) { b.nodes = append(b.nodes, n) }

// text adds text, as it is written.
func (b *builder) text(s string) {
	if s != "" {
		b.add(node{kind: kText, text: s})
	}
}

// push opens an element.
func (b *builder) push(n node) {
	b.open = append(b.open, int32(len(b.nodes)))
	b.add(n)
}

// pop closes the innermost open element.
func (b *builder) pop() node {
	last := len(b.open) - 1
	i := b.open[last]
	b.open = b.open[:last]
	b.nodes[i].at = int32(len(b.nodes))
	n := b.nodes[i]
	b.add(node{kind: n.kind | closing, flag: n.flag, n: n.n, at: i})
	return n
}

// full reports whether no further blocks may be opened.
func (b *builder) full() bool { return len(b.open) >= maxOpen }

// made counts a string that had to be made, and returns it.
func (b *builder) made(s string) string {
	b.extra += len(s)
	return s
}
