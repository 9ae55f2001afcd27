package href_test

import (
	"testing"

	"projhost/internal/href"
)

// TestPath: the quoting is Trac's.
func TestPath(t *testing.T) {
	for _, c := range []struct {
		base  href.Base
		parts []string
		want  string
	}{
		{"", nil, "/"},
		{"/trac", nil, "/trac"},
		{"", []string{"wiki"}, "/wiki"},
		{"/trac", []string{"wiki", "A/B"}, "/trac/wiki/A/B"},
		{"/trac", []string{"/wiki/", "", "X"}, "/trac/wiki/X"},
		{"/a b", []string{"wiki", "Größe?#%"}, "/a%20b/wiki/Gr%C3%B6%C3%9Fe%3F%23%25"},
		{"", []string{"wiki", "a!~*'()b"}, "/wiki/a!~*'()b"},
		{"", []string{"//evil.example"}, "/evil.example"},
	} {
		if got := c.base.Path(c.parts...); got != c.want {
			t.Errorf("%q %q: %s, want %s", c.base, c.parts, got, c.want)
		}
	}
}

func TestQuery(t *testing.T) {
	got := href.Query("/x", href.Arg{Name: "b", Value: "1 2/3"}, href.Arg{Name: "a", Value: "ü&"}, href.Arg{Name: "b", Value: "!~"})
	if want := "/x?a=%C3%BC%26&b=1+2%2F3&b=!~"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := href.Query("/x"); got != "/x" {
		t.Errorf("without arguments: %s", got)
	}
}
