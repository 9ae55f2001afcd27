package markup

import (
	"strings"
	"unicode/utf8"
)

// link emits a link with a label made for it if it has none of its own.
func (sc *scanner) link(l Link, label string) {
	if !l.Labelled {
		l.Label = label
	}
	sc.emit(node{kind: kLink, at: int32(len(sc.b.links))})
	sc.b.links = append(sc.b.links, l)
}

// scheme returns the end of "scheme:" at i: a letter, then letters, digits and
// "+-._".
func (sc *scanner) scheme(i int) (end int, ok bool) {
	if i >= len(sc.s) || !isAlpha(sc.s[i]) {
		return 0, false
	}
	end = runOf(sc.s, i, func(c byte) bool { return isAlnum(c) || strings.IndexByte("+-._", c) >= 0 })
	if end == len(sc.s) || sc.s[end] != ':' {
		return end, false
	}
	return end + 1, true
}

// quoted matches a string in quotes at i, not empty.
func (sc *scanner) quoted(i int) (end int, ok bool) {
	if i >= len(sc.s) {
		return 0, false
	}
	f := &sc.quote
	switch sc.s[i] {
	case '"':
	case '\'':
		f = &sc.apos
	default:
		return 0, false
	}
	end = f.find(sc.s, sc.s[i:i+1], i+1)
	return end + 1, end < len(sc.s) && end > i+1
}

// short matches scheme:target. Trac 1.6: the target is a quoted string, or
// starts with a word character or one of "/?!#@" and ends in a word character,
// "/" or "=", so that the punctuation behind it is not part of it.
func (sc *scanner) short(i int) (int, bool) {
	if i < sc.noScheme {
		return 0, false
	}
	start, ok := sc.scheme(i)
	if !ok {
		sc.noScheme = max(start, i+1)
		return 0, false
	}
	end, target := sc.shortTarget(start)
	if end == 0 {
		sc.noScheme = start
		return 0, false
	}
	text := sc.s[i:end]
	sc.link(newLink(FormShort, sc.s[i:start-1], target, "", text), text)
	return end, true
}

// shortTarget returns the end and the value of a short link's target, end 0 if
// there is none.
func (sc *scanner) shortTarget(i int) (end int, target string) {
	if end, target, ok := sc.quotedTarget(i); ok {
		return end, target
	}
	r, n := utf8.DecodeRuneInString(sc.s[i:])
	if n == 0 || r == '_' || !isWord(r) && strings.IndexByte("/?!#@", sc.s[i]) < 0 {
		return 0, ""
	}
	first := i + n
	end = first
	for j := first; j < len(sc.s); j += n {
		r, n = utf8.DecodeRuneInString(sc.s[j:])
		if isSpace(r) || r == '<' || r == '>' || r == '|' && !sc.barInside(j+1) {
			break
		}
		if r == '/' || r == '=' || r != '_' && isWord(r) {
			end = j + n
		}
	}
	return end, sc.s[i:end]
}

// barInside reports whether a "|" before i belongs to a link's target.
func (sc *scanner) barInside(i int) bool {
	r, n := utf8.DecodeRuneInString(sc.s[i:])
	return n > 0 && r != '|' && !isSpace(r)
}

// quotedTarget matches a quoted target, or a quoted one with a scheme of its
// own as in trac:wiki:"A page".
func (sc *scanner) quotedTarget(i int) (end int, target string, ok bool) {
	if end, ok := sc.quoted(i); ok {
		return end, sc.s[i+1 : end-1], true
	}
	if i >= sc.noScheme {
		if start, ok := sc.scheme(i); ok {
			if end, ok := sc.quoted(start); ok {
				return end, sc.b.made(sc.s[i:start] + sc.s[start+1:end-1]), true
			}
		}
	}
	return 0, "", false
}

// angled matches <scheme:target>, whose brackets stay as text.
func (sc *scanner) angled(i int) (int, bool) {
	start, ok := sc.scheme(i + 1)
	if !ok {
		return 0, false
	}
	end := sc.angle.find(sc.s, ">", start)
	if end == len(sc.s) || end == start {
		return 0, false
	}
	text, target := sc.s[i+1:end], sc.s[start:end]
	if e, t, ok := sc.quotedTarget(start); ok && e == end {
		target = t
	}
	sc.emit(node{kind: kText, text: "<"})
	sc.link(newLink(FormAngle, sc.s[i+1:start-1], target, "", text), text)
	sc.emit(node{kind: kText, text: ">"})
	return end + 1, true
}

// square tries the forms that start with "[".
func (sc *scanner) square(i int) (int, bool) {
	if sc.bracket.find(sc.s, "]", i) == len(sc.s) {
		return 0, false
	}
	for _, form := range [...]func(*scanner, int) (int, bool){
		(*scanner).camelBracket, (*scanner).quotedBracket, (*scanner).changeset,
		(*scanner).logRange, (*scanner).bracketLink, (*scanner).anchor, (*scanner).doubled,
	} {
		if end, ok := form(sc, i); ok {
			return end, true
		}
	}
	return 0, false
}

// closeLabel matches an optional label and the "]" that ends a bracket link: at
// i, white space, then a quoted string or text without "]". must tells that the
// label may not be left out.
func (sc *scanner) closeLabel(i int, must bool) (end int, label string, ok bool) {
	if sc.has(i, "]") {
		return i + 1, "", !must
	}
	start := i + sc.separator(i)
	if start == i {
		return 0, "", false
	}
	if end, ok := sc.quoted(start); ok && sc.has(end, "]") {
		return end + 1, sc.s[start+1 : end-1], true
	}
	end = sc.label.find(sc.s, "]", start)
	if end == len(sc.s) || must && end == start {
		return 0, "", false
	}
	return end + 1, sc.s[start:end], true
}

// separator returns the length of the white space and U+200B at i.
func (sc *scanner) separator(i int) int {
	start := i
	for {
		i += spaces(sc.s, i)
		if !sc.has(i, "\u200b") {
			return i - start
		}
		i += len("\u200b")
	}
}

// camelBracket matches [CamelCase label].
func (sc *scanner) camelBracket(i int) (int, bool) {
	name, ok := sc.camel(i + 1)
	if !ok {
		return 0, false
	}
	end, label, ok := sc.closeLabel(name, true)
	if !ok {
		return 0, false
	}
	sc.link(newLink(FormCamel, "wiki", sc.s[i+1:name], label, sc.s[i:end]), "")
	return end, true
}

// quotedBracket matches ["a page" label].
func (sc *scanner) quotedBracket(i int) (int, bool) {
	name, ok := sc.quoted(i + 1)
	if !ok {
		return 0, false
	}
	end, label, ok := sc.closeLabel(name, false)
	if !ok {
		return 0, false
	}
	target := sc.s[i+2 : name-1]
	sc.link(newLink(FormQuoted, "wiki", target, label, sc.s[i:end]), pageLabel(target))
	return end, true
}

// bracketLink matches [realm:target label] and [relative label].
func (sc *scanner) bracketLink(i int) (int, bool) {
	start := i + 1
	if stop := sc.relative(start); stop > 0 {
		if end, label, ok := sc.closeLabel(stop, false); ok {
			target := sc.s[start:stop]
			sc.link(newLink(FormRelative, "", target, label, sc.s[i:end]), relativeLabel(target))
			return end, true
		}
		return 0, false
	}
	colon, ok := sc.scheme(start)
	if !ok {
		return 0, false
	}
	realm := sc.s[start : colon-1]
	if stop, target, ok := sc.quotedTarget(colon); ok {
		if end, label, ok := sc.closeLabel(stop, false); ok {
			sc.link(newLink(FormBracket, realm, target, label, sc.s[i:end]), bracketLabel(realm, target, realm+":"+target))
			return end, true
		}
	}
	stop := sc.targetRun(colon)
	end, label, ok := sc.closeLabel(stop, false)
	if !ok {
		return 0, false
	}
	target := sc.s[colon:stop]
	sc.link(newLink(FormBracket, realm, target, label, sc.s[i:end]), bracketLabel(realm, target, sc.s[start:stop]))
	return end, true
}

// targetRun returns the end of the text at i without white space, "]" or U+200B.
func (sc *scanner) targetRun(i int) int {
	for n := 0; i < len(sc.s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(sc.s[i:])
		if r == ']' || r == '\u200b' || isSpace(r) {
			break
		}
	}
	return i
}

// relative returns the end of the relative target at i, or 0 if there is none.
func (sc *scanner) relative(i int) int {
	if !startsRelative(sc.s[i:]) {
		return 0
	}
	stop := sc.targetRun(i)
	dots := strings.TrimPrefix(strings.TrimPrefix(sc.s[i:stop], "."), ".")
	if sc.s[i] == '.' && dots != "" && strings.IndexByte("/?#", dots[0]) < 0 {
		return 0
	}
	return stop
}

func startsRelative(s string) bool { return s != "" && strings.IndexByte("/?#.", s[0]) >= 0 }

// anchor matches [=#name label].
func (sc *scanner) anchor(i int) (int, bool) {
	if !sc.has(i, "[=#") {
		return 0, false
	}
	start := i + len("[=#")
	name := nameRun(sc.s, start)
	if name == start {
		return 0, false
	}
	end, label, ok := sc.closeLabel(name, false)
	if !ok {
		return 0, false
	}
	sc.emit(node{kind: tAnchor, text: sc.s[start:name]})
	sc.emit(node{kind: kText, text: label})
	return end, true
}

// doubled matches [[…]]: an anchor, a line break, a macro or a Creole link.
func (sc *scanner) doubled(i int) (int, bool) {
	if !sc.has(i, "[[") {
		return 0, false
	}
	start := i + 2
	end := sc.double.find(sc.s, "]]", start)
	if end == len(sc.s) || end == start {
		return 0, false
	}
	content := sc.s[start:end]
	if strings.HasPrefix(content, "=#") {
		if name := nameRun(content, 2); name > 2 && (name == len(content) || content[name] == '|') {
			sc.emit(node{kind: tAnchor, text: content[2:name]})
			sc.emit(node{kind: kText, text: unquoteLabel(strings.TrimPrefix(content[name:], "|"))})
			return end + 2, true
		}
	}
	if !sc.macro(content) {
		sc.creole(content, sc.s[i:end+2])
	}
	return end + 2, true
}

// creole emits [[target|label]]: Trac 1.6 trims nothing, and a target without a
// scheme is a page.
func (sc *scanner) creole(content, text string) {
	target, label, _ := strings.Cut(content, "|")
	label = unquoteLabel(label)
	if isRelative(target) {
		sc.link(newLink(FormRelative, "", target, label, text), relativeLabel(target))
		return
	}
	realm, own := "wiki", target
	inner := scanner{b: sc.b, s: target}
	colon, ok := inner.scheme(0)
	if ok {
		realm, own = target[:colon-1], target[colon:]
		if end, value, ok := inner.quotedTarget(colon); ok && end == len(target) {
			own = value
		}
		sc.link(newLink(FormCreole, realm, own, label, text), bracketLabel(realm, own, target))
		return
	}
	own = unquoteLabel(own)
	sc.link(newLink(FormCreole, realm, own, label, text), own)
}

// isRelative reports whether all of a Creole target is a relative one.
func isRelative(s string) bool {
	if !startsRelative(s) {
		return false
	}
	dots := strings.TrimPrefix(strings.TrimPrefix(s, "."), ".")
	return s[0] != '.' || dots == "" || strings.IndexByte("/?#", dots[0]) >= 0
}
