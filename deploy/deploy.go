// Package deploy writes what a web server or a process manager needs to serve
// environments through projhost: configuration, scripts, units.
//
// Plan is a pure function of its Options: it reads no file, no clock and no
// environment variable, so what it writes can be compared, and is, with the
// expected files in testdata. Write (write.go) puts a plan on disk and never
// overwrites what somebody has edited.
//
// A web server is one entry of the table in servers.go, with one or more ways
// to reach projhost; each way is one template in templates/. Values are quoted
// for the format they stand in by the functions of quote.go.
package deploy

import (
	"io/fs"
	"slices"
	"strings"
)

// Options say what is deployed, and where.
type Options struct {
	Dir     string  // where the files go; absolute
	Program string  // the projhost binary; absolute
	Server  string  // one of ServerNames; "": the scripts and units alone
	Way     string  // one of the server's; "": its first
	Mounts  []Mount // at least one; no two of the same path

	Domain  string // host name of the site; "": whichever is asked for
	Address string // where the web server listens, "80" or "127.0.0.1:8080"; "": 80, or 443 with TLSCert
	TLSCert string // certificate chain, PEM; "": plain HTTP
	TLSKey  string // "": in TLSCert

	RunDir string // where sockets are made; "": /run/projhost
	Listen string // where projhost listens, for the one protocol of Way; "": a socket in RunDir
	Group  string // that may connect to the socket; "": www-data
	User   string // that projhost runs as; "": trac

	Auth      Auth
	LCTime    string // locale of dates, as ru_RU; "": the process's
	XSendfile bool   // let the web server send files that projhost names

	// DoctorKeyFile is for serve's --doctor-key-file; "" leaves the doctor out.
	DoctorKeyFile string

	// Listeners are what the units let projhost listen on; nil: what Way needs.
	// It is for several servers in one directory.
	Listeners []string

	// Secret is what AJP is protected with. It is made by the caller, because
	// Plan is pure, and kept over repeated calls.
	Secret string
}

// Mount is one part of the site.
type Mount struct {
	Path   string // "/" or like "/trac"
	Env    string // directory of the one environment that is there, or
	Parent string // directory of environments; the next part of the path is the project's name
	Real   string // Env or Parent without symbolic links, as projhost names files for XSendfile; "": the same
}

// Auth is how the web server learns who asks.
type Auth struct {
	Kind  AuthKind
	File  string // htpasswd or htdigest file; "": Dir/auth/users.htpasswd or users.htdigest
	Realm string // "": projhost
	All   bool   // for the whole mount, not for .../login alone
}

// AuthKind is a kind of HTTP authentication.
type AuthKind string

// The kinds of authentication.
const (
	AuthNone   AuthKind = ""
	AuthBasic  AuthKind = "basic"
	AuthDigest AuthKind = "digest"
)

// File is one file of a plan.
type File struct {
	Path   string // below Options.Dir, with slashes
	Mode   fs.FileMode
	Text   string
	Secret bool // not shown in a diff
	// Once is for a file that is the administrator's from then on, as a list of
	// users: it is written if there is none, and never again.
	Once bool
}

// Planned is what is to be written and run.
type Planned struct {
	Options Options // with the defaults in
	Files   []File
	// Config is the Path of the server's main file among Files, "" without a server.
	Config string
	// Listen are the addresses projhost is to listen on, as for serve's --listen;
	// empty if the web server starts projhost itself.
	Listen []string
	// Flags are further arguments of "projhost serve".
	Flags []string
}

// Plan returns the files for o, the same ones for the same options. The error
// names the option that is wrong.
func Plan(o Options) (Planned, error) {
	if err := o.fill(); err != nil {
		return Planned{}, err
	}
	v := newView(o)
	if v.way != nil && v.way.Check != nil {
		if err := v.way.Check(o); err != nil {
			return Planned{}, err
		}
	}
	p := Planned{Options: o, Listen: v.listeners(), Flags: v.flags()}
	files, err := v.common()
	if err != nil {
		return Planned{}, err
	}
	p.Files = files
	if v.way != nil {
		own, err := v.serverFiles()
		if err != nil {
			return Planned{}, err
		}
		p.Config = own[0].Path
		p.Files = append(p.Files, own...)
	}
	slices.SortFunc(p.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return p, nil
}

// Choice is one server's way.
type Choice struct{ Server, Way string }

// PlanAll returns the files of several ways in one directory. Where the same
// file belongs to several it is the same, for the units know all listeners.
func PlanAll(o Options, choices []Choice) ([]Planned, error) {
	plans := make([]Planned, len(choices))
	var listeners []string
	for range 2 {
		o.Listeners, listeners = listeners, nil
		for i, c := range choices {
			o.Server, o.Way = c.Server, c.Way
			p, err := Plan(o)
			if err != nil {
				return nil, err
			}
			plans[i] = p
			for _, l := range p.Listen {
				if !slices.Contains(listeners, l) {
					listeners = append(listeners, l)
				}
			}
		}
	}
	return plans, nil
}
