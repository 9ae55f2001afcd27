package try_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/deploy"
)

// TestArrivesByApacheAndLighttpd is TestArrives for servers that may start the
// program themselves, as another user.
func TestArrivesByApacheAndLighttpd(t *testing.T) {
	for _, c := range []struct {
		deploy.Choice
		spawned bool
	}{
		{deploy.Choice{Server: "apache", Way: "proxy_fcgi"}, false},
		{deploy.Choice{Server: "apache", Way: "proxy_scgi"}, false},
		{deploy.Choice{Server: "apache", Way: "proxy_uwsgi"}, false},
		{deploy.Choice{Server: "apache", Way: "proxy_http"}, false},
		{deploy.Choice{Server: "apache", Way: "wsgi"}, false},
		{deploy.Choice{Server: "apache", Way: "fcgid"}, true},
		{deploy.Choice{Server: "apache", Way: "htaccess"}, true},
		{deploy.Choice{Server: "lighttpd", Way: "fastcgi"}, false},
		{deploy.Choice{Server: "lighttpd", Way: "fastcgi_spawn"}, true},
		{deploy.Choice{Server: "lighttpd", Way: "scgi"}, false},
		{deploy.Choice{Server: "lighttpd", Way: "http"}, false},
	} {
		t.Run(c.Server+" "+c.Way, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			b.echoing(t, &o)
			o.Server, o.Way, o.Mounts = c.Server, c.Way, []deploy.Mount{{Path: "/", Env: b.alone}, {Path: "/x y/ü", Parent: b.parent}, {Path: "/p", Env: b.alone}}
			b.copySelf(t, o.Program)
			tame(t, &o)
			if !strings.HasSuffix(c.Way, "http") {
				o.Auth.Kind = deploy.AuthBasic
				if !c.spawned {
					o.LCTime = "ru_RU"
				}
			}
			s := b.start(t, o, false)
			told := func(env, parent, root string) map[string]string {
				want := map[string]string{"TRAC_URI_ROOT": root, "scheme": "http", "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "", "AUTH_TYPE": "", "LC_TIME": o.LCTime}
				if !c.spawned { // the script has them in its arguments
					want["TRAC_ENV"], want["TRAC_ENV_PARENT_DIR"] = env, parent
				}
				return want
			}
			s.arrives("/x%20y/%C3%BC/one/wiki/A%20b?x=%20y", told("", b.parent, "/x y/ü"), "/one/wiki/A b")
			s.arrives("/x%20y/%C3%BC/one/wiki/100%25%2541", told("", b.parent, "/x y/ü"), "/one/wiki/100%%41")
			s.arrives("/p/wiki/what%3Fis", told(b.alone, "", "/p"), "/wiki/what?is")
			s.arrives("/wiki", told(b.alone, "", "/"), "/wiki")
			s.arrives("/paper", told(b.alone, "", "/"), "/paper")
			for _, header := range []string{"Remote-User", "Remote_User", "X-Remote-User", "X_Remote_User", "X-Remote_User", "X_Remote-User"} {
				want := told(b.alone, "", "/p")
				want["HTTP_X_REMOTE_USER"] = ""
				if strings.HasSuffix(c.Way, "http") {
					s.arrives("/p/wiki", want, "/wiki", header+": mallory")
				} else {
					delete(want, "HTTP_X_REMOTE_USER") // it is no name of a user there
					s.arrives("/p/wiki", want, "/wiki", header+": mallory")
				}
			}
			if o.Auth.Kind != "" {
				s.arrives("/p/wiki", told(b.alone, "", "/p"), "/wiki", basic("verena", "geheim"))
				want := map[string]string{"REMOTE_USER": "verena", "AUTH_TYPE": "Basic"}
				if c.Way != "proxy_uwsgi" {
					want["HTTP_AUTHORIZATION"] = ""
				}
				s.arrives("/p/login", want, "/login", basic("verena", "geheim"))
				s.arrives("/x%20y/%C3%BC/one/login", want, "/one/login", basic("verena", "geheim"))
			}
			s.upload("/p/wiki")
		})
	}
}

// copySelf puts the echoing program where other users may run it.
func (b bench) copySelf(t *testing.T, script string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(b.work, "own")
	if err := os.WriteFile(own, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\nTRY_ECHO=1 exec '"+own+"' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
}
