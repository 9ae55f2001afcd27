package ajp_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"projhost/front/ajp"
	"projhost/front/gateway"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

// secured has a secret, as it must over TCP.
func secured() wiretest.Protocol {
	return wiretest.Protocol{Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
		return (&ajp.Server{Config: cfg, Secret: "s e c r e t"}).Serve(ctx, l)
	}}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRealServers has web servers that speak AJP in front, each as its
// documentation configures it.
func TestRealServers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, addr net.Addr) (url, script string){
		"Apache": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_ajp", fmt.Sprintf("ProxyPass / ajp://%s/ \"secret=s e c r e t\"\n", addr)), ""
		},
		"Apache below a prefix, asking first": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_ajp env", fmt.Sprintf(
				"SetEnv AJP_TRAC_URI_ROOT /trac\nProxyIOBufferSize 65536\nProxyPass /trac ajp://%s/trac \"secret=s e c r e t\" ping=1\n", addr)) + "/trac", "/trac"
		},
	} {
		t.Run(name, func(t *testing.T) {
			secured().Behind(t, listen(t), start).Check(t)
		})
	}
}

// TestApacheTells has what Apache tells besides the request: the user, an
// environment, its port; and what a visitor cannot make it tell.
func TestApacheTells(t *testing.T) {
	f := secured().StartTCP(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		fmt.Fprintf(w, "user=%q type=%q env=%q port=%v root=%q", v.RemoteUser(), v.Get("AUTH_TYPE"), v.Get("TRAC_ENV"),
			v.Get("REMOTE_PORT") != "", v.Get("TRAC_ENV_PARENT_DIR"))
	})})
	users := wiretest.Write(t, filepath.Join(t.TempDir(), "users"), "ana:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n") // of "test"
	wiretest.Reachable(t, users, 0o644)
	url := wiretest.Apache(t, "proxy proxy_ajp env auth_basic authn_core authn_file authz_user", fmt.Sprintf(`
ProxyPass / ajp://%s/ "secret=s e c r e t"
SetEnv AJP_TRAC_ENV "/srv/trac/one two"
<Location />
AuthType Basic
AuthName x
AuthBasicProvider file
AuthUserFile %s
Require valid-user
</Location>
`, f.Addr, users))
	r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("ana", "test")
	for _, name := range []string{"Remote-User", "Remote_user", "AJP_REMOTE_USER", "Ajp-Trac-Env", "TRAC_ENV_PARENT_DIR", "Trac-Env-Parent-Dir"} {
		r.Header[name] = []string{"forged"}
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := read(t, resp); got != `user="ana" type="Basic" env="/srv/trac/one two" port=true root=""` {
		t.Errorf("got %s", got)
	}
}

// TestWrongSecret: the visitor sees 403, the log says what to do.
func TestWrongSecret(t *testing.T) {
	f := secured().StartTCP(t, wire.Config{Handler: tell})
	url := wiretest.Apache(t, "proxy proxy_ajp", fmt.Sprintf("ProxyPass / ajp://%s/ secret=other\n", f.Addr))
	r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := read(t, resp); resp.StatusCode != 403 || got != "Forbidden\n" {
		t.Errorf("got %v %s", resp.Status, got)
	}
	f.Log.Has(t, "secret= of ProxyPass")
}

// TestUnixSocket needs no secret.
func TestUnixSocket(t *testing.T) {
	p := wiretest.Protocol{Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
		return (&ajp.Server{Config: cfg}).Serve(ctx, l)
	}}
	p.Behind(t, wiretest.ListenUnix(t), func(t *testing.T, addr net.Addr) (string, string) {
		return wiretest.Apache(t, "proxy proxy_ajp", fmt.Sprintf("ProxyPass / unix:%s|ajp://localhost/\n", addr)), ""
	}).Check(t)
}
