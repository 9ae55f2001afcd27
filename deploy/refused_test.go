package deploy_test

import (
	"strings"
	"testing"

	"projhost/deploy"
)

// TestRefused holds what a way cannot do to its words: it is refused by the
// server's name, or written.
func TestRefused(t *testing.T) {
	noDigest := map[string]bool{"nginx": true, "caddy": true, "haproxy": true, "h2o": true, "uwsgi": true, "iis": true, "litespeed": true}
	noSend := map[string]bool{"haproxy": true, "h2o": true, "uwsgi": true, "iis": true, "litespeed": true}
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			o := deploy.Options{
				Dir: "/srv/deploy", Program: "/bin/projhost", Server: s.Name, Way: w.Name, Secret: "s",
				Mounts: []deploy.Mount{{Path: "/", Parent: "/srv/trac"}},
			}
			digest, send := o, o
			digest.Auth.Kind, send.XSendfile = deploy.AuthDigest, true
			why := w.NoAuth
			if why == "" && noDigest[s.Name] {
				why = "no digest authentication: give --auth basic and TLS"
			}
			refused(t, digest, why, s.Title, w.Name)
			why = ""
			if noSend[s.Name] {
				why = "cannot send files that projhost names"
			}
			refused(t, send, why, s.Title, w.Name)
		}
	}
}

// TestDigestRealm: what stands between quotes in a challenge, and as it is in a
// list of users, can have neither's special characters.
func TestDigestRealm(t *testing.T) {
	for _, realm := range []string{`a "b"`, `a:b`, `a\b`} {
		o := deploy.Options{
			Dir: "/srv/deploy", Program: "/bin/projhost", Server: "apache", Mounts: []deploy.Mount{{Path: "/", Parent: "/srv/trac"}},
			Auth: deploy.Auth{Kind: deploy.AuthDigest, Realm: realm},
		}
		refused(t, o, "for digest authentication it may hold no quote, colon or backslash", "realm")
		o.Auth.Kind = deploy.AuthBasic
		refused(t, o, "")
	}
	for realm, why := range map[string]string{"a $1": `may not hold "$1"`, "a %{b}": `may not hold "%{"`, "a $b %c": ""} {
		o := deploy.Options{
			Dir: "/srv/deploy", Program: "/bin/projhost", Server: "apache", Mounts: []deploy.Mount{{Path: "/", Parent: "/srv/trac"}},
			Auth: deploy.Auth{Kind: deploy.AuthDigest, Realm: realm},
		}
		refused(t, o, why)
		o.Auth.Kind = deploy.AuthBasic
		refused(t, o, "")
		o.Server, o.Auth.Kind = "lighttpd", deploy.AuthDigest
		refused(t, o, "")
	}
}

// TestNginxMountBesideFiles: a path of the site and files to be sent are both
// locations of nginx's.
func TestNginxMountBesideFiles(t *testing.T) {
	for path, why := range map[string]string{
		"/srv/real": "cannot send files of the directory /srv/real", "/srv/real/x": "cannot send files", "/srv/trac": "", "/srv/realm": "", "/": "",
	} {
		o := deploy.Options{
			Dir: "/srv/deploy", Program: "/bin/projhost", Server: "nginx", XSendfile: true,
			Mounts: []deploy.Mount{{Path: path, Parent: "/srv/trac", Real: "/srv/real"}},
		}
		refused(t, o, why)
		o.XSendfile = false
		refused(t, o, "")
	}
}

// refused wants a plan's error to hold all texts, or none if why is empty.
func refused(t *testing.T, o deploy.Options, why string, texts ...string) {
	t.Helper()
	_, err := deploy.Plan(o)
	if why == "" {
		if err != nil {
			t.Errorf("%s %s: %v", o.Server, o.Way, err)
		}
		return
	}
	for _, text := range append(texts, why) {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s %s: %v, want it refused with %q", o.Server, o.Way, err, text)
		}
	}
}
