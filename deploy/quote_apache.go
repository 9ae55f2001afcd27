package deploy

import (
	"strings"
)

// quoteApache writes an argument of a directive of Apache. In double quotes a
// backslash stands before a quote or a backslash (ap_getword_conf); "${" would be
// a variable's, so its dollar comes from a variable, which ApacheDollar tells to define.
func quoteApache(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, apacheDollar+`{`).Replace(s)
	return `"` + s + `"`
}

// apacheDollar is a dollar before a brace.
const apacheDollar = "${projhost_dollar}"

// quoteApachePath is quoteApache for <Directory>, <Location> and Include, which
// take wildcards: each of "*?[" is written as a class of one. A backslash is an
// escape there only if there are wildcards.
func quoteApachePath(s string) string {
	if strings.ContainsAny(s, "*?[") {
		s = strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`, `\`, `\\`).Replace(s)
	}
	return quoteApache(s)
}

// escapeApacheSubst escapes text that stands beside "$1" in what AliasMatch and
// RewriteRule substitute (ap_pregsub).
func escapeApacheSubst(s string) string {
	return strings.NewReplacer(`\`, `\\`, `$`, `\$`, `%`, `\%`, `&`, `\&`).Replace(s)
}

// quoteApacheCommand is for FcgidWrapper, which splits its argument once more.
func quoteApacheCommand(s string) string {
	return quoteApache(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`)
}

// quoteApacheRealm is for AuthName, which is an expression whose value Apache puts
// between quotes as it is, but for quotes that have no backslash.
func quoteApacheRealm(s string) string {
	return quoteApache(strings.NewReplacer(`\`, `\\`, `%`, `\%`, `$`, `\$`).Replace(quoteRealm(s)))
}
