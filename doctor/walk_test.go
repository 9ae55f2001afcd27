package doctor_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"projhost/access/ht"
	"projhost/dispatch"
	"projhost/doctor"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/project"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

const key = "a key of the test that nobody guesses"

// site is two projects at /trac of a web server that checks a password at
// .../login; front is what stands between it and the program.
func site(t *testing.T, listener gateway.Listener, front func(http.Handler) http.Handler) doctor.Target {
	t.Helper()
	parent := testenvs.Parent(t, "one", "zwei ü")
	log := slog.New(slog.DiscardHandler)
	host := dispatch.New(dispatch.Options{
		Registry:  testenvs.Registry(t, parent, envs.Options{Log: log}),
		Site:      project.NewSite(chrome.Module{}, wiki.Module{}),
		Settings:  map[string]string{"TRAC_ENV_PARENT_DIR": parent},
		DoctorKey: key, Log: log,
	})
	listener.Settings = map[string]string{gateway.SettingRoot: "/trac"}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := gateway.FromHTTP(&listener, r)
		if err != nil {
			gateway.Refuse(w, err)
			return
		}
		if name := r.Context().Value(userKey{}); name != nil {
			r = withVariables(t, r, gateway.Pair{Name: "REMOTE_USER", Value: name.(string)}, gateway.Pair{Name: "AUTH_TYPE", Value: "Basic"})
		}
		host.ServeHTTP(w, r)
	})
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			user, password, _ := r.BasicAuth()
			if user != "ana" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		}
		inner(w, r)
	})
	if front == nil {
		front = func(h http.Handler) http.Handler { return h }
	}
	srv := httptest.NewServer(front(guarded))
	t.Cleanup(srv.Close)
	return doctor.Target{
		URL: srv.URL + "/trac", Projects: []string{"one", "zwei ü"}, Page: "Größe/Übersicht", Key: key, User: "ana", Password: "secret",
	}
}

type userKey struct{}

// withVariables adds variables that plain HTTP cannot have.
func withVariables(t *testing.T, r *http.Request, more ...gateway.Pair) *http.Request {
	t.Helper()
	var pairs []gateway.Pair
	for name, value := range gateway.FromContext(r.Context()).All() {
		pairs = append(pairs, gateway.Pair{Name: name, Value: value})
	}
	v, err := gateway.New(&gateway.Listener{Settings: map[string]string{gateway.SettingRoot: "/trac"}}, append(pairs, more...))
	if err != nil {
		t.Error(err)
		return r
	}
	own, err := gateway.NewRequest(r.Context(), v, r.Body)
	if err != nil {
		t.Error(err)
		return r
	}
	return own
}

func TestWalkFindsNothingWrong(t *testing.T) {
	results := doctor.Walk(t.Context(), site(t, gateway.Listener{}, nil))
	if len(results) != len(doctor.Checks()) {
		t.Errorf("%d results of %d checks", len(results), len(doctor.Checks()))
	}
	for _, r := range results {
		if r.Problem != "" {
			t.Errorf("%s: %s", r.Check, r.Problem)
		}
	}
}

// TestWalkByDigest asks for a digest before the site does for a password.
func TestWalkByDigest(t *testing.T) {
	const realm = `a "realm" of \ its own`
	text := []byte("ana:" + realm + ":secret")
	for name, sum := range map[string]string{"MD5": fmt.Sprintf("%x", md5.Sum(text)), "SHA-256": fmt.Sprintf("%x", sha256.Sum256(text))} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users")
			if err := os.WriteFile(file, []byte("ana:"+realm+":"+sum+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			guard, err := ht.New(ht.Options{
				Rules: []ht.Rule{{Scheme: ht.Digest, Project: ht.Any, File: file, Realm: realm}},
				Where: func(r *http.Request) ht.Place {
					if strings.HasSuffix(r.URL.Path, "/login") {
						return ht.Place{Names: []string{"one"}, Path: "/login"}
					}
					return ht.Place{}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range doctor.Walk(t.Context(), site(t, gateway.Listener{}, func(next http.Handler) http.Handler {
				return guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if gateway.FromContext(r.Context()).RemoteUser() == "ana" {
						r.SetBasicAuth("ana", "secret")
					}
					next.ServeHTTP(w, r)
				}))
			})) {
				if r.Problem != "" {
					t.Errorf("%s: %s", r.Check, r.Problem)
				}
			}
		})
	}
}

// sabotage is something that a web server does wrong.
type sabotage struct {
	finds    string // the check, and
	says     string // a part of what it says
	listener gateway.Listener
	front    func(http.Handler) http.Handler
}

func sabotages() map[string]sabotage {
	change := func(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, h) })
		}
	}
	var turn atomic.Int64 // requests so far
	return map[string]sabotage{
		"a wrong key": {"doctor", "status 404", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del(doctor.Header)
			r.Header.Set(doctor.Header, "wrong")
			next.ServeHTTP(w, r)
		})},
		"an index without links": {"index", "no link", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path == "/trac/" {
				_, _ = io.WriteString(w, "It works!")
				return
			}
			next.ServeHTTP(w, r)
		})},
		"one project for another": {"project page", "was taken for", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			setPath(r, strings.Replace(r.URL.Path, "/trac/zwei ü/", "/trac/one/", 1))
			next.ServeHTTP(w, r)
		})},
		"a lost query": {"path and query", "arrived as", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasPrefix(r.URL.RawQuery, "a=1") {
				r.URL.RawQuery = "a=1"
				r.RequestURI = r.URL.RequestURI()
			}
			next.ServeHTTP(w, r)
		})},
		"a body cut short": {"upload", "came back", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.ContentLength > 1<<20 {
				body, _ := io.ReadAll(r.Body)
				r.ContentLength = 1 << 20
				r.Header.Set("Content-Length", strconv.Itoa(1<<20))
				r.Body = io.NopCloser(bytes.NewReader(body[:1<<20]))
			}
			next.ServeHTTP(w, r)
		})},
		"a form that is altered": {"form", "not the same", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www") {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(bytes.ToLower(body)))
			}
			next.ServeHTTP(w, r)
		})},
		"a download that is altered": {"download", "other ones", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/download") {
				_, _ = io.Copy(w, io.LimitReader(bytes.NewReader(make([]byte, 10<<20)), 10<<20))
				return
			}
			next.ServeHTTP(w, r)
		})},
		"a login that does not arrive": {"login", "was told of", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if user, _, _ := r.BasicAuth(); user == "ana" {
				setPath(r, strings.TrimSuffix(r.URL.Path, "/login")+"/wiki")
			}
			next.ServeHTTP(w, r)
		})},
		"a login that nobody checks": {"login", "instead of 401", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if user, _, _ := r.BasicAuth(); user == "ana" || strings.HasSuffix(r.URL.Path, "/login") {
				r.SetBasicAuth("ana", "secret")
			}
			next.ServeHTTP(w, r)
		})},
		"a claimed user": {"forged headers", "a password nobody checked", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if user, _, _ := r.BasicAuth(); user == "forged" {
				r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
			}
			next.ServeHTTP(w, r)
		})},
		"a scheme from anybody": {"https", "takes it for https", gateway.Listener{TrustAll: true}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Set("X-Forwarded-Proto", "https")
			next.ServeHTTP(w, r)
		})},
		"a redirect elsewhere": {"links and redirects", "instead of a redirect", gateway.Listener{}, elsewhere},
		"no validators": {"static files", "neither ETag", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, ".css") {
				w.Header().Set("Content-Type", "text/css")
				_, _ = io.WriteString(w, "body { margin: 0 } body { margin: 1px }")
				return
			}
			next.ServeHTTP(w, r)
		})},
		"no HEAD": {"HEAD", "status 405", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			next.ServeHTTP(w, r)
		})},
		"no answer to a slow request": {"abort", "status 502", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/slow") {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})},
		"answers of others": {"no mix-up", "answered by", gateway.Listener{}, change(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/wiki") && turn.Add(1) > 25 {
				setPath(r, "/trac/one/wiki")
			}
			next.ServeHTTP(w, r)
		})},
	}
}

// TestWalkFinds breaks one thing at a time; the check that is about it must say so.
func TestWalkFinds(t *testing.T) {
	for name, tt := range sabotages() {
		t.Run(name, func(t *testing.T) {
			results := doctor.Walk(t.Context(), site(t, tt.listener, tt.front))
			i := slices.IndexFunc(results, func(r doctor.Result) bool { return r.Check == tt.finds })
			if i < 0 || !strings.Contains(results[i].Problem, tt.says) {
				t.Errorf("%s should say %q: %v", tt.finds, tt.says, results)
			}
		})
	}
}

func setPath(r *http.Request, path string) {
	r.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	r.RequestURI = r.URL.RequestURI()
}

// elsewhere sends redirects to another path.
func elsewhere(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		if rec.Header().Get("Location") != "" {
			w.Header().Set("Location", "http://localhost/elsewhere")
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func TestAsk(t *testing.T) {
	target := site(t, gateway.Listener{}, nil)
	rep, err := doctor.Ask(t.Context(), target, "/zwei ü/login")
	if err != nil {
		t.Fatal(err)
	}
	if rep.User != "ana" || rep.AuthType != "Basic" || rep.Project.Name != "zwei ü" || rep.Project.Page != "/login" || rep.Script != "/trac" {
		t.Errorf("%+v", rep)
	}
	for _, v := range rep.Variables {
		if strings.Contains(v.Value, key) || strings.Contains(v.Value, "secret") || v.Name == "HTTP_AUTHORIZATION" && v.Value != "Basic (not shown)" {
			t.Errorf("%s=%s is shown", v.Name, v.Value)
		}
	}
	for _, bad := range []string{"", "trac", "ftp://localhost/", "http:///trac"} {
		target.URL = bad
		if _, err := doctor.Ask(t.Context(), target, "/"); err == nil {
			t.Errorf("%q was taken for a site", bad)
		}
	}
}

func TestAdvise(t *testing.T) {
	for name, tt := range map[string]struct {
		listener gateway.Listener
		pairs    []gateway.Pair
		want     string
	}{
		"two readings":    {gateway.Listener{}, []gateway.Pair{{Name: "SERVER_SOFTWARE", Value: "lighttpd/1.4"}}, "has two readings"},
		"untrusted proxy": {gateway.Listener{}, []gateway.Pair{{Name: "HTTP_X_FORWARDED_PROTO", Value: "https"}}, "add trust="},
		"untrusted host":  {gateway.Listener{}, []gateway.Pair{{Name: "HTTP_X_FORWARDED_HOST", Value: "other"}}, "X-Forwarded-Host says other"},
		"unused password": {gateway.Listener{}, []gateway.Pair{{Name: "HTTP_AUTHORIZATION", Value: "Digest x"}}, "nobody, though the visitor sent a password (Digest (not shown))"},
		"no kind of auth": {gateway.Listener{}, []gateway.Pair{{Name: "REMOTE_USER", Value: "ana"}}, "does not say how it knows"},
		"forged":          {gateway.Listener{}, []gateway.Pair{{Name: "HTTP_REMOTE_USER", Value: "ana"}}, "HTTP_REMOTE_USER came from the visitor"},
		"root":            {gateway.Listener{}, []gateway.Pair{{Name: gateway.SettingRoot, Value: "/"}}, "as stated by TRAC_URI_ROOT"},
	} {
		t.Run(name, func(t *testing.T) {
			pairs := append([]gateway.Pair{
				{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "REQUEST_URI", Value: "/a/wiki"}, {Name: "SCRIPT_NAME", Value: ""},
				{Name: "PATH_INFO", Value: "/a/wiki"}, {Name: "HTTP_HOST", Value: "localhost"}, {Name: "REMOTE_ADDR", Value: "192.0.2.1"},
			}, tt.pairs...)
			v, err := gateway.New(&tt.listener, pairs)
			if err != nil {
				t.Fatal(err)
			}
			r, err := gateway.NewRequest(t.Context(), v, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			rep := doctor.Examine(r, "id")
			rep.Advise()
			for _, f := range rep.Findings {
				if strings.Contains(f.Text+f.Change, tt.want) {
					return
				}
			}
			t.Errorf("nothing says %q: %v", tt.want, rep.Findings)
		})
	}
}
