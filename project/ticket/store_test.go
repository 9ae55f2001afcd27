package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/access/perm"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project/attachment"
	"projhost/project/ticket"
	"projhost/testenvs"
)

const (
	fields     = "trac.ticket.api.TicketSystem.fields"
	milestones = "trac.ticket.model.MilestoneCache.milestones"
)

func kind(err error) fault.Kind {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Kind
	}
	return 255
}

func addTicket(id int, columns string) string {
	return fmt.Sprintf("INSERT INTO ticket (id, time, changetime, status, summary, priority, type, component, version, milestone) VALUES (%d, 1000, 1000, 'new', 'S', %s)", id, columns)
}

func query(t *testing.T, e *envs.Env, q string, columns int) string {
	t.Helper()
	return strings.Join(testenvs.Query(t, e, q, columns), " ")
}

func TestEnums(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'c', 'v', 'm'"), addTicket(2, "'critical', 'task', 'c', 'v', 'm'"),
		"INSERT INTO enum (type, name, value, description) VALUES ('severity', 'x', 'none', NULL), ('severity', 'y', '10', NULL), ('severity', 'z', '9.0', NULL)")
	list := func(l ticket.List) string {
		t.Helper()
		all, err := ticket.Enums(ctx, e, l)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, x := range all {
			words = append(words, fmt.Sprintf("%s=%d", x.Name, x.Place))
		}
		return strings.Join(words, " ")
	}
	before := testenvs.Generation(t, e, fields)
	for _, c := range []struct {
		do   error
		l    ticket.List
		want string
	}{
		{nil, ticket.Severities, "x=0 z=9 y=10"},
		{ticket.AddEnum(ctx, e, ticket.Priorities, ticket.Enum{Name: " a  b "}), ticket.Priorities, "blocker=1 critical=2 major=3 minor=4 trivial=5 a b=6"},
	} {
		if got := list(c.l); c.do != nil || got != c.want {
			t.Errorf("%v: %s, want %s", c.do, got, c.want)
		}
	}
	for _, c := range []struct {
		do   func() error
		l    ticket.List
		want string
	}{
		{func() error { return ticket.RemoveEnum(ctx, e, ticket.Priorities, "critical") }, ticket.Priorities, "blocker=1 major=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.RenameEnum(ctx, e, ticket.Priorities, "major", "usual") }, ticket.Priorities, "blocker=1 usual=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.RenameEnum(ctx, e, ticket.Priorities, "usual", "usual") }, ticket.Priorities, "blocker=1 usual=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.MoveEnum(ctx, e, ticket.Priorities, "usual", true) }, ticket.Priorities, "usual=1 blocker=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.MoveEnum(ctx, e, ticket.Priorities, "usual", true) }, ticket.Priorities, "usual=1 blocker=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.MoveEnum(ctx, e, ticket.Priorities, "a b", false) }, ticket.Priorities, "usual=1 blocker=2 minor=3 trivial=4 a b=5"},
		{func() error { return ticket.MoveEnum(ctx, e, ticket.Severities, "y", true) }, ticket.Severities, "x=0 y=9 z=10"},
		{func() error { return ticket.RenameEnum(ctx, e, ticket.Types, "defect", "bug") }, ticket.Types, "bug=1 enhancement=2 task=3"},
	} {
		err := c.do()
		if got := list(c.l); err != nil || got != c.want {
			t.Errorf("%v: %s, want %s", err, got, c.want)
		}
	}
	if testenvs.Generation(t, e, fields) == before {
		t.Error("others go on with the former values")
	}
	if got := query(t, e, "SELECT priority, type, changetime FROM ticket ORDER BY id", 3); got != "usual|bug|1000 critical|task|1000" {
		t.Errorf("tickets: %s", got)
	}
	if got := query(t, e, "SELECT ticket FROM ticket_change ORDER BY ticket", 1); got != "" {
		t.Errorf("history: %s", got)
	}
	testenvs.Alter(t, e, "UPDATE enum SET value = '3' WHERE type = 'resolution'")
	if err := ticket.MoveEnum(ctx, e, ticket.Resolutions, "fixed", true); err != nil || list(ticket.Resolutions) != "fixed=1 duplicate=2 invalid=3 wontfix=4 worksforme=5" {
		t.Errorf("values in one place: %v, %s", err, list(ticket.Resolutions))
	}
	for want, err := range map[fault.Kind]error{
		fault.Conflict: ticket.RenameEnum(ctx, e, ticket.Types, "bug", "task"),
		fault.NotFound: ticket.RemoveEnum(ctx, e, ticket.Types, "nosuch"),
		fault.Invalid:  ticket.AddEnum(ctx, e, ticket.Types, ticket.Enum{Name: "\t"}),
	} {
		if kind(err) != want {
			t.Errorf("%v: %v", want, err)
		}
	}
}

func TestComponentsAndVersions(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'component1', '1.0', 'm'"))
	before := testenvs.Generation(t, e, fields)
	for _, err := range []error{
		ticket.RenameComponent(ctx, e, "component1", "  the  harbour"),
		ticket.RenameComponent(ctx, e, "the harbour", "the harbour"),
		ticket.SetComponentOwner(ctx, e, "the harbour", ""),
		ticket.AddComponent(ctx, e, ticket.Component{Name: "boats", Owner: "bo", Description: "d"}),
		ticket.RemoveComponent(ctx, e, "component2"),
		ticket.RenameVersion(ctx, e, "1.0", "0.9"),
		ticket.AddVersion(ctx, e, ticket.Version{Name: "1.10", Time: time.UnixMicro(5)}),
		ticket.AddVersion(ctx, e, ticket.Version{Name: "1.9", Time: time.UnixMicro(5)}),
		ticket.AddVersion(ctx, e, ticket.Version{Name: "3.0", Time: time.UnixMicro(4)}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got := query(t, e, "SELECT name, owner, description FROM component ORDER BY name", 3); got != "boats|bo|d the harbour|NULL|NULL" {
		t.Errorf("%s", got)
	}
	if got := query(t, e, "SELECT component, version, changetime FROM ticket", 3); got != "the harbour|0.9|1000" {
		t.Errorf("%s", got)
	}
	if testenvs.Generation(t, e, fields) == before {
		t.Error("others go on with the former values")
	}
	all, err := ticket.Versions(ctx, e)
	var names []string
	for _, v := range all {
		names = append(names, v.Name)
	}
	if want := []string{"2.0", "0.9", "1.10", "1.9", "3.0"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v", names, err)
	}
	if err := ticket.RemoveVersion(ctx, e, "0.9"); err != nil || query(t, e, "SELECT version FROM ticket", 1) != "0.9" {
		t.Errorf("removing a version: %v", err)
	}
	if err := ticket.SetVersionTime(ctx, e, "1.9", time.Time{}); err != nil || query(t, e, "SELECT time FROM version WHERE name = '1.9'", 1) != "0" {
		t.Errorf("%v", err)
	}
	for _, err := range []error{ticket.SetVersionTime(ctx, e, "x", time.Now()), ticket.RemoveComponent(ctx, e, "x"), ticket.RenameVersion(ctx, e, "x", "y")} {
		if kind(err) != fault.NotFound {
			t.Error(err)
		}
	}
}

func TestMilestones(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	now := time.UnixMicro(1700000000000000)
	testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'c', 'v', 'milestone2'"), addTicket(2, "'major', 'defect', 'c', 'v', 'milestone2'"), addTicket(3, "'major', 'defect', 'c', 'v', 'milestone1'"),
		// 1 was numbered late, 2 is changed at this very moment
		"INSERT INTO ticket_change (ticket, time, author, field, oldvalue, newvalue) VALUES (1, 2000, 'a', 'comment', '1.4', 'x'), (1, 3000, 'a', 'keywords', NULL, 'k'), "+
			"(2, 1700000000000000, 'a', 'comment', '1', 'x')")
	parent := func(name string) perm.Resource { return perm.Resource{Realm: "milestone", ID: name} }
	there := func(*db.Tx) (bool, error) { return true, nil }
	if _, err := attachment.Add(ctx, e, attachment.Attachment{Parent: parent("milestone2"), Name: "f"}, strings.NewReader("text"), there); err != nil {
		t.Fatal(err)
	}
	before, beforeFields := testenvs.Generation(t, e, milestones), testenvs.Generation(t, e, fields)
	if err := ticket.RenameMilestone(ctx, e, "milestone2", "Lamp  lit", "ana", now); err != nil {
		t.Fatal(err)
	}
	if testenvs.Generation(t, e, milestones) == before || testenvs.Generation(t, e, fields) == beforeFields {
		t.Error("others go on with the former milestones")
	}
	want := "1|1700000000000001|ana|comment|6|Milestone renamed 1|1700000000000001|ana|milestone|milestone2|Lamp lit " +
		"2|1700000000000001|ana|comment|2|Milestone renamed 2|1700000000000001|ana|milestone|milestone2|Lamp lit"
	if got := query(t, e, "SELECT ticket, time, author, field, oldvalue, newvalue FROM ticket_change WHERE author = 'ana' ORDER BY ticket, field", 6); got != want {
		t.Errorf("%s", got)
	}
	if got := query(t, e, "SELECT milestone, changetime FROM ticket ORDER BY id", 2); got != "Lamp lit|1700000000000001 Lamp lit|1700000000000001 milestone1|1000" {
		t.Errorf("%s", got)
	}
	if list, err := attachment.List(ctx, e, parent("Lamp lit")); err != nil || len(list) != 1 {
		t.Errorf("attachments: %v, %v", list, err)
	}
	for _, err := range []error{
		ticket.AddMilestone(ctx, e, ticket.Milestone{Name: "m10"}),
		ticket.AddMilestone(ctx, e, ticket.Milestone{Name: "m9"}),
		ticket.AddMilestone(ctx, e, ticket.Milestone{Name: "late", Due: now.Add(time.Hour)}),
		ticket.AddMilestone(ctx, e, ticket.Milestone{Name: "soon", Due: now}),
		ticket.SetMilestoneCompleted(ctx, e, "milestone3", now),
		ticket.SetMilestoneDue(ctx, e, "milestone4", now.Add(time.Minute)),
		ticket.RenameMilestone(ctx, e, "late", "late", "ana", now),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	all, err := ticket.Milestones(ctx, e)
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	if want := "milestone3,soon,milestone4,late,Lamp lit,m9,m10,milestone1"; err != nil || strings.Join(names, ",") != want {
		t.Errorf("%v, %v", names, err)
	}
	if err := ticket.RemoveMilestone(ctx, e, "Lamp lit"); err != nil {
		t.Fatal(err)
	}
	if got := query(t, e, "SELECT milestone FROM ticket ORDER BY id", 1); got != "Lamp lit Lamp lit milestone1" {
		t.Errorf("%s", got)
	}
	if got := query(t, e, "SELECT filename FROM attachment", 1); got != "" {
		t.Errorf("attachments of nothing: %s", got)
	}
	for want, err := range map[fault.Kind]error{
		fault.Conflict: ticket.RenameMilestone(ctx, e, "m9", "m10", "ana", now),
		fault.NotFound: ticket.SetMilestoneDue(ctx, e, "nosuch", now),
		fault.Invalid:  ticket.RenameMilestone(ctx, e, "m9", "", "ana", now),
	} {
		if kind(err) != want {
			t.Errorf("%v: %v", want, err)
		}
	}
}

func TestRemoveTicket(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'c', 'v', 'm'"), addTicket(12, "'major', 'defect', 'c', 'v', 'm'"),
		"INSERT INTO ticket_change (ticket, time, field) VALUES (1, 1, 'comment'), (12, 1, 'comment')",
		"INSERT INTO ticket_custom (ticket, name, value) VALUES (1, 'a', 'b'), (12, 'a', 'b')")
	there := func(*db.Tx) (bool, error) { return true, nil }
	for _, id := range []string{"1", "12"} {
		if _, err := attachment.Add(ctx, e, attachment.Attachment{Parent: perm.Resource{Realm: "ticket", ID: id}, Name: "f"}, strings.NewReader("x"), there); err != nil {
			t.Fatal(err)
		}
	}
	if err := ticket.Remove(ctx, e, 1); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		"SELECT id FROM ticket": "12", "SELECT ticket FROM ticket_change": "12", "SELECT ticket FROM ticket_custom": "12", "SELECT id FROM attachment": "12",
	} {
		if got := query(t, e, q, 1); got != want {
			t.Errorf("%s: %s", q, got)
		}
	}
	if err := ticket.Remove(ctx, e, 1); kind(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

func TestRemoveComment(t *testing.T) {
	now := time.UnixMicro(9000)
	history := "INSERT INTO ticket_change (ticket, time, author, field, oldvalue, newvalue) VALUES " +
		"(1, 2000, 'a', 'comment', '1', 'one'), (1, 2000, 'a', 'priority', 'minor', 'critical'), (1, 2000, 'a', 'keywords', NULL, 'k'), (1, 2000, 'a', 'lamp', NULL, 'north'), " +
		"(1, 2000, 'a', '_comment0', 'on', '2500'), (1, 3000, 'a', 'comment', '1.2', 'two'), (1, 3000, 'a', 'priority', 'critical', 'major'), (1, 3000, 'a', 'owner', 'x', NULL), " +
		"(1, 4000, 'a', 'comment', NULL, 'old'), (1, 4000, 'a', 'status', 'new', 'closed'), (1, 5000, 'a', 'comment', 'description.12', 'four')"
	const left = "SELECT time, field, oldvalue, newvalue FROM ticket_change WHERE ticket = 1 ORDER BY time, field"
	for number, want := range map[int]struct{ left, ticket, custom string }{
		// a later change of the priority starts from the value before
		1:  {"3000|comment|1.2|two 3000|owner|x|NULL 3000|priority|minor|major 4000|comment|NULL|old 4000|status|new|closed 5000|comment|description.12|four", "major|NULL|NULL|closed|9000", "lamp|NULL"},
		2:  {"2000|_comment0|on|2500 2000|comment|1|one 2000|keywords|NULL|k 2000|lamp|NULL|north 2000|priority|minor|critical 4000|comment|NULL|old 4000|status|new|closed 5000|comment|description.12|four", "critical|k|x|closed|9000", "lamp|north"},
		3:  {"2000|_comment0|on|2500 2000|comment|1|one 2000|keywords|NULL|k 2000|lamp|NULL|north 2000|priority|minor|critical 3000|comment|1.2|two 3000|owner|x|NULL 3000|priority|critical|major 5000|comment|description.12|four", "major|k|NULL|new|9000", "lamp|north"},
		12: {"2000|_comment0|on|2500 2000|comment|1|one 2000|keywords|NULL|k 2000|lamp|NULL|north 2000|priority|minor|critical 3000|comment|1.2|two 3000|owner|x|NULL 3000|priority|critical|major 4000|comment|NULL|old 4000|status|new|closed", "major|k|NULL|closed|9000", "lamp|north"},
	} {
		e := testenvs.Env(t, nil)
		testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'c', 'v', 'm'"), history,
			"UPDATE ticket SET keywords = 'k', status = 'closed'", "INSERT INTO ticket_custom (ticket, name, value) VALUES (1, 'lamp', 'north')")
		if err := ticket.RemoveComment(t.Context(), e, 1, number, now); err != nil {
			t.Fatal(err)
		}
		if got := query(t, e, left, 4); got != want.left {
			t.Errorf("%d: %s, want %s", number, got, want.left)
		}
		if got := query(t, e, "SELECT priority, keywords, owner, status, changetime FROM ticket", 5); got != want.ticket {
			t.Errorf("%d: %s, want %s", number, got, want.ticket)
		}
		if got := query(t, e, "SELECT name, value FROM ticket_custom", 2); got != want.custom {
			t.Errorf("%d: %s, want %s", number, got, want.custom)
		}
		for _, none := range []int{0, -1, 7} {
			if err := ticket.RemoveComment(t.Context(), e, 1, none, now); kind(err) != fault.NotFound {
				t.Errorf("comment %d: %v", none, err)
			}
		}
	}
}

// TestFailuresChangeNothing ends transactions in their middle.
func TestFailuresChangeNothing(t *testing.T) {
	e := testenvs.Env(t, nil)
	testenvs.Alter(t, e, addTicket(1, "'major', 'defect', 'c', 'v', 'milestone1'"), "DROP TABLE ticket_change")
	if err := ticket.RenameMilestone(context.Background(), e, "milestone1", "x", "ana", time.Now()); err == nil {
		t.Fatal("no failure")
	}
	if got := query(t, e, "SELECT name FROM milestone WHERE name = 'x'", 1) + query(t, e, "SELECT id FROM ticket WHERE milestone = 'x'", 1); got != "" {
		t.Errorf("half of it is done: %s", got)
	}
}

// TestRemoveFirstOfThree: the change that follows is the one that starts from
// another value.
func TestRemoveFirstOfThree(t *testing.T) {
	e := testenvs.Env(t, nil)
	testenvs.Alter(t, e, addTicket(1, "'a', 'defect', 'c', 'v', 'm'"),
		"INSERT INTO ticket_change (ticket, time, field, oldvalue, newvalue) VALUES (1, 1, 'priority', 'a', 'b'), (1, 1, 'comment', '1', NULL), "+
			"(1, 2, 'priority', 'c', 'b'), (1, 3, 'priority', 'b', 'a'), (1, 3, 'comment', '3', NULL)")
	if err := ticket.RemoveComment(t.Context(), e, 1, 1, time.UnixMicro(9)); err != nil {
		t.Fatal(err)
	}
	// what followed did not start from the value that is gone, so it stays
	want := "2|priority|c|b 3|comment|3|NULL 3|priority|b|a"
	if got := query(t, e, "SELECT time, field, oldvalue, newvalue FROM ticket_change ORDER BY time, field", 4); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := query(t, e, "SELECT priority FROM ticket", 1); got != "a" {
		t.Errorf("the ticket has %s", got)
	}
}
