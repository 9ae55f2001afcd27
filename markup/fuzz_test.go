package markup_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"projhost/markup"
)

// liar is a resolver that says yes to everything and hands the text through
// unchecked, as a careless one might.
type liar struct{}

// Resolve implements [markup.Resolver].
func (liar) Resolve(_ markup.Context, l markup.Link) markup.Target {
	switch len(l.Target) % 4 {
	case 0:
		return markup.Target{Href: l.Whole(), Class: l.Realm, Title: l.Label}
	case 1:
		return markup.Target{Href: "/x/" + l.Target, Missing: true, Rel: "nofollow", Label: l.Text}
	case 2:
		return markup.Target{Href: l.Realm + ":" + l.Target, External: true, Extra: markup.Extra{Href: l.Whole(), Title: l.Label}}
	}
	return markup.Target{}
}

func FuzzParse(f *testing.F) {
	var cases []wikiCase
	readJSON(f, "testdata/cases.json", &cases)
	for _, c := range cases {
		f.Add(c.Input)
	}
	for _, p := range nasty() {
		f.Add(p.make(40))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := markup.Parse(text)
		for _, o := range []markup.Options{
			{},
			{Resolver: liar{}, Context: markup.Context{Realm: "wiki", ID: "A/B"}, EscapeNewlines: true, ShowEmail: true},
		} {
			html := d.AppendHTML(nil, o)
			if err := wellFormed(string(html)); err != nil {
				t.Fatalf("%v\n%s", err, html)
			}
			if !utf8.Valid(html) {
				t.Fatalf("not UTF-8: %q", html)
			}
			if again := markup.Parse(text).AppendHTML(nil, o); !bytes.Equal(html, again) {
				t.Fatalf("rendered differently:\n%s\n%s", html, again)
			}
		}
		ids := make(map[string]bool)
		for _, h := range d.Headings() {
			if h.Level < 1 || h.Level > 6 || h.ID == "" || ids[h.ID] {
				t.Fatalf("heading %+v", h)
			}
			ids[h.ID] = true
		}
		for _, d := range []*markup.Doc{markup.ParseInline(text), markup.ParseShort(text)} {
			html := d.AppendHTML(nil, markup.Options{Resolver: liar{}})
			if err := wellFormed(string(html)); err != nil {
				t.Fatalf("inline: %v\n%s", err, html)
			}
		}
	})
}
