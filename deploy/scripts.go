package deploy

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// scriptNames are the base names of the mounts' scripts: "trac" for the first,
// "trac-NAME" for others, NAME made of the path.
func scriptNames(mounts []mount) []string {
	var names []string
	for i, m := range mounts {
		name := "trac"
		if i > 0 {
			name += "-" + strings.Trim(strings.Map(plainRune, m.Path), "-")
		}
		for n := 2; slices.Contains(names, name); n++ {
			name = strings.TrimSuffix(name, "-"+strconv.Itoa(n-1)) + "-" + strconv.Itoa(n)
		}
		names = append(names, name)
	}
	return names
}

// Script is the base name of the mount's scripts, without the ending.
func (m mount) Script() string { return scriptNames(m.Mounts)[m.N] }

// plainRune keeps what every format takes unquoted and makes "-" of the rest.
func plainRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
		return r
	}
	return '-'
}

// scripts are the programs in cgi-bin: three for each mount.
func (v *view) scripts() ([]File, error) {
	var files []File
	for _, m := range v.Mounts {
		bridge, err := m.wsgiScript()
		if err != nil {
			return nil, err
		}
		files = append(files,
			File{Path: "cgi-bin/" + m.Script() + ".cgi", Mode: 0o755, Text: m.cgiScript()},
			File{Path: "cgi-bin/" + m.Script() + ".fcgi", Mode: 0o755, Text: m.fcgiScript()},
			File{Path: "cgi-bin/" + m.Script() + ".wsgi", Mode: 0o644, Text: bridge})
	}
	return files, nil
}

// SendRoots are the directories whose files projhost may ask the web server to
// send, for servers that take no patterns: those of one environment, or the
// directory of them.
func (m mount) SendRoots() []string {
	dir := m.SentDirectory()
	if m.Env == "" {
		return []string{dir}
	}
	return []string{dir + "/files", dir + "/attachments", dir + "/htdocs"}
}

// where are the arguments that name the mount's environments, and the doctor's
// key if there is one.
func (m mount) where() []string {
	args := []string{"--env-parent-dir", m.Parent}
	if m.Env != "" {
		args = []string{"--env", m.Env}
	}
	if m.DoctorKeyFile != "" {
		args = append(args, "--doctor-key-file", m.DoctorKeyFile)
	}
	return args
}

func (m mount) cgiScript() string {
	args := append([]string{m.Program, "cgi"}, m.where()...)
	env := "TRAC_URI_ROOT=" + quoteShell(m.Path) + "\n"
	names := "TRAC_URI_ROOT"
	if m.LCTime != "" {
		env += "LC_TIME=" + quoteShell(m.LCTime) + "\n"
		names += " LC_TIME"
	}
	return fmt.Sprintf(`#!/bin/sh
# CGI: the web server runs this anew for each request. The environment is fixed
# here and for this request only.
%sexport %s
exec %s
`, env, names, quoteWords(args))
}

func (m mount) fcgiScript() string {
	args := append([]string{m.Program, "serve", "--listen", m.inherited()}, m.where()...)
	return fmt.Sprintf(`#!/bin/sh
# FastCGI: a web server (mod_fcgid, lighttpd) or spawn-fcgi starts this with a
# listening socket as descriptor 0. One process serves many requests at a time.
exec %s
`, quoteWords(args))
}

// inherited is the listener for a socket that the program is started with.
func (m mount) inherited() string {
	q := url.Values{"prefix": {m.Path}}
	if m.LCTime != "" {
		q.Set("lc-time", m.LCTime)
	}
	return "fcgi+fd:0?" + q.Encode()
}

func (m mount) wsgiScript() (string, error) { return execute("trac.wsgi.tmpl", m) }

// wsgiSocket is where the bridge connects.
func (m mount) wsgiSocket() socket {
	if m.way != nil && m.way.Protocol == "scgi" {
		return m.Socket
	}
	return socket{Path: m.RunDir + "/scgi.sock"}
}

// WSGISocket is where the bridge connects, as Python's socket module takes it.
func (m mount) WSGISocket() string {
	s := m.wsgiSocket()
	if s.Path != "" {
		return quotePython(s.Path)
	}
	return "(" + quotePython(s.Host) + ", " + s.Port + ")"
}

// WSGIListen is the listener of projhost's for the bridge, for a comment.
func (m mount) WSGIListen() string {
	s := m.wsgiSocket()
	if s.Path != "" {
		return "scgi+unix:" + (&url.URL{Path: s.Path}).EscapedPath() + "?group=" + url.QueryEscape(m.Group)
	}
	return "scgi://" + s.HostPort()
}

// WSGISettings are what the bridge says for each request.
func (m mount) WSGISettings() string {
	pairs := [][2]string{{"TRAC_URI_ROOT", m.Path}}
	if m.Env != "" {
		pairs = append(pairs, [2]string{"TRAC_ENV", m.Env})
	} else {
		pairs = append(pairs, [2]string{"TRAC_ENV_PARENT_DIR", m.Parent})
	}
	if m.LCTime != "" {
		pairs = append(pairs, [2]string{"LC_TIME", m.LCTime})
	}
	text := "{\n"
	for _, p := range pairs {
		text += "    " + quotePython(p[0]) + ": " + quotePython(p[1]) + ",\n"
	}
	return text + "}"
}

// quoteWords writes a command for sh; plain words stay as they are.
func quoteWords(args []string) string {
	words := slices.Clone(args)
	for i, w := range words {
		if !plainWord(w) {
			words[i] = quoteShell(w)
		}
	}
	return strings.Join(words, " ")
}

// quotePython writes a string of Python, in ASCII.
func quotePython(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r > 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
