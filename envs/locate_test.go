package envs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/testenvs"
)

func TestLocateOneInstanceHoweverSpelled(t *testing.T) {
	r, parent := testenvs.New(t, "one", "two")
	must(t, os.Symlink(filepath.Join(parent, "one"), filepath.Join(parent, "alias")))
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(parent, link))
	want, err := r.Locate(envs.Lookup{Parent: parent, Name: "one"})
	must(t, err)
	wd, err := os.Getwd()
	must(t, err)
	relative, err := filepath.Rel(wd, filepath.Join(parent, "one"))
	must(t, err)
	for what, l := range map[string]envs.Lookup{
		"directory":          {Dir: filepath.Join(parent, "one")},
		"trailing slash":     {Dir: filepath.Join(parent, "one") + "/"},
		"dots in the middle": {Dir: parent + "/./two/../one"},
		"relative path":      {Dir: relative},
		"link":               {Parent: parent, Name: "alias"},
		"parent by a link":   {Parent: link, Name: "one"},
	} {
		got, err := r.Locate(l)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
}

func TestLocateRefuses(t *testing.T) {
	r, parent := testenvs.New(t, "one", "secret-x")
	outside := testenvs.Parent(t, "other")
	must(t, os.Symlink(filepath.Join(outside, "other"), filepath.Join(parent, "escape")))
	must(t, os.Mkdir(filepath.Join(parent, "plain"), 0o755))
	must(t, os.WriteFile(filepath.Join(parent, "file"), nil, 0o644))
	must(t, os.Mkdir(filepath.Join(parent, ".hidden"), 0o755))
	must(t, os.WriteFile(filepath.Join(parent, ".tracignore"), []byte("# a comment\n\nsecret-*\n[!a-z]*\n"), 0o644))
	for what, c := range map[string]struct {
		l    envs.Lookup
		kind fault.Kind
		is   error
	}{
		"nothing":             {envs.Lookup{}, fault.Internal, envs.ErrNoEnvironment},
		"both":                {envs.Lookup{Dir: parent + "/one", Parent: parent, Name: "one"}, fault.Internal, envs.ErrTwoNamed},
		"unknown":             {envs.Lookup{Parent: parent, Name: "nosuch"}, fault.NotFound, envs.ErrNotFound},
		"dot dot":             {envs.Lookup{Parent: parent, Name: ".."}, fault.NotFound, nil},
		"hidden":              {envs.Lookup{Parent: parent, Name: ".hidden"}, fault.NotFound, nil},
		"separator":           {envs.Lookup{Parent: parent, Name: "one/conf"}, fault.NotFound, nil},
		"ignored":             {envs.Lookup{Parent: parent, Name: "secret-x"}, fault.NotFound, nil},
		"plain directory":     {envs.Lookup{Parent: parent, Name: "plain"}, fault.NotFound, envs.ErrNotFound},
		"file":                {envs.Lookup{Parent: parent, Name: "file"}, fault.NotFound, envs.ErrNotFound},
		"link to outside":     {envs.Lookup{Parent: parent, Name: "escape"}, fault.NotFound, envs.ErrOutsideRoots},
		"directory outside":   {envs.Lookup{Dir: filepath.Join(outside, "other")}, fault.Internal, envs.ErrOutsideRoots},
		"parent outside":      {envs.Lookup{Parent: outside, Name: "other"}, fault.Internal, envs.ErrOutsideRoots},
		"NUL":                 {envs.Lookup{Dir: parent + "/one\x00"}, fault.NotFound, nil},
		"parent not there":    {envs.Lookup{Parent: parent + "/nosuch", Name: "one"}, fault.Internal, nil},
		"sibling of the root": {envs.Lookup{Dir: parent + "x"}, fault.NotFound, nil},
	} {
		_, err := r.Locate(c.l)
		if err == nil {
			t.Errorf("%s: found", what)
			continue
		}
		if got := fault.As(err).Kind; got != c.kind {
			t.Errorf("%s: kind %v, want %v (%v)", what, got, c.kind, err)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", what, err, c.is)
		}
	}
}

func TestLocateNoticesWhatComesAndGoes(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	locate := func(name string) error {
		_, err := r.Locate(envs.Lookup{Parent: parent, Name: name})
		return err
	}
	if locate("later") == nil {
		t.Fatal("found before it was there")
	}
	testenvs.Make(t, parent, "later", nil)
	eventually(t, "a new environment is found", func() bool { return locate("later") == nil })
	must(t, os.Rename(filepath.Join(parent, "later"), filepath.Join(parent, "moved")))
	eventually(t, "the former name is unknown", func() bool { return locate("later") != nil })
	must(t, locate("moved"))
}

func TestUnknownNamesAreBounded(t *testing.T) {
	parent := testenvs.Parent(t)
	r := testenvs.Registry(t, parent, envs.Options{MaxMisses: 10, Recheck: time.Hour})
	for i := range 1000 {
		_, _ = r.Locate(envs.Lookup{Parent: parent, Name: string(rune('a'+i%26)) + string(rune('0'+i/26%10)) + string(rune('A'+i/260))})
	}
	if _, misses := r.Known(); misses > 10 {
		t.Errorf("%d unknown names are remembered, want at most 10", misses)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok; the registries of these tests look at the disk
// again after a few milliseconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: did not happen within 10 s", what)
}
