package try_test

import "testing"

func TestApache(t *testing.T) {
	for _, way := range []string{"proxy_fcgi", "fcgid", "proxy_scgi", "proxy_uwsgi", "proxy_ajp", "proxy_http", "wsgi", "htaccess"} {
		t.Run(way, func(t *testing.T) { walk(t, "apache", way, way != "htaccess") })
	}
}

func TestApacheLogin(t *testing.T) {
	for _, way := range []string{"proxy_fcgi", "fcgid", "proxy_scgi", "proxy_uwsgi", "proxy_ajp", "proxy_http", "wsgi", "htaccess"} {
		t.Run(way, func(t *testing.T) { login(t, "apache", way, false) })
		t.Run(way+" everywhere", func(t *testing.T) { login(t, "apache", way, true) })
	}
}
