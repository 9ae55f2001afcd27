package deploy

import (
	"io/fs"
	"slices"
)

// Server is a web server that configuration can be written for.
type Server struct {
	Name  string
	Title string
	Ways  []Way
}

// Way is one way in which a web server reaches projhost.
type Way struct {
	Name     string // as --way takes it
	Title    string
	Protocol string // of front.ParseAddr: fcgi, scgi, uwsgi, ajp, http; "cgi" for one process a request
	Spawned  bool   // the web server starts projhost itself
	TCP      bool   // it cannot connect to a unix socket
	Silent   bool   // it cannot send variables of its own, so each mount has a listener that says them
	Untested bool   // the server is not in Debian: not run by the tests
	Template string // in templates/
	Config   string // where it is written, below Options.Dir
	Digest   bool   // the server can do digest authentication
	AuthFile string // name of its list of users, in Dir/auth; "": users.htpasswd or users.htdigest
	NoAuth   string // why the server cannot tell projhost who asks, and what to do instead; "" if it can
	NoSend   string // why the server cannot send files that projhost names; "" if it can
	NoTLS    bool   // who runs the server has set TLS up, this configuration is a part of it
	More     []Extra
	// Check says in the server's own words what of the options it cannot take; may be nil.
	Check func(Options) error
	// files makes files in addition to Template's and More's; may be nil.
	files func(*view) ([]File, error)
}

// Extra is a further file of a way.
type Extra struct {
	Template string
	Config   string
	Mode     fs.FileMode // 0: 0644
	Once     bool        // as File.Once
	Auth     bool        // only with authentication
}

// Servers returns all servers, in the order of the documentation. The servers
// of one kind stand in a file of their own, servers_NAME.go.
func Servers() []Server {
	return slices.Concat(
		nginxServers(),
		caddyServers(),
		haproxyServers(),
		h2oServers(),
		uwsgiServers(),
		iisServers(),
		apacheServers(),
		lighttpdServers(),
		cherokeeServers(),
		litespeedServers(),
	)
}

// ServerNames returns what Options.Server may be.
func ServerNames() []string {
	var names []string
	for _, s := range Servers() {
		names = append(names, s.Name)
	}
	return names
}

func serverNamed(name string) (Server, bool) {
	all := Servers()
	i := slices.IndexFunc(all, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, false
	}
	return all[i], true
}

func (s Server) way(name string) (Way, bool) {
	i := slices.IndexFunc(s.Ways, func(w Way) bool { return w.Name == name })
	if i < 0 {
		return Way{}, false
	}
	return s.Ways[i], true
}

func (s Server) wayNames() []string {
	var names []string
	for _, w := range s.Ways {
		names = append(names, w.Name)
	}
	return names
}
