package scgi_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"projhost/front/wire/wiretest"
)

// TestRealServers has web servers that speak SCGI in front, each as its
// documentation configures it.
func TestRealServers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, addr net.Addr) (url, script string){
		"nginx": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf("location / { include /etc/nginx/scgi_params; scgi_pass %s; }", addr)), ""
		},
		"nginx below a prefix": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf(`location ~ ^(/trac)(/.*)?$ { include /etc/nginx/scgi_params;
				scgi_param SCRIPT_NAME $1; scgi_param PATH_INFO $2; scgi_param SERVER_SOFTWARE nginx/$nginx_version; scgi_pass %s; }`, addr)) + "/trac", "/trac"
		},
		"Apache": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_scgi", fmt.Sprintf("ProxyPass / scgi://%s/\n", addr)), ""
		},
		"Apache below a prefix": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_scgi", fmt.Sprintf("ProxyPass /trac scgi://%s\n", addr)) + "/trac", "/trac"
		},
		"lighttpd": func(t *testing.T, addr net.Addr) (string, string) {
			host, port, _ := net.SplitHostPort(addr.String())
			return wiretest.Lighttpd(t, fmt.Sprintf(`server.modules = ( "mod_scgi" )
scgi.server = ( "/" => (( "host" => %q, "port" => %s, "check-local" => "disable", "fix-root-scriptname" => "enable" )) )
`, host, port)), ""
		},
		"lighttpd below a prefix": func(t *testing.T, addr net.Addr) (string, string) {
			host, port, _ := net.SplitHostPort(addr.String())
			return wiretest.Lighttpd(t, fmt.Sprintf(`server.modules = ( "mod_scgi" )
scgi.server = ( "/trac" => (( "host" => %q, "port" => %s, "check-local" => "disable" )) )
`, host, port)) + "/trac", "/trac"
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			b := protocol().Behind(t, l, start)
			b.NeedsLength = strings.HasPrefix(name, "Apache")
			b.Check(t)
		})
	}
}

// TestUnixSockets has them reach a unix socket.
func TestUnixSockets(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, addr net.Addr) (url, script string){
		"nginx": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Nginx(t, fmt.Sprintf("location / { include /etc/nginx/scgi_params; scgi_pass unix:%s; }", addr)), ""
		},
		"Apache": func(t *testing.T, addr net.Addr) (string, string) {
			return wiretest.Apache(t, "proxy proxy_scgi", fmt.Sprintf("ProxyPass / unix:%s|scgi://localhost/\n", addr)), ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := protocol().Behind(t, wiretest.ListenUnix(t), start)
			b.NeedsLength = name == "Apache"
			b.HidesCuts = name == "Apache" // it trusts no length but its own, and a unix socket has no reset
			b.Check(t)
		})
	}
}
