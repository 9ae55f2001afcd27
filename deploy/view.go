package deploy

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed templates
var templateFiles embed.FS

// view is what templates see: the options, and what follows from them.
type view struct {
	Options
	Mounts []mount
	way    *Way
}

// mount is a Mount with what follows from it.
type mount struct {
	Mount
	*view        // the options, for templates that are given one mount
	N     int    // 0 is the first
	Pad   string // what the lines of a nested block begin with
	Base  string // Path without a slash at its end: "" at the root
	// Socket is where the web server connects for this mount.
	Socket socket
}

// socket is an address in the parts that configuration formats want.
type socket struct {
	Path string // of a unix socket; "" for TCP
	Host string // of TCP, without brackets
	Port string
}

// HostPort is a TCP socket's address, with brackets around one of IPv6.
func (s socket) HostPort() string { return net.JoinHostPort(s.Host, s.Port) }

func newView(o Options) *view {
	v := &view{Options: o}
	if o.Server != "" {
		s, _ := serverNamed(o.Server)
		w, _ := s.way(o.Way)
		v.way = &w
	}
	for i, m := range o.Mounts {
		own := mount{Mount: m, view: v, N: i, Base: strings.TrimSuffix(m.Path, "/")}
		if v.way != nil && !v.way.Spawned {
			own.Socket = v.socketOf(i)
		}
		v.Mounts = append(v.Mounts, own)
	}
	return v
}

// firstPort is where TCP listeners are, one for each protocol, and from there
// on if each mount has its own.
func firstPort(protocol string) int {
	switch protocol {
	case "ajp":
		return 8009
	case "scgi":
		return 4000
	case "http":
		return 8000
	}
	return 9000
}

// socketOf is where the listener of mount i is. All mounts have the same, unless
// the web server cannot tell them apart for projhost.
func (v *view) socketOf(i int) socket {
	if !v.way.Silent {
		i = 0
	}
	at := v.Listen
	switch {
	case at == "" && v.way.TCP:
		at = fmt.Sprintf("127.0.0.1:%d", firstPort(v.way.Protocol))
	case at == "":
		at = path.Join(v.RunDir, v.way.Protocol+".sock")
	}
	if path.IsAbs(at) {
		if i > 0 {
			end := path.Ext(at)
			at = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(at, end), i, end)
		}
		return socket{Path: at}
	}
	host, port, _ := net.SplitHostPort(at)
	n, _ := strconv.Atoi(port)
	return socket{Host: host, Port: strconv.Itoa(n + i)}
}

// Own are the mounts with a listener of their own: all, or only the first.
func (v *view) Own() []mount {
	if v.way.Silent {
		return v.Mounts
	}
	return v.Mounts[:1]
}

// Proto is the protocol of the way.
func (v *view) Proto() string { return v.way.Protocol }

// Wayname is the way's name, for names in the configuration.
func (v *view) Wayname() string { return v.way.Name }

// WayTitle is the way's title, for comments.
func (v *view) WayTitle() string { return v.way.Title }

// HasAuth tells whether the web server asks for passwords.
func (v *view) HasAuth() bool { return v.Auth.Kind != AuthNone }

// Port and Host are the parts of Address; Host is "" for all addresses and has
// no brackets.
func (v *view) Port() string {
	if isPort(v.Address) {
		return v.Address
	}
	_, port, _ := net.SplitHostPort(v.Address)
	return port
}

// Host is described with Port.
func (v *view) Host() string {
	if isPort(v.Address) {
		return ""
	}
	host, _, _ := net.SplitHostPort(v.Address)
	return host
}

// Bind is where the web server listens: ":80" or like "[::1]:8080".
func (v *view) Bind() string { return net.JoinHostPort(v.Host(), v.Port()) }

// Upstream names a mount's listener among the others of the way.
func (m mount) Upstream() string {
	if m.way.Silent {
		return m.Backend()
	}
	return "projhost_" + m.way.Name
}

// Padded is the mount with a Pad of so many times four blanks.
func (m mount) Padded(n int) mount {
	m.Pad = strings.Repeat("    ", n)
	return m
}

// Backend names the mount among others of the way.
func (m mount) Backend() string {
	if m.N > 0 {
		return fmt.Sprintf("projhost_%s_%d", m.way.Name, m.N)
	}
	return "projhost_" + m.way.Name
}

// Root is the path of the mount as projhost is told it: "/" or like "/trac".
func (m mount) Root() string { return m.Mount.Path }

// Directory is the environment or the directory of environments.
func (m mount) Directory() string { return m.Env + m.Parent }

// SentDirectory is Directory as it is in the names of files.
func (m mount) SentDirectory() string { return cmp.Or(m.Real, m.Directory()) }

// Setting is the variable that tells projhost Directory.
func (m mount) Setting() string {
	if m.Env != "" {
		return "TRAC_ENV"
	}
	return "TRAC_ENV_PARENT_DIR"
}

// projectRegex is a regular expression for the path of a project below the mount.
func (m mount) projectRegex() string {
	s := "^" + regexp.QuoteMeta(m.Base)
	if m.Parent != "" {
		s += "/[^/]+"
	}
	return s
}

// MountRegex is a regular expression for the decoded paths of the mount.
func (m mount) MountRegex() string { return "^" + regexp.QuoteMeta(m.Base) + "(?:/|$)" }

// LoginRegex is a regular expression, in the common part of PCRE and RE2, for
// the decoded paths that ask for a password: .../login and what is below it.
func (m mount) LoginRegex() string { return m.projectRegex() + "/login(?:/|$)" }

// InnerLoginRegex is the same for what follows the mount's path.
func (m mount) InnerLoginRegex() string {
	m.Base = ""
	return m.LoginRegex()
}

// CommonRegex is one for the paths of the program's own static files; its group
// is the file's name.
func (m mount) CommonRegex() string { return m.projectRegex() + "/chrome/common/(.+)$" }

// SendRegex is one for the files that projhost may ask the web server to send:
// attachments and htdocs of the mount's environments, and nothing hidden.
func (m mount) SendRegex() string {
	s := "^" + regexp.QuoteMeta(m.SentDirectory())
	if m.Parent != "" {
		s += "/[^./][^/]*"
	}
	return s + "/(?:files|attachments|htdocs)(?:/[^./][^/]*)+$"
}

// Sent are the mounts of different directories, whose files the web server may
// be told to send.
func (v *view) Sent() []mount {
	var list []mount
	for _, m := range v.Mounts {
		if !slices.ContainsFunc(list, func(o mount) bool { return o.SentDirectory() == m.SentDirectory() }) {
			list = append(list, m)
		}
	}
	return list
}

// Longest are the mounts with the longest paths first, for servers that take the
// first one that fits.
func (v *view) Longest() []mount {
	list := slices.Clone(v.Mounts)
	slices.SortStableFunc(list, func(a, b mount) int { return len(b.Base) - len(a.Base) })
	return list
}

// Config is the path of the main file below Dir.
func (v *view) Config() string { return v.way.Config }

// listeners are the addresses for --listen.
func (v *view) listeners() []string {
	if v.way == nil || v.way.Spawned {
		return nil
	}
	var list []string
	for _, m := range v.Own() {
		list = append(list, v.listener(m))
	}
	return list
}

// Served are the addresses for the units: of this way, or of all that share the
// directory.
func (v *view) Served() []string {
	if v.Listeners != nil {
		return v.Listeners
	}
	return v.listeners()
}

// listener is the address of one mount's listener.
func (v *view) listener(m mount) string {
	q := url.Values{}
	addr := v.way.Protocol + "://" + m.Socket.HostPort()
	if m.Socket.Path != "" {
		addr = v.way.Protocol + "+unix:" + (&url.URL{Path: m.Socket.Path}).EscapedPath()
		q.Set("group", v.Group)
	}
	if v.way.Silent {
		q.Set("prefix", m.Root())
		if m.Env != "" {
			q.Set("env", m.Env)
		} else {
			q.Set("env-parent-dir", m.Parent)
		}
		if v.LCTime != "" {
			q.Set("lc-time", v.LCTime)
		}
	}
	if v.way.Protocol == "http" {
		q.Set("trust", "all")
		if m.Socket.Path == "" {
			q.Set("trust", m.Socket.Host)
		}
		if v.HasAuth() {
			q.Set("user-header", userHeader)
		}
	}
	if v.way.Protocol == "ajp" {
		q.Set("secret-file", v.Dir+"/"+secretFile)
	}
	if len(q) > 0 {
		addr += "?" + q.Encode()
	}
	return addr
}

// userHeader is how a reverse proxy names the user.
const userHeader = "X-Remote-User"

// flags are arguments of "serve" that are not listeners: what requests may name.
func (v *view) flags() []string {
	list := []string{"--max-body", maxBody}
	for _, m := range v.Mounts {
		list = append(list, "--allow-root", m.Directory())
	}
	if v.DoctorKeyFile != "" {
		list = append(list, "--doctor-key-file", v.DoctorKeyFile)
	}
	return list
}

// maxBody bounds uploads, in projhost and in the web servers.
const maxBody = "256MB"

// serverFiles returns the files of the web server, its main one first.
func (v *view) serverFiles() ([]File, error) {
	main, err := v.render(v.way.Template, v.way.Config, 0o644)
	if err != nil {
		return nil, err
	}
	files := []File{main}
	for _, x := range v.way.More {
		if x.Auth && !v.HasAuth() {
			continue
		}
		mode := x.Mode
		if mode == 0 {
			mode = 0o644
		}
		f, err := v.render(x.Template, x.Config, mode)
		if err != nil {
			return nil, err
		}
		f.Once = x.Once
		files = append(files, f)
	}
	if v.way.files != nil {
		more, err := v.way.files(v)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// common returns what does not depend on the web server: scripts and units.
func (v *view) common() ([]File, error) {
	files, err := v.scripts()
	if err != nil {
		return nil, err
	}
	units, err := v.units()
	return append(files, units...), err
}

// render executes one template, which may use those that files called
// *-parts.tmpl define.
func (v *view) render(name, to string, mode fs.FileMode) (File, error) {
	text, err := execute(name, v)
	return File{Path: to, Mode: mode, Text: text}, err
}

// execute executes a template with a view, or what is made of one.
func execute(name string, data any) (string, error) {
	t, err := template.New(path.Base(name)).Funcs(quoters()).Option("missingkey=error").ParseFS(templateFiles, "templates/"+name, "templates/*-parts.tmpl")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("template %s: %w", name, err)
	}
	return b.String(), nil
}
