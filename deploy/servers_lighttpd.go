package deploy

import (
	"fmt"
	"regexp"
	"strings"
)

func lighttpdServers() []Server {
	var ways []Way
	for _, w := range []Way{
		{Name: "fastcgi", Title: "mod_fastcgi, projhost running", Protocol: "fcgi", Digest: true},
		{Name: "fastcgi_spawn", Title: "mod_fastcgi, started by lighttpd", Protocol: "fcgi", Digest: true, Spawned: true},
		{Name: "scgi", Title: "mod_scgi", Protocol: "scgi", Digest: true},
		{Name: "http", Title: "mod_proxy", Protocol: "http", Silent: true,
			NoAuth: "mod_proxy cannot tell projhost who has logged in: use fastcgi or scgi"},
	} {
		w.Template, w.Config, w.Check = "lighttpd.conf.tmpl", "lighttpd/"+w.Name+".conf", checkLighttpd
		ways = append(ways, w)
	}
	return []Server{{Name: "lighttpd", Title: "lighttpd 1.4", Ways: ways}}
}

// checkLighttpd refuses what lighttpd.conf cannot say.
func checkLighttpd(o Options) error {
	all := map[string]string{
		"directory": o.Dir, "run directory": o.RunDir, "listen": o.Listen, "certificate": o.TLSCert, "key": o.TLSKey,
		"password file": o.Auth.File,
	}
	for _, m := range o.Mounts {
		all["mount "+m.Path] = m.Path
		all["directory of mount "+m.Path] = m.Env + m.Parent
		all["directory behind mount "+m.Path] = m.Real
	}
	for name, value := range all {
		if strings.HasSuffix(value, `\`) {
			return fmt.Errorf("%s %q: a string of lighttpd.conf cannot end in a backslash", name, value)
		}
	}
	return nil
}

// LighttpdSocket is where lighttpd listens, as $SERVER["socket"] takes it.
func (v *view) LighttpdSocket() string {
	if strings.Contains(v.Host(), ":") {
		return "[" + v.Host() + "]:" + v.Port()
	}
	return v.Host() + ":" + v.Port()
}

// LighttpdModule is the first word of the way's directives.
func (v *view) LighttpdModule() string {
	if v.way.Protocol == "http" {
		return "proxy"
	}
	return strings.TrimSuffix(v.way.Name, "_spawn")
}

// Spawns tells whether the web server starts projhost.
func (v *view) Spawns() bool { return v.way.Spawned }

// LighttpdURL is a regular expression for the decoded paths of the mount.
func (m mount) LighttpdURL() string {
	if m.Base == "" {
		return `^/(?!\.projhost/static/)`
	}
	return "^" + regexp.QuoteMeta(m.Base) + "(?:/|$)"
}

// LighttpdSpawnSocket is where lighttpd listens for the process that it starts.
func (m mount) LighttpdSpawnSocket() string { return m.RunDir + "/lighttpd-" + m.Script() + ".sock" }

// LighttpdCommand is what lighttpd starts. It splits the text at blanks and knows no
// quotes; for a path with a blank, sh takes it from the environment.
func (m mount) LighttpdCommand() string {
	if strings.ContainsAny(m.LighttpdScript(), " \t") {
		return `/bin/sh -c exec${IFS}"$PROJHOST_SCRIPT"`
	}
	return m.LighttpdScript()
}

// LighttpdScript is the script that LighttpdCommand comes to.
func (m mount) LighttpdScript() string { return m.Dir + "/cgi-bin/" + m.Script() + ".fcgi" }
