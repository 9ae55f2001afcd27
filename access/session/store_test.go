package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/access/session"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/testenvs"
)

func stranger(sid string) session.ID { return session.ID{SID: sid} }
func user(sid string) session.ID     { return session.ID{SID: sid, Authenticated: true} }

func dump(t *testing.T, e *envs.Env) string {
	return strings.Join(slices.Concat(
		testenvs.Query(t, e, "SELECT sid, authenticated, last_visit FROM session ORDER BY sid, authenticated", 3),
		testenvs.Query(t, e, "SELECT sid, authenticated, name, value FROM session_attribute ORDER BY sid, authenticated, name", 4)), " ")
}

func TestSessions(t *testing.T) {
	e, ctx := testenvs.Env(t, nil), t.Context()
	at := time.Unix(1700000000, 999)
	for _, err := range []error{
		session.Add(ctx, e, user("ana"), at, map[string]string{session.Name: "Ana", session.Email: ""}),
		session.Add(ctx, e, stranger("ana"), at.Add(-time.Second), nil),
		session.Add(ctx, e, stranger("b"), at, map[string]string{"x": "y"}),
		session.Set(ctx, e, user("ana"), session.Email, "a@example.org"),
		session.Set(ctx, e, user("ana"), session.Email, "b@example.org"),
		session.Set(ctx, e, stranger("ana"), "k", "v"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := "ana|0|1699999999 ana|1|1700000000 b|0|1700000000 ana|0|k|v ana|1|email|b@example.org ana|1|name|Ana b|0|x|y"
	if got := dump(t, e); got != all {
		t.Errorf("%s", got)
	}
	list, err := session.List(ctx, e)
	if err != nil || len(list) != 3 || list[1].ID != user("ana") || !list[1].LastVisit.Equal(time.Unix(1700000000, 0)) || list[1].Attributes[session.Name] != "Ana" || list[2].Attributes["x"] != "y" {
		t.Errorf("%+v, %v", list, err)
	}
	got, found, err := session.Get(ctx, e, user("ana"))
	if err != nil || !found || got.Attributes[session.Email] != "b@example.org" || len(got.Attributes) != 2 {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	if _, found, err := session.Get(ctx, e, user("b")); found || err != nil {
		t.Errorf("a stranger's session is a user's: %v", err)
	}
	for want, err := range map[fault.Kind]error{
		fault.Conflict: session.Add(ctx, e, user("ana"), at, nil),
		fault.NotFound: session.Set(ctx, e, user("b"), "x", "y"),
		fault.Invalid:  session.Add(ctx, e, user(""), at, nil),
	} {
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != want {
			t.Errorf("%v: %v", want, err)
		}
	}
	if err := session.Set(ctx, e, user("ana"), session.Email, ""); err != nil {
		t.Error(err)
	}
	if n, err := session.Purge(ctx, e, time.Unix(1700000000, 0)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got, want := dump(t, e), "ana|1|1700000000 b|0|1700000000 ana|1|name|Ana b|0|x|y"; got != want {
		t.Errorf("%s", got)
	}
	if n, err := session.Delete(ctx, e, true, user("nobody")); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := session.Delete(ctx, e, false, user("ana")); n != 1 || err != nil || dump(t, e) != "" {
		t.Errorf("%d, %v, %s", n, err, dump(t, e))
	}
}

func TestOthersAreTold(t *testing.T) {
	e := testenvs.Env(t, nil)
	before := testenvs.Generation(t, e, "trac.env.Environment._known_users")
	if err := session.Add(t.Context(), e, user("ana"), time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if testenvs.Generation(t, e, "trac.env.Environment._known_users") == before || testenvs.Generation(t, e, "trac.env.Environment._known_users_dict") < 0 {
		t.Error("Trac goes on with the users it knew")
	}
}
