package markup

import "strings"

// listKind is how the items of a list are marked. The n of kList.
type listKind uint8

const (
	bullets listKind = iota
	decimal
	lowerAlpha
	upperAlpha
	lowerRoman
	upperRoman
)

// list is an open list and the indentation of its items.
type list struct {
	kind  listKind
	depth int
}

// mark reads the mark of an item at i: "-", "*", "•", or a number, a letter or a
// small Roman number with a dot; then one white space character. start is what
// an ordered list counts from, or "".
func mark(s string, i int) (end int, k listKind, start string, ok bool) {
	for _, m := range [...]string{"-", "*", "•"} {
		if strings.HasPrefix(s[i:], m) {
			return afterMark(s, i+len(m), bullets, "")
		}
	}
	if dot := runOf(s, i, isDigit); dot > i {
		if start = strings.TrimLeft(s[i:dot], "0"); start == "" {
			start = "0"
		}
		if s[i:dot] == "1" {
			start = ""
		}
		return afterDot(s, dot, decimal, start)
	}
	dot := runOf(s, i, isAlpha)
	if dot == i || dot > i+5 || dot > i+1 && strings.Trim(s[i:dot], "ivxIVX") != "" {
		return 0, 0, "", false
	}
	switch first := s[i]; {
	case first == 'i':
		k = lowerRoman
	case first == 'I':
		k = upperRoman
	case first >= 'a':
		k, start = lowerAlpha, alphaStart(s[i:dot], 'a')
	default:
		k, start = upperAlpha, alphaStart(s[i:dot], 'A')
	}
	return afterDot(s, dot, k, start)
}

// alphaStart is the place in the alphabet of a single letter other than the
// first. Trac 1.6: a Roman number that does not start with "i" is a letter, and
// has no start if it has several.
func alphaStart(s string, first byte) string {
	if len(s) > 1 || s[0] == first {
		return ""
	}
	return itoa(int(s[0]-first) + 1)
}

func afterDot(s string, i int, k listKind, start string) (int, listKind, string, bool) {
	if !strings.HasPrefix(s[i:], ".") {
		return 0, 0, "", false
	}
	return afterMark(s, i+1, k, start)
}

func afterMark(s string, i int, k listKind, start string) (int, listKind, string, bool) {
	n := oneSpace(s, i)
	return i + n, k, start, n > 0
}

// item reads a line as an item of a list and returns the end of its mark.
func (f *frame) item(s string) (end int, ok bool) {
	size, depth := indentation(s)
	if size == len(s) {
		return 0, false
	}
	end, k, start, ok := mark(s, size)
	if !ok {
		return 0, false
	}
	if !f.addItem(k, start, depth) {
		return 0, false
	}
	f.listLine = true
	return end, true
}

// addItem opens an item. Trac 1.6: more indented than the innermost list it
// starts a list inside the last item; else lists that are more indented are
// closed, and it continues the one that is left if that is of the same element,
// whose kind stays as its first item has it.
func (f *frame) addItem(k listKind, start string, depth int) bool {
	n := len(f.lists)
	deeper := n == 0 || depth > f.lists[n-1].depth
	if deeper && !(n > 0 && f.b.full()) {
		return f.openList(k, start, depth)
	}
	f.closeLists(depth + 1)
	if n = len(f.lists); n == 0 {
		return f.openList(k, start, depth)
	}
	top := &f.lists[n-1]
	if (k == bullets) != (top.kind == bullets) {
		f.closeThrough(kList)
		return f.openList(k, start, depth)
	}
	top.depth = depth
	f.closeThrough(kItem)
	f.push(node{kind: kItem})
	return true
}

// openList opens a list with its first item, inside the item of the list that is
// open. Only when nothing more may be nested it does not.
func (f *frame) openList(k listKind, start string, depth int) bool {
	f.closeTable()
	f.closeParagraph()
	f.closeQuotes(0)
	if f.b.full() {
		return false
	}
	f.lists = append(f.lists, list{k, depth})
	f.tab(depth)
	f.push(node{kind: kList, n: uint16(k), text: start})
	f.push(node{kind: kItem})
	return true
}

// closeLists closes the lists that are indented by depth or more.
func (f *frame) closeLists(depth int) {
	for n := len(f.lists); n > 0 && f.lists[n-1].depth >= depth; n = len(f.lists) {
		f.closeThrough(kList)
	}
}

// definition reads a line as a term and its definition: at least one space, the
// term, "::", white space. Code in the term may hold colons, but Trac 1.6 cuts
// it at the first "::" all the same.
func definition(s string) (term string, end int, ok bool) {
	start := spaces(s, 0)
	if start == 0 || !strings.Contains(s, "::") {
		return "", 0, false
	}
	stop := termEnd(s, start)
	if stop < 0 {
		return "", 0, false
	}
	first, _ := indentation(s)
	term, _, _ = strings.Cut(s[first:], "::")
	return term, stop, true
}

// termEnd returns the end of a term from i with the "::" and the white space
// behind it, or -1. The first "::" that white space follows ends it, outside
// code.
func termEnd(s string, i int) int {
	for start := i; i < len(s); {
		switch s[i] {
		case '`':
			n := strings.IndexByte(s[i+1:], '`')
			if n < 0 {
				return -1
			}
			i += 1 + n + 1
		case '{':
			n := -1
			if strings.HasPrefix(s[i:], "{{{") {
				n = strings.Index(s[i+3:], "}}}")
			}
			if n < 0 {
				return -1
			}
			i += 3 + n + 3
		case ':':
			if !strings.HasPrefix(s[i:], "::") {
				_, size := nextRune(s, i+1)
				i += 1 + size
				continue
			}
			after := spaces(s, i+2)
			if i == start || after == 0 && i+2 < len(s) {
				return -1
			}
			return i + 2 + after
		default:
			i++
		}
	}
	return -1
}

// define opens a definition, and the list of definitions before the first.
func (f *frame) define(term string) {
	if !f.defs {
		f.closeParagraph()
		f.defs = true
		f.push(node{kind: kDefs})
	} else {
		f.closeThrough(kDef)
	}
	f.push(node{kind: kTerm})
	f.b.inline(elide(term, 0))
	f.b.pop()
	f.push(node{kind: kDef})
}

func (f *frame) closeDefs() {
	if f.defs {
		f.closeThrough(kDefs)
	}
}
