package deploy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/deploy"
)

// odd is a name that no format takes unquoted.
const odd = `it's a "strange" $dir; #1 {проект} %x ${HOME} \n`

// planned writes the plan of o below a directory of an odd name. The program is a
// script there that prints its arguments, one a line, and some of its environment.
func planned(t *testing.T, o deploy.Options) deploy.Options {
	t.Helper()
	dir := filepath.Join(t.TempDir(), odd)
	o.Dir, o.Program = dir, filepath.Join(dir, "bin", "projhost")
	o.Secret = "0123456789abcdef"
	p, err := deploy.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Files = append(p.Files, deploy.File{Path: "bin/projhost", Mode: 0o755,
		Text: "#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done\nprintf 'root %s time %s\\n' \"$TRAC_URI_ROOT\" \"$LC_TIME\"\n"})
	for _, f := range p.Files {
		to := filepath.Join(dir, f.Path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(f.Text), f.Mode)); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func twoMounts() []deploy.Mount {
	return []deploy.Mount{{Path: "/", Env: "/srv/" + odd}, {Path: "/all " + odd, Parent: "/srv/parent " + odd}}
}

// output runs a program and returns what it prints, both ways.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestScriptsRunTheProgram(t *testing.T) {
	o := planned(t, deploy.Options{Mounts: twoMounts(), LCTime: "ru_RU"})
	for script, want := range map[string][]string{
		"trac.cgi":   {"cgi", "--env", "/srv/" + odd, "root / time ru_RU"},
		"trac.fcgi":  {"serve", "--listen", "fcgi+fd:0?lc-time=ru_RU&prefix=%2F", "--env", "/srv/" + odd, "root  time "},
		"trac-*.cgi": {"cgi", "--env-parent-dir", "/srv/parent " + odd, "root /all " + odd + " time ru_RU"},
	} {
		if script == "trac-*.cgi" {
			script = nameOf(t, filepath.Join(o.Dir, "cgi-bin"), ".cgi", "trac.cgi")
		}
		got := strings.Split(strings.TrimSuffix(output(t, filepath.Join(o.Dir, "cgi-bin", script)), "\n"), "\n")
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// nameOf returns the only file of a directory with an ending, but for one.
func nameOf(t *testing.T, dir, end, but string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, f := range files {
		if strings.HasSuffix(f.Name(), end) && f.Name() != but {
			if name != "" {
				t.Fatalf("both %s and %s are there", name, f.Name())
			}
			name = f.Name()
		}
	}
	return name
}

func TestScriptNamesDiffer(t *testing.T) {
	p, err := deploy.Plan(deploy.Options{Dir: "/d", Program: "/p", Mounts: []deploy.Mount{
		{Path: "/a b", Env: "/1"}, {Path: "/a-b", Env: "/2"}, {Path: "/a.b", Env: "/3"}, {Path: "/ü", Env: "/4"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range p.Files {
		if strings.HasSuffix(f.Path, ".cgi") {
			names = append(names, f.Path)
		}
	}
	want := []string{"cgi-bin/trac-.cgi", "cgi-bin/trac-a-b-2.cgi", "cgi-bin/trac-a-b.cgi", "cgi-bin/trac.cgi"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// TestShell lets sh read every script that is written for it.
func TestShell(t *testing.T) {
	o := planned(t, deploy.Options{Mounts: twoMounts(), User: "trac"})
	for _, f := range []string{
		"cgi-bin/trac.cgi", "cgi-bin/trac.fcgi", "units/sysv/projhost", "units/openrc/projhost",
		"units/spawn-fcgi/projhost.sh", "units/multiwatch/projhost.sh",
	} {
		if out := output(t, "dash", "-n", filepath.Join(o.Dir, f)); out != "" {
			t.Errorf("%s: %s", f, out)
		}
	}
}

// TestSysV runs the script's answers to a wrong word and to status.
func TestSysV(t *testing.T) {
	o := planned(t, deploy.Options{Mounts: twoMounts(), RunDir: filepath.Join(t.TempDir(), odd)})
	script := filepath.Join(o.Dir, "units/sysv/projhost")
	for word, want := range map[string]int{"status": 3, "nonsense": 3, "stop": 0} {
		c := exec.Command(script, word)
		out, err := c.CombinedOutput()
		if c.ProcessState.ExitCode() != want {
			t.Errorf("%s: %v, want code %d\n%s", word, err, want, out)
		}
	}
}

func TestSystemdVerifies(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"", "nginx", "apache"} {
		for _, way := range map[string][]string{"": {""}, "nginx": {"fastcgi", "http"}, "apache": {"proxy_ajp", "fcgid"}}[server] {
			o := planned(t, deploy.Options{Server: server, Way: way, Mounts: twoMounts(), User: u.Username, Group: "root", RunDir: "/run/projhost"})
			for _, dir := range []string{"systemd", "systemd-socket"} {
				entries, err := os.ReadDir(filepath.Join(o.Dir, "units", dir))
				if err != nil {
					t.Fatal(err)
				}
				var files []string
				for _, e := range entries {
					files = append(files, filepath.Join(o.Dir, "units", dir, e.Name()))
				}
				// --man=no: there is no manual page; the instance is not the machine's.
				out := output(t, "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...)
				if out != "" {
					t.Errorf("%s %s %s: %s", server, way, dir, out)
				}
			}
		}
	}
}

// TestSupervisor lets supervisord read the file, and splits the command as it does.
func TestSupervisor(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	o := planned(t, deploy.Options{Server: "nginx", Way: "http", Mounts: twoMounts(), User: u.Username, Group: g.Name, RunDir: t.TempDir() + "/100%"})
	main := filepath.Join(t.TempDir(), "supervisord.conf")
	text, err := os.ReadFile(filepath.Join(o.Dir, "units/supervisor/projhost.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("/var/log/"), []byte(t.TempDir()+"/"))
	if err := os.WriteFile(main, append([]byte("[supervisord]\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	got := output(t, "/usr/bin/python3", "-c", `
import json, shlex, sys
from supervisor.options import ServerOptions
o = ServerOptions()
o.realize(["-c", sys.argv[1]])
print(json.dumps([[g.name, g.socket_config.url, shlex.split(g.process_configs[0].command)] for g in o.process_group_configs]))
`, main)
	var groups [][3]any
	if err := json.Unmarshal([]byte(got), &groups); err != nil {
		t.Fatal(err, got)
	}
	if len(groups) != 2 || groups[0][0] != "projhost" || groups[1][0] != "projhost-1" {
		t.Fatalf("%s", got)
	}
	want := []any{o.Program, "serve", "--listen"}
	for i, g := range groups {
		args := g[2].([]any)
		if !slices.Equal(args[:3], want) || !slices.Contains(args, any("/srv/"+odd)) || !slices.Contains(args, any("/srv/parent "+odd)) {
			t.Errorf("%q", args)
		}
		if url := g[1].(string); url != "unix://"+o.RunDir+[]string{"/http.sock", "/http-1.sock"}[i] {
			t.Errorf("socket %q", url)
		}
	}
}

// backend is an SCGI server that answers with what f writes.
func backend(t *testing.T, path string, f func(vars map[string]string, body io.Reader, w io.Writer)) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveSCGI(c, f)
		}
	}()
}

func serveSCGI(c net.Conn, f func(vars map[string]string, body io.Reader, w io.Writer)) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	size, err := r.ReadString(':')
	if err != nil {
		return
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil {
		return
	}
	head := make([]byte, n+1)
	if _, err := io.ReadFull(r, head); err != nil || head[n] != ',' {
		return
	}
	fields := strings.Split(strings.TrimSuffix(string(head[:n]), "\x00"), "\x00")
	vars := map[string]string{"first": fields[0]}
	for i := 0; i+1 < len(fields); i += 2 {
		if _, twice := vars[fields[i]]; twice {
			vars["twice"] = fields[i]
		}
		vars[fields[i]] = fields[i+1]
	}
	length, err := strconv.ParseInt(vars["CONTENT_LENGTH"], 10, 64)
	if err != nil {
		return
	}
	f(vars, io.LimitReader(r, length), c)
}

// bridge calls a trac.wsgi once, as a web server does, and returns what it answers.
func bridge(t *testing.T, script string, environ map[string]string, body string) (status string, headers [][2]string, answer string) {
	t.Helper()
	in, err := json.Marshal(environ)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/usr/bin/python3", "-c", `
import base64, io, json, os, runpy, sys
before = dict(os.environ)
app = runpy.run_path(sys.argv[1])["application"]
environ = json.loads(sys.argv[2])
environ["wsgi.input"], environ["wsgi.errors"] = sys.stdin.buffer, sys.stderr
environ["mod_wsgi.version"] = (4, 9, 4)
seen = []
result = app(environ, lambda status, headers, exc=None: seen.extend([status, headers]))
out = b"".join(result)
if hasattr(result, "close"):
    result.close()
assert before == dict(os.environ), "os.environ was changed"
print(json.dumps([seen[0], seen[1], base64.b64encode(out).decode()]))
`, script, string(in))
	c.Stdin = strings.NewReader(body)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got struct {
		status  string
		headers [][2]string
		body    []byte
	}
	if err := json.Unmarshal(out, &[]any{&got.status, &got.headers, &got.body}); err != nil {
		t.Fatal(err, string(out))
	}
	return got.status, got.headers, string(got.body)
}

func TestBridge(t *testing.T) {
	o := planned(t, deploy.Options{Server: "apache", Way: "wsgi", Mounts: twoMounts(), LCTime: "ru_RU", RunDir: t.TempDir()})
	script := filepath.Join(o.Dir, "cgi-bin/trac.wsgi")
	big := strings.Repeat("0123456789", 300_000)
	environ := map[string]string{
		"REQUEST_METHOD": "POST", "CONTENT_LENGTH": strconv.Itoa(len(big)), "PATH_INFO": "/wiki/caf\u00c3\u00a9", "REMOTE_USER": `DOMAIN\anna`,
		"TRAC_ENV": "/etc", "TRAC_ENV_PARENT_DIR": "/", "trac.env_path": "/etc", "HTTP_PROXY": "x", "HTTP_X_Y": "z",
	}
	if status, headers, _ := bridge(t, script, environ, ""); status != "503 Service Unavailable" || !slices.Contains(headers, [2]string{"Retry-After", "5"}) {
		t.Errorf("without projhost: %s %q", status, headers)
	}
	backend(t, o.RunDir+"/scgi.sock", func(vars map[string]string, body io.Reader, w io.Writer) {
		n, _ := io.Copy(io.Discard, body)
		switch vars["REQUEST_METHOD"] {
		case "END":
			return
		case "ODD":
			_, _ = io.WriteString(w, "no header\r\n\r\n")
			return
		}
		text, _ := json.Marshal(vars)
		_, _ = fmt.Fprintf(w, "Status: 201 Made\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		_, _ = fmt.Fprintf(w, "%d %s", n, text)
	})
	status, headers, body := bridge(t, script, environ, big)
	if status != "201 Made" || !slices.Equal(headers, [][2]string{{"Set-Cookie", "a"}, {"Set-Cookie", "b"}}) {
		t.Errorf("%s %q", status, headers)
	}
	count, text, _ := strings.Cut(body, " ")
	if count != strconv.Itoa(len(big)) {
		t.Errorf("%s bytes of a body of %d", count, len(big))
	}
	var vars map[string]string
	if err := json.Unmarshal([]byte(text), &vars); err != nil {
		t.Fatal(err, text)
	}
	for name, want := range map[string]string{
		"first": "CONTENT_LENGTH", "SCGI": "1", "PATH_INFO": "/wiki/café", "REMOTE_USER": `DOMAIN\anna`, "TRAC_ENV": "/srv/" + odd,
		"TRAC_URI_ROOT": "/", "LC_TIME": "ru_RU", "HTTP_X_Y": "z", "TRAC_ENV_PARENT_DIR": "", "HTTP_PROXY": "", "trac.env_path": "", "twice": "",
	} {
		if vars[name] != want {
			t.Errorf("%s is %q, want %q", name, vars[name], want)
		}
	}
	for method, want := range map[string]string{"END": "502 Bad Gateway", "ODD": "502 Bad Gateway"} {
		if status, _, body := bridge(t, script, map[string]string{"REQUEST_METHOD": method}, ""); status != want || strings.Contains(body, o.RunDir) {
			t.Errorf("%s: %s, %s", method, status, body)
		}
	}
	for name, e := range map[string]struct {
		environ map[string]string
		status  string
	}{
		"no number": {map[string]string{"CONTENT_LENGTH": "+5"}, "400 Bad Request"},
		"too short": {map[string]string{"CONTENT_LENGTH": "5"}, "400 Bad Request"},
		"no length": {map[string]string{"HTTP_TRANSFER_ENCODING": "chunked"}, "411 Length Required"},
		"a NUL":     {map[string]string{"QUERY_STRING": "a\x00b"}, "400 Bad Request"},
	} {
		if status, _, _ := bridge(t, script, e.environ, "abc"); status != e.status {
			t.Errorf("%s: %s, want %s", name, status, e.status)
		}
	}
}
