package try_test

import "testing"

func TestLighttpd(t *testing.T) {
	for _, way := range []string{"fastcgi", "fastcgi_spawn", "scgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "lighttpd", way, true) })
	}
}

// TestLighttpdLogin takes its time: lighttpd waits a second before it refuses a password.
func TestLighttpdLogin(t *testing.T) {
	for _, way := range []string{"fastcgi", "fastcgi_spawn"} {
		for name, all := range map[string]bool{"login": false, "everywhere": true} {
			t.Run(way+" "+name, func(t *testing.T) {
				t.Parallel()
				login(t, "lighttpd", way, all)
			})
		}
	}
}
