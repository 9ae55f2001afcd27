package deploy

import (
	"fmt"
	"strings"
)

func caddyServers() []Server {
	var ways []Way
	for _, w := range []Way{
		{Name: "fastcgi", Title: "FastCGI", Protocol: "fcgi"},
		{Name: "http", Title: "HTTP", Protocol: "http", Silent: true},
	} {
		w.Template, w.Config, w.Check, w.AuthFile = "caddy.tmpl", "caddy/"+w.Name+".caddy", checkCaddy, "users.caddy"
		w.More = []Extra{{Template: "caddy.users.tmpl", Config: "auth/users.caddy", Mode: 0o640, Once: true, Auth: true}}
		ways = append(ways, w)
	}
	return []Server{{Name: "caddy", Title: "Caddy 2", Ways: ways}}
}

// checkCaddy refuses what a Caddyfile has no way to say.
func checkCaddy(o Options) error {
	all := []string{o.Dir, o.TLSCert, o.TLSKey, o.RunDir, o.Listen, o.Auth.File, o.Auth.Realm}
	for _, m := range o.Mounts {
		all = append(all, m.Path, m.Env, m.Parent, m.Real)
	}
	for _, s := range all {
		switch {
		case strings.Contains(s, "{$"):
			return fmt.Errorf("%q: Caddy puts a variable of its own environment in place of {$...}: choose another name", s)
		case strings.Contains(s, "`") && strings.ContainsAny(s, `\{`):
			return fmt.Errorf("%q: a Caddyfile cannot hold a backquote together with a backslash or a brace: choose another name", s)
		}
	}
	return nil
}

// quoteCaddyWord writes a token of a Caddyfile that is imported: import looks for
// placeholders like {args.0} and takes the backslash off an escaped brace. A
// token stands between double quotes, where only a quote is escaped and a
// backslash stands for itself, or between backquotes, where nothing is.
func quoteCaddyWord(s string) string {
	s = caddyBraces(s)
	if strings.Contains(s, `\`) {
		return "`" + s + "`"
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}

// quoteCaddy writes one in which Caddy looks for placeholders again when it is used.
func quoteCaddy(s string) string { return quoteCaddyWord(caddyBraces(s)) }

// caddyBraces escapes braces. Without an opening one there are no placeholders,
// and a backslash is not taken away.
func caddyBraces(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	return strings.NewReplacer("{", `\{`, "}", `\}`).Replace(s)
}

// quoteCaddyFile writes the name of a file for import, which is always a pattern
// of filepath.Glob.
func quoteCaddyFile(s string) string {
	return quoteCaddyWord(strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s))
}

// CaddySite is the address of the site block.
func (v *view) CaddySite() string {
	scheme := "http://"
	if v.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + v.Domain + ":" + v.Port()
}
