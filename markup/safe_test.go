package markup_test

import (
	"strings"
	"testing"

	"projhost/markup"
)

// TestHostileText renders what attackers write. Each text must come out well
// formed, with nothing but expected elements, attributes and schemes, and
// without the words that would do harm where they could.
func TestHostileText(t *testing.T) {
	for _, text := range []string{
		// Links.
		"javascript:alert(1) [javascript:alert(1) x] [[javascript:alert(1)|x]] <javascript:alert(1)>",
		"[JavaScript://x/%0aalert(1) x] javascript://x [\"javascript:alert(1)\" x] [[\"javascript:x\"|y]]",
		"[\x01javascript:alert(1) x] [java\tscript:alert(1) x] [ javascript:alert(1) x] [javascript\u200b:x y]",
		"data:text/html,<script>alert(1)</script> [data:text/html;base64,PHNjcmlwdD4= x] vbscript://x view-source://x blob:http://x",
		`[http://x/"onmouseover="alert(1) x] http://x/"onmouseover="alert(1) [http://x "><script>]`,
		`http:"//x\" onclick=\"alert(1)" [http:"//x' onclick='a" y] <http://x"onclick=alert(1)>`,
		`[http://x <img/src=x/onerror=alert(1)>] [[http://x|<b onclick=x>]] ["<script>" "</a><script>"]`,
		`mailto:a@b.cd"onclick=alert(1) [mailto:"a@b.cd?x=<script>" <b>] x'"><@example.com a@b.co'"onclick=x`,
		`[/\evil.example.com x] [//evil.example.com x] [///evil.example.com x] [/"onclick=x y] [./"><script> x] [#"><script> x]`,
		`wiki:"<script>alert(1)</script>" [wiki:"><script> <script>] [[<script>|<script>]] GardenShed#"><script>`,
		`ticket:"1' onclick='x" #1"><script> {1"} [1/"><script>] r1/"><script> [1:2/"><script>] comment:"<b>":ticket:1`,
		// Headings and anchors.
		"= a #x\"onclick=\"alert(1)\n= \"><script>alert(1)</script> =\n== a #<b>\n= [=#x\"><script> y] =",
		`[=#a"onclick="x y] [[=#a"|<script>]] [=#a <script>alert(1)</script>] [[=#a|''<b>'']]`,
		// Tables and rows.
		"|- style=\"color: expression(alert(1))\"\n|| a ||", "|- onclick=\"alert(1)\"\n|| a ||", "|- class=\"x\\\" onclick=\\\"y\"\n|| a ||",
		"|- style=\"background: url(javascript:alert(1))\"\n|| a ||", "|- style=\"background: url(//evil/x)\"\n|| a ||",
		"|- style=\"backgr\\6fund: u\\72l(http://evil/)\"\n|| a ||", "|- style=\"width: ｅｘｐｒｅｓｓｉｏｎ(alert(1))\"\n|| a ||",
		"|- style=\"color: red; position: fixed; behavior: url(x); -moz-binding: url(http://x)\"\n|| a ||",
		"|- style=\"width: exp/**/ression(alert(1)); color: \\65xpression(1)\"\n|| a ||", "|- style='\"><script>'\n|| a ||",
		"|- id=\"a&#34;\" title='<b>'\n|| <script> ||= <b> =||", "||||||=<script>=|| left || right",
		// Processors.
		"{{{#!html\n<script>alert(1)</script>\n}}}", "{{{#!\"><script>\nx\n}}}", "{{{#!x\"onclick=y\n<b>\n}}}", "{{{#!a/b,c.d+e-f\n</pre><script>\n}}}",
		"{{{\n#!<script>\n</pre><script>\n}}}", "{{{#!div onclick=alert(1) style=\"position: fixed\"\n<b>\n}}}", "{{{#!svg\n<svg onload=alert(1)>\n}}}",
		"{{{#!htmlcomment\n--><script>alert(1)</script>\n}}}", "{{{#!htmlcomment\n><script>-\n}}}", "{{{#!td onmouseover=x style=\"color: red;}\"\n<b>\n}}}",
		"{{{#!comment\n<script>\n}}}", "{{{#!span class=\"'><script>\"\n<b>\n}}}",
		"{{{#!table id=x ID=y Style=\"color: red\" style=\"color: blue\"\n||<b>||\n}}}",
		// Macros, verbatim text, escapes, definitions.
		`[[Image("><script>)]] [[html(<script>alert(1)</script>)]] [[BR(clear="><script>)]] [[span(<b>, onclick=x)]] [[<script>]] [[?<b>]]`,
		"`<script>` {{{<script>}}} !`<script>` ![[<script>]] ![\"<script>\"] !<b>", " <script>:: <script>\n `<b>`:: x", "<script>\n> <script>\n * <script>\n  <script>",
		"&#60;script&#62; &lt;script&gt; \u2028<script> \u0085<script> <\x00script> \xff<script\xff>",
	} {
		for _, o := range []markup.Options{{}, {Resolver: liar{}, ShowEmail: true, PlainMailto: true, LocalURL: "http://x", EscapeNewlines: true}} {
			html := string(markup.Parse(text).AppendHTML(nil, o))
			if err := wellFormed(html); err != nil {
				t.Errorf("%q: %v\n%s", text, err, html)
			}
			if strings.Contains(html, "//evil") && strings.Contains(html, `href="//`) {
				t.Errorf("%q leads away: %s", text, html)
			}
		}
	}
}

// TestSchemes says which addresses become links.
func TestSchemes(t *testing.T) {
	for _, c := range []struct {
		text string
		safe []string
		link bool
	}{
		{"http://a", nil, true},
		{"HTTPS://a", nil, true},
		{"svn+ssh://a/b", nil, true},
		{"http:a", nil, false},
		{"javascript:a", nil, false},
		{"javascript://a", nil, false},
		{"[javascript://a b]", nil, false},
		{"data://a", nil, false},
		{"gopher://a", nil, false},
		{"gopher://a", []string{"gopher"}, true},
		{"http://a", []string{"gopher"}, false},
		{"http://a", []string{}, false},
	} {
		html := string(markup.Parse(c.text).AppendHTML(nil, markup.Options{SafeSchemes: c.safe}))
		if got := strings.Contains(html, "<a "); got != c.link {
			t.Errorf("%s with safe schemes %q: %s", c.text, c.safe, html)
		}
	}
}

// careless resolves every link to one address.
type careless string

// Resolve implements [markup.Resolver].
func (c careless) Resolve(markup.Context, markup.Link) markup.Target {
	return markup.Target{Href: string(c), Class: "x"}
}

// TestResolversAreNotTrusted keeps unsafe addresses of resolvers out of pages.
func TestResolversAreNotTrusted(t *testing.T) {
	for href, want := range map[string]bool{
		"/wiki/A":             true,
		"?a=javascript:x":     true,
		"#a:b":                true,
		"http://a/":           true,
		"mailto:a@b.cd":       true,
		"javascript:x":        false,
		"JAVASCRIPT:x":        false,
		" javascript:x":       false,
		"java\nscript:x":      false,
		"\x00javascript:x":    false,
		"javascript&colon;x":  true, // a path, since it is escaped
		"data:text/html,x":    false,
		"view-source:http://": false,
	} {
		html := string(markup.Parse("wiki:A").AppendHTML(nil, markup.Options{Resolver: careless(href)}))
		if got := strings.Contains(html, "<a "); got != want {
			t.Errorf("%q: %s", href, html)
		}
	}
}
