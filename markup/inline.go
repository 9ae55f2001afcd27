package markup

import "strings"

// Kinds of inline style. Bold and italic exist twice, in MediaWiki's and in
// Creole's notation, and the two do not close one another.
const (
	sBold = iota
	sCreoleBold
	sItalic
	sCreoleItalic
	sUnderline
	sStrike
	sSub
	sSup
	styleCount
)

// inliner adds the tokens of one text or, for a formatter, of line after line,
// and knows which styles are open. Those are always the innermost elements.
type inliner struct {
	b      *builder
	styles [styleCount]uint8
	n      int
}

// inline adds text read as one line, with all it opens closed again.
func (b *builder) inline(text string) {
	start := len(b.tokens)
	b.scan(text, true)
	in := inliner{b: b}
	end := len(b.tokens)
	for i := start; i < end; i++ {
		i += in.token(i)
	}
	in.closeStyles()
	b.tokens = b.tokens[:start]
}

// token adds the token at i and tells how many more it used.
func (in *inliner) token(i int) (used int) {
	switch t := in.b.tokens[i]; t.kind {
	case tStyle:
		in.mark(t.n)
	case tAnchor:
		label := in.b.tokens[i+1].text
		in.b.push(node{kind: kAnchor, text: t.text})
		in.b.inline(elide(label, 0))
		in.b.pop()
		return 1
	case tCell:
		in.b.text(t.text)
	case tRow:
	default:
		in.b.add(t)
	}
	return 0
}

// mark handles a marker: it opens its style, or closes it if it is open.
func (in *inliner) mark(marker uint16) {
	switch marker {
	case mBoldItalic:
		in.boldItalic()
	case mBold:
		in.toggle(sBold)
	case mCreoleBold:
		in.toggle(sCreoleBold)
	case mItalic:
		in.toggle(sItalic)
	case mCreoleItalic:
		in.toggle(sCreoleItalic)
	case mUnderline:
		in.toggle(sUnderline)
	case mStrike:
		in.toggle(sStrike)
	case mSub:
		in.toggle(sSub)
	case mSup:
		in.toggle(sSup)
	}
}

// boldItalic handles five quotes. Trac 1.6: with one of bold and italic open it
// closes that and opens the other; with both it closes both, the inner first.
func (in *inliner) boldItalic() {
	bold, italic := in.at(sBold), in.at(sItalic)
	switch {
	case bold < 0 && italic < 0, italic < 0, bold >= 0 && bold > italic:
		in.toggle(sBold)
		in.toggle(sItalic)
	default:
		in.toggle(sItalic)
		in.toggle(sBold)
	}
}

// at returns how deep style is open, or -1.
func (in *inliner) at(style uint8) int {
	for i, s := range in.styles[:in.n] {
		if s == style {
			return i
		}
	}
	return -1
}

// toggle opens style, or closes it. What was opened inside it is closed too and
// opened again behind it, so that elements nest.
func (in *inliner) toggle(style uint8) {
	i := in.at(style)
	if i < 0 {
		in.openStyle(style)
		return
	}
	inner := in.styles
	n := in.n
	for in.n > i {
		in.closeStyle()
	}
	for _, s := range inner[i+1 : n] {
		in.openStyle(s)
	}
}

func (in *inliner) openStyle(style uint8) {
	in.styles[in.n] = style
	in.n++
	in.b.push(node{kind: kStyle, n: uint16(style)})
}

func (in *inliner) closeStyle() {
	in.n--
	in.b.pop()
}

func (in *inliner) closeStyles() {
	for in.n > 0 {
		in.closeStyle()
	}
}

// elide prepares text for the inline formatter as Trac 1.6 does: code blocks
// become "[…]", or nothing if they are comments, and dots an ellipsis. With
// limit it is shortened too.
func elide(text string, limit int) string {
	text = strings.TrimFunc(text, isSpace)
	open := false
	if strings.Contains(text, "{{{") {
		text, open = elideBlocks(text)
	}
	if limit > 0 {
		text = shorten(text)
	}
	if strings.Contains(text, "[...]") {
		text = strings.ReplaceAll(text, "[...]", "[…]")
	}
	if strings.HasSuffix(text, "...") {
		text = strings.TrimSuffix(text, "...") + "…"
	}
	if open {
		text += "[…]"
	}
	return text
}

// elideBlocks replaces the code blocks of text; open tells that the last one
// is not closed, and is left out.
func elideBlocks(text string) (short string, open bool) {
	var out strings.Builder
	depth, comment, first := 0, false, false
	for rest := text; rest != ""; {
		var line string
		line, rest = cutLine(rest)
		opens := opensBlock(line)
		switch {
		case depth == 0 && !opens:
			out.WriteString(line)
			out.WriteByte('\n')
		case opens:
			depth++
			first = first || depth == 1
		case strings.TrimFunc(line, isSpace) == "}}}":
			if depth--; depth == 0 && !comment {
				out.WriteString(" […]\n")
			}
			if depth == 0 {
				comment, first = false, false
			}
		case first && strings.HasPrefix(line, "#!"):
			comment = strings.HasPrefix(line, "#!comment")
			first = false
		}
	}
	return strings.TrimSuffix(out.String(), "\n"), depth > 0
}
