package try_test

import "testing"

func TestNginx(t *testing.T) {
	for _, way := range []string{"fastcgi", "scgi", "uwsgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "nginx", way, true) })
	}
}

func TestNginxLogin(t *testing.T) {
	for _, way := range []string{"fastcgi", "scgi", "uwsgi", "http"} {
		t.Run(way, func(t *testing.T) { login(t, "nginx", way, false) })
		t.Run(way+" everywhere", func(t *testing.T) { login(t, "nginx", way, true) })
	}
}
