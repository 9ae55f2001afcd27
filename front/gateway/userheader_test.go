package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"projhost/front/gateway"
)

func TestUserHeader(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // httptest's peer is 192.0.2.1
	for name, tt := range map[string]struct {
		listener gateway.Listener
		header   http.Header
		want     string
		refused  bool
	}{
		"trusted":               {gateway.Listener{UserHeader: "X-Remote-User", Trusted: trusted}, http.Header{"X-Remote-User": {"ana"}}, "ana", false},
		"told in another case":  {gateway.Listener{UserHeader: "x-remote-user", TrustAll: true}, http.Header{"X-Remote-User": {"ana"}}, "ana", false},
		"not trusted":           {gateway.Listener{UserHeader: "X-Remote-User", Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, http.Header{"X-Remote-User": {"ana"}}, "", false},
		"nobody trusted":        {gateway.Listener{UserHeader: "X-Remote-User"}, http.Header{"X-Remote-User": {"ana"}}, "", false},
		"no such option":        {gateway.Listener{TrustAll: true}, http.Header{"X-Remote-User": {"ana"}}, "", false},
		"an alias":              {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true}, http.Header{"X_remote_user": {"ana"}, "X-Remote_user": {"ana"}}, "", false},
		"twice":                 {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true}, http.Header{"X-Remote-User": {"ana", "bo"}}, "", true},
		"empty":                 {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true}, http.Header{"X-Remote-User": {""}}, "", false},
		"another's header":      {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true}, http.Header{"Remote-User": {"ana"}}, "", false},
		"with a domain":         {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true, StripDomain: true}, http.Header{"X-Remote-User": {`CORP\ana`}}, "ana", false},
		"a domain that is kept": {gateway.Listener{UserHeader: "X-Remote-User", TrustAll: true}, http.Header{"X-Remote-User": {`CORP\ana`}}, `CORP\ana`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for n, v := range tt.header {
				r.Header[n] = v
			}
			own, err := gateway.FromHTTP(&tt.listener, r)
			if (err != nil) != tt.refused {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			v := gateway.FromContext(own.Context())
			if v.RemoteUser() != tt.want || (v.Get("AUTH_TYPE") != "") != (tt.want != "") {
				t.Errorf("%q by %q, want %q", v.RemoteUser(), v.Get("AUTH_TYPE"), tt.want)
			}
			if tt.listener.UserHeader != "" && own.Header.Get("X-Remote-User") != "" {
				t.Error("the header is still there")
			}
		})
	}
}

func TestStripUser(t *testing.T) {
	for _, tt := range []struct {
		sent          string
		domain, realm bool
		want          string
	}{
		{`CORP\ana`, true, false, "ana"},
		{`A\B\ana`, true, false, "ana"},
		{`CORP\ana`, false, true, `CORP\ana`},
		{"ana@CORP.EXAMPLE", false, true, "ana"},
		{"ana@home@CORP", false, true, "ana@home"},
		{"ana@CORP", true, false, "ana@CORP"},
		{`CORP\ana@CORP`, true, true, "ana"},
		{`CORP\`, true, true, ""},
		{"@CORP", true, true, ""},
		{"ana", true, true, "ana"},
	} {
		l := gateway.Listener{StripDomain: tt.domain, StripRealm: tt.realm}
		v, err := gateway.New(&l, []gateway.Pair{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "PATH_INFO", Value: "/"}, {Name: "REMOTE_USER", Value: tt.sent}})
		if err != nil {
			t.Fatal(err)
		}
		if got := v.RemoteUser(); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.sent, got, tt.want)
		}
	}
}
