package markup

import (
	"slices"
	"strings"
)

// attr is an attribute as the text gives it to a row or a processor.
type attr struct{ name, value string }

// attrNameByte tells the bytes of an attribute's name: Trac's [-\w], for ASCII.
func attrNameByte(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

// oneAttr reads name=value at i, where value is in quotes or made of "[-,\w]";
// next is 0 if there is none.
func oneAttr(s string, i int) (a attr, next int) {
	eq := runOf(s, i, attrNameByte)
	if eq == i || eq+1 >= len(s) || s[eq] != '=' {
		return attr{}, 0
	}
	a.name = s[i:eq]
	if q := s[eq+1]; q == '"' || q == '\'' {
		if end := strings.IndexByte(s[eq+2:], q); end >= 0 {
			a.value = s[eq+2 : eq+2+end]
			return a, eq + 2 + end + 1
		}
		return attr{}, 0
	}
	end := wordRun(s, eq+1, "-,")
	if end == eq+1 {
		return attr{}, 0
	}
	a.value = s[eq+1 : end]
	return a, end
}

// parseArgs reads the arguments of a processor. Trac 1.6: the last of several
// with one name counts; a word alone is a flag, "-word" one that is off, which
// as attributes have the values "True" and "False"; all else is ignored.
func parseArgs(s string) (list []attr) {
	set := func(a attr) {
		list = slices.DeleteFunc(list, func(b attr) bool { return b.name == a.name })
		list = append(list, a)
	}
	for i := 0; i < len(s) && len(list) < maxAttrs; {
		if a, next := oneAttr(s, i); next > 0 {
			set(a)
			i = next
			continue
		}
		end := runOf(s, i, attrNameByte)
		if end == i {
			i++
			continue
		}
		isolated := (i == 0 || s[i-1] == ' ') && (end == len(s) || s[end] == ' ')
		if name, off := strings.CutPrefix(s[i:end], "-"); isolated && off {
			set(attr{name, "False"})
		} else if isolated {
			set(attr{name, "True"})
		}
		i = end
	}
	return list
}

// maxAttrs bounds the attributes of one element.
const maxAttrs = 64

// attributes writes the attributes that Trac 1.6's sanitiser lets through,
// sorted by name and escaped, each with a space before it.
func attributes(list []attr) string {
	if len(list) == 0 {
		return ""
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b attr) int {
		return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
	})
	var out []byte
	last := ""
	for _, a := range list {
		name, value := strings.ToLower(a.name), a.value
		if !safeAttr(name) || name == last {
			continue
		}
		if name == "style" {
			value = safeStyle(value)
		}
		if value == "" {
			continue
		}
		last = name
		out = append(out, ' ')
		out = append(out, name...)
		out = append(out, `="`...)
		out = appendEscaped(out, value, true)
		out = append(out, '"')
	}
	return string(out)
}

// safeAttr lists the attributes that writers may set. It is Trac 1.6's list for
// HTML less those that hold addresses or belong to forms, links and images:
// none of the elements made from wiki text has a use for them.
func safeAttr(name string) bool {
	switch name {
	case "abbr", "align", "axis", "bgcolor", "border", "cellpadding", "cellspacing", "char", "charoff", "class",
		"clear", "color", "colspan", "dir", "frame", "headers", "height", "hspace", "id", "lang", "noshade", "nowrap",
		"rowspan", "rules", "scope", "span", "style", "summary", "title", "valign", "vspace", "width":
		return true
	}
	return false
}

// safeStyle returns the declarations of a style attribute that are known to be
// harmless: Trac 1.6's list of properties, without scripts, without addresses
// of other servers and without what moves an element out of its place.
func safeStyle(style string) string {
	var kept []string
	for decl := range strings.SplitSeq(plainCSS(style), ";") {
		decl = strings.TrimSpace(decl)
		name, value, ok := strings.Cut(decl, ":")
		if ok && safeProperty(strings.ToLower(strings.TrimSpace(name)), strings.ToLower(strings.TrimSpace(value))) {
			kept = append(kept, decl)
		}
	}
	return strings.Join(kept, "; ")
}

// plainCSS decodes CSS escapes, so that a word cannot be hidden from the checks,
// folds full-width letters, and drops comments and control characters.
func plainCSS(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\':
			r, n := cssEscape(s[i+1:])
			out.WriteRune(r)
			i += 1 + n
		case strings.HasPrefix(s[i:], "/*"):
			out.WriteByte(' ')
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return out.String()
			}
			i += 2 + end + 2
		default:
			out.WriteByte(c)
			i++
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case '\uff01' <= r && r <= '\uff5e':
			return r - '\uff01' + '!'
		}
		return r
	}, out.String())
}

// cssEscape decodes what follows a backslash: up to six hexadecimal digits and
// a space, or one character.
func cssEscape(s string) (r rune, n int) {
	for n < len(s) && n < 6 && isHex(s[n]) {
		d := rune(s[n] | 0x20)
		if d >= 'a' {
			d -= 'a' - 10
		} else {
			d -= '0'
		}
		r = r<<4 | d
		n++
	}
	if n == 0 {
		return ' ', 0
	}
	if n < len(s) && s[n] == ' ' {
		n++
	}
	return r, n
}

// safeProperty checks one declaration, in lower case.
func safeProperty(name, value string) bool {
	for _, bad := range []string{"expression", "javascript:", "vbscript:", "@", "<", "\\", "/*", "image("} {
		if strings.Contains(value, bad) {
			return false
		}
	}
	if !safeURLs(value) {
		return false
	}
	switch name {
	case "position":
		return value == "static"
	case "margin", "margin-bottom", "margin-left", "margin-right", "margin-top":
		return !strings.Contains(value, "-")
	}
	return listedProperty(name)
}

// safeURLs reports whether every url(…) in value is a path of this server.
func safeURLs(value string) bool {
	for {
		_, after, ok := strings.Cut(value, "url")
		if !ok {
			return true
		}
		after = strings.TrimLeft(after, " ")
		if arg, ok := strings.CutPrefix(after, "("); ok {
			arg, _, _ = strings.Cut(arg, ")")
			arg = strings.Trim(arg, ` "'`)
			if strings.ContainsRune(arg, ':') || strings.HasPrefix(arg, "//") {
				return false
			}
		}
		value = after
	}
}

// listedProperty lists Trac 1.6's harmless CSS properties. Of its families of
// properties the members are listed by what follows the family's name.
func listedProperty(name string) bool {
	family, member, _ := strings.Cut(name, "-")
	switch family {
	case "background":
		return member == "" || member == "attachment" || member == "color" || member == "image" || member == "position" || member == "repeat"
	case "border":
		return listedBorder(member)
	case "font":
		return member == "" || member == "family" || member == "size" || member == "style" || member == "variant" || member == "weight"
	case "list":
		return member == "style" || member == "style-image" || member == "style-position" || member == "style-type"
	case "outline":
		return member == "" || member == "color" || member == "style" || member == "width"
	case "padding":
		return member == "" || member == "bottom" || member == "left" || member == "right" || member == "top"
	}
	switch name {
	case "bottom", "caption-side", "clear", "clip", "color", "content", "counter-increment", "counter-reset", "cursor",
		"direction", "display", "empty-cells", "float", "height", "left", "letter-spacing", "line-height", "max-height",
		"max-width", "min-height", "min-width", "opacity", "orphans", "overflow", "page-break-after",
		"page-break-before", "page-break-inside", "quotes", "right", "table-layout", "text-align", "text-decoration",
		"text-indent", "text-transform", "top", "unicode-bidi", "vertical-align", "visibility", "white-space", "widows",
		"width", "word-spacing", "z-index":
		return true
	}
	return false
}

func listedBorder(member string) bool {
	switch member {
	case "", "bottom", "bottom-color", "bottom-style", "bottom-left-radius", "bottom-right-radius", "bottom-width",
		"collapse", "color", "left", "left-color", "left-style", "left-width", "radius", "right", "right-color",
		"right-style", "right-width", "spacing", "style", "top", "top-color", "top-left-radius", "top-right-radius",
		"top-style", "top-width", "width":
		return true
	}
	return false
}
