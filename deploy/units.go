package deploy

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// service is what the templates of units see.
type service struct {
	*view
	Listeners []listener
}

// listener is one address that projhost listens on, in the parts that programs
// want which open the socket in its place.
type listener struct {
	Text     string // as --listen takes it
	Protocol string
	Socket   socket
	query    url.Values // its options, without those about the file of the socket
	n        int
}

// newService gathers the listeners: the servers', or one for FastCGI if there is
// none, because they start projhost themselves or none is named.
func (v *view) newService() (service, error) {
	s := service{view: v}
	served := v.Served()
	if len(served) == 0 {
		q := url.Values{"group": {v.Group}}
		served = []string{"fcgi+unix:" + (&url.URL{Path: path.Join(v.RunDir, "fcgi.sock")}).EscapedPath() + "?" + q.Encode()}
	}
	for i, text := range served {
		l := listener{Text: text, n: i}
		where, query, _ := strings.Cut(text, "?")
		scheme, at, _ := strings.Cut(where, ":")
		var unix bool
		l.Protocol, unix = strings.CutSuffix(scheme, "+unix")
		var err error
		if unix {
			l.Socket.Path, err = url.PathUnescape(at)
		} else {
			l.Socket.Host, l.Socket.Port, err = net.SplitHostPort(strings.TrimPrefix(at, "//"))
		}
		if err != nil {
			return service{}, fmt.Errorf("listener %q: %w", text, err)
		}
		if l.query, err = url.ParseQuery(query); err != nil {
			return service{}, fmt.Errorf("listener %q: %w", text, err)
		}
		l.query.Del("group")
		s.Listeners = append(s.Listeners, l)
	}
	return s, nil
}

// Name is the listener's name among units.
func (l listener) Name() string {
	if l.n == 0 {
		return "projhost"
	}
	return fmt.Sprintf("projhost-%d", l.n)
}

// other is the listener with another kind of socket.
func (l listener) other(socket string) string {
	text := l.Protocol + socket
	if len(l.query) > 0 {
		text += "?" + l.query.Encode()
	}
	return text
}

// own is the listener for a projhost that opens the socket itself.
func own(l listener) string { return l.Text }

// inherited is the listener for a projhost that is started with the socket.
func inherited(l listener) string { return l.other("+fd:0") }

// activated is the listener for a projhost that systemd gives the socket.
func activated(l listener) string { return l.other("+systemd:" + l.Name()) }

// command is how projhost is started: with all listeners or with one of them.
func (s service) command(address func(listener) string, some ...listener) []string {
	if len(some) == 0 {
		some = s.Listeners
	}
	args := []string{s.Program, "serve"}
	for _, l := range some {
		args = append(args, "--listen", address(l))
	}
	args = append(args, s.flags()...)
	if len(s.Mounts) == 1 {
		args = append(args, s.Mounts[0].where()...)
	}
	return args
}

// ExecStart is for systemd, with sockets of projhost's own.
func (s service) ExecStart() string { return quoteSystemd(s.command(own)) }

// ExecActivated is for systemd with socket units.
func (s service) ExecActivated() string { return quoteSystemd(s.command(activated)) }

// ShellOwn are the arguments after the program's name, for sh.
func (s service) ShellOwn() string { return quoteWords(s.command(own)[1:]) }

// ShellInherited is the command for sh, with the first listener as descriptor 0.
func (s service) ShellInherited() string {
	return quoteWords(s.command(inherited, s.Listeners[0]))
}

// Supervised is the command of one listener for supervisord.
func (s service) Supervised(l listener) string {
	return quoteSupervisor(s.command(inherited, l))
}

// SupervisorSocket is the socket of one listener for supervisord.
func (s service) SupervisorSocket(l listener) string {
	if l.Socket.Path == "" {
		return "tcp://" + l.Socket.HostPort()
	}
	return "unix://" + strings.ReplaceAll(l.Socket.Path, "%", "%%")
}

// Uncommentable tells whether supervisord would take a part of the socket's path
// for a comment. It has no quotation there.
func (l listener) Uncommentable() bool {
	return strings.Contains(l.Socket.Path, " ;") || strings.Contains(l.Socket.Path, " #")
}

// Directories are those that projhost writes to.
func (s service) Directories() []string {
	var list []string
	for _, m := range s.Mounts {
		if !slices.Contains(list, m.Directory()) {
			list = append(list, m.Directory())
		}
	}
	return list
}

// RuntimeDirectory is RunDir as systemd makes it, "" if it cannot.
func (s service) RuntimeDirectory() string {
	name, ok := strings.CutPrefix(path.Clean(s.RunDir), "/run/")
	if !ok || strings.ContainsFunc(name, func(r rune) bool { return r != '/' && r != '.' && r != '-' && plainRune(r) != r }) {
		return ""
	}
	return name
}

// ListenStream is one listener's socket for a socket unit.
func (l listener) ListenStream() string {
	if l.Socket.Path == "" {
		return l.Socket.HostPort()
	}
	return strings.ReplaceAll(l.Socket.Path, "%", "%%")
}

// units are for the programs that start projhost and keep it running.
func (v *view) units() ([]File, error) {
	s, err := v.newService()
	if err != nil {
		return nil, err
	}
	var files []File
	for _, u := range []struct {
		template, to string
		mode         fs.FileMode
	}{
		{"unit.service.tmpl", "units/systemd/projhost.service", 0o644},
		{"unit-activated.service.tmpl", "units/systemd-socket/projhost.service", 0o644},
		{"unit-supervisor.conf.tmpl", "units/supervisor/projhost.conf", 0o644},
		{"unit-spawn-fcgi.sh.tmpl", "units/spawn-fcgi/projhost.sh", 0o755},
		{"unit-multiwatch.sh.tmpl", "units/multiwatch/projhost.sh", 0o755},
		{"unit-sysv.sh.tmpl", "units/sysv/projhost", 0o755},
		{"unit-openrc.sh.tmpl", "units/openrc/projhost", 0o755},
		{"unit-logrotate.tmpl", "units/logrotate/projhost", 0o644},
	} {
		text, err := execute(u.template, s)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: u.to, Mode: u.mode, Text: text})
	}
	for _, l := range s.Listeners {
		text, err := execute("unit.socket.tmpl", struct {
			service
			L listener
		}{s, l})
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: "units/systemd-socket/" + l.Name() + ".socket", Mode: 0o644, Text: text})
	}
	return files, nil
}
