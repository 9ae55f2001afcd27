package tracini_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/envs/tracini"
)

// TestSections: the order of the file and the case of names are kept.
func TestSections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "authz")
	text := "# rules\n[b]\nz = 1\nA = 2\na = 3,\n  4\n[DEFAULT]\nd = 5\n[wiki:[AB]*@*]\n[DEFAULT]\ne =\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := tracini.Sections(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, fmt.Sprintf("%d[%s]", s.Line, s.Name))
		for _, k := range s.Keys {
			got = append(got, fmt.Sprintf("%d %s=%q", k.Line, k.Name, k.Value))
		}
	}
	want := `2[b] 3 z="1" 4 A="2" 5 a="3,\n4" 7[DEFAULT] 8 d="5" 11 e="" 9[wiki:[AB]*@*]`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	for text, line := range map[string]int{"[a]\nb=1\nb=2": 3, "[a]\n[a]": 2, "a=1": 1, "[a]\nword": 2} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tracini.Sections(file)
		if e, ok := errors.AsType[*tracini.Error](err); !ok || e.Line != line || e.File != file {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := tracini.Sections(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
