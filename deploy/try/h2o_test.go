package try_test

import "testing"

func TestH2O(t *testing.T) {
	for _, way := range []string{"fastcgi", "http"} {
		t.Run(way, func(t *testing.T) { walk(t, "h2o", way, false) })
	}
}

func TestH2OLogin(t *testing.T) {
	for _, way := range []string{"fastcgi"} {
		t.Run(way, func(t *testing.T) { login(t, "h2o", way, false) })
		t.Run(way+" everywhere", func(t *testing.T) { login(t, "h2o", way, true) })
	}
}
