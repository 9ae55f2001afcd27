package deploy

import (
	"fmt"
	"strings"
)

func uwsgiServers() []Server {
	return []Server{{Name: "uwsgi", Title: "uWSGI 2.0 as a web server", Ways: []Way{
		{Name: "uwsgi", Title: "uwsgi", Protocol: "uwsgi", Template: "uwsgi.tmpl", Config: "uwsgi/uwsgi.ini", Check: checkUWSGI,
			NoSend: "it passes the answer of another program on without reading it"},
	}}}
}

// checkUWSGI refuses what an ini file of uWSGI has no way to say.
func checkUWSGI(o Options) error {
	all := []string{o.Dir, o.TLSCert, o.TLSKey, o.RunDir, o.Listen, o.Auth.File, o.Auth.Realm}
	for _, m := range o.Mounts {
		all = append(all, m.Env, m.Parent)
	}
	for _, s := range all {
		for _, bad := range []string{"$(", "${", "@("} {
			if strings.Contains(s, bad) {
				return fmt.Errorf("%q: uWSGI looks for a variable behind %q: choose another name", s, bad)
			}
		}
		if s != strings.TrimSpace(s) {
			return fmt.Errorf("%q: uWSGI takes blanks off the end of a value: choose another name", s)
		}
	}
	switch {
	case strings.ContainsAny(o.RunDir, ",:") || strings.Contains(o.Listen, ",") || strings.HasPrefix(o.Listen, "/") && strings.Contains(o.Listen, ":"):
		return fmt.Errorf("uWSGI cannot connect to a socket with a comma or a colon in its path: choose another --run-dir")
	case strings.Contains(o.Auth.Realm, ","):
		return fmt.Errorf("realm %q: uWSGI takes what follows a comma for the password file", o.Auth.Realm)
	case strings.Contains(o.TLSCert+o.TLSKey, ","):
		return fmt.Errorf("uWSGI cannot read a certificate with a comma in its path")
	}
	return nil
}

// quoteUWSGI writes a value of an ini file, where "%" begins a variable.
func quoteUWSGI(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quoteUWSGIRegex writes a regular expression, which ends at the first blank.
func quoteUWSGIRegex(s string) string {
	return strings.NewReplacer(" ", `\x20`, "%", `\x25`).Replace(s)
}
