package gateway_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"projhost/front/gateway"
)

// TestRules has at least one case for each rule; what whole servers send is in
// TestServers.
func TestRules(t *testing.T) {
	const root = "root stated"
	for name, c := range map[string]struct {
		sent []gateway.Pair
		rule string
		want string // as outcome has it
	}{
		"script name shows":      {path("/cgi-bin/trac.fcgi", "/wiki", "/cgi-bin/trac.fcgi/wiki"), "address ends with PATH_INFO", `"/cgi-bin/trac.fcgi" "/wiki"`},
		"script name is hidden":  {path("/dispatch.fcgi", "/wiki", "/wiki"), "address ends with PATH_INFO", `"" "/wiki"`},
		"hidden below a prefix":  {path("/dispatch.fcgi", "/wiki", "/trac/wiki"), "address ends with PATH_INFO", `"/trac" "/wiki"`},
		"absolute form":          {path("", "/wiki", "HTTP://h.example/wiki"), "address ends with PATH_INFO", `"" "/wiki"`},
		"absolute, no path":      {path("", "/", "http://h.example"), "address ends with PATH_INFO", `"" "/"`},
		"fragment":               {path("", "/wiki", "/wiki#x?y"), "address ends with PATH_INFO", `"" "/wiki"`},
		"non-ASCII name":         {path("/träc", "/wiki/Ünï", "/tr%C3%A4c/wiki/%C3%9Cn%C3%AF"), "address ends with PATH_INFO", `"/träc" "/wiki/Ünï"`},
		"doubled by the setup":   {path("/trac", "//wiki", "/trac/wiki"), "address ends with PATH_INFO", `"/trac" "/wiki"`},
		"percent in a name":      {path("", "/100%25", "/100%2525"), "address ends with PATH_INFO", `"" "/100%25"`},
		"mod_rewrite's address":  {append(path("/cgi-bin/t.fcgi", "/wiki", "/else"), pairs("SCRIPT_URL", "/trac/wiki")...), "address ends with PATH_INFO", `"/trac" "/wiki"`},
		"mod_rewrite, no path":   {append(path("/cgi-bin/t.fcgi", "", "/trac/"), pairs("SCRIPT_URL", "/trac/")...), "program asked for", `"/trac" "/"`},
		"mod_rewrite, doubled":   {append(path("/cgi-bin/t.fcgi", "/wiki", "/trac//wiki"), pairs("SCRIPT_URL", "/trac//wiki")...), "address ends with PATH_INFO", `"/trac" "/wiki"`},
		"address only":           {pairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/a/b%20c?d"), "address only", `"" "/a/b c"`},
		"address only, empty":    {path("", "", "/a"), "address only", `"" "/a"`},
		"stock nginx":            {nginx("/trac/wiki", "/trac/wiki"), "whole path in SCRIPT_NAME", `"" "/trac/wiki"`},
		"stock nginx, a program": {nginx("/one/browser/x.cgi", "/one/browser/x.cgi"), "whole path in SCRIPT_NAME", `"" "/one/browser/x.cgi"`},
		"stock nginx, rewritten": {nginx("/b", "/a"), "whole path in SCRIPT_NAME", `"" "/b"`},
		"stock nginx, no address": {pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/a/b", "SERVER_SOFTWARE", "nginx/1.0"),
			"whole path in SCRIPT_NAME", `"" "/a/b"`},
		"Apache's ProxyPass":         {append(apache("/trac/a b"), pairs("SCRIPT_FILENAME", "proxy:fcgi://h:1/a%20b?q", "REQUEST_URI", "/trac/a%20b?q")...), "Apache's proxied path", `"/trac" "/a b"`},
		"the program itself":         {path("/trac", "", "/trac"), "program asked for", `"/trac" ""`},
		"itself, with a slash":       {path("/trac", "", "/trac/"), "program asked for", `"/trac" "/"`},
		"itself, no address":         {pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/trac"), "program asked for", `"/trac" ""`},
		"itself, at the root":        {path("/", "", "/"), "program asked for", `"" "/"`},
		"no address":                 {pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/trac/", "PATH_INFO", "/a"), "as RFC 3875 has it", `"/trac" "/a"`},
		"rewritten":                  {path("/trac", "/a", "/b"), "as RFC 3875 has it", `"/trac" "/a"`},
		"both empty, no address":     {pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "", "PATH_INFO", ""), "nothing but a root", `"" "/"`},
		"root: TracUriRoot":          {rooted("/trac", pairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/trac/a%20b")), root, `"/trac" "/a b"`},
		"root with a slash":          {rooted("/trac/", path("", "/trac/a", "/trac/a")), root, `"/trac" "/a"`},
		"root is the script":         {rooted("/trac", path("/trac", "/a", "/trac/a")), root, `"/trac" "/a"`},
		"root, script hidden":        {rooted("/trac", path("/t.fcgi", "/a", "/trac/a")), root, `"/trac" "/a"`},
		"root, hidden, whole path":   {rooted("/trac", path("/t.fcgi", "/trac/a", "/trac/a")), root, `"/trac" "/a"`},
		"root, hidden, itself":       {rooted("/trac", path("/t.fcgi", "", "/trac/")), root, `"/trac" "/"`},
		"root, environment so named": {rooted("/trac", path("/trac", "/trac/a", "/trac/trac/a")), root, `"/trac" "/trac/a"`},
		"root, no address":           {rooted("/trac", pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/trac", "PATH_INFO", "/a")), root, `"/trac" "/a"`},
		"root, no address, H2O":      {rooted("/trac", pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "", "PATH_INFO", "/trac/a")), root, `"/trac" "/a"`},
		"root is the site's":         {rooted("/", path("/a", "/b", "/a/b")), root, `"" "/a/b"`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := gateway.New(nil, c.sent)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(c.sent); got != c.want || v.Rule() != c.rule {
				t.Errorf("got %s by %q, want %s by %q", got, v.Rule(), c.want, c.rule)
			}
		})
	}
}

func TestPathsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		sent []gateway.Pair
		want string
	}{
		"NUL":                           {path("", "/a\x00b", ""), "refused PATH_INFO"},
		"NUL, encoded":                  {path("", "/a", "/a%00"), "refused REQUEST_URI"},
		"line end":                      {path("", "/a\nb", ""), "refused PATH_INFO"},
		"control character":             {path("", "/a\x1b", ""), "refused PATH_INFO"},
		"control character of Latin-1":  {path("", "/a\u0085", ""), "refused PATH_INFO"},
		"delete":                        {path("/\x7f", "/a", ""), "refused SCRIPT_NAME"},
		"not UTF-8":                     {path("", "/\xe4", ""), "refused PATH_INFO"},
		"overlong slash":                {path("", "/\xc0\xaf", ""), "refused PATH_INFO"},
		"surrogate":                     {path("", "/\xed\xa0\x80", ""), "refused PATH_INFO"},
		"dot segment":                   {path("", "/a/./b", "/a/b"), "refused PATH_INFO"},
		"double dot segment":            {path("", "/a/../b", "/b"), "refused PATH_INFO"},
		"double dot at the end":         {path("", "/a/..", "/"), "refused PATH_INFO"},
		"double dot in the script":      {path("/a/..", "", ""), "refused SCRIPT_NAME"},
		"doubled slash, no address":     {path("", "/a", "*"), "refused REQUEST_URI"},
		"bad encoding":                  {path("", "/a", "/%zz"), "refused REQUEST_URI"},
		"no slash first":                {path("/trac", "a", "/trac/a"), "refused PATH_INFO"},
		"script without slash":          {path("trac", "/a", ""), "refused SCRIPT_NAME"},
		"empty PATH_INFO, fixed script": {path("/trac", "", "/trac/a/b"), "refused PATH_INFO"},
		"fixed script under nginx":      {nginx("/trac", "/trac/a"), "refused PATH_INFO"},
		"fixed program under nginx":     {nginx("/t.fcgi", "/a"), "refused PATH_INFO"},
		"script in both":                {path("/trac", "/trac/a", "/trac/a"), "refused PATH_INFO"},
		"DOCUMENT_URI differs":          {pairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "DOCUMENT_URI", "/b"), "refused REQUEST_URI"},
		"encoded slash":                 {path("", "/a/b", "/a%2fb?q=%2F"), "moved /a/b?q=%2F"},
		"doubled slash let through":     {path("", "//evil.example/x", "//evil.example/x"), "moved /evil.example/x"},
		"backslashes stay encoded":      {path("", "//\\evil/x", "/%2F%5Cevil/x"), "moved /%5Cevil/x"},
		"unresolved address only":       {pairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/a/../b//c"), "moved /b/c"},
		"root without slash":            {rooted("trac", path("", "/a", "/a")), "refused TRAC_URI_ROOT"},
		"root with dots":                {rooted("/trac/..", path("", "/a", "/a")), "refused TRAC_URI_ROOT"},
		"root elsewhere":                {rooted("/trac", path("", "/a", "/a")), "refused TRAC_URI_ROOT"},
		"root, longer name":             {rooted("/trac", path("", "/tractor/a", "/tractor/a")), "refused TRAC_URI_ROOT"},
		"root, script, other address":   {rooted("/trac", path("/trac", "/one/wiki", "/one/wiki")), "refused TRAC_URI_ROOT"},
		"root, hidden, no address": {rooted("/trac", pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/t.fcgi", "PATH_INFO", "/a")),
			"refused TRAC_URI_ROOT"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(c.sent); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOnlyGetIsRedirected(t *testing.T) {
	for method, want := range map[string]string{"GET": "moved /a/b", "HEAD": "moved /a/b", "POST": "refused REQUEST_URI"} {
		if got := outcome(pairs("REQUEST_METHOD", method, "PATH_INFO", "/a/b", "REQUEST_URI", "/a%2Fb")); got != want {
			t.Errorf("%s: %s", method, got)
		}
	}
}

func TestRootOfListener(t *testing.T) {
	l := &gateway.Listener{Settings: map[string]string{gateway.SettingRoot: "/trac"}}
	sent := path("", "/trac/a", "/trac/a")
	v, err := gateway.New(l, sent)
	if err != nil || v.Script() != "/trac" {
		t.Errorf("%q, %v", v.Script(), err)
	}
	if _, err := gateway.New(l, rooted("/trac/", sent)); err != nil {
		t.Errorf("told alike: %v", err)
	}
	var e *gateway.Error
	if _, err := gateway.New(l, rooted("/", sent)); !errors.As(err, &e) || e.Name != gateway.SettingRoot {
		t.Errorf("told differently: %v", err)
	}
}

func path(script, info, uri string) []gateway.Pair {
	p := pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", script, "PATH_INFO", info)
	if uri != "" {
		p = append(p, pairs("REQUEST_URI", uri)...)
	}
	return p
}

// nginx is a request without PATH_INFO.
func nginx(script, uri string) []gateway.Pair {
	return pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", script, "REQUEST_URI", uri, "SERVER_SOFTWARE", "nginx/1.22.1")
}

// apache is a request without PATH_INFO.
func apache(script string) []gateway.Pair {
	return pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", script, "SERVER_SOFTWARE", "Apache")
}

func rooted(root string, p []gateway.Pair) []gateway.Pair {
	return append(pairs(gateway.SettingRoot, root), p...)
}

// FuzzPath holds what NewRequest promises of a path, whatever a web server sends.
func FuzzPath(f *testing.F) {
	for _, s := range [][]string{
		{"", "/wiki/Start", "/wiki/Start", "", "", "", "nginx/1.22.1", ""},
		{"/trac/wiki", "", "/trac//wiki?x", "", "/trac/wiki", "", "nginx/1.22.1", ""},
		{"/cgi-bin/trac.fcgi", "/caf%C3%A9", "/trac/caf%c3%a9", "/trac/café", "", "", "Apache", ""},
		{"/trac/a b", "", "/trac/a%20b", "", "", "proxy:fcgi://h:1//a%20b", "Apache", ""},
		{"/trac/", "wiki", "/trac/wiki", "", "", "", "", "/trac"},
		{"", "", "http://h/a/../%2e%2e/b", "", "", "", "Caddy/2", "/"},
		{"//", "//", "//%2f//", "", "", "", "HAProxy", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], byte(0))
	}
	f.Fuzz(func(t *testing.T, script, info, uri, scriptURL, document, filename, software, root string, leave byte) {
		p := pairs("REQUEST_METHOD", "GET", "SCRIPT_NAME", script, "PATH_INFO", info, "REQUEST_URI", uri, "SCRIPT_URL", scriptURL,
			"DOCUMENT_URI", document, "SCRIPT_FILENAME", filename, "SERVER_SOFTWARE", software, gateway.SettingRoot, root)
		var sent []gateway.Pair
		for i := range p {
			if i == 0 || leave&(1<<(i-1)) == 0 {
				sent = append(sent, p[i])
			}
		}
		v, err := gateway.New(nil, sent)
		var e *gateway.Error
		if errors.As(err, &e) && e.Location != "" {
			checkPath(t, "location", e.Location[:strings.IndexAny(e.Location+"?", "?")], true)
			again := path("", "", e.Location)
			if got := outcome(again); strings.HasPrefix(got, "moved") {
				t.Errorf("%q leads to %s", e.Location, got)
			}
		}
		if err != nil {
			return
		}
		if s := v.Script(); s != "" {
			checkPath(t, "script", s, true)
			if strings.HasSuffix(s, "/") {
				t.Errorf("script %q", s)
			}
		}
		got := outcome(sent)
		if strings.HasPrefix(got, "no request") {
			return
		}
		r := mustRequest(t, nil, sent)
		checkPath(t, "path", r.URL.Path, r.URL.Path != "")
		if r.URL.RawPath != "" || r.RequestURI == "" {
			t.Errorf("raw path %q, address %q", r.URL.RawPath, r.RequestURI)
		}
	})
}

func checkPath(t *testing.T, what, s string, slash bool) {
	t.Helper()
	if slash && !strings.HasPrefix(s, "/") || !utf8.ValidString(s) || strings.Contains(s, "//") || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		t.Errorf("%s %q", what, s)
	}
	for _, segment := range strings.Split(s, "/") {
		if segment == "." || segment == ".." {
			t.Errorf("%s %q", what, s)
		}
	}
}
