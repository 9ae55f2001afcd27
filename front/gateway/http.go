package gateway

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// FromHTTP gives a request of net/http's server the variables that a web server
// would have sent for it, in its context, and the same shape as NewRequest's:
// URL.Path below Script, Host, RemoteAddr and scheme as a trusted proxy says.
// It returns a copy; the headers, which it shares with r, lose those that
// NewRequest would not have made, and all with an underscore in their name,
// which fold to the same variable as others (nginx drops them, too).
//
// REMOTE_USER and AUTH_TYPE are there only if the listener's UserHeader is, and
// came from a trusted peer: plain HTTP has no place for them.
// The program is at the root unless the listener's settings have SettingRoot.
// The error is an *Error.
func FromHTTP(l *Listener, r *http.Request) (*http.Request, error) {
	user := r.Header.Values(l.userHeader())
	r.Header.Del(l.userHeader())
	cleanHeader(r.Header)
	v, err := New(l, httpPairs(r))
	if err != nil {
		return nil, err
	}
	w := v.v
	w.direct = !w.trustsPeer()
	if !goodMethod(r.Method) {
		return nil, &Error{Name: "REQUEST_METHOD", Problem: quote(r.Method) + " is no method"}
	}
	ctx := NewContext(r.Context(), v)
	if len(user) > 0 && !w.direct {
		if len(user) > 1 {
			return nil, &Error{Name: "REMOTE_USER", Problem: "the header " + l.UserHeader + " is sent more than once by a trusted peer"}
		}
		ctx = WithUser(ctx, user[0], userHeaderAuth)
	}
	r2 := r.WithContext(ctx)
	r2.URL = &url.URL{Path: w.where.path, RawQuery: r.URL.RawQuery}
	r2.Host = w.host
	r2.RemoteAddr = w.remote
	r2.RequestURI = w.where.uri
	return r2, nil
}

// userHeaderAuth is the AUTH_TYPE of a user whom a trusted peer names: it has
// asked in a way of its own.
const userHeaderAuth = "Proxy"

// userHeader is UserHeader in canonical form.
func (l *Listener) userHeader() string {
	if l == nil {
		return ""
	}
	return http.CanonicalHeaderKey(l.UserHeader)
}

// cleanHeader removes the headers that make no variable.
func cleanHeader(h http.Header) {
	for name := range h {
		if strings.IndexByte(name, '_') >= 0 || headerName(variableName(name)) == "" && name != "Content-Type" && name != "Content-Length" {
			delete(h, name)
		}
	}
}

// httpPairs are the variables of a request (RFC 3875 section 4.1).
func httpPairs(r *http.Request) []Pair {
	pairs := make([]Pair, 0, 16+len(r.Header))
	pairs = append(pairs,
		Pair{"GATEWAY_INTERFACE", "CGI/1.1"},
		Pair{"SERVER_SOFTWARE", "projhost"},
		Pair{"SERVER_PROTOCOL", r.Proto},
		Pair{"REQUEST_METHOD", r.Method},
		Pair{"REQUEST_URI", r.RequestURI},
		Pair{"SCRIPT_NAME", ""},
		Pair{"PATH_INFO", r.URL.Path},
		Pair{"QUERY_STRING", r.URL.RawQuery},
		Pair{"HTTP_HOST", r.Host},
	)
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		pairs = append(pairs, Pair{"REMOTE_ADDR", host}, Pair{"REMOTE_PORT", port})
	} // else it came by a unix socket, and its name (mostly "@") is no address
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		ap := a.AddrPort()
		pairs = append(pairs, Pair{"SERVER_ADDR", ap.Addr().Unmap().String()},
			Pair{"SERVER_PORT", strconv.Itoa(int(ap.Port()))})
	}
	if r.TLS != nil {
		pairs = append(pairs, Pair{"HTTPS", "on"})
	}
	return appendHeaders(pairs, r.Header)
}

// appendHeaders adds the headers. Lines of one name are one value, joined as
// RFC 9110 section 5.3 has it, except Cookie, which is joined by "; " (RFC
// 9113 section 8.2.3), and those that may have one value only, of which New
// refuses a second that differs.
func appendHeaders(pairs []Pair, h http.Header) []Pair {
	for name, values := range h {
		switch name {
		case "Content-Type":
			for _, s := range values {
				pairs = append(pairs, Pair{"CONTENT_TYPE", s})
			}
			continue
		case "Content-Length":
			for _, s := range values {
				pairs = append(pairs, Pair{"CONTENT_LENGTH", s})
			}
			continue
		}
		variable := variableName(name)
		if len(values) > 1 && knownName(variable) == unknown {
			sep := ", "
			if name == "Cookie" {
				sep = "; "
			}
			pairs = append(pairs, Pair{variable, strings.Join(values, sep)})
			continue
		}
		for _, s := range values {
			pairs = append(pairs, Pair{variable, s})
		}
	}
	return pairs
}
