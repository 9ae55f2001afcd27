package dispatch_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/dispatch"
	"projhost/project"
	"projhost/watch"
)

// slow is a module whose pages take their time, each in another stage.
type slow struct{}

const nap = 20 * time.Millisecond

func (slow) Name() string { return "slow" }

func (slow) Routes(r project.Router) {
	r.Get("/slow/*", func(r *project.Request) (project.Reply, error) {
		switch r.Wildcard() {
		case "db":
			err := r.Env.DB().Read(r.Context(), func(*db.Tx) error {
				time.Sleep(nap)
				return nil
			})
			return project.Text{}, err
		case "handle":
			time.Sleep(nap)
		}
		return project.Text{Body: "done"}, nil
	})
}

// TestSlowRequests: a slow request is logged with where its time went; others
// are not.
func TestSlowRequests(t *testing.T) {
	h := newHost(t, nil, []project.Module{slow{}}, "one")
	h.Change(func(o *dispatch.Options) { o.Slow = nap })
	_ = h.Get("/one/wiki") // opens it, which takes its time
	for path, stage := range map[string]string{"/one/slow/db": "db", "/one/slow/handle": "handle"} {
		_ = h.Get(path, "REQUEST_ID=is-"+stage)
		line := regexp.MustCompile(`level=WARN msg="slow request" env=one id=is-` + stage + ` .*`).FindString(h.Log.String())
		for _, name := range []string{stage, "total"} {
			m := regexp.MustCompile(` ` + name + `=(\S+)`).FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%s was logged as %q in\n%s", path, line, h.Log)
			}
			if took, err := time.ParseDuration(m[1]); err != nil || took < nap {
				t.Errorf("%s was logged as %q", path, line)
			}
		}
	}
	h.Change(func(o *dispatch.Options) { o.Slow = time.Hour })
	_ = h.Get("/one/slow/db", "REQUEST_ID=is-quick")
	h.Change(func(o *dispatch.Options) { o.Slow = 0 })
	_ = h.Get("/one/slow/db", "REQUEST_ID=is-off")
	if log := h.Log.String(); strings.Contains(log, `"slow request" env=one id=is-quick`) || strings.Contains(log, `"slow request" env=one id=is-off`) {
		t.Errorf("too many slow requests:\n%s", log)
	}
}

// TestMeterCounts: each request is counted once, for its environment.
func TestMeterCounts(t *testing.T) {
	h := newHost(t, nil, []project.Module{failing{}}, "one", "two")
	m := watch.NewMeter(watch.Options{})
	h.Change(func(o *dispatch.Options) { o.Meter = m })
	for path, status := range map[string]int{
		"/one/wiki": http.StatusOK, "/one/nothing": http.StatusNotFound, "/one/fail/panic": http.StatusInternalServerError,
		"/": http.StatusOK, "/nowhere/": http.StatusNotFound, dispatch.LivePath: http.StatusOK,
	} {
		if w := h.Get(path); w.Code != status {
			t.Errorf("GET %s answers %d, want %d", path, w.Code, status)
		}
	}
	one, two := m.Of(filepath.Join(h.Parent, "one")), m.Of(filepath.Join(h.Parent, "two"))
	if one.Requests != 3 || one.Refused != 1 || one.Errors != 1 || one.Bytes == 0 || one.Mean <= 0 || time.Since(one.Last) > time.Minute {
		t.Errorf("figures of one: %+v", one)
	}
	if two != (watch.Figures{}) || m.Host().Requests != 5 {
		t.Errorf("figures of two: %+v, of the host %+v", two, m.Host())
	}
	// One that cannot be had is counted and named all the same.
	if err := os.WriteFile(filepath.Join(h.Parent, "two", "conf", "trac.ini"), []byte("no section\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := h.Get("/two/wiki", "REQUEST_ID=is-refused"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a broken project answers %d", w.Code)
	}
	if two = m.Of(filepath.Join(h.Parent, "two")); two.Requests != 1 || two.Errors != 1 {
		t.Errorf("figures of two: %+v", two)
	}
	if log := h.Log.String(); !strings.Contains(log, `msg="request failed" env=two id=is-refused`) || !strings.Contains(log, "id=is-refused env=two") {
		t.Errorf("a broken project's request was logged as\n%s", log)
	}
}
