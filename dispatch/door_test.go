package dispatch_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/dispatch"
	"projhost/door"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/status"
	"projhost/testenvs"
	"projhost/watch"
)

// TestOwnPaths asks for the program's own paths without the key: whatever is
// served, no project answers, and nothing is behind the door.
func TestOwnPaths(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the status") })
	shut := door.New(door.Options{Key: "0123456789abcdef", Pages: map[string]http.Handler{"status": page, "metrics": page}})
	for name, settings := range map[string]map[string]string{
		"a directory of projects": nil,
		"one project":             {"TRAC_ENV": "@P/one"},
	} {
		h := newHost(t, settings, nil, "one")
		for _, d := range []*door.Door{nil, shut} {
			h.Change(func(o *dispatch.Options) { o.Door = d })
			for _, path := range []string{"status", "metrics", "nosuch", "debug/pprof/"} {
				w := h.Get(gateway.OwnPrefix + path)
				body := w.Body.String()
				if w.Code != http.StatusNotFound || strings.Contains(body, "the status") || strings.Contains(body, testenvs.Canary("one")) {
					t.Errorf("%s, %s: %d %s", name, path, w.Code, body)
				}
			}
		}
	}
}

// TestAdminListener has no project on a listener for administrators.
func TestAdminListener(t *testing.T) {
	h := newHost(t, nil, nil, "one")
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the status") })
	h.Change(func(o *dispatch.Options) {
		o.Door = door.New(door.Options{Pages: map[string]http.Handler{"status": page}})
	})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/":                          {http.StatusSeeOther, "status"},
		gateway.OwnPrefix + "status": {http.StatusOK, "the status"},
		dispatch.LivePath:            {http.StatusOK, "live"},
		"/one/wiki":                  {http.StatusNotFound, "nothing at this address"},
		gateway.OwnPrefix + "nosuch": {http.StatusNotFound, "nothing at this address"},
	} {
		r, err := gateway.FromHTTP(&gateway.Listener{Admin: true}, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.Host.ServeHTTP(w, r)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) || strings.Contains(w.Body.String(), testenvs.Canary("one")) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestDoorWhileBusy asks for the status while nothing else can be had: every
// place for an open environment is taken, and somebody waits for one.
func TestDoorWhileBusy(t *testing.T) {
	h := newHost(t, nil, nil, "one", "two")
	log := slog.New(slog.DiscardHandler)
	r := testenvs.Registry(t, h.Parent, envs.Options{MaxOpen: 1, MaxConcurrent: 1, QueueWait: time.Minute})
	meter := watch.NewMeter(watch.Options{})
	pages := status.Pages{Source: &status.Source{Registry: r, Meter: meter}, Log: log}
	h.Change(func(o *dispatch.Options) {
		o.Registry, o.Meter = r, meter
		o.Door = door.New(door.Options{Key: "0123456789abcdef", Pages: pages.Handlers()})
	})
	loc, err := r.Locate(envs.Lookup{Parent: h.Parent, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	_, release, err := r.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	for _, path := range []string{"/one/wiki", "/two/wiki"} {
		waiting.Go(func() {
			if w := h.Get(path); w.Code != http.StatusOK {
				t.Errorf("%s: %d", path, w.Code)
			}
		})
	}
	want := []string{`"state":"open"`, `"running":1,"waiting":1`}
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		w := h.Get(gateway.OwnPrefix+status.JSONName, "HTTP_AUTHORIZATION=Bearer 0123456789abcdef")
		body := w.Body.String()
		if w.Code == http.StatusOK && !slices.ContainsFunc(want, func(s string) bool { return !strings.Contains(body, s) }) {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d %s", w.Code, body)
		}
	}
	release()
	waiting.Wait()
}
