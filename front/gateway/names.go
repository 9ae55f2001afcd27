package gateway

import (
	"strings"
)

// known numbers the variables that decide something: who asks, for what, where
// the program is, how long the body is. New keeps their places, so that reading
// one costs nothing, and refuses two of one name that differ.
type known uint8

const (
	unknown known = iota
	authType
	contentLength
	contentType
	documentURI
	https
	httpAuthorization
	httpHost
	httpForwardedFor // this and the next two may come more than once, see note
	httpForwardedHost
	httpForwardedProto
	pathInfo
	queryString
	remoteAddr
	remotePort
	remoteUser
	requestMethod
	requestScheme
	requestURI
	scriptName
	scriptURL
	serverName
	serverPort
	serverProtocol
	serverSoftware
	uriRoot
	knownCount
)

// knownName returns the number of a variable, unknown for all others.
func knownName(name string) known {
	switch name {
	case "AUTH_TYPE":
		return authType
	case "CONTENT_LENGTH":
		return contentLength
	case "CONTENT_TYPE":
		return contentType
	case "DOCUMENT_URI":
		return documentURI
	case "HTTPS":
		return https
	case "HTTP_AUTHORIZATION":
		return httpAuthorization
	case "HTTP_HOST":
		return httpHost
	case "HTTP_X_FORWARDED_FOR":
		return httpForwardedFor
	case "HTTP_X_FORWARDED_HOST":
		return httpForwardedHost
	case "HTTP_X_FORWARDED_PROTO":
		return httpForwardedProto
	case "PATH_INFO":
		return pathInfo
	case "QUERY_STRING":
		return queryString
	case "REMOTE_ADDR":
		return remoteAddr
	case "REMOTE_PORT":
		return remotePort
	case "REMOTE_USER":
		return remoteUser
	case "REQUEST_METHOD":
		return requestMethod
	case "REQUEST_SCHEME":
		return requestScheme
	case "REQUEST_URI":
		return requestURI
	case "SCRIPT_NAME":
		return scriptName
	case "SCRIPT_URL":
		return scriptURL
	case "SERVER_NAME":
		return serverName
	case "SERVER_PORT":
		return serverPort
	case "SERVER_PROTOCOL":
		return serverProtocol
	case "SERVER_SOFTWARE":
		return serverSoftware
	case SettingRoot:
		return uriRoot
	}
	return unknown
}

// maxPairs bounds the number of variables of one request. Protocols bound the
// bytes; this bounds the places that index keeps.
const maxPairs = 10_000

// index notes where the variables are and refuses what New says it refuses.
func (v *vars) index() error {
	if len(v.pairs) > maxPairs {
		return &Error{Name: v.pairs[maxPairs].Name, Problem: "more than 10000 variables in one request"}
	}
	proxy := false
	for i := range v.pairs {
		p := &v.pairs[i]
		k, header := knownName(p.Name), strings.HasPrefix(p.Name, "HTTP_")
		if k == unknown && !goodName(p.Name) {
			return &Error{Name: quote(p.Name), Problem: "not a name: empty, or a space, '=' or control character in it"}
		}
		if header {
			v.headers++
			proxy = proxy || p.Name == "HTTP_PROXY"
		}
		trac := isTrac(p.Name)
		if (k != unknown || header || trac) && hasBreak(p.Value) {
			return &Error{Name: p.Name, Problem: "NUL, CR or LF in its value " + quote(p.Value)}
		}
		if trac {
			if err := v.sentBefore(i); err != nil {
				return err
			}
		}
		if k != unknown {
			if err := v.note(k, i); err != nil {
				return err
			}
		}
	}
	if proxy {
		v.dropProxy()
	}
	return nil
}

// note records that pairs[i] is the variable k. Of X-Forwarded-*, which nginx and
// HAProxy send as often as the client did, it is the last one, which the nearest
// proxy wrote; who believes them looks for others (see only).
func (v *vars) note(k known, i int) error {
	if v.at[k] != 0 && (k < httpForwardedFor || k > httpForwardedProto) {
		had, now := v.get(k), v.pairs[i].Value
		telling := k == scriptName || k == pathInfo
		switch {
		case had == now:
			return nil
		case !telling && now == "":
			return nil
		case telling || had != "":
			return &Error{
				Name: v.pairs[i].Name,
				Problem: "sent twice with different values, " + quoteFor(k, had) + " and " + quoteFor(k, now) +
					": remove one of the two lines from the web server's configuration",
			}
		}
	}
	v.at[k] = uint16(i + 1)
	return nil
}

// only returns a variable of which note allows several, if all of them are the same.
func (v *vars) only(k known) (string, error) {
	s := v.get(k)
	for i := range v.pairs {
		if p := &v.pairs[i]; p.Value != s && knownName(p.Name) == k {
			return "", &Error{Name: p.Name, Problem: "sent twice with different values by a trusted peer, " + quote(p.Value) + " and " + quote(s)}
		}
	}
	return s, nil
}

// quoteFor is quote, but keeps what is secret out of the log.
func quoteFor(k known, s string) string {
	if k == httpAuthorization {
		return "(not shown)"
	}
	return quote(s)
}

// sentBefore refuses a second TRAC_* or trac.* of one name: these choose the
// directory that is served, as a program file name does elsewhere, and nothing
// may depend on which of two is read first.
func (v *vars) sentBefore(i int) error {
	for j := range i {
		if v.pairs[j].Name == v.pairs[i].Name {
			return &Error{Name: v.pairs[i].Name, Problem: "sent twice, " + quote(v.pairs[j].Value) + " and " + quote(v.pairs[i].Value)}
		}
	}
	return nil
}

// dropProxy removes HTTP_PROXY, which a client makes by sending "Proxy: x" and
// which libraries take for the address of an outgoing proxy (CVE-2016-5385).
func (v *vars) dropProxy() {
	kept := make([]Pair, 0, len(v.pairs))
	for i, p := range v.pairs {
		if p.Name == "HTTP_PROXY" {
			v.headers--
			continue
		}
		kept = append(kept, p)
		if k := knownName(p.Name); k != unknown && int(v.at[k]) == i+1 {
			v.at[k] = uint16(len(kept))
		}
	}
	v.pairs = kept
}

// isTrac tells whether a variable is one of Trac's.
func isTrac(name string) bool {
	return strings.HasPrefix(name, "TRAC_") || strings.HasPrefix(name, "trac.")
}

// goodName tells whether s can be a variable's name.
func goodName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '=' || c == 0x7f {
			return false
		}
	}
	return s != ""
}

// hasBreak tells whether s would end a line or a string elsewhere.
func hasBreak(s string) bool {
	if len(s) > 32 { // from here on looking three times is faster
		return strings.IndexByte(s, 0) >= 0 || strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0
	}
	for i := range len(s) {
		if c := s[i]; c <= '\r' && (c == 0 || c == '\n' || c == '\r') {
			return true
		}
	}
	return false
}
