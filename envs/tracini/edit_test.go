package tracini_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"projhost/envs/tracini"
)

func set(section, name, value string) tracini.Change {
	return tracini.Change{Section: section, Name: name, Value: value}
}

func remove(section, name string) tracini.Change {
	return tracini.Change{Section: section, Name: name, Remove: true}
}

// TestEdit holds one case for each rule. "|" stands for the end of a line.
func TestEdit(t *testing.T) {
	for _, c := range []struct {
		rule, text string
		change     tracini.Change
		want       string // "!" and a part of the error
	}{
		{"a value", "# x|[a]|b = 1|# y|c=2|", set("a", "b", "3"), "# x|[a]|b = 3|# y|c=2|"},
		{"the same value", "[a]|b :1 |", set("a", "b", "1"), "[a]|b :1 |"},
		{"blanks and the delimiter stay", "[a]|  B  :\t1|", set("a", "b", "2"), "[a]|  B  :\t2|"},
		{"no blanks", "[a]|b=1|", set("a", "b", "2"), "[a]|b=2|"},
		{"from nothing", "[a]|b =|c=|d: |", set("a", "b", "2"), "[a]|b = 2|c=|d: |"},
		{"from nothing, without blanks", "[a]|b=|", set("a", "b", "2"), "[a]|b=2|"},
		{"to nothing", "[a]|b = 1|", set("a", "b", ""), "[a]|b = |"},
		{"several lines", "[a]|b = 1|  2||  3|c = 4|", set("a", "b", "5"), "[a]|b = 5|c = 4|"},
		{"to several lines", "[a]|b = 1|c = 4|", set("a", "b", "5\n\n6"), "[a]|b = 5|\t|\t6|c = 4|"},
		{"several lines of an indented option", "[a]|    b = 1|    c = 4|", set("a", "b", "5\n6"), "[a]|    b = 5|    \t6|    c = 4|"},
		{"comments among the lines", "[a]|b = 1|# x|  2|c = 4|", set("a", "b", "5"), "[a]|b = 5|# x|c = 4|"},
		{"no end of the last line", "[a]|b = 1", set("a", "b", "2\n3"), "[a]|b = 2|\t3"},
		{"CR LF", "[a]\r\nb = 1\r\n\r\n[c]\r\n", set("a", "b", "2\n3"), "[a]\r\nb = 2\r\n\t3\r\n\r\n[c]\r\n"},
		{"text with a delimiter in front", "[a]|b = = 1|", set("a", "b", ": 2"), "[a]|b = : 2|"},

		{"new, sorted", "[a]|b = 1|# d|d = 2|", set("a", "C", "3"), "[a]|b = 1|c = 3|# d|d = 2|"},
		{"new, first", "[a]|# all||# d|d = 2|", set("a", "b", "3"), "[a]|# all||b = 3|# d|d = 2|"},
		{"new, last", "[a]|b = 1|  2|# x||[c]|", set("a", "z", "3"), "[a]|b = 1|  2|z = 3|# x||[c]|"},
		{"new, not sorted", "[a]|d = 1|b = 2||[c]|", set("a", "c", "3"), "[a]|d = 1|b = 2|c = 3||[c]|"},
		{"new, as deep as the one before", "[a]|  d = 1|  e = 2|", set("a", "f", "1\n2"), "[a]|  d = 1|  e = 2|  f = 1|  \t2|"},
		{"new, empty section", "[a]|# none||[c]|", set("a", "b", "1"), "[a]|b = 1|# none||[c]|"},
		{"new, empty section before a deeper one", "[a]|  [c]|  d=1", set("a", "b", "1"), "[a]|  b = 1|  [c]|  d=1"},
		{"new, no end of the last line", "[a]|b = 1", set("a", "c", "2"), "[a]|b = 1|c = 2|"},
		{"new, CR LF", "[a]\r\nb = 1\r\n", set("a", "c", "2"), "[a]\r\nb = 1\r\nc = 2\r\n"},
		{"new in DEFAULT", "[DEFAULT]|a=1|[b]|[DEFAULT]|c=2|", set("DEFAULT", "d", "3"), "[DEFAULT]|a=1|[b]|[DEFAULT]|c=2|d = 3|"},

		{"new section, sorted", "# top||[a]|b = 1||# about d|[d]|", set("c", "x", "2"), "# top||[a]|b = 1||[c]|x = 2||# about d|[d]|"},
		{"new section, first", "# top|[b]|", set("a", "x", "1"), "# top||[a]|x = 1||[b]|"},
		{"new section, not sorted", "[d]||[b]||", set("c", "x", "1"), "[d]||[b]||[c]|x = 1||"},
		{"new section, last, close together", "[a]|b=1", set("c", "x", "1"), "[a]|b=1||[c]|x = 1|"},
		{"new section, before a deeper one", "[a]|  [d]|  e=1", set("c", "x", "1"), "[a]||  [c]|  x = 1||  [d]|  e=1"},
		{"new file", "", set("a", "b", "1"), "# -*- coding: utf-8 -*-||[a]|b = 1||"},
		{"the coding comment stays first", "# -*- coding: utf-8 -*-||[b]|", set("a", "x", "1"), "# -*- coding: utf-8 -*-||[a]|x = 1||[b]|"},
		{"only a comment", "# -*- coding: utf-8 -*-|", set("a", "x", "1"), "# -*- coding: utf-8 -*-||[a]|x = 1|"},

		{"remove", "[a]|b = 1|# c|c = 2|  3|d = 4|", remove("a", "C"), "[a]|b = 1|# c|d = 4|"},
		{"remove the last", "[a]|b = 1||[c]|", remove("a", "b"), "[a]||[c]|"},
		{"remove what is not there", "[a]|b = 1|", remove("a", "c"), "!not set"},
		{"remove what is another section's", "[a]|b = 1|", remove("A", "b"), "!not set"},
		{"remove a section", "[a]|b=1||# about c|[c]|# x|d=1|# e=2||# about f|[f]|", remove("c", ""), "[a]|b=1||# about c|# about f|[f]|"},
		{"remove the last section", "[a]|b=1||[c]|d=1||# end|", remove("c", ""), "[a]|b=1||# end|"},
		{"remove DEFAULT", "[DEFAULT]|a=1|[b]|[DEFAULT]|c=2|", remove("DEFAULT", ""), "[b]|"},
		{"remove a section that is not there", "[a]|", remove("b", ""), "!not set"},

		{"a name with a delimiter", "[a]|", set("a", "b=c", "d"), "!cannot be written"},
		{"a name like a comment", "[a]|", set("a", "#b", "d"), "!cannot be written"},
		{"a name like a header", "[a]|", set("a", "[b]", "d"), "!cannot be written"},
		{"no name", "[a]|", set("a", "", "d"), "!cannot be written"},
		{"no section", "[a]|", set("", "b", "d"), "!cannot be written"},
		{"a section with a bracket", "[a]|", set("b]", "b", "d"), "!cannot be written"},
		{"a section with an end of line", "[a]|", set("b\n", "b", "d"), "!cannot be written"},
		{"blanks around", "[a]|b=1|", set("a", "b", " c"), "!cannot be written"},
		{"a line like a comment", "[a]|b=1|", set("a", "b", "c\n#d\ne"), "!cannot be written"},
		{"an end of line at the end", "[a]|b=1|", set("a", "b", "c\n"), "!cannot be written"},
		{"CR", "[a]|b=1|", set("a", "b", "c\rd"), "!cannot be written"},
		{"not UTF-8", "[a]|b=1|", set("a", "b", "\xff"), "!cannot be written"},
		{"a text that Trac refuses", "[a]|[a]|", set("a", "b", "1"), "!twice"},
		{"a byte order mark, which Trac refuses", "\ufeff[a]|", set("a", "b", "1"), "!byte order mark"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			got, err := tracini.Edit(lines(c.text), c.change)
			if part, fails := strings.CutPrefix(c.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Fatalf("got %q, %v; want an error with %q", got, err, part)
				}
				return
			}
			if err != nil || got != lines(c.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, lines(c.want))
			}
		})
	}
}

func lines(s string) string { return strings.ReplaceAll(s, "|", "\n") }

func TestEditSeveral(t *testing.T) {
	got, err := tracini.Edit("[a]\nb = 1\n", set("a", "c", "2"), remove("a", "b"), set("a", "c", "3"), set("d", "e", "4"), remove("a", ""))
	if want := "[d]\ne = 4\n"; err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := tracini.Edit("[a]\n", set("a", "c", "2"), remove("a", "d")); !errors.Is(err, tracini.ErrNotSet) || !strings.Contains(err.Error(), "[a] d") {
		t.Errorf("got %v", err)
	}
}

// FuzzEdit: what was changed reads back, and what was not changed is there byte
// for byte.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{"[a]\nb = c\n\n  d\n# e\n", "[DEFAULT]\nx=1\n[a]\r\n[b]\rY:\n\t z", "# c\n[b]\n  x=1\n  [c]\n", "", "[a]\nb=1\n\n;x\n[c]\n#y\n[DEFAULT]"} {
		for _, name := range []string{"b", "x", "z", ""} {
			f.Add(text, "a", name, "v\n w", false)
			f.Add(text, "b", name, "v", true)
		}
	}
	f.Fuzz(func(t *testing.T, text, section, name, value string, remove bool) {
		checkEdit(t, text, tracini.Change{Section: section, Name: name, Value: value, Remove: remove})
	})
}

func checkEdit(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string, c tracini.Change) {
	t.Helper()
	before, bad := tracini.Parse(text)
	got, err := tracini.Edit(text, c)
	if bad != nil {
		if err == nil {
			t.Fatalf("%q was edited", text)
		}
		return
	}
	name := strings.ToLower(c.Name)
	affected := func(s tracini.Setting) bool {
		return s.Section == c.Section && (s.Name == name || c.Remove && name == "")
	}
	if err != nil {
		// Nothing plain is refused.
		if !c.Remove && plainWord(c.Section) && plainWord(c.Name) && plainWord(c.Value) {
			t.Fatalf("%q: %+v: %v", text, c, err)
		}
		return
	}
	after, bad := tracini.Parse(got)
	if bad != nil {
		t.Fatalf("%q became %q: %s", text, got, bad.Problem)
	}
	want := slices.DeleteFunc(slices.Clone(before.Settings), affected)
	if !c.Remove {
		want = append(want, tracini.Setting{Section: c.Section, Name: name, Value: c.Value})
	}
	slices.SortFunc(want, bySectionAndName)
	slices.SortFunc(after.Settings, bySectionAndName)
	if !slices.Equal(after.Settings, want) {
		t.Fatalf("%q, %+v, became %q: %q, want %q", text, c, got, after.Settings, want)
	}
	at := slices.IndexFunc(before.Settings, affected)
	switch {
	case c.Remove && name == "":
		return
	case c.Remove && !inserted(got, text):
		t.Fatalf("%q became %q: more than the option went", text, got)
	case !c.Remove && at < 0 && !inserted(text, got):
		t.Fatalf("%q became %q: more than a new option", text, got)
	case !c.Remove && at >= 0:
		first := before.Starts[at]
		if !strings.HasPrefix(got, text[:first]) || !strings.HasSuffix(got, text[before.Ends[at]:]) {
			t.Fatalf("%q became %q: more than the option changed", text, got)
		}
	}
	if was, now := comments(text), comments(got); !c.Remove && text != "" && !slices.Equal(was, now) {
		t.Fatalf("%q became %q: the comments differ", text, got)
	}
}

// comments are the lines of a text that are comments.
func comments(text string) (list []string) {
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" && strings.Contains("#;", line[:1]) {
			list = append(list, line)
		}
	}
	return list
}

// inserted says whether long is short with one stretch put in.
func inserted(short, long string) bool {
	if len(long) < len(short) {
		return false
	}
	n := 0
	for n < len(short) && short[n] == long[n] {
		n++
	}
	return strings.HasSuffix(long, short[n:])
}

func plainWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

// TestEditChanges feeds texts that are mostly well formed, and plain changes:
// every one of them must be possible.
func TestEditChanges(t *testing.T) {
	blank := rapid.SampledFrom([]string{"", "", "\n", "# x\n", "  ; y\n", "\n# z\n\n", "\r\n"})
	word := rapid.StringMatching(`[a-e]{1,2}`)
	rapid.Check(t, func(r *rapid.T) {
		var b strings.Builder
		b.WriteString(blank.Draw(r, "top"))
		for _, section := range rapid.SliceOfDistinct(word, rapid.ID[string]).Draw(r, "sections") {
			b.WriteString("[" + section + "]\n" + blank.Draw(r, "blank"))
			indent := rapid.SampledFrom([]string{"", "", "  ", "\t"}).Draw(r, "indent")
			for _, option := range rapid.SliceOfDistinct(word, rapid.ID[string]).Draw(r, "options") {
				b.WriteString(indent + option + rapid.SampledFrom([]string{" = ", "=", ": "}).Draw(r, "delimiter") + word.Draw(r, "value"))
				for range rapid.IntRange(0, 2).Draw(r, "lines") {
					b.WriteString("\n" + blank.Draw(r, "blank") + indent + "\t" + word.Draw(r, "line"))
				}
				b.WriteString("\n" + blank.Draw(r, "blank"))
			}
		}
		text := strings.TrimSuffix(b.String(), rapid.SampledFrom([]string{"", "\n"}).Draw(r, "end"))
		c := tracini.Change{Section: word.Draw(r, "section"), Name: word.Draw(r, "name"), Value: word.Draw(r, "new"), Remove: rapid.Bool().Draw(r, "remove")}
		if rapid.IntRange(0, 4).Draw(r, "whole") == 0 && c.Remove {
			c.Name = ""
		}
		checkEdit(r, text, c)
	})
}
