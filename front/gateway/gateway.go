// Package gateway holds the meta-variables a web server sends with a request
// (RFC 3875) as one read-only value, and makes an *http.Request of them.
//
// Who the visitor is (REMOTE_USER, AUTH_TYPE) and which environment is meant
// (TRAC_ENV, trac.env_path and the like) are read from here and from nowhere
// else. A client's headers arrive as HTTP_* variables and become headers of the
// request; no header can become a variable of another name, so neither
// "Remote_User" nor "Remote-User" (both HTTP_REMOTE_USER once folded,
// GHSA-f59h-q822-g45g) can pass for an identity.
//
// The path of a request is settled in path.go, by one table of rules, and the
// words of a refusal are for the operator's log only.
package gateway

import (
	"context"
	"iter"
	"net/netip"
	"strings"
)

// Pair is one variable as it came over the wire.
type Pair struct{ Name, Value string }

// Listener is what is fixed for all requests of one listening socket. It is
// not changed once it serves. The zero value knows no setting and trusts nobody.
type Listener struct {
	Name     string            // as the administrator wrote it, for logs
	Settings map[string]string // TRAC_ENV, TRAC_ENV_PARENT_DIR, ... told for this listener
	Trusted  []netip.Prefix    // peers whose X-Forwarded-* are believed
	TrustAll bool              // every peer is (a unix socket of a reverse proxy)

	// UserHeader is the header in which a trusted peer names the user over plain
	// HTTP, "" for none. From all others it is dropped.
	UserHeader string
	// StripDomain and StripRealm take what Windows puts around a user's name
	// off: "name" of "DOMAIN\name" and of "name@REALM".
	StripDomain, StripRealm bool

	Admin bool // it is for administrators alone: no project is served on it
}

// OwnPrefix is where the program itself answers, below its own path and above
// all projects: no project's name begins with a dot.
const OwnPrefix = "/.projhost/"

// SettingRoot names the setting and the variable that state the URL path of
// the program in so many words, as TracUriRoot did for mod_python: "/" at the
// root of the site, else like "/trac".
const SettingRoot = "TRAC_URI_ROOT"

// Vars are the variables of one request. The zero value has none.
type Vars struct{ v *vars }

type vars struct {
	pairs    []Pair
	at       [knownCount]uint16 // position in pairs plus one, 0: not sent
	headers  int                // pairs that become headers
	listener *Listener
	where    place
	host     string
	scheme   string
	remote   string
	direct   bool // see Fronted
}

// New takes the variables of one request as they came, in order, and keeps the
// slice: the caller does not change it while the request lives. It refuses, with
// an *Error, what has two readings:
//
//   - a variable without a name, or with a space, "=" or a control character in it;
//   - NUL, CR or LF in the value of a header or of a variable that decides something;
//   - TRAC_* and trac.* sent twice, whatever the values;
//   - any other variable that decides something (see known) sent twice with
//     different values. Equal values are let pass because nginx sends a
//     fastcgi_param once for each line that names it: Debian's fastcgi_params
//     has REMOTE_USER and HTTP_HOST, and recipes set them again after including it.
//     An empty value beside another one says nothing (RFC 3875 section 4.1),
//     except in SCRIPT_NAME and PATH_INFO, where it does;
//   - a path that path.go cannot settle, a Host that is none, a scheme it does not know.
//
// HTTP_PROXY is dropped (httpoxy, CVE-2016-5385).
func New(l *Listener, pairs []Pair) (Vars, error) {
	if l == nil {
		l = &Listener{}
	}
	v := &vars{pairs: pairs, listener: l}
	if err := v.index(); err != nil {
		return Vars{}, err
	}
	if err := v.settle(); err != nil {
		return Vars{}, err
	}
	return Vars{v}, nil
}

// settle works out what takes more than one variable to know.
func (v *vars) settle() error {
	trusted := v.trustsPeer()
	scheme, err := v.findScheme(trusted)
	if err != nil {
		return err
	}
	v.scheme = scheme
	if v.host, err = v.findHost(trusted); err != nil {
		return err
	}
	v.remote = v.findRemote(trusted)
	v.where, err = v.findPlace()
	return err
}

// get returns the value of a variable that decides something.
func (v *vars) get(k known) string {
	if i := v.at[k]; i != 0 {
		return v.pairs[i-1].Value
	}
	return ""
}

// sent tells whether it was sent, be it empty.
func (v *vars) sent(k known) bool { return v.at[k] != 0 }

// Get returns a variable, "" if it was not sent.
func (v Vars) Get(name string) string {
	s, _ := v.Lookup(name)
	return s
}

// Lookup returns a variable and whether it was sent. Names are compared as they
// are: "remote_user" is not "REMOTE_USER".
func (v Vars) Lookup(name string) (string, bool) {
	if v.v == nil {
		return "", false
	}
	if k := knownName(name); k != unknown {
		return v.v.get(k), v.v.sent(k)
	}
	for i := range v.v.pairs {
		if v.v.pairs[i].Name == name {
			return v.v.pairs[i].Value, true
		}
	}
	return "", false
}

// All ranges over the variables in the order they came.
func (v Vars) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if v.v == nil {
			return
		}
		for _, p := range v.v.pairs {
			if !yield(p.Name, p.Value) {
				return
			}
		}
	}
}

// Setting returns what the listener says of name, "" if nothing.
func (v Vars) Setting(name string) string {
	if v.v == nil {
		return ""
	}
	return v.v.listener.Settings[name]
}

// Listener returns the name of the listening socket the request came by, for logs.
func (v Vars) Listener() string {
	if v.v == nil {
		return ""
	}
	return v.v.listener.Name
}

// Admin tells whether the listening socket is for administrators.
func (v Vars) Admin() bool { return v.v != nil && v.v.listener.Admin }

// Script is the URL path of the program itself, decoded: "" at the root of the
// site, else like "/trac"; it never ends in a slash.
func (v Vars) Script() string {
	if v.v == nil {
		return ""
	}
	return v.v.where.script
}

// Rule names the rule of path.go that told Script and the path below it apart,
// for an administrator who asks why.
func (v Vars) Rule() string {
	if v.v == nil {
		return ""
	}
	return v.v.where.rule
}

// Scheme is "http" or "https", "http" if nothing was said.
func (v Vars) Scheme() string {
	if v.v == nil {
		return schemeHTTP
	}
	return v.v.scheme
}

// RemoteUser is the name the web server has authenticated, or "". It comes
// from the variable REMOTE_USER (RFC 3875 section 4.1.11) and never from a header;
// see Claimed for the one case in which that is not believed.
func (v Vars) RemoteUser() string {
	if v.Claimed() {
		return ""
	}
	return v.v.strip(v.Get("REMOTE_USER"))
}

// strip takes domain and realm off a user's name, as far as the listener says so.
func (v *vars) strip(name string) string {
	if v == nil {
		return name
	}
	if i := strings.LastIndexByte(name, '\\'); i >= 0 && v.listener.StripDomain {
		name = name[i+1:]
	}
	if i := strings.LastIndexByte(name, '@'); i >= 0 && v.listener.StripRealm {
		name = name[:i]
	}
	return name
}

// Fronted is true if a web server stands before the program: the request came
// by one of their protocols, or by HTTP from a trusted peer. Only then may an
// answer hold what is meant for a web server, as X-Sendfile does.
func (v Vars) Fronted() bool { return v.v != nil && !v.v.direct }

type key struct{}

// FromContext returns the variables of the request that ctx belongs to, the
// zero value if it belongs to none.
func FromContext(ctx context.Context) Vars {
	v, _ := ctx.Value(key{}).(Vars)
	return v
}

// NewContext returns ctx with the variables.
func NewContext(ctx context.Context, v Vars) context.Context {
	return context.WithValue(ctx, key{}, v)
}
