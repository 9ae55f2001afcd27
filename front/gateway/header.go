package gateway

import "strings"

// headerName returns the header that the variable HTTP_X stands for, in
// canonical form, or "" if it makes none:
//
//   - Proxy: CVE-2016-5385;
//   - Host, Content-Length, Content-Type: HTTP_HOST becomes Request.Host, and the
//     other two have variables of their own (nginx sends both HTTP_CONTENT_LENGTH
//     and CONTENT_LENGTH, and a header Content_Length folds to the first);
//   - Connection, Keep-Alive, Proxy-Connection, Te, Trailer, Transfer-Encoding,
//     Upgrade: about a connection that ended at the web server (RFC 9110 section 7.6.1);
//   - Remote-User, Auth-Type and Trac-*: nobody reads them, and nobody shall;
//   - what is no token (RFC 9110 section 5.6.2).
func headerName(name string) string {
	switch name {
	case "HTTP_ACCEPT":
		return "Accept"
	case "HTTP_ACCEPT_CHARSET":
		return "Accept-Charset"
	case "HTTP_ACCEPT_ENCODING":
		return "Accept-Encoding"
	case "HTTP_ACCEPT_LANGUAGE":
		return "Accept-Language"
	case "HTTP_AUTHORIZATION":
		return "Authorization"
	case "HTTP_CACHE_CONTROL":
		return "Cache-Control"
	case "HTTP_COOKIE":
		return "Cookie"
	case "HTTP_DNT":
		return "Dnt"
	case "HTTP_FORWARDED":
		return "Forwarded"
	case "HTTP_IF_MATCH":
		return "If-Match"
	case "HTTP_IF_MODIFIED_SINCE":
		return "If-Modified-Since"
	case "HTTP_IF_NONE_MATCH":
		return "If-None-Match"
	case "HTTP_IF_RANGE":
		return "If-Range"
	case "HTTP_IF_UNMODIFIED_SINCE":
		return "If-Unmodified-Since"
	case "HTTP_ORIGIN":
		return "Origin"
	case "HTTP_PRAGMA":
		return "Pragma"
	case "HTTP_PRIORITY":
		return "Priority"
	case "HTTP_RANGE":
		return "Range"
	case "HTTP_REFERER":
		return "Referer"
	case "HTTP_SEC_CH_UA":
		return "Sec-Ch-Ua"
	case "HTTP_SEC_CH_UA_MOBILE":
		return "Sec-Ch-Ua-Mobile"
	case "HTTP_SEC_CH_UA_PLATFORM":
		return "Sec-Ch-Ua-Platform"
	case "HTTP_SEC_FETCH_DEST":
		return "Sec-Fetch-Dest"
	case "HTTP_SEC_FETCH_MODE":
		return "Sec-Fetch-Mode"
	case "HTTP_SEC_FETCH_SITE":
		return "Sec-Fetch-Site"
	case "HTTP_SEC_FETCH_USER":
		return "Sec-Fetch-User"
	case "HTTP_SEC_GPC":
		return "Sec-Gpc"
	case "HTTP_UPGRADE_INSECURE_REQUESTS":
		return "Upgrade-Insecure-Requests"
	case "HTTP_USER_AGENT":
		return "User-Agent"
	case "HTTP_VIA":
		return "Via"
	case "HTTP_X_FORWARDED_FOR":
		return "X-Forwarded-For"
	case "HTTP_X_FORWARDED_HOST":
		return "X-Forwarded-Host"
	case "HTTP_X_FORWARDED_PROTO":
		return "X-Forwarded-Proto"
	case "HTTP_X_REAL_IP":
		return "X-Real-Ip"
	case "HTTP_X_REQUEST_ID":
		return "X-Request-Id"
	case "HTTP_X_REQUESTED_WITH":
		return "X-Requested-With"
	case "HTTP_PROXY", "HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE",
		"HTTP_CONNECTION", "HTTP_KEEP_ALIVE", "HTTP_PROXY_CONNECTION", "HTTP_TE", "HTTP_TRAILER",
		"HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "HTTP_REMOTE_USER", "HTTP_AUTH_TYPE":
		return ""
	}
	return spellHeader(name[len("HTTP_"):])
}

// spellHeader turns "X_API_KEY" into "X-Api-Key".
func spellHeader(s string) string {
	if s == "" || strings.HasPrefix(s, "TRAC_") || strings.HasPrefix(s, "TRAC-") || strings.HasPrefix(s, "TRAC.") {
		return ""
	}
	b := make([]byte, len(s))
	upper := true
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '_':
			c = '-'
		case !isToken(c):
			return ""
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !upper && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		upper = c == '-'
		b[i] = c
	}
	return string(b)
}

// variableName turns the canonical "X-Api-Key" into "HTTP_X_API_KEY" (RFC 3875
// section 4.1.18).
func variableName(header string) string {
	b := make([]byte, 0, len("HTTP_")+len(header))
	b = append(b, "HTTP_"...)
	for i := range len(header) {
		c := header[i]
		switch {
		case c == '-':
			c = '_'
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// isToken tells whether c may stand in a method or a header's name (RFC 9110
// section 5.6.2).
func isToken(c byte) bool {
	switch {
	case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
