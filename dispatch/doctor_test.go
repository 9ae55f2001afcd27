package dispatch_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"projhost/dispatch"
	"projhost/doctor"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/project"
	"projhost/project/wiki"
	"projhost/testenvs"
)

const doctorKey = "0123456789abcdef"

// askDoctor asks a host whose doctor has the given key.
func askDoctor(t *testing.T, key string, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	parent := testenvs.Parent(t, "one")
	log := slog.New(slog.DiscardHandler)
	h := dispatch.New(dispatch.Options{
		Registry: testenvs.Registry(t, parent, envs.Options{Log: log}), Site: project.NewSite(wiki.Module{}),
		Settings: map[string]string{"TRAC_ENV_PARENT_DIR": parent}, DoctorKey: key, Log: log,
	})
	own, err := gateway.FromHTTP(&gateway.Listener{}, r)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, own)
	return w
}

func TestDoctorIsShut(t *testing.T) {
	for name, tt := range map[string]struct{ key, sent, path string }{
		"off":               {"", doctorKey, doctor.PathPage},
		"off, an empty key": {"", "", doctor.PathEcho},
		"off, a page":       {"", "", doctor.PathPage},
		"a wrong key":       {doctorKey, "wrong", doctor.PathEcho},
		"no key":            {doctorKey, "", doctor.PathDownload},
		"a prefix of it":    {doctorKey, doctorKey[:8], doctor.PathSlow},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.path, nil)
			if tt.sent != "" {
				r.Header.Set(doctor.Header, tt.sent)
			}
			if w := askDoctor(t, tt.key, r); w.Code != http.StatusNotFound {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}

func TestDoctorPage(t *testing.T) {
	post := func(key string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, doctor.PathPage, strings.NewReader(url.Values{"key": {key}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", "trac_auth=secretcookie")
		return r
	}
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
		has    []string
		not    string
	}{
		"asks":      {httptest.NewRequest(http.MethodGet, doctor.PathPage, nil), 200, []string{`type="password"`}, "HTTP_HOST"},
		"wrong key": {post("wrong"), 403, []string{"That is not the key."}, "HTTP_HOST"},
		"right key": {post(doctorKey), 200, []string{"HTTP_HOST", "What there is to say", "TRAC_ENV_PARENT_DIR", "the list of projects"}, "secretcookie"},
	} {
		t.Run(name, func(t *testing.T) {
			w := askDoctor(t, doctorKey, tt.r)
			body := w.Body.String()
			for _, s := range tt.has {
				if !strings.Contains(body, s) {
					t.Errorf("nothing says %q", s)
				}
			}
			if w.Code != tt.status || strings.Contains(body, tt.not) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, %v:\n%s", w.Code, w.Header(), body)
			}
		})
	}
}

func TestDoctorEndpoints(t *testing.T) {
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		answer             string
	}{
		"echo":             {"POST", doctor.PathEcho, "some bytes", 200, "some bytes"},
		"echo of nothing":  {"GET", doctor.PathEcho, "", 405, "POST"},
		"download":         {"GET", doctor.PathDownload + "?bytes=0", "", 200, ""},
		"too much":         {"GET", doctor.PathDownload + "?bytes=99999999999", "", 400, "at most"},
		"no number":        {"GET", doctor.PathDownload + "?bytes=x", "", 400, "at most"},
		"unknown":          {"GET", doctor.PathPage + "/nosuch", "", 404, "no such page"},
		"report of a page": {"GET", "/one/wiki", "", 200, `"page": "/wiki"`},
		"of no project":    {"GET", "/nosuch/wiki", "", 200, `"problem": "not found`},
		"of the index":     {"GET", "/", "", 200, "the list of projects"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set(doctor.Header, doctorKey)
			if w := askDoctor(t, doctorKey, r); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}
