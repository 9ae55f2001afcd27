package try_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"projhost/deploy"
	"projhost/deploy/try"
)

// shutting are the lines of docs/operating.md by which a web server shuts
// /trac/.projhost/, by deploy's names of the servers.
func shutting(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "shut it at the web server")
	_, block, _ = strings.Cut(block, "```\n")
	block, _, _ = strings.Cut(block, "```")
	lines := map[string]string{}
	head := regexp.MustCompile(`(?m)^# (\S+): .*\n`)
	at := head.FindAllStringSubmatchIndex(block, -1)
	for i, m := range at {
		end := len(block)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		lines[strings.ToLower(block[m[2]:m[3]])] = strings.TrimSpace(block[m[1]:end]) + "\n"
	}
	return lines
}

// TestShut has every web server that can be run here shut what is the program's
// own with the lines that the documentation has for it.
func TestShut(t *testing.T) {
	// Before which line they go, as the documentation says.
	places := map[string]string{
		"nginx":    "    include ", // of the mounts
		"apache":   "</VirtualHost>",
		"lighttpd": "# projhost behind lighttpd",
		"caddy":    "\trequest_body {",
		"haproxy":  "    option http-restrict-req-hdr-names",
		"h2o":      "      # /trac: ",
		"uwsgi":    "; /trac: ",
	}
	lines := shutting(t)
	for _, server := range deploy.Servers() {
		if !try.CanRun(server.Name) {
			delete(lines, server.Name)
			continue
		}
		text, place := lines[server.Name], places[server.Name]
		if text == "" || place == "" {
			t.Errorf("%s: no lines are documented, or it is not known where they go", server.Name)
			continue
		}
		delete(lines, server.Name)
		t.Run(server.Name, func(t *testing.T) { shut(t, server, place, text) })
	}
	for name := range lines {
		t.Errorf("lines are documented for %s, which is none of deploy's servers", name)
	}
}

func shut(t *testing.T, server deploy.Server, place, lines string) {
	const bearer = "Authorization: Bearer 0123456789abcdef"
	b := newBench(t)
	o := b.options(t)
	mount := deploy.Mount{Path: "/trac", Parent: b.parent}
	o.Server, o.Way, o.Mounts = server.Name, server.Ways[0].Name, []deploy.Mount{mount}
	tame(t, &o)
	key := filepath.Join(b.work, "key")
	if err := os.WriteFile(key, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	static := o.Server != "haproxy" && o.Server != "h2o" // which leave static files to projhost
	s := b.start(t, o, static, "--admin-key-file", key)
	s.has("/trac/.projhost/ready", 200, nil)
	if code, body, _ := s.get("/trac/.projhost/", bearer); code != http.StatusOK && code != http.StatusSeeOther {
		t.Fatalf("there is nothing to be shut: status %d, %s", code, head(body))
	}
	s.client.CloseIdleConnections() // for which H2O would wait
	file := filepath.Join(o.Dir, s.Plan.Config)
	switch o.Server { // of which copies are run
	case "h2o":
		file = filepath.Join(b.work, "h2o.conf")
	case "uwsgi":
		file = filepath.Join(b.work, "uwsgi.ini")
	}
	insert(t, file, place, lines)
	if err := s.Restart(context.Background(), "web"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/trac/.projhost/", "/trac/.projhost/ready", "/trac/.projhost/status.json", "/trac/.projhost/doctor", "/trac/.projhost/debug/pprof/",
		"/trac/%2eprojhost/ready", "/trac/.projhos%74/ready", "/trac/.projhost%2Fready", "/trac//.projhost/ready", "//trac/.projhost/ready", "/trac/./.projhost/ready", "/trac/x/../.projhost/ready", "/%74rac/.projhost/ready",
	} {
		code, body, h := s.get(path, bearer)
		if code/100 == 3 { // to the right spelling
			to, err := url.Parse(h.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			code, body, _ = s.get(to.RequestURI(), bearer)
		}
		if code/100 != 4 || json.Valid([]byte(body)) || strings.Contains(body, "ready") {
			t.Errorf("%s: status %d, %s", path, code, head(body))
		}
	}
	s.pages(mount)
}

// insert puts lines before the first line that begins with place, indented alike.
func insert(t *testing.T, file, place, lines string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut("\n"+string(text), "\n"+place)
	if !found {
		t.Fatalf("%s has no line that begins with %q", file, place)
	}
	indent := place[:len(place)-len(strings.TrimLeft(place, " \t"))]
	lines = indent + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n"+indent)
	if err := os.WriteFile(file, []byte(strings.TrimPrefix(before, "\n")+"\n"+lines+"\n"+place+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
