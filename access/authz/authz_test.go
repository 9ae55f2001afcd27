package authz_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/access/authz"
	"projhost/envs/tracini"
)

func load(t *testing.T, text string) (*authz.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authz")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return authz.Load(path)
}

// said is the rule for a user and a resource as it would be written: "-" if there
// is none, "" if it denies everything.
func said(f *authz.File, user, resource string) string {
	items, ok := f.For(user, user != "anonymous").Find(resource)
	if !ok {
		return "-"
	}
	var list []string
	for _, i := range items {
		if i.Denied {
			i.Action = "!" + i.Action
		}
		list = append(list, i.Action)
	}
	return strings.Join(list, " ")
}

// TestRules has a case for each rule of Trac 1.6; what Trac itself says to them was
// tried there.
func TestRules(t *testing.T) {
	const groups = "[groups]\nadmins = ana, bo\nall = @admins, cy,\n  @guests\nguests = anonymous, Dy\nnone =\n"
	for _, c := range []struct {
		about, text    string
		user, resource string
		want           string
	}{
		{"a name", "[wiki:A]\nana = X", "ana", "wiki:A@*", "X"},
		{"another name", "[wiki:A]\nana = X", "bo", "wiki:A@*", "-"},
		{"another page", "[wiki:A]\nana = X", "ana", "wiki:AB@*", "-"},
		{"names have a case", "[wiki:A]\nAna = X", "ana", "wiki:A@*", "-"},
		{"two names that differ by case", "[wiki:A]\nAna = X\nana = Y", "ana", "wiki:A@*", "Y"},
		{"pages have a case", "[wiki:a]\nana = X", "ana", "wiki:A@*", "-"},
		{"actions have a case", "[wiki:A]\nana = x", "ana", "wiki:A@*", "x"},
		{"* is everybody", "[wiki:A]\n* = X", "anonymous", "wiki:A@*", "X"},
		{"* is a user, too", "[wiki:A]\n* = X", "ana", "wiki:A@*", "X"},
		{"anonymous is anonymous", "[wiki:A]\nanonymous = X", "anonymous", "wiki:A@*", "X"},
		{"anonymous is everybody", "[wiki:A]\nanonymous = X", "ana", "wiki:A@*", "X"},
		{"authenticated", "[wiki:A]\nauthenticated = X", "ana", "wiki:A@*", "X"},
		{"authenticated is not anonymous", "[wiki:A]\nauthenticated = X", "anonymous", "wiki:A@*", "-"},
		{"a group", groups + "[wiki:A]\n@admins = X", "bo", "wiki:A@*", "X"},
		{"not in the group", groups + "[wiki:A]\n@admins = X", "cy", "wiki:A@*", "-"},
		{"a group in a group", groups + "[wiki:A]\n@all = X", "bo", "wiki:A@*", "X"},
		{"a group in a group, on another line", groups + "[wiki:A]\n@all = X", "Dy", "wiki:A@*", "X"},
		{"anonymous in a group", groups + "[wiki:A]\n@guests = X", "anonymous", "wiki:A@*", "X"},
		{"anonymous in a group is nobody else", groups + "[wiki:A]\n@guests = X", "ana", "wiki:A@*", "-"},
		{"members have a case", groups + "[wiki:A]\n@guests = X", "dy", "wiki:A@*", "-"},
		{"an empty group", groups + "[wiki:A]\n@none = X", "ana", "wiki:A@*", "-"},
		{"a group that there is none of", groups + "[wiki:A]\n@nosuch = X", "ana", "wiki:A@*", "-"},
		{"a group without @ is a name", groups + "[wiki:A]\nadmins = X", "ana", "wiki:A@*", "-"},
		{"a name like a group is none", groups + "[wiki:A]\n@admins = X", "@admins", "wiki:A@*", "-"},
		{"groups after the rules", "[wiki:A]\n@g = X\n[groups]\ng = ana\n", "ana", "wiki:A@*", "X"},
		{"groups is no pattern", groups, "ana", "groups", "-"},
		{"an empty list", "[wiki:A]\nana =", "ana", "wiki:A@*", ""},
		{"a list of nothing", "[wiki:A]\nana = , ,", "ana", "wiki:A@*", ""},
		{"a list", "[wiki:A]\nana = X, !Y ,Z", "ana", "wiki:A@*", "X !Y Z"},
		{"a list on two lines", "[wiki:A]\nana = X,\n  !Y", "ana", "wiki:A@*", "X !Y"},
		{"a colon", "[wiki:A]\nana: X", "ana", "wiki:A@*", "X"},
		{"the first section counts", "[wiki:A]\nana = X\n[wiki:A*]\nana = Y", "ana", "wiki:A@*", "X"},
		{"in the file's order, not the narrowest", "[wiki:*]\nana = Y\n[wiki:A]\nana = X", "ana", "wiki:A@*", "Y"},
		{"the first that has one for the user", "[wiki:A]\nbo = X\n[wiki:*]\nana = Y", "ana", "wiki:A@*", "Y"},
		{"nothing is added up", "[wiki:A]\nana = X\n[*]\nana = Y, Z", "ana", "wiki:A@*", "X"},
		{"the first key counts", "[wiki:A]\n* = X\nana = Y", "ana", "wiki:A@*", "X"},
		{"in the file's order, not the narrowest key", "[wiki:A]\nana = Y\n* = X", "ana", "wiki:A@*", "Y"},
		{"keys in the file's order, not the alphabet's", groups + "[wiki:A]\nbo = Y\n@admins = X", "bo", "wiki:A@*", "Y"},
		{"an empty section", "[wiki:A]\n[wiki:*]\nana = X", "ana", "wiki:A@*", "X"},
		{"any version", "[wiki:A]\nana = X", "ana", "wiki:A@3", "X"},
		{"a version", "[wiki:A@3]\nana = X", "ana", "wiki:A@3", "X"},
		{"another version", "[wiki:A@3]\nana = X", "ana", "wiki:A@4", "-"},
		{"a version is not any", "[wiki:A@3]\nana = X", "ana", "wiki:A@*", "-"},
		{"versions by a pattern", "[wiki:A@[12]]\nana = X", "ana", "wiki:A@2", "X"},
		{"an @ in a name is no version", "[wiki:a@b]\nana = X", "ana", "wiki:a@b@*", "-"},
		{"an @ in a name, with a version", "[wiki:a@b@*]\nana = X", "ana", "wiki:a@b@*", "X"},
		{"a realm", "[wiki:*]\nana = X", "ana", "wiki:*@*", "X"},
		{"a page is not the realm", "[wiki:A]\nana = X", "ana", "wiki:*@*", "-"},
		{"no resource", "[*]\nana = X", "ana", "*:*@*", "X"},
		{"no resource is in no realm", "[wiki:*]\nana = X", "ana", "*:*@*", "-"},
		{"no resource in full", "[*:*@*]\nana = X", "ana", "*:*@*", "X"},
		{"* is everything", "[*]\nana = X", "ana", "wiki:A@*/attachment:f@*", "X"},
		{"a page has its attachments", "[wiki:A]\nana = X", "ana", "wiki:A@*/attachment:f@*", "X"},
		{"an attachment", "[wiki:A@*/attachment:*.txt]\nana = X", "ana", "wiki:A@*/attachment:f.txt@*", "-"},
		{"an attachment with its version", "[wiki:A@*/attachment:*.txt@*]\nana = X", "ana", "wiki:A@*/attachment:f.txt@*", "X"},
		{"attachments of all", "[*/attachment:f@*]\nana = X", "ana", "ticket:7@*/attachment:f@*", "X"},
		{"an attachment is not its page", "[*/attachment:f@*]\nana = X", "ana", "ticket:7@*", "-"},
		{"a slash is like any other", "[wiki:A*]\nana = X", "ana", "wiki:A/B/C@*", "X"},
		{"one character", "[wiki:?]\nana = X", "ana", "wiki:é@*", "X"},
		{"some characters", "[wiki:[a-cé]*]\nana = X", "ana", "wiki:bx@*", "X"},
		{"all but some", "[wiki:[!a-c]*]\nana = X", "ana", "wiki:bx@*", "-"},
		{"DEFAULT is in each section, first", "[DEFAULT]\nana = X\n[wiki:A]\n* = Y\n", "ana", "wiki:A@*", "X"},
		{"what a section says itself, in DEFAULT's place", "[DEFAULT]\nana = X\n[wiki:A]\n* = Y\nana = Z\n", "ana", "wiki:A@*", "Z"},
		{"DEFAULT is no section", "[DEFAULT]\n* = X\n", "ana", "DEFAULT@*", "-"},
		{"groups have DEFAULT, too", "[DEFAULT]\ng = ana\nh = ana\n[groups]\nh = bo\n[wiki:A]\n@h = Y\n@g = X", "ana", "wiki:A@*", "X"},
		{"a group of DEFAULT that is another", "[DEFAULT]\ng = @h\n[groups]\nh = ana\ng = @h\n[wiki:A]\n@g = X", "ana", "wiki:A@*", "X"},
		{"comments", "# x\n[wiki:A] ; y\n; z\nana = X\n", "ana", "wiki:A@*", "X"},
		{"blanks in a section's name", "[ wiki:A ]\nana = X\n", "ana", "wiki:A@*", "-"},
	} {
		f, err := load(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
			continue
		}
		if got := said(f, c.user, c.resource); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		line int
		says string
	}{
		{"", 0, "no section"},
		{"# nothing but words\n", 0, "no section"},
		{"ana = X\n", 1, "before the first"},
		{"[wiki:A]\nana\n", 2, "neither"},
		{"[wiki:A]\nana = X\nana = Y\n", 3, "twice"},
		{"[wiki:A]\n[wiki:A]\n", 2, "twice"},
		{"\ufeff[wiki:A]\n", 1, "byte order mark"},
		{"[wiki:A]\nana = \xff\n", 2, "UTF-8"},
		{"[groups]\na = bo\nb = @a, @nosuch\n", 3, "has no nosuch"},
		{"[groups]\na = @a\n", 2, "itself"},
		{"[groups]\nz = @a\na = @b, x\nb = @c\nc = y, @a\n", 2, "itself"},
		{"[groups]\nd = @a\na = @b, @b\nb = @a\n", 2, "itself"},
	} {
		_, err := load(t, c.text)
		e, ok := errors.AsType[*tracini.Error](err)
		if !ok || e.Line != c.line || !strings.Contains(e.Problem, c.says) || e.File == "" {
			t.Errorf("%q: %v", c.text, err)
		}
	}
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := authz.Load(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte("[a]\n"+strings.Repeat("#\n", 3<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authz.Load(large); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
	if f, err := load(t, "[groups]\na = @b, @b, @c\nb = @c\nc = x\n[*]\n@a = X"); err != nil || said(f, "x", "*:*@*") != "X" {
		t.Errorf("a group that is in another twice: %v", err)
	}
}

func TestMentions(t *testing.T) {
	f, err := load(t, "[DEFAULT]\n@no = A\n[groups]\ng = ana\n[x]\n@g = B, !C\n@other = B\n[y]\n* =\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range f.Actions() {
		got = append(got, fmt.Sprint(m.Section, " ", m.Name, " ", m.Line))
	}
	for m := range f.Strangers() {
		got = append(got, fmt.Sprint(m.Section, " ", m.Name, " ", m.Line))
	}
	if s := strings.Join(got, ", "); s != "DEFAULT A 2, x B 6, x C 6, x B 7, DEFAULT @no 2, x @other 7" {
		t.Error(s)
	}
	for range f.Actions() { // which may be left
		break
	}
}

// TestPatterns: what they match is what fnmatch.fnmatchcase of Python 3.11 said.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no string // names, parted by blanks
	}{
		{"a*b", "ab axb a/b ababb", "a b abx"},
		{"*a*a*", "aa xaxax", "a bb"},
		{"**", "a ab", ""},
		{"a?", "ab aé a?", "a abc"},
		{"[", "[", "a"},
		{"a[", "a[", "a"},
		{"[]", "[]", "[ ]"},
		{"[]]", "]", "[] a"},
		{"[]a]", "] a", "[ b"},
		{"[!]", "[!]", "! ]"},
		{"[!]]", "a [", "]"},
		{"[!a]", "b !", "a"},
		{"[^a]", "^ a", "b"},
		{"[a-c]", "a b c", "- d"},
		{"[-c]", "- c", "b"},
		{"[a-]", "- a", "b"},
		{"[a-c-e]", "b - e", "d"},
		{"[--a]", "- 5 a", "b"},
		{"[!--a]", "b", "- 5 a"},
		{"[c-a]", "", "a b c -"},
		{"[!c-a]", "a b -", ""},
		{"[a-c", "[a-c", "a"},
		{`[\]]`, `\]`, `] \`},
		{`\*`, `\ \a`, "* a"},
		{"[*]", "*", "a"},
		{"[?]", "?", "a"},
		{"[à-ü]", "é", "a"},
		{"a.c", "a.c", "abc"},
	} {
		f, err := load(t, "[@"+c.pattern+"]\n* = X\n")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(c.yes) {
			if said(f, "ana", "@"+name) != "X" {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if said(f, "ana", "@"+name) != "-" {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
}

// TestManyStars: a pattern takes no more time than its length times the name's.
func TestManyStars(t *testing.T) {
	for _, part := range []string{"*a", "*?", "*[a-z]", "[!]*", "*[", "[", "a", "[!b]"} {
		f, err := load(t, "[@*"+strings.Repeat(part, 2000)+"x]\n* = X\n")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		said(f, "ana", "@"+strings.Repeat("a", 4000))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("many %s took %v", part, took)
		}
	}
}

// TestManyGroups: what a file of so many groups in groups takes grows with its size.
func TestManyGroups(t *testing.T) {
	var b strings.Builder
	b.WriteString("[groups]\ng0 = ana\n")
	for i := 1; i < 20000; i++ {
		fmt.Fprintf(&b, "g%d = @g%d, @g%d\n", i, i-1, i/2)
	}
	b.WriteString("[*]\n@g19999 = X\n")
	start := time.Now()
	f, err := load(t, b.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := said(f, "ana", "*:*@*"); got != "X" {
		t.Error(got)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// FuzzRules: no text and no name brings the reader or the patterns down, and who
// is in no group and in no rule gets no rule but everybody's.
func FuzzRules(f *testing.F) {
	f.Add("[groups]\ng = ana, @h\nh =\n[wiki:A[!b-d]?*@*]\n@g = X, !Y\n* =\n", "ana", "wiki:Axyz@3/attachment:f@*")
	f.Add("[DEFAULT]\na = b\n[*[]\nb = c\n", "b", "*[@*")
	f.Add("[groups]\na = @b\nb = @a\n", "a", "")
	f.Fuzz(func(t *testing.T, text, user, resource string) {
		file, err := load(t, text)
		if err != nil {
			return
		}
		for range file.Actions() {
		}
		for range file.Strangers() {
		}
		_ = file.String()
		if user == "anonymous" || strings.Contains(text, user) {
			said(file, user, resource)
			return
		}
		somebody := said(file, user, resource)
		if other := said(file, "another"+user, resource); other != somebody && !strings.Contains(text, "another"+user) {
			t.Errorf("%q and another in no rule: %q, %q", user, somebody, other)
		}
	})
}
