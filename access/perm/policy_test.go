package perm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/access/auth"
	"projhost/access/perm"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/internal/fault"
	"projhost/testenvs"
)

const (
	defaults = "DefaultWikiPolicy, DefaultTicketPolicy, DefaultPermissionPolicy, LegacyAttachmentPolicy"
	withAuth = "AuthzPolicy, " + defaults
)

// ruled makes an environment whose file of rules is the text.
func ruled(t *testing.T, policies, rules string) (dir string) {
	t.Helper()
	return testenvs.MakeRuled(t, testenvs.Parent(t), "one", rules, map[string]string{"permission_policies": policies})
}

// set writes another value of an option to an environment's trac.ini.
func set(t *testing.T, dir, section, option, value string) {
	t.Helper()
	if err := tracini.Save(t.Context(), envs.ConfigFile(dir), tracini.Change{Section: section, Name: option, Value: value}); err != nil {
		t.Fatal(err)
	}
}

// write puts a file into its place in one step.
func write(t *testing.T, file, text string) {
	t.Helper()
	err := os.WriteFile(file+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func page(name string) perm.Resource { return perm.Resource{Realm: "wiki", ID: name} }

func has(t *testing.T, e *envs.Env, user, action string, res perm.Resource) bool {
	t.Helper()
	ok, err := perm.For(e, auth.Named(user)).Has(t.Context(), action, res)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestAuthzPolicy: what the permission table has is WIKI_VIEW for all, and boss is
// an administrator.
func TestAuthzPolicy(t *testing.T) {
	dir := ruled(t, withAuth, "[a]\n")
	testenvs.Alter(t, testenvs.Open(t, dir), "INSERT INTO permission (username, action) VALUES ('boss', 'TRAC_ADMIN')", "DELETE FROM permission WHERE action = 'WIKI_MODIFY'")
	for _, c := range []struct {
		about, rules string
		user, action string
		res          perm.Resource
		want         bool
	}{
		{"no rule", "[wiki:B]\n* =", "", "WIKI_VIEW", page("A"), true},
		{"an empty list denies", "[wiki:A]\n* =", "", "WIKI_VIEW", page("A"), false},
		{"an empty list denies administrators", "[wiki:A]\n* =", "boss", "TRAC_ADMIN", page("A"), false},
		{"denied", "[wiki:A]\n* = !WIKI_VIEW", "boss", "WIKI_VIEW", page("A"), false},
		{"denied for that alone", "[wiki:A]\n* = !WIKI_VIEW", "boss", "WIKI_MODIFY", page("A"), true},
		{"what is not named is for the next", "[wiki:A]\nbo = WIKI_VIEW", "bo", "WIKI_MODIFY", page("A"), false},
		{"granted", "[wiki:A]\nbo = WIKI_MODIFY", "bo", "WIKI_MODIFY", page("A"), true},
		{"granted there alone", "[wiki:A]\nbo = WIKI_MODIFY", "bo", "WIKI_MODIFY", page("B"), false},
		{"granted to him alone", "[wiki:A]\nbo = WIKI_MODIFY", "cy", "WIKI_MODIFY", page("A"), false},
		{"a meta action grants", "[wiki:A]\nbo = WIKI_ADMIN", "bo", "WIKI_DELETE", page("A"), true},
		{"a meta action of meta actions", "[ticket:1]\nbo = TICKET_ADMIN", "bo", "TICKET_APPEND", perm.Resource{Realm: "ticket", ID: "1"}, true},
		{"a meta action denies", "[wiki:A]\n* = !WIKI_ADMIN", "boss", "WIKI_VIEW", page("A"), false},
		{"an action does not deny its meta action", "[wiki:A]\n* = !WIKI_VIEW", "boss", "WIKI_ADMIN", page("A"), true},
		{"TRAC_ADMIN grants all", "[wiki:A]\nbo = TRAC_ADMIN", "bo", "WIKI_RENAME", page("A"), true},
		{"TRAC_ADMIN grants what a plugin has", "[wiki:A]\nbo = TRAC_ADMIN", "bo", "PLUGIN_DO", page("A"), true},
		{"TRAC_ADMIN denies all", "[*]\n* = !TRAC_ADMIN", "boss", "WIKI_VIEW", page("A"), false},
		{"the first item decides", "[wiki:A]\n* = WIKI_VIEW, !WIKI_ADMIN", "", "WIKI_VIEW", page("A"), true},
		{"the first item decides, denying", "[wiki:A]\nbo = !WIKI_DELETE, WIKI_ADMIN", "bo", "WIKI_DELETE", page("A"), false},
		{"and leaves the others to the second", "[wiki:A]\nbo = !WIKI_DELETE, WIKI_ADMIN", "bo", "WIKI_RENAME", page("A"), true},
		{"actions have a case", "[wiki:A]\n* = !wiki_view", "", "WIKI_VIEW", page("A"), true},
		{"an action of nobody's knowing", "[wiki:A]\nbo = PLUGIN_DO", "bo", "PLUGIN_DO", page("A"), true},
		{"one that cannot be granted", "[ticket:1]\nbo = TICKET_CHG_MILESTONE", "bo", "TICKET_CHG_MILESTONE", perm.Resource{Realm: "ticket", ID: "1"}, true},
		{"a version", "[wiki:A@2]\n* =", "", "WIKI_VIEW", page("A").At(2), false},
		{"another version", "[wiki:A@2]\n* =", "", "WIKI_VIEW", page("A").At(3), true},
		{"no version", "[wiki:A@2]\n* =", "", "WIKI_VIEW", page("A").At(0), true},
		{"no resource", "[*]\nbo = CONFIG_VIEW", "bo", "CONFIG_VIEW", perm.Resource{}, true},
		{"no resource is in no realm", "[wiki:*]\nbo = CONFIG_VIEW", "bo", "CONFIG_VIEW", perm.Resource{}, false},
		{"a realm", "[wiki:*]\n* =", "", "WIKI_VIEW", perm.Resource{Realm: "wiki"}, false},
		{"attachments of a page", "[wiki:A]\n* =", "", "ATTACHMENT_VIEW", page("A").Attachment("f"), false},
		{"attachments go by their page", "[wiki:A@*]\n* = !WIKI_VIEW", "", "ATTACHMENT_VIEW", page("A").Attachment("f"), false},
		{"an attachment alone", "[wiki:A@*/attachment:f@*]\n* =", "", "ATTACHMENT_VIEW", page("A").Attachment("f"), false},
		{"not the one beside it", "[wiki:A@*/attachment:f@*]\n* =", "", "ATTACHMENT_VIEW", page("A").Attachment("g"), true},
		{"not the page it belongs to", "[wiki:A@*/attachment:f@*]\n* =", "", "WIKI_VIEW", page("A"), true},
		{"an attachment of what is denied", "[wiki:A@*/attachment:f@*]\n* = ATTACHMENT_VIEW\n[wiki:A]\n* =", "", "ATTACHMENT_VIEW", page("A").Attachment("f"), true},
		{"TRAC_ADMIN does not name attachments", "[wiki:A@*/attachment:*]\n* = !TRAC_ADMIN", "", "ATTACHMENT_VIEW", page("A").Attachment("f"), true},
		{"a page says who may attach", "[wiki:A@*]\nbo = WIKI_MODIFY", "bo", "ATTACHMENT_CREATE", page("A").Attachment("f"), true},
		{"sources are nobody's", "[nothing]\n", "", "BROWSER_VIEW", perm.Resource{Realm: "source", ID: "trunk"}, true},
	} {
		write(t, filepath.Join(dir, "conf", "authz"), c.rules)
		e := testenvs.Open(t, dir)
		if got := has(t, e, c.user, c.action, c.res); got != c.want {
			t.Errorf("%s: %v", c.about, got)
		}
	}
}

// TestOrderOfPolicies: the first that decides counts.
func TestOrderOfPolicies(t *testing.T) {
	dir := ruled(t, defaults, "[wiki:A]\n* = !WIKI_VIEW\n[wiki:B]\n* = WIKI_DELETE\n")
	for _, c := range []struct {
		policies string
		want     string // of WIKI_VIEW on A, WIKI_VIEW on B, WIKI_DELETE on B, of an attachment of A, of one of B, a source
	}{
		{withAuth, "false true true false true true"},
		{defaults, "true true false true true true"},
		{defaults + ", AuthzPolicy", "true true true true true true"},
		{"AuthzPolicy", "false false true false false false"},
		{"AuthzPolicy, DefaultPermissionPolicy", "false true true false false true"},
		{"LegacyAttachmentPolicy, DefaultPermissionPolicy", "true true false true true true"},
		{"AuthzSourcePolicy, " + defaults, "true true false true true false"},
		{"DefaultPermissionPolicy, AuthzSourcePolicy", "true true false false false true"},
		{"", "false false false false false false"},
	} {
		set(t, dir, "trac", "permission_policies", c.policies)
		e := testenvs.Open(t, dir)
		var got []string
		for _, q := range []struct {
			action string
			res    perm.Resource
		}{
			{"WIKI_VIEW", page("A")}, {"WIKI_VIEW", page("B")}, {"WIKI_DELETE", page("B")}, {"ATTACHMENT_VIEW", page("A").Attachment("f")},
			{"ATTACHMENT_VIEW", page("B").Attachment("f")}, {"FILE_VIEW", perm.Resource{Realm: "source", ID: "f"}},
		} {
			got = append(got, fmt.Sprint(has(t, e, "", q.action, q.res)))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.policies, s, c.want)
		}
	}
}

// TestOutOfOrder: where a policy cannot decide, nobody may do anything, the visitor
// reads nothing of why, and the administrator what to do.
func TestOutOfOrder(t *testing.T) {
	conf := func(section, option, value string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { set(t, dir, section, option, value) }
	}
	rules := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, "conf", "authz"), text) }
	}
	dir := ruled(t, withAuth, "")
	for about, c := range map[string]struct {
		breaks func(t *testing.T, dir string)
		kind   fault.Kind
		says   string
	}{
		"no file":       {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "conf", "authz")) }, fault.Busy, "conf/authz: cannot be read"},
		"empty":         {rules(""), fault.Busy, "no section"},
		"unparsable":    {rules("[a]\nb\n"), fault.Busy, "conf/authz:2: neither"},
		"unknown group": {rules("[groups]\n\na = @b\n"), fault.Busy, "conf/authz:3: the group a has the member @b"},
		"cyclic group":  {rules("[groups]\na = @a\n"), fault.Busy, "conf/authz:2: the group a has itself"},
		"not enabled":   {conf("components", "tracopt.perm.authz_policy.*", "disabled"), fault.Busy, "tracopt.perm.authz_policy.* = enabled"},
		"not told":      {conf("authz_policy", "authz_file", ""), fault.Busy, "[authz_policy] authz_file"},
		"unknown":       {conf("trac", "permission_policies", "AuthzPolicy, MyPolicy"), fault.Denied, "MyPolicy"},
	} {
		set(t, dir, "trac", "permission_policies", withAuth)
		set(t, dir, "components", "tracopt.perm.authz_policy.*", "enabled")
		set(t, dir, "authz_policy", "authz_file", "authz")
		write(t, filepath.Join(dir, "conf", "authz"), "[*]\n* = TRAC_ADMIN\n")
		c.breaks(t, dir)
		e := testenvs.Open(t, dir)
		ok, err := perm.For(e, auth.Named("ana")).Has(t.Context(), "WIKI_VIEW", page("A"))
		f := fault.As(err)
		if ok || err == nil || f.Kind != c.kind || f.Kind == fault.Busy && f.RetryAfter <= 0 {
			t.Errorf("%s: %v, %v", about, ok, err)
			continue
		}
		if strings.Contains(f.Public, "/") || f.Public == "" {
			t.Errorf("%s: visitors read %q", about, f.Public)
		}
		if d := perm.Inspect(e.Config()); d.Err == nil || !strings.Contains(d.Err.Error(), c.says) || !strings.Contains(err.Error(), d.Err.Error()) {
			t.Errorf("%s: administrators read %v", about, d.Err)
		}
	}
}

// TestSourcePolicyDisabled: Trac fails with such a project, too.
func TestSourcePolicyDisabled(t *testing.T) {
	for rule, refused := range map[string]bool{"trac.versioncontrol.*": true, "trac.versioncontrol.svn_authz.AuthzSourcePolicy": true, "trac.ticket.*": false} {
		e := testenvs.Env(t, map[string]map[string]string{
			"trac": {"permission_policies": "AuthzSourcePolicy, " + defaults}, "components": {rule: "disabled"},
		})
		if _, err := perm.For(e, auth.User{}).Has(t.Context(), "WIKI_VIEW", page("A")); (err != nil) != refused {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// TestRulesCountAtOnce: a changed file decides within a second, for all that a
// request asks or for nothing of it; what is said of it is logged once.
func TestRulesCountAtOnce(t *testing.T) {
	dir := ruled(t, withAuth, "[wiki:A]\n* =\n")
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	checker := func() (*perm.Checker, func()) {
		e, release, err := r.Acquire(t.Context(), loc)
		if err != nil {
			t.Fatal(err)
		}
		return perm.For(e, auth.User{}), release
	}
	first, release := checker()
	defer release()
	for _, c := range []struct{ rules, want string }{
		{"[wiki:A]\n* =\n", "A false, B true"},
		{"[wiki:B]\n* =\n", "A true, B false"},
		{"[wiki:B\n", "A false, B false, broken"},
		{"[wiki:[AB]]\n* =\n", "A false, B false"},
		{"-", "A false, B false, broken"},
		{"[wiki:A]\n* =\n", "A false, B true"},
	} {
		file := filepath.Join(dir, "conf", "authz")
		if c.rules == "-" {
			_ = os.Remove(file)
		} else {
			write(t, file, c.rules)
		}
		got := ""
		for end := time.Now().Add(5 * time.Second); got != c.want && time.Now().Before(end); time.Sleep(time.Millisecond) {
			p, release := checker()
			a, err := p.Has(t.Context(), "WIKI_VIEW", page("A"))
			b, again := p.Has(t.Context(), "WIKI_VIEW", page("B"))
			got = fmt.Sprintf("A %v, B %v", a, b)
			if err != nil && again != nil {
				got += ", broken"
			}
			release()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.rules, got, c.want)
		}
		if s := r.Snapshot(t.Context()); len(s) != 1 || (s[0].Trouble != "") != strings.Contains(c.want, "broken") {
			t.Errorf("%q: administrators are told of %+v", c.rules, s)
		}
		if ok, err := first.Has(t.Context(), "WIKI_VIEW", page("A")); ok || err != nil {
			t.Errorf("%q: a request under way is told otherwise now: %v, %v", c.rules, ok, err)
		}
	}
}

// TestNeverHalf: a file that is written where it is counts when that is done.
func TestNeverHalf(t *testing.T) {
	dir := ruled(t, withAuth, "[wiki:A]\n* =\n")
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 6 && err == nil; i++ {
			var f *os.File
			if f, err = os.Create(filepath.Join(dir, "conf", "authz")); err != nil {
				break
			}
			for _, part := range []string{"[wiki:B]\n* =\n", "[wiki:C]\n* =\n", "[wiki:A]\n* =\n"} {
				_, again := f.WriteString(part)
				err = errors.Join(err, again)
				time.Sleep(5 * time.Millisecond)
			}
			err = errors.Join(err, f.Close())
			time.Sleep(40 * time.Millisecond)
		}
		done <- err
	}()
	for asked := 0; ; asked++ {
		select {
		case err := <-done:
			if err != nil || asked < 10 {
				t.Errorf("asked %d times: %v", asked, err)
			}
			return
		default:
		}
		e, release, err := r.Acquire(t.Context(), loc)
		if err != nil {
			t.Fatal(err)
		}
		ok, _ := perm.For(e, auth.User{}).Has(t.Context(), "WIKI_VIEW", page("A")) // an error is for the empty file
		release()
		if ok {
			t.Fatal("a half of the rules lets in whom the other half keeps out")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestLinkTurned: a file of rules by way of a link is another when the link is.
func TestLinkTurned(t *testing.T) {
	dir := ruled(t, withAuth, "[wiki:A]\n* =\n")
	authz := filepath.Join(dir, "conf", "authz")
	write(t, authz+".2", "[wiki:B]\n* =\n")
	turn := func(to string) {
		err := os.Symlink(to, authz+".link")
		if err == nil {
			err = os.Rename(authz+".link", authz)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, authz+".1", "[wiki:A]\n* =\n")
	turn("authz.1")
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	seen := func() bool {
		e, release, err := r.Acquire(t.Context(), loc)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		return has(t, e, "", "WIKI_VIEW", page("A"))
	}
	if seen() {
		t.Fatal("the rules do not count")
	}
	turn("authz.2")
	for end := time.Now().Add(5 * time.Second); !seen(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the former rules count")
		}
	}
}

// TestWarnings: what may not be meant so is told, and bounded.
func TestWarnings(t *testing.T) {
	dir := ruled(t, withAuth, "")
	inspect := func(policies, rules string) perm.Decision {
		set(t, dir, "trac", "permission_policies", policies)
		write(t, filepath.Join(dir, "conf", "authz"), rules)
		return perm.Inspect(testenvs.Open(t, dir).Config())
	}
	many := "[wiki:A]\n"
	for i := range 100 {
		many += fmt.Sprintf("u%d = NO_%d\n", i, i)
	}
	for _, c := range []struct {
		policies, rules string
		want            []string
	}{
		{withAuth, "[groups]\ng = ana\n[wiki:A]\nana = WIKI_VIEW, !Wiki_View\n@h = TICKET_CHG_MILESTONE, TRAC_ADMIN, ATTACHMENT_VIEW\n@g = EXTRA_DO\n",
			[]string{"line 4: [wiki:A] names the action Wiki_View", "line 6: [wiki:A] names the action EXTRA_DO", "line 5: [wiki:A] has a rule for @h"}},
		{defaults + ", AuthzPolicy", "[wiki:A]\n", []string{"cannot deny"}},
		{withAuth, "[wiki:A]\n", nil},
	} {
		d := inspect(c.policies, c.rules)
		if d.Err != nil || len(d.Warnings) != len(c.want) || !strings.HasPrefix(d.Policies, c.policies[:11]) || !strings.Contains(d.Policies, "conf/authz: ") {
			t.Errorf("%q: %+v", c.rules, d)
			continue
		}
		for i, w := range c.want {
			if !strings.Contains(d.Warnings[i], w) {
				t.Errorf("%q is no %q", d.Warnings[i], w)
			}
		}
	}
	if d := inspect(withAuth, many); len(d.Warnings) != 20 {
		t.Errorf("%d warnings", len(d.Warnings))
	}
	if d := inspect(defaults, ""); d.Err != nil || d.Policies != defaults {
		t.Errorf("%+v", d)
	}
}

// TestReadOnlyPages: what is marked is for those who administer the page.
func TestReadOnlyPages(t *testing.T) {
	dir := ruled(t, defaults, "[wiki:C]\nbo = !WIKI_ADMIN\n")
	testenvs.Alter(t, testenvs.Open(t, dir), "UPDATE wiki SET readonly = 1 WHERE name = 'SecondPage'",
		"INSERT INTO wiki (name, version, time, author, text, comment, readonly) VALUES ('WikiStart', 2, 2, 'a', '', '', 0)",
		"UPDATE wiki SET readonly = 1 WHERE name = 'WikiStart' AND version = 1",
		"INSERT INTO permission (username, action) VALUES ('bo', 'WIKI_ADMIN')")
	for policies, want := range map[string]string{
		defaults: "true false true true", "ReadonlyWikiPolicy, DefaultPermissionPolicy": "true false true true",
		"DefaultPermissionPolicy": "true true true true", withAuth: "true false true true",
	} {
		set(t, dir, "trac", "permission_policies", policies)
		e := testenvs.Open(t, dir)
		got := fmt.Sprint(has(t, e, "ana", "WIKI_MODIFY", page("WikiStart")), has(t, e, "ana", "WIKI_MODIFY", page("SecondPage")),
			has(t, e, "ana", "WIKI_CREATE", page("SecondPage")), has(t, e, "bo", "WIKI_MODIFY", page("SecondPage")))
		if got = strings.Join(strings.Fields(got), " "); got != want {
			t.Errorf("%s: %s, want %s", policies, got, want)
		}
		if strings.Contains(policies, "Default") && policies != "DefaultPermissionPolicy" {
			if has(t, e, "ana", "WIKI_CHANGE_READONLY", page("WikiStart")) || !has(t, e, "bo", "WIKI_CHANGE_READONLY", page("WikiStart")) {
				t.Errorf("%s: the mark can be changed by anybody, or by nobody", policies)
			}
		}
	}
}

// TestAttachments: what they belong to decides, and an author removes his own.
func TestAttachments(t *testing.T) {
	e := testenvs.Env(t, nil)
	testenvs.Alter(t, e, "INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('wiki', 'SecondPage', 'f', 1, 1, '', 'ana'), ('wiki', 'SecondPage', 'g', 1, 1, '', 'anonymous')",
		"INSERT INTO permission (username, action) VALUES ('bo', 'WIKI_DELETE'), ('cy', 'TICKET_ADMIN')")
	ticket := perm.Resource{Realm: "ticket", ID: "7"}.Attachment("f")
	for _, c := range []struct {
		user, action string
		res          perm.Resource
		want         bool
	}{
		{"", "ATTACHMENT_VIEW", page("SecondPage").Attachment("f"), true},
		{"", "ATTACHMENT_CREATE", page("SecondPage").Attachment("f"), false},
		{"ana", "ATTACHMENT_CREATE", page("SecondPage").Attachment("f"), true},
		{"ana", "ATTACHMENT_DELETE", page("SecondPage").Attachment("f"), true},
		{"ana", "ATTACHMENT_DELETE", page("SecondPage").Attachment("g"), false},
		{"", "ATTACHMENT_DELETE", page("SecondPage").Attachment("g"), false},
		{"bo", "ATTACHMENT_DELETE", page("SecondPage").Attachment("f"), true},
		{"cy", "ATTACHMENT_DELETE", page("SecondPage").Attachment("f"), false},
		{"cy", "ATTACHMENT_DELETE", ticket, true},
		{"", "ATTACHMENT_VIEW", ticket, true},
		{"", "ATTACHMENT_VIEW", perm.Resource{Realm: "blog", ID: "x"}.Attachment("f"), false},
		{"", "ATTACHMENT_VIEW", page("SecondPage"), false},
		{"", "ATTACHMENT_VIEW", perm.Resource{}, false},
	} {
		if got := has(t, e, c.user, c.action, c.res); got != c.want {
			t.Errorf("%s %s %s: %v", c.user, c.action, c.res, got)
		}
	}
	if s := page("A").At(3).Attachment("f").String(); s != "attachment:f of wiki:A@3" {
		t.Error(s)
	}
}

func TestHasComponent(t *testing.T) {
	for rule, want := range map[string]bool{
		"tracopt.perm.authz_policy.*": true, "tracopt.perm.Authz_Policy.AuthzPolicy": true, "tracopt.perm.*": true,
		"tracopt.perm.config_perm_provider.ExtraPermissionsProvider": true,
		"tracopt.*": false, "tracopt.perm.authz": false, "tracopt.ticket.*": false, "acct_mgr.*": false,
	} {
		if perm.HasComponent(rule) != want {
			t.Errorf("%s: %v", rule, !want)
		}
	}
}
