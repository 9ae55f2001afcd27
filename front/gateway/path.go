package gateway

import (
	"fmt"
	"net/url"
	"strings"
)

// place is where the program is on the site and what is asked of it there.
type place struct {
	script string // decoded; "" or like "/trac", never ends in "/"
	path   string // decoded; begins with "/", or is "" if the program itself was asked for without one
	uri    string // REQUEST_URI, or what it must have been
	rule   string // which rule of settlers decided
}

// told is what a web server says of the path of one request, made comparable:
// decoded, valid UTF-8, without control characters.
type told struct {
	script   string // SCRIPT_NAME, slashes squeezed
	info     string // PATH_INFO; "" or begins with "/"
	infoSent bool   // PATH_INFO was sent, be it empty
	anySent  bool   // any of SCRIPT_NAME, PATH_INFO, REQUEST_URI was
	whole    string // the path of the client's URL, decoded and resolved; "" if not known
	document string // DOCUMENT_URI
	proxied  string // what SCRIPT_FILENAME of Apache may say of the path, see proxiedPath
	proxy    bool   // it does
	software string // SERVER_SOFTWARE
	root     string // SettingRoot without its last slash
	rooted   bool   // it was said
}

// A settler is one rule. It returns false if the rule is about other requests.
type settler struct {
	name   string
	settle func(*told) (place, bool, error)
}

// settlers returns the rules, in order; the first that applies decides, and the
// reasons stand with each. What they keep to:
//
// The path below the script chooses the environment, so it is only ever taken
// from what the web server itself decoded and matched its access rules against
// (PATH_INFO, SCRIPT_NAME), never from a second decoding of REQUEST_URI, except
// where nothing else was sent. REQUEST_URI tells where the program shows in the
// visitor's address bar, which matters to links alone. Where the variables have
// two readings that lead to different environments, the request is refused
// until the administrator states SettingRoot.
func settlers() [9]settler {
	return [...]settler{
		{"root stated", rootStated},
		{"address ends with PATH_INFO", addressEndsWithInfo},
		{"address only", addressOnly},
		{"Apache's proxied path", apacheProxied},
		{"whole path in SCRIPT_NAME", wholePathInScript},
		{"program asked for", programAskedFor},
		{"as RFC 3875 has it", plain},
		{"nothing but a root", nothing},
		{"no path at all", noPath},
	}
}

// findPlace settles the path of the request.
func (v *vars) findPlace() (place, error) {
	t, err := v.tell()
	if err != nil {
		return place{}, err
	}
	for _, s := range settlers() {
		p, ok, err := s.settle(&t)
		if err != nil {
			return place{}, err
		}
		if !ok {
			continue
		}
		p.rule = s.name
		if p.uri = v.get(requestURI); p.uri == "" {
			p.uri = v.spellURI(p)
		}
		return p, p.check()
	}
	return place{}, &Error{Name: "PATH_INFO", Problem: "no rule for it"} // noPath applies to all
}

// check is the last look at what handlers are going to rely on.
func (p place) check() error {
	name := "PATH_INFO"
	ok := p.path == "" || p.path[0] == '/' && resolved(p.path)
	if ok && p.script != "" {
		name = "SCRIPT_NAME"
		ok = p.script[0] == '/' && p.script[len(p.script)-1] != '/' && resolved(p.script)
	}
	if !ok {
		return &Error{Name: name, Problem: fmt.Sprintf("no path can be made of it: %s below %s", quote(p.path), quote(p.script))}
	}
	return nil
}

// spellURI makes the REQUEST_URI that a web server did not send.
func (v *vars) spellURI(p place) string {
	s := (&url.URL{Path: p.script + p.path}).EscapedPath()
	if s == "" {
		s = "/"
	}
	if q := v.get(queryString); q != "" {
		s += "?" + q
	}
	return s
}

// rootStated: the administrator has said where the program is (SettingRoot), as
// with TracUriRoot of mod_python (host.md 1.1). It is needed
//   - behind lighttpd with a handler for "/" and no fix-root-scriptname: "/wiki/Start"
//     comes as SCRIPT_NAME "/wiki", PATH_INFO "/Start" (lighttpd src/gw_backend.c),
//     which looks just like a program at /wiki;
//   - behind H2O and Caddy below a prefix, which put the whole path into PATH_INFO;
//   - behind Apache's SetHandler "proxy:fcgi:..." without a file of the program's
//     name: Apache splits where its document root ends.
//
// The address must bear it out: it is SCRIPT_NAME plus PATH_INFO, or PATH_INFO
// alone, or the root plus PATH_INFO (the program's own name is hidden).
func rootStated(t *told) (place, bool, error) {
	if !t.rooted {
		return place{}, false, nil
	}
	both := t.script
	if t.info != "" {
		both = strings.TrimSuffix(t.script, "/") + t.info
	}
	switch {
	case t.whole == both && below(both, t.root):
	case t.info != "" && t.whole == t.info && below(t.info, t.root):
		both = t.info
	case t.info != "" && (t.whole == t.root+t.info || t.whole == "" && t.script == t.root):
		both = t.root + t.info
	case t.info == "" && t.whole != "" && (t.whole == t.root || t.whole == t.root+"/"):
		both = t.whole
	case t.whole == "" && t.script == "" && below(t.info, t.root),
		t.whole == "" && t.info == "" && below(t.script, t.root):
	case !t.anySent:
		both = t.root
	case t.script == "" && t.info == "" && below(t.whole, t.root):
		both = t.whole
	default:
		return place{}, false, &Error{Name: SettingRoot, Problem: fmt.Sprintf(
			"%s does not fit SCRIPT_NAME %s, PATH_INFO %s, REQUEST_URI path %s",
			quote(t.root+"/"), quote(t.script), quote(t.info), quote(t.whole))}
	}
	return place{script: t.root, path: both[len(t.root):]}, true, nil
}

// addressEndsWithInfo: PATH_INFO is the path, and what stands before it in the
// address is the program as the visitor sees it. This covers
//   - a program whose name shows: /cgi-bin/trac.fcgi/wiki;
//   - one hidden by rewriting: the address /trac/wiki, rewritten to
//     /cgi-bin/trac.fcgi/wiki, makes links below /trac. Trac does so with
//     mod_rewrite's SCRIPT_URL (host.md 1.2), which is taken for the address here;
//   - nginx with SCRIPT_NAME "" or unset and PATH_INFO set, or with its stock
//     SCRIPT_NAME (the whole path) besides PATH_INFO $uri;
//   - H2O (SCRIPT_NAME empty, lib/handler/fastcgi.c), lighttpd with
//     fix-root-scriptname, and Caddy with handle_path, which keeps the
//     stripped prefix in REQUEST_URI only.
//
// Two readings are refused: SCRIPT_NAME "/trac" with PATH_INFO "/trac/wiki" at the
// address /trac/wiki is either the environment "trac" of a program at the root,
// or the page of a program at /trac (Caddy with "env SCRIPT_NAME /trac", nginx
// with "fastcgi_param PATH_INFO $uri").
func addressEndsWithInfo(t *told) (place, bool, error) {
	if t.info == "" || !strings.HasSuffix(t.whole, t.info) {
		return place{}, false, nil
	}
	if t.whole == t.info && t.script != "" && t.script != "/" && t.script != t.info && below(t.info, t.script) {
		return place{}, false, &Error{Name: "PATH_INFO", Problem: fmt.Sprintf(
			"%s holds SCRIPT_NAME %s once more: state %s", quote(t.info), quote(t.script), SettingRoot)}
	}
	return place{script: t.whole[:len(t.whole)-len(t.info)], path: t.info}, true, nil
}

// addressOnly: neither SCRIPT_NAME nor PATH_INFO says anything (nginx with
// neither set), so the program is at the root and the address is the path. It
// was not decoded by the web server, so it must be in its one spelling (see
// tell), and agree with DOCUMENT_URI (nginx's own decoding) if that was sent.
func addressOnly(t *told) (place, bool, error) {
	if t.script != "" || t.info != "" || t.whole == "" {
		return place{}, false, nil
	}
	if t.document != "" && t.document != t.whole {
		return place{}, false, &Error{Name: "REQUEST_URI", Problem: fmt.Sprintf(
			"its path %s is not DOCUMENT_URI %s: send PATH_INFO", quote(t.whole), quote(t.document))}
	}
	return place{path: t.whole}, true, nil
}

// apacheProxied: mod_proxy_fcgi with ProxyPass and without proxy-fcgi-pathinfo
// puts the whole path into SCRIPT_NAME and sends no PATH_INFO; the path it
// proxied, below the mount, is the end of SCRIPT_FILENAME
// "proxy:fcgi://127.0.0.1:9000/wiki/Start", or "/" for the mount itself. With
// SetHandler it ends with SCRIPT_NAME instead, which then names a program. If it
// does neither, the two disagree.
func apacheProxied(t *told) (place, bool, error) {
	if t.proxied == "" || t.info != "" || t.script == "" {
		return place{}, false, nil
	}
	script, found := strings.CutSuffix(t.script, t.proxied)
	switch {
	case found:
		return place{script: script, path: t.proxied}, true, nil
	case t.proxied == "/":
		return place{script: t.script}, true, nil
	case t.proxy && !strings.HasSuffix(t.proxied, t.script):
		return place{}, false, &Error{Name: "SCRIPT_FILENAME", Problem: fmt.Sprintf(
			"its path %s is no end of SCRIPT_NAME %s: set proxy-fcgi-pathinfo, or state %s",
			quote(t.proxied), quote(t.script), SettingRoot)}
	}
	return place{}, false, nil
}

// wholePathInScript: SCRIPT_NAME is the path and PATH_INFO says nothing:
//   - nginx with its stock fastcgi_params (SCRIPT_NAME $fastcgi_script_name) and no
//     line for PATH_INFO. With a line for it, an empty PATH_INFO means that
//     fastcgi_split_path_info found nothing below the program: see programAskedFor;
//   - Caddy with a "split" that is not in the path. Where it is at the end, the
//     program itself was asked for. It splits where the word first comes: who
//     uses one states SettingRoot, or a page called "x.fcgi" is a program;
//   - HAProxy without path-info, or with one that did not match: the first is a
//     page and the second may be the program itself, so it is refused.
//
// A SCRIPT_NAME that is set to a fixed value without PATH_INFO is refused: only
// REQUEST_URI would tell the path, which the web server's rules did not match.
func wholePathInScript(t *told) (place, bool, error) {
	if t.info != "" || t.script == "" {
		return place{}, false, nil
	}
	switch {
	case strings.HasPrefix(t.software, "nginx/") && !t.infoSent:
	case strings.HasPrefix(t.software, "Caddy") && !looksLikeProgram(t.script):
	case strings.HasPrefix(t.software, "HAProxy") && t.script != "/":
		return place{}, false, &Error{Name: "PATH_INFO", Problem: fmt.Sprintf(
			"not sent by HAProxy, SCRIPT_NAME is %s: state %s", quote(t.script), SettingRoot)}
	default:
		return place{}, false, nil
	}
	script, found := strings.CutSuffix(t.whole, t.script)
	switch {
	case found:
		return place{script: script, path: t.script}, true, nil
	case below(t.whole, t.script), looksLikeProgram(t.script):
		return place{}, false, t.goesOn()
	}
	return place{path: t.script}, true, nil // rewritten
}

// programAskedFor: PATH_INFO is empty, so the program itself was asked for (RFC
// 3875 section 4.1.5), by the name SCRIPT_NAME or, if that is hidden by
// rewriting, by the address, as Trac has it with SCRIPT_URL. An empty PATH_INFO
// moves nothing and makes no slice (php-fpm's CVE-2019-11043 did).
//
// If the address goes on below SCRIPT_NAME, or SCRIPT_NAME ends in a slash
// (nginx with "PATH_INFO $fastcgi_path_info" and no split: the whole path is in
// SCRIPT_NAME), PATH_INFO is missing by mistake, and no other page is guessed.
func programAskedFor(t *told) (place, bool, error) {
	if t.info != "" || t.script == "" {
		return place{}, false, nil
	}
	if t.script == "/" {
		return place{path: "/"}, true, nil
	}
	if t.script[len(t.script)-1] == '/' {
		return place{}, false, &Error{Name: "SCRIPT_NAME", Problem: fmt.Sprintf(
			"%s ends in a slash and PATH_INFO is empty: send PATH_INFO, or state %s", quote(t.script), SettingRoot)}
	}
	switch {
	case t.whole == "", t.whole == t.script:
		return place{script: t.script}, true, nil
	case below(t.whole, t.script) && t.whole != t.script+"/":
		return place{}, false, t.goesOn()
	}
	script := strings.TrimSuffix(t.whole, "/")
	return place{script: script, path: t.whole[len(script):]}, true, nil
}

// plain: SCRIPT_NAME and PATH_INFO as they are, when no address was sent or it was
// rewritten so that it does not end with PATH_INFO. Trac leaves SCRIPT_NAME alone
// then, too (host.md 1.2).
func plain(t *told) (place, bool, error) {
	if t.info == "" {
		return place{}, false, nil
	}
	return place{script: strings.TrimSuffix(t.script, "/"), path: t.info}, true, nil
}

// nothing: SCRIPT_NAME and PATH_INFO were sent empty and no address with them.
func nothing(t *told) (place, bool, error) {
	return place{path: "/"}, t.anySent, nil
}

// noPath: variables without any path, as a program makes them that has the
// path from elsewhere. NewRequest refuses them.
func noPath(*told) (place, bool, error) { return place{}, true, nil }

// goesOn is the refusal of an empty PATH_INFO where there should be one.
func (t *told) goesOn() error {
	return &Error{Name: "PATH_INFO", Problem: fmt.Sprintf(
		"empty, but REQUEST_URI path %s goes on after SCRIPT_NAME %s", quote(t.whole), quote(t.script))}
}

// below tells whether path is root or lies below it.
func below(path, root string) bool {
	return strings.HasPrefix(path, root) && (len(path) == len(root) || path[len(root)] == '/')
}

// looksLikeProgram tells whether the last segment of a SCRIPT_NAME is a program's
// file rather than a page. No letter is folded: Caddy's CVE-2026-27590 came of
// lower-casing a path before slicing it.
func looksLikeProgram(script string) bool {
	for _, end := range [...]string{".fcgi", ".cgi", ".wsgi", ".py", ".FCGI", ".CGI"} {
		if strings.HasSuffix(script, end) {
			return true
		}
	}
	return false
}
