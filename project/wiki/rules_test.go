package wiki_test

import (
	"strings"
	"testing"

	"projhost/testenvs"
)

// ruled makes an environment in h with a file of rules.
func ruled(t *testing.T, h *testenvs.Host, name, rules string, trac map[string]string) {
	t.Helper()
	settings := map[string]string{"permission_policies": "AuthzPolicy, DefaultPermissionPolicy"}
	for option, value := range trac {
		settings[option] = value
	}
	testenvs.MakeRuled(t, h.Parent, name, rules, settings)
}

// TestHiddenAround: nothing leads to a page that is hidden, and everything to one
// that alone is not.
func TestHiddenAround(t *testing.T) {
	h := newHost(t)
	ruled(t, h, "hides", "[wiki:TitleIndex]\n* =\n[wiki:TracGuide]\n* =\n[wiki:Dir]\n* =\n[*]\n* = EMAIL_VIEW\n", nil)
	ruled(t, h, "rests", "[wiki:Dir]\n* =\n", map[string]string{"readonly": "enabled"})
	ruled(t, h, "shows", "[wiki:WikiStart]\n* = WIKI_VIEW\n[wiki:Dir/Page]\nana = EMAIL_VIEW, WIKI_VIEW\n[*]\n* = !WIKI_VIEW\n", nil)
	ruled(t, h, "keeps", "[wiki:Dir@1]\n* = WIKI_VIEW\n[wiki:Dir]\n* =\n[wiki:WikiStart]\n* =\n", nil)
	for _, name := range []string{"hides", "rests", "shows", "keeps"} {
		alter(t, h, name, addPage("TitleIndex", "all", 1), addPage("Dir", "above", 1), addPage("Dir/Page", "write to bo@example.org", 1), raise(pagesID))
	}
	for _, c := range []struct {
		path, user string
		status     int
		has        []string
		hasNot     []string
	}{
		{"/hides/wiki", "", 200, []string{`href="/hides/wiki"`}, []string{"/wiki/TitleIndex", "/wiki/TracGuide", "Help/Guide"}},
		{"/hides/wiki/Dir/Page", "", 200, []string{`href="/hides/wiki/Dir"`, "ana@example.org"}, []string{"bo@…"}},
		{"/hides/wiki/Dir", "", 403, []string{"WIKI_VIEW is needed"}, []string{"above"}},
		{"/keeps/wiki/Dir", "", 403, nil, nil},
		{"/keeps/wiki/Dir?version=1", "", 200, []string{"above"}, []string{"Start Page"}},
		{"/keeps/wiki/Dir?version=2", "", 403, nil, []string{"newest is"}},
		{"/keeps/wiki/Dir?version=x", "", 403, nil, nil},
		{"/keeps/wiki/Dir?action=edit", "", 403, nil, nil},
		{"/hides/wiki/TitleIndex", "", 403, nil, nil},
		{"/hides/wiki/SecondPage", "", 200, []string{"Start Page"}, nil},
		{"/rests/wiki/Dir/Page", "", 200, []string{`href="/rests/wiki/TitleIndex"`}, []string{`href="/rests/wiki/Dir"`}},
		{"/shows/wiki", "", 200, []string{`href="/shows/wiki"`, "forbidden wiki"}, []string{"Help/Guide"}},
		{"/shows/wiki/SecondPage", "", 403, []string{testenvs.Canary("shows"), `href="/shows/wiki"`}, nil},
		{"/shows/wiki/NoSuchPage", "", 403, nil, []string{"There is no page"}},
		{"/shows/wiki/Dir/Page", "", 403, nil, nil},
		{"/shows/wiki/Dir/Page", "ana", 200, []string{"bo@example.org", "ana@…"}, nil}, // the text is the page's, its author the project's
	} {
		w := h.Get(c.path, "REMOTE_USER="+c.user)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.path, w.Code, c.status)
		}
		for _, s := range c.has {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s: lacks %q:\n%s", c.path, s, w.Body)
			}
		}
		for _, s := range c.hasNot {
			if strings.Contains(w.Body.String(), s) {
				t.Errorf("%s: holds %q", c.path, s)
			}
		}
	}
}

// TestRulesOutOfOrder: nobody is shown anything, nor why; the log says it.
func TestRulesOutOfOrder(t *testing.T) {
	h := newHost(t)
	ruled(t, h, "one", "[groups]\na = @nosuch\n", nil)
	for _, user := range []string{"", "ana"} {
		w := h.Get("/one/wiki", "REMOTE_USER="+user, "HTTP_ACCEPT=text/html")
		body := w.Body.String()
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(body, "Its administrator finds the reason in the log") {
			t.Errorf("status %d: %s", w.Code, body)
		}
		for _, s := range []string{h.Parent, "authz", "nosuch", testenvs.Canary("one")} {
			if strings.Contains(body, s) {
				t.Errorf("the page tells of %q", s)
			}
		}
	}
	if log := h.Log.String(); strings.Count(log, "everything is refused to everybody in this project") != 1 || !strings.Contains(log, "conf/authz:2: the group a has the member @nosuch") {
		t.Errorf("log:\n%s", log)
	}
}
