package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"projhost/testenvs"
)

// atRoot hands the whole site on.
const atRoot = `
		location / {
			include params;
			fastcgi_param SCRIPT_NAME "";
			fastcgi_param PATH_INFO $fastcgi_script_name;
			fastcgi_pass projhost;
		}`

// hosted is the program serving a directory behind nginx.
type hosted struct {
	parent, socket, url string
	host                *process
}

// host starts the program on a unix socket, and nginx in front of it.
func host(t *testing.T, parent string, keep bool, server string, args ...string) hosted {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "projhost.sock")
	p := start(t, append([]string{"serve", "--listen", "fcgi+unix:" + socket, "--env-parent-dir", parent, "--log-level", "debug"}, args...)...)
	p.waitFor("unix", socket)
	return hosted{parent, socket, "http://" + nginx(t, socket, keep, server), p}
}

func TestBehindNginx(t *testing.T) {
	parent := testenvs.Parent(t, "one", "two words", "проект")
	testenvs.Make(t, parent, "broken", nil)
	write(t, filepath.Join(parent, "broken", "db", "trac.db"), strings.Repeat("no database ", 50))
	testenvs.Make(t, parent, "damaged", nil)
	write(t, filepath.Join(parent, "damaged", "conf", "trac.ini"), "nonsense\n")
	if err := os.Rename(testenvs.Make(t, parent, "hidden", nil), filepath.Join(parent, ".hidden")); err != nil {
		t.Fatal(err)
	}
	testenvs.Make(t, parent, "ignored", nil)
	write(t, filepath.Join(parent, ".tracignore"), "ignored\n")
	mkdir(t, filepath.Join(parent, "not-an-environment"))
	write(t, filepath.Join(parent, "one", "htdocs", "own.css"), "/* own */")
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprintf("keepalive=%v", keep), func(t *testing.T) {
			x := host(t, parent, keep, atRoot)
			t.Run("pages", x.pages)
			t.Run("refused", x.refused)
			t.Run("index", x.index)
			t.Run("static", x.static)
		})
	}
}

// pages are right and of their own project.
func (x hosted) pages(t *testing.T) {
	for path, env := range map[string]string{
		"/one":                            "one",
		"/one/":                           "one",
		"/one/wiki":                       "one",
		"/one/wiki/WikiStart":             "one",
		"/one/wiki/WikiStart?version=1":   "one",
		"/one/wiki/SecondPage?format=txt": "one",
		"/one/wiki/Gr%C3%B6%C3%9Fe/%C3%9Cbersicht":              "one",
		"/two%20words/wiki":                                     "two words",
		"/%D0%BF%D1%80%D0%BE%D0%B5%D0%BA%D1%82/wiki/SecondPage": "проект",
	} {
		resp, body := get(t, x.url+path)
		if resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary(env)) {
			t.Errorf("%s: status %d, canary %v", path, resp.StatusCode, strings.Contains(body, testenvs.Canary(env)))
		}
		if id := resp.Header.Get("X-Request-Id"); len(id) != 32 {
			t.Errorf("%s: request id %q is not nginx's", path, id)
		}
	}
	resp, body := get(t, x.url+"/two%20words/wiki")
	if !strings.Contains(body, `href="/two%20words/wiki/SecondPage"`) || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("links or type are wrong: %s\n%s", resp.Header.Get("Content-Type"), body)
	}
	for path, want := range map[string]string{
		"/one/wiki/":            "/one/wiki",
		"/one/wiki/WikiStart/":  "/one/wiki/WikiStart",
		"/one/wiki//SecondPage": "/one/wiki/SecondPage",
	} {
		resp, _ := get(t, x.url+path)
		if got := resp.Header.Get("Location"); resp.StatusCode/100 != 3 && resp.StatusCode != 200 || resp.StatusCode/100 == 3 && !strings.HasSuffix(got, want) {
			t.Errorf("%s: %d to %q, want %q", path, resp.StatusCode, got, want)
		}
	}
	head, err := http.NewRequest(http.MethodHead, x.url+"/one/wiki", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := do(t, head); resp.StatusCode != 200 || body != "" || resp.ContentLength < 100 {
		t.Errorf("HEAD: status %d, length %d, body %q", resp.StatusCode, resp.ContentLength, body)
	}
}

// refused are paths that must not open anything, and must tell nothing.
func (x hosted) refused(t *testing.T) {
	for path, want := range map[string]int{
		"/nosuch":                                    404,
		"/nosuch/wiki":                               404,
		"/.hidden":                                   404,
		"/.hidden/wiki":                              404,
		"/ignored/wiki":                              404,
		"/not-an-environment":                        404,
		"/not-an-environment/wiki":                   404,
		"/one/wiki/NoSuchPage":                       404,
		"/one/wiki/WikiStart?version=9":              404,
		"/one/wiki/WikiStart?version=x":              400,
		"/one/wiki/WikiStart?action=edit":            404,
		"/one/nosuch/handler":                        404,
		"/one/chrome/site/nosuch.png":                404,
		"/one/chrome/site/..%2f..%2fconf%2ftrac.ini": 301, // to the plain spelling
		"/one/chrome/site/%2e%2e/conf/trac.ini":      0,
		"/%2e%2e/one":                                0,
		"/..%5cone":                                  404,
		"/one%2f..%2fbroken":                         301,
		"/%00":                                       0,
		"/one%00/wiki":                               0,
		"/%ff%fe":                                    0,
		"/one/wiki/%ff":                              0,
		"/broken":                                    503,
		"/broken/wiki":                               503,
		"/damaged/wiki":                              503,
		"/" + strings.Repeat("x", 300):               404,
	} {
		resp, body := rawGet(t, x.url, path)
		if want == 0 && resp.StatusCode < 400 || want != 0 && resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
		tellsNothing(t, path, x.parent, body)
		if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
}

// tellsNothing finds no path, SQL or stack in what a visitor gets.
func tellsNothing(t *testing.T, path, parent, body string) {
	t.Helper()
	for _, secret := range []string{parent, "trac.db", "SELECT", "goroutine ", ".go:", "panic", "no such file"} {
		if strings.Contains(strings.ReplaceAll(body, path, ""), secret) {
			t.Errorf("%s: the answer tells %q:\n%s", path, secret, body)
		}
	}
}

// rawGet sends a path as it is, which net/http would tidy up.
func rawGet(t *testing.T, url, path string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	return resp, body.String()
}

func (x hosted) index(t *testing.T) {
	resp, body := get(t, x.url+"/")
	if resp.StatusCode != 200 {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	last := -1
	for _, want := range []string{`href="/one"`, `href="/two%20words"`, `href="/%D0%BF%D1%80%D0%BE%D0%B5%D0%BA%D1%82"`} {
		i := strings.Index(body, want)
		if i < last {
			t.Errorf("%s is missing or not in order", want)
		}
		last = i
	}
	for _, not := range []string{"Project hidden", "Project ignored", "not-an-environment", x.parent} {
		if strings.Contains(body, not) {
			t.Errorf("the index shows %q", not)
		}
	}
	if !strings.Contains(body, "damaged") || !strings.Contains(body, "Project broken") {
		t.Error("the broken projects are not listed")
	}
	if resp, body := get(t, x.url+"/?format=json"); resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"name":"Project one","description":"About one","href":"/one"`) {
		t.Errorf("as JSON: %s", body)
	}
}

func (x hosted) static(t *testing.T) {
	// The two forms of a style sheet, compressed and not, have ETags of their own.
	r, err := http.NewRequest(http.MethodGet, x.url+"/one/chrome/common/css/trac.css", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	resp, _ := do(t, r)
	etag := resp.Header.Get("Etag")
	if resp.StatusCode != 200 || etag == "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") {
		t.Fatalf("style sheet: status %d, ETag %q", resp.StatusCode, etag)
	}
	r.Header.Set("If-None-Match", etag)
	r.Header.Set("Accept-Encoding", "gzip")
	if resp, _ := do(t, r); resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the compressed form has the ETag of the other: status %d", resp.StatusCode)
	}
	r.Header.Set("Accept-Encoding", "identity")
	if resp, body := do(t, r); resp.StatusCode != 304 || body != "" {
		t.Errorf("conditional: status %d", resp.StatusCode)
	}
	if resp, body := get(t, x.url+"/one/chrome/site/own.css"); resp.StatusCode != 200 || body != "/* own */" {
		t.Errorf("the project's own file: status %d, %q", resp.StatusCode, body)
	}
}

// TestOneProjectByVariable: the web server names an environment for each
// location, and forged headers name nothing.
func TestOneProjectByVariable(t *testing.T) {
	parent := testenvs.Parent(t, "one", "two", "three")
	location := func(prefix, params string) string {
		return fmt.Sprintf(`
		location %s {
			include params;
			fastcgi_split_path_info ^(%s)(.*)$;
			fastcgi_param SCRIPT_NAME $fastcgi_script_name;
			fastcgi_param PATH_INFO $fastcgi_path_info;
			%s
			fastcgi_pass projhost;
		}`, prefix, prefix, params)
	}
	server := location("/first", `fastcgi_param TRAC_ENV "`+parent+`/one";`) +
		location("/second", `fastcgi_param trac.env_path "`+parent+`/two/";`) +
		location("/all", `fastcgi_param TRAC_ENV_PARENT_DIR "`+parent+`";`) +
		location("/both", `fastcgi_param TRAC_ENV "`+parent+`/one"; fastcgi_param TRAC_ENV_PARENT_DIR "`+parent+`";`) +
		location("/twice", `fastcgi_param TRAC_ENV "`+parent+`/one"; fastcgi_param TRAC_ENV "`+parent+`/two";`) +
		location("/differently", `fastcgi_param TRAC_ENV "`+parent+`/one"; fastcgi_param trac.env_path "`+parent+`/two";`) +
		location("/outside", `fastcgi_param TRAC_ENV "/etc";`)
	// The process says another thing, which the web server outweighs.
	x := host(t, parent, true, server)
	for path, env := range map[string]string{"/first": "one", "/first/wiki/SecondPage": "one", "/second/wiki": "two", "/all/three/wiki": "three"} {
		r, err := http.NewRequest(http.MethodGet, x.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"TRAC_ENV", "Trac-Env", "trac.env_path", "X-Trac-Env", "Trac_Env"} {
			r.Header.Set(name, parent+"/three")
		}
		resp, body := do(t, r)
		if resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary(env)) {
			t.Errorf("%s: status %d, not of %s", path, resp.StatusCode, env)
		}
		prefix, _, _ := strings.Cut(path[1:], "/")
		if !strings.Contains(body, `href="/`+prefix) {
			t.Errorf("%s: links are not below /%s", path, prefix)
		}
	}
	for _, path := range []string{"/both", "/twice", "/differently", "/outside", "/both/wiki"} {
		resp, body := get(t, x.url+path)
		if resp.StatusCode < 400 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
		tellsNothing(t, path, parent, body)
	}
	for _, want := range []string{"TRAC_ENV", "allow-root"} {
		if !strings.Contains(x.host.out.String(), want) {
			t.Errorf("the log does not tell the operator about %s", want)
		}
	}
}

// TestDocumentedConfiguration runs every location that README.md and
// docs/deploying.md show for nginx, with nginx's own fastcgi_params.
func TestDocumentedConfiguration(t *testing.T) {
	parent := testenvs.Parent(t, "lighthouse")
	locations := 0
	for _, doc := range []string{"../README.md", "../docs/deploying.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?s)location (/\S*) \{.*?\n *\}`).FindAllStringSubmatch(string(text), -1) {
			locations++
			t.Run(fmt.Sprintf("%s location %s", filepath.Base(doc), m[1]), func(t *testing.T) {
				x := host(t, parent, true, strings.ReplaceAll(m[0], "/srv/trac", parent))
				path := "/lighthouse/wiki/SecondPage"
				if m[1] != "/" {
					path = m[1] + "/wiki/SecondPage" // it names the environment
				}
				resp, body := get(t, x.url+path)
				if resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary("lighthouse")) ||
					!strings.Contains(body, `href="`+strings.TrimSuffix(path, "/SecondPage")+`"`) {
					t.Errorf("%s: status %d:\n%s", path, resp.StatusCode, body)
				}
			})
		}
	}
	if locations < 2 {
		t.Errorf("only %d locations were found in the documents", locations)
	}
}

// TestUserComesFromTheWebServerOnly: REMOTE_USER is believed as a variable
// and never as a header.
func TestUserComesFromTheWebServerOnly(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	server := strings.Replace(atRoot, "fastcgi_pass", `fastcgi_param REMOTE_USER $arg_as if_not_empty; fastcgi_pass`, 1)
	x := host(t, parent, true, server)
	if _, body := get(t, x.url+"/one/wiki?as=ana"); !strings.Contains(body, "ana") {
		t.Error("the name the web server tells is not on the page")
	}
	r, err := http.NewRequest(http.MethodGet, x.url+"/one/wiki", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Remote-User", "Remote_User", "REMOTE_USER", "X-Remote-User", "Authorization"} {
		r.Header.Set(name, "mallory")
	}
	if _, body := do(t, r); strings.Contains(body, "mallory") {
		t.Error("a header gave a name")
	}
}

// TestStockParamsGiveNobodyAName: Debian's fastcgi_params hand on the name of any
// Authorization header; without auth_basic it is nobody's.
func TestStockParamsGiveNobodyAName(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	users := filepath.Join(t.TempDir(), "users")
	write(t, users, "ana:{PLAIN}secret\n")
	x := host(t, parent, true, `
		location / { include fastcgi_params; fastcgi_pass projhost; }
		location /one/wiki/SecondPage {
			auth_basic "x";
			auth_basic_user_file `+users+`;
			include fastcgi_params;
			fastcgi_param AUTH_TYPE Basic;
			fastcgi_pass projhost;
		}`)
	for path, known := range map[string]bool{"/one/wiki": false, "/one/wiki/SecondPage": true} {
		r, err := http.NewRequest(http.MethodGet, x.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ana", "secret")
		_, body := do(t, r)
		if !strings.Contains(body, testenvs.Canary("one")) || strings.Contains(body, "ana<") != known {
			t.Errorf("%s: logged in should be %v:\n%s", path, known, body)
		}
	}
}

// TestLargeBodies: 100 MB are refused by their announced length, and streamed
// within bounds where no length is announced.
func TestLargeBodies(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	streaming := strings.Replace(atRoot, "fastcgi_pass", "fastcgi_request_buffering off; fastcgi_pass", 1)
	x := host(t, parent, true, streaming, "--max-body", "10MB")
	const size = 100 << 20
	for _, announced := range []bool{true, false} {
		r, err := http.NewRequest(http.MethodPost, x.url+"/one/wiki", &zeros{left: size})
		if err != nil {
			t.Fatal(err)
		}
		if announced {
			r.ContentLength = size
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		// nginx may answer before all is sent, and close; either way the host
		// must have refused it.
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("announced %v: status %d", announced, resp.StatusCode)
			}
		}
	}
	if kb := residentKB(t, x.host.cmd.Process.Pid); kb > 300<<10 {
		t.Errorf("the program holds %d KB after 100 MB bodies", kb)
	}
	if resp, _ := get(t, x.url+"/one/wiki"); resp.StatusCode != 200 {
		t.Errorf("afterwards: status %d", resp.StatusCode)
	}
}

// zeros is a body of so many zero bytes.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, fmt.Errorf("EOF")
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

func residentKB(t *testing.T, pid int) (kb int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestAbortedInMidRequest: clients that go away do no harm.
func TestAbortedInMidRequest(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	x := host(t, parent, true, strings.Replace(atRoot, "fastcgi_pass", "fastcgi_request_buffering off; fastcgi_pass", 1))
	for range 50 {
		c, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "POST /one/wiki HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf of it")
		_ = c.Close()
	}
	for range 20 {
		if resp, body := get(t, x.url+"/one/wiki"); resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary("one")) {
			t.Fatalf("afterwards: status %d", resp.StatusCode)
		}
	}
}

// TestRestartUnderLoad hands one listening socket from a process to the next,
// as systemd does, while requests go on: none is lost.
func TestRestartUnderLoad(t *testing.T) {
	parent := testenvs.Parent(t, "one", "two")
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	defer func() { _ = file.Close() }()
	// File returns a blocking descriptor; the program sets what it needs.
	launch := func() *process {
		cmd := exec.Command(program(), "serve", "--listen", "fcgi+fd:0", "--env-parent-dir", parent)
		cmd.Stdin = file
		p := startCmd(t, cmd)
		// os/exec makes the descriptor a blocking one, for all who share it; the
		// former process could not leave its accept.
		if err := syscall.SetNonblock(int(file.Fd()), true); err != nil {
			t.Fatal(err)
		}
		p.waitReady()
		return p
	}
	current := launch()
	url := "http://" + nginx(t, socket, true, atRoot)
	var asked, lost atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	client := &http.Client{Timeout: 30 * time.Second}
	for i := range 8 {
		name := []string{"one", "two"}[i%2]
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				asked.Add(1)
				resp, err := client.Get(url + "/" + name + "/wiki")
				if err != nil {
					lost.Add(1)
					t.Error(err)
					continue
				}
				var body bytes.Buffer
				_, err = body.ReadFrom(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || !strings.Contains(body.String(), testenvs.Canary(name)) {
					lost.Add(1)
					t.Errorf("status %d, %v", resp.StatusCode, err)
				}
			}
		})
	}
	for range 4 {
		time.Sleep(700 * time.Millisecond)
		next := launch()
		if err := current.stop(); err != nil {
			t.Errorf("the former process: %v", err)
		}
		current = next
	}
	time.Sleep(300 * time.Millisecond)
	close(done)
	wg.Wait()
	t.Logf("%d requests over 4 restarts, %d lost", asked.Load(), lost.Load())
	if asked.Load() < 200 {
		t.Errorf("only %d requests were made", asked.Load())
	}
}

// waitReady waits until the program says that it serves: connecting to a socket
// it shares with others would not tell.
func (p *process) waitReady() {
	p.t.Helper()
	for range 600 {
		if strings.Contains(p.out.String(), "msg=ready") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("the program is not ready after 30 s:\n%s", p.out.String())
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}
