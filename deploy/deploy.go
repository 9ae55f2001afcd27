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
	"fmt"
	"io/fs"
	"path"
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

	// Secret is what AJP is protected with. It is made by the caller, because
	// Plan is pure, and kept over repeated calls.
	Secret string
}

// Mount is one part of the site.
type Mount struct {
	Path   string // "/" or like "/trac"
	Env    string // directory of the one environment that is there, or
	Parent string // directory of environments; the next part of the path is the project's name
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
}

// Planned is what is to be written and run.
type Planned struct {
	Files []File
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
	p := Planned{Listen: v.listeners(), Flags: v.flags()}
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

// fill checks the options and puts defaults in.
func (o *Options) fill() error {
	for name, value := range map[string]string{
		"directory": o.Dir, "program": o.Program, "domain": o.Domain, "address": o.Address, "certificate": o.TLSCert,
		"key": o.TLSKey, "run directory": o.RunDir, "listen": o.Listen, "group": o.Group, "user": o.User,
		"password file": o.Auth.File, "realm": o.Auth.Realm, "lc-time": o.LCTime,
	} {
		if i := strings.IndexFunc(value, isControl); i >= 0 {
			return fmt.Errorf("%s %q has a control character in it, which no configuration file can hold", name, value)
		}
	}
	for name, value := range map[string]string{"directory": o.Dir, "program": o.Program} {
		if !path.IsAbs(value) {
			return fmt.Errorf("%s %q is not an absolute path", name, value)
		}
	}
	if err := o.fillServer(); err != nil {
		return err
	}
	if err := o.fillMounts(); err != nil {
		return err
	}
	orDefault(&o.RunDir, "/run/projhost")
	orDefault(&o.Group, "www-data")
	orDefault(&o.User, "trac")
	if o.TLSCert != "" {
		orDefault(&o.Address, "443")
		orDefault(&o.TLSKey, o.TLSCert)
	}
	orDefault(&o.Address, "80")
	return o.fillAuth()
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func orDefault(s *string, def string) {
	if *s == "" {
		*s = def
	}
}

func (o *Options) fillServer() error {
	if o.Server == "" {
		return nil
	}
	s, ok := serverNamed(o.Server)
	if !ok {
		return fmt.Errorf("no server %q: there are %s", o.Server, strings.Join(ServerNames(), ", "))
	}
	orDefault(&o.Way, s.Ways[0].Name)
	if _, ok := s.way(o.Way); !ok {
		return fmt.Errorf("no way %q for %s: there are %s", o.Way, o.Server, strings.Join(s.wayNames(), ", "))
	}
	return nil
}

func (o *Options) fillMounts() error {
	if len(o.Mounts) == 0 {
		return fmt.Errorf("no environment: give --env or --env-parent-dir")
	}
	o.Mounts = slices.Clone(o.Mounts)
	for i := range o.Mounts {
		m := &o.Mounts[i]
		m.Path = path.Clean("/" + m.Path)
		if (m.Env == "") == (m.Parent == "") {
			return fmt.Errorf("mount %s: give one of an environment and a directory of environments", m.Path)
		}
		for _, s := range []string{m.Path, m.Env, m.Parent} {
			if strings.ContainsFunc(s, isControl) {
				return fmt.Errorf("mount %q: %q has a control character in it", m.Path, s)
			}
		}
		if dir := m.Env + m.Parent; !path.IsAbs(dir) {
			return fmt.Errorf("mount %s: %q is not an absolute path", m.Path, dir)
		}
	}
	slices.SortFunc(o.Mounts, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
	for i := 1; i < len(o.Mounts); i++ {
		if o.Mounts[i].Path == o.Mounts[i-1].Path {
			return fmt.Errorf("two environments at %s: give each a path of its own", o.Mounts[i].Path)
		}
	}
	return nil
}

func (o *Options) fillAuth() error {
	orDefault(&o.Auth.Realm, "projhost")
	switch o.Auth.Kind {
	case AuthNone:
	case AuthBasic:
		orDefault(&o.Auth.File, o.Dir+"/auth/users.htpasswd")
	case AuthDigest:
		orDefault(&o.Auth.File, o.Dir+"/auth/users.htdigest")
	default:
		return fmt.Errorf("authentication %q: want basic or digest", o.Auth.Kind)
	}
	return nil
}
