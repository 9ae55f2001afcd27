package deploy

import "strings"

// quoteLighttpd writes a string of lighttpd.conf. Only a quote is escaped there: a
// backslash before anything else is itself, so a string cannot end in one, see
// checkLighttpd. Nothing is a variable.
func quoteLighttpd(s string) string {
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
