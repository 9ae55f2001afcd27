package markup_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"projhost/markup"
)

func Example() {
	doc := markup.Parse("== Shed ==\nSee [http://example.com/ the '''shed'''] or `<b>`.")
	fmt.Print(string(doc.AppendHTML(nil, markup.Options{})))
	// Output:
	// <h2 class="section" id="Shed">Shed</h2>
	// <p>
	// See <a class="ext-link" href="http://example.com/"><span class="icon">​</span>the '''shed'''</a> or <code>&lt;b&gt;</code>.
	// </p>
}

// render is the HTML of a text without any project.
func render(text string) string {
	return string(markup.Parse(text).AppendHTML(nil, markup.Options{}))
}

// TestRender holds what the cases of Trac do not say, or where projhost means
// to differ.
func TestRender(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"blank lines", "\n\n\r\n", ""},
		{"line ends", "a\rb\r\nc\u2028d\u0085e\x1ef", "<p>\na\nb\nc\nd\ne\nf\n</p>\n"},
		{"vertical tab and form feed", "a\vb\fc", "<p>\na b c\n</p>\n"},
		{"invalid UTF-8", "a\xffb", "<p>\na\uFFFDb\n</p>\n"},
		{"code in a language", "{{{#!python\nif a < b:\n\tc\n}}}", `<div class="wiki-code"><div class="code"><pre class="language-python">if a &lt; b:` + "\n        c\n</pre></div></div>"},
		{"code in an unknown language", "{{{#!no-such-thing a=b\nx\n}}}", `<div class="wiki-code"><div class="code"><pre class="language-no-such-thing">x` + "\n</pre></div></div>"},
		{"HTML is shown as code", "{{{#!html\n<b onclick=x>\n}}}", `<div class="wiki-code"><div class="code"><pre class="language-html">&lt;b onclick=x&gt;` + "\n</pre></div></div>"},
		{"comment", "a\n{{{#!comment\nb\n}}}\nc", "<p>\na\n</p>\n<p>\nc\n</p>\n"},
		{"macro that is not offered", "a [[TitleIndex(b,<c>)]]", "<p>\na <span class=\"macro-unavailable\" title=\"The macro TitleIndex is not available here\">[[TitleIndex(b,&lt;c&gt;)]]</span>\n</p>\n"},
		{"macro that is not offered, in a heading", "= a [[Image(b.png)]]", "<h1 class=\"section\" id=\"aImage...\">a [[Image(...)]]</h1>\n"},
		{"comment macro", "a[[comment(b)]]c", "<p>\nac\n</p>\n"},
		{"macro nobody knows", "[[Nothing(a)]]", "<p>\n[[Nothing(a)]]\n</p>\n"},
		{"links without a resolver", "GardenShed #1 [wiki:A b] {2} r3 foo:\"x\" [/a b] [./a b]", "<p>\nGardenShed #1 [wiki:A b] {2} r3 foo:&#34;x&#34; [/a b] [./a b]\n</p>\n"},
		{"style closed with its definition", " t:: '''a\n u:: b'''", "<dl class=\"wiki\"><dt>t</dt><dd><strong>a\n</strong></dd><dt>u</dt><dd>b<strong>\n</strong></dd></dl>\n"},
		{"style opened before the row", "'''a || b''' || c", "<table class=\"wiki\">\n<tr><strong>a </strong><td> b<strong> </strong></td><td> c\n</td></tr></table>\n"},
		{"cell block closes the open cell", "|| a ||\\\n{{{#!td\nb\n}}}", "<table class=\"wiki\">\n<tr><td> a \n</td><td><p>\nb\n</p>\n</td></tr></table>\n"},
		{"item after a deeper one", "* a\n    * b\n  * c", "<ul><li>a\n<ul><li>b\n</li></ul></li><li>c\n</li></ul>"},
	} {
		if got := render(c.text); got != c.want {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.text, got, c.want)
		}
	}
}

func TestHeadings(t *testing.T) {
	d := markup.Parse("= One '''a''' [wiki:X label] =\n== Two #two\n> = Cited\n{{{#!div\n= Boxed\n}}}\n= One a label")
	want := []markup.Heading{
		{Level: 1, ID: "Onealabel", Text: "One a label"},
		{Level: 2, ID: "two", Text: "Two"},
		{Level: 1, ID: "Onealabel1", Text: "One a label"},
	}
	if got := d.Headings(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPage(t *testing.T) {
	pages := []string{"Top", "A", "A/B", "A/B/C", "A/D"}
	exists := func(name string) bool { return slices.Contains(pages, name) }
	for _, c := range [][4]string{
		{"A", "", "WikiStart", ""},
		{"A", "@3", "WikiStart", "3"},
		{"A", "Top@2", "Top", "2"},
		{"A", "/Top/", "Top", ""},
		{"A", "New", "New", ""},
		{"A/B", "D", "A/D", ""},
		{"A/B", "Top", "Top", ""},
		{"A/B", "New", "A/New", ""},
		{"A/B/C", "B/New", "A/B/New", ""},
		{"A/B", "./New", "A/B/New", ""},
		{"A/B", "../D", "A/D", ""},
		{"A/B", "..", "A", ""},
		{"A", "../../..", "WikiStart", ""},
		{"", "Top", "Top", ""},
	} {
		if name, version := markup.Page(c[0], c[1], exists); name != c[2] || version != c[3] {
			t.Errorf("Page(%q, %q) = %q, %q; want %q, %q", c[0], c[1], name, version, c[2], c[3])
		}
	}
}

// TestConcurrent renders one tree from many goroutines.
func TestConcurrent(t *testing.T) {
	d := markup.Parse(startPage)
	want := string(d.AppendHTML(nil, markup.Options{Resolver: fixed{}}))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got := string(d.AppendHTML(nil, markup.Options{Resolver: fixed{}})); got != want {
					t.Error("rendered differently")
				}
			}
		})
	}
	group.Wait()
}

func TestSize(t *testing.T) {
	small, large := markup.Parse("a").Size(), markup.Parse(strings.Repeat("'''a''' GardenShed\n", 1000)).Size()
	if small < 1 || large < 100*small {
		t.Errorf("sizes %d and %d", small, large)
	}
}
