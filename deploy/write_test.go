package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/deploy"
)

// outcomes are what became of files, by path.
func outcomes(changes []deploy.Change) map[string]deploy.Outcome {
	all := map[string]deploy.Outcome{}
	for _, c := range changes {
		all[c.Path] = c.Outcome
	}
	return all
}

// mustWrite writes files and compares what became of them.
func mustWrite(t *testing.T, dir string, files []deploy.File, o deploy.WriteOptions, want map[string]deploy.Outcome) []deploy.Change {
	t.Helper()
	changes, err := deploy.Write(dir, files, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, outcomes(changes)); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
	return changes
}

func put(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, name, want string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want || info.Mode() != mode {
		t.Errorf("%s holds %q with mode %v, want %q with mode %v", name, got, info.Mode(), want, mode)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", strange)
	conf, script, secret, users := filepath.Join(dir, "a/conf"), filepath.Join(dir, "script"), filepath.Join(dir, "secret/ajp"), filepath.Join(dir, "users")
	files := func(version string) []deploy.File {
		return []deploy.File{
			{Path: "a/conf", Mode: 0o644, Text: "same\nconf " + version + "\n"},
			{Path: "script", Mode: 0o755, Text: "script\n"},
			{Path: "secret/ajp", Mode: 0o600, Text: "s3cret" + version + "\n", Secret: true},
			{Path: "users", Mode: 0o640, Text: "# users " + version + "\n", Once: true},
		}
	}
	type is = map[string]deploy.Outcome

	mustWrite(t, dir, files("1"), deploy.WriteOptions{DryRun: true}, is{"a/conf": "created", "script": "created", "secret/ajp": "created", "users": "created"})
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a dry run made the directory")
	}
	mustWrite(t, dir, files("1"), deploy.WriteOptions{}, is{"a/conf": "created", "script": "created", "secret/ajp": "created", "users": "created"})
	holds(t, conf, "same\nconf 1\n", 0o644)
	holds(t, script, "script\n", 0o755)
	holds(t, secret, "s3cret1\n", 0o600)
	holds(t, users, "# users 1\n", 0o640)

	// Again: nothing is touched.
	before, err := os.Stat(filepath.Join(dir, deploy.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, files("1"), deploy.WriteOptions{}, is{"a/conf": "unchanged", "script": "unchanged", "secret/ajp": "unchanged", "users": "kept"})
	if after, err := os.Stat(filepath.Join(dir, deploy.Manifest)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the manifest was written anew: %v", err)
	}

	// What nobody has edited is updated; its mode is kept, and the list of users always.
	if err := os.Chmod(conf, 0o640); err != nil {
		t.Fatal(err)
	}
	put(t, users, "ana\n", 0o600)
	mustWrite(t, dir, files("2"), deploy.WriteOptions{DryRun: true}, is{"a/conf": "updated", "script": "unchanged", "secret/ajp": "updated", "users": "kept"})
	holds(t, conf, "same\nconf 1\n", 0o640)
	mustWrite(t, dir, files("2"), deploy.WriteOptions{}, is{"a/conf": "updated", "script": "unchanged", "secret/ajp": "updated", "users": "kept"})
	holds(t, conf, "same\nconf 2\n", 0o640)
	holds(t, users, "ana\n", 0o600)

	// What somebody has edited is left alone and shown, but for a secret.
	put(t, conf, "same\nmine\n", 0o640)
	put(t, secret, "my own\n", 0o600)
	changes := mustWrite(t, dir, files("3"), deploy.WriteOptions{}, is{"a/conf": "edited", "script": "unchanged", "secret/ajp": "edited", "users": "kept"})
	holds(t, conf, "same\nmine\n", 0o640)
	want := "--- a/conf (as it is)\n+++ a/conf (as it would be written)\n@@ -1,2 +1,2 @@\n same\n-mine\n+conf 3\n"
	if d := cmp.Diff(want, changes[0].Diff); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := changes[2].Diff; strings.Contains(d, "my own") || strings.Contains(d, "s3cret") || d == "" {
		t.Errorf("the difference of a secret: %q", d)
	}
	mustWrite(t, dir, files("3"), deploy.WriteOptions{Force: true}, is{"a/conf": "overwritten", "script": "unchanged", "secret/ajp": "overwritten", "users": "kept"})
	holds(t, conf, "same\nconf 3\n", 0o640)
	holds(t, users, "ana\n", 0o600)

	// An edit that is what would be written is none.
	put(t, conf, "same\nconf 4\n", 0o640)
	mustWrite(t, dir, files("4")[:1], deploy.WriteOptions{}, is{"a/conf": "unchanged", "script": "left", "secret/ajp": "left", "users": "left"})
	holds(t, script, "script\n", 0o755)

	// What was removed is written again, or forgotten.
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, files("4")[:1], deploy.WriteOptions{}, is{"a/conf": "created", "secret/ajp": "left", "users": "left"})
	entries, err := filepath.Glob(filepath.Join(dir, "*/.*"))
	if err != nil || len(entries) > 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

// TestWriteForeign is about what was there before, and is not ours.
func TestWriteForeign(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	victim := filepath.Join(elsewhere, "victim")
	put(t, victim, "precious\n", 0o644)
	put(t, filepath.Join(dir, "foreign"), "foreign\n", 0o600)
	for name, to := range map[string]string{"link": victim, "dangling": filepath.Join(elsewhere, "new"), "dir": elsewhere} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files := []deploy.File{
		{Path: "foreign", Mode: 0o644, Text: "ours\n"},
		{Path: "link", Mode: 0o644, Text: "ours\n"},
		{Path: "dangling", Mode: 0o644, Text: "ours\n"},
	}
	changes := mustWrite(t, dir, files, deploy.WriteOptions{}, map[string]deploy.Outcome{"foreign": "edited", "link": "edited", "dangling": "edited"})
	if strings.Contains(changes[1].Diff, "precious") {
		t.Errorf("the difference shows what a link leads to: %q", changes[1].Diff)
	}
	holds(t, victim, "precious\n", 0o644)
	mustWrite(t, dir, files, deploy.WriteOptions{Force: true}, map[string]deploy.Outcome{"foreign": "overwritten", "link": "overwritten", "dangling": "overwritten"})
	holds(t, victim, "precious\n", 0o644)
	holds(t, filepath.Join(dir, "foreign"), "ours\n", 0o600)
	holds(t, filepath.Join(dir, "link"), "ours\n", 0o644)

	for _, bad := range []string{"dir/victim", "../x", "/x", "", "a/../../x", deploy.Manifest} {
		if _, err := deploy.Write(dir, []deploy.File{{Path: bad, Mode: 0o644, Text: "ours\n"}}, deploy.WriteOptions{Force: true}); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
	holds(t, victim, "precious\n", 0o644)
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) != 1 {
		t.Errorf("%v in the other directory, %v", entries, err)
	}
	put(t, filepath.Join(dir, deploy.Manifest), "nonsense\n", 0o644)
	if _, err := deploy.Write(dir, files, deploy.WriteOptions{}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a manifest of nonsense: %v", err)
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	a, err := deploy.Secret(dir)
	if err != nil || len(a) != 64 {
		t.Fatalf("%q, %v", a, err)
	}
	if b, err := deploy.Secret(dir); err != nil || a == b {
		t.Errorf("a second new one is the same, %v", err)
	}
	put(t, filepath.Join(dir, "secret/ajp"), "Kept-1\n", 0o600)
	if s, err := deploy.Secret(dir); err != nil || s != "Kept-1" {
		t.Errorf("%q, %v", s, err)
	}
	put(t, filepath.Join(dir, "secret/ajp"), "a\nb\n", 0o600)
	if _, err := deploy.Secret(dir); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("two lines: %v", err)
	}
}

func TestCopyTree(t *testing.T) {
	dir, from := t.TempDir(), t.TempDir()
	put(t, filepath.Join(from, "a.css"), "a", 0o600)
	put(t, filepath.Join(from, "sub/ü b.png"), strings.Repeat("b", 200_000), 0o600)
	put(t, filepath.Join(from, ".hidden"), "x", 0o600)
	put(t, filepath.Join(from, ".git/x"), "x", 0o600)
	if err := os.Symlink("/etc/passwd", filepath.Join(from, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.css", filepath.Join(from, "in.css")); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name   string
		change func()
		dry    bool
		want   int
	}{
		{"dry", func() {}, true, 3},
		{"first", func() {}, false, 3},
		{"again", func() {}, false, 0},
		{"copy edited", func() { put(t, filepath.Join(dir, "site/x/a.css"), "z", 0o644) }, false, 1},
		{"source edited", func() { put(t, filepath.Join(from, "sub/ü b.png"), strings.Repeat("b", 199_999)+"c", 0o600) }, false, 1},
	}
	for _, s := range steps {
		s.change()
		if n, err := deploy.CopyTree(dir, "site/x", from, s.dry); err != nil || n != s.want {
			t.Errorf("%s: %d files, %v, want %d", s.name, n, err, s.want)
		}
	}
	holds(t, filepath.Join(dir, "site/x/a.css"), "a", 0o644)
	holds(t, filepath.Join(dir, "site/x/in.css"), "a", 0o644)
	holds(t, filepath.Join(dir, "site/x/sub/ü b.png"), strings.Repeat("b", 199_999)+"c", 0o644)
	for _, name := range []string{"out", ".hidden", ".git"} {
		if _, err := os.Lstat(filepath.Join(dir, "site/x", name)); err == nil {
			t.Errorf("%s was copied", name)
		}
	}
	if n, err := deploy.CopyTree(dir, "site/y", filepath.Join(from, "nosuch"), false); n != 0 || err != nil {
		t.Errorf("no source: %d, %v", n, err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(from, link); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{from, filepath.Join(from, "new/deep"), link, filepath.Join(link, "new")} {
		if _, err := deploy.CopyTree(target, "x", from, false); err == nil {
			t.Errorf("copied into itself at %s", target)
		}
	}
	if _, err := os.Stat(filepath.Join(from, "x")); err == nil {
		t.Error("a refused copy was begun")
	}
}
