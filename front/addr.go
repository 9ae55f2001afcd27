package front

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"projhost/front/gateway"
)

// Addr is where and how to listen. Only ParseAddr makes one.
type Addr struct {
	text     string
	protocol string
	kind     kind

	host   string // kindTCP: "127.0.0.1:9000"
	public bool   // kindTCP: not on loopback only

	path  string      // kindUnix
	mode  fs.FileMode // of the socket
	owner string      // name or number, "" to leave it
	group string

	fd   int    // kindFD
	name string // kindSystemd: FileDescriptorName, "" for the only socket

	secret string // that AJP's web server sends with each request

	cert, key               string         // files, of HTTPS
	proxyHead               bool           // connections begin with the head of the PROXY protocol
	userHeader              string         // in which a trusted peer names the user
	stripDomain, stripRealm bool           // off users' names
	peers                   []netip.Prefix // that may connect; nil: all
	trusted                 []netip.Prefix
	trustAll                bool
	settings                map[string]string
	admin                   bool // see ForAdmins
}

// kind is a kind of socket.
type kind string

const (
	kindTCP     kind = "tcp"
	kindUnix    kind = "unix"
	kindFD      kind = "fd"
	kindSystemd kind = "systemd"
)

// DefaultMode is the mode of a unix socket: its owner and group may connect. A
// socket is as good as a password here, for who reaches it names the user and
// the environment.
const DefaultMode fs.FileMode = 0o660

// String returns the address as it was written.
func (a Addr) String() string { return a.text }

// Settings are what the address says for all requests that come by it, by the
// names that the web server would send: TRAC_ENV, TRAC_ENV_PARENT_DIR, ...
// The map is the caller's.
func (a Addr) Settings() map[string]string { return maps.Clone(a.settings) }

// ParseAddr reads an address. It is a protocol (fcgi, scgi, uwsgi, ajp, http or https) and a socket:
//
//	fcgi+unix:/run/projhost.sock    a unix socket; options mode=0660, owner=, group=
//	fcgi://127.0.0.1:9000           TCP; public=1 to listen on other than loopback
//	fcgi+fd:0                       an inherited listening socket (spawn-fcgi, mod_fcgid)
//	fcgi+systemd:NAME               one of systemd's, by FileDescriptorName=, or
//	fcgi+systemd:                   the only one
//
// and the same with the other protocols. Options stand after a "?", as in a URL:
//
//	trust=10.0.0.0/8,::1            peers whose X-Forwarded-* are believed, or "all"
//	peers=127.0.0.1,::1             the only peers that may connect, over TCP
//	secret=WORD, secret-file=FILE   that the web server sends with each request (ajp; needed over TCP)
//	cert=FILE, key=FILE             certificate chain and key in PEM (https); key is cert's if left out
//	proxy-protocol=1                connections begin with the head of HAProxy's PROXY protocol, from
//	                                peers in trust= (http, https)
//	user-header=X-Remote-User       in which a trusted peer names the user (http, https)
//	strip-user=domain,realm         "DOMAIN\name" and "name@REALM" are the user "name"
//	lc-time=ru_RU, locale=ru_RU     how dates are written, as LC_TIME and trac.locale
//	prefix=/trac                    where the program is on the site (gateway.SettingRoot)
//	env=DIR, env-parent-dir=DIR, base-url=URL, index-template=FILE, template-vars=K=V,K=V
//	                                as TRAC_ENV and so on, for this listener
//
// The error is one line that names what is wrong and what may stand there; it
// does not repeat the address.
func ParseAddr(s string) (Addr, error) {
	a, err := parse(s)
	if err != nil {
		return Addr{}, err
	}
	if err := errors.Join(a.checkSecret(), a.checkWeb()); err != nil {
		return Addr{}, err
	}
	if a.kind == kindTCP && !a.public {
		if err := checkLoopback(a.host); err != nil {
			return Addr{}, err
		}
	}
	return a, nil
}

// ParseTarget reads the address of a listener that another process has, to Dial
// it. It is written like the listener, but what only who listens must say may be
// left out: the certificate, public=1, trust=.
func ParseTarget(s string) (Addr, error) {
	a, err := parse(s)
	if err == nil {
		err = a.checkSecret()
	}
	if err != nil {
		return Addr{}, err
	}
	return a, nil
}

// ForAdmins is the address as a listener for administrators alone, which a
// browser or a script reaches by HTTP. Unless they show a key there, it must be
// one that only this machine reaches.
func (a Addr) ForAdmins(withKey bool) (Addr, error) {
	local := a.kind == kindUnix || a.kind == kindTCP && checkLoopback(a.host) == nil
	switch {
	case a.protocol != protocolHTTP && a.protocol != protocolHTTPS:
		return Addr{}, fmt.Errorf("administrators come by %s or %s, not by %s", protocolHTTP, protocolHTTPS, a.protocol)
	case !withKey && !local:
		return Addr{}, errors.New("without a key, administrators come by a unix socket or a loopback address only: give --admin-key-file")
	}
	a.admin = true
	return a, nil
}

// parse reads an address without a look at what its options mean together.
func parse(s string) (Addr, error) {
	a := Addr{text: s, mode: DefaultMode, settings: map[string]string{}}
	where, query, _ := strings.Cut(s, "?")
	scheme, rest, ok := strings.Cut(where, ":")
	if !ok {
		return Addr{}, fmt.Errorf("not an address like %q or %q", "fcgi+unix:/run/projhost.sock", "http://127.0.0.1:8000")
	}
	protocol, socket, _ := strings.Cut(scheme, "+")
	a.protocol, a.kind = protocol, kind(socket)
	if !slices.Contains(protocols(), protocol) {
		return Addr{}, fmt.Errorf("unknown protocol %q: there are %s", protocol, strings.Join(protocols(), ", "))
	}
	if err := a.parseSocket(rest); err != nil {
		return Addr{}, err
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return Addr{}, fmt.Errorf("options: %w", err) // a secret may be among them
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		values := options[name]
		if len(values) != 1 {
			return Addr{}, fmt.Errorf("option %s is given twice", name)
		}
		if err := a.parseOption(name, values[0]); err != nil {
			return Addr{}, err
		}
	}
	a.text = HideSecret(s)
	return a, nil
}

// parseSocket reads what follows the scheme.
func (a *Addr) parseSocket(rest string) error {
	switch a.kind {
	case "", kindTCP:
		a.kind = kindTCP
		return a.parseTCP(rest)
	case kindUnix:
		return a.parseUnix(rest)
	case kindFD:
		n, err := strconv.ParseUint(strings.TrimPrefix(rest, "//"), 10, 16)
		if err != nil || n == 1 || n == 2 {
			return fmt.Errorf("%q is no number of an inherited socket, like 0 or 3", rest)
		}
		a.fd = int(n)
		return nil
	case kindSystemd:
		a.name = strings.TrimPrefix(rest, "//")
		if strings.Contains(a.name, ":") {
			return fmt.Errorf("%q is no name of a socket unit", a.name)
		}
		return nil
	}
	return fmt.Errorf("unknown kind of socket %q: there are %s, %s and %s, and //HOST:PORT without one",
		string(a.kind), kindUnix, kindFD, kindSystemd)
}

func (a *Addr) parseTCP(rest string) error {
	host, ok := strings.CutPrefix(rest, "//")
	host = strings.TrimSuffix(host, "/")
	_, port, err := net.SplitHostPort(host)
	if !ok || err != nil {
		return fmt.Errorf("%q is not like //127.0.0.1:9000", rest)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no port", port)
	}
	a.host = host
	return nil
}

// maxUnixPath is the room for a path in a socket's address on Linux, in bytes,
// without its NUL. Other systems have less, and say so when it is bound.
const maxUnixPath = 107

func (a *Addr) parseUnix(rest string) error {
	path, err := url.PathUnescape(rest)
	if err != nil {
		return fmt.Errorf("path of the socket: %w", err)
	}
	if strings.HasPrefix(path, "//") {
		path = strings.TrimPrefix(path, "//") // fcgi+unix:///run/x is the same as fcgi+unix:/run/x
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is not like unix:/run/projhost.sock", rest)
		}
	}
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return fmt.Errorf("%q names no socket, as unix:/run/projhost.sock does", rest)
	case path[0] == '@' || strings.ContainsRune(path, 0):
		return fmt.Errorf("%q has no owner and no mode: name a file", path)
	case len(path) > maxUnixPath:
		return fmt.Errorf("the path of the socket is longer than %d bytes", maxUnixPath)
	}
	a.path = path
	return nil
}

// settingOf maps options to the settings they tell.
func settingOf(option string) string {
	switch option {
	case "env":
		return "TRAC_ENV"
	case "env-parent-dir":
		return "TRAC_ENV_PARENT_DIR"
	case "base-url":
		return "TRAC_BASE_URL"
	case "index-template":
		return "TRAC_ENV_INDEX_TEMPLATE"
	case "template-vars":
		return "TRAC_TEMPLATE_VARS"
	case "prefix":
		return gateway.SettingRoot
	case "lc-time":
		return "LC_TIME"
	case "locale":
		return "TRAC_LOCALE"
	}
	return ""
}

// options are all there are, for messages.
const options = "base-url, cert, env, env-parent-dir, group, index-template, key, lc-time, locale, mode, owner, peers, prefix, proxy-protocol, public, " +
	"secret, secret-file, strip-user, template-vars, trust, user-header"

func (a *Addr) parseOption(name, value string) error {
	if setting := settingOf(name); setting != "" {
		if value == "" {
			return fmt.Errorf("option %s is empty", name)
		}
		if name == "prefix" && value[0] != '/' {
			return fmt.Errorf("option prefix: %q does not begin with a slash", value)
		}
		a.settings[setting] = value
		return nil
	}
	if only := onlyFor(name); only != "" && only != a.kind {
		return fmt.Errorf("option %s is for %s sockets only", name, only)
	}
	var err error
	switch name {
	case "mode":
		err = a.parseMode(value)
	case "owner":
		a.owner = value
	case "group":
		a.group = value
	case "secret", "secret-file":
		err = a.parseSecret(name, value)
	case "cert", "key", "proxy-protocol", "user-header", "strip-user":
		err = a.parseWeb(name, value)
	case "public":
		a.public, err = strconv.ParseBool(value)
	case "trust":
		if a.trustAll = value == "all"; !a.trustAll {
			a.trusted, err = parsePrefixes(value)
		}
	case "peers":
		a.peers, err = parsePrefixes(value)
	default:
		return fmt.Errorf("unknown option %q: there are %s", name, options)
	}
	if err != nil {
		return fmt.Errorf("option %s: %w", name, err)
	}
	return nil
}

// onlyFor is the kind of socket an option is about, "" if it is about all.
func onlyFor(option string) kind {
	switch option {
	case "mode", "owner", "group":
		return kindUnix
	case "public", "peers":
		return kindTCP
	}
	return ""
}

func (a *Addr) parseMode(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n&^0o777 != 0 || n == 0 {
		return fmt.Errorf("%q is no mode like 0660", s)
	}
	a.mode = fs.FileMode(n)
	return nil
}

// parsePrefixes reads addresses and networks, separated by commas.
func parsePrefixes(s string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		if p, err := netip.ParsePrefix(one); err == nil {
			list = append(list, p.Masked())
			continue
		}
		ip, err := netip.ParseAddr(one)
		if err != nil || ip.Zone() != "" {
			return nil, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", one)
		}
		ip = ip.Unmap()
		list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
	}
	return list, nil
}

// checkLoopback refuses an address that other machines reach: FastCGI has no
// password, its parameters name the user, and plain HTTP has no encryption
// (php-fpm on 0.0.0.0:9000 is a well-known way in). Names are not looked up:
// "localhost" is one, others are not.
func checkLoopback(hostport string) error {
	host, _, _ := net.SplitHostPort(hostport)
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	if host == "" {
		host = "every address"
	}
	return fmt.Errorf("%s is not only this machine: add ?public=1 if other machines shall reach it", host)
}
