package deploy

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

func apacheServers() []Server {
	return []Server{
		{Name: "apache", Title: "Apache 2.4", Ways: []Way{
			apacheWay("proxy_fcgi", "mod_proxy_fcgi", "fcgi"),
			spawned(apacheWay("fcgid", "mod_fcgid", "fcgi")),
			apacheWay("proxy_scgi", "mod_proxy_scgi", "scgi"),
			apacheWay("proxy_uwsgi", "mod_proxy_uwsgi", "uwsgi"),
			apacheAJP(),
			silent(apacheWay("proxy_http", "mod_proxy_http", "http")),
			spawned(apacheWay("cgid", "mod_cgid, mod_cgi", "cgi")),
			apacheWay("wsgi", "mod_wsgi, trac.wsgi", "scgi"),
			apacheHtaccess(),
		}},
		{Name: "mod_fastcgi", Title: "Apache, mod_fastcgi", Ways: []Way{
			untested(spawned(apacheWay("fastcgi", "FastCgiServer", "fcgi"))),
			untested(apacheWay("fastcgi_external", "FastCgiExternalServer", "fcgi")),
		}},
	}
}

func apacheWay(name, title, protocol string) Way {
	return Way{
		Name: name, Title: title, Protocol: protocol, Digest: true, Check: checkApache,
		Template: "apache-" + name + ".tmpl", Config: "apache/" + name + ".conf",
	}
}

func spawned(w Way) Way  { w.Spawned = true; return w }
func silent(w Way) Way   { w.Silent = true; return w }
func untested(w Way) Way { w.Untested = true; return w }

// apacheAJP has the secret in a file of its own.
func apacheAJP() Way {
	w := apacheWay("proxy_ajp", "mod_proxy_ajp", "ajp")
	w.files = func(v *view) ([]File, error) {
		text := "Define projhost_ajp_secret " + quoteApache(v.Secret) + "\n"
		return []File{
			{Path: "secret/apache-ajp.conf", Mode: 0o600, Text: text, Secret: true},
			{Path: secretFile, Mode: 0o600, Text: v.Secret + "\n", Secret: true}, // for projhost
		}, nil
	}
	return w
}

// apacheHtaccess has, for each mount, what is to be copied into the directory
// of a shared host that visitors know as the mount's path.
func apacheHtaccess() Way {
	w := spawned(apacheWay("htaccess", ".htaccess, mod_rewrite, mod_fcgid", "fcgi"))
	w.files = func(v *view) ([]File, error) {
		var files []File
		for _, m := range v.Mounts {
			text, err := execute("apache-htaccess-dir.tmpl", m)
			if err != nil {
				return nil, err
			}
			dir := path.Join("htaccess", m.Script())
			files = append(files,
				File{Path: dir + "/.htaccess", Mode: 0o644, Text: text},
				File{Path: dir + "/dispatch.fcgi", Mode: 0o755, Text: m.fcgiScript()})
		}
		return files, nil
	}
	return w
}

// checkApache refuses what Apache's configuration cannot say.
func checkApache(o Options) error {
	// Apache 2.4 falls over (a segmentation fault) if the backend of uwsgi is in
	// a <Proxy> of a site with TLS, and does not find it otherwise by such a path.
	if o.Way == "proxy_uwsgi" && o.TLSCert != "" {
		for _, m := range o.Mounts {
			if (&url.URL{Path: m.Path}).EscapedPath() != m.Path {
				return fmt.Errorf("mount %s: mod_proxy_uwsgi cannot serve a path with blanks or letters beyond ASCII by TLS: use proxy_fcgi", m.Path)
			}
		}
	}
	if strings.HasPrefix(o.Listen, "[") {
		return fmt.Errorf("listen %q: Apache takes the bracket of an IPv6 address for a wildcard: give an IPv4 address or a socket's path", o.Listen)
	}
	for _, p := range []string{o.RunDir, o.Listen} {
		if strings.ContainsAny(p, "|?#%*[") {
			return fmt.Errorf("socket in %q: Apache cannot connect to one with any of |?#%%*[ in its path", p)
		}
	}
	return checkApacheRealm(o.Auth)
}

// ApacheDollar tells whether "${" has to be written in a value.
func (v *view) ApacheDollar() bool {
	all := []string{v.Dir, v.RunDir, v.Listen, v.TLSCert, v.TLSKey, v.Auth.File, v.Auth.Realm}
	for _, m := range v.Mounts {
		all = append(all, m.Path, m.Directory(), m.Real)
	}
	return slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "${") })
}

// ApacheHost is where Apache listens, as <VirtualHost> takes it.
func (v *view) ApacheHost() string {
	if v.Host() == "" {
		return "*:" + v.Port()
	}
	return net.JoinHostPort(v.Host(), v.Port())
}

// StandardPort tells whether a web server listens there of its own accord.
func (v *view) StandardPort() bool { return v.Address == "80" || v.Address == "443" }

// ConfigFile is where the main file will be.
func (v *view) ConfigFile() string { return v.Dir + "/" + v.way.Config }

// ApacheBackend is the address of the mount's listener as mod_proxy writes it.
// The host of a unix socket names Apache's pool of connections.
func (m mount) ApacheBackend() string {
	if m.Socket.Path == "" {
		return m.Proto() + "://" + m.Socket.HostPort()
	}
	name := "projhost"
	if m.way.Silent {
		name += "-" + m.Script()
	}
	return "unix:" + m.Socket.Path + "|" + m.Proto() + "://" + name
}

// FromRoot is the mount's path with a slash at its end.
func (m mount) FromRoot() string { return m.Base + "/" }

// HtaccessBase is FromRoot as a rewritten address begins, in which Apache looks
// for a query and for what is encoded.
func (m mount) HtaccessBase() string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(m.FromRoot())
}

// SlashEnd is a slash for a mount at the root.
func (m mount) SlashEnd() string { return strings.TrimPrefix(m.Path, m.Base) }

// HtaccessLogin is LoginRegex before and after the path is rewritten, for m#...#.
func (m mount) HtaccessLogin() string {
	s := "^" + strings.ReplaceAll(regexp.QuoteMeta(m.Base), "#", `\x23`) + `/(dispatch\.fcgi/)?`
	if m.Parent != "" {
		s += "[^/]+/"
	}
	return s + "login(/|$)"
}
