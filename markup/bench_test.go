package markup_test

import (
	"strings"
	"testing"

	"projhost/markup"
)

// startPage is about as much text as a project's first page has.
const startPage = `= Welcome to the Garden House

This is the project of the '''garden house''', with all that belongs to it: the
//shed//, the tool rack and the paths between them. It is written by those who
live in it, so if something is missing, please [/newticket open a ticket] or
write to [wiki:HouseTour the keepers of the house].

== Where to start
 * GardenShed is the page of the shed, with the [wiki:ToolRack tool rack].
 * HouseTour/UpperFloor and HouseTour/GroundFloor show the rooms.
   * The ''kitchen sink'' has a page of its own.
   * See #1 and #2 for what drips, and {1} for all that is open.
 * The news are on http://example.com/garden/news and in r5.

 1. Read the ` + "`README`" + ` first.
 1. Then look at [source:trunk/README.txt the sources].
 1. Then run {{{make demo}}}.

== Rooms ==
||= Room =||= Floor =||= State =||
|| Kitchen || ground || '''done''' ||
|| Bath || upper || to be painted, see [[paint colours]] ||
|| Hall || ground || ~~being built~~ done ||

== How to build it
{{{#!sh
git clone http://example.com/garden.git
cd garden
make all test   # takes a minute & a half
if [ $? -lt 1 ]; then echo "<done>"; fi
}}}

After that the house stands. What may go wrong:
 the door sticks:: oil it, and see milestone:spring for the new one
 the tap drips:: change the washer (comment:1:ticket:1)

> Someone wrote that the house was too small for all of them,
> and that it should have a second shed.

The shed was built anyway. It is //not// for sale; what is there to be had is
listed on [[GardenShed|the page of the shed]], and every spring there is a day
on which the door is open to all, with tea. Come and see it, or write to the
keepers, who answer within a week unless it rains.

----
''Last looked at in spring.'' This page may be changed by everyone: see
TracGuide and WikiFormatting, and try in the SandBox first.
`

func benchmarkResolver(b *testing.B) markup.Options {
	var fix fixtures
	readJSON(b, "testdata/fixtures.json", &fix)
	return markup.Options{Resolver: &site{fixtures: fix}, Context: markup.Context{Realm: "wiki", ID: "WikiStart"}}
}

// fixed resolves every link to the same place, for the cost of markup alone.
type fixed struct{}

// Resolve implements [markup.Resolver].
func (fixed) Resolve(markup.Context, markup.Link) markup.Target {
	return markup.Target{Href: "/trac/wiki/Some/Page", Class: "wiki"}
}

func BenchmarkMarkup(b *testing.B) {
	for _, page := range []struct{ name, text string }{
		{"2KB", startPage}, {"60KB", strings.Repeat(startPage, 60<<10/len(startPage))},
	} {
		doc := markup.Parse(page.text)
		out := make([]byte, 0, 4*len(page.text))
		b.Run("parse/"+page.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(page.text)))
			for b.Loop() {
				markup.Parse(page.text)
			}
		})
		b.Run("render/"+page.name, func(b *testing.B) {
			o := markup.Options{Resolver: fixed{}, Context: markup.Context{Realm: "wiki", ID: "WikiStart"}}
			b.ReportAllocs()
			b.SetBytes(int64(len(page.text)))
			for b.Loop() {
				out = doc.AppendHTML(out[:0], o)
			}
		})
		b.Run("parse+render/"+page.name, func(b *testing.B) {
			o := benchmarkResolver(b)
			b.ReportAllocs()
			b.SetBytes(int64(len(page.text)))
			for b.Loop() {
				out = markup.Parse(page.text).AppendHTML(out[:0], o)
			}
		})
	}
}
