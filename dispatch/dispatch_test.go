package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"projhost/dispatch"
	"projhost/internal/fault"
	"projhost/project"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

// newHost is a host with the usual modules and more.
func newHost(t *testing.T, settings map[string]string, more []project.Module, names ...string) *testenvs.Host {
	t.Helper()
	return testenvs.NewHost(t, settings, append(more, chrome.Module{}, wiki.Module{}), names...)
}

func nowhere() map[string]string { return map[string]string{} }

func TestWhoTellsWins(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings map[string]string
		vars     []string
		path     string
		status   int
		env      string // whose canary is in the answer
		log      string // what the operator reads
	}{
		{"the process names a parent", nil, nil, "/one/wiki", 200, "one", ""},
		{"the process names an environment", map[string]string{"TRAC_ENV": "@P/two"}, nil, "/wiki", 200, "two", ""},
		{"the request names an environment", nil, []string{"TRAC_ENV=@P/two"}, "/wiki", 200, "two", ""},
		{"the request names it in Trac's spelling", nowhere(), []string{"trac.env_path=@P/two"}, "/wiki", 200, "two", ""},
		{"the request's parent outweighs the process's environment", map[string]string{"TRAC_ENV": "@P/two"}, []string{"TRAC_ENV_PARENT_DIR=@P"}, "/one/wiki", 200, "one", ""},
		{"the request's parent in Trac's spelling", nowhere(), []string{"trac.env_parent_dir=@P"}, "/one/wiki", 200, "one", ""},
		{"an empty variable tells nothing", nil, []string{"TRAC_ENV="}, "/one/wiki", 200, "one", ""},
		{"both spellings say the same", nowhere(), []string{"TRAC_ENV=@P/one", "trac.env_path=@P/one"}, "/wiki", 200, "one", ""},
		{"both spellings say different things", nowhere(), []string{"TRAC_ENV=@P/one", "trac.env_path=@P/two"}, "/wiki", 500, "", "says both TRAC_ENV"},
		{"an environment and a parent", nowhere(), []string{"TRAC_ENV=@P/one", "TRAC_ENV_PARENT_DIR=@P"}, "/wiki", 500, "", "both an environment and a parent"},
		{"nobody tells", nowhere(), nil, "/wiki", 500, "", "no environment is named"},
		{"outside the roots", nil, []string{"TRAC_ENV=/etc"}, "/wiki", 500, "", "--allow-root"},
		{"a header tells nothing", nil, []string{"HTTP_TRAC_ENV=@P/two"}, "/one/wiki", 200, "one", ""},
		{"a base URL that is none", nil, []string{"TRAC_BASE_URL=javascript:x"}, "/one/wiki", 500, "", "TRAC_BASE_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, c.settings, nil, "one", "two")
			w := h.Get(c.path, c.vars...)
			body := w.Body.String()
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, h.Log)
			}
			for _, env := range []string{"one", "two"} {
				if got, want := strings.Contains(body, testenvs.Canary(env)), env == c.env; got != want {
					t.Errorf("canary of %s: %v, want %v", env, got, want)
				}
			}
			if !strings.Contains(h.Log.String(), c.log) {
				t.Errorf("the log lacks %q: %s", c.log, h.Log)
			}
			if c.status >= 400 && strings.Contains(body, h.Parent) {
				t.Errorf("the answer tells a path: %s", body)
			}
		})
	}
}

// failing is a module that fails in every way there is.
type failing struct{}

func (failing) Name() string { return "failing" }

func (failing) Routes(r project.Router) {
	for _, k := range []fault.Kind{fault.Internal, fault.Invalid, fault.NotFound, fault.Denied, fault.Method, fault.Conflict, fault.TooLarge, fault.Busy} {
		r.Get(fmt.Sprintf("/fail/%d", k), func(*project.Request) (project.Reply, error) {
			return nil, fault.Wrap(k, "", fmt.Errorf("reading /secret/path: SELECT password"))
		})
	}
	r.Get("/fail/plain", func(*project.Request) (project.Reply, error) { return nil, fmt.Errorf("SELECT password") })
	r.Get("/fail/nothing", func(*project.Request) (project.Reply, error) { return nil, nil })
	r.Get("/fail/panic", func(*project.Request) (project.Reply, error) { panic("SELECT password") })
	r.Get("/fail/late", func(r *project.Request) (project.Reply, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
}

func TestFailures(t *testing.T) {
	h := newHost(t, nil, []project.Module{failing{}}, "one")
	for path, status := range map[string]int{
		"0": 500, "1": 400, "2": 404, "3": 403, "4": 405, "5": 409, "6": 413, "7": 503,
		"plain": 500, "nothing": 500, "panic": 500,
	} {
		w := h.Get("/one/fail/" + path)
		body := w.Body.String()
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
		if strings.Contains(body, "SELECT") || strings.Contains(body, "/secret") || strings.Contains(body, "goroutine") {
			t.Errorf("%s: the page tells too much: %s", path, body)
		}
		if !strings.Contains(body, testenvs.Canary("one")) {
			t.Errorf("%s: the page is not in the project's look", path)
		}
		id := w.Header().Get("X-Request-Id")
		if id == "" || !strings.Contains(body, id) || strings.Count(h.Log.String(), "id="+id) < 2 || !strings.Contains(h.Log.String(), "env=one") {
			t.Errorf("%s: the id %q is not on the page and in the log: %s", path, id, h.Log)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	h := newHost(t, nil, []project.Module{failing{}}, "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := h.Do(httptest.NewRequest(http.MethodGet, "/one/fail/late", nil).WithContext(ctx))
	if w.Code != 499 {
		t.Errorf("a client that went away: status %d", w.Code)
	}
}

func TestOnlyGetAndHead(t *testing.T) {
	h := newHost(t, nil, nil, "one")
	for _, path := range []string{"/one", "/one/", "/one/wiki", "/one/wiki/SecondPage", "/one/chrome/common/css/trac.css", "/"} {
		w := h.Do(httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: status %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
		if w := h.Do(httptest.NewRequest(http.MethodHead, path, nil)); w.Code != 200 {
			t.Errorf("HEAD %s: status %d", path, w.Code)
		}
	}
}

func TestTrailingSlash(t *testing.T) {
	h := newHost(t, nil, nil, "one")
	w := h.Get("/one/no/such/?a=b")
	if w.Code != 301 || w.Header().Get("Location") != "/one/no/such?a=b" {
		t.Errorf("status %d to %q", w.Code, w.Header().Get("Location"))
	}
	w = h.Get("/one/no/such/", "TRAC_BASE_URL=https://example.org/")
	if got := w.Header().Get("Location"); got != "https://example.org/one/no/such" {
		t.Errorf("with a base URL: to %q", got)
	}
}

func TestRequestIDOfTheWebServer(t *testing.T) {
	h := newHost(t, nil, nil, "one")
	if got := h.Get("/one", "REQUEST_ID=abc-123").Header().Get("X-Request-Id"); got != "abc-123" {
		t.Errorf("got %q", got)
	}
	if got := h.Get("/one", "REQUEST_ID=a b", "HTTP_X_REQUEST_ID=evil").Header().Get("X-Request-Id"); got == "a b" || got == "evil" || got == "" {
		t.Errorf("got %q", got)
	}
}

func TestIndexTemplate(t *testing.T) {
	h := newHost(t, nil, nil, "one", "two")
	write := func(name, text string) string {
		path := filepath.Join(h.Parent, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("index.tmpl", `{{.Vars.title}}:{{range .Projects}}[{{.Name}}|{{.Description}}|{{.Href}}]{{end}}`)
	vars := []string{"TRAC_ENV_INDEX_TEMPLATE=" + path, "TRAC_TEMPLATE_VARS=title=a=b & <c>,nonsense"}
	want := "a=b &amp; &lt;c&gt;:[Project one|About one|/one][Project two|About two|/two]"
	if got := h.Get("/", vars...).Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	write("index.tmpl", "changed")
	if got := h.Get("/", vars...).Body.String(); got != "changed" {
		t.Errorf("after a change: %s", got)
	}
	for _, bad := range []string{write("bad.tmpl", "{{.Nope"), write("worse.tmpl", "{{.Nope}}"), h.Parent + "/nosuch", "/etc/passwd"} {
		w := h.Get("/", "TRAC_ENV_INDEX_TEMPLATE="+bad)
		if w.Code != 500 || strings.Contains(w.Body.String(), h.Parent) || strings.Contains(w.Body.String(), "root:") {
			t.Errorf("%s: status %d: %s", bad, w.Code, w.Body)
		}
	}
}

func TestIndexAsJSON(t *testing.T) {
	h := newHost(t, nil, nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "application/json")
	w := h.Do(r)
	if got := strings.TrimSpace(w.Body.String()); got != "[]" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("no projects: %s, %s", w.Header().Get("Content-Type"), got)
	}
	list := []dispatch.IndexProject{}
	if err := json.Unmarshal(newHost(t, nil, nil, "пример").Get("/?format=json").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Name != "Project пример" || list[0].Href != "/%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80" {
		t.Errorf("got %+v", list)
	}
}

// TestDatesAreTheRequests: the locale of dates is told like everything else, and
// never outlives its request.
func TestDatesAreTheRequests(t *testing.T) {
	h := newHost(t, map[string]string{"TRAC_ENV_PARENT_DIR": "@P", "LC_TIME": "de_DE"}, nil, "one")
	testenvs.Make(t, h.Parent, "iso", map[string]map[string]string{"trac": {"default_date_format": "iso8601"}})
	const iso, german, japanese = "2024-03-03 10:00 UTC", "03.03.2024 10:00:00", "2024年03月03日 10時00分00秒"
	for _, c := range []struct{ path, vars, want string }{
		{"/one/wiki", "", german},
		{"/one/wiki", "LC_TIME=ja_JP.UTF-8", japanese},
		{"/one/wiki", "trac.locale=ja_JP", german}, // LC_TIME is about times alone, and told
		{"/one/wiki", "LC_TIME=C", iso},
		{"/one/wiki", "LC_TIME=no_such_locale", iso},
		{"/iso/wiki", "LC_TIME=ja_JP", iso},
		{"/one/wiki", "", german},
	} {
		var vars []string
		if c.vars != "" {
			vars = append(vars, c.vars)
		}
		if body := h.Get(c.path, vars...).Body.String(); !strings.Contains(body, c.want) {
			t.Errorf("%s with %q does not show %s:\n%s", c.path, c.vars, c.want, body)
		}
	}
	plain := newHost(t, nil, nil)
	testenvs.Make(t, plain.Parent, "one", map[string]map[string]string{"trac": {"default_language": "ja"}})
	if body := plain.Get("/one/wiki").Body.String(); !strings.Contains(body, japanese) {
		t.Errorf("[trac] default_language does not count:\n%s", body)
	}
}

// named is a host that was started with environments by name, which is not
// always their directory's.
func named(t *testing.T) *testenvs.Host {
	h := newHost(t, nowhere(), nil, "one", "two", "three")
	h.Change(func(o *dispatch.Options) {
		o.Envs = map[string]string{"one": filepath.Join(h.Parent, "one"), "zwei": filepath.Join(h.Parent, "two")}
	})
	return h
}

func TestNamedEnvironments(t *testing.T) {
	h := named(t)
	for _, c := range []struct {
		path   string
		vars   []string
		status int
		env    string
	}{
		{"/one/wiki", nil, 200, "one"},
		{"/zwei", nil, 200, "two"},
		{"/zwei/wiki/SecondPage", nil, 200, "two"},
		{"/two/wiki", nil, 404, ""},
		{"/three/wiki", nil, 404, ""},
		{"/wiki", nil, 404, ""},
		{"/wiki", []string{"TRAC_ENV=@P/three"}, 200, "three"},
		{"/three/wiki", []string{"TRAC_ENV_PARENT_DIR=@P"}, 200, "three"},
	} {
		w := h.Get(c.path, c.vars...)
		if w.Code != c.status || c.env != "" && !strings.Contains(w.Body.String(), testenvs.Canary(c.env)) {
			t.Errorf("%s %v: %d, want %d of %s: %s", c.path, c.vars, w.Code, c.status, c.env, h.Log)
		}
		if strings.Contains(w.Body.String(), h.Parent) {
			t.Errorf("%s: the answer tells a path", c.path)
		}
	}
	if body := h.Get("/zwei/wiki/SecondPage").Body.String(); !strings.Contains(body, `href="/zwei/wiki"`) {
		t.Errorf("links lead elsewhere: %s", body)
	}
	var list []dispatch.IndexProject
	if err := json.Unmarshal(h.Get("/?format=json").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(list) != "[{Project one About one /one false} {Project two About two /zwei false}]" {
		t.Errorf("the index is %v", list)
	}
	if w := h.Do(httptest.NewRequest(http.MethodPost, "/", nil)); w.Code != 405 {
		t.Errorf("POST /: %d", w.Code)
	}
}

func TestWhere(t *testing.T) {
	h := named(t)
	link := filepath.Join(h.Parent, "link")
	if err := os.Symlink(filepath.Join(h.Parent, "one"), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		vars []string
		want string
	}{
		{"/one/login", nil, "[one] /login"},
		{"/one", nil, "[one] /"},
		{"/zwei/login/x", nil, "[zwei two] /login/x"},
		{"/", nil, "[] "},
		{"/nosuch/login", nil, "[] "},
		{"/login", []string{"TRAC_ENV=@P/three"}, "[three] /login"},
		{"/login", []string{"TRAC_ENV=@P/link"}, "[link one] /login"},
		{"/link/login", []string{"TRAC_ENV_PARENT_DIR=@P"}, "[link one] /login"},
		{"/later/login", []string{"TRAC_ENV_PARENT_DIR=@P"}, "[later] /login"},
		{"/link/login", []string{"TRAC_ENV_PARENT_DIR=@P", "TRAC_ENV=@P/one"}, "[] "},
	} {
		got := ""
		h.Front = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			names, below := h.Host.Where(r)
			got = fmt.Sprint(names, " ", below)
		})
		if h.Get(c.path, c.vars...); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.path, c.vars, got, c.want)
		}
	}
}
