package wiki_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
	"projhost/project/wiki"
	"projhost/testenvs"
)

const (
	pagesKey    = "trac.wiki.api.WikiSystem.pages"
	interMapKey = "trac.wiki.interwiki.InterWikiMap.interwiki_map"
)

func kind(err error) fault.Kind {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Kind
	}
	return 255
}

func edit(name, text string) wiki.Edit {
	return wiki.Edit{Name: name, Text: text, Author: "ana", Comment: "c", Time: time.UnixMicro(1700000000123456), Base: wiki.Latest}
}

func wikiRows(t *testing.T, e *envs.Env, name string) string {
	t.Helper()
	return strings.Join(testenvs.Query(t, e, "SELECT version, time, author, text, comment, readonly FROM wiki WHERE name = '"+name+"' ORDER BY version", 6), " ")
}

func TestSave(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	before, interMap := testenvs.Generation(t, e, pagesKey), testenvs.Generation(t, e, interMapKey)
	n, err := wiki.Save(ctx, e, edit("New", "one"))
	if n != 1 || err != nil || wikiRows(t, e, "New") != "1|1700000000123456|ana|one|c|0" {
		t.Errorf("%d, %v, %s", n, err, wikiRows(t, e, "New"))
	}
	created := testenvs.Generation(t, e, pagesKey)
	if created == before {
		t.Error("others do not know the new page")
	}
	testenvs.Alter(t, e, "UPDATE wiki SET readonly = 1 WHERE name = 'New'")
	based := edit("New", "two")
	based.Base = 1
	if n, err := wiki.Save(ctx, e, based); n != 2 || err != nil || !strings.HasSuffix(wikiRows(t, e, "New"), " 2|1700000000123456|ana|two|c|1") {
		t.Errorf("%d, %v, %s", n, err, wikiRows(t, e, "New"))
	}
	if testenvs.Generation(t, e, pagesKey) != created {
		t.Error("the set of pages is said to be another")
	}
	if _, err := wiki.Save(ctx, e, based); kind(err) != fault.Conflict {
		t.Errorf("an edit of an older version: %v", err)
	}
	fresh := edit("New", "three")
	fresh.Base = 0
	if _, err := wiki.Save(ctx, e, fresh); kind(err) != fault.Conflict {
		t.Errorf("a page that is there already, made anew: %v", err)
	}
	for _, name := range []string{"", "a//b", "/a", "a/", ".", "a/../b"} {
		if _, err := wiki.Save(ctx, e, edit(name, "x")); kind(err) != fault.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	if testenvs.Generation(t, e, interMapKey) != interMap {
		t.Error("the InterWiki prefixes are said to be others")
	}
	if _, err := wiki.Save(ctx, e, edit("InterMapTxt", "x")); err != nil || testenvs.Generation(t, e, interMapKey) == interMap {
		t.Errorf("others go on with the former prefixes: %v", err)
	}
}

func TestImport(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	if _, err := wiki.Save(ctx, e, edit("A", "one")); err != nil {
		t.Fatal(err)
	}
	later := func(name, text string) wiki.Edit {
		x := edit(name, text)
		x.Author, x.Time = "bo", time.UnixMicro(5)
		return x
	}
	changed, err := wiki.Import(ctx, e, []wiki.Edit{later("A", "one"), later("B", "new"), later("B", "newer")}, false)
	if err != nil || !slices.Equal(changed, []bool{false, true, true}) || wikiRows(t, e, "B") != "1|5|bo|new|c|0 2|5|bo|newer|c|0" {
		t.Errorf("%v, %v, %s", changed, err, wikiRows(t, e, "B"))
	}
	changed, err = wiki.Import(ctx, e, []wiki.Edit{later("A", "two"), later("C", "new"), later("B", "newer")}, true)
	if err != nil || !slices.Equal(changed, []bool{true, true, false}) || wikiRows(t, e, "A") != "1|1700000000123456|ana|two|c|0" || wikiRows(t, e, "C") != "1|5|bo|new|c|0" {
		t.Errorf("%v, %v, %s, %s", changed, err, wikiRows(t, e, "A"), wikiRows(t, e, "C"))
	}
	if _, err := wiki.Import(ctx, e, []wiki.Edit{later("D", "x"), later("..", "x")}, false); kind(err) != fault.Invalid || wikiRows(t, e, "D") != "" {
		t.Errorf("half of it is done: %v", err)
	}
}

func TestRenameAndDelete(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	for _, x := range []wiki.Edit{edit("A", "one"), edit("A", "two"), edit("A/B", "x"), edit("AB", "x"), edit("B", "x")} {
		if _, err := wiki.Save(ctx, e, x); err != nil {
			t.Fatal(err)
		}
	}
	parent := func(name string) perm.Resource { return perm.Resource{Realm: "wiki", ID: name} }
	a := attachment.Attachment{Parent: parent("A"), Name: "f.txt"}
	if _, err := attachment.Add(ctx, e, a, strings.NewReader("text"), existing("A")); err != nil {
		t.Fatal(err)
	}
	before := testenvs.Generation(t, e, pagesKey)
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"missing":    {wiki.Rename(ctx, e, "Nowhere", "X"), fault.NotFound},
		"taken":      {wiki.Rename(ctx, e, "A", "B"), fault.Conflict},
		"no name":    {wiki.Rename(ctx, e, "A", ""), fault.Invalid},
		"delete":     {wiki.Delete(ctx, e, "Nowhere"), fault.NotFound},
		"no version": {wiki.DeleteVersion(ctx, e, "A", 3), fault.NotFound},
	} {
		if kind(c.err) != c.kind {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if err := wiki.Rename(ctx, e, "A", "A"); err != nil || testenvs.Generation(t, e, pagesKey) != before {
		t.Errorf("to its own name: %v", err)
	}
	if err := wiki.Rename(ctx, e, "A", "Ä/Ö"); err != nil || wikiRows(t, e, "A") != "" || !strings.Contains(wikiRows(t, e, "Ä/Ö"), " 2|") {
		t.Errorf("%v", err)
	}
	if testenvs.Generation(t, e, pagesKey) == before {
		t.Error("others go on with the former names")
	}
	if list, err := attachment.List(ctx, e, parent("Ä/Ö")); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	before = testenvs.Generation(t, e, pagesKey)
	if err := wiki.DeleteVersion(ctx, e, "Ä/Ö", 1); err != nil || testenvs.Generation(t, e, pagesKey) != before {
		t.Errorf("one of two versions: %v", err)
	}
	if list, _ := attachment.List(ctx, e, parent("Ä/Ö")); len(list) != 1 {
		t.Error("its attachments went with one of two versions")
	}
	if err := wiki.DeleteVersion(ctx, e, "Ä/Ö", 2); err != nil || testenvs.Generation(t, e, pagesKey) == before {
		t.Errorf("the last version: %v", err)
	}
	if list, _ := attachment.List(ctx, e, parent("Ä/Ö")); len(list) != 0 {
		t.Error("attachments of nothing")
	}
	if names, err := wiki.DeleteAll(ctx, e, "A"); err != nil || strings.Join(names, " ") != "A/B AB" {
		t.Errorf("%v, %v", names, err)
	}
	before = testenvs.Generation(t, e, pagesKey)
	if err := wiki.Delete(ctx, e, "B"); err != nil || testenvs.Generation(t, e, pagesKey) == before {
		t.Errorf("%v", err)
	}
}

// TestReadersSeeTheChange: pages served by another process are up to date.
func TestReadersSeeTheChange(t *testing.T) {
	h := newHost(t, "one")
	e := testenvs.Open(t, h.Parent+"/one")
	if w := h.Get("/one/wiki/WikiStart"); !strings.Contains(w.Body.String(), `class="missing wiki"`) {
		t.Fatalf("no missing link: %s", w.Body)
	}
	if _, err := wiki.Save(t.Context(), e, edit("NoSuchPage", "now there")); err != nil {
		t.Fatal(err)
	}
	if w := h.Get("/one/wiki/WikiStart"); strings.Contains(w.Body.String(), `class="missing wiki"`) {
		t.Error("a link to the new page is still missing")
	}
	if w := h.Get("/one/wiki/NoSuchPage"); w.Code != 200 || !strings.Contains(w.Body.String(), "now there") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func existing(name string) attachment.Exists {
	return func(tx *db.Tx) (bool, error) { return wiki.Exists(tx, name) }
}
