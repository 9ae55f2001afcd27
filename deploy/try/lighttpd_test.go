package try_test

import "testing"

func TestLighttpd(t *testing.T) {
	for _, way := range []string{"fastcgi", "fastcgi_spawn", "scgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "lighttpd", way, true) })
	}
}

// TestLighttpdLogin takes its time: lighttpd waits a second before it refuses a password.
func TestLighttpdLogin(t *testing.T) {
	for way, all := range map[string]bool{"fastcgi": false, "fastcgi_spawn": true} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			login(t, "lighttpd", way, all)
		})
	}
}
