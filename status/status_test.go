package status_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/envs"
	"projhost/internal/stage"
	"projhost/status"
	"projhost/testenvs"
	"projhost/watch"
)

// desk is the pages of a registry.
type desk struct {
	parent   string
	registry *envs.Registry
	meter    *watch.Meter
	log      *testenvs.Log
	pages    map[string]http.Handler
}

func newDesk(t *testing.T, names ...string) *desk {
	t.Helper()
	d := &desk{meter: watch.NewMeter(watch.Options{}), log: new(testenvs.Log)}
	d.registry, d.parent = testenvs.New(t, names...)
	if _, err := d.registry.List(t.Context(), d.parent); err != nil {
		t.Fatal(err)
	}
	p := &status.Pages{
		Source: &status.Source{Registry: d.registry, Meter: d.meter, Version: "1.2.3", Started: time.Now()},
		Log:    slog.New(slog.NewTextHandler(d.log, nil)), Leave: "leave",
	}
	d.pages = p.Handlers()
	return d
}

// ask returns the status and the body of an answer.
func (d *desk) ask(t *testing.T, method, page, query string, form url.Values) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "/"+page+"?"+query, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.pages[page].ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

func (d *desk) report(t *testing.T, query string) status.Report {
	t.Helper()
	code, body := d.ask(t, http.MethodGet, status.JSONName, query, nil)
	var rep status.Report
	if err := json.Unmarshal([]byte(body), &rep); err != nil || code != http.StatusOK {
		t.Fatalf("%s: %d %v %s", query, code, err, body)
	}
	return rep
}

func (d *desk) dir(name string) string { return filepath.Join(d.parent, name) }

// served counts a request of an environment.
func (d *desk) served(name string, code int, took time.Duration) {
	s := watch.Sample{Dir: d.dir(name), Name: name, Status: code, Bytes: 10, End: time.Now()}
	s.Times[stage.Render] = took
	d.meter.Observe(s)
}

func names(rep status.Report) (list []string) {
	for _, r := range rep.Environments {
		list = append(list, r.Name)
	}
	return list
}

func TestJSON(t *testing.T) {
	d := newDesk(t, "one", "two", "three")
	for range 3 {
		d.served("two", http.StatusOK, 10*time.Millisecond)
	}
	d.served("three", http.StatusInternalServerError, time.Second)
	loc, err := d.registry.Find(t.Context(), d.dir("one"))
	if err != nil {
		t.Fatal(err)
	}
	_, release, err := d.registry.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for query, want := range map[string][]string{
		"":                       {"one", "three", "two"},
		"sort=-requests":         {"two", "three", "one"},
		"sort=requests":          {"one", "three", "two"},
		"sort=-errors":           {"three", "one", "two"},
		"sort=-mean":             {"three", "two", "one"},
		"sort=-running":          {"one", "three", "two"},
		"sort=-title":            {"two", "three", "one"},
		"q=T":                    {"one", "three", "two"}, // "Project"
		"q=project+TWO":          {"two"},
		"q=nothing":              nil,
		"state=open":             {"one"},
		"state=closed":           {"three", "two"},
		"state=broken":           nil,
		"state=needs-upgrade":    nil,
		"database=mysql":         nil,
		"state=closed&q=two":     {"two"},
		"sort=name&state=closed": {"three", "two"},
	} {
		if got := names(d.report(t, query)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, key := range status.SortKeys() {
		up, down := names(d.report(t, "sort="+key)), names(d.report(t, "sort=-"+key))
		if len(up) != 3 || len(down) != 3 {
			t.Errorf("sorted by %s: %v and %v", key, up, down)
		}
	}
	rep := d.report(t, "q=two")
	if u := rep.Environments[0].Use; u.Requests != 3 || u.Errors != 0 || u.Mean < 0.009 || u.Mean > 0.011 || u.Last == nil || u.Bytes != 30 {
		t.Errorf("two: %+v", u)
	}
	if h := rep.Host; h.Known != 3 || h.Open != 1 || h.Requests != 4 || h.Errors != 1 || h.Version != "1.2.3" || h.Memory == 0 || h.Connections.Limit == 0 {
		t.Errorf("the host: %+v", h)
	}
	for _, bad := range []string{"state=nosuch", "sort=nosuch", "sort=-"} {
		if code, body := d.ask(t, http.MethodGet, status.JSONName, bad, nil); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
}

func TestPage(t *testing.T) {
	d := newDesk(t, "one", "two")
	d.served("one", http.StatusInternalServerError, 1500*time.Millisecond)
	if err := os.WriteFile(filepath.Join(d.dir("two"), "VERSION"), []byte("<nonsense>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	loc, err := d.registry.Locate(envs.Lookup{Dir: d.dir("two")})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.registry.Open(t.Context(), loc); err == nil {
		t.Fatal("opened")
	}
	code, body := d.ask(t, http.MethodGet, status.PageName, "sort=-errors", nil)
	for _, want := range []string{
		"2 environments", "1.2.3", "Project one", "1.5 s", `data-state="broken"`, "out of order", "&lt;nonsense&gt;", "tried again in",
		"not yet known", `aria-sort="descending"`, `action="/.projhost/leave"`, `href="/.projhost/status.json?sort=-errors"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if code != http.StatusOK || strings.Contains(body, "<nonsense>") {
		t.Errorf("%d %s", code, body)
	}
	// What makes no sense counts as not said, so that a cut address still leads here.
	for _, query := range []string{"state=nosuch", "page=99", "page=-1", "sort=<x>", "q=" + strings.Repeat("%C3%A9", 1000)} {
		if code, body := d.ask(t, http.MethodGet, status.PageName, query, nil); code != http.StatusOK || strings.Contains(body, "<x>") {
			t.Errorf("%s: %d", query, code)
		}
	}
	if code, _ := d.ask(t, http.MethodDelete, status.PageName, "", nil); code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", code)
	}
	if code, body := d.ask(t, http.MethodHead, status.PageName, "", nil); code != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d %s", code, body)
	}
}

// TestPaging walks through all pages of many environments.
func TestPaging(t *testing.T) {
	const many = 250
	d := newDesk(t)
	for i := range many {
		conf := filepath.Join(d.parent, fmt.Sprintf("env-%03d", i), "conf")
		if err := os.MkdirAll(conf, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(conf, "trac.ini"), fmt.Appendf(nil, "[project]\nname = Env %03d\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen, path := 0, ""
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) && len(d.report(t, "").Environments) < many {
		time.Sleep(20 * time.Millisecond) // until the directory is listed anew
	}
	for page := range 4 {
		code, body := d.ask(t, http.MethodGet, status.PageName, strings.TrimPrefix(path, "/.projhost/status?"), nil)
		if code != http.StatusOK {
			t.Fatal(code)
		}
		for strings.Contains(body, fmt.Sprintf("Env %03d", seen)) {
			seen++
		}
		_, next, more := strings.Cut(body, `rel="next"`)
		if more != (page < 2) {
			t.Fatalf("page %d: another one follows: %v (%d)", page, more, len(next))
		}
		if !more {
			break
		}
		path = fmt.Sprintf("/.projhost/status?page=%d", page+2)
		if !strings.Contains(body, `href="`+path+`"`) {
			t.Fatalf("page %d does not lead to %s", page, path)
		}
	}
	if seen != many {
		t.Errorf("%d of %d environments are on the pages", seen, many)
	}
}

func TestActions(t *testing.T) {
	d := newDesk(t, "one", "two")
	do := func(action string, names ...string) string {
		t.Helper()
		form := url.Values{"action": {action}}
		for _, n := range names {
			form.Add("env", d.dir(n))
		}
		code, body := d.ask(t, http.MethodPost, status.PageName, "", form)
		if code != http.StatusOK {
			t.Fatalf("%s: %d", action, code)
		}
		return body
	}
	says := func(body string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("nothing says %q", w)
			}
		}
	}
	says(do("open", "one", "two"), "one is open.", "two is open.")
	if n := d.registry.OpenCount(); n != 2 {
		t.Errorf("%d are open", n)
	}
	says(do("reload", "one"), "one was opened anew.")
	says(do("readonly-on", "one"), "one is read-only.", `data-state="read-only"`)
	says(do("readonly-off", "one"), "any more.")
	if s := d.report(t, "q=one").Environments[0].State; s != "open" {
		t.Errorf("one is %s", s)
	}
	loc, err := d.registry.Find(t.Context(), d.dir("two"))
	if err != nil {
		t.Fatal(err)
	}
	_, release, err := d.registry.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	says(do("close", "one", "two"), "one is closed.", "two is in use: it will be closed when the request in it ends.")
	release()
	if n := d.registry.OpenCount(); n != 0 {
		t.Errorf("%d are open", n)
	}
	two, release, err := d.registry.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	two.Trouble("its rules are gone")
	_, body := d.ask(t, http.MethodGet, status.PageName, "", nil)
	says(body, "lets nobody in: its rules are gone")
	if s := d.report(t, "q=two").Environments[0].Trouble; s != "its rules are gone" {
		t.Errorf("two's trouble: %q", s)
	}
	release()
	says(do("open", "../elsewhere"), "there is no such environment")
	says(do("nosuch", "one"), "There is no such action.")
	says(do("open"), "No environment was chosen.")
	if err := os.WriteFile(filepath.Join(d.dir("one"), "VERSION"), []byte("nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	says(do("reload", "one", "two"), "one: environment is out of order", "two was opened anew.")
	if log := d.log.String(); !strings.Contains(log, "action=readonly-on env=one") || !strings.Contains(log, "remote=192.0.2.1") {
		t.Errorf("the log does not say who did what:\n%s", log)
	}
}
