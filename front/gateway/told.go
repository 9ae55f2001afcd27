package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// tell reads what the web server says of the path, and refuses what no rule
// needs to see: bytes that are not text, dot segments that the web server left
// in, and spellings of slashes that it may have matched its access rules against
// in another way than we would.
func (v *vars) tell() (told, error) {
	t := told{
		infoSent: v.sent(pathInfo),
		anySent:  v.sent(scriptName) || v.sent(pathInfo) || v.sent(requestURI),
		software: v.get(serverSoftware),
	}
	if err := v.tellRoot(&t); err != nil {
		return t, err
	}
	raw, decoded, err := v.tellAddress(&t)
	if err != nil {
		return t, err
	}
	if t.script, err = text("SCRIPT_NAME", v.get(scriptName)); err != nil {
		return t, err
	}
	if t.script, err = v.single(t.script, decoded); err != nil {
		return t, err
	}
	if err := v.tellInfo(&t, raw, decoded); err != nil {
		return t, err
	}
	if t.info == "" {
		t.document = squeeze(v.get(documentURI))
		t.proxied, t.proxy = v.proxiedPath()
	}
	if t.script == "" && t.info == "" && t.whole != decoded && t.whole != t.document && !v.sent(scriptURL) {
		return t, v.respell(t.whole, "doubled slashes or dot segments in "+quote(decoded)+", and no PATH_INFO came with it")
	}
	return t, nil
}

// tellRoot reads SettingRoot, from the request's variables and the listener's.
func (v *vars) tellRoot(t *told) error {
	root, set := v.get(uriRoot), v.listener.Settings[SettingRoot]
	switch {
	case root == "":
		root = set
	case set != "" && strings.TrimSuffix(set, "/") != strings.TrimSuffix(root, "/"):
		return &Error{Name: SettingRoot, Problem: fmt.Sprintf("%s, but the listener says %s", quote(root), quote(set))}
	}
	if root == "" {
		return nil
	}
	if _, err := text(SettingRoot, root); err != nil {
		return err
	}
	if root[0] != '/' || !resolved(root) {
		return &Error{Name: SettingRoot, Problem: quote(root) + ` is no path like "/trac" or "/"`}
	}
	t.root, t.rooted = strings.TrimSuffix(root, "/"), true
	return nil
}

// tellAddress finds the path of the client's URL: SCRIPT_URL, which is what
// mod_rewrite keeps of it, decoded by Apache, else REQUEST_URI. It returns the
// path of REQUEST_URI as it came and decoded.
//
// A %2F is refused, with a redirect to the URL that has the slash: whether it
// is a slash differs between web servers (nginx and lighttpd say yes, Apache's
// AllowEncodedSlashes no or no and pass it on, proxies may leave it undecoded),
// so the rules that guard a path may have been passed by. Trac's own links
// never have one.
func (v *vars) tellAddress(t *told) (raw, decoded string, err error) {
	uri := v.get(requestURI)
	if uri != "" {
		raw = addressPath(uri)
		var ok bool
		if decoded, ok = unescape(raw); !ok {
			return "", "", &Error{Name: "REQUEST_URI", Problem: "a bad percent-encoding in " + quote(raw)}
		}
		if _, err := text("REQUEST_URI", decoded); err != nil {
			return "", "", err
		}
		if decoded == "" || decoded[0] != '/' {
			return "", "", &Error{Name: "REQUEST_URI", Problem: quote(uri) + " has no path that begins with a slash"}
		}
		t.whole = resolve(decoded)
		if len(raw) != len(decoded) && hasEncodedSlash(raw) {
			return "", "", v.respell(t.whole, "a slash is percent-encoded in "+quote(raw))
		}
	}
	if s := v.get(scriptURL); s != "" {
		if _, err := text("SCRIPT_URL", s); err != nil {
			return "", "", err
		}
		if s[0] != '/' {
			return "", "", &Error{Name: "SCRIPT_URL", Problem: quote(s) + " does not begin with a slash"}
		}
		t.whole = resolve(s)
	}
	return raw, decoded, nil
}

// tellInfo reads PATH_INFO. Where it does not begin with a slash, the slash is
// on the wrong side ("fastcgi_split_path_info ^(/trac/)(.*)$" of nginx) and is
// moved. Where it is undecoded it is decoded: as the end of REQUEST_URI (a map of
// $request_uri in nginx, to keep encoded slashes), or encoded anew by Apache
// (proxy-fcgi-pathinfo=1 makes %C3 of %c3). That can be told without doubt: of
// REQUEST_URI decoded, either PATH_INFO is the end or PATH_INFO decoded is, for
// to be both each of its segments would have to be its own decoding.
func (v *vars) tellInfo(t *told, raw, decoded string) error {
	info := v.get(pathInfo)
	if strings.IndexByte(info, '%') >= 0 {
		s, ok := unescape(info)
		if ok && (strings.HasSuffix(raw, info) || !strings.HasSuffix(t.whole, info) && strings.HasSuffix(t.whole, s)) {
			info = s
		}
	}
	info, err := text("PATH_INFO", info)
	if err != nil || info == "" {
		return err
	}
	if info[0] != '/' {
		script, ok := strings.CutSuffix(t.script, "/")
		if !ok {
			return &Error{Name: "PATH_INFO", Problem: quote(info) + " does not begin with a slash"}
		}
		info, t.script = "/"+info, script
	}
	if info, err = v.single(info, decoded); err != nil {
		return err
	}
	if !resolved(info) {
		return &Error{Name: "PATH_INFO", Problem: "dot segments in " + quote(info)}
	}
	t.info = info
	return nil
}

// single makes single slashes of doubled ones in a path that the web server has
// made of the decoded address. It does so if only the configuration doubled
// them. If the client did and the server let them pass (H2O, Caddy, HAProxy,
// nginx with merge_slashes off), its rules may not have seen "/private" in
// "//private", and the client is sent to the right spelling.
func (v *vars) single(s, decoded string) (string, error) {
	if !strings.Contains(s, "//") {
		return s, nil
	}
	if strings.Contains(decoded, "//") {
		return "", v.respell(resolve(decoded), "doubled slashes in "+quote(s))
	}
	return squeeze(s), nil
}

// respell refuses a URL for its spelling and names the right one, for a client
// that may be redirected.
func (v *vars) respell(path, problem string) error {
	e := &Error{Name: "REQUEST_URI", Problem: problem}
	if m := v.get(requestMethod); m == http.MethodGet || m == http.MethodHead {
		e.Location = (&url.URL{Path: path}).EscapedPath()
		if _, query, ok := strings.Cut(v.get(requestURI), "?"); ok {
			e.Location += "?" + query
		}
	}
	return e
}

// proxiedPath is the path in the SCRIPT_FILENAME of Apache's mod_proxy_fcgi,
// decoded, and whether that is marked as one: "proxy:fcgi://host:port/path", or
// just "//path" with ProxyFCGIBackendType GENERIC. It is "" if there is none.
func (v *vars) proxiedPath() (path string, marked bool) {
	if !strings.HasPrefix(v.get(serverSoftware), "Apache") {
		return "", false
	}
	name, _, _ := strings.Cut(Vars{v}.Get("SCRIPT_FILENAME"), "?")
	if rest, ok := strings.CutPrefix(name, "proxy:"); ok {
		_, name, _ = strings.Cut(rest, "://")
		i := strings.IndexByte(name, '/')
		if i < 0 {
			return "", false
		}
		name, marked = name[i:], true
	}
	s, ok := unescape(squeeze(name))
	if !ok || s == "" {
		return "", false
	}
	return s, marked
}

// addressPath is the path of a request target: without query and fragment, and
// without the scheme and host of the absolute form (RFC 9112 section 3.2.2), which
// Apache keeps in REQUEST_URI.
func addressPath(uri string) string {
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	if uri != "" && uri[0] != '/' {
		for _, scheme := range [...]string{"http://", "https://"} {
			if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
				continue
			}
			uri = uri[len(scheme):]
			if i := strings.IndexByte(uri, '/'); i >= 0 {
				return uri[i:]
			}
			return "/"
		}
	}
	return uri
}

// text refuses what is no text in a path: it returns s, or an error naming the variable.
func text(name, s string) (string, error) {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f {
			return "", &Error{Name: name, Problem: "a control character in " + quote(s)}
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", &Error{Name: name, Problem: "not UTF-8: " + quote(s)}
	}
	for _, r := range s {
		if 0x80 <= r && r < 0xa0 {
			return "", &Error{Name: name, Problem: "a control character in " + quote(s)}
		}
	}
	return s, nil
}

// unescape decodes percent-encodings, once; it returns false for a bad one.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	u, err := url.PathUnescape(s)
	return u, err == nil
}

// hasEncodedSlash tells whether there is a %2F in s, which is well encoded.
func hasEncodedSlash(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && s[i+1] == '2' && s[i+2]|0x20 == 'f' {
			return true
		}
	}
	return false
}

// squeeze makes one slash of several.
func squeeze(s string) string {
	if !strings.Contains(s, "//") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] != '/' || i == 0 || s[i-1] != '/' {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// resolved tells whether s has neither doubled slashes nor dot segments.
func resolved(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '/' {
			continue
		}
		rest := s[i+1:]
		switch {
		case strings.HasPrefix(rest, "/"), rest == ".", rest == "..",
			strings.HasPrefix(rest, "./"), strings.HasPrefix(rest, "../"):
			return false
		}
	}
	return true
}

// resolve does what web servers do with a path before they match it: one slash
// of several, dot segments resolved, a last slash kept. It needs a first slash.
func resolve(s string) string {
	if resolved(s) {
		return s
	}
	c := path.Clean(s)
	if c != "/" && (strings.HasSuffix(s, "/") || strings.HasSuffix(s, "/.") || strings.HasSuffix(s, "/..")) {
		c += "/"
	}
	return c
}
