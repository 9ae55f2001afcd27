package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/doctor"
	"projhost/testenvs"
)

// digestRealm is one that each server has to escape, and still find in the file.
const digestRealm = `the old projects, Größe #1 {x} $y %41 'z'`

// TestDigest signs in by a digest behind each web server that deploy writes
// --auth digest for; those that cannot are refused: TestRefused in deploy.
func TestDigest(t *testing.T) {
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			if w.Untested || !w.Digest {
				continue
			}
			for _, all := range []bool{false, true} {
				if all && s.Name == "lighttpd" && w.Name != s.Ways[0].Name {
					continue // the same lines for each way; it waits a second before it refuses
				}
				c := cell{s, w, mountRoot}
				if all {
					c.mount = mountPrefix
				}
				t.Run(s.Name+"/"+w.Name+"/"+askedAt(all), func(t *testing.T) {
					t.Parallel()
					digestBehind(t, c, all)
				})
			}
		}
	}
}

// askedAt names where a password is asked for.
func askedAt(all bool) string {
	if all {
		return "everywhere"
	}
	return "login"
}

// digestBehind serves two projects behind a web server that asks for a digest.
func digestBehind(t *testing.T, c cell, all bool) {
	work := shortDir(t)
	parent := filepath.Join(work, "p")
	mkdir(t, parent)
	for _, name := range []string{"one", "zwei ü"} {
		testenvs.Make(t, parent, name, nil)
	}
	o := c.options(t, work, parent)
	o.Auth = signIn(t, o.Server, o.Auth.File, deploy.Auth{Kind: deploy.AuthDigest, Realm: digestRealm, All: all})
	giveAway(t, work)
	site, err := try.Start(t.Context(), o, work)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
		if log := site.Log(); strings.Contains(log, "DATA RACE") || t.Failed() {
			t.Log(tail(log, 3000))
		}
	}()
	x := visitor{t, strings.TrimSuffix(site.URL+o.Mounts[0].Path, "/"), "Digest", digestRealm}
	x.signsIn(all)
	x.reported(c.way.Protocol)
}

// TestOwnGuard signs in without a web server, at serve and tracd.
func TestOwnGuard(t *testing.T) {
	for scheme, flag := range map[string]string{"Digest": "--auth", "Basic": "--basic-auth"} {
		for _, all := range []bool{false, true} {
			for _, command := range []string{"serve", "tracd"} {
				t.Run(command+"/"+scheme+"/"+askedAt(all), func(t *testing.T) {
					t.Parallel()
					parent := testenvs.Parent(t, "one", "zwei ü")
					const realm = `the "old" \projects, Größe`
					a := deploy.Auth{Kind: deploy.AuthKind(strings.ToLower(scheme)), Realm: realm}
					file := signIn(t, "apache", filepath.Join(t.TempDir(), "users"), a).File
					address := freePort(t)
					_, port, _ := strings.Cut(address, ":")
					rule := "*," + file + "," + realm
					if all {
						rule += ",all"
					}
					args := []string{"serve", "--listen", "http://" + address, "--env-parent-dir", parent, flag, rule}
					if command == "tracd" {
						args = []string{"tracd", "-b", "127.0.0.1", "-p", port, "-e", parent, flag, rule}
					}
					start(t, args...).waitFor("tcp", address)
					x := visitor{t, "http://" + address, scheme, realm}
					x.signsIn(all)
				})
			}
		}
	}
}

// visitor asks a site with curl, which has its own idea of a digest.
type visitor struct {
	*testing.T
	url    string
	scheme string // by which the site asks for a password
	realm  string
}

// signsIn gives no password, a wrong one and the right one.
func (x visitor) signsIn(all bool) {
	x.Helper()
	const login = "/zwei%20%C3%BC/login?x=%C3%BC%20y&z=%2B%26,%22a%22"
	const page = "/zwei%20%C3%BC/wiki/Gr%C3%B6%C3%9Fe/%C3%9Cbersicht?version=1&x=%C3%BC"
	x.asked(login)
	x.asked(login, "-u", matrixUser+":wrong")
	x.asked(login, "-u", "eve:"+matrixPassword)
	if all {
		x.asked(page)
	}
	other := `Digest username="ana", realm="", nonce="", uri="", response=""`
	if x.scheme == "Digest" {
		other = "Basic " + base64.StdEncoding.EncodeToString([]byte(matrixUser+":"+matrixPassword))
	}
	x.asked(login, "-H", "Authorization: "+other)
	jar := filepath.Join(x.TempDir(), "cookies")
	right := []string{"-u", matrixUser + ":" + matrixPassword}
	status, _, body := x.curl(login, append(right, "-L", "-c", jar, "-b", jar)...)
	x.signedIn("signing in", status, body)
	if !all {
		right = nil // the cookie does
		if status, _, body := x.curl(page); status != 200 || strings.Contains(body, "Signed in") {
			x.Errorf("a page for everybody: status %d, signed in: %v", status, strings.Contains(body, "Signed in"))
		}
	}
	status, _, body = x.curl(page, append(right, "-b", jar)...)
	x.signedIn("a page", status, body)
	if !strings.Contains(body, testenvs.Canary("zwei ü")) {
		x.Errorf("the page is not the project's: %s", tail(body, 1000))
	}
}

// asked wants the site to ask for a password by its scheme and by no other.
func (x visitor) asked(path string, args ...string) {
	x.Helper()
	status, header, body := x.curl(path, args...)
	realm := `realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(x.realm) + `"`
	challenges := header.Values("WWW-Authenticate")
	if status != http.StatusUnauthorized || len(challenges) == 0 || strings.Contains(body, "Signed in") {
		x.Errorf("%s %q: status %d, %q", path, args, status, challenges)
	}
	for _, c := range challenges {
		if !strings.HasPrefix(c, x.scheme+" ") || !strings.Contains(c, realm) {
			x.Errorf("%s %q: asked by %q, want %s and %s", path, args, c, x.scheme, realm)
		}
	}
}

func (x visitor) signedIn(what string, status int, body string) {
	x.Helper()
	if status != http.StatusOK || !strings.Contains(body, "Signed in as <b><bdi>"+matrixUser+"<") {
		x.Errorf("%s: status %d: %s", what, status, tail(body, 1000))
	}
}

// reported wants the doctor to know who asks, how, and for what.
func (x visitor) reported(protocol string) {
	x.Helper()
	status, _, body := x.curl("/zwei%20%C3%BC/login?x=%C3%BC%20y", "-u", matrixUser+":"+matrixPassword, "-H", doctor.Header+": "+matrixKey)
	var rep doctor.Report
	if err := json.Unmarshal([]byte(body), &rep); err != nil || status != http.StatusOK {
		x.Fatalf("the doctor: status %d, %v: %s", status, err, tail(body, 1000))
	}
	kind := x.scheme
	if protocol == "http" { // there is no header for that
		kind = "Proxy"
	}
	if rep.User != matrixUser || rep.AuthType != kind || rep.Path != "/zwei ü/login" || rep.Query != "x=%C3%BC%20y" {
		x.Errorf("the doctor: user %q by %q, path %q, query %q", rep.User, rep.AuthType, rep.Path, rep.Query)
	}
}

// curl asks for a path as it is spelled and returns the last answer. With a
// password it answers the site's scheme, unless args say otherwise.
func (x visitor) curl(path string, args ...string) (status int, header http.Header, body string) {
	x.Helper()
	headers := filepath.Join(x.TempDir(), "headers")
	all := []string{"-s", "-S", "-k", "--max-time", "30", "-D", headers, "--" + strings.ToLower(x.scheme)}
	cmd := exec.Command(tool(x.T, "curl"), append(append(all, args...), x.url+path)...)
	cmd.Env = cleanEnv()
	out, err := cmd.Output()
	if err != nil {
		x.Fatalf("curl %q %s: %v", args, path, err)
	}
	text, err := os.ReadFile(headers)
	if err != nil {
		x.Fatal(err)
	}
	header = http.Header{}
	for line := range strings.Lines(string(text)) { // of several answers, the last
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "HTTP/") {
			header = http.Header{}
			_, rest, _ := strings.Cut(line, " ")
			code, _, _ := strings.Cut(rest, " ")
			if status, err = strconv.Atoi(code); err != nil {
				x.Fatalf("%q: %v", line, err)
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			header.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
		}
	}
	return status, header, string(out)
}
