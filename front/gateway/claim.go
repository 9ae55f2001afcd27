package gateway

import (
	"encoding/base64"
	"strings"
)

// Claimed is true if REMOTE_USER is nothing but what the visitor claims.
//
// nginx's $remote_user is the name in the visitor's Authorization header,
// whether or not anybody has checked the password, and the fastcgi_params of
// Debian's nginx send it from every location that includes them: without
// auth_basic there, "curl -u admin:x" would be admin. So a name from nginx that
// stands in the header counts only if the configuration says that it has been
// checked: by AUTH_TYPE, as RFC 3875 section 4.1.1 demands of a server that
// authenticates, or by AUTH_USER, which Trac's recipe for nginx sets in the
// location that has auth_basic. Other web servers send checked names alone.
func (v Vars) Claimed() bool {
	name := v.Get("REMOTE_USER")
	if name == "" || v.Get("AUTH_TYPE") != "" || v.Get("AUTH_USER") != "" || !strings.HasPrefix(v.Get("SERVER_SOFTWARE"), "nginx") {
		return false
	}
	return basicName(v.Get("HTTP_AUTHORIZATION")) == name
}

// basicName is the name in the credentials of Basic authentication (RFC 7617
// section 2), "" if there is none.
func basicName(header string) string {
	scheme, credentials, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	// nginx reads up to the padding, whatever follows, and does not miss it.
	encoded, _, _ := strings.Cut(strings.TrimSpace(credentials), "=")
	text, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(text), ":")
	return name
}
