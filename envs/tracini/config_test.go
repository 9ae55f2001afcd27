package tracini_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"projhost/envs/tracini"
)

// write makes files in a new directory, named by their paths below it.
func write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t testing.TB, file string) *tracini.Config {
	t.Helper()
	c, err := tracini.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with loads a trac.ini of that text.
func with(t testing.TB, text string) *tracini.Config {
	t.Helper()
	return mustLoad(t, filepath.Join(write(t, map[string]string{"conf/trac.ini": text}), "conf/trac.ini"))
}

func TestInherit(t *testing.T) {
	dir := write(t, map[string]string{
		"env/conf/trac.ini": "[inherit]\nfile = ../../site/one.ini,\n   ../../two.ini, missing.ini\n[own]\na = env\nempty =\n[parts]\nx = env",
		"site/one.ini":      "[inherit]\nfile = sub/deep.ini\n[own]\na = one\nb = one\nempty = one\n[DEFAULT]\nfill = one\n[lone]",
		"site/sub/deep.ini": "[own]\nb = deep\nc = deep\n[parts]\ny = deep",
		"two.ini":           "[own]\nc = two\nd = two\nfill = two\n[other]\ne = two",
	})
	c := mustLoad(t, filepath.Join(dir, "env/conf/trac.ini"))
	for option, want := range map[string]string{"a": "env", "b": "one", "c": "deep", "d": "two", "empty": "", "fill": "one"} {
		if got, ok := c.Lookup("own", option); !ok || got != want {
			t.Errorf("%s is %q, %v; want %q", option, got, ok, want)
		}
	}
	if _, ok := c.Lookup("other", "fill"); ok {
		t.Error("[DEFAULT] of one file fills a section of another")
	}
	if v, _ := c.Lookup("lone", "fill"); v != "one" {
		t.Error("[DEFAULT] does not fill an empty section")
	}
	if got := maps.Collect(c.Section("parts")); !cmp.Equal(got, map[string]string{"x": "env", "y": "deep"}) {
		t.Error("merged section:", got)
	}
	if got, want := c.Sections(), []string{"inherit", "lone", "other", "own", "parts"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	var files []string
	for _, f := range c.Files() {
		rel, err := filepath.Rel(dir, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rel)
	}
	if want := []string{"env/conf/trac.ini", "site/one.ini", "site/sub/deep.ini", "two.ini", "env/conf/missing.ini"}; !cmp.Equal(files, want) {
		t.Error(cmp.Diff(want, files))
	}
}

func TestDefaultSection(t *testing.T) {
	c := with(t, "[DEFAULT]\nx = d\ny = d\n[a]\nx = own\n[b]\n")
	for key, want := range map[string]string{"a.x": "own", "a.y": "d", "b.x": "d"} {
		section, name, _ := strings.Cut(key, ".")
		if got, _ := c.Lookup(section, name); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if _, ok := c.Lookup("c", "x"); ok {
		t.Error("[DEFAULT] makes sections")
	}
	if got := c.Sections(); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
}

func TestInheritFromDefaultSection(t *testing.T) {
	dir := write(t, map[string]string{"t.ini": "[DEFAULT]\nfile = p.ini\n[inherit]\n", "p.ini": "[a]\nb = c"})
	if v, _ := mustLoad(t, filepath.Join(dir, "t.ini")).Lookup("a", "b"); v != "c" {
		t.Errorf("got %q", v)
	}
}

// TestSameParentTwice is no cycle.
func TestSameParentTwice(t *testing.T) {
	dir := write(t, map[string]string{
		"t.ini": "[inherit]\nfile = a.ini, b.ini, ./a.ini", "a.ini": "[inherit]\nfile = c.ini\n", "b.ini": "[inherit]\nfile = c.ini\n", "c.ini": "[x]\ny = z",
	})
	c := mustLoad(t, filepath.Join(dir, "t.ini"))
	if v, _ := c.Lookup("x", "y"); v != "z" || len(c.Files()) != 4 {
		t.Errorf("got %q from %v", v, c.Files())
	}
}

func TestLoadErrors(t *testing.T) {
	many, chain := map[string]string{}, map[string]string{}
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("p%d.ini", i))
		many[names[i]] = "[a]\n"
		chain[fmt.Sprintf("c%d.ini", i)] = fmt.Sprintf("[inherit]\nfile = c%d.ini", i+1)
	}
	many["t.ini"] = "[inherit]\nfile = " + strings.Join(names, ",")
	chain["t.ini"] = chain["c0.ini"]
	for _, c := range []struct {
		name    string
		files   map[string]string
		file    string // that the error names
		line    int
		problem string
		is      error
	}{
		{"missing", map[string]string{"other.ini": ""}, "t.ini", 0, "no such file", fs.ErrNotExist},
		{"cycle of one", map[string]string{"t.ini": "[x]\n[inherit]\nfile = ./t.ini"}, "t.ini", 3, "inherits from itself", nil},
		{"cycle", map[string]string{"t.ini": "[inherit]\nfile = d/a.ini", "d/a.ini": "\n[inherit]\nfile = ../t.ini"}, "d/a.ini", 3, "inherits from itself", nil},
		{"broken parent", map[string]string{"t.ini": "[inherit]\nfile = a.ini", "a.ini": "\nword"}, "a.ini", 2, "before the first", nil},
		{"too many", many, "t.ini", 2, "more than 64", nil},
		{"too deep", chain, "c15.ini", 2, "more than 16", nil},
		{"too large", map[string]string{"t.ini": strings.Repeat("# a comment\n", 1<<19)}, "t.ini", 0, "4 MiB", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, c.files)
			_, err := tracini.Load(filepath.Join(dir, "t.ini"))
			e, ok := errors.AsType[*tracini.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if e.File != filepath.Join(dir, c.file) || e.Line != c.line || !strings.Contains(e.Problem, c.problem) {
				t.Errorf("got %v", e)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestParentThatIsADirectory(t *testing.T) {
	dir := write(t, map[string]string{"t.ini": "[inherit]\nfile = d", "d/x": ""})
	if c := mustLoad(t, filepath.Join(dir, "t.ini")); c.Stale() {
		t.Error("stale")
	}
}

func TestStale(t *testing.T) {
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		name string
		do   func(t *testing.T, dir string)
		want bool
	}{
		{"nothing", func(*testing.T, string) {}, false},
		{"rewritten", func(t *testing.T, dir string) { put(t, dir+"/t.ini", "[a]\nb = c\n[inherit]\nfile = p.ini, m.ini") }, true},
		{"parent rewritten", func(t *testing.T, dir string) { put(t, dir+"/p.ini", "[a]\nb = other") }, true},
		{"missing parent appears", func(t *testing.T, dir string) { put(t, dir+"/m.ini", "") }, true},
		{"parent goes", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/p.ini")) }, true},
		{"the file goes", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/t.ini")) }, true},
		{"touched", func(t *testing.T, dir string) { must(t, os.Chtimes(dir+"/p.ini", past, past.Add(time.Minute))) }, true},
		{"other size, time kept", func(t *testing.T, dir string) {
			put(t, dir+"/p.ini", "[a]\nb = longer")
			must(t, os.Chtimes(dir+"/p.ini", past, past))
		}, true},
		{"replaced, size and time kept", func(t *testing.T, dir string) {
			put(t, dir+"/new", "[a]\nb = D")
			must(t, os.Chtimes(dir+"/new", past, past))
			must(t, os.Rename(dir+"/new", dir+"/p.ini"))
		}, true},
		{"edited in place, size and time kept", func(t *testing.T, dir string) {
			time.Sleep(20 * time.Millisecond) // of a coarse clock
			put(t, dir+"/p.ini", "[a]\nb = D")
			must(t, os.Chtimes(dir+"/p.ini", past, past))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"t.ini": "[inherit]\nfile = p.ini, m.ini", "p.ini": "[a]\nb = c"})
			for _, name := range []string{"/t.ini", "/p.ini"} {
				must(t, os.Chtimes(dir+name, past, past))
			}
			config := mustLoad(t, dir+"/t.ini")
			c.do(t, dir)
			if got := config.Stale(); got != c.want {
				t.Errorf("stale: %v, want %v", got, c.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
