package wire

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// headWriter writes the fields of an answer's head as CGI has them (RFC 3875
// section 6), each as "Name: value" and CR LF.
type headWriter struct {
	b       []byte
	status  int
	length  int64 // Content-Length, -1 if the handler does not say
	hasType bool
	encoded bool   // there is a Content-Encoding: the body's type cannot be told
	bad     string // a field that was dropped because it is none
}

// AppendStatus appends a status, its name and CR LF.
func AppendStatus(b []byte, status int) []byte {
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "Unknown"...)
	}
	return append(b, "\r\n"...)
}

// write appends the fields in the order of their names.
func (w *headWriter) write(h http.Header) {
	var room [24]string
	names := room[:0]
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if w.wanted(name, h[name]) {
			for _, v := range h[name] {
				w.b = appendField(w.b, name, v)
			}
		}
	}
}

// wanted takes note of the fields that say something of the body, and returns
// false for those that must not be sent.
func (w *headWriter) wanted(name string, values []string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length":
		return w.contentLength(values)
	case "Content-Type":
		w.hasType = true // nil values: the handler wants none
		return w.status != http.StatusNotModified
	case "Content-Encoding":
		w.encoded = w.encoded || strings.Join(values, "") != ""
	case "Status", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade":
		return false // of the connection with the client, which is the web server's
	default:
		if !isToken(name) {
			if !strings.HasPrefix(name, http.TrailerPrefix) {
				w.bad = name
			}
			return false
		}
	}
	return true
}

func (w *headWriter) contentLength(values []string) bool {
	if len(values) == 0 || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return false
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || len(values) > 1 {
		w.bad = "Content-Length"
		return false
	}
	w.length = int64(n)
	return true
}

// appendField appends one field; what would begin another becomes a space.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	value = strings.Trim(value, " \t\r\n\x00")
	at := len(b)
	b = append(b, value...)
	for i := at; i < len(b); i++ {
		if c := b[i]; c == '\r' || c == '\n' || c == 0 {
			b[i] = ' '
		}
	}
	return append(b, "\r\n"...)
}

// isToken reports whether s may be the name of a field (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
