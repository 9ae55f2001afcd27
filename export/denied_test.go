package export_test

import (
	"fmt"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/dispatch"
	"projhost/envs"
	"projhost/export"
	"projhost/project"
	"projhost/project/account"
	"projhost/project/attachment"
	"projhost/project/chrome"
	"projhost/project/download"
	"projhost/project/wiki"
	"projhost/testenvs"
)

// What only those may see whom the file of rules lets: a page, and a version of
// another. "secret" is in all that belongs to them, and in nothing else.
const (
	hiddenPage = "HiddenCrown"
	rules      = "[groups]\nkeepers = bo\n[wiki:" + hiddenPage + "]\n@keepers = WIKI_VIEW\n* =\n" +
		"[wiki:Lamp@1]\n@keepers = WIKI_VIEW\n* =\n[*/attachment:secret*@*]\n@keepers = ATTACHMENT_VIEW\n* =\n"
)

// guarded makes an environment with such a page, or brings another's rules.
func guarded(t *testing.T) (h *testenvs.Host, dir string) {
	t.Helper()
	h = testenvs.NewHost(t, nil, []project.Module{account.Module{}, chrome.Module{}, download.Module{}, wiki.Module{}, export.Module{}})
	dir = testenvs.MakeRuled(t, h.Parent, "one", rules,
		map[string]string{"permission_policies": "AuthzPolicy, DefaultWikiPolicy, DefaultTicketPolicy, DefaultPermissionPolicy, LegacyAttachmentPolicy"})
	e := testenvs.Open(t, dir)
	add := func(name string, version int, text string) string {
		secret := ""
		if strings.Contains(text, "secret") {
			secret = "secret"
		}
		return fmt.Sprintf("INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES ('%s', %d, 1700000000000000, '%sauthor', '%s', '%scomment', 0)", name, version, secret, text, secret)
	}
	testenvs.Alter(t, e, "INSERT INTO permission (username, action) VALUES ('boss', 'TRAC_ADMIN')",
		add(hiddenPage, 1, "secret text"), add(hiddenPage, 2, "secret newer text, see [wiki:SecondPage]"), add(hiddenPage+"/Below", 1, "not hidden"),
		add("Lamp", 1, "secret old text"), add("Lamp", 2, "a lamp"),
		add("Links", 1, "[wiki:"+hiddenPage+" the crown] ["+hiddenPage+"] [wiki:"+hiddenPage+"@1 old] [wiki:Lamp@1 old lamp] Lamp, wiki:Lamp, [/wiki/Lamp path]"),
		add("Deep/Page", 1, "deep"), add("Deep/"+hiddenPage+"s", 1, "deeper"))
	for _, f := range [][2]string{{hiddenPage, "crown.txt"}, {"Lamp", "secret.txt"}, {"Lamp", "lamp.txt"}} {
		text := "secret bytes"
		if f[1] == "lamp.txt" {
			text = "bytes"
		}
		a := attachment.Attachment{Parent: perm.Resource{Realm: "wiki", ID: f[0]}, Name: f[1], Time: time.Unix(1700000000, 0)}
		if _, err := attachment.Add(t.Context(), e, a, strings.NewReader(text), func(*db.Tx) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	return h, dir
}

// seeds are addresses that lead to a page, or might once they are offered.
func seeds() (list []string) {
	names := []string{"", "/WikiStart", "/SecondPage", "/" + hiddenPage, "/" + hiddenPage + "/", "/" + hiddenPage + "/Below", "/" + hiddenPage + "/None", "/Lamp", "/Links", "/Deep/Page",
		"/hiddencrown", "/Crown", "/Deep/Sub/" + hiddenPage, "/Deep/" + hiddenPage, "/None", "/TitleIndex", "/RecentChanges", "/h", "/C"}
	queries := []string{"", "?format=txt", "?version=1", "?version=2", "?version=1&format=txt", "?version=3", "?action=history", "?action=diff&version=2", "?action=diff&version=2&old_version=1",
		"?action=view", "?action=edit", "?action=delete", "?action=rename", "?action=edit_comment&version=1", "?format=rss&action=history", "?format=html", "?version=x", "?redirect=no"}
	for _, n := range names {
		for _, q := range queries {
			list = append(list, "/one/wiki"+n+q)
		}
	}
	for _, realm := range []string{"/raw-attachment/", "/attachment/", "/zip-attachment/"} {
		for _, f := range []string{hiddenPage + "/crown.txt", hiddenPage + "/", hiddenPage, hiddenPage + "/none", "Lamp/secret.txt", "Lamp/lamp.txt", "Lamp/", "Lamp"} {
			list = append(list, "/one"+realm+"wiki/"+f, "/one"+realm+"wiki/"+f+"?format=raw")
		}
	}
	for _, p := range []string{"", "/", "/search?q=secret", "/search?q=crown&wiki=on&noquickjump=1", "/timeline", "/timeline?wiki=on&format=rss", "/login", "/logout", "/prefs", "/about", "/report", "/query", "/newticket",
		"/roadmap", "/browser", "/admin", "/diff", "/wiki_render", "/chrome/site/x", "/.export/addresses", "/.export/addresses?history=1", "/robots.txt", "/favicon.ico"} {
		list = append(list, "/one"+p)
	}
	return append(list, "/", "/?format=json")
}

var links = regexp.MustCompile(`(?:href|src|action)="(/[^"]*)"`)

// walk asks for all seeds and for all that is linked from there, as a user.
func walk(t *testing.T, h *testenvs.Host, user string) map[string]*httptest.ResponseRecorder {
	t.Helper()
	answers := make(map[string]*httptest.ResponseRecorder)
	for todo := seeds(); len(todo) > 0; todo = todo[1:] {
		address, _, _ := strings.Cut(strings.ReplaceAll(todo[0], "&amp;", "&"), "#")
		if _, known := answers[address]; known || strings.HasPrefix(address, "/one/chrome/common/") {
			continue
		}
		if len(answers) > 5000 {
			t.Fatal("the walk has no end")
		}
		w := h.Get(address, "REMOTE_USER="+user)
		answers[address] = w
		for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			todo = append(todo, m[1])
		}
	}
	return answers
}

// all is what a visitor gets to see of an answer.
func all(w *httptest.ResponseRecorder) string {
	text := w.Body.String()
	for name, values := range w.Header() {
		text += "\n" + name + ": " + strings.Join(values, " ")
	}
	return text
}

// TestDeniedPage walks through a project in which rules hide a page, a version and
// an attachment: nothing of them is in any answer, and where the visitor has not
// written the page's name himself, neither is that; an administrator by the
// permission table is no exception. Whom the rules let sees it all, so it is there.
func TestDeniedPage(t *testing.T) {
	h, _ := guarded(t)
	link := regexp.MustCompile(`href="[^"]*/wiki/` + hiddenPage + `[?"#]`)
	for _, user := range []string{"", "ana", "boss"} {
		for address, w := range walk(t, h, user) {
			typed, err := url.PathUnescape(address)
			if err != nil {
				t.Fatal(err)
			}
			text := all(w)
			if strings.Contains(strings.ReplaceAll(text, typed, ""), "secret") && !strings.Contains(typed, "secret") {
				t.Errorf("%q reads at %s what is hidden:\n%s", user, address, text)
			}
			if strings.Contains(typed, "secret") && w.Code == 200 {
				t.Errorf("%q gets %s", user, address)
			}
			written := strings.Contains(typed, hiddenPage) || strings.Contains(typed, "/Links")
			if rest := strings.ReplaceAll(text, hiddenPage+"s", ""); !written && strings.Contains(strings.ReplaceAll(rest, hiddenPage+"/Below", ""), hiddenPage) {
				t.Errorf("%q reads the page's name at %s:\n%s", user, address, text)
			}
			if !strings.Contains(typed, hiddenPage) && link.MatchString(text) {
				t.Errorf("%q finds a link at %s: %s", user, address, link.FindString(text))
			}
		}
	}
	if body := h.Get("/one/wiki/Links").Body.String(); strings.Contains(body, "Lamp?version=1") || strings.Count(body, "forbidden wiki") != 4 || strings.Count(body, `href="/one/wiki/Lamp"`) != 2 {
		t.Errorf("links to what is hidden, or none to what is not:\n%s", body)
	}
	if list := h.Get("/one/.export/addresses?history=1").Body.String(); strings.Contains(list, "Lamp?version=1") || !strings.Contains(list, "Lamp?version=2") {
		t.Errorf("listed: %s", list)
	}
	var read []string
	for address, w := range walk(t, h, "bo") {
		if w.Code == 200 && strings.Contains(w.Body.String(), "secret") {
			read = append(read, address)
		}
	}
	for _, address := range []string{"/one/wiki/" + hiddenPage, "/one/wiki/" + hiddenPage + "?version=1", "/one/wiki/" + hiddenPage + "?format=txt", "/one/wiki/Lamp?version=1",
		"/one/raw-attachment/wiki/" + hiddenPage + "/crown.txt", "/one/raw-attachment/wiki/Lamp/secret.txt", "/one/.export/addresses"} {
		if !slices.Contains(read, address) {
			t.Errorf("whom the rules let does not see %s", address)
		}
	}
	if w := h.Get("/one/raw-attachment/wiki/Lamp/lamp.txt"); w.Code != 200 {
		t.Errorf("what is not hidden: status %d", w.Code)
	}
	if body := h.Get("/one/wiki/Crown", "REMOTE_USER=bo").Body.String(); !link.MatchString(body) {
		t.Errorf("whom the rules let is not offered the page:\n%s", body)
	}
}

// TestDeniedPageIsNotExported: nor is what leads there.
func TestDeniedPageIsNotExported(t *testing.T) {
	_, dir := guarded(t)
	r := testenvs.Registry(t, dir, envs.Options{ReadOnly: true})
	site := project.NewSite(account.Module{}, chrome.Module{}, download.Module{}, wiki.Module{}, export.Module{})
	dest := filepath.Join(t.TempDir(), "site")
	report, err := export.Run(t.Context(), dest, export.Options{Host: dispatch.New(dispatch.Options{Registry: r, Site: site}), Dir: dir, Base: &url.URL{Path: "/one"}, History: true})
	if err != nil || report.Pages == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	files := 0
	err = fs.WalkDir(os.DirFS(dest), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(filepath.Join(dest, path))
		if strings.Contains(path+string(text), "secret") || strings.Contains(path, hiddenPage) && !strings.Contains(path, hiddenPage+"s") && !strings.Contains(path, hiddenPage+"/Below") {
			t.Errorf("%s is exported, or holds what is hidden", path)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
	if text, err := os.ReadFile(filepath.Join(dest, "wiki/Lamp/index.html")); err != nil || !strings.Contains(string(text), "a lamp") {
		t.Errorf("what is not hidden: %v", err)
	}
}
