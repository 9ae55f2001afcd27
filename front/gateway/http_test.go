package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/front/gateway"
)

// served is a request as net/http's server makes it.
func served(t *testing.T, method, target string, header http.Header) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{
		Method: method, URL: u, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Host: "h.example:8000", RemoteAddr: "192.0.2.7:51914", Body: http.NoBody,
	}
	if header == nil {
		r.Header = http.Header{}
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000}
	return r.WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, local))
}

func TestFromHTTP(t *testing.T) {
	in := served(t, "POST", "/trac/wiki/A%20b?x=1", http.Header{
		"Content-Type": {"text/plain"}, "Content-Length": {"5"}, "Cookie": {"a=1", "b=2"}, "Accept": {"x", "y"}, "X-Api-Key": {"k"},
		"Proxy": {"http://evil"}, "Remote-User": {"admin"}, "Remote_user": {"admin"}, "X_api_key": {"evil"}, "Trac-Env": {"/x"}, "Connection": {"close"},
	})
	r, err := gateway.FromHTTP(&gateway.Listener{Settings: map[string]string{gateway.SettingRoot: "/trac"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	v := gateway.FromContext(r.Context())
	got := map[string]string{"path": r.URL.Path, "query": r.URL.RawQuery, "script": v.Script(), "host": r.Host, "remote": r.RemoteAddr,
		"uri": r.RequestURI, "scheme": v.Scheme(), "user": v.RemoteUser(), "headers": strings.Join(slices.Sorted(maps.Keys(r.Header)), " ")}
	for name, value := range v.All() {
		if name == "REMOTE_USER" || name == "AUTH_TYPE" || strings.HasPrefix(name, "TRAC") {
			t.Errorf("%s=%q", name, value)
		}
		got[name] = value
	}
	want := map[string]string{
		"path": "/wiki/A b", "query": "x=1", "script": "/trac", "host": "h.example:8000", "remote": "192.0.2.7:51914",
		"uri": "/trac/wiki/A%20b?x=1", "scheme": "http", "user": "", "headers": "Accept Content-Length Content-Type Cookie X-Api-Key",
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "projhost", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "POST",
		"REQUEST_URI": "/trac/wiki/A%20b?x=1", "SCRIPT_NAME": "", "PATH_INFO": "/trac/wiki/A b", "QUERY_STRING": "x=1",
		"HTTP_HOST": "h.example:8000", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "51914", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": "8000",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5", "HTTP_COOKIE": "a=1; b=2", "HTTP_ACCEPT": "x, y", "HTTP_X_API_KEY": "k",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if in.URL.Path != "/trac/wiki/A b" {
		t.Error("the request that came was changed")
	}
}

func TestFromHTTPPaths(t *testing.T) {
	for target, want := range map[string]string{
		"/":                        `"" "/"`,
		"/wiki/caf%c3%a9":          `"" "/wiki/café"`,
		"/100%2541":                `"" "/100%41"`,
		"/a//b?c":                  "moved /a/b?c",
		"/a%2Fb":                   "moved /a/b",
		"//evil.example":           "moved /evil.example",
		"/a/../b":                  "refused PATH_INFO",
		"/a/%2e%2e/b":              "refused PATH_INFO",
		"/a%00":                    "refused PATH_INFO",
		"/a%ff":                    "refused REQUEST_URI",
		"http://h.example:8000/a?": `"" "/a"`,
		"http://h.example:8000":    `"" "/"`,
		"*":                        "refused REQUEST_URI",
	} {
		r, err := gateway.FromHTTP(nil, served(t, "GET", target, nil))
		var e *gateway.Error
		var got string
		switch {
		case errors.As(err, &e) && e.Location != "":
			got = "moved " + e.Location
		case errors.As(err, &e):
			got = "refused " + e.Name
		default:
			got = strings.TrimSpace(quoted(gateway.FromContext(r.Context()).Script()) + " " + quoted(r.URL.Path))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

func quoted(s string) string { return `"` + s + `"` }

func TestFromHTTPOrigin(t *testing.T) {
	forwarded := func() http.Header {
		return http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"outer.example"}, "X-Forwarded-For": {"6.6.6.6, 198.51.100.1"}}
	}
	plain := func(*http.Request) {}
	for name, c := range map[string]struct {
		l      *gateway.Listener
		change func(*http.Request)
		want   string
	}{
		"nobody trusted":  {nil, plain, "http h.example:8000 192.0.2.7:51914"},
		"peer trusted":    {&gateway.Listener{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, plain, "https outer.example 198.51.100.1:0"},
		"unix, trusted":   {&gateway.Listener{TrustAll: true}, func(r *http.Request) { r.RemoteAddr = "@" }, "https outer.example 198.51.100.1:0"},
		"unix, not":       {nil, func(r *http.Request) { r.RemoteAddr = "@" }, "http h.example:8000 "},
		"TLS":             {nil, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "https h.example:8000 192.0.2.7:51914"},
		"no host":         {nil, func(r *http.Request) { r.Host = "" }, "http  192.0.2.7:51914"},
		"host is no host": {nil, func(r *http.Request) { r.Host = "a b" }, "refused HTTP_HOST"},
		"method":          {nil, func(r *http.Request) { r.Method = "CONNECT" }, "refused REQUEST_METHOD"},
	} {
		t.Run(name, func(t *testing.T) {
			in := served(t, "GET", "/", forwarded())
			c.change(in)
			r, err := gateway.FromHTTP(c.l, in)
			var e *gateway.Error
			got := ""
			if errors.As(err, &e) {
				got = "refused " + e.Name
			} else {
				got = gateway.FromContext(r.Context()).Scheme() + " " + r.Host + " " + r.RemoteAddr
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
