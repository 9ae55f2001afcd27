package markup

import (
	"strconv"
	"strings"
)

// Options say how and for whom a tree is rendered. The zero value renders it
// without any link but those to the web.
type Options struct {
	Resolver Resolver // nil resolves nothing
	Context  Context  // where the text is

	EscapeNewlines bool     // the ends of lines in paragraphs become line breaks
	SafeSchemes    []string // of addresses that may be links; nil is Trac's default
	LocalURL       string   // addresses that start with it are written without icon
	ShowEmail      bool     // else an address is shown as "local@…"
	PlainMailto    bool     // "mailto:" links are written whatever ShowEmail says
}

// zeroWidth is U+200B, the content of the icons of links.
const zeroWidth = "\u200b"

// renderer writes one tree.
type renderer struct {
	doc *Doc
	opt *Options
	dst []byte
}

// AppendHTML appends the tree as HTML to dst and returns it. Everything from
// the text is escaped, elements are balanced, and links lead nowhere but where
// the Resolver and the safe schemes allow.
func (d *Doc) AppendHTML(dst []byte, o Options) []byte {
	r := renderer{doc: d, opt: &o, dst: dst}
	r.nodes(0, len(d.nodes))
	return r.dst
}

func (r *renderer) str(s string) { r.dst = append(r.dst, s...) }

func (r *renderer) text(s string) { r.dst = appendEscaped(r.dst, s, false) }

// quoted writes text that Trac escapes as for an attribute.
func (r *renderer) quoted(s string) { r.dst = appendEscaped(r.dst, s, true) }

// attr writes an attribute unless it is empty.
func (r *renderer) attr(name, value string) {
	if value == "" {
		return
	}
	r.dst = append(r.dst, ' ')
	r.str(name)
	r.str(`="`)
	r.quoted(value)
	r.dst = append(r.dst, '"')
}

// nodes writes the nodes from i to end.
func (r *renderer) nodes(i, end int) {
	all := r.doc.nodes
	for ; i < end; i++ {
		switch n := &all[i]; n.kind {
		case kText:
			r.text(n.text)
		case kNewline:
			if n.flag&fSoft != 0 && r.opt.EscapeNewlines {
				r.str("<br />")
			}
			r.dst = append(r.dst, '\n')
		case kLink:
			r.link(&r.doc.links[n.at])
		case kStyle, kStyle | closing:
			r.str(styleTag(n.n, n.kind&closing != 0))
		default:
			if n.kind&closing != 0 {
				r.closeTag(n)
			} else if n.kind < kStyle {
				r.leaf(n, i)
			} else {
				r.openTag(n)
			}
		}
	}
}

// leaf writes what is not an element.
func (r *renderer) leaf(n *node, i int) {
	switch n.kind {
	case kRaw:
		r.quoted(n.text)
	case kBreak:
		if n.text == "" {
			r.str("<br />")
			return
		}
		r.str(`<br style="clear: `)
		r.str(n.text)
		r.str(`" />`)
	case kCode:
		r.str("<code>")
		r.text(n.text)
		r.str("</code>")
	case kPre:
		r.pre(n, i)
	case kRule:
		r.str("<hr />\n")
	case kMail:
		r.mail(n)
	case kMacro:
		r.macro(n)
	case kComment:
		r.str("<!--\n")
		r.str(n.text)
		r.str("-->\n")
	case kMessage:
		r.str(`<div class="system-message"><strong>`)
		r.text(n.text)
		r.str("</strong></div>")
	}
}

// pre writes a code block. The language of one is a class of its element, for
// those who highlight it.
func (r *renderer) pre(n *node, i int) {
	if n.n == preWiki {
		r.str(`<pre class="wiki">`)
		r.text(n.text)
		r.str("</pre>")
		return
	}
	r.str(`<div class="wiki-code"><div class="code"><pre`)
	if n.n == preCode {
		r.attr("class", "language-"+r.doc.nodes[i-1].text)
	}
	r.str(">")
	r.text(n.text)
	r.str("</pre></div></div>")
}

// mail writes an address, or only its first part.
func (r *renderer) mail(n *node) {
	if !r.opt.ShowEmail {
		r.text(n.text[:n.at])
		r.str("@…")
		return
	}
	r.mailLink(n.text, n.text)
}

func (r *renderer) mailLink(address, label string) {
	r.str(`<a class="mail-link" href="mailto:`)
	r.quoted(address)
	r.str(`"><span class="icon">` + zeroWidth + `</span>`)
	r.text(label)
	r.str("</a>")
}

// macro writes the place of a macro that is not offered.
func (r *renderer) macro(n *node) {
	r.str(`<span class="macro-unavailable" title="The macro `)
	r.quoted(n.text[:n.at])
	r.str(` is not available here">[[`)
	r.text(n.text)
	r.str(`]]</span>`)
}

// openTag writes the start of an element.
func (r *renderer) openTag(n *node) {
	switch n.kind {
	case kAnchor:
		r.str(`<span class="wikianchor"`)
		r.attr("id", n.text)
		r.str(">")
	case kParagraph:
		r.str("<p>\n")
	case kHeading:
		r.str("<h")
		r.dst = append(r.dst, '0'+byte(n.n))
		r.str(` class="section"`)
		r.attr("id", n.text)
		r.str(">")
	case kList:
		r.list(n)
	case kItem:
		r.str("<li>")
	case kDefs:
		r.str(`<dl class="wiki">`)
	case kTerm:
		r.str("<dt>")
	case kDef:
		r.str("<dd>")
	case kQuote:
		r.str("<blockquote>\n")
	case kCitation:
		r.str("<blockquote class=\"citation\">\n")
	case kTable:
		r.element("<table", n)
		if n.flag&fPlain == 0 {
			r.str("\n")
		}
	case kRow:
		r.element("<tr", n)
	case kCell:
		r.cell(n)
	case kDiv:
		r.element("<div", n)
	case kSpan:
		r.element("<span", n)
	case kWikiCode:
		r.str(`<div class="wiki-code">`)
	}
}

// element writes a tag with the attributes that n has ready.
func (r *renderer) element(tag string, n *node) {
	r.str(tag)
	r.str(n.text)
	r.str(">")
}

// closeTag writes the end of an element.
func (r *renderer) closeTag(n *node) {
	switch n.kind &^ closing {
	case kAnchor, kSpan:
		r.str("</span>")
	case kDiv, kWikiCode:
		r.str("</div>")
	case kParagraph:
		r.str("</p>\n")
	case kHeading:
		r.str("</h")
		r.dst = append(r.dst, '0'+byte(n.n), '>', '\n')
	case kList:
		if listKind(n.n) == bullets {
			r.str("</ul>")
		} else {
			r.str("</ol>")
		}
	case kItem:
		r.str("</li>")
	case kDefs:
		r.str("</dl>\n")
	case kTerm:
		r.str("</dt>")
	case kDef:
		r.str("</dd>")
	case kQuote, kCitation:
		r.str("</blockquote>\n")
	case kTable:
		r.str("</table>")
		if n.flag&fPlain == 0 {
			r.str("\n")
		}
	case kRow:
		r.str("</tr>")
	case kCell:
		if n.flag&fHeader != 0 {
			r.str("</th>")
		} else {
			r.str("</td>")
		}
	}
}

func (r *renderer) list(n *node) {
	class := ""
	switch listKind(n.n) {
	case bullets:
		r.str("<ul>")
		return
	case lowerAlpha:
		class = "loweralpha"
	case upperAlpha:
		class = "upperalpha"
	case lowerRoman:
		class = "lowerroman"
	case upperRoman:
		class = "upperroman"
	}
	r.str("<ol")
	r.attr("class", class)
	r.attr("start", n.text)
	r.str(">")
}

func (r *renderer) cell(n *node) {
	if n.flag&fHeader != 0 {
		r.str("<th")
	} else {
		r.str("<td")
	}
	if n.n > 1 {
		r.str(` colspan="`)
		r.dst = strconv.AppendInt(r.dst, int64(n.n), 10)
		r.str(`"`)
	}
	switch n.flag & (fLeft | fRight) {
	case fLeft:
		r.str(` style="text-align: left"`)
	case fRight:
		r.str(` style="text-align: right"`)
	case fLeft | fRight:
		r.str(` style="text-align: center"`)
	}
	r.str(n.text)
	r.str(">")
}

func styleTag(style uint16, end bool) string {
	start, stop := "", ""
	switch style {
	case sBold, sCreoleBold:
		start, stop = "<strong>", "</strong>"
	case sItalic, sCreoleItalic:
		start, stop = "<em>", "</em>"
	case sUnderline:
		start, stop = `<span class="underline">`, "</span>"
	case sStrike:
		start, stop = "<del>", "</del>"
	case sSub:
		start, stop = "<sub>", "</sub>"
	case sSup:
		start, stop = "<sup>", "</sup>"
	}
	if end {
		return stop
	}
	return start
}

// link writes a link as its resolver wants it.
func (r *renderer) link(l *Link) {
	t, label := r.resolve(l)
	if t == (Target{}) || !r.opt.safeHref(t.Href) || !r.opt.safeHref(t.Extra.Href) {
		r.quoted(l.Text)
		return
	}
	if t.Label != "" {
		label = t.Label
	}
	if t.Plain {
		r.text(label)
		return
	}
	r.str("<a")
	r.class(&t)
	r.attr("href", t.Href)
	r.attr("rel", t.Rel)
	r.attr("title", t.Title)
	r.str(">")
	if t.External {
		r.str(`<span class="icon">` + zeroWidth + `</span>`)
	}
	r.text(label)
	r.str("</a>")
	if t.Extra.Href != "" {
		r.str("<a")
		r.attr("class", t.Extra.Class)
		r.attr("href", t.Extra.Href)
		r.attr("title", t.Extra.Title)
		r.str(">" + zeroWidth + "</a>")
	}
}

// class writes the class of a link.
func (r *renderer) class(t *Target) {
	class := t.Class
	if t.External && class == "" {
		class = "ext-link"
	}
	if !t.Missing {
		r.attr("class", class)
		return
	}
	r.str(` class="missing`)
	if class != "" {
		r.str(" ")
		r.quoted(class)
	}
	r.str(`"`)
}

// resolve asks what a link means, and answers itself for what no resolver
// knows: paths of the server, addresses of the web and of people.
func (r *renderer) resolve(l *Link) (t Target, label string) {
	asked := *l
	if l.Form == FormRelative {
		var ok bool
		if asked, ok = absolute(r.opt.Context, *l); !ok {
			return Target{}, ""
		}
		if path, ok := serverPath(asked); ok {
			return Target{Href: path + l.Query + l.Fragment}, l.Label
		}
	}
	if r.opt.Resolver != nil {
		t = r.opt.Resolver.Resolve(r.opt.Context, asked)
	}
	switch {
	case t != (Target{}):
	case l.Form == FormRelative:
	case l.Realm == "mailto":
		t = r.mailto(l)
	case strings.HasPrefix(l.Target, "//") && r.opt.safeScheme(l.Realm):
		t = Target{Href: l.Realm + ":" + l.Whole(), External: true}
		if r.opt.LocalURL != "" && strings.HasPrefix(t.Href, r.opt.LocalURL) {
			t.External = false
		}
	}
	return t, l.Label
}

// serverPath returns the path of a link like [//path], which starts at the root
// of the server and not at the project. No browser may take it for another
// server's address, so one slash is left, and "/\" is such a link too.
func serverPath(l Link) (path string, ok bool) {
	if l.Realm != "" || len(l.Target) < 2 || l.Target[1] != '/' && l.Target[1] != '\\' {
		return "", false
	}
	return "/" + strings.TrimLeft(l.Target, `/\`), true
}

// mailto is the target of a link to an address, which is obfuscated in the
// label too where addresses are not shown.
func (r *renderer) mailto(l *Link) Target {
	if r.opt.ShowEmail || r.opt.PlainMailto {
		return Target{Href: "mailto:" + l.Whole(), Class: "mail-link", External: true}
	}
	return Target{Plain: true, Label: obfuscate(l.Label)}
}

// obfuscate hides the domains of the addresses in s.
func obfuscate(s string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '@')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		end := domain(s, i+1)
		if end == 0 || i == 0 || !isLocal(s[i-1]) {
			out.WriteByte('@')
			s = s[i+1:]
			continue
		}
		out.WriteString("@…")
		s = s[end:]
	}
	out.WriteString(s)
	return out.String()
}

// appendEscaped appends s with "&", "<" and ">" as entities, and with quotes
// also the double quote.
func appendEscaped(dst []byte, s string, quotes bool) []byte {
	start := 0
	for i := range len(s) {
		var entity string
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			if !quotes {
				continue
			}
			entity = "&#34;"
		default:
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, entity...)
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// plain returns the text in the nodes from i, without markup: links are their
// labels.
func (b *builder) plain(i int) string {
	var out []byte
	for ; i < len(b.nodes); i++ {
		switch n := &b.nodes[i]; n.kind {
		case kText, kRaw, kCode, kMail:
			out = append(out, n.text...)
		case kLink:
			out = append(out, b.links[n.at].Label...)
		}
	}
	return strings.TrimFunc(strings.ReplaceAll(string(out), "\n", " "), isSpace)
}
