package attachment_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
	"projhost/testenvs"
)

func there(*db.Tx) (bool, error) { return true, nil }
func gone(*db.Tx) (bool, error)  { return false, nil }

func page(id string) perm.Resource { return perm.Resource{Realm: "wiki", ID: id} }

func add(t *testing.T, e *envs.Env, parent perm.Resource, name, text string) string {
	t.Helper()
	a, err := attachment.Add(t.Context(), e, attachment.Attachment{
		Parent: parent, Name: name, Author: "ana", Description: "of " + name, Time: time.UnixMicro(1700000000123456),
	}, strings.NewReader(text), there)
	if err != nil {
		t.Fatal(err)
	}
	return a.Name
}

// files lists all files and directories below files/attachments.
func files(t *testing.T, e *envs.Env) (list []string) {
	t.Helper()
	dir := e.Path("files", "attachments")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		list = append(list, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func rows(t *testing.T, e *envs.Env) []string {
	return testenvs.Query(t, e, "SELECT type, id, filename, size, time, author, description FROM attachment ORDER BY type, id, filename", 7)
}

func read(t *testing.T, e *envs.Env, parent perm.Resource, name string) string {
	t.Helper()
	_, file, err := attachment.Open(t.Context(), e, parent, name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func kind(err error) fault.Kind {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Kind
	}
	return 255
}

func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":                   "a.txt",
		" ../../etc/pass\nwd ":    "pass wd",
		`C:\Users\ana\notes.txt`:  "notes.txt",
		`\\server\share\n.txt`:    "n.txt",
		`back\slash`:              `back\slash`,
		"u\u0308ber":              "über",
		"a\x00b\u0085c":           "a b c",
		"/a/b/ c ":                "c",
		".bashrc":                 ".bashrc",
		"bad\xffbytes":            "bad\ufffdbytes",
		strings.Repeat("x", 1000): strings.Repeat("x", 1000),
	} {
		if got, err := attachment.CleanName(name); got != want || err != nil {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", " ", ".", "..", "a/", "a/..", `c:\`, "\x00"} {
		if got, err := attachment.CleanName(name); kind(err) != fault.Invalid {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestLifeOfAnAttachment(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	if got := add(t, e, page("WikiStart"), "timetable.csv", "one"); got != "timetable.csv" {
		t.Errorf("called %s", got)
	}
	// as Trac 1.6 has laid it out
	at := "wiki/f09/f0955265d583361233790e2a4da795373c345a9f/22270898787ec63e535f7d486ce9ba7aa9cec895.csv"
	if got := files(t, e); !slices.Contains(got, at) {
		t.Errorf("%v", got)
	}
	if got := add(t, e, page("WikiStart"), "timetable.csv", "two"); got != "timetable.2.csv" {
		t.Errorf("called %s", got)
	}
	for i, name := range []string{".bashrc", ".bashrc", "plain", "plain", "a.tar.gz", "a.tar.gz"} {
		got := add(t, e, page("Names"), name, name)
		if want := []string{".bashrc", ".bashrc.2", "plain", "plain.2", "a.tar.gz", "a.tar.2.gz"}[i]; got != want {
			t.Errorf("called %s, want %s", got, want)
		}
	}
	list, err := attachment.List(ctx, e, page("WikiStart"))
	if err != nil || len(list) != 2 || list[0].Name != "timetable.2.csv" || list[1].Size != 3 || list[1].Author != "ana" || !list[1].Time.Equal(time.UnixMicro(1700000000123456)) {
		t.Errorf("%+v, %v", list, err)
	}
	err = attachment.Move(ctx, e, page("WikiStart"), "timetable.2.csv", perm.Resource{Realm: "ticket", ID: "7"}, "x.txt", there)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, e, perm.Resource{Realm: "ticket", ID: "7"}, "x.txt"); got != "two" {
		t.Errorf("moved: %q", got)
	}
	if err := attachment.Move(ctx, e, page("WikiStart"), "timetable.csv", page("WikiStart"), "timetable.csv", there); err != nil {
		t.Errorf("to where it is: %v", err)
	}
	if err := attachment.Remove(ctx, e, page("WikiStart"), "timetable.csv"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t, e) {
		if strings.HasPrefix(f, "wiki/f09") || strings.HasPrefix(f, ".") {
			t.Errorf("left over: %s", f)
		}
	}
	if got := rows(t, e); len(got) != 7 || got[0] != "ticket|7|x.txt|3|1700000000123456|ana|of timetable.csv" {
		t.Errorf("%v", got)
	}
}

func TestRefusals(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	add(t, e, page("A"), "f", "one")
	add(t, e, page("A"), "g", "two")
	before, rowsBefore := files(t, e), rows(t, e)
	a := attachment.Attachment{Parent: page("A"), Name: "h", Time: time.Now()}
	broken := io.MultiReader(strings.NewReader("half"), iotestErr{})
	traversal := attachment.Attachment{Parent: perm.Resource{Realm: "../../htdocs", ID: "A"}, Name: "h"}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	noAdd := func(ctx context.Context, a attachment.Attachment, body io.Reader, exists attachment.Exists) error {
		_, err := attachment.Add(ctx, e, a, body, exists)
		return err
	}
	none := strings.NewReader("")
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"no parent":      {noAdd(ctx, a, none, gone), fault.NotFound},
		"broken body":    {noAdd(ctx, a, broken, there), 255},
		"ended":          {noAdd(ended, a, none, there), fault.Canceled},
		"traversal":      {noAdd(ctx, traversal, none, there), fault.Invalid},
		"remove nothing": {attachment.Remove(ctx, e, page("A"), "h"), fault.NotFound},
		"move nothing":   {attachment.Move(ctx, e, page("A"), "h", page("B"), "h", there), fault.NotFound},
		"name taken":     {attachment.Move(ctx, e, page("A"), "f", page("A"), "g", there), fault.Conflict},
		"to nowhere":     {attachment.Move(ctx, e, page("A"), "f", page("B"), "f", gone), fault.NotFound},
		"traversal to":   {attachment.Move(ctx, e, page("A"), "f", perm.Resource{Realm: "..", ID: "x"}, "f", there), fault.Invalid},
		"write fails": {attachment.Write(ctx, e, func(tx *db.Tx, f *attachment.Files) error {
			if err := f.MoveAll(tx, page("A"), page("C")); err != nil {
				t.Error(err)
			}
			return fault.New(fault.Conflict, "x")
		}), fault.Conflict},
		"removal fails": {attachment.Write(ctx, e, func(tx *db.Tx, f *attachment.Files) error {
			if err := f.RemoveAll(tx, page("A")); err != nil {
				t.Error(err)
			}
			return fault.New(fault.Conflict, "x")
		}), fault.Conflict},
	} {
		if c.err == nil || kind(c.err) != c.kind {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = attachment.Write(ctx, e, func(tx *db.Tx, f *attachment.Files) error {
			_ = f.MoveAll(tx, page("A"), page("D"))
			panic("x")
		})
	}()
	if got := files(t, e); !slices.Equal(got, before) {
		t.Errorf("files: %v, before: %v", got, before)
	}
	if got := rows(t, e); !slices.Equal(got, rowsBefore) {
		t.Errorf("rows: %v", got)
	}
	if _, err := os.Stat(e.Path("htdocs", "6dc")); err == nil {
		t.Error("outside of the attachments is one")
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestMissingAndForeignFiles has files that other programs have removed or made.
func TestMissingAndForeignFiles(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	testenvs.Alter(t, e, "INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('wiki', 'A', 'lost.txt', 1, 1, NULL, NULL)")
	if _, _, err := attachment.Open(ctx, e, page("A"), "lost.txt"); kind(err) != fault.NotFound {
		t.Errorf("a file that is missing: %v", err)
	}
	if err := attachment.Move(ctx, e, page("A"), "lost.txt", page("B"), "found.txt", there); err != nil {
		t.Errorf("%v", err)
	}
	if err := attachment.Remove(ctx, e, page("B"), "found.txt"); err != nil || len(rows(t, e)) != 0 {
		t.Errorf("%v", err)
	}
	add(t, e, page("A"), "f.txt", "mine")
	testenvs.Alter(t, e, "DELETE FROM attachment")
	if got := add(t, e, page("A"), "f.txt", "other"); got != "f.2.txt" {
		t.Errorf("a file without a row was overwritten: %s", got)
	}
	if err := attachment.Move(ctx, e, page("A"), "f.2.txt", page("A"), "f.txt", there); kind(err) != fault.Conflict {
		t.Errorf("a file without a row was overwritten: %v", err)
	}
	if got := read(t, e, page("A"), "f.2.txt"); got != "other" {
		t.Errorf("%q", got)
	}
}

// TestLinksOut: a symbolic link among the attachments leads nowhere else.
func TestLinksOut(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	outside := t.TempDir()
	add(t, e, page("A"), "f.txt", "one")
	where := files(t, e)
	at := e.Path("files", "attachments", where[len(where)-1])
	if err := errors.Join(os.Remove(at), os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600), os.Symlink(filepath.Join(outside, "secret"), at)); err != nil {
		t.Fatal(err)
	}
	if _, file, err := attachment.Open(ctx, e, page("A"), "f.txt"); err == nil {
		text, _ := io.ReadAll(file)
		t.Errorf("a link out of the environment is followed: %s", text)
	}
	if err := os.Symlink(outside, e.Path("files", "attachments", "ticket")); err != nil {
		t.Fatal(err)
	}
	ticket := perm.Resource{Realm: "ticket", ID: "1"}
	if _, err := attachment.Add(ctx, e, attachment.Attachment{Parent: ticket, Name: "x"}, strings.NewReader("x"), there); err == nil {
		t.Error("a file is put outside of the environment")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := attachment.Remove(ctx, e, page("A"), "f.txt"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Errorf("what a link led to is removed: %v", err)
	}
}

func TestManyOfOneName(t *testing.T) {
	e := testenvs.Env(t, nil)
	for range 100 {
		add(t, e, page("A"), "f.txt", "x")
	}
	_, err := attachment.Add(t.Context(), e, attachment.Attachment{Parent: page("A"), Name: "f.txt"}, strings.NewReader("x"), there)
	if kind(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
}

// TestAfterACrash: what was kept aside for an upload goes after a day.
func TestAfterACrash(t *testing.T) {
	e := testenvs.Env(t, nil)
	add(t, e, page("A"), "f.txt", "x")
	dir := e.Path("files", "attachments")
	for name, age := range map[string]time.Duration{".incoming-old": 25 * time.Hour, ".incoming-new": 23 * time.Hour, ".other": 25 * time.Hour} {
		path, at := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	add(t, e, page("A"), "f.txt", "x")
	got := files(t, e)
	if slices.Contains(got, ".incoming-old") || !slices.Contains(got, ".incoming-new") || !slices.Contains(got, ".other") {
		t.Errorf("%v", got)
	}
}

// TestReadOnly: the files of an environment with older tables are left alone.
func TestReadOnly(t *testing.T) {
	dir := testenvs.Make(t, t.TempDir(), "old", nil)
	e := testenvs.Open(t, dir)
	testenvs.Alter(t, e, "UPDATE system SET value = '42' WHERE name = 'database_version'")
	old := testenvs.Open(t, dir)
	a := attachment.Attachment{Parent: page("A"), Name: "f"}
	if _, err := attachment.Add(t.Context(), old, a, strings.NewReader("x"), there); !errors.Is(err, db.ErrReadOnly) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(old.Path("files")); err == nil {
		t.Error("a directory was made")
	}
}

// TestWithoutLinks copies, as on a file system that has no links.
func TestWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(root.WriteFile("a", []byte("one"), 0o600), root.WriteFile("b", []byte("two"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := attachment.Duplicate(root, "a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if err := attachment.Duplicate(root, "nosuch", "c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	if err := attachment.Duplicate(root, "a", "c"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "one", "b": "two", "c": "one"} {
		if got, err := root.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := root.Close(); err != nil {
		t.Error(err)
	}
}
