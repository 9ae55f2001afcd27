package gateway_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/front/gateway"
)

// pairs makes pairs of names and values.
func pairs(nv ...string) []gateway.Pair {
	var p []gateway.Pair
	for i := 0; i < len(nv); i += 2 {
		p = append(p, gateway.Pair{Name: nv[i], Value: nv[i+1]})
	}
	return p
}

// typical is what nginx sends for a browser's request, with the fastcgi_params
// of Debian and lines for SCRIPT_NAME and PATH_INFO.
func typical() []gateway.Pair {
	return pairs("QUERY_STRING", "version=3", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "",
		"SCRIPT_NAME", "/projects", "REQUEST_URI", "/projects/orchard/wiki/CiderPress?version=3",
		"DOCUMENT_URI", "/projects/orchard/wiki/CiderPress", "DOCUMENT_ROOT", "/usr/share/nginx/html",
		"SERVER_PROTOCOL", "HTTP/1.1", "REQUEST_SCHEME", "https", "HTTPS", "on", "GATEWAY_INTERFACE", "CGI/1.1",
		"SERVER_SOFTWARE", "nginx/1.22.1", "REMOTE_ADDR", "192.0.2.7", "REMOTE_PORT", "51914", "REMOTE_USER", "",
		"SERVER_ADDR", "192.0.2.1", "SERVER_PORT", "443", "SERVER_NAME", "projects.example.org", "REDIRECT_STATUS", "200",
		"HTTP_HOST", "projects.example.org", "PATH_INFO", "/orchard/wiki/CiderPress", "REMOTE_USER", "",
		"HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.5", "HTTP_ACCEPT_ENCODING", "gzip, deflate, br",
		"HTTP_CONNECTION", "keep-alive", "HTTP_COOKIE", "trac_session=0123456789abcdef",
		"HTTP_UPGRADE_INSECURE_REQUESTS", "1", "HTTP_IF_NONE_MATCH", `W/"x"`)
}

// with is a plain request and more variables.
func with(nv ...string) []gateway.Pair {
	return append(pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "", "PATH_INFO", "/", "REQUEST_URI", "/"), pairs(nv...)...)
}

func mustRequest(t *testing.T, l *gateway.Listener, p []gateway.Pair) *http.Request {
	t.Helper()
	v, err := gateway.New(l, p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gateway.NewRequest(context.Background(), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewRequest(t *testing.T) {
	r := mustRequest(t, nil, typical())
	got := map[string]any{
		"method": r.Method, "path": r.URL.Path, "raw": r.URL.RawPath, "query": r.URL.RawQuery, "uri": r.RequestURI,
		"host": r.Host, "proto": r.Proto, "major": r.ProtoMajor, "remote": r.RemoteAddr, "length": r.ContentLength,
		"script": gateway.FromContext(r.Context()).Script(), "scheme": gateway.FromContext(r.Context()).Scheme(),
		"nobody": r.Body == http.NoBody,
	}
	want := map[string]any{
		"method": "GET", "path": "/orchard/wiki/CiderPress", "raw": "", "query": "version=3",
		"uri": "/projects/orchard/wiki/CiderPress?version=3", "host": "projects.example.org", "proto": "HTTP/1.1",
		"major": 1, "remote": "192.0.2.7:51914", "length": int64(0), "script": "/projects", "scheme": "https", "nobody": true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantHeader := []string{"Accept", "Accept-Encoding", "Accept-Language", "Cookie", "If-None-Match", "Upgrade-Insecure-Requests", "User-Agent"}
	if d := cmp.Diff(wantHeader, slices.Sorted(maps.Keys(r.Header))); d != "" {
		t.Error(d)
	}
	if c, err := r.Cookie("trac_session"); err != nil || c.Value != "0123456789abcdef" {
		t.Errorf("cookie %v, %v", c, err)
	}
}

func TestHeadersDoNotShare(t *testing.T) {
	r := mustRequest(t, nil, typical())
	r.Header.Add("Accept", "more")
	r.Header.Add("User-Agent", "more")
	for name, values := range r.Header {
		if slices.Contains(values, "more") != (name == "Accept" || name == "User-Agent") {
			t.Errorf("%s is %q", name, values)
		}
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		sent []gateway.Pair
		want http.Header
	}{
		"httpoxy":                  {with("HTTP_PROXY", "http://evil", "HTTP_ACCEPT", "a"), http.Header{"Accept": {"a"}}},
		"look-alikes of identity":  {with("HTTP_REMOTE_USER", "admin", "HTTP_AUTH_TYPE", "Basic"), http.Header{}},
		"look-alikes of settings":  {with("HTTP_TRAC_ENV", "/x", "HTTP_TRAC.ENV_PATH", "/x"), http.Header{}},
		"length and type":          {with("HTTP_CONTENT_LENGTH", "9", "HTTP_CONTENT_TYPE", "a/b", "CONTENT_TYPE", "c/d"), http.Header{"Content-Type": {"c/d"}}},
		"hop by hop":               {with("HTTP_CONNECTION", "x", "HTTP_TRANSFER_ENCODING", "chunked", "HTTP_UPGRADE", "h2c", "HTTP_TE", "x"), http.Header{}},
		"uncommon name":            {with("HTTP_X_API_key", "1"), http.Header{"X-Api-Key": {"1"}}},
		"no token":                 {with("HTTP_A@B", "1", "HTTP_", "2", "HTTP_Ä", "3"), http.Header{}},
		"repeated":                 {with("HTTP_X_A", "1", "HTTP_X_A", "2"), http.Header{"X-A": {"1", "2"}}},
		"repeated cookies":         {with("HTTP_COOKIE", "a=1", "HTTP_COOKIE", "b=2"), http.Header{"Cookie": {"a=1", "b=2"}}},
		"repeated, one is empty":   {with("HTTP_AUTHORIZATION", "", "HTTP_AUTHORIZATION", "Basic x"), http.Header{"Authorization": {"Basic x"}}},
		"repeated, equal":          {with("HTTP_AUTHORIZATION", "Basic x", "HTTP_AUTHORIZATION", "Basic x"), http.Header{"Authorization": {"Basic x"}}},
		"small letters are others": {with("http_accept", "x", "Http_Accept", "y"), http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, mustRequest(t, nil, c.sent).Header); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCommonHeadersAreSpelled(t *testing.T) {
	names := []string{"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control",
		"Cookie", "Dnt", "Forwarded", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
		"Origin", "Pragma", "Priority", "Range", "Referer", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform",
		"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc", "Upgrade-Insecure-Requests",
		"User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id",
		"X-Requested-With", "X-Something-Else"}
	for _, name := range names {
		r := mustRequest(t, nil, with("HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), "value"))
		if name != http.CanonicalHeaderKey(name) || r.Header.Get(name) != "value" {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
}

func TestIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		sent []gateway.Pair
		want string
	}{
		"told":                     {with("REMOTE_USER", "ann"), "ann"},
		"not told":                 {with(), ""},
		"told twice alike":         {with("REMOTE_USER", "ann", "REMOTE_USER", "ann"), "ann"},
		"empty from the stock set": {with("REMOTE_USER", "", "REMOTE_USER", "ann"), "ann"},
		"by a header":              {with("HTTP_REMOTE_USER", "admin"), ""},
		"by a smaller name":        {with("remote_user", "admin", "Remote_User", "admin"), ""},
		"by a forwarded header":    {with("HTTP_X_REMOTE_USER", "admin", "HTTP_X_FORWARDED_USER", "admin"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := gateway.New(&gateway.Listener{TrustAll: true}, c.sent)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.RemoteUser(); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		sent []gateway.Pair
		want string // the variable
	}{
		"no name":                  {with("", "x"), `""`},
		"NUL in a name":            {with("A\x00B", "x"), `"A\x00B"`},
		"line end in a name":       {with("A\nB", "x"), `"A\nB"`},
		"blank in a name":          {with("A B", "x"), `"A B"`},
		"equals sign in a name":    {with("A=B", "x"), `"A=B"`},
		"environment twice":        {with("TRAC_ENV", "/a", "TRAC_ENV", "/b"), "TRAC_ENV"},
		"environment twice alike":  {with("TRAC_ENV", "/a", "TRAC_ENV", "/a"), "TRAC_ENV"},
		"Trac's spelling twice":    {with("trac.env_path", "", "trac.env_path", ""), "trac.env_path"},
		"root twice alike":         {with("TRAC_URI_ROOT", "/", "TRAC_URI_ROOT", "/"), "TRAC_URI_ROOT"},
		"NUL in an environment":    {with("TRAC_ENV", "/a\x00/b"), "TRAC_ENV"},
		"user twice":               {with("REMOTE_USER", "ann", "REMOTE_USER", "bob"), "REMOTE_USER"},
		"line end in a user":       {with("REMOTE_USER", "ann\r\nX: y"), "REMOTE_USER"},
		"script twice, one empty":  {pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/a", "SCRIPT_NAME", ""), "SCRIPT_NAME"},
		"path twice, one empty":    {with("PATH_INFO", ""), "PATH_INFO"},
		"address twice":            {with("REQUEST_URI", "/b"), "REQUEST_URI"},
		"method twice":             {with("REQUEST_METHOD", "POST"), "REQUEST_METHOD"},
		"length twice":             {with("CONTENT_LENGTH", "1", "CONTENT_LENGTH", "2"), "CONTENT_LENGTH"},
		"host twice":               {with("HTTP_HOST", "a", "HTTP_HOST", "a:8080"), "HTTP_HOST"},
		"authorization twice":      {with("HTTP_AUTHORIZATION", "Basic a", "HTTP_AUTHORIZATION", "Basic b"), "HTTP_AUTHORIZATION"},
		"https twice":              {with("HTTPS", "on", "HTTPS", "off"), "HTTPS"},
		"line end in a header":     {with("HTTP_X", "a\nb"), "HTTP_X"},
		"NUL in a query":           {with("QUERY_STRING", "a\x00"), "QUERY_STRING"},
		"unknown scheme":           {with("HTTPS", "maybe"), "HTTPS"},
		"unknown request scheme":   {with("REQUEST_SCHEME", "gopher"), "REQUEST_SCHEME"},
		"host with a slash":        {with("HTTP_HOST", "a/b"), "HTTP_HOST"},
		"host with a user":         {with("HTTP_HOST", "a@b"), "HTTP_HOST"},
		"host with a quote":        {with("HTTP_HOST", `a"b`), "HTTP_HOST"},
		"host and a bad port":      {with("HTTP_HOST", "a:8o"), "HTTP_HOST"},
		"host and a long port":     {with("HTTP_HOST", "a:123456"), "HTTP_HOST"},
		"port only":                {with("HTTP_HOST", ":80"), "HTTP_HOST"},
		"brackets without address": {with("HTTP_HOST", "[a]"), "HTTP_HOST"},
		"address with a zone":      {with("HTTP_HOST", "[fe80::1%25eth0]"), "HTTP_HOST"},
		"server's name":            {with("SERVER_NAME", "~^www"), "SERVER_NAME"},
		"no method":                {pairs("PATH_INFO", "/"), "REQUEST_METHOD"},
		"no token for a method":    {pairs("REQUEST_METHOD", "GET /", "PATH_INFO", "/"), "REQUEST_METHOD"},
		"long method":              {pairs("REQUEST_METHOD", strings.Repeat("A", 33), "PATH_INFO", "/"), "REQUEST_METHOD"},
		"tunnel":                   {pairs("REQUEST_METHOD", "CONNECT", "PATH_INFO", "/"), "REQUEST_METHOD"},
		"no path at all":           {pairs("REQUEST_METHOD", "GET"), "PATH_INFO"},
		"length with a sign":       {with("CONTENT_LENGTH", "+5"), "CONTENT_LENGTH"},
		"length below zero":        {with("CONTENT_LENGTH", "-1"), "CONTENT_LENGTH"},
		"length too long":          {with("CONTENT_LENGTH", "9223372036854775808"), "CONTENT_LENGTH"},
		"protocol":                 {with("SERVER_PROTOCOL", "INCLUDED"), "SERVER_PROTOCOL"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := gateway.New(nil, c.sent)
			if err == nil {
				_, err = gateway.NewRequest(context.Background(), v, http.MaxBytesReader(nil, http.NoBody, 1))
			}
			var e *gateway.Error
			if !errors.As(err, &e) || e.Name != c.want {
				t.Fatalf("got %v, want an error about %s", err, c.want)
			}
			if strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	_, err := gateway.New(nil, with("HTTP_AUTHORIZATION", "Basic secret1", "HTTP_AUTHORIZATION", "Basic secret2"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestUnrelatedVariablesAreLeftAlone(t *testing.T) {
	sent := with("SERVER_SIGNATURE", "<address>x</address>\n", "SSL_CLIENT_CERT", "-----BEGIN\nx\n", "SCRIPT_FILENAME", "/a", "SCRIPT_FILENAME", "/b")
	v, err := gateway.New(nil, sent)
	if err != nil {
		t.Fatal(err)
	}
	if v.Get("SCRIPT_FILENAME") != "/a" {
		t.Error("not the first")
	}
	n := 0
	for range v.All() {
		n++
	}
	if n != len(sent) {
		t.Errorf("%d of %d variables", n, len(sent))
	}
}

func TestLookup(t *testing.T) {
	l := &gateway.Listener{Name: "here", Settings: map[string]string{"TRAC_ENV": "/srv/a"}}
	sent := with("HTTP_PROXY", "x", "TRAC_ENV", "", "HTTP_HOST", "h", "OTHER", "o")
	v, err := gateway.New(l, sent)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		value string
		sent  bool
	}{"TRAC_ENV": {"", true}, "HTTP_HOST": {"h", true}, "OTHER": {"o", true}, "HTTP_PROXY": {"", false}, "trac_env": {"", false}, "HTTPS": {"", false}} {
		if value, ok := v.Lookup(name); value != want.value || ok != want.sent {
			t.Errorf("%s: %q, %v", name, value, ok)
		}
	}
	if v.Setting("TRAC_ENV") != "/srv/a" || v.Setting("OTHER") != "" || v.Listener() != "here" {
		t.Error("settings")
	}
	if len(sent) != 8 || sent[4].Name != "HTTP_PROXY" {
		t.Error("the caller's slice was changed")
	}
}

func TestZeroVars(t *testing.T) {
	v := gateway.FromContext(context.Background())
	if v.Get("A") != "" || v.Script() != "" || v.Scheme() != "http" || v.RemoteUser() != "" || v.Setting("A") != "" || v.Rule() != "" || v.Listener() != "" {
		t.Error("not empty")
	}
	for range v.All() {
		t.Error("not empty")
	}
	if _, err := gateway.NewRequest(context.Background(), v, nil); err == nil {
		t.Error("a request of nothing")
	}
}

func TestOrigin(t *testing.T) {
	proxy := &gateway.Listener{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	all := &gateway.Listener{TrustAll: true}
	for name, c := range map[string]struct {
		l    *gateway.Listener
		sent []gateway.Pair
		want string // scheme://host remote
	}{
		"nothing said":             {nil, with(), "http:// "},
		"host":                     {nil, with("HTTP_HOST", "a.example:8080", "SERVER_NAME", "b"), "http://a.example:8080 "},
		"server's name":            {nil, with("SERVER_NAME", "b.example", "SERVER_PORT", "80"), "http://b.example "},
		"server's name and port":   {nil, with("SERVER_NAME", "b.example", "SERVER_PORT", "443"), "http://b.example:443 "},
		"https and its port":       {nil, with("SERVER_NAME", "b.example", "SERVER_PORT", "443", "HTTPS", "ON"), "https://b.example "},
		"server's address, IPv6":   {nil, with("SERVER_NAME", "2001:db8::1", "SERVER_PORT", "81"), "http://[2001:db8::1]:81 "},
		"host, IPv6":               {nil, with("HTTP_HOST", "[2001:db8::1]:81"), "http://[2001:db8::1]:81 "},
		"HTTPS=1":                  {nil, with("HTTPS", "1"), "https:// "},
		"HTTPS=yes":                {nil, with("HTTPS", "yes"), "https:// "},
		"HTTPS=off":                {nil, with("HTTPS", "off", "REQUEST_SCHEME", "https"), "http:// "},
		"HTTPS set by hand":        {nil, with("HTTPS", "on", "REQUEST_SCHEME", "http"), "https:// "},
		"HTTPS empty":              {nil, with("HTTPS", "", "REQUEST_SCHEME", "https"), "https:// "},
		"remote":                   {nil, with("REMOTE_ADDR", "192.0.2.1", "REMOTE_PORT", "5"), "http:// 192.0.2.1:5"},
		"remote without port":      {nil, with("REMOTE_ADDR", "192.0.2.1"), "http:// 192.0.2.1:0"},
		"remote, IPv6":             {nil, with("REMOTE_ADDR", "2001:db8::1", "REMOTE_PORT", "5"), "http:// [2001:db8::1]:5"},
		"remote is a unix socket":  {nil, with("REMOTE_ADDR", "unix:", "REMOTE_PORT", ""), "http:// unix:"},
		"nobody is trusted":        {nil, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_PROTO", "https", "HTTP_X_FORWARDED_HOST", "evil", "HTTP_X_FORWARDED_FOR", "192.0.2.9"), "http:// 10.1.1.1:0"},
		"another is trusted":       {proxy, with("REMOTE_ADDR", "192.0.2.1", "HTTP_X_FORWARDED_PROTO", "https", "HTTP_X_FORWARDED_HOST", "evil"), "http:// 192.0.2.1:0"},
		"trusted":                  {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_HOST", "inner", "HTTP_X_FORWARDED_PROTO", "https", "HTTP_X_FORWARDED_HOST", "outer.example", "HTTP_X_FORWARDED_FOR", "192.0.2.9"), "https://outer.example 192.0.2.9:0"},
		"trusted, IPv4 in IPv6":    {proxy, with("REMOTE_ADDR", "::ffff:10.1.1.1", "HTTP_X_FORWARDED_PROTO", "HTTPS"), "https:// [::ffff:10.1.1.1]:0"},
		"trusted, http once":       {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTPS", "on", "HTTP_X_FORWARDED_PROTO", "http"), "http:// 10.1.1.1:0"},
		"trusted, list of schemes": {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_PROTO", "https, http"), "http:// 10.1.1.1:0"},
		"trusted, list of hosts":   {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_HOST", "evil, real.example"), "http://real.example 10.1.1.1:0"},
		"trusted, several proxies": {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "6.6.6.6, 192.0.2.9, 10.0.0.3,fd00::7"), "http:// 192.0.2.9:0"},
		"trusted, several headers": {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "6.6.6.6, 192.0.2.9", "HTTP_X_FORWARDED_FOR", "10.0.0.3"), "http:// 192.0.2.9:0"},
		"trusted, all proxies":     {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "10.0.0.4, 10.0.0.3"), "http:// 10.0.0.4:0"},
		"trusted, with ports":      {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "[2001:db8::9]:44"), "http:// [2001:db8::9]:0"},
		"trusted, no address":      {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "192.0.2.9, unknown"), "http:// 10.1.1.1:0"},
		"trusted, empty":           {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_FOR", "", "HTTP_X_FORWARDED_HOST", ""), "http:// 10.1.1.1:0"},
		"all trusted, nearest":     {all, with("REMOTE_ADDR", "", "HTTP_X_FORWARDED_FOR", "6.6.6.6, 192.0.2.9"), "http:// 192.0.2.9:0"},
		"trusted, two schemes":     {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_PROTO", "http", "HTTP_X_FORWARDED_PROTO", "https"), "refused HTTP_X_FORWARDED_PROTO"},
		"trusted, two hosts":       {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_HOST", "a", "HTTP_X_FORWARDED_HOST", "b"), "refused HTTP_X_FORWARDED_HOST"},
		"trusted, bad host":        {proxy, with("REMOTE_ADDR", "10.1.1.1", "HTTP_X_FORWARDED_HOST", "a/b"), "refused HTTP_X_FORWARDED_HOST"},
		"not trusted, two schemes": {nil, with("HTTP_X_FORWARDED_PROTO", "http", "HTTP_X_FORWARDED_PROTO", "https"), "http:// "},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := gateway.New(c.l, c.sent)
			var e *gateway.Error
			var got string
			if errors.As(err, &e) {
				got = "refused " + e.Name
			} else {
				r := mustRequest(t, c.l, c.sent)
				got = v.Scheme() + "://" + r.Host + " " + r.RemoteAddr
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestProtocolAndLength(t *testing.T) {
	for sent, want := range map[string]string{"HTTP/1.1": "HTTP/1.1", "HTTP/1.0": "HTTP/1.0", "HTTP/2": "HTTP/2.0", "HTTP/2.0": "HTTP/2.0", "HTTP/3.0": "HTTP/3.0", "": "HTTP/1.0"} {
		if r := mustRequest(t, nil, with("SERVER_PROTOCOL", sent)); r.Proto != want {
			t.Errorf("%q became %q", sent, r.Proto)
		}
	}
	for sent, want := range map[string]int64{"": -1, "0": 0, "17": 17} {
		v, err := gateway.New(nil, with("CONTENT_LENGTH", sent))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gateway.NewRequest(context.Background(), v, http.MaxBytesReader(nil, http.NoBody, 1))
		if err != nil || r.ContentLength != want {
			t.Errorf("%q became %v, %v", sent, r.ContentLength, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		err            error
		code           int
		location, body string
	}{
		"refused":   {&gateway.Error{Name: "HTTP_HOST", Problem: "secret"}, 400, "", "Bad Request\n"},
		"moved":     {&gateway.Error{Name: "REQUEST_URI", Problem: "secret", Location: "/a"}, 301, "/a", ""},
		"any error": {errors.New("secret"), 400, "", "Bad Request\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			gateway.Refuse(w, c.err)
			if w.Code != c.code || w.Header().Get("Location") != c.location || w.Body.String() != c.body {
				t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
			}
		})
	}
}

func BenchmarkNewRequest(b *testing.B) {
	l, sent, ctx := &gateway.Listener{Name: "bench"}, typical(), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		v, err := gateway.New(l, sent)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := gateway.NewRequest(ctx, v, http.NoBody); err != nil {
			b.Fatal(err)
		}
	}
}
