package deploy

import (
	"cmp"
	"fmt"
	"strings"
)

func nginxServers() []Server {
	var ways []Way
	for _, w := range []Way{
		{Name: "fastcgi", Title: "FastCGI", Protocol: "fcgi"},
		{Name: "scgi", Title: "SCGI", Protocol: "scgi"},
		{Name: "uwsgi", Title: "uwsgi", Protocol: "uwsgi"},
		{Name: "http", Title: "HTTP (proxy_pass)", Protocol: "http", Silent: true},
	} {
		base := "nginx/" + w.Name
		w.Check = checkNginx
		w.Template, w.Config = "nginx.conf.tmpl", base+".conf"
		w.More = []Extra{
			{Template: "nginx.upstream.tmpl", Config: base + ".upstream.conf"},
			{Template: "nginx.locations.tmpl", Config: base + ".locations.conf"},
			{Template: "nginx.params.tmpl", Config: base + ".params"},
		}
		ways = append(ways, w)
	}
	return []Server{{Name: "nginx", Title: "nginx", Ways: ways}}
}

// checkNginx refuses a mount at or below an environment's own directory: with
// XSendfile both are locations, and the longer one would have the other's files.
func checkNginx(o Options) error {
	for _, m := range o.Mounts {
		for _, other := range o.Mounts {
			if dir := cmp.Or(other.Real, other.Env+other.Parent); o.XSendfile && strings.HasPrefix(m.Path+"/", dir+"/") {
				return fmt.Errorf("mount %s: nginx cannot send files of the directory %s beside it: choose another prefix or leave --xsendfile out", m.Path, dir)
			}
		}
	}
	return nil
}

// NginxFile is the name of one of the way's files for nginx.
func (v *view) NginxFile(end string) string { return v.Dir + "/nginx/" + v.way.Name + end }

// NginxWord is what the names of the way's directives begin with.
func (v *view) NginxWord() string {
	if v.way.Protocol == "http" {
		return "proxy"
	}
	return v.way.Name
}

// NginxDollar tells whether a "$" has to be written in a value.
func (v *view) NginxDollar() bool {
	all := v.Dir + v.TLSCert + v.TLSKey + v.Auth.File + v.Auth.Realm
	for _, m := range v.Mounts {
		all += m.Root() + m.Directory()
	}
	return strings.Contains(all, "$")
}

// NginxHost is the host that the visitor asked for, with the port of the site
// unless it goes without saying.
func (v *view) NginxHost() string {
	if port := v.Port(); port != "80" && v.TLSCert == "" || port != "443" && v.TLSCert != "" {
		return "$host:" + port
	}
	return "$host"
}
