package dispatch_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"projhost/dispatch"
)

func TestHealth(t *testing.T) {
	h := newHost(t, map[string]string{}, nil) // no environment is needed
	check := func(method, path string, status int, body string) {
		t.Helper()
		w := h.Do(httptest.NewRequest(method, path, nil))
		if w.Code != status || w.Body.String() != body {
			t.Errorf("%s %s: status %d, %q, want %d, %q", method, path, w.Code, w.Body, status, body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: Cache-Control %q", method, path, w.Header().Get("Cache-Control"))
		}
		if (status == 503) != (w.Header().Get("Retry-After") != "") || (status == 405) != (w.Header().Get("Allow") != "") {
			t.Errorf("%s %s: %v", method, path, w.Header())
		}
	}
	check(http.MethodGet, dispatch.LivePath, 200, "live\n")
	check(http.MethodGet, dispatch.ReadyPath, 503, "not ready\n")
	h.Host.SetReady(true)
	check(http.MethodGet, dispatch.ReadyPath, 200, "ready\n")
	check(http.MethodHead, dispatch.ReadyPath, 200, "")
	check(http.MethodPost, dispatch.ReadyPath, 405, "only GET and HEAD\n")
	h.Host.SetReady(false)
	check(http.MethodGet, dispatch.ReadyPath, 503, "not ready\n")
	check(http.MethodGet, dispatch.LivePath, 200, "live\n")
	if err := h.Host.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	if log := h.Log.String(); strings.Contains(log, "projhost") {
		t.Errorf("health is logged:\n%s", log)
	}
	if w := h.Get("/.projhost/other"); w.Code == 200 {
		t.Error("another address of the program's is answered")
	}
}
