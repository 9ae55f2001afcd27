package markup

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cutLine returns the first line of s without its end, and what follows. It
// knows the line ends that Python's splitlines knows, as Trac does.
func cutLine(s string) (line, rest string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n', 0x1c <= c && c <= 0x1e:
			return s[:i], s[i+1:]
		case c == '\r':
			if strings.HasPrefix(s[i+1:], "\n") {
				return s[:i], s[i+2:]
			}
			return s[:i], s[i+1:]
		case c == 0xc2 && strings.HasPrefix(s[i:], "\u0085"):
			return s[:i], s[i+2:]
		case c == 0xe2 && (strings.HasPrefix(s[i:], "\u2028") || strings.HasPrefix(s[i:], "\u2029")):
			return s[:i], s[i+3:]
		}
	}
	return s, ""
}

// isSpace reports what counts as white space: Python's \s.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// isWord reports what counts as part of a word: Python's \w.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || isAlnum(byte(r))
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// indentation returns the length of the white space s starts with, in bytes
// and in characters.
func indentation(s string) (size, depth int) {
	for size < len(s) {
		if s[size] == ' ' {
			size, depth = size+1, depth+1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[size:])
		if !isSpace(r) {
			break
		}
		size, depth = size+n, depth+1
	}
	return size, depth
}

// spaces returns the length of the white space at s[i:].
func spaces(s string, i int) int {
	n, _ := indentation(s[i:])
	return n
}

// runOf returns the end of the longest s[i:end] made of bytes that ok likes.
func runOf(s string, i int, ok func(byte) bool) int {
	for i < len(s) && ok(s[i]) {
		i++
	}
	return i
}

// wordRun returns the end of the word characters, and of those in more, from i.
func wordRun(s string, i int, more string) int {
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if !isWord(rune(c)) && strings.IndexByte(more, c) < 0 {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if !isWord(r) {
			return i
		}
		i += n
	}
	return i
}

// nameRun returns the end of the XML-like name at i, or i if there is none: a
// letter, "_" or ":", then word characters, ":", "." and "-".
func nameRun(s string, i int) int {
	r, n := utf8.DecodeRuneInString(s[i:])
	if n == 0 || r != ':' && (!isWord(r) || unicode.IsDigit(r)) {
		return i
	}
	return wordRun(s, i+n, ":.-")
}

// before returns the character before s[i:], or -1 at the start.
func before(s string, i int) rune {
	if i == 0 {
		return -1
	}
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return r
}

// oneSpace returns the length of the white space character at i, 0 if there is
// none.
func oneSpace(s string, i int) int {
	if r, n := nextRune(s, i); n > 0 && isSpace(r) {
		return n
	}
	return 0
}

func nextRune(s string, i int) (r rune, size int) { return utf8.DecodeRuneInString(s[i:]) }

func itoa(n int) string { return strconv.Itoa(n) }
