package templates_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"projhost/templates"
	"projhost/templates/wiki"
)

// BenchmarkWikiPage renders a whole page around 8 KB of wiki text into a
// buffer that is used again, as the host does.
func BenchmarkWikiPage(b *testing.B) {
	c := fullChrome()
	p := wikiPage()
	p.HTML = strings.Repeat("<p>Some <strong>text</strong> of a wiki page.</p>\n", 8<<10/48)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := templates.Layout(c, wiki.View(p)).Render(context.Background(), &buf); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			page := manyProjects(n)
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				if err := templates.Index(page).Render(context.Background(), &buf); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(buf.Len()))
		})
	}
}

func BenchmarkError(b *testing.B) {
	c := fullChrome()
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		e := templates.Error(c, templates.Problem{Status: 404, Message: "There is no such page.", ID: "7f3a"})
		if err := e.Render(context.Background(), &buf); err != nil {
			b.Fatal(err)
		}
	}
}

func manyProjects(n int) *templates.IndexPage {
	p := &templates.IndexPage{Generator: "projhost"}
	for i := range n {
		p.Projects = append(p.Projects, templates.Project{
			Name: fmt.Sprint("Project ", i), Href: fmt.Sprint("/p", i),
			Description: "A project about things that float & drift", Broken: i%50 == 7,
		})
	}
	return p
}

func render(tb testing.TB, c templ.Component) string {
	tb.Helper()
	var buf bytes.Buffer
	if err := c.Render(context.Background(), &buf); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}
