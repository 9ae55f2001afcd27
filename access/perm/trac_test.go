package perm_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"projhost/access/auth"
	"projhost/access/perm"
	"projhost/testenvs"
	"projhost/testenvs/realtrac"
)

// tracDecides has Trac's own policies answer the questions of TestAsTracDecides for
// the environments that it is given, with a line of 0 and 1 for each.
const tracDecides = `
import sys
from trac.env import open_environment
from trac.perm import PermissionCache
from trac.resource import Resource

users, actions, resources = (part.split(' ') for part in sys.argv[1:4])

def resource(text):
    r = None
    for part in text.split('/'):
        realm, rest = part.split(':')
        name, version = rest.split('@')
        r = Resource(realm, name or None, version or None, r)
    return r

for path in sys.argv[4:]:
    env = open_environment(path)
    answers = []
    for user in users:
        for r in resources:
            perm = PermissionCache(env, user, resource(r) if r != '-' else None)
            answers += ['1' if perm.has_permission(a) else '0' for a in actions]
    print(''.join(answers))
    env.shutdown()
`

// TestAsTracDecides makes files of rules at random, and compares what a real Trac
// lets whom do with what we do.
func TestAsTracDecides(t *testing.T) {
	seed := uint64(1)
	if testenvs.InPostgres() {
		seed = 2 // other rules there
	}
	rng := rand.New(rand.NewPCG(4, seed))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	some := func(most int, of ...string) string {
		var list []string
		for range rng.IntN(most + 1) {
			list = append(list, pick(of...))
		}
		return strings.Join(list, ", ")
	}
	makeRules := func() string {
		var b strings.Builder
		b.WriteString("[groups]\n")
		fmt.Fprintf(&b, "devs = %s\nall = %s\nnone =\n", some(2, "ana", "bo", "anonymous"), some(3, "@devs", "cy", "@none", "authenticated"))
		seen := map[string]bool{}
		for range 1 + rng.IntN(6) {
			section := pick("wiki:*", "wiki:Wiki*@*", "wiki:WikiStart@2", "wiki:WikiStart@1", "ticket:*", "ticket:?", "*", "*@*", "*:*@*", "wiki:WikiStart@*/attachment:*",
				"wiki:*/attachment:a.txt", "*/attachment:*@*", "attachment:*", "wiki:[A-W]*", "wiki:[!W]*", "milestone:*", "Wiki:*", "wiki:WikiStart", "wiki:WikiStart/attachment:a.txt@*")
			if seen[section] {
				continue // twice is an error in Trac, for those who rules are for, too
			}
			seen[section] = true
			fmt.Fprintf(&b, "[%s]\n", section)
			whom := map[string]bool{}
			for range 1 + rng.IntN(4) {
				who := pick("*", "anonymous", "authenticated", "ana", "bo", "cy", "@devs", "@all", "@none", "@unknown", "Ana")
				if whom[who] {
					continue
				}
				whom[who] = true
				fmt.Fprintf(&b, "%s = %s\n", who, some(3, "WIKI_VIEW", "!WIKI_VIEW", "WIKI_MODIFY", "!WIKI_MODIFY", "WIKI_ADMIN", "!WIKI_ADMIN", "TRAC_ADMIN", "!TRAC_ADMIN",
					"TICKET_VIEW", "!TICKET_VIEW", "TICKET_ADMIN", "MILESTONE_ADMIN", "NO_SUCH", "!NO_SUCH", "ATTACHMENT_VIEW", "!ATTACHMENT_DELETE"))
			}
		}
		return b.String()
	}
	users := []string{"anonymous", "ana", "bo", "cy", "boss"}
	actions := []string{"WIKI_VIEW", "WIKI_MODIFY", "WIKI_DELETE", "WIKI_ADMIN", "TICKET_VIEW", "TICKET_APPEND", "MILESTONE_VIEW", "TRAC_ADMIN", "ATTACHMENT_VIEW", "ATTACHMENT_CREATE", "ATTACHMENT_DELETE"}
	resources := []string{"-", "wiki:@", "wiki:WikiStart@", "wiki:WikiStart@1", "wiki:WikiStart@2", "wiki:SecondPage@", "ticket:7@", "milestone:m@", "wiki:WikiStart@/attachment:a.txt@", "wiki:SecondPage@/attachment:b.txt@", "ticket:7@/attachment:a.txt@"}
	policies := []string{withAuth, withAuth, withAuth, "AuthzPolicy", "DefaultPermissionPolicy, AuthzPolicy", "AuthzPolicy, DefaultPermissionPolicy", "AuthzPolicy, DefaultWikiPolicy, DefaultPermissionPolicy, LegacyAttachmentPolicy"}
	var dirs, rules []string
	for i := range 21 {
		rules = append(rules, makeRules())
		dir := ruled(t, policies[i%len(policies)], rules[i])
		testenvs.Alter(t, testenvs.Open(t, dir), "INSERT INTO permission (username, action) VALUES ('boss', 'TRAC_ADMIN')", "INSERT INTO permission (username, action) VALUES ('bo', 'WIKI_ADMIN')",
			"INSERT INTO ticket (id, type, status, summary, reporter) VALUES (7, 'defect', 'new', 'one', 'cy')", "UPDATE wiki SET readonly = 1 WHERE name = 'SecondPage'",
			"INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('wiki', 'WikiStart', 'a.txt', 1, 1, '', 'cy')",
			"INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('wiki', 'SecondPage', 'b.txt', 1, 1, '', 'ana')",
			"INSERT INTO attachment (type, id, filename, size, time, description, author) VALUES ('ticket', '7', 'a.txt', 1, 1, '', 'anonymous')")
		dirs = append(dirs, dir)
	}
	trac := strings.Fields(realtrac.Python(t, tracDecides, append([]string{strings.Join(users, " "), strings.Join(actions, " "), strings.Join(resources, " ")}, dirs...)...))
	if len(trac) != len(dirs) {
		t.Fatalf("Trac answers for %d of %d environments", len(trac), len(dirs))
	}
	asked := 0
	for i, dir := range dirs {
		e := testenvs.Open(t, dir)
		answers := trac[i]
		for _, user := range users {
			u := auth.Named(user)
			if user == "anonymous" {
				u = auth.User{}
			}
			checker := perm.For(e, u)
			for _, r := range resources {
				for _, action := range actions {
					got, err := checker.Has(t.Context(), action, resourceOf(r))
					if err != nil {
						t.Fatal(err)
					}
					if want := answers[0] == '1'; got != want {
						t.Errorf("%s: %s for %s on %s: we say %t, Trac %t, by\n%s", e.Config().String("trac", "permission_policies"), action, user, r, got, want, rules[i])
					}
					answers = answers[1:]
					asked++
				}
			}
		}
		if t.Failed() {
			t.FailNow() // the first file tells enough
		}
	}
	t.Logf("%d questions", asked)
}

// resourceOf reads "realm:id@version", parts of it parted by "/".
func resourceOf(text string) perm.Resource {
	var res perm.Resource
	if text == "-" {
		return res
	}
	for i, part := range strings.Split(text, "/") {
		realm, rest, _ := strings.Cut(part, ":")
		id, version, _ := strings.Cut(rest, "@")
		if i > 0 {
			res = res.Attachment(id)
			continue
		}
		res = perm.Resource{Realm: realm, ID: id, Version: version}
	}
	return res
}
