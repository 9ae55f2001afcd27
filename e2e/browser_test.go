package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"projhost/testenvs"
)

// shots, if set, is a directory that keeps the screenshots of TestInBrowser.
const shots = "PROJHOST_SCREENSHOTS"

// TestInBrowser opens the demonstration's pages in headless Chromium, at
// desktop and phone width: nothing may reach beyond the window, and the
// browser may complain of nothing.
func TestInBrowser(t *testing.T) {
	dir := t.TempDir()
	address := freePort(t)
	p := start(t, "demo", "--dir", dir, "--http", address)
	p.waitFor("tcp", address)
	browser := newBrowser(t)
	complaints := complaintsOf(t, browser)
	for _, page := range []struct{ name, path, has string }{
		{"index", "/", "Orchard"},
		{"start", "/orchard", "Forty-two trees"},
		{"missing", "/orchard/wiki/TreePlan", "TreePlan"},
		{"cyrillic", "/%D0%B7%D0%B2%D0%B5%D0%B7%D0%B4%D0%BE%D1%87%D1%91%D1%82", "Журнал"},
		{"error", "/orchard/no/such", "/no/such"},
	} {
		for _, width := range []int64{1280, 375} {
			shown, err := look(browser, "http://"+address+page.path, width)
			if err != nil {
				t.Fatalf("%s at %d px: %v", page.name, width, err)
			}
			if !strings.Contains(strings.ToLower(shown.text), strings.ToLower(page.has)) {
				t.Errorf("%s at %d px: lacks %q:\n%s", page.name, width, page.has, shown.text)
			}
			if shown.beyond > 0 {
				t.Errorf("%s at %d px: reaches %v px beyond the window", page.name, width, shown.beyond)
			}
			if to := os.Getenv(shots); to != "" {
				if err := os.WriteFile(filepath.Join(to, fmt.Sprintf("%s-%d.png", page.name, width)), shown.png, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for line := range strings.Lines(complaints.String()) {
		// That a page is missing is what these pages are about.
		if !strings.Contains(line, "404 (Not Found)") {
			t.Errorf("the browser complains: %s", line)
		}
	}
}

// complaintsOf are what the browser complains of from now on.
func complaintsOf(t *testing.T, browser context.Context) *output {
	t.Helper()
	complaints := &output{}
	err := chromedp.Listen(browser, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			_, _ = fmt.Fprintln(complaints, ev.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			_, _ = fmt.Fprintln(complaints, ev.Type)
		case *log.EventEntryAdded:
			_, _ = fmt.Fprintln(complaints, ev.Entry.URL, ev.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return complaints
}

// newBrowser is a headless Chromium that lives as long as the test, with further
// options.
func newBrowser(t *testing.T, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed: run `make deps`")
	}
	options = append(options, chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], options...)...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(browser); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	browser, cancel = context.WithTimeout(browser, 2*time.Minute)
	t.Cleanup(cancel)
	return browser
}

// TestSignInAndOutInBrowser signs in at a server that stands alone, and out by
// the button that every page has then.
func TestSignInAndOutInBrowser(t *testing.T) {
	env := testenvs.Make(t, testenvs.Parent(t), "one", nil)
	passwords := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(passwords, []byte("ana:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	_, port, _ := strings.Cut(address, ":")
	p := start(t, "tracd", "-b", "127.0.0.1", "-p", port, "--basic-auth", "one,"+passwords+",R", env)
	p.waitFor("tcp", address)
	browser := newBrowser(t)
	shows := func(name, script, want string, missing string) {
		t.Helper()
		text := ""
		if script != "" {
			if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](script+"; true")); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			text, _ = chromedp.Run(browser, chromedp.Evaluate[string](`document.readyState == "complete" ? document.location.pathname + " " + document.body.innerText : ""`)) // fails while pages change
			if strings.Contains(text, want) && !strings.Contains(text, missing) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the page is not what it should be: %s", name, text)
			}
		}
		if to := os.Getenv(shots); to != "" {
			png, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(to, "account-"+name+".png"), png, 0o644)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	open := func(url string) {
		t.Helper()
		if err := chromedp.Do(browser, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url)); err != nil {
			t.Fatal(err)
		}
	}
	open("http://" + address + "/one/wiki/SecondPage")
	shows("before", "", "Login", "Signed in")
	open("http://ana:secret@" + address + "/one/login?referer=/one/wiki/SecondPage")
	shows("signed-in", "", "Signed in as ana", "Login")
	shows("ask", `document.location = "/one/logout"`, "You are signed in as ana", "Login")
	shows("back", `document.location = "/one/wiki/SecondPage"`, "/one/wiki/SecondPage", "Login")
	shows("signed-out", `document.querySelector("#logout button").click()`, "Login", "Signed in")
}

// view is a page as a browser shows it.
type view struct {
	text   string
	beyond float64 // pixels by which it is wider than the window
	png    []byte
}

// look opens a page in a window of so many pixels.
func look(browser context.Context, url string, width int64) (v view, err error) {
	err = chromedp.Do(browser, chromedp.EmulateViewport(width, 800), chromedp.Navigate(url))
	if err == nil {
		v.text, err = chromedp.Run(browser, chromedp.Evaluate[string](`document.body.textContent`))
	}
	if err == nil {
		v.beyond, err = chromedp.Run(browser, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	}
	if err == nil {
		v.png, err = chromedp.Run(browser, chromedp.FullScreenshot(100))
	}
	return v, err
}

// TestDemo runs the demonstration as the README says, and stops it.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	address := freePort(t)
	for range 2 { // the second time, the projects are there already
		p := start(t, "demo", "--dir", dir, "--http", address)
		p.waitFor("tcp", address)
		p.waitFor("unix", filepath.Join(dir, "projhost.sock"))
		if resp, body := get(t, "http://"+address+"/orchard/wiki"); resp.StatusCode != 200 || !strings.Contains(body, "Boskoop") {
			t.Errorf("status %d", resp.StatusCode)
		}
		f := dialFCGI(t, "unix", filepath.Join(dir, "projhost.sock"))
		if a, err := f.get(1, nginxParams("/ferry-timetable/wiki", "")); err != nil || a.status != 200 || !strings.Contains(a.body, "Old Heron") {
			t.Errorf("over FastCGI: status %d, %v", a.status, err)
		}
		f.close()
		if err := p.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "projhost.sock")); err == nil {
			t.Error("the socket was left behind")
		}
		if out := p.out.String(); !strings.Contains(out, address) || !strings.Contains(out, "projhost.sock") {
			t.Errorf("the addresses are not printed:\n%s", out)
		}
	}
}
