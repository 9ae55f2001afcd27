package project_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"projhost/project"
)

func TestReadFields(t *testing.T) {
	for body, want := range map[string]url.Values{
		"":                      {},
		"a=b&c=d+e&a=%C3%A9":    {"a": {"b", "é"}, "c": {"d e"}},
		"&&a&b=&=c":             {"a": {""}, "b": {""}, "": {"c"}},
		"a=b;c=d":               {"a": {"b;c=d"}},
		"a=100%&b=%zz&c=%4&d=%": {"a": {"100%"}, "b": {"%zz"}, "c": {"%4"}, "d": {"%"}},
		"%61=%25%32%35":         {"a": {"%25"}},
		"a=b=c":                 {"a": {"b=c"}},
	} {
		got, err := project.ReadFields(body)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", body, got, err, want)
		}
	}
	for _, body := range []string{"a=%00", "%00=a", "a=\x00", "a=%ff", "\xff=a", strings.Repeat("a&", 2001)} {
		if got, err := project.ReadFields(body); err == nil {
			t.Errorf("%.20q is read as %v", body, got)
		}
	}
}

// FuzzFields compares with net/url wherever that takes a form.
func FuzzFields(f *testing.F) {
	f.Add("a=b&c=d+e&a=%C3%A9")
	f.Add("a=%zz;b&=&%00")
	f.Fuzz(func(t *testing.T, body string) {
		want, errWant := url.ParseQuery(body)
		got, err := project.ReadFields(body)
		if err == nil {
			for name, values := range got {
				for _, s := range append(values, name) {
					if strings.Contains(s, "\x00") || !utf8.ValidString(s) {
						t.Errorf("%q: %q was let through", body, s)
					}
				}
			}
			if errWant == nil && !cmp.Equal(got, want) {
				t.Errorf("%q: %v, want %v", body, got, want)
			}
		}
	})
}
