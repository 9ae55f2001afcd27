package gateway

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// NewRequest makes the request. Its context is ctx with the variables.
//
//   - URL.Path is the decoded path below Script. It begins with "/", or is "" if
//     the program was asked for without a slash ("/trac" where Script is "/trac");
//     it holds no "//", no "." or ".." segment, no control character, and is valid
//     UTF-8. URL.RawPath is "": an encoded slash never gets here.
//   - RequestURI is as the client sent it, RawQuery is QUERY_STRING.
//   - Host is a host with an optional port, or "" if none was sent.
//   - ContentLength is -1 if it is not known and 0 without a body.
//   - RemoteAddr is "ip:port", the port 0 if it is not known.
//   - Header has what HTTP_* variables carried, see headerName, and Content-Type.
//
// The error is an *Error. A nil body is none.
func NewRequest(ctx context.Context, v Vars, body io.ReadCloser) (*http.Request, error) {
	if v.v == nil {
		return nil, &Error{Name: "REQUEST_METHOD", Problem: "no variables"}
	}
	w := v.v
	method := w.get(requestMethod)
	if !goodMethod(method) {
		return nil, &Error{Name: "REQUEST_METHOD", Problem: quote(method) + " is no method"}
	}
	if !w.sent(requestURI) && !w.sent(pathInfo) && !w.sent(scriptName) {
		return nil, &Error{Name: "PATH_INFO", Problem: "not sent, nor SCRIPT_NAME or REQUEST_URI"}
	}
	length, err := w.contentLength()
	if err != nil {
		return nil, err
	}
	if body == nil || body == http.NoBody {
		body, length = http.NoBody, 0
	}
	proto, major, minor, err := w.protocol()
	if err != nil {
		return nil, err
	}
	r := http.Request{
		Method:        method,
		URL:           &url.URL{Path: w.where.path, RawQuery: w.query()},
		Proto:         proto,
		ProtoMajor:    major,
		ProtoMinor:    minor,
		Header:        w.header(),
		Body:          body,
		ContentLength: length,
		Host:          w.host,
		RemoteAddr:    w.remote,
		RequestURI:    w.where.uri,
	}
	return r.WithContext(NewContext(ctx, v)), nil
}

// maxMethod bounds a method's name, in bytes. The longest registered is
// UPDATEREDIRECTREF.
const maxMethod = 32

// goodMethod tells whether s is a method: a token (RFC 9110 section 9.1). CONNECT
// is none that a site answers.
func goodMethod(s string) bool {
	switch s {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return true
	case "", http.MethodConnect:
		return false
	}
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return len(s) <= maxMethod
}

// contentLength is CONTENT_LENGTH (RFC 3875 section 4.1.2): digits only, so that a
// sign or a blank is not read as some number that another reader does not see.
func (v *vars) contentLength() (int64, error) {
	s := v.get(contentLength)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, &Error{Name: "CONTENT_LENGTH", Problem: quote(s) + " is no length"}
	}
	return int64(n), nil
}

// protocol is SERVER_PROTOCOL (RFC 3875 section 4.1.16), HTTP/1.0 if not sent.
func (v *vars) protocol() (string, int, int, error) {
	s := v.get(serverProtocol)
	switch s {
	case "HTTP/1.1":
		return s, 1, 1, nil
	case "HTTP/2.0", "HTTP/2":
		return "HTTP/2.0", 2, 0, nil
	case "HTTP/3.0", "HTTP/3":
		return "HTTP/3.0", 3, 0, nil
	case "HTTP/1.0", "":
		return "HTTP/1.0", 1, 0, nil
	}
	return "", 0, 0, &Error{Name: "SERVER_PROTOCOL", Problem: quote(s) + " is no version of HTTP"}
}

// query is QUERY_STRING or, if that was not sent, what follows the "?" of
// REQUEST_URI.
func (v *vars) query() string {
	if v.sent(queryString) {
		return v.get(queryString)
	}
	_, q, _ := strings.Cut(v.get(requestURI), "?")
	q, _, _ = strings.Cut(q, "#")
	return q
}

// header makes the request's headers of the HTTP_* variables. The slices of
// values share one array; each is full, so appending to one copies it.
func (v *vars) header() http.Header {
	h := make(http.Header, v.headers+1)
	values := make([]string, 0, v.headers+1)
	for i := range v.pairs {
		p := &v.pairs[i]
		name := ""
		if strings.HasPrefix(p.Name, "HTTP_") {
			name = headerName(p.Name)
		} else if p.Name == "CONTENT_TYPE" && p.Value != "" {
			name = "Content-Type"
		}
		if name == "" {
			continue
		}
		if had, ok := h[name]; ok {
			if v.repeats(p, had) {
				h[name] = append(had, p.Value)
			}
			continue
		}
		values = append(values, p.Value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return h
}

// repeats tells whether a header that has come again has something to add. The
// ones that decide something have one value (see note); others are lists.
func (v *vars) repeats(p *Pair, had []string) bool {
	k := knownName(p.Name)
	if k == unknown || k >= httpForwardedFor && k <= httpForwardedProto {
		return true
	}
	if p.Value != "" {
		had[0] = p.Value
	}
	return false
}
