package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"projhost/front/gateway"
	"projhost/status"
	"projhost/testenvs"
)

// keyFile writes a key for administrators.
func keyFile(t *testing.T, key string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, key+"\n")
	return file
}

// TestStatusByKey looks at the status of a running server through every listener.
func TestStatusByKey(t *testing.T) {
	const key = "no one will guess this"
	parent := testenvs.Parent(t, "alpha", "beta")
	address, socket, file := freePort(t), filepath.Join(t.TempDir(), "s"), keyFile(t, key)
	p := start(t, "serve", "--env-parent-dir", parent, "--listen", "http://"+address, "--admin-listen", "http+unix:"+socket, "--admin-key-file", file)
	p.waitFor("tcp", address)
	for _, path := range []string{"status", "status.json", "status?q=alpha", "metrics", "debug/pprof/", "debug/pprof/heap", "nosuch", "leave"} {
		for _, bearer := range []string{"", "Bearer wrong"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+gateway.OwnPrefix+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if bearer != "" && path == "status" { // others come to an end
				r.Header.Set("Authorization", bearer)
			}
			if resp, body := do(t, r); resp.StatusCode != http.StatusNotFound || strings.Contains(body, "alpha") {
				t.Errorf("%s with %q: %d %s", path, bearer, resp.StatusCode, body)
			}
		}
	}
	get(t, "http://"+address+"/alpha/wiki")
	for _, at := range []string{"http://" + address, "http+unix:" + socket} {
		out, err := exec.Command(program(), "list", "--live", at, "--admin-key-file", file, "--json", "--sort=-requests").Output()
		var rows []status.Row
		if err == nil {
			err = json.Unmarshal(out, &rows)
		}
		if err != nil || len(rows) != 2 || rows[0].Name != "alpha" || rows[0].Use == nil || rows[0].Use.Requests != 1 || rows[0].State != "open" {
			t.Errorf("%s: %v %s", at, err, out)
		}
		if out, err := exec.Command(program(), "list", "--live", at).CombinedOutput(); err == nil || !strings.Contains(string(out), "is the right --admin-key-file given") {
			t.Errorf("%s without the key: %v %s", at, err, out)
		}
	}
	if out, err := exec.Command(program(), "list", "--live", "http+unix:"+socket, "--admin-key-file", file).Output(); err != nil || !strings.Contains(string(out), "LAST USE") {
		t.Errorf("as a table: %v %s", err, out)
	}
	if !strings.Contains(p.out.String(), "a wrong key") {
		t.Errorf("the log does not tell of a wrong key:\n%s", p.out.String())
	}
}

// TestAnotherAdminKey changes the key of a running server: a bad one leaves the
// former in force, a good one ends its cookies.
func TestAnotherAdminKey(t *testing.T) {
	const former, next = "no one will guess this", "nor this, which is another"
	address, file := freePort(t), keyFile(t, former)
	p := start(t, "serve", "--env-parent-dir", testenvs.Parent(t, "one"), "--listen", "http://"+address, "--admin-key-file", file)
	p.waitFor("tcp", address)
	ask := func(key string, cookies ...*http.Cookie) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+gateway.OwnPrefix+"status.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		resp, _ := do(t, r)
		return resp.StatusCode
	}
	reload := func(key, said string) {
		t.Helper()
		write(t, file, key)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a line with "+said, func() bool { return strings.Contains(p.out.String(), said) })
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+gateway.OwnPrefix, strings.NewReader("key="+url.QueryEscape(former)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, _ := do(t, r)
	cookies := resp.Cookies()
	if len(cookies) != 1 || ask("", cookies...) != http.StatusOK {
		t.Fatalf("the key gives no cookie: %d %v", resp.StatusCode, cookies)
	}
	reload("short", "fewer than 16 characters")
	if a, b := ask(former), ask("", cookies...); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("after a bad file the key: %d, the cookie: %d", a, b)
	}
	reload(next, "there is another; the former one and its cookies count no more")
	if a, b, c := ask(next), ask(former), ask("", cookies...); a != http.StatusOK || b != http.StatusNotFound || c != http.StatusNotFound {
		t.Errorf("after a good file the key: %d, the former: %d, the cookie: %d", a, b, c)
	}
	if said := p.out.String(); strings.Contains(said, former) || strings.Contains(said, next) {
		t.Error("the log has a key")
	}
}

// TestStatusInBrowser works with the status page as an administrator does, in a
// wide and in a narrow window.
func TestStatusInBrowser(t *testing.T) {
	parent := testenvs.Parent(t)
	for i := range 120 {
		makeUnread(t, parent, i)
	}
	testenvs.Make(t, parent, "a-project", map[string]map[string]string{"project": {"name": "A project"}})
	address := freePort(t)
	p := start(t, "serve", "--env-parent-dir", parent, "--listen", "http+unix:"+filepath.Join(t.TempDir(), "s"), "--admin-listen", "http://"+address)
	p.waitFor("tcp", address)
	browser := newBrowser(t)
	complaints := complaintsOf(t, browser)
	for _, width := range []int64{1280, 375} {
		for name, query := range map[string]string{"all": "", "broken": "?state=broken", "none": "?q=nothing+like+that"} {
			shown, err := look(browser, "http://"+address+gateway.OwnPrefix+status.PageName+query, width)
			if err != nil {
				t.Fatal(err)
			}
			if shown.beyond > 0 {
				t.Errorf("%s at %d px: reaches %v px beyond the window", name, width, shown.beyond)
			}
			if to := os.Getenv(shots); to != "" {
				if err := os.WriteFile(filepath.Join(to, fmt.Sprintf("status-%s-%d.png", name, width)), shown.png, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}
	does := func(button, want string) {
		t.Helper()
		script := fmt.Sprintf(`document.querySelector('input[value$="/a-project"]').click(); document.querySelector('button[value=%s]').click(); true`, button)
		if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](script)); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			text, _ := chromedp.Run(browser, chromedp.Evaluate[string](`document.body.innerText`)) // fails while pages change
			if strings.Contains(text, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the page is not what it should be: %s", button, text)
			}
		}
	}
	if err := chromedp.Do(browser, chromedp.Navigate("http://"+address+"/")); err != nil { // leads to the page
		t.Fatal(err)
	}
	does("open", "a-project is open.")
	does("readonly-on", "a-project is read-only.")
	does("close", "a-project is closed.")
	if text := complaints.String(); text != "" {
		t.Errorf("the browser complains: %s", text)
	}
}

// makeUnread makes what looks like an environment and cannot be opened.
func makeUnread(t *testing.T, parent string, i int) {
	t.Helper()
	dir := filepath.Join(parent, envName(i))
	if err := os.MkdirAll(filepath.Join(dir, "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "VERSION"), "nonsense\n")
	write(t, filepath.Join(dir, "conf", "trac.ini"), fmt.Sprintf("[project]\nname = Project %d\n", i))
}
