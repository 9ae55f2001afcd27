package export_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/dispatch"
	"projhost/envs"
	"projhost/export"
	"projhost/project"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

// site is an environment, and a host of it alone.
func site(t *testing.T, extra ...project.Module) export.Options {
	t.Helper()
	dir := testenvs.Make(t, testenvs.Parent(t), "one", nil)
	r := testenvs.Registry(t, dir, envs.Options{ReadOnly: true})
	mods := append([]project.Module{chrome.Module{}, wiki.Module{}, export.Module{}}, extra...)
	return export.Options{Host: dispatch.New(dispatch.Options{Registry: r, Site: project.NewSite(mods...)}), Dir: dir, Base: &url.URL{Path: "/a b"}}
}

// empty fails if anything but the named is left in a directory.
func empty(t *testing.T, dir string, but ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, e := range entries {
		left[e.Name()] = true
	}
	for _, name := range but {
		if !left[name] {
			t.Errorf("%s is not there", name)
		}
		delete(left, name)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRun(t *testing.T) {
	o := site(t)
	parent := t.TempDir()
	dest := filepath.Join(parent, "site")
	if err := os.Mkdir(dest, 0o750); err != nil {
		t.Fatal(err)
	}
	last := [2]int{}
	o.Progress = func(done, known int) {
		if done < last[0] || known < last[1] || done > known {
			t.Errorf("%d of %d after %v", done, known, last)
		}
		last = [2]int{done, known}
	}
	report, err := export.Run(t.Context(), dest, o)
	if err != nil || len(report.Broken) != 0 || len(report.Skipped) != 0 || report.Pages != 5 || last[0] != last[1]-1 {
		t.Fatalf("%+v, %v, %v", report, last, err)
	}
	empty(t, parent, "site")
	empty(t, dest, "index.html", "wiki", "chrome", ".export")
	if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the mode of the directory has changed: %v %v", info, err)
	}
	page, err := os.ReadFile(filepath.Join(dest, "wiki/Größe/Übersicht/index.html"))
	if err != nil || !strings.Contains(string(page), `href="/a%20b/wiki/WikiStart"`) || !strings.Contains(string(page), testenvs.Canary("one")) {
		t.Errorf("%v %s", err, page)
	}
	// The same again, by a link, is the same.
	o.Replace, o.Progress = true, nil
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dest, link); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Run(t.Context(), link, o); err != nil {
		t.Fatal(err)
	}
	empty(t, parent, "site")
	if to, err := os.Readlink(link); err != nil || to != dest {
		t.Errorf("the link is %q, %v", to, err)
	}
	// What comes into an empty directory meanwhile is not lost.
	other := filepath.Join(parent, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Progress = func(int, int) { _ = os.WriteFile(filepath.Join(other, "mine"), nil, 0o644) }
	if _, err := export.Run(t.Context(), other, o); err == nil {
		t.Error("it took the place of another's file")
	}
	empty(t, parent, "site", "other")
	empty(t, other, "mine")
	again, err := os.ReadFile(filepath.Join(dest, "wiki/Größe/Übersicht/index.html"))
	if err != nil || string(again) != string(page) {
		t.Errorf("%v %s", err, again)
	}
}

// moody is a module whose pages go wrong in some way.
type moody struct {
	answer func(*project.Request) (project.Reply, error)
}

func (moody) Name() string                                       { return "moody" }
func (m moody) Routes(r project.Router)                          { r.Get("/moody/*", m.answer) }
func (moody) Addresses(*project.Request, bool) ([]string, error) { return []string{"/moody/a"}, nil }

// TestNothingIsLeft: an export that fails leaves what was there.
func TestNothingIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*project.Request) (project.Reply, error)
		change func(*export.Options)
		want   string
	}{
		"an error":   {func(*project.Request) (project.Reply, error) { return nil, errors.New("oh") }, nil, "exporting /moody/a: status 500"},
		"a panic":    {func(*project.Request) (project.Reply, error) { panic("oh") }, nil, "exporting /moody/a: status 500"},
		"broken off": {func(*project.Request) (project.Reply, error) { panic(http.ErrAbortHandler) }, nil, "broken off"},
		"no end": {func(r *project.Request) (project.Reply, error) {
			return project.Redirect{Path: r.URL.Path + "/x"}, nil
		}, func(o *export.Options) { o.MaxAddresses = 300 }, "more than 300 addresses"},
		"too large": {func(*project.Request) (project.Reply, error) {
			return project.Text{Body: strings.Repeat("x", 1e6)}, nil
		},
			func(o *export.Options) { o.MaxBytes = 1e6 }, "larger than what may be exported"},
		"nothing to see": {nil, func(o *export.Options) {
			e := testenvs.Open(t, o.Dir)
			testenvs.Alter(t, e, "DELETE FROM permission")
		}, "is shown nothing of the project: the answer to its first page is 403"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.answer == nil {
				c.answer = func(*project.Request) (project.Reply, error) { return project.Text{}, nil }
			}
			o := site(t, moody{c.answer})
			if c.change != nil {
				c.change(&o)
			}
			parent := t.TempDir()
			_, err := export.Run(t.Context(), filepath.Join(parent, "site"), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			empty(t, parent)
		})
	}
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := site(t)
		o.Progress = func(done, _ int) {
			if done == 3 {
				cancel()
			}
		}
		parent := t.TempDir()
		if _, err := export.Run(ctx, filepath.Join(parent, "site"), o); !errors.Is(err, context.Canceled) && err == nil {
			t.Error("it went on")
		}
		empty(t, parent)
	})
}

// TestAnswers: redirects are pages that lead on; what is not shown and what leads
// to nothing is told.
func TestAnswers(t *testing.T) {
	o := site(t, moody{func(r *project.Request) (project.Reply, error) {
		switch r.Wildcard() {
		case "a":
			return project.Redirect{Path: "/moody/b", Query: "x=<y>"}, nil
		case "b":
			return project.Redirect{Path: r.URL.Path, Query: r.URL.RawQuery}, nil // to itself
		}
		return nil, fmt.Errorf("%s was not meant", r.URL)
	}})
	dest := filepath.Join(t.TempDir(), "site")
	report, err := export.Run(t.Context(), dest, o)
	if err != nil || report.Redirects != 1 {
		t.Fatalf("%+v %v", report, err)
	}
	want := export.Link{Page: "/moody/a", Target: "/moody/b?x=%3cy%3e", Why: "leads to itself"}
	if len(report.Broken) != 1 || report.Broken[0] != want {
		t.Errorf("%+v", report.Broken)
	}
	page, err := os.ReadFile(filepath.Join(dest, "moody/a/index.html"))
	if err != nil || !strings.Contains(string(page), `content="0; url=/a%20b/moody/b?x=`) || strings.Contains(string(page), "<y>") {
		t.Errorf("%v %s", err, page)
	}
}

func TestBaseOf(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.org/trac/one/": "https://example.org/trac/one", "http://h": "http://h", "/": "", "/a%20b": "/a%20b", "/é": "/%C3%A9",
	} {
		if u, err := export.BaseOf(in); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, u, err, want)
		}
	}
	for _, in := range []string{"", "example.org", "ftp://h/", "https:///x", "//h/x", "https://u@h/", "/a?b", "/a#b", "/a//b", "/%00", "mailto:x", "%zz"} {
		if u, err := export.BaseOf(in); err == nil {
			t.Errorf("%s is taken for %s", in, u)
		}
	}
}
