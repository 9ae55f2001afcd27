package watch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"projhost/watch"
)

func TestProfiles(t *testing.T) {
	const at = "/.projhost/debug/pprof/"
	h := watch.Profiles(at)
	for path, part := range map[string]string{
		at: "goroutine?debug=1", at + "goroutine?debug=1": "TestProfiles", at + "heap?debug=1": "heap profile",
	} {
		w := get(h, path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), part) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("GET %s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{at + "heap", at + "profile?seconds=1"} {
		w := get(h, path)
		if _, err := gzip.NewReader(w.Body); w.Code != http.StatusOK || err != nil {
			t.Errorf("GET %s: %d, %v", path, w.Code, err)
		}
	}
	for _, path := range []string{at + "nothing", "/debug/pprof/heap", at + "cmdline"} {
		if w := get(h, path); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}

// TestOneProfileAtATime: and one ends with its client.
func TestOneProfileAtATime(t *testing.T) {
	h := watch.Profiles("/")
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan *httptest.ResponseRecorder)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/trace?seconds=60", nil).WithContext(ctx))
		first <- w
	}()
	for !trace.IsEnabled() {
		time.Sleep(time.Millisecond)
	}
	if second := get(h, "/trace?seconds=1"); second.Code != http.StatusConflict {
		t.Errorf("a second one at a time: %d", second.Code)
	}
	leave()
	if w := <-first; w.Code != http.StatusOK || !bytes.HasPrefix(w.Body.Bytes(), []byte("go 1.")) {
		t.Errorf("the first: %d %.20q", w.Code, w.Body)
	}
}

func TestDefaultServeMuxIsEmpty(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/metrics"} {
		if w := get(http.DefaultServeMux, path); w.Code != http.StatusNotFound {
			t.Errorf("http.DefaultServeMux answers %s with %d", path, w.Code)
		}
	}
}
