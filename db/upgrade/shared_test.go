package upgrade_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/db/schema"
	"projhost/db/upgrade"
	"projhost/envs/tracini"
)

// shared is where environments from real life may lie, beside the checkout.
// What they show is shown by the environment of [makeOldest], too; these are a
// second opinion.
const shared = "../../../shared/real-envs/envs.tar.gz"

// TestRealEnvironments upgrades environments of Trac 1.0 and 1.2.
func TestRealEnvironments(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Log("no environments from real life here")
		return
	}
	parent := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", shared, "-C", parent).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	for _, name := range []string{"trac10", "trac12"} {
		dir := filepath.Join(parent, name)
		d := open(t, dir)
		before, from := map[string]int{}, version(t, d)
		for _, table := range []string{"wiki", "ticket", "ticket_change", "ticket_custom", "attachment", "permission", "report"} {
			before[table] = rows(t, d, table)
		}
		must(t, upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(upgrade.Step) error { return nil }))
		if diff := cmp.Diff(fresh(t), made(t, d)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for table, n := range before {
			if now := rows(t, d, table); now != n {
				t.Errorf("%s: %d rows in %s, were %d", name, now, table, n)
			}
		}
		c, err := tracini.Load(filepath.Join(dir, "conf/trac.ini"))
		must(t, err)
		for _, want := range []struct{ section, option, value string }{
			{"trac", "permission_policies", "DefaultWikiPolicy,DefaultTicketPolicy,DefaultPermissionPolicy,LegacyAttachmentPolicy"},
			{"ticket-workflow", "create", "<none> -> new"},
			{"mainnav", "search.order", "7.0"},
			{"notification", "ticket_subject_template", "${prefix} #${ticket.id}: ${summary}"},
			{"notification-subscriber", "always_notify_previous_updater", "TicketPreviousUpdatersSubscriber"},
			{"versioncontrol", "default_repository_type", "svn"},
		} {
			if got, _ := c.Lookup(want.section, want.option); got != want.value {
				t.Errorf("%s: [%s] %s is %q", name, want.section, want.option, got)
			}
		}
		if v := version(t, d); v != schema.Version || from >= v {
			t.Errorf("%s: from version %d to %d", name, from, v)
		}
	}
}
