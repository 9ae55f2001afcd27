package deploy

import (
	"regexp"
	"strings"
	"text/template"
)

// quoters are the functions of templates: one quotation for each format, and a
// few that make regular expressions.
func quoters() template.FuncMap {
	return template.FuncMap{
		"nginx": quoteNginx,
		"sh":    quoteShell,
		"regex": regexp.QuoteMeta,
		"has":   strings.Contains,
	}
}

// quoteNginx writes a value for nginx.conf. In double quotes a backslash stands
// before a quote or a backslash; "$" cannot be written, so it comes from the
// variable $projhost_dollar, which the configuration defines with geo.
func quoteNginx(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `${projhost_dollar}`).Replace(s)
	return `"` + s + `"`
}

// quoteShell writes a word for POSIX sh.
func quoteShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
