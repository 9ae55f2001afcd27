package authz

import (
	"strings"
	"unicode/utf8"
)

// pattern is one that is asked about many names: most differ in what it begins with.
type pattern struct{ plain, rest string }

func newPattern(s string) pattern {
	i := strings.IndexAny(s, "*?[")
	if i < 0 {
		i = len(s)
	}
	return pattern{s[:i], s[i:]}
}

func (p pattern) match(s string) bool {
	rest, ok := strings.CutPrefix(s, p.plain)
	return ok && match(p.rest, rest)
}

// match tells whether a pattern is s as a whole, as Python's fnmatch.fnmatchcase
// does: "*" stands for any characters, "?" for one, "[a-z]" for one of those, "[!a-z]"
// for one that is none of them; there is no escape, and "/" is like any other. A "["
// that is never closed is itself.
//
// It takes at most len(pattern) * len(s) steps, however many "*" there are: when
// what follows one cannot be found, no earlier one needs to be tried again.
func match(pattern, s string) bool {
	closed := strings.LastIndexByte(pattern, ']')
	p, i := 0, 0
	star, from := -1, 0 // what follows the last "*", and where in s that was tried
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, from = p, i
			continue
		}
		c, width := utf8.DecodeRuneInString(s[i:])
		if p < len(pattern) {
			if n, ok := one(pattern[p:], c, s[i:i+width], p < closed); ok {
				p, i = p+n, i+width
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, width = utf8.DecodeRuneInString(s[from:])
		from += width
		p, i = star, from
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// one tells whether the beginning of a pattern, of n bytes and not a "*", stands for
// the character c, which is written as text. closable is false if no "]" follows.
func one(pattern string, c rune, text string, closable bool) (n int, ok bool) {
	switch {
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '[' && closable:
		if set, found := bracket(pattern); found {
			return len(set) + 2, among(set, c)
		}
	}
	return len(text), strings.HasPrefix(pattern, text)
}

// bracket returns what is between the "[" a pattern begins with and its "]", which
// is not the first character there, nor the one after "!".
func bracket(pattern string) (set string, found bool) {
	skip := 1
	if strings.HasPrefix(pattern[skip:], "!") {
		skip++
	}
	if strings.HasPrefix(pattern[skip:], "]") {
		skip++
	}
	end := strings.IndexByte(pattern[skip:], ']')
	if end < 0 {
		return "", false
	}
	return pattern[1 : skip+end], true
}

// among tells whether c is one of a set: characters, and ranges of them.
func among(set string, c rune) bool {
	members, negated := strings.CutPrefix(set, "!")
	for members != "" {
		low, width := utf8.DecodeRuneInString(members)
		members = members[width:]
		high := low
		if strings.HasPrefix(members, "-") && len(members) > 1 {
			high, width = utf8.DecodeRuneInString(members[1:])
			members = members[1+width:]
		}
		if low <= c && c <= high {
			return !negated
		}
	}
	return negated
}
