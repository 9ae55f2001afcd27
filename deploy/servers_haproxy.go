package deploy

import (
	"fmt"
	"strings"
)

func haproxyServers() []Server {
	var ways []Way
	for _, w := range []Way{
		{Name: "fastcgi", Title: "FastCGI", Protocol: "fcgi"},
		{Name: "http", Title: "HTTP", Protocol: "http", Silent: true},
	} {
		w.Template, w.Config, w.Check, w.AuthFile = "haproxy.tmpl", "haproxy/"+w.Name+".cfg", checkHAProxy, "users.haproxy.cfg"
		w.NoSend = "it sends no files at all"
		w.More = []Extra{{Template: "haproxy.users.tmpl", Config: "auth/users.haproxy.cfg", Mode: 0o640, Once: true, Auth: true}}
		ways = append(ways, w)
	}
	return []Server{{Name: "haproxy", Title: "HAProxy", Ways: ways}}
}

// checkHAProxy refuses what HAProxy has no means for.
func checkHAProxy(o Options) error {
	if o.TLSCert != "" && o.TLSKey != o.TLSCert && o.TLSKey != o.TLSCert+".key" {
		return fmt.Errorf("HAProxy wants the key in the file of the certificate, or in %s.key", o.TLSCert)
	}
	return nil
}

// quoteHAProxyFormat writes a log-format string, in which "%" begins a variable.
func quoteHAProxyFormat(s string) string {
	return quoteShell(strings.ReplaceAll(s, "%", "%%"))
}

// quoteHAProxyAddress writes a socket's address, in which "$" begins a variable of
// the environment even between single quotes.
func quoteHAProxyAddress(s string) string {
	return quoteShell(strings.ReplaceAll(s, "$", "${PROJHOST_DOLLAR}"))
}

// HAProxyDollar tells whether a socket's address has one in it.
func (v *view) HAProxyDollar() bool { return strings.Contains(v.RunDir+v.Listen, "$") }
