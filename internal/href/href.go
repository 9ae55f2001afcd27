// Package href builds links below a project's base path, quoted the way Trac
// quotes them, so that links, bookmarks and scripts keep working.
package href

import (
	"slices"
	"strings"
)

// Base is the path of a project on its web server, decoded: "" at the root,
// else like "/trac/my project". It never ends in a slash.
type Base string

// Path returns the link to the given segments below the base. Each part may
// hold slashes, which stay; leading and trailing ones of a part are dropped.
// With no parts it is the base itself, "/" at the root.
func (b Base) Path(parts ...string) string {
	buf := make([]byte, 0, len(b)+32)
	buf = appendQuoted(buf, strings.TrimRight(string(b), "/"))
	for _, p := range parts {
		p = strings.Trim(p, "/")
		if p == "" {
			continue
		}
		buf = append(buf, '/')
		buf = appendQuoted(buf, p)
	}
	if len(buf) == 0 {
		return "/"
	}
	return string(buf)
}

// Arg is one query argument of a link.
type Arg struct{ Name, Value string }

// Query returns link with args, sorted by name; arguments of one name keep
// their order.
func Query(link string, args ...Arg) string {
	if len(args) == 0 {
		return link
	}
	args = slices.Clone(args)
	slices.SortStableFunc(args, func(a, b Arg) int { return strings.Compare(a.Name, b.Name) })
	buf := append(make([]byte, 0, len(link)+32), link...)
	sep := byte('?')
	for _, a := range args {
		buf = append(buf, sep)
		buf = appendQueryQuoted(buf, a.Name)
		buf = append(buf, '=')
		buf = appendQueryQuoted(buf, a.Value)
		sep = '&'
	}
	return string(buf)
}

// unreserved are the bytes that Trac leaves alone in a path: RFC 3986's
// unreserved ones and / ! ~ * ' ( ).
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("_.-/!~*'()", c) >= 0
}

const hex = "0123456789ABCDEF"

func appendQuoted(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			buf = append(buf, c)
		} else {
			buf = append(buf, '%', hex[c>>4], hex[c&15])
		}
	}
	return buf
}

func appendQueryQuoted(buf []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			buf = append(buf, '+')
		case c != '/' && unreserved(c):
			buf = append(buf, c)
		default:
			buf = append(buf, '%', hex[c>>4], hex[c&15])
		}
	}
	return buf
}
