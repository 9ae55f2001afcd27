package gateway_test

import (
	"context"
	"testing"

	"projhost/front/gateway"
)

func TestWithUser(t *testing.T) {
	for _, c := range []struct {
		name  string
		pairs []gateway.Pair
		user  string
		want  string
		kind  string
	}{
		{"nobody was named", nil, "ana", "ana", "Basic"},
		{"an empty variable names nobody", []gateway.Pair{{Name: "REMOTE_USER"}, {Name: "AUTH_TYPE", Value: "x"}}, "ana", "ana", "Basic"},
		{"the web server's name stands", []gateway.Pair{{Name: "REMOTE_USER", Value: "bob"}, {Name: "AUTH_TYPE", Value: "Negotiate"}}, "ana", "bob", "Negotiate"},
		{"no name", nil, "", "", ""},
		{"a name with a line break", nil, "a\nb", "", ""},
	} {
		pairs := append(c.pairs, gateway.Pair{Name: "SCRIPT_NAME", Value: "/trac"}, gateway.Pair{Name: "PATH_INFO", Value: "/one"},
			gateway.Pair{Name: "HTTP_HOST", Value: "h.example"}, gateway.Pair{Name: "X", Value: "y"})
		v, err := gateway.New(&gateway.Listener{Settings: map[string]string{"S": "t"}}, pairs)
		if err != nil {
			t.Fatal(err)
		}
		before := gateway.NewContext(context.Background(), v)
		got := gateway.FromContext(gateway.WithUser(before, c.user, "Basic"))
		if got.RemoteUser() != c.want || got.Get("AUTH_TYPE") != c.kind {
			t.Errorf("%s: %q by %q, want %q by %q", c.name, got.RemoteUser(), got.Get("AUTH_TYPE"), c.want, c.kind)
		}
		if got.Script() != "/trac" || got.Get("X") != "y" || got.Get("HTTP_HOST") != "h.example" || got.Get("PATH_INFO") != "/one" || got.Setting("S") != "t" {
			t.Errorf("%s: another variable was changed", c.name)
		}
		if now := gateway.FromContext(before); now.RemoteUser() != v.RemoteUser() {
			t.Errorf("%s: the variables that came were changed", c.name)
		}
		seen := 0
		for name := range got.All() {
			if name == "REMOTE_USER" {
				seen++
			}
		}
		if seen > 1 {
			t.Errorf("%s: REMOTE_USER is there %d times", c.name, seen)
		}
	}
	if got := gateway.FromContext(gateway.WithUser(context.Background(), "ana", "Basic")).RemoteUser(); got != "ana" {
		t.Errorf("without variables: %q", got)
	}
}
