package ht_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"projhost/access/ht"
)

const realm = "Lighthouse"

// digest is what a client that has been asked answers.
type digest struct {
	user, password, uri, nonce, nc, algorithm string
	change                                    func(map[string]string)
}

func (d digest) header() string {
	sum := func(parts ...string) string {
		text := []byte(strings.Join(parts, ":"))
		if d.algorithm == "SHA-256" {
			return fmt.Sprintf("%x", sha256.Sum256(text))
		}
		return fmt.Sprintf("%x", md5.Sum(text))
	}
	p := map[string]string{"username": d.user, "realm": realm, "nonce": d.nonce, "uri": d.uri, "qop": "auth", "nc": d.nc, "cnonce": "0a4f113b"}
	if d.algorithm != "" {
		p["algorithm"] = d.algorithm
	}
	p["response"] = sum(sum(d.user, realm, d.password), d.nonce, d.nc, p["cnonce"], "auth", sum("GET", d.uri))
	if d.change != nil {
		d.change(p)
	}
	var list []string
	for name, value := range p {
		if value == "" {
			continue
		}
		if name == "nc" || name == "qop" || name == "algorithm" {
			list = append(list, name+"="+value)
		} else {
			list = append(list, name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
		}
	}
	return "Digest " + strings.Join(list, ", ")
}

// challenges are the parameters of each WWW-Authenticate header.
func challenges(t *testing.T, w *httptest.ResponseRecorder) (list []map[string]string) {
	t.Helper()
	for _, c := range w.Header().Values("WWW-Authenticate") {
		p, err := ht.ParseParams(strings.TrimPrefix(c, "Digest "))
		if err != nil || !strings.HasPrefix(c, "Digest ") {
			t.Fatalf("%q: %v", c, err)
		}
		list = append(list, p)
	}
	return list
}

func newDigestSite(t *testing.T) *site {
	md, sha := ha1("ana", realm, password)
	odd, oddSHA := ha1(`DOM\o"dd`, realm, password)
	other, _ := ha1("ana", "Elsewhere", "x")
	return newSite(t, "ana:Elsewhere:"+other+"\nana:"+realm+":"+md+"\nana:"+realm+":"+sha+"\n"+
		`DOM\o"dd:`+realm+":"+odd+"\n"+`DOM\o"dd:`+realm+":"+oddSHA+"\n", ht.Rule{Scheme: ht.Digest, Project: "one", Realm: realm})
}

func TestDigest(t *testing.T) {
	s := newDigestSite(t)
	asked := challenges(t, s.ask("/one/login", ""))
	if len(asked) != 2 || asked[0]["algorithm"] != "SHA-256" || asked[1]["algorithm"] != "MD5" || asked[0]["realm"] != realm || asked[0]["qop"] != "auth" || asked[0]["stale"] != "" {
		t.Fatalf("asked with %v", asked)
	}
	count := 0
	for _, c := range []struct {
		name   string
		d      digest
		target string
		status int
		stale  bool
	}{
		{"MD5", digest{algorithm: "MD5"}, "", 200, false},
		{"no algorithm is MD5", digest{}, "", 200, false},
		{"SHA-256", digest{algorithm: "SHA-256"}, "", 200, false},
		{"a name with quotes", digest{user: `DOM\o"dd`}, "", 200, false},
		{"an extended name", digest{change: func(p map[string]string) { p["username"], p["username*"] = "", "UTF-8''an%61" }}, "", 200, false},
		{"the absolute form", digest{uri: "http://example.com/one/login"}, "", 200, false},
		{"a query", digest{uri: "/one/login?a=b"}, "/one/login?a=b", 200, false},
		{"wrong", digest{password: "x"}, "", 401, false},
		{"unknown", digest{user: "eve"}, "", 401, false},
		{"made for another address", digest{uri: "/one/wiki"}, "", 401, false},
		{"made for another query", digest{uri: "/one/login"}, "/one/login?a=b", 401, false},
		{"another realm", digest{change: func(p map[string]string) { p["realm"] = "Elsewhere" }}, "", 401, false},
		{"without qop", digest{change: func(p map[string]string) { p["qop"] = "" }}, "", 401, false},
		{"without cnonce", digest{change: func(p map[string]string) { p["cnonce"] = "" }}, "", 401, false},
		{"an algorithm that was not offered", digest{change: func(p map[string]string) { p["algorithm"] = "MD5-sess" }}, "", 401, false},
		{"a hashed name", digest{change: func(p map[string]string) { p["userhash"] = "true" }}, "", 401, false},
		{"a response that is no number", digest{change: func(p map[string]string) { p["response"] = "zz" }}, "", 401, false},
		{"two names", digest{change: func(p map[string]string) { p["username*"] = "UTF-8''bob" }}, "", 401, false},
		{"a nonce of somebody else's", digest{nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093"}, "", 401, true},
		{"a nonce of another rule", digest{nonce: s.guard.NewNonce("two:" + realm)}, "", 401, true},
		{"nc is zero", digest{nc: "00000000"}, "", 401, true},
		{"nc is no number", digest{nc: "0000000x"}, "", 401, true},
	} {
		count++
		d := c.d
		fill := func(s *string, v string) {
			if *s == "" {
				*s = v
			}
		}
		fill(&d.user, "ana")
		fill(&d.password, password)
		fill(&d.uri, "/one/login")
		fill(&d.nonce, asked[0]["nonce"])
		fill(&d.nc, fmt.Sprintf("%08x", count))
		fill(&c.target, "/one/login")
		w := s.ask(c.target, d.header(), from(fmt.Sprintf("10.0.0.%d:1", count)))
		if w.Code != c.status || w.Code == 200 && !strings.HasSuffix(w.Body.String(), "-Digest") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if w.Code == 401 {
			if again := challenges(t, w); (again[0]["stale"] == "true") != c.stale {
				t.Errorf("%s: asked again with %v", c.name, again)
			}
		}
	}
	for _, header := range []string{"Digest", "Digest x", `Digest a="b`, `Digest username="a", username="b"`, "Digest " + strings.Repeat("a=b,", 5000), `Digest a="\`, `Digest a=b c=d`} {
		if w := s.ask("/one/login", header); w.Code != 401 {
			t.Errorf("%.40s: %d", header, w.Code)
		}
	}
}

func TestDigestReplay(t *testing.T) {
	s := newDigestSite(t)
	nonce := challenges(t, s.ask("/one/login", ""))[0]["nonce"]
	use := func(nc int) int {
		d := digest{user: "ana", password: password, uri: "/one/login", nonce: nonce, nc: fmt.Sprintf("%08x", nc)}
		return s.ask("/one/login", d.header()).Code
	}
	for i, c := range []struct{ nc, status int }{
		{1, 200}, {1, 401}, {2, 200}, {5, 200}, {4, 200}, {4, 401}, {3, 200}, {2, 401}, {200, 200}, {100, 401}, {199, 200}, {199, 401}, {200, 401},
	} {
		if got := use(c.nc); got != c.status {
			t.Errorf("step %d, nc %d: %d, want %d", i, c.nc, got, c.status)
		}
	}
	s.later(ht.NonceLife + time.Second)
	if got := use(300); got != 401 {
		t.Errorf("an old nonce: %d", got)
	}
}

// TestNoncesAreBounded: counters are dropped when there are too many, and no
// nonce becomes usable again by that.
func TestNoncesAreBounded(t *testing.T) {
	s := newDigestSite(t)
	first := s.guard.NewNonce("r")
	if !s.guard.UseNonce("r", first, "00000001") {
		t.Fatal("a new nonce is refused")
	}
	var last string
	for range ht.MaxNonces + 10 {
		s.later(time.Millisecond)
		last = s.guard.NewNonce("r")
		if !s.guard.UseNonce("r", last, "00000001") {
			t.Fatal("a new nonce is refused")
		}
	}
	if n := s.guard.Nonces(); n > ht.MaxNonces {
		t.Errorf("%d counters are kept", n)
	}
	if s.guard.UseNonce("r", first, "00000001") || s.guard.UseNonce("r", first, "00000002") {
		t.Error("a nonce whose counter was dropped is taken")
	}
	if !s.guard.UseNonce("r", last, "00000002") {
		t.Error("a recent nonce is refused")
	}
}

func TestDigestOffers(t *testing.T) {
	md, _ := ha1("ana", realm, "x")
	_, sha := ha1("bob", realm, "x")
	for text, want := range map[string]string{
		"":                                "MD5",
		"ana:" + realm + ":" + md + "\n":  "MD5",
		"bob:" + realm + ":" + sha + "\n": "SHA-256",
		"ana:" + realm + ":" + md + "\nbob:" + realm + ":" + sha + "\n": "MD5 SHA-256",
		"ana:" + realm + ":nonsense\nbob\n":                             "MD5",
	} {
		s := newSite(t, text, ht.Rule{Scheme: ht.Digest, Project: "one", Realm: realm})
		var got []string
		for _, c := range challenges(t, s.ask("/one/login", "")) {
			got = append(got, c["algorithm"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: offered %v, want %s", text, got, want)
		}
	}
}

// TestCurl signs in with a real client.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is not installed: apt-get install curl")
	}
	md, sha := ha1("ana", realm, "secret")
	for name, c := range map[string]struct{ file, option string }{
		"basic":          {"ana:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "--basic"},
		"digest":         {"ana:" + realm + ":" + md + "\n", "--digest"},
		"digest SHA-256": {"ana:" + realm + ":" + sha + "\n", "--digest"},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := ht.Digest
			if c.option == "--basic" {
				scheme = ht.Basic
			}
			s := newSite(t, c.file, ht.Rule{Scheme: scheme, Project: "one", Realm: realm})
			server := httptest.NewServer(s.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("let in")) })))
			defer server.Close()
			ask := func(password, want string) {
				t.Helper()
				out, err := exec.Command(curl, "-s", "-w", " %{http_code}", "-o", "-", c.option, "-u", "ana:"+password, server.URL+"/one/login?"+url.QueryEscape("a b")).CombinedOutput()
				if err != nil || !strings.HasSuffix(string(out), want) {
					t.Errorf("%s: %v, %s", password, err, out)
				}
			}
			ask("secret", "let in 200")
			ask("wrong", " 401")
		})
	}
}

func FuzzParams(f *testing.F) {
	f.Add(`username="Mufasa", realm="x", nonce=abc, nc=00000001`)
	f.Add(`a="\"", b=c`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ht.ParseParams(s)
		if err == nil {
			for name, value := range p {
				if name == "" || len(name)+len(value) > len(s) {
					t.Errorf("%q: %q=%q", s, name, value)
				}
			}
		}
	})
}
