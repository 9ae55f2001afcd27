package deploy

import (
	"fmt"
	"regexp"
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
// between quotes as it is, but for quotes that have no backslash. A dollar or a
// percent sign is special only before a digit or a brace (ap_expr), and only then
// gets a backslash: see checkApacheRealm.
func quoteApacheRealm(s string) string {
	s = strings.ReplaceAll(quoteRealm(s), `\`, `\\`)
	return quoteApache(apacheExpression().ReplaceAllString(s, `\$0`))
}

// apacheExpression matches what is not text in an expression of Apache.
func apacheExpression() *regexp.Regexp { return regexp.MustCompile(`\$[0-9]|%\{`) }

// checkApacheRealm refuses a realm that is to be escaped if it is for digest
// authentication: before 2.4.69, mod_auth_digest announces the expression's value
// and then compares with its text (PR 59039).
func checkApacheRealm(a Auth) error {
	if found := apacheExpression().FindString(a.Realm); found != "" && a.Kind == AuthDigest {
		return fmt.Errorf("realm %q: for digest authentication by Apache it may not hold %q, which versions before 2.4.69 take in two ways", a.Realm, found)
	}
	return nil
}
