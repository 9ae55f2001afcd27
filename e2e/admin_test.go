package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/admin"
	"projhost/testenvs"
)

// runs runs the program, which must succeed, and returns what it writes.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(), args...)
	cmd.Env = append(cleanEnv(), "LC_ALL=C")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v: %s", args, err, problems.String())
	}
	return out.String()
}

// administer runs a command of trac-admin's; it fails the test if that fails.
func administer(t *testing.T, env string, words ...string) string {
	t.Helper()
	return runs(t, append([]string{"admin", env}, words...)...)
}

// inProcess does the same without starting a process for each command.
func inProcess(t *testing.T, c *admin.Console, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	c.Out = &out
	if err := admin.Run(t.Context(), c, admin.Commands(), words); err != nil {
		t.Fatalf("admin %v: %v", words, err)
	}
	return out.String()
}

// TestAdminWhileServing changes an environment that is served meanwhile.
func TestAdminWhileServing(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	env := filepath.Join(parent, "one")
	x := host(t, parent, true, atRoot)
	if _, body := get(t, x.url+"/one/wiki/WikiStart"); !strings.Contains(body, "missing wiki") {
		t.Fatalf("no link to a missing page: %s", body)
	}
	administer(t, env, "wiki", "rename", "SecondPage", "NoSuchPage")
	if resp, body := get(t, x.url+"/one/wiki/NoSuchPage"); resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary("one")) {
		t.Errorf("the page by its new name: %d", resp.StatusCode)
	}
	if resp, _ := get(t, x.url+"/one/wiki/SecondPage"); resp.StatusCode != 404 {
		t.Errorf("the page by its old name: %d", resp.StatusCode)
	}
	administer(t, env, "permission", "remove", "anonymous", "WIKI_VIEW")
	if resp, _ := get(t, x.url+"/one/wiki/NoSuchPage"); resp.StatusCode != 403 {
		t.Errorf("without permission: %d", resp.StatusCode)
	}
	administer(t, env, "permission", "add", "anonymous", "WIKI_ADMIN")
	if resp, _ := get(t, x.url+"/one/wiki/NoSuchPage"); resp.StatusCode != 200 {
		t.Errorf("with permission again: %d", resp.StatusCode)
	}
}

// TestAdminOfTracEnvironment changes and reads what a real Trac 1.6 has made.
func TestAdminOfTracEnvironment(t *testing.T) {
	parent := unpack(t, "trac16/envs.tar.gz")
	if parent == "" {
		t.Log("no environments of a real Trac here; those of our own are tested elsewhere")
		return
	}
	env := filepath.Join(parent, "lighthouse")
	file := filepath.Join(t.TempDir(), "more.txt")
	if err := os.WriteFile(file, []byte("more text"), 0o600); err != nil {
		t.Fatal(err)
	}
	console := &admin.Console{Dir: env}
	defer console.Close()
	date := func(micro int64, layout string) string { return time.UnixMicro(micro).Local().Format(layout) }
	for _, c := range []struct {
		words string // "|" parts them
		says  []string
	}{
		{"permission|list|bo", []string{"bo    TICKET_EDIT_COMMENT\n", "bo    WIKI_VIEW\n"}},
		{"permission|export", []string{"ana,TRAC_ADMIN\n", "bo,crew\n", "crew,TICKET_ADMIN\n"}},
		{"permission|remove|crew|*", nil},
		{"permission|list|bo", []string{"!TICKET_EDIT_COMMENT\n"}},
		{"session|list", []string{"ana  1     " + date(1795229962000000, time.DateOnly) + "  Ana   ana@example.org  \n"}},
		{"session|set|email|ana|a@example.org", nil},
		{"session|list|ana", []string{"a@example.org"}},
		{"attachment|list|wiki:Größe/Übersicht", []string{"maße.txt  12 bytes  cy      " + date(1709629200000000, time.DateTime) + "  for Größe/Übersicht\n"}},
		{"attachment|export|wiki:Größe/Übersicht|maße.txt", []string{"Länge 12 m"}},
		{"wiki|rename|Größe/Übersicht|Size", nil},
		{"attachment|export|wiki:Size|maße.txt", []string{"Länge 12 m"}},
		{"attachment|add|wiki:Size|" + file + "|bo|More", nil},
		{"attachment|move|wiki:Size|more.txt|ticket:2|maße.txt", nil},
		{"attachment|export|ticket:2|maße.txt", []string{"more text"}},
		{"wiki|list", []string{"HarbourNotes        2 ", "Size                1 ", "!Größe"}},
		{"wiki|import|HarbourNotes|" + file, nil},
		{"wiki|export|HarbourNotes", []string{"more text\n"}},
		{"wiki|list", []string{"HarbourNotes        3 "}},
		{"milestone|list", []string{
			"Lamp lit     " + date(1709456400000000, time.DateOnly) + "  " + date(1709542800000000, time.DateTime) + "\n",
			"First light  " + date(1714467600000000, time.DateOnly) + "  \n",
		}},
		{"milestone|rename|First light|Second light", nil},
		{"ticket|remove_comment|1|4", []string{"Comment 4 of ticket #1"}}, // the renaming, undone for this ticket
		{"ticket|remove_comment|1|3", []string{"Comment 3 of ticket #1"}},
		{"ticket|remove|40", []string{"Ticket #40"}},
		{"component|rename|harbour|port", nil},
		{"component|list", []string{"port   ana\n"}},
		{"priority|remove|critical", nil},
		{"priority|list", []string{"blocker\nmajor\nminor\ntrivial\n"}},
		{"version|list", []string{"2.0   \n1.0   \n"}},
	} {
		out := inProcess(t, console, strings.Split(c.words, "|")...)
		for _, want := range c.says {
			if no, ok := strings.CutPrefix(want, "!"); ok {
				if strings.Contains(out, no) {
					t.Errorf("%s: says %q: %s", c.words, no, out)
				}
			} else if !strings.Contains(out, want) {
				t.Errorf("%s: does not say %q: %s", c.words, want, out)
			}
		}
	}
	e := testenvs.Open(t, env)
	for query, want := range map[string]string{
		// one of its tickets is as before, the others say so in their history
		"SELECT milestone, priority, keywords, component FROM ticket WHERE id = 1":                                                "First light|critical|lamp fog|port",
		"SELECT milestone, component, changetime FROM ticket WHERE id = 2":                                                        "NULL|boats|1709456400000000",
		"SELECT COUNT(*), MIN(newvalue), COUNT(DISTINCT time), NULL FROM ticket_change WHERE newvalue = 'Milestone renamed'":      "9|Milestone renamed|1|NULL",
		"SELECT COUNT(*), MIN(milestone), MAX(milestone), NULL FROM ticket WHERE milestone LIKE '% light' AND id > 1 AND id < 40": "9|Second light|Second light|NULL",
		"SELECT name, value, NULL, NULL FROM enum WHERE type = 'priority' ORDER BY value":                                         "blocker|1|NULL|NULL major|2|NULL|NULL minor|3|NULL|NULL trivial|4|NULL|NULL",
	} {
		columns := 4
		if strings.Contains(want, "boats") {
			columns = 3
		}
		if got := strings.Join(testenvs.Query(t, e, query, columns), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
