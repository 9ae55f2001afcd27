package gateway

import (
	"net"
	"net/netip"
	"strings"
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// trustsPeer tells whether X-Forwarded-* of this request are believed: whether
// the peer that the web server saw (REMOTE_ADDR) is a proxy declared trusted.
func (v *vars) trustsPeer() bool {
	if v.listener.TrustAll {
		return true
	}
	if len(v.listener.Trusted) == 0 {
		return false
	}
	a, err := netip.ParseAddr(v.get(remoteAddr))
	return err == nil && v.trusts(a)
}

func (v *vars) trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range v.listener.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// findScheme tells http from https. X-Forwarded-Proto of a trusted peer comes
// first: it is about the visitor's connection, the variables only about the
// one to this web server. Then HTTPS, which an administrator may have set by
// hand where REQUEST_SCHEME knows no better; then REQUEST_SCHEME. A list in
// X-Forwarded-Proto ("https, http") says neither and is passed over. Trac takes
// on, yes and 1 (host.md 1.4); what is neither a yes nor a no is refused.
func (v *vars) findScheme(trusted bool) (string, error) {
	if trusted {
		switch s, err := v.only(httpForwardedProto); {
		case err != nil:
			return "", err
		case strings.EqualFold(s, schemeHTTPS):
			return schemeHTTPS, nil
		case strings.EqualFold(s, schemeHTTP):
			return schemeHTTP, nil
		}
	}
	switch s := v.get(https); strings.ToLower(s) {
	case "":
	case "on", "yes", "1", "true", "https":
		return schemeHTTPS, nil
	case "off", "no", "0", "false", "http":
		return schemeHTTP, nil
	default:
		return "", &Error{Name: "HTTPS", Problem: quote(s) + ` is neither "on" nor "off"`}
	}
	switch s := v.get(requestScheme); strings.ToLower(s) {
	case "", "http":
		return schemeHTTP, nil
	case "https":
		return schemeHTTPS, nil
	default:
		return "", &Error{Name: "REQUEST_SCHEME", Problem: quote(s) + ` is neither "http" nor "https"`}
	}
}

// findHost returns the host that the visitor asked for, with its port if it has
// one: X-Forwarded-Host of a trusted peer (the last of several, which the
// nearest proxy wrote), else HTTP_HOST, else SERVER_NAME with SERVER_PORT unless
// that is the scheme's own. v.scheme must be known.
func (v *vars) findHost(trusted bool) (string, error) {
	if trusted {
		s, err := v.only(httpForwardedHost)
		if err != nil {
			return "", err
		}
		s = strings.TrimSpace(s[strings.LastIndexByte(s, ',')+1:])
		if s != "" {
			return s, checkHost("HTTP_X_FORWARDED_HOST", s)
		}
	}
	if s := v.get(httpHost); s != "" {
		return s, checkHost("HTTP_HOST", s)
	}
	host := v.get(serverName)
	if host == "" {
		return "", nil
	}
	if host[0] != '[' && strings.Contains(host, ":") {
		host = "[" + host + "]" // an address of IPv6, RFC 3875 section 4.1.14
	}
	switch port := v.get(serverPort); {
	case port == "", port == "0", v.scheme == schemeHTTP && port == "80", v.scheme == schemeHTTPS && port == "443":
	default:
		host += ":" + port
	}
	return host, checkHost("SERVER_NAME", host)
}

// checkHost refuses what is no host with an optional port (RFC 3986 section
// 3.2.2, of its reg-name only what names in use are made of). A Host that
// carries a slash, a quote or a blank would end up in links.
func checkHost(name, s string) error {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	if len(s) <= maxHost && goodHost(host) && goodPort(port) {
		return nil
	}
	return &Error{Name: name, Problem: quote(s) + " is no host name"}
}

// maxHost is the longest name of the DNS, in bytes, and room for a port.
const maxHost = 255 + len(":65535")

func goodHost(s string) bool {
	if in, ok := strings.CutPrefix(s, "["); ok {
		in, ok = strings.CutSuffix(in, "]")
		a, err := netip.ParseAddr(in)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != ""
}

func goodPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= len("65535")
}

// findRemote returns the visitor as "ip:port", for Request.RemoteAddr. Behind
// a trusted peer it is the last address of X-Forwarded-For that is not a
// trusted proxy itself, with port 0. What is no address ("unix:" of nginx, "")
// is returned as it came.
func (v *vars) findRemote(trusted bool) string {
	addr, port := v.get(remoteAddr), v.get(remotePort)
	if trusted && v.sent(httpForwardedFor) {
		if a := v.forwardedFor(); a.IsValid() {
			return netip.AddrPortFrom(a, 0).String()
		}
	}
	if addr == "" || !goodPort(port) {
		return addr
	}
	if _, err := netip.ParseAddr(addr); err != nil {
		return addr
	}
	if port == "" {
		port = "0"
	}
	if strings.IndexByte(addr, ':') < 0 {
		return addr + ":" + port
	}
	return net.JoinHostPort(addr, port)
}

// forwardedFor walks X-Forwarded-For from its end, where the nearest proxy
// wrote. Several headers are one list, in their order (RFC 9110 section 5.3).
// What stands before an element that is no address is not believed.
func (v *vars) forwardedFor() netip.Addr {
	var found netip.Addr
	for i := len(v.pairs) - 1; i >= 0; i-- {
		if v.pairs[i].Name != "HTTP_X_FORWARDED_FOR" {
			continue
		}
		list := v.pairs[i].Value
		for more := true; more; {
			var one string
			if k := strings.LastIndexByte(list, ','); k >= 0 {
				one, list = list[k+1:], list[:k]
			} else {
				one, more = list, false
			}
			a, ok := parseForwarded(strings.TrimSpace(one))
			if !ok {
				return found
			}
			found = a
			if !v.trusts(a) {
				return found
			}
		}
	}
	return found
}

// parseForwarded reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80".
func parseForwarded(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone(""), err == nil
}
