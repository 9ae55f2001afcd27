package door

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"projhost/front/gateway"
)

func TestSessionEnds(t *testing.T) {
	s, began := newSession("a key"), time.Now()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(s.cookie(gateway.Vars{}, began))
	for after, want := range map[time.Duration]bool{0: true, sessionLife - 2*time.Second: true, sessionLife: false} {
		if got := s.has(r, began.Add(after)); got != want {
			t.Errorf("after %s: %v", after, got)
		}
	}
}
