package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"projhost/testenvs"
)

// pair makes a certificate and returns it, and the files of it and of its key.
func pair(t *testing.T) (der []byte, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(testenvs.Certificate(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	cert, key = filepath.Join(dir, "site.crt"), filepath.Join(dir, "site.key")
	write(t, cert, string(pem.EncodeToMemory(block)))
	if err := os.WriteFile(key, rest, 0o600); err != nil {
		t.Fatal(err)
	}
	return block.Bytes, cert, key
}

// trusting is a client that takes one certificate alone, and speaks HTTP/2.
func trusting(t *testing.T, der []byte) *http.Transport {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// htpasswd is a file in which ana's password is "secret".
func htpasswd(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("ana:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestListenerHTTPS serves without a web server in front: HTTP/2 for who speaks it,
// links and redirects of https, cookies that travel by it alone if the project
// says so, and HSTS if an administrator does.
func TestListenerHTTPS(t *testing.T) {
	parent := testenvs.Parent(t, "plain")
	secure := map[string]map[string]string{
		"trac":         {"secure_cookies": "enabled"},
		"http-headers": {"strict-transport-security": "max-age=3600"},
	}
	testenvs.Make(t, parent, "one", secure)
	address, plain := freePort(t), freePort(t)
	secure["trac"]["base_url"], secure["trac"]["use_base_url_for_redirect"] = "https://localhost:8443/based", "enabled"
	testenvs.Make(t, parent, "based", secure)
	der, cert, key := pair(t)
	p := start(t, "serve", "--env-parent-dir", parent, "--basic-auth", "*,"+htpasswd(t)+",R",
		"--listen", "https://"+address+"?cert="+cert+"&key="+key, "--listen", "http://"+plain)
	p.waitReady()
	_, port, _ := strings.Cut(address, ":")
	url := "https://localhost:" + port

	for _, version := range []string{"2", "1.1"} {
		out, err := exec.Command(tool(t, "curl"), "--silent", "--show-error", "--http"+version, "--cacert", cert,
			"--write-out", "\n%{http_version} %{http_code} %{scheme}\n", url+"/one/wiki").CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), "\n"+version+" 200 HTTPS\n") || !strings.Contains(string(out), testenvs.Canary("one")) {
			t.Errorf("curl --http%s: %v: %s", version, err, out)
		}
	}
	if out, err := exec.Command(tool(t, "curl"), "--silent", "--show-error", url+"/one/wiki").CombinedOutput(); err == nil {
		t.Errorf("curl takes a certificate that it cannot know: %s", out)
	}

	tr := trusting(t, der)
	ask := func(method, target string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ana", "secret")
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	for _, c := range []struct{ project, location, hsts, cookie string }{
		{"plain", "/plain", "", "HttpOnly; SameSite=Lax"},
		{"one", "/one", "max-age=3600", "HttpOnly; Secure; SameSite=Lax"},
		{"based", "https://localhost:8443/based", "max-age=3600", "HttpOnly; Secure; SameSite=Lax"},
	} {
		resp, body := ask(http.MethodGet, url+"/"+c.project+"/wiki")
		if resp.Proto != "HTTP/2.0" || resp.StatusCode != 200 || !strings.Contains(body, testenvs.Canary(c.project)) {
			t.Errorf("%s: %s %d", c.project, resp.Proto, resp.StatusCode)
		}
		if got := resp.Header.Get("Strict-Transport-Security"); got != c.hsts {
			t.Errorf("%s: HSTS %q", c.project, got)
		}
		if strings.Contains(body, `"http://localhost`) || strings.Contains(body, `"http://127`) {
			t.Errorf("%s: links to http: %s", c.project, body)
		}
		resp, _ = ask(http.MethodGet, url+"/"+c.project+"/login")
		cookie := ""
		for _, line := range resp.Header["Set-Cookie"] {
			if strings.HasPrefix(line, "trac_auth=") {
				cookie = line
			}
		}
		if resp.Header.Get("Location") != c.location || !strings.HasSuffix(cookie, "; Path=/"+c.project+"; "+c.cookie) {
			t.Errorf("%s: signed in at %q with %q", c.project, resp.Header.Get("Location"), cookie)
		}
		// A referer is followed home: the scheme is known.
		if resp, _ = ask(http.MethodGet, url+"/"+c.project+"/login?referer="+url+"/"+c.project+"/wiki/SecondPage"); !strings.HasSuffix(resp.Header.Get("Location"), "/wiki/SecondPage") && c.project != "based" {
			t.Errorf("%s: sent to %q", c.project, resp.Header.Get("Location"))
		}
	}
	if resp, body := get(t, "http://"+address+"/one/wiki"); resp.StatusCode != 400 || strings.Contains(body, "canary") {
		t.Errorf("http to the port of https: %d %s", resp.StatusCode, body)
	}
}

// TestListenerCertificate renews a certificate as its tools do, file by file: new
// connections get the new one without a signal, what is broken or half there
// leaves the former in force.
func TestListenerCertificate(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	first, cert, key := pair(t)
	address := freePort(t)
	p := start(t, "serve", "--env-parent-dir", parent, "--listen", "https://"+address+"?cert="+cert+"&key="+key)
	p.waitReady()
	served := func() []byte {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // which one it is, is the question
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].Raw
	}
	until := func(what string, der []byte) {
		t.Helper()
		began := time.Now()
		eventually(t, what, func() bool { return bytes.Equal(served(), der) })
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("%s took %v", what, d)
		}
	}
	replace := func(path, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+".new", string(text))
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	const refused = "the certificate cannot be read again, the former one stays in force"
	stays := func(what string, der []byte, times int) {
		t.Helper()
		eventually(t, "a word about "+what, func() bool {
			_ = served() // files are looked at when somebody comes
			return strings.Count(p.out.String(), refused) == times
		})
		if !bytes.Equal(served(), der) {
			t.Errorf("%s: the former certificate is not in force", what)
		}
	}
	if !bytes.Equal(served(), first) {
		t.Fatal("not the certificate of the file")
	}
	kept := trusting(t, first)
	page := func() error {
		resp, err := kept.RoundTrip(newGet(t, "https://"+address+"/one/wiki"))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return err
	}
	if err := page(); err != nil {
		t.Fatal(err)
	}

	second, cert2, key2 := pair(t)
	replace(cert, cert2)
	stays("a certificate without its key", first, 1)
	replace(key, key2)
	until("the second certificate", second)
	if err := page(); err != nil {
		t.Errorf("a connection that was kept: %v", err)
	}
	write(t, cert, "nonsense")
	stays("nonsense", second, 2)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	stays("a file that is gone", second, 3)
	time.Sleep(1100 * time.Millisecond)
	stays("a file that is still gone", second, 3)
	third, cert3, key3 := pair(t)
	replace(key, key3)
	replace(cert, cert3)
	until("the third certificate", third)
	if n := strings.Count(p.out.String(), refused); n > 4 { // once more if looked at between the two files
		t.Errorf("the log says it %d times", n)
	}
}

func newGet(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestListenerEnds: a download by HTTP/2 that has begun outlives SIGTERM, a
// connection that begins after it is refused.
func TestListenerEnds(t *testing.T) {
	const size = 32 << 20 // more than windows and buffers hold
	parent := testenvs.Parent(t, "one")
	site := filepath.Join(parent, "one", "htdocs")
	if err := os.MkdirAll(site, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(site, "big.bin"), "")
	if err := os.Truncate(filepath.Join(site, "big.bin"), size); err != nil {
		t.Fatal(err)
	}
	der, cert, key := pair(t)
	address := freePort(t)
	p := start(t, "serve", "--env-parent-dir", parent, "--listen", "https://"+address+"?cert="+cert+"&key="+key)
	p.waitReady()
	tr := trusting(t, der)
	resp, err := tr.RoundTrip(newGet(t, "https://"+address+"/one/chrome/site/big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Fatalf("%s %d", resp.Proto, resp.StatusCode)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<10); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a port that is closed", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	time.Sleep(time.Second) // the idle connections have had their farewell
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size-1<<10 {
		t.Errorf("%d bytes more, %v", n, err)
	}
	select {
	case err := <-p.exited:
		p.exited <- err
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the program does not end")
	}
}

// haproxy passes connections on to a backend and returns the address of each
// way of doing so.
func haproxy(t *testing.T, servers ...string) (addresses []string) {
	t.Helper()
	conf := "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
	for i, server := range servers {
		addresses = append(addresses, freePort(t))
		conf += fmt.Sprintf("listen l%d\n bind %s\n server s %s\n", i, addresses[i], server)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, conf)
	p := startCmd(t, exec.Command(tool(t, "haproxy"), "-db", "-f", file))
	for _, a := range addresses {
		p.waitFor("tcp", a)
	}
	return addresses
}

// TestListenerProxyProtocol has a real HAProxy tell whose the connections are
// that it passes on.
func TestListenerProxyProtocol(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	_, cert, key := pair(t)
	plain, secure, distrust := freePort(t), freePort(t), freePort(t)
	socket := filepath.Join(t.TempDir(), "s")
	const visitor = "127.0.0.9"
	p := start(t, "serve", "--env-parent-dir", parent,
		"--listen", "http://"+plain+"?proxy-protocol=1&trust=127.0.0.1",
		"--listen", "https://"+secure+"?proxy-protocol=1&trust=127.0.0.1&cert="+cert+"&key="+key,
		"--listen", "http+unix:"+socket+"?proxy-protocol=1&trust=all",
		"--listen", "http://"+distrust+"?proxy-protocol=1&trust="+visitor)
	p.waitReady()
	ways := []string{
		plain + " send-proxy check inter 100ms", plain + " send-proxy-v2 check inter 100ms", plain + " send-proxy-v2 proxy-v2-options crc32c,unique-id",
		secure + " send-proxy check inter 100ms", secure + " send-proxy-v2 check inter 100ms",
		"unix@" + socket + " send-proxy", "unix@" + socket + " send-proxy-v2",
		plain, secure, distrust + " send-proxy", // are to be refused
	}
	addresses := haproxy(t, ways...)
	tr := &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitor)}}).DialContext, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own certificate
	}
	ask := func(i int) (status int, from string) {
		t.Helper()
		scheme := "http"
		if strings.HasPrefix(ways[i], secure) {
			scheme = "https"
		}
		mark := fmt.Sprintf("/one/wiki/Way%d", i)
		r := newGet(t, scheme+"://"+addresses[i]+mark)
		r.Header.Set("X-Forwarded-For", "192.0.2.66") // a visitor's word, not the proxy's
		resp, err := tr.RoundTrip(r)
		if err != nil {
			return 0, ""
		}
		_ = resp.Body.Close()
		eventually(t, "a line of the log", func() bool { return strings.Contains(p.out.String(), "path="+mark+" ") })
		m := regexp.MustCompile(` path=` + mark + ` .* remote=(\S+)`).FindStringSubmatch(p.out.String())
		if m == nil {
			t.Fatalf("no address in the log: %s", p.out.String())
		}
		return resp.StatusCode, m[1]
	}
	for i, way := range ways[:7] {
		status, from := ask(i)
		host, port, err := net.SplitHostPort(from)
		if status != 404 || host != visitor || port == "0" || err != nil {
			t.Errorf("%s: status %d, remote=%s", way, status, from)
		}
	}
	// Its health checks, and connections that ended without a word, are no news.
	time.Sleep(500 * time.Millisecond)
	for line := range strings.Lines(p.out.String()) {
		if strings.Contains(line, "level=WARN") && !strings.Contains(line, distrust) {
			t.Errorf("warning: %s", line)
		}
	}
	for i, says := range map[int]string{
		7: `msg="web: connection refused" listener="http://` + plain + `\?proxy-protocol=1&trust=127.0.0.1" peer=127.0.0.1:\d+ error="PROXY protocol: .*something else`,
		8: `msg="web: connection refused" listener="https://` + secure + `\?.*" peer=127.0.0.1:\d+ error="PROXY protocol: .*something else`,
		9: `msg="web: peer is not trusted to say whose its connections are: .*" listener="http://` + distrust + `\?.*" peer=127.0.0.1:\d+`,
	} {
		if status, _ := ask(i); status != 0 {
			t.Errorf("%s: status %d", ways[i], status)
		}
		eventually(t, "a line of the log about "+ways[i], func() bool { return regexp.MustCompile(says).MatchString(p.out.String()) })
	}
	// A visitor who comes by itself cannot say that it is somebody else.
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitor)}}).Dial("tcp", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "PROXY TCP4 192.0.2.77 127.0.0.1 5000 80\r\nGET /one/wiki HTTP/1.1\r\nHost: h\r\n\r\n") // reading tells
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if strings.Contains(p.out.String(), "192.0.2.") {
		t.Errorf("a visitor's word is in the log: %s", p.out.String())
	}
}

// TestListenerInBrowser signs in over HTTPS, with a cookie that travels by it alone.
func TestListenerInBrowser(t *testing.T) {
	parent := testenvs.Parent(t)
	testenvs.Make(t, parent, "one", map[string]map[string]string{"trac": {"secure_cookies": "enabled"}})
	_, cert, key := pair(t)
	address := freePort(t)
	p := start(t, "serve", "--env-parent-dir", parent, "--basic-auth", "*,"+htpasswd(t)+",R", "--listen", "https://"+address+"?cert="+cert+"&key="+key)
	p.waitReady()
	browser := newBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	shows := func(url, want string) {
		t.Helper()
		if err := chromedp.Do(browser, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url)); err != nil {
			t.Fatal(err)
		}
		waitText(t, browser, want)
	}
	shows("https://ana:secret@"+address+"/one/login?referer=/one/wiki/SecondPage", "https: h2 Signed in as ana")
	shows("https://"+address+"/one/wiki", "https: h2 Signed in as ana")
	if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](`document.querySelector("#logout button").click(); true`)); err != nil {
		t.Fatal(err)
	}
	waitText(t, browser, "https: h2 Login")
}

// waitText waits for a page that begins so: its scheme, the protocol it came by,
// and how the visitor is greeted.
func waitText(t *testing.T, browser context.Context, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); got != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the page shows %q, not %q", got, want)
		}
		got, _ = chromedp.Run(browser, chromedp.Evaluate[string](`document.readyState != "complete" ? "" : document.location.protocol + " " +
			performance.getEntriesByType("navigation")[0].nextHopProtocol + " " + (document.body.innerText.match(/Signed in as \w+|Login/) || [""])[0]`)) // fails while pages change
	}
}

// TestListenerHandOver replaces the process under clients that share connections
// of HTTP/2. What is repeated is what the server says it has not begun.
func TestListenerHandOver(t *testing.T) {
	parent := ownFile(t)
	der, cert, key := pair(t)
	address := freePort(t)
	s := startService(t, program(), []string{"GORACE=atexit_sleep_ms=0"}, "--listen", "https://"+address+"?cert="+cert+"&key="+key, "--env-parent-dir", parent)
	l := newClients(t)
	for range 2 {
		tr := trusting(t, der)
		for range 3 {
			l.client(nginxClient(&http.Client{Timeout: 30 * time.Second, Transport: tr}, "https://"+address))
		}
	}
	l.during("HTTP/2", 2, 3000, s.handOver)
	s.stop()
}
