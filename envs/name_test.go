package envs_test

import (
	"strings"
	"testing"

	"projhost/envs"
)

func TestCheckName(t *testing.T) {
	good := []string{"a", "lighthouse", "My Project", "пустой", "日本", "a.b", "a..b", "x~1", "100%", "ë", strings.Repeat("x", envs.MaxName)}
	for _, name := range good {
		if err := envs.CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	bad := map[string]string{
		"empty":              "",
		"dot":                ".",
		"dot dot":            "..",
		"hidden":             ".egg-cache",
		"slash":              "a/b",
		"backslash":          `a\b`,
		"NUL":                "a\x00b",
		"newline":            "a\nb",
		"delete":             "a\x7fb",
		"not UTF-8":          "a\xffb",
		"right-to-left":      "a\u202eb",
		"zero width":         "a\u200bb",
		"line separator":     "a\u2028b",
		"leading blank":      " a",
		"trailing blank":     "a ",
		"no-break blank":     "a\u00a0",
		"longer than a name": strings.Repeat("x", envs.MaxName+1),
	}
	for what, name := range bad {
		if envs.CheckName(name) == nil {
			t.Errorf("%s: CheckName(%q) is allowed", what, name)
		}
	}
}
