package try_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"projhost/deploy"
)

// TestApacheTCP reaches projhost over TCP.
func TestApacheTCP(t *testing.T) {
	for _, way := range []string{"proxy_fcgi", "proxy_scgi", "proxy_uwsgi", "wsgi"} {
		t.Run(way, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			o.Server, o.Way, o.Mounts, o.Listen = "apache", way, b.mounts()["several"], port(t)
			tame(t, &o)
			s := b.start(t, o, true)
			for _, m := range o.Mounts {
				s.pages(m)
			}
		})
	}
}

// TestRestarts restarts projhost and the web server in turn: neither keeps
// anything of the other that has gone.
func TestRestarts(t *testing.T) {
	for _, c := range []deploy.Choice{
		{Server: "apache", Way: "proxy_fcgi"}, {Server: "apache", Way: "proxy_http"}, {Server: "apache", Way: "fcgid"},
		{Server: "apache", Way: "wsgi"}, {Server: "lighttpd", Way: "fastcgi"}, {Server: "lighttpd", Way: "fastcgi_spawn"},
	} {
		t.Run(c.Server+" "+c.Way, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			o.Server, o.Way, o.Mounts = c.Server, c.Way, b.mounts()["prefix"]
			tame(t, &o)
			s := b.start(t, o, true)
			s.pages(o.Mounts[0])
			for _, which := range []string{"host", "web", "host"} {
				if err := s.Restart(context.Background(), which); err != nil {
					t.Fatal(which, err)
				}
				s.pages(o.Mounts[0])
			}
		})
	}
}

// TestDigest signs in by a digest of the password (RFC 7616 section 3.4, MD5).
func TestDigest(t *testing.T) {
	for _, c := range []deploy.Choice{{Server: "apache", Way: "proxy_fcgi"}, {Server: "lighttpd", Way: "fastcgi"}} {
		t.Run(c.Server, func(t *testing.T) {
			const realm = "the projects"
			b := newBench(t)
			ha1 := sum("verena:" + realm + ":geheim")
			b.write(t, "auth/users.htdigest", "verena:"+realm+":"+ha1+"\n")
			letIn(t, b.dir)
			o := b.options(t)
			b.echoing(t, &o)
			o.Server, o.Way, o.Mounts = c.Server, c.Way, []deploy.Mount{{Path: "/trac", Parent: b.parent}}
			o.Auth = deploy.Auth{Kind: deploy.AuthDigest, Realm: realm}
			tame(t, &o)
			s := b.start(t, o, false)
			const path = "/trac/one/login"
			code, _, h := s.get(path)
			var asked []string
			for _, v := range h.Values("Www-Authenticate") {
				if strings.Contains(v, "MD5") && !strings.Contains(v, "MD5-") || !strings.Contains(v, "algorithm") {
					asked = append(asked, v)
				}
			}
			if code != 401 || len(asked) == 0 {
				t.Fatalf("status %d, %q", code, h)
			}
			nonce := regexp.MustCompile(`nonce="([^"]*)"`).FindStringSubmatch(asked[0])
			if nonce == nil || !strings.Contains(asked[0], `realm="`+realm+`"`) {
				t.Fatalf("%q", asked)
			}
			answer := func(ha1 string) string {
				r := sum(ha1 + ":" + nonce[1] + ":00000001:0a4f113b:auth:" + sum("GET:"+path))
				return fmt.Sprintf(`Authorization: Digest username="verena", realm="%s", nonce="%s", uri="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="0a4f113b", response="%s"`, realm, nonce[1], path, r)
			}
			if code, _, _ := s.get(path, answer(sum("verena:"+realm+":falsch"))); code != 401 {
				t.Errorf("a wrong password: status %d", code)
			}
			s.arrives(path, map[string]string{"REMOTE_USER": "verena", "AUTH_TYPE": "Digest"}, "/one/login", answer(ha1))
		})
	}
}

func sum(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// TestTwoApacheSites has two plans in one Apache: neither hears of the other's settings.
func TestTwoApacheSites(t *testing.T) {
	b := newBench(t)
	first, second := b.options(t), b.options(t)
	b.echoing(t, &first)
	first.Server, first.Way, first.Domain = "apache", "proxy_fcgi", "127.0.0.1"
	first.Mounts, first.LCTime = []deploy.Mount{{Path: "/trac", Env: b.alone}}, "ru_RU"
	first.Auth = deploy.Auth{Kind: deploy.AuthBasic, All: true}
	tame(t, &first)
	second.Server, second.Way, second.Domain, second.Address = "apache", "proxy_fcgi", "second.example", first.Address
	second.Dir, second.Mounts = first.Dir+" 2", []deploy.Mount{{Path: "/trac", Parent: b.parent}}
	tame(t, &second)
	plan, err := deploy.Plan(second)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range plan.Files {
		if f.Path == plan.Config { // one line of that is enough
			plan.Files[i].Text = strings.Replace(f.Text, "Listen "+first.Address+"\n", "", 1)
		}
	}
	if _, err := deploy.Write(second.Dir, plan.Files, deploy.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	letIn(t, second.Dir)
	s := b.start(t, first, false)
	link := filepath.Join(b.work, "second.conf")
	if err := os.Symlink(filepath.Join(second.Dir, plan.Config), link); err != nil {
		t.Fatal(err)
	}
	main, err := os.OpenFile(filepath.Join(b.work, "apache.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(main, "Include %q\n", link)
	if err := errors.Join(err, main.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(context.Background(), "web"); err != nil {
		t.Fatal(err)
	}
	for range 20 { // more than one of Apache's connections, in turn
		s.arrives("/trac/wiki", map[string]string{"TRAC_ENV": b.alone, "TRAC_ENV_PARENT_DIR": "", "LC_TIME": "ru_RU", "REMOTE_USER": "verena"}, "/wiki", basic("verena", "geheim"))
		r, err := http.NewRequest(http.MethodGet, s.URL+"/trac/one/wiki", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "second.example"
		resp, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var e echoed
		if err := errors.Join(json.NewDecoder(resp.Body).Decode(&e), resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if e.Vars["TRAC_ENV"] != "" || e.Vars["TRAC_ENV_PARENT_DIR"] != b.parent || e.Vars["LC_TIME"] != "" || e.Vars["REMOTE_USER"] != "" || e.Path != "/one/wiki" {
			t.Errorf("the second site: %+v", e)
		}
	}
	if code, _, _ := s.get("/trac/wiki"); code != 401 {
		t.Errorf("the first site without a password: status %d", code)
	}
}

// TestApacheCGI runs a program in projhost's place for each request, which says
// what it was called with.
func TestApacheCGI(t *testing.T) {
	b := newBench(t)
	o := b.options(t)
	o.Program = filepath.Join(b.work, "says")
	text := "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nprintf '%s\\n' \"$*\" \"at $TRAC_URI_ROOT below $SCRIPT_NAME: $PATH_INFO by $REMOTE_USER. with $HTTP_AUTHORIZATION.\"\n"
	if err := errors.Join(os.WriteFile(o.Program, []byte(text), 0o600), os.Chmod(o.Program, 0o755)); err != nil {
		t.Fatal(err)
	}
	o.Server, o.Way, o.Mounts, o.Auth = "apache", "cgid", b.mounts()["several"], deploy.Auth{Kind: deploy.AuthBasic}
	tame(t, &o)
	s := b.start(t, o, true)
	s.has("/one/wiki", 200, []string{"cgi --env-parent-dir " + b.parent + "\n", "at / below : /one/wiki by . with ."}, basic("verena", "geheim"))
	s.has("/alone/wiki/100%25%2541", 200, []string{"cgi --env " + b.alone + "\n", "at /alone below /alone: /wiki/100%%41 by ."})
	s.has("/x%20y/%C3%BC/one/login", 401, nil)
	s.has("/x%20y/%C3%BC/one/login", 200, []string{"at /x y/ü below /x y/ü: /one/login by verena. with ."}, basic("verena", "geheim"))
	s.has("/alone/chrome/common/css/trac.css", 200, []string{"from disk"})
}
