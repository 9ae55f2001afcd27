package front_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/front"
	"projhost/front/gateway"
	"projhost/front/wire"
)

// certificate writes a certificate of that name, with its key in the same file.
func certificate(t *testing.T, path, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveTLS answers with what is known of a request, and returns the address.
func serveTLS(t *testing.T, options string) string {
	t.Helper()
	a, err := front.ParseAddr("https://127.0.0.1:0?" + options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	at, done := make(chan string, 1), make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %d %v", r.Proto, v.Scheme(), v.Get("HTTPS"), n, err)
	})
	o := front.Options{Log: slog.New(slog.DiscardHandler), Ready: func(l []net.Addr) { at <- l[0].String() }, Limits: wire.Limits{MaxBody: 1 << 20, HeaderTimeout: 2 * time.Second}}
	go func() { done <- front.Serve(ctx, h, o, a) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case s := <-at:
		return s
	case err := <-done:
		done <- nil
		t.Fatal(err)
		return ""
	}
}

// getTLS asks over a connection of its own and returns the answer and who was certified.
func getTLS(t *testing.T, address string, h2 bool, body io.Reader) (text, name string) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2} //nolint:gosec // the test's own certificate
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer), resp.TLS.PeerCertificates[0].Subject.CommonName
}

func TestHTTPS(t *testing.T) {
	pem := filepath.Join(t.TempDir(), "pair.pem")
	certificate(t, pem, "first")
	at := serveTLS(t, "cert="+pem)
	for _, h2 := range []bool{false, true} {
		want := "HTTP/1.1 https on 5 <nil>"
		if h2 {
			want = "HTTP/2.0 https on 5 <nil>"
		}
		if text, _ := getTLS(t, at, h2, strings.NewReader("12345")); text != want {
			t.Errorf("%q, want %q", text, want)
		}
		if text, _ := getTLS(t, at, h2, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 2<<20))}); !strings.Contains(text, "too large") {
			t.Errorf("a body that is too large: %q", text)
		}
	}
	resp, err := http.Get("http://" + at + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP was answered %d", resp.StatusCode)
	}
}

// TestCertificateIsReadAgain: a renewed pair is taken, a broken one is not.
func TestCertificateIsReadAgain(t *testing.T) {
	pem := filepath.Join(t.TempDir(), "pair.pem")
	certificate(t, pem, "first")
	at := serveTLS(t, "cert="+pem+"&key="+pem)
	until := func(want string) {
		t.Helper()
		var name string
		for range 100 {
			if _, name = getTLS(t, at, true, nil); name == want {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("the certificate is %s, not %s", name, want)
	}
	until("first")
	certificate(t, pem, "second")
	until("second")
	if err := os.WriteFile(pem, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	until("second")
	if err := os.Remove(pem); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	until("second")
	certificate(t, pem, "third")
	until("third")
}

// TestReloadTellsWhatIsWrong: a signal reads certificates at once, and says what
// a visitor's connection could only leave in the log.
func TestReloadTellsWhatIsWrong(t *testing.T) {
	pem := filepath.Join(t.TempDir(), "pair.pem")
	certificate(t, pem, "first")
	a, err := front.ParseAddr("https://127.0.0.1:0?cert=" + pem)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	open, at, done := make(chan *front.Sockets, 1), make(chan string, 1), make(chan error, 1)
	o := front.Options{
		Log: slog.New(slog.DiscardHandler), Open: func(s *front.Sockets) { open <- s },
		Ready: func(l []net.Addr) { at <- l[0].String() },
	}
	go func() { done <- front.Serve(ctx, http.NotFoundHandler(), o, a) }()
	address := <-at
	sockets := <-open
	for _, c := range []struct{ did, wrong, name string }{{"read 1", "", "second"}, {"", "pair.pem", "second"}, {"read 1", "", "third"}} {
		if c.wrong == "" {
			certificate(t, pem, c.name)
		} else if err := os.WriteFile(pem, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		did, err := sockets.Reload(ctx)
		if c.wrong == "" && (err != nil || did != c.did) || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("reload: %q, %v", did, err)
		}
		if _, name := getTLS(t, address, false, http.NoBody); name != c.name {
			t.Errorf("the certificate is %q, want %q", name, c.name)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBadCertificate(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.pem")
	if err := os.WriteFile(bad, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "nosuch.pem")} {
		a, err := front.ParseAddr("https://127.0.0.1:0?cert=" + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := front.Serve(t.Context(), http.NotFoundHandler(), front.Options{Log: slog.New(slog.DiscardHandler)}, a); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestProxyProtocol: the address comes from the head, and X-Forwarded-* of a
// visitor behind such a proxy are not believed.
func TestProxyProtocol(t *testing.T) {
	a, err := front.ParseAddr("http://127.0.0.1:0?proxy-protocol=1&trust=127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	at, done := make(chan string, 1), make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", r.RemoteAddr, gateway.FromContext(r.Context()).Scheme())
	})
	o := front.Options{Log: slog.New(slog.DiscardHandler), Ready: func(l []net.Addr) { at <- l[0].String() }, Limits: wire.Limits{HeaderTimeout: time.Second}}
	go func() { done <- front.Serve(ctx, h, o, a) }()
	address := <-at
	for head, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.2 5000 80\r\n": "192.0.2.7:5000 http",
		"PROXY UNKNOWN\r\n":                          "1.2.3.4:0 https", // the proxy itself, which is trusted
		"":                                           "",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "%sGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n", head); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(c) // reset, if it was refused
		_, body, _ := strings.Cut(string(text), "\r\n\r\n")
		if body != want {
			t.Errorf("%q: %q, want %q", head, body, want)
		}
		_ = c.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
