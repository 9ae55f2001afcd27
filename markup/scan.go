package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// scanner cuts a line, or the text of an inline formatter, into tokens. At each
// position it tries the forms of Trac 1.6's grammar in their order, and the
// first that matches wins, not the longest.
//
// Every search ahead is remembered, so that a line of openers without closers
// costs time linear in its length: positions in s up to which a form is known
// not to match, and finders for what closes a form.
type scanner struct {
	b       *builder
	s       string
	inline  bool // one line only: cells and rows are not tables
	pending int  // start of the text not yet made a token

	noMail, noScheme, noCamel, noRow int

	tick, braces, bracket, label, double, angle, quote, apos, bars finder
}

// finder remembers where a needle occurs next.
type finder struct{ from, at int }

// find returns the first needle in s[from:], or len(s).
func (f *finder) find(s, needle string, from int) int {
	if f.from <= from && from <= f.at && f.at > 0 {
		return f.at
	}
	f.from, f.at = from, len(s)
	if i := strings.Index(s[min(from, len(s)):], needle); i >= 0 {
		f.at = from + i
	}
	return f.at
}

// Markers of inline styles, the n of tStyle.
const (
	mBoldItalic = iota
	mBold
	mCreoleBold
	mItalic
	mCreoleItalic
	mUnderline
	mStrike
	mSub
	mSup
)

// scan appends the tokens of s to b.tokens.
func (b *builder) scan(s string, inline bool) {
	sc := scanner{b: b, s: s, inline: inline}
	if strings.IndexByte(s, '@') < 0 {
		sc.noMail = len(s)
	}
	if strings.IndexByte(s, ':') < 0 {
		sc.noScheme = len(s)
	}
	for i := 0; i < len(s); {
		i = sc.step(i)
	}
	sc.flush(len(s))
}

// step moves over one token, or over a character that starts none.
func (sc *scanner) step(i int) int {
	c := sc.s[i]
	if c == '!' {
		if end := sc.escape(i); end > 0 {
			return end
		}
		return i + 1
	}
	if 'a' <= c && c <= 'z' && c != 'r' && i < sc.noMail && i < sc.noScheme {
		return i + 1
	}
	mark := len(sc.b.tokens)
	sc.b.tokens = append(sc.b.tokens, node{kind: kText})
	if end, ok := sc.match(i); ok {
		sc.b.tokens[mark].text = sc.s[sc.pending:i]
		if sc.pending == i {
			sc.b.tokens = append(sc.b.tokens[:mark], sc.b.tokens[mark+1:]...)
		}
		sc.pending = end
		return end
	}
	sc.b.tokens = sc.b.tokens[:mark]
	if c < utf8.RuneSelf {
		return i + 1
	}
	_, n := utf8.DecodeRuneInString(sc.s[i:])
	return i + n
}

// flush makes the text up to end a token.
func (sc *scanner) flush(end int) {
	if sc.pending < end {
		sc.b.tokens = append(sc.b.tokens, node{kind: kText, text: sc.s[sc.pending:end]})
	}
	sc.pending = end
}

// escape handles "!": what matches behind it is text. It returns the end of
// that, or 0.
func (sc *scanner) escape(i int) int {
	if i+1 >= len(sc.s) {
		return 0
	}
	mark, links := len(sc.b.tokens), len(sc.b.links)
	end, ok := sc.match(i + 1)
	sc.b.tokens, sc.b.links = sc.b.tokens[:mark], sc.b.links[:links]
	if !ok {
		return 0
	}
	sc.flush(i)
	sc.b.tokens = append(sc.b.tokens, node{kind: kRaw, text: sc.s[i+1 : end]})
	sc.pending = end
	return end
}

func (sc *scanner) emit(n node) { sc.b.tokens = append(sc.b.tokens, n) }

func (sc *scanner) has(i int, prefix string) bool { return strings.HasPrefix(sc.s[i:], prefix) }

func (sc *scanner) style(i, marker, size int) (int, bool) {
	sc.emit(node{kind: tStyle, n: uint16(marker)})
	return i + size, true
}

// match tries the forms that may start at i, emits the token of the first that
// does and returns its end.
func (sc *scanner) match(i int) (end int, ok bool) {
	switch c := sc.s[i]; c {
	case '\'':
		switch {
		case sc.has(i, "'''''"):
			return sc.style(i, mBoldItalic, 5)
		case sc.has(i, "'''"):
			return sc.style(i, mBold, 3)
		case sc.has(i, "''"):
			return sc.style(i, mItalic, 2)
		}
		return sc.mail(i)
	case '*':
		return sc.pair(i, "**", mCreoleBold)
	case '~':
		return sc.pair(i, "~~", mStrike)
	case ',':
		return sc.pair(i, ",,", mSub)
	case '^':
		return sc.style(i, mSup, 1)
	case '`':
		return sc.verbatim(i, "`", "`", &sc.tick)
	case '{':
		if end, ok := sc.verbatim(i, "{{{", "}}}", &sc.braces); ok {
			return end, true
		}
		return sc.report(i)
	case '[':
		return sc.square(i)
	case '#':
		return sc.ticket(i)
	case '<':
		return sc.angled(i)
	case '\\':
		return sc.lineBreak(i)
	case '|':
		if end, ok := sc.row(i); ok {
			return end, true
		}
		return sc.cell(i)
	case '=':
		return sc.cell(i)
	case ' ':
		return sc.row(i)
	case '&', '>', '"', '(', ')', ';', ':', '?', ']', '}', '!', '$', '%', '@':
		return 0, false
	default:
		return sc.word(i, c)
	}
}

// word tries the forms that start with a letter, a digit or a sign within words.
func (sc *scanner) word(i int, c byte) (int, bool) {
	switch c {
	case '/':
		if end, ok := sc.pair(i, "//", mCreoleItalic); ok {
			return end, true
		}
	case '_':
		if end, ok := sc.pair(i, "__", mUnderline); ok {
			return end, true
		}
	}
	if 'A' <= c && c <= 'Z' || c == '.' || c == '/' || c >= utf8.RuneSelf {
		if end, ok := sc.camel(i); ok {
			text := sc.s[i:end]
			sc.link(newLink(FormCamel, "wiki", text, "", text), text)
			return end, true
		}
	}
	if c >= utf8.RuneSelf || c <= ' ' {
		return sc.otherSpace(i)
	}
	if c == 'r' {
		if end, ok := sc.revision(i); ok {
			return end, true
		}
	}
	if end, ok := sc.mail(i); ok {
		return end, true
	}
	if isAlpha(c) {
		return sc.short(i)
	}
	return 0, false
}

// otherSpace tries a row separator after white space other than " ".
func (sc *scanner) otherSpace(i int) (int, bool) {
	if r, _ := utf8.DecodeRuneInString(sc.s[i:]); isSpace(r) {
		return sc.row(i)
	}
	return 0, false
}

func (sc *scanner) pair(i int, token string, marker int) (int, bool) {
	if !sc.has(i, token) {
		return 0, false
	}
	return sc.style(i, marker, len(token))
}

// verbatim matches open, any text of one line, close.
func (sc *scanner) verbatim(i int, open, shut string, f *finder) (int, bool) {
	if !sc.has(i, open) {
		return 0, false
	}
	start := i + len(open)
	end := f.find(sc.s, shut, start)
	if end == len(sc.s) || sc.inline && strings.IndexByte(sc.s[start:end], '\n') >= 0 {
		return 0, false
	}
	sc.emit(node{kind: kCode, text: sc.s[start:end]})
	return end + len(shut), true
}

func (sc *scanner) lineBreak(i int) (int, bool) {
	if !sc.has(i, `\\`) {
		return 0, false
	}
	sc.lineBreakNode("")
	return i + 2, true
}

// lineBreakNode emits a line break, which is a space where there is one line.
func (sc *scanner) lineBreakNode(clear string) {
	if sc.inline {
		sc.emit(node{kind: kText, text: " "})
		return
	}
	sc.emit(node{kind: kBreak, text: clear})
}

// camel matches a page name in CamelCase at i. Trac 1.6: not after a word
// character or "/"; any "/", "./" and "../"; two or more humps of one upper-case
// and some lower-case letters, each with an optional "/"; an optional "@version"
// and "#anchor"; and not before a word character, nor before a ":" that does not
// end a word.
func (sc *scanner) camel(i int) (end int, ok bool) {
	if i < sc.noCamel {
		return 0, false
	}
	if r := before(sc.s, i); r == '/' || r >= 0 && isWord(r) {
		return 0, false
	}
	p := sc.dots(i)
	slash, humps := -1, 0
	q := p
	for {
		next, ok := hump(sc.s, q)
		if !ok {
			break
		}
		q = next
		humps++
		if q < len(sc.s) && sc.s[q] == '/' {
			if humps > 1 {
				slash = q
			}
			q++
		}
	}
	if humps == 0 && p > i {
		sc.noCamel = p
	}
	if humps < 2 {
		return 0, false
	}
	if end, ok := sc.camelTail(q); ok {
		return end, true
	}
	return slash, slash >= 0
}

// dots returns the end of the "/", "./" and "../" at i.
func (sc *scanner) dots(i int) int {
	for {
		switch {
		case sc.has(i, "/"):
			i++
		case sc.has(i, "./"):
			i += 2
		case sc.has(i, "../"):
			i += 3
		default:
			return i
		}
	}
}

// hump matches an upper-case letter and one or more lower-case ones.
func hump(s string, i int) (end int, ok bool) {
	r, n := utf8.DecodeRuneInString(s[i:])
	if n == 0 || !unicode.IsUpper(r) {
		return 0, false
	}
	start := i + n
	for i = start; i < len(s); i += n {
		if c := s[i]; c < utf8.RuneSelf {
			if n = 1; c < 'a' || c > 'z' {
				break
			}
			continue
		}
		if r, n = utf8.DecodeRuneInString(s[i:]); !unicode.IsLower(r) {
			break
		}
	}
	return i, i > start
}

// camelTail matches "@version#anchor", "@version", "#anchor" or nothing,
// the first of them that a page name may end with.
func (sc *scanner) camelTail(i int) (end int, ok bool) {
	if sc.has(i, "@") {
		if v := runOf(sc.s, i+1, isDigit); v > i+1 {
			if end, ok := sc.camelAnchor(v); ok {
				return end, true
			}
			if sc.camelEnds(v) {
				return v, true
			}
		}
	}
	if end, ok := sc.camelAnchor(i); ok {
		return end, true
	}
	return i, sc.camelEnds(i)
}

// camelAnchor matches "#name", where name does not end in "." or ":".
func (sc *scanner) camelAnchor(i int) (end int, ok bool) {
	if !sc.has(i, "#") {
		return 0, false
	}
	for end = nameRun(sc.s, i+1); end > i+1; {
		c := sc.s[end-1]
		if c != '.' && c != ':' && sc.camelEnds(end) {
			return end, true
		}
		_, n := utf8.DecodeLastRuneInString(sc.s[:end])
		end -= n
	}
	return 0, false
}

// camelEnds reports whether a page name may end at i.
func (sc *scanner) camelEnds(i int) bool {
	r, n := utf8.DecodeRuneInString(sc.s[i:])
	if n == 0 || r != ':' {
		return n == 0 || !isWord(r)
	}
	r, n = utf8.DecodeRuneInString(sc.s[i+1:])
	return n == 0 || isSpace(r)
}

// mail matches an address at i.
func (sc *scanner) mail(i int) (int, bool) {
	if i < sc.noMail {
		return 0, false
	}
	at := runOf(sc.s, i, isLocal)
	end := 0
	if at > i && sc.has(at, "@") {
		end = domain(sc.s, at+1)
	}
	if end == 0 {
		sc.noMail = at
		return 0, false
	}
	sc.emit(node{kind: kMail, text: sc.s[i:end], at: int32(at - i)})
	return end, true
}

func isLocal(c byte) bool { return isAlnum(c) || strings.IndexByte(".'+_-", c) >= 0 }

// domain returns the end of labels with dots between them, the last starting
// with a letter, or 0.
func domain(s string, i int) (end int) {
	for labels := 0; ; labels++ {
		e := runOf(s, i, func(c byte) bool { return isAlnum(c) || c == '_' || c == '-' })
		if e == i {
			return end
		}
		if labels > 0 && isAlpha(s[i]) {
			end = runOf(s, i, func(c byte) bool { return isAlnum(c) || c == '-' })
			for !isAlnum(s[end-1]) {
				end--
			}
		}
		if e == len(s) || s[e] != '.' {
			return end
		}
		i = e + 1
	}
}
