package try_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"projhost/deploy"
	"projhost/front"
	"projhost/front/gateway"
	"projhost/front/wire"
)

// echoed is what the echoing program says of a request.
type echoed struct {
	Vars   map[string]string
	Host   string
	Path   string
	Length int64
	Sum    string // SHA-256 of the body
}

// echo stands in for projhost: it listens as "serve" does and answers each
// request with what arrived, or with a header that lets the web server send the
// file that the query names.
func echo(args []string) error {
	var addrs []front.Addr
	for i, arg := range args {
		if arg != "--listen" {
			continue
		}
		// The header itself is looked at here, so it is left as it is.
		where, options, _ := strings.Cut(args[i+1], "?")
		q, err := url.ParseQuery(options)
		if err != nil {
			return err
		}
		q.Del("user-header")
		a, err := front.ParseAddr(where + "?" + q.Encode())
		if err != nil {
			return err
		}
		addrs = append(addrs, a)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := front.Options{Limits: wire.Limits{MaxBody: 256 << 20}, Ready: func([]net.Addr) { fmt.Println("msg=ready") }}
	return front.Serve(ctx, http.HandlerFunc(answer), o, addrs...)
}

func answer(w http.ResponseWriter, r *http.Request) {
	if file := r.URL.Query().Get("send"); file != "" {
		w.Header().Set(r.URL.Query().Get("by"), file)
		_, _ = io.WriteString(w, "not sent by the web server")
		return
	}
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v := gateway.FromContext(r.Context())
	e := echoed{Vars: map[string]string{}, Host: r.Host, Path: r.URL.Path, Length: n, Sum: hex.EncodeToString(h.Sum(nil))}
	for _, name := range []string{
		"TRAC_ENV", "TRAC_ENV_PARENT_DIR", "TRAC_URI_ROOT", "LC_TIME", "REMOTE_USER", "AUTH_TYPE", "REQUEST_ID",
		"HTTP_AUTHORIZATION", "HTTP_X_REMOTE_USER", "REQUEST_URI", "SCRIPT_NAME", "PATH_INFO",
	} {
		if s := v.Get(name); s != "" {
			e.Vars[name] = s
		}
		if s := v.Setting(name); s != "" {
			e.Vars[name] = s
		}
	}
	e.Vars["REMOTE_ADDR"], _, _ = net.SplitHostPort(r.RemoteAddr)
	e.Vars["scheme"] = v.Scheme()
	_ = json.NewEncoder(w).Encode(e) // the test sees what is missing
}

// echoing replaces the program by one that echoes.
func (b bench) echoing(t *testing.T, o *deploy.Options) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Program = filepath.Join(b.work, "echo")
	text := "#!/bin/sh\nTRY_ECHO=1 exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(o.Program, []byte(text), 0o700); err != nil { //nolint:gosec // a script
		t.Fatal(err)
	}
}

// ways that are tried with the echoing program.
func echoWays() []deploy.Choice {
	return []deploy.Choice{
		{Server: "nginx", Way: "fastcgi"}, {Server: "nginx", Way: "scgi"}, {Server: "nginx", Way: "uwsgi"}, {Server: "nginx", Way: "http"},
		{Server: "caddy", Way: "fastcgi"}, {Server: "caddy", Way: "http"},
		{Server: "haproxy", Way: "fastcgi"}, {Server: "haproxy", Way: "http"},
		{Server: "h2o", Way: "fastcgi"}, {Server: "h2o", Way: "http"},
		{Server: "uwsgi", Way: "uwsgi"},
	}
}

// TestArrives looks at what reaches the program: settings, the user, the scheme,
// the address, and a large body byte for byte.
func TestArrives(t *testing.T) {
	for _, c := range echoWays() {
		t.Run(c.Server+" "+c.Way, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			b.echoing(t, &o)
			o.Server, o.Way, o.Mounts = c.Server, c.Way, []deploy.Mount{{Path: "/x y/ü", Parent: b.parent}, {Path: "/p", Env: b.alone}}
			o.TLSCert = filepath.Join(b.dir, "site.pem")
			b.write(t, "site.pem", certificate(t, "127.0.0.1"))
			if c.Way != "http" {
				o.LCTime = "ru_RU"
				o.Auth.Kind = deploy.AuthBasic
			}
			s := b.start(t, o, false)
			s.arrives("/x%20y/%C3%BC/one/wiki/A%20b?x=%20y", map[string]string{
				"TRAC_ENV_PARENT_DIR": b.parent, "TRAC_URI_ROOT": "/x y/ü", "scheme": "https", "REMOTE_ADDR": "127.0.0.1",
				"REQUEST_URI": "/x%20y/%C3%BC/one/wiki/A%20b?x=%20y", "TRAC_ENV": "", "REMOTE_USER": "", "AUTH_TYPE": "",
			}, "/one/wiki/A b")
			s.arrives("/p/wiki", map[string]string{"TRAC_ENV": b.alone, "TRAC_URI_ROOT": "/p", "TRAC_ENV_PARENT_DIR": ""}, "/wiki")
			if o.LCTime != "" {
				user := "verena"
				s.arrives("/p/wiki", map[string]string{"LC_TIME": "ru_RU", "REMOTE_USER": ""}, "/wiki", basic(user, "geheim"))
				want := map[string]string{"REMOTE_USER": user}
				if c.Server != "h2o" && c.Server != "uwsgi" {
					want["HTTP_AUTHORIZATION"] = ""
				}
				s.arrives("/p/login", want, "/login", basic(user, "geheim"))
				s.arrives("/x%20y/%C3%BC/one/login", want, "/one/login", basic(user, "geheim"))
			}
			s.upload("/p/wiki")
		})
	}
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// arrives asks for a path and compares what the program got.
func (s site) arrives(path string, want map[string]string, below string, headers ...string) {
	s.Helper()
	code, body, _ := s.get(path, append(headers, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher", "Proxy: x")...)
	var e echoed
	if err := json.Unmarshal([]byte(body), &e); err != nil || code != 200 {
		s.Errorf("%s: status %d, %v: %s", path, code, err, head(body))
		return
	}
	for name, value := range want {
		if got := e.Vars[name]; got != value {
			s.Errorf("%s: %s is %q, want %q", path, name, got, value)
		}
	}
	if e.Path != below || e.Host != s.Options.Address {
		s.Errorf("%s: path %q, host %q, want %q, %q", path, e.Path, e.Host, below, s.Options.Address)
	}
}

// upload sends ten megabytes, with their length and without. The latter may be
// refused, but not cut short.
func (s site) upload(path string) {
	s.Helper()
	body := make([]byte, 10<<20)
	_, _ = rand.Read(body) // never fails
	want := sha256.Sum256(body)
	for name, r := range map[string]io.Reader{"upload": bytes.NewReader(body), "upload in chunks": io.MultiReader(bytes.NewReader(body))} {
		resp, err := s.client.Post(s.URL+path, "application/octet-stream", r)
		if err != nil && name != "upload" {
			s.Logf("%s: refused: %v", name, err)
			continue
		}
		if err != nil {
			s.Errorf("%s: %v", name, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if name != "upload" && resp.StatusCode >= 400 {
			s.Logf("%s: refused with %d", name, resp.StatusCode)
			continue
		}
		var e echoed
		if err := errors.Join(err, json.Unmarshal(text, &e)); err != nil || e.Sum != hex.EncodeToString(want[:]) {
			s.Errorf("%s: status %d, %d of %d bytes, %v: %s", name, resp.StatusCode, e.Length, len(body), err, head(string(text)))
		}
	}
}

// TestUserHeader looks at the header by which a reverse proxy names the user:
// only where it has asked for a password, and never as a visitor sends it.
func TestUserHeader(t *testing.T) {
	for _, server := range []string{"nginx", "caddy", "haproxy"} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s everywhere=%v", server, all), func(t *testing.T) {
				b := newBench(t)
				o := b.options(t)
				b.echoing(t, &o)
				o.Server, o.Way, o.Mounts = server, "http", []deploy.Mount{{Path: "/x y/ü", Parent: b.parent}, {Path: "/p", Env: b.alone}}
				o.Auth = deploy.Auth{Kind: deploy.AuthBasic, All: all}
				s := b.start(t, o, false)
				nobody := map[string]string{"HTTP_X_REMOTE_USER": "", "REMOTE_USER": ""}
				verena := map[string]string{"HTTP_X_REMOTE_USER": "verena", "HTTP_AUTHORIZATION": ""}
				forged := []string{"X-Remote-User: mallory", "X_Remote_User: mallory", "x-remote-user: mallory", "X-remote_user: mallory", "Remote-User: mallory"}
				for _, at := range []struct{ path, below string }{{"/x%20y/%C3%BC/one", "/one"}, {"/p", ""}} {
					page := at.path + "/wiki"
					if all {
						s.arrives(page, verena, at.below+"/wiki", append(forged, basic("verena", "geheim"))...)
						s.has(page, 401, nil, append(forged, basic("verena", "falsch"))...)
						s.has(page, 401, nil, forged...)
					} else {
						s.arrives(page, nobody, at.below+"/wiki", forged...)
						s.arrives(page, nobody, at.below+"/wiki", append(forged, basic("verena", "falsch"))...)
					}
					s.arrives(at.path+"/login", verena, at.below+"/login", append(forged, basic("verena", "geheim"))...)
					s.has(at.path+"/login", 401, nil, forged...)
				}
			})
		}
	}
}

// TestSendfile lets projhost name files for the web server to send: of the
// environments' own, and no others.
func TestSendfile(t *testing.T) {
	for _, c := range []struct {
		server, way, header string
		patterns            bool // it knows which files of an environment may be sent
	}{
		{"nginx", "fastcgi", "X-Accel-Redirect", true}, {"nginx", "http", "X-Accel-Redirect", true},
		{"caddy", "fastcgi", "X-Sendfile", true}, {"caddy", "http", "X-Sendfile", true},
		{"apache", "proxy_fcgi", "X-Sendfile", false}, {"apache", "proxy_http", "X-Sendfile", false},
		{"lighttpd", "fastcgi", "X-Sendfile", false}, {"lighttpd", "scgi", "X-Sendfile", false}, {"lighttpd", "http", "X-Sendfile", false},
	} {
		t.Run(c.server+" "+c.way, func(t *testing.T) {
			b := newBench(t)
			// A path is a URL there, so what means something in one is not for names.
			b.parent = filepath.Join(b.work, "it's a $dir; #1 (проект)")
			own := filepath.Join(b.parent, "one", "files", "attachments", "wiki", "ab", "abc.txt")
			inner := []string{filepath.Join(b.parent, "one", "conf", "trac.ini"), filepath.Join(b.parent, "one", "htdocs", ".hid")}
			outer := []string{filepath.Join(b.work, "htdocs", "x"), b.parent + "2/one/htdocs/x", filepath.Join(b.dir, "elsewhere")}
			texts := map[string]string{own: "attached"}
			for _, name := range append(inner, outer...) {
				texts[name] = "secret"
			}
			for name, text := range texts {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			letIn(t, b.work)
			o := b.options(t)
			b.echoing(t, &o)
			letIn(t, b.dir)
			if err := os.Chmod(o.Program, 0o755); err != nil {
				t.Fatal(err)
			}
			o.Server, o.Way, o.XSendfile, o.Mounts = c.server, c.way, true, []deploy.Mount{{Path: "/", Parent: b.parent}}
			tame(t, &o)
			s := b.start(t, o, true)
			ask := func(file string) (int, string, http.Header) {
				if c.header == "X-Accel-Redirect" { // that is a URL
					file = escaped(file)
				}
				return s.get("/one/x?by=" + c.header + "&send=" + escaped(file))
			}
			if code, body, h := ask(own); code != 200 || body != "attached" || h.Get(c.header) != "" {
				t.Errorf("an attachment: status %d, %q, %v", code, head(body), h)
			}
			bad := append(outer, "/etc/passwd", b.parent+"/one/files/../../../../../../../../etc/passwd", b.parent+"/../htdocs/x")
			if c.patterns {
				bad = append(append(bad, inner...), b.parent+"/one/htdocs/../conf/trac.ini")
			}
			for _, name := range bad {
				code, body, h := ask(name)
				if strings.Contains(body, "secret") || strings.Contains(body, "root:") || h.Get(c.header) != "" {
					t.Errorf("%s: status %d, %q, %v", name, code, head(body), h)
				}
			}
			if code, body, _ := s.get(escaped(own)); code != 404 && !strings.Contains(body, `"Path"`) || strings.Contains(body, "attached") {
				t.Errorf("asked for by a visitor: status %d, %q", code, head(body))
			}
		})
	}
}
