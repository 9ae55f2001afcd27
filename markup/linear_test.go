package markup_test

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"projhost/markup"
)

// pattern is a text that grows with n.
type pattern struct{ start, again, end string }

func (p pattern) make(n int) string { return p.start + strings.Repeat(p.again, n) + p.end }

// nasty returns texts that are slow to read for a parser that searches ahead
// more than once, nests without end or copies what it nests.
func nasty() (list []pattern) {
	for _, s := range []string{
		"'''", "''", "**''", "__~~", "'''''", "^", "`", "``a", "{{{", "{{{ ", "}}}", "!", "!!'''", "![", "[[", "[[a", "]]", "[", "[x:",
		"[wiki:a ", "[\"", "[\"a\" ", "['a' ", "[=#a ", "[[=#a|", "<wiki:", "<", "a:", "a:\"", "a:'", "a:!", "a:b_", "x:|", "a:b:\"",
		"AbCd", "Ab/", "AbCd@1", "AbCd#", "AbCd#a:.", "../", "./", "/", "//", ".", "a.", "a@", "a@b.", "a@b.c_", "@", "r1", "r1:", "#1,",
		"#", "#T", "{1", "[1", "[1/", "[1:2/", "[12345678", "||", "|| a", "||  ", "=||=", "!||", "|-", " |-", "|- a=b ", "|", "\\\\", "&", " ", "\u00a0", "\u200b",
		"\u00e9", "\u00c9", "\xff", "a\n", "\n", " \n", "\t", "\t\n", "> ", ">", ">\n", "> > ", "* ", "* a\n", " * a\n", " 1. a\n", " a:: b\n", " `:: ", " a:", "= a\n", "= a =\n== a\n",
		"= a #a\n", "----\n", "{{{\n", "{{{\n}}}\n", "{{{#!x\n", "{{{#!td\n", "{{{#!div\n", "}}}\n", "|| a ||\n", "|| a ||\\\n", "[[BR]]", "[[Image(", "[[Image(a)]]", "[#a ", "[./a ", "-", "- - ",
		"Ab ", "http://a/", "http://a_", "a'b", "\"", "'", "[a:\"b\" '", "!AbCd", "a!", "...", "[...]",
	} {
		list = append(list, pattern{again: s}, pattern{again: s, end: "x]]}}}`\">'"})
	}
	for depth := range 3 {
		list = append(list, pattern{strings.Repeat("> ", depth+1), "a ''b'' ", ""}, pattern{"{{{#!div\n", "* a\n", ""})
	}
	return list
}

// work is the least time, of some runs, to read and write the text.
func work(text string, runs int) time.Duration {
	least := time.Hour
	for range runs {
		start := time.Now()
		markup.Parse(text).AppendHTML(nil, markup.Options{})
		markup.ParseInline(text)
		least = min(least, time.Since(start))
	}
	return least
}

// TestLinear reads texts and ones eight times as long. Linear work takes eight
// times as long, quadratic 64 times; between them is room for a busy machine,
// and only a text that is slow again and again fails.
func TestLinear(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const small = 3 << 10
	for _, p := range nasty() {
		n := small / len(p.again)
		short, long := p.make(n), p.make(8*n)
		ratio := 24.0
		for try := 0; try < 6 && ratio >= 24; try++ {
			ratio = float64(work(long, 1)) / float64(max(work(short, 2), 20*time.Microsecond))
		}
		if ratio >= 24 {
			t.Errorf("%q %d times takes %.0f times as long as %d times", p.again+"…"+p.end, 8*n, ratio, n)
		}
		runtime.GC()
	}
}

// TestNestingIsBounded opens far more elements than a browser would bear.
func TestNestingIsBounded(t *testing.T) {
	deep := func(format func(i int) string) string {
		var b strings.Builder
		for i := range 1000 {
			b.WriteString(format(i))
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"citations":  strings.Repeat(">", 5000) + " a",
		"lists":      deep(func(i int) string { return strings.Repeat(" ", i) + "* a\n" }),
		"ordered":    deep(func(i int) string { return strings.Repeat(" ", i) + "1. a\n" }),
		"quotes":     deep(func(i int) string { return strings.Repeat(" ", i+1) + "a\n" }),
		"processors": strings.Repeat("{{{#!div\n", 1000),
		"cells":      strings.Repeat("{{{#!td\n", 1000),
		"tables":     strings.Repeat("{{{#!table\n", 1000),
	} {
		html := string(markup.Parse(text).AppendHTML(nil, markup.Options{}))
		if err := wellFormed(html); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		depth, most := 0, 0
		for i := range len(html) - 1 {
			if html[i] == '<' && html[i+1] == '/' {
				depth--
			} else if html[i] == '<' {
				depth++
				most = max(most, depth)
			}
		}
		if most > 230 {
			t.Errorf("%s: %d elements within one another", name, most)
		}
	}
}
