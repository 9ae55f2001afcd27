package try_test

import "testing"

func TestHAProxy(t *testing.T) {
	for _, way := range []string{"fastcgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "haproxy", way, false) })
	}
}

func TestHAProxyLogin(t *testing.T) {
	for _, way := range []string{"fastcgi", "http"} {
		t.Run(way, func(t *testing.T) { login(t, "haproxy", way, false) })
		t.Run(way+" everywhere", func(t *testing.T) { login(t, "haproxy", way, true) })
	}
}
