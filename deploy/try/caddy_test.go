package try_test

import "testing"

func TestCaddy(t *testing.T) {
	for _, way := range []string{"fastcgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "caddy", way, true) })
	}
}

func TestCaddyLogin(t *testing.T) {
	for _, way := range []string{"fastcgi", "http"} {
		t.Run(way, func(t *testing.T) { login(t, "caddy", way, false) })
		t.Run(way+" everywhere", func(t *testing.T) { login(t, "caddy", way, true) })
	}
}
