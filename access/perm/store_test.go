package perm_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"projhost/access/auth"
	"projhost/access/perm"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/testenvs"
)

const key = "trac.perm.DefaultPermissionStore._all_permissions"

func entries(words ...string) (list []perm.Entry) {
	for _, w := range words {
		subject, action, _ := strings.Cut(w, " ")
		list = append(list, perm.Entry{Subject: subject, Action: action})
	}
	return list
}

func kind(err error) fault.Kind {
	f, _ := errors.AsType[*fault.Error](err)
	if f == nil {
		return 255
	}
	return f.Kind
}

func rows(t *testing.T, e *envs.Env) []string {
	return testenvs.Query(t, e, "SELECT username, action FROM permission WHERE username <> 'anonymous' AND username <> 'authenticated' ORDER BY username, action", 2)
}

func TestGrantAndRevoke(t *testing.T) {
	e := testenvs.Env(t, nil)
	before := testenvs.Generation(t, e, key)
	already, err := perm.Grant(t.Context(), e, entries("bo crew", "crew TICKET_ADMIN", "bo crew", "bo WIKI_VIEW", "cy WIKI_ADMIN", "boss TRAC_ADMIN"))
	if err != nil || !slices.Equal(already, entries("bo crew")) {
		t.Fatalf("%v, %v", already, err)
	}
	if testenvs.Generation(t, e, key) == before {
		t.Error("nobody is told of the change")
	}
	want := []string{"bo|WIKI_VIEW", "bo|crew", "boss|TRAC_ADMIN", "crew|TICKET_ADMIN", "cy|WIKI_ADMIN"}
	if got := rows(t, e); !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	before = testenvs.Generation(t, e, key)
	for _, c := range []struct {
		words string
		kind  fault.Kind
		says  string
	}{
		{"dy NO_SUCH", fault.Invalid, "WIKI_VIEW"},
		{"dy Wiki_View", fault.Invalid, "WIKI_VIEW"},
		{"BOSS WIKI_VIEW", fault.Invalid, "BOSS"},
		{" WIKI_VIEW", fault.Invalid, "empty"},
	} {
		_, err := perm.Grant(t.Context(), e, append(entries("dy WIKI_VIEW"), entries(c.words)...))
		if kind(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.words, err)
		}
	}
	for words, k := range map[string]fault.Kind{
		"bo TICKET_VIEW": fault.Conflict, "bo TICKET_ADMIN": fault.Conflict, "cy WIKI_VIEW": fault.Conflict, "bo REPORT_ADMIN": fault.NotFound,
		"nobody crew": fault.NotFound, "boss crew": fault.NotFound, "boss LOG_VIEW": fault.Conflict, "nobody *": fault.NotFound, "* REPORT_ADMIN": fault.NotFound,
	} {
		if err := perm.Revoke(t.Context(), e, append(entries("bo crew"), entries(words)...)); kind(err) != k {
			t.Errorf("%s: %v", words, err)
		}
	}
	if got := rows(t, e); !slices.Equal(got, want) {
		t.Errorf("what failed has changed something: %v", got)
	}
	if testenvs.Generation(t, e, key) != before {
		t.Error("others are told of changes that were not made")
	}
	for _, c := range []struct{ words, left string }{
		{"boss *", "bo|WIKI_VIEW bo|crew crew|TICKET_ADMIN cy|WIKI_ADMIN"},
		{"* WIKI_ADMIN", "bo|WIKI_VIEW bo|crew crew|TICKET_ADMIN"},
		{"bo *", "crew|TICKET_ADMIN"},
		{"crew TICKET_ADMIN", ""},
		{"* *", ""},
	} {
		err := perm.Revoke(t.Context(), e, entries(c.words))
		if got := strings.Join(rows(t, e), " "); err != nil || got != c.left {
			t.Errorf("%s: %v, %v", c.words, got, err)
		}
	}
	if got, err := perm.Entries(t.Context(), e); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestGranted(t *testing.T) {
	e := testenvs.Env(t, map[string]map[string]string{
		"components":        {"tracopt.perm.*": "enabled", "tracopt.perm.other": "disabled"},
		"extra-permissions": {"extra_admin": "extra_view, Extra_Modify", "_none": "extra_alone"},
	})
	testenvs.Alter(t, e, "DELETE FROM permission")
	for _, a := range []string{"EXTRA_ADMIN", "EXTRA_VIEW", "EXTRA_MODIFY", "EXTRA_ALONE", "TRAC_ADMIN", "CONFIG_VIEW", "TICKET_MODIFY"} {
		if !slices.Contains(perm.Actions(e), a) {
			t.Errorf("%s is not known", a)
		}
	}
	if slices.Contains(perm.Actions(e), "_NONE") {
		t.Error("the name of what only lists actions is one")
	}
	_, err := perm.Grant(t.Context(), e, entries("bo crew", "crew EXTRA_ADMIN", "crew 42", "42 TICKET_MODIFY", "anonymous WIKI_VIEW", "authenticated LOG_VIEW", "ana TRAC_ADMIN"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"bo":        "EXTRA_ADMIN EXTRA_MODIFY EXTRA_VIEW LOG_VIEW TICKET_APPEND TICKET_CHGPROP TICKET_MODIFY WIKI_VIEW",
		"anonymous": "WIKI_VIEW",
		"nobody":    "LOG_VIEW WIKI_VIEW",
		"ana":       strings.Join(perm.Actions(e), " "),
	} {
		got, err := perm.Granted(t.Context(), e, auth.Named(name))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if ok, err := perm.For(e, auth.Named("bo")).Has(t.Context(), "EXTRA_VIEW", perm.Resource{}); !ok || err != nil {
		t.Errorf("an action of the project's own: %v, %v", ok, err)
	}
	plain := testenvs.Env(t, map[string]map[string]string{"extra-permissions": {"extra_admin": "extra_view"}})
	if slices.Contains(perm.Actions(plain), "EXTRA_VIEW") {
		t.Error("an optional part of Trac is on without having been asked for")
	}
}

// TestLongestRuleCounts: whichever order trac.ini has them in.
func TestLongestRuleCounts(t *testing.T) {
	for rules, want := range map[string]bool{
		"tracopt.perm.* = enabled\ntracopt.* = disabled\n":                      true,
		"tracopt.* = disabled\ntracopt.perm.* = enabled\n":                      true,
		"tracopt.perm.config_perm_provider.* = disabled\ntracopt.* = enabled\n": false,
		"tracopt.per.* = enabled\n":                                             false,
		"TracOpt.Perm.Config_Perm_Provider.ExtraPermissionsProvider = on\n":     true,
	} {
		dir := testenvs.Make(t, t.TempDir(), "one", nil)
		file := filepath.Join(dir, "conf", "trac.ini")
		ini, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ini = append(ini, "[components]\n"+rules+"[extra-permissions]\nextra_admin = extra_view\n"...)
		if err := os.WriteFile(file, ini, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(perm.Actions(testenvs.Open(t, dir)), "EXTRA_VIEW"); got != want {
			t.Errorf("%s: %v", rules, got)
		}
	}
}
