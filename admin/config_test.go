package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/admin"
)

// fixture is a directory that looks like an environment and has no database.
func fixture(t *testing.T, ini string) *admin.Console {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"VERSION": "Trac Environment Version 1\n", "conf/trac.ini": ini} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c := &admin.Console{Dir: dir, Out: new(bytes.Buffer)}
	t.Cleanup(c.Close)
	return c
}

func ini(t *testing.T, c *admin.Console) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, "conf/trac.ini"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runLine runs one line and returns what it wrote.
func runLine(t *testing.T, c *admin.Console, line string) (string, error) {
	t.Helper()
	words, err := admin.Split(line)
	if err != nil {
		t.Fatal(err)
	}
	out := c.Out.(*bytes.Buffer)
	out.Reset()
	err = admin.Run(t.Context(), c, admin.Commands(), words)
	return out.String(), err
}

// TestConfig: the settings are read and changed though one of them is bad and the
// database is not there.
func TestConfig(t *testing.T) {
	const before = "# ours\n[trac]\ntimeout = abc # bad\ndatabase = sqlite:db/none.db\n\n[inherit]\nfile = ../site.ini\n[plugin]\nx = 1\n"
	for _, c := range []struct {
		line, want string // "!" and a part of the error
		after      string // the file; "" is as it was
	}{
		{"config get trac timeout", "abc # bad\n", ""},
		{"config get trac BASE_URL", "\n", ""},
		{"config get project name", "My Project\n", ""},
		{"config get site name", "inherited\n", ""},
		{"config get plugin y", "!there is no option y in section [plugin]", ""},
		{"config get mainnav wiki.order", "!there is no option", ""},
		{"config get mainnav wiki", "!there is no option", ""},
		{"config get trac", "!invalid arguments: config get section option", ""},

		{"config set trac Timeout 1_0", "", strings.Replace(before, "abc # bad", "10", 1)},
		{"config set trac timeout lots", `![trac] timeout cannot be "lots": not a whole number; it takes a whole number`, ""},
		{"config set logging log_level loud", "!none of ALL, CRITICAL", ""},
		{"config set logging log_level debug", "", strings.Replace(before, "[plugin]", "[plugin]", 1) + "\n[logging]\nlog_level = DEBUG\n"},
		{"config set plugin x ' two  words '", "", strings.Replace(before, "x = 1", "x = two  words", 1)},
		{"config set plugin x ''", "", strings.Replace(before, "x = 1", "x = ", 1)},
		{"config set plugin 'a=b' c", "!cannot be written", ""},
		{"config set site name own", "", before + "\n[site]\nname = own\n"},
		{"config set components trac.mine.* enabled", "", before + "\n[components]\ntrac.mine.* = enabled\n"},
		{"config set components TracOpt.perm.Authz_Policy.* on", "", before + "\n[components]\ntracopt.perm.authz_policy.* = on\n\n[authz_policy]\nauthz_file = \n"},
		{"config set components tracopt.perm.authz_policy.* off", "", before + "\n[components]\ntracopt.perm.authz_policy.* = off\n"},
		{"config set components tracopt.perm.authz enabled", "", before + "\n[components]\ntracopt.perm.authz = enabled\n"},

		{"config remove plugin x", "", strings.Replace(before, "x = 1\n", "", 1)},
		{"config remove plugin", "", strings.Replace(before, "[plugin]\nx = 1\n", "", 1)},
		{"config remove plugin y", "!there is no option y", ""},
		{"config remove plugin ''", "!there is no option", ""},
		{"config remove nosuch", "!there is no section [nosuch]", ""},
		{"config remove trac base_url", "", before},
		{"config remove site name", "!set elsewhere", ""},
		{"config remove site", "!site.ini, line 2", ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			console := fixture(t, before)
			if err := os.WriteFile(filepath.Join(console.Dir, "site.ini"), []byte("[site]\nname = inherited\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := runLine(t, console, c.line)
			if part, fails := strings.CutPrefix(c.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, %v; want an error with %q", got, err, part)
				}
			} else if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			want := c.after
			if want == "" {
				want = before
			}
			if text := ini(t, console); text != want {
				t.Errorf("the file is\n%s\nwant\n%s", text, want)
			}
		})
	}
}

func TestConfigDump(t *testing.T) {
	console := fixture(t, "[trac]\ndatabase = postgres://me:hush@db/x\ntimeout = abc\n[plugin]\nx = 1\n")
	text, err := runLine(t, console, "config dump")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"\n[plugin]\nx = 1\n", "\ndatabase = postgres://me:hush@db/x\n", "\n# timeout: not a whole number; 20 is used\ntimeout = abc\n", "\nname = My Project\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	console.JSON = true
	if text, err = runLine(t, console, "config dump"); err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Section, Option, Value, File string
		Line                         int
		Problems                     []string
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, v := range list {
		switch v.Section + "." + v.Option {
		case "trac.timeout":
			found++
			if v.Value != "abc" || v.Line != 3 || !strings.HasSuffix(v.File, "trac.ini") || len(v.Problems) != 1 {
				t.Errorf("%+v", v)
			}
		case "project.name":
			found++
			if v.File != "" || v.Value != "My Project" {
				t.Errorf("%+v", v)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of the two are there", found)
	}
	if text, err = runLine(t, console, "config get trac timeout"); err != nil || !strings.Contains(text, `"value": "abc"`) {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestConfigOfBrokenFile: what cannot be read is not changed, and the error says
// where to look.
func TestConfigOfBrokenFile(t *testing.T) {
	console := fixture(t, "[a]\nword\n")
	for _, line := range []string{"config get a b", "config set a b c", "config remove a", "config dump", "config set components x on"} {
		if _, err := runLine(t, console, line); err == nil || !strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", line, err)
		}
	}
	if text := ini(t, console); text != "[a]\nword\n" {
		t.Errorf("the file is %q", text)
	}
}
