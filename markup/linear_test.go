package markup_test

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// work is the least processor time, of some runs, to read and write the text.
// The time of this thread alone is taken: what else the machine does does not
// count.
func work(t *testing.T, text string, runs int) time.Duration {
	t.Helper()
	now := func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ts.Nano())
	}
	least := time.Hour
	for range runs {
		start := now()
		markup.Parse(text).AppendHTML(nil, markup.Options{})
		markup.ParseInline(text)
		least = min(least, now()-start)
	}
	return least
}

// TestLinear reads texts and ones sixteen times as long. Linear work takes
// sixteen times as long, or a little more where it outgrows the caches,
// quadratic work 256 times.
func TestLinear(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const small, times, most = 2 << 10, 16, 80
	for _, p := range nasty() {
		n := small / len(p.again)
		short, long := p.make(n), p.make(times*n)
		ratio := float64(most)
		for try := 0; try < 4 && ratio >= most; try++ {
			ratio = float64(work(t, long, 1)) / float64(max(work(t, short, 2), 20*time.Microsecond))
		}
		if ratio >= most {
			t.Errorf("%q %d times takes %.0f times as long as %d times", p.again+"…"+p.end, times*n, ratio, n)
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
