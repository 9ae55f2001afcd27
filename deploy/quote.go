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
		"nginx":          quoteNginx,
		"nginxThen":      quoteNginxThen,
		"nginxWord":      quoteNginxWord,
		"nginxFile":      quoteNginxFile,
		"caddy":          quoteCaddy,
		"haproxyAddress": quoteHAProxyAddress,
		"haproxyFormat":  quoteHAProxyFormat,
		"caddyWord":      quoteCaddyWord,
		"caddyFile":      quoteCaddyFile,
		"yaml":           quoteYAML,
		"ruby":           quoteRuby,
		"uwsgi":          quoteUWSGI,
		"uwsgiRegex":     quoteUWSGIRegex,
		"xml":            quoteXML,
		"xmlComment":     commentXML,
		"sh":             quoteShell,
		"regex":          regexp.QuoteMeta,
		"has":            strings.Contains,
		"realm":          quoteRealm,
		"apache":         quoteApache,
		"apachePath":     quoteApachePath,
		"apacheRealm":    quoteApacheRealm,
		"apacheSubst":    escapeApacheSubst,
		"apacheCommand":  quoteApacheCommand,
		"lighttpd":       quoteLighttpd,
		"systemd":        quoteSystemdWord,
	}
}

// quoteNginx writes a value of nginx.conf that may hold variables. In double
// quotes a backslash stands before a quote or a backslash; "$" cannot be written,
// so it comes from the variable $projhost_dollar, which the configuration
// defines with geo.
func quoteNginx(s string) string {
	return strings.ReplaceAll(quoteNginxWord(s), `$`, `${projhost_dollar}`)
}

// quoteNginxThen is the same with a variable at its end.
func quoteNginxThen(s, variable string) string {
	return strings.TrimSuffix(quoteNginx(s), `"`) + variable + `"`
}

// quoteNginxWord writes one that may not: a location, a name, a socket's path.
// Before a letter that nginx knows an escape of (\n, \r, \t) a backslash is
// doubled, too.
func quoteNginxWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteNginxFile writes the name of a file for include, which is a pattern of
// glob(3) if it has one of "*?[" in it.
func quoteNginxFile(s string) string {
	if strings.ContainsAny(s, "*?[") {
		s = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
	}
	return quoteNginxWord(s)
}

// quoteRealm escapes a realm for WWW-Authenticate (RFC 9110 section 5.6.4),
// without its quotes, for servers that put it there as it is.
func quoteRealm(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// quoteShell writes a word for POSIX sh.
func quoteShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
