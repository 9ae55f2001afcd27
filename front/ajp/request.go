package ajp

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"projhost/front/gateway"
	"projhost/front/wire"
)

var (
	errTruncated = errors.New("the request is truncated")
	errNoNUL     = errors.New("a string does not end with NUL")
)

// packet is what is left of a packet's content. The first error stays.
type packet struct {
	s   string
	err error
}

func (p *packet) take(n int) string {
	if p.err == nil && len(p.s) < n {
		p.err = errTruncated
	}
	if p.err != nil {
		return ""
	}
	v := p.s[:n]
	p.s = p.s[n:]
	return v
}

func (p *packet) byte() int {
	if v := p.take(1); v != "" {
		return int(v[0])
	}
	return 0
}

func (p *packet) uint16() int {
	if v := p.take(2); v != "" {
		return int(v[0])<<8 | int(v[1])
	}
	return 0
}

// null is the length of a string that is none.
const null = 0xffff

// text reads a string: its length, its bytes, NUL.
func (p *packet) text() string {
	n := p.uint16()
	if n == null {
		return ""
	}
	v := p.take(n)
	if p.take(1) != "\x00" && p.err == nil {
		p.err = errNoNUL
	}
	return v
}

// codedName is the first byte of a header's name that is coded; a string's
// length would begin with less.
const codedName = 0xa0

// headerName reads the name of a header.
func (p *packet) headerName() string {
	if p.s == "" || p.s[0] != codedName {
		return p.text()
	}
	code := p.uint16() & 0xff
	names := requestHeaders()
	if code == 0 || code > len(names) {
		if p.err == nil {
			p.err = fmt.Errorf("header of unknown code %d", code)
		}
		return ""
	}
	return names[code-1]
}

// requestHeaders are the headers of code 1 and so on.
func requestHeaders() [14]string {
	return [...]string{
		"accept", "accept-charset", "accept-encoding", "accept-language", "authorization", "connection",
		"content-type", "content-length", "cookie", "cookie2", "host", "pragma", "referer", "user-agent",
	}
}

// methods are the methods of code 1 and so on.
func methods() [27]string {
	return [...]string{
		"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK",
		"UNLOCK", "ACL", "REPORT", "VERSION-CONTROL", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "SEARCH", "MKWORKSPACE", "UPDATE",
		"LABEL", "MERGE", "BASELINE-CONTROL", "MKACTIVITY",
	}
}

// storedMethod is the code of a method that comes as an attribute.
const storedMethod = 0xff

// Codes of attributes.
const (
	attrContext      = 1
	attrServletPath  = 2
	attrRemoteUser   = 3
	attrAuthType     = 4
	attrQueryString  = 5
	attrRoute        = 6
	attrSSLCert      = 7
	attrSSLCipher    = 8
	attrSSLSession   = 9
	attrNamed        = 10
	attrSSLKeySize   = 11
	attrSecret       = 12
	attrStoredMethod = 13
	attrEnd          = 0xff
)

// request is what is read of a forwarded request.
type request struct {
	limit   int // headers and attributes
	pairs   []gateway.Pair
	uri     string
	query   string
	method  string
	stored  string   // method that comes as an attribute
	secrets []string // as often as they were sent
	lengths []string // Content-Length, as often as it was sent
	chunked bool
}

func (r *request) add(name, value string) {
	r.pairs = append(r.pairs, gateway.Pair{Name: name, Value: value})
}

// parse reads the content of a packet that forwards a request, after its code.
func parse(s string, limit int) (*request, error) {
	p := &packet{s: s}
	r := &request{limit: limit}
	code := p.byte()
	names := methods()
	switch {
	case code > 0 && code <= len(names):
		r.method = names[code-1]
	case code != storedMethod && p.err == nil:
		return nil, fmt.Errorf("method of unknown code %d", code)
	}
	r.add("SERVER_PROTOCOL", p.text())
	r.uri = p.text()
	r.add("REMOTE_ADDR", p.text())
	if host := p.text(); host != "" {
		r.add("REMOTE_HOST", host)
	}
	r.add("SERVER_NAME", p.text())
	r.add("SERVER_PORT", strconv.Itoa(p.uint16()))
	if p.byte() != 0 {
		r.add("HTTPS", "on")
	}
	n := p.uint16()
	if p.err == nil && n > limit {
		return nil, fmt.Errorf("more than %d headers", limit)
	}
	for ; n > 0 && p.err == nil; n-- {
		name := p.headerName()
		r.header(name, p.text())
	}
	for p.err == nil && r.attribute(p) {
		if len(r.pairs) > 2*limit {
			return nil, fmt.Errorf("more than %d headers and attributes", 2*limit)
		}
	}
	if p.err == nil && p.s != "" {
		p.err = fmt.Errorf("%d bytes after the end of the request", len(p.s))
	}
	if p.err != nil {
		return nil, p.err
	}
	return r, r.finish(code)
}

// header makes a variable of a header.
func (r *request) header(name, value string) {
	b := make([]byte, 0, len("HTTP_")+len(name))
	b = append(b, "HTTP_"...)
	for i := range len(name) {
		c := name[i]
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z':
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		default:
			return // see the comment of the package
		}
		b = append(b, c)
	}
	switch variable := string(b); variable {
	case "HTTP_":
	case "HTTP_CONTENT_TYPE":
		r.add("CONTENT_TYPE", value)
	case "HTTP_CONTENT_LENGTH":
		r.lengths = append(r.lengths, value)
	case "HTTP_TRANSFER_ENCODING":
		r.chunked = true
	default:
		r.add(variable, value)
	}
}

// attribute reads one attribute. It returns false at their end.
func (r *request) attribute(p *packet) bool {
	code := p.byte()
	switch code {
	case attrEnd:
		return false
	case attrSSLKeySize:
		r.add("SSL_CIPHER_USEKEYSIZE", strconv.Itoa(p.uint16()))
		return true
	case attrNamed:
		name := p.text()
		p.err = errors.Join(p.err, r.named(name, p.text()))
		return true
	}
	value := p.text()
	switch code {
	case attrRemoteUser:
		r.add("REMOTE_USER", value)
	case attrAuthType:
		r.add("AUTH_TYPE", value)
	case attrQueryString:
		r.query = value
	case attrSSLCert:
		r.add("SSL_CLIENT_CERT", value)
	case attrSSLCipher:
		r.add("SSL_CIPHER", value)
	case attrSSLSession:
		r.add("SSL_SESSION_ID", value)
	case attrSecret:
		r.secrets = append(r.secrets, value)
	case attrStoredMethod:
		r.stored = value
	case attrContext, attrServletPath, attrRoute:
	default:
		if p.err == nil {
			p.err = fmt.Errorf("attribute of unknown code %d", code)
		}
	}
	return p.err == nil
}

// named makes a variable of an attribute with a name of its own. The first three
// are sent by Apache and mod_jk; none may pass for a header.
func (r *request) named(name, value string) error {
	switch name {
	case "AJP_REMOTE_PORT":
		name = "REMOTE_PORT"
	case "AJP_LOCAL_ADDR":
		name = "SERVER_ADDR"
	case "AJP_SSL_PROTOCOL":
		name = "SSL_PROTOCOL"
	}
	if strings.HasPrefix(name, "HTTP_") {
		return fmt.Errorf("attribute %.100q would pass for a header", name)
	}
	r.add(name, value)
	return nil
}

// finish adds the variables that take more than one field to know.
func (r *request) finish(method int) error {
	if method == storedMethod {
		r.method = r.stored
	}
	target := r.uri
	if r.query != "" {
		target += "?" + r.query
	}
	r.add("REQUEST_METHOD", r.method)
	r.add("REQUEST_URI", target)
	r.add("QUERY_STRING", r.query)
	r.add("GATEWAY_INTERFACE", "CGI/1.1")
	if r.uri == "" || r.uri[0] != '/' {
		return fmt.Errorf("path %.100q does not begin with a slash", r.uri)
	}
	if len(r.lengths) > 0 && r.chunked {
		return errors.New("Content-Length and Transfer-Encoding in one request")
	}
	for _, s := range r.lengths {
		if s != r.lengths[0] {
			return fmt.Errorf("Content-Length is sent twice, %.40q and %.40q", r.lengths[0], s)
		}
	}
	if len(r.lengths) > 0 {
		r.add("CONTENT_LENGTH", r.lengths[0])
	}
	return nil
}

// length is that of the body, -1 if it is not known.
func (r *request) length() (int64, error) {
	switch {
	case r.chunked:
		return -1, nil
	case len(r.lengths) == 0 || r.lengths[0] == "":
		return 0, nil
	}
	n, err := strconv.ParseUint(r.lengths[0], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("Content-Length %.40q is no length", r.lengths[0])
	}
	return int64(n), nil
}

// admit refuses a request without the secret.
func (r *request) admit(secret string) error {
	if secret == "" {
		return nil
	}
	if len(r.secrets) == 0 {
		return wire.Refuse(http.StatusForbidden,
			"the secret is missing: give the web server the listener's secret (secret= of ProxyPass, worker.NAME.secret of mod_jk)")
	}
	want := sha256.Sum256([]byte(secret))
	for _, s := range r.secrets {
		got := sha256.Sum256([]byte(s))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return wire.Refuse(http.StatusForbidden,
				"the secret is wrong: give the web server the listener's secret (secret= of ProxyPass, worker.NAME.secret of mod_jk)")
		}
	}
	return nil
}
