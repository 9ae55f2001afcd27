package deploy

import (
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"path"
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
	Base string // Path without a slash at its end: "" at the root
	// Socket is where the web server connects for this mount.
	Socket socket
}

// socket is an address in the parts that configuration formats want.
type socket struct {
	Path string // of a unix socket; "" for TCP
	Host string // of TCP
	Port string
}

func newView(o Options) *view {
	v := &view{Options: o}
	if o.Server != "" {
		s, _ := serverNamed(o.Server)
		w, _ := s.way(o.Way)
		v.way = &w
	}
	for i, m := range o.Mounts {
		own := mount{Mount: m, Base: strings.TrimSuffix(m.Path, "/")}
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
	if v.Listen != "" && i == 0 {
		if p, ok := strings.CutPrefix(v.Listen, "/"); ok {
			return socket{Path: "/" + p}
		}
		host, port, _ := strings.Cut(v.Listen, ":")
		return socket{Host: host, Port: port}
	}
	if v.way.TCP {
		return socket{Host: "127.0.0.1", Port: fmt.Sprint(firstPort(v.way.Protocol) + i)}
	}
	name := v.way.Protocol
	if i > 0 {
		name = fmt.Sprintf("%s-%d", name, i)
	}
	return socket{Path: path.Join(v.RunDir, name+".sock")}
}

// Proto is the protocol of the way.
func (v *view) Proto() string { return v.way.Protocol }

// listeners are the addresses for --listen.
func (v *view) listeners() []string {
	if v.way == nil || v.way.Spawned {
		return nil
	}
	var list []string
	for i, m := range v.Mounts {
		if i > 0 && !v.way.Silent {
			break
		}
		list = append(list, v.listener(m))
	}
	return list
}

// listener is the address of one mount's listener.
func (v *view) listener(m mount) string {
	q := url.Values{}
	addr := v.way.Protocol + "://" + m.Socket.Host + ":" + m.Socket.Port
	if m.Socket.Path != "" {
		addr = v.way.Protocol + "+unix:" + (&url.URL{Path: m.Socket.Path}).EscapedPath()
		q.Set("group", v.Group)
	}
	if v.way.Silent {
		q.Set("prefix", m.Path)
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
			q.Set("trust", "127.0.0.1")
		}
		if v.Auth.Kind != AuthNone {
			q.Set("user-header", "X-Remote-User")
		}
	}
	if v.way.Protocol == "ajp" {
		q.Set("secret-file", v.Dir+"/secret/ajp")
	}
	if len(q) > 0 {
		addr += "?" + q.Encode()
	}
	return addr
}

// flags are arguments of "serve" that are not listeners: what requests may name.
func (v *view) flags() []string {
	var list []string
	for _, m := range v.Mounts {
		list = append(list, "--allow-root", m.Env+m.Parent)
	}
	return list
}

// serverFiles returns the files of the web server, its main one first.
func (v *view) serverFiles() ([]File, error) {
	main, err := v.render(v.way.Template, v.way.Config, 0o644)
	if err != nil {
		return nil, err
	}
	return []File{main}, nil
}

// common returns what does not depend on the web server: scripts and units.
func (v *view) common() ([]File, error) {
	return nil, nil
}

// render executes one template.
func (v *view) render(name, to string, mode fs.FileMode) (File, error) {
	t, err := template.New(path.Base(name)).Funcs(quoters()).Option("missingkey=error").ParseFS(templateFiles, "templates/"+name)
	if err != nil {
		return File{}, err
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return File{}, fmt.Errorf("template %s: %w", name, err)
	}
	return File{Path: to, Mode: mode, Text: b.String()}, nil
}
