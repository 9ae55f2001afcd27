package ht_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"projhost/access/ht"
	"projhost/access/tries"
	"projhost/front/gateway"
)

// password is the one of every hash here, made by Apache's htpasswd and openssl.
const password = "pä:ss"

const (
	apr1   = "$apr1$0zFCRVbF$uc7yp4SefmcWUBEp8UB1j."
	bcrypt = "$2y$05$SWS91ecPVbEdfS6T8HEGse3V7sCGH/3Uae5eVVZ.csWBAOQmMLuiK"
	sha1   = "{SHA}bGkQtTTkOUsshX+8+f+zizTHrUw="
)

func TestHashes(t *testing.T) {
	for _, stored := range []string{
		apr1, bcrypt, sha1,
		"$5$iQLLboAmlNzXHbQP$zSpFh9AYBjfwWLEJ0tsCZ.akdzCGQThRIH9yLcLRO7A",
		"$6$uQlVvBEywHMHzjJv$CFm9GNAkKMQ.qwjdAmui1gLF5/uUW1LY9sGov2RNfR.Rctisv7FOLk8Et2umI6Xl0BSRkSmX.W.YKL7ln8g9r/",
		"$6$abcdefgh$ebzkiAb3vIlMWO/gujfql0Bxb41Upbx11cgsO7n2N79IIurpenFjhKk4OflIRFfT4XIoMLn/833gDfwTPL2uK.",
		"$1$abcdefgh$g4Nxmbe7O4mxjpCSGCpQI0",
	} {
		known, right := ht.HashKnown(stored, password)
		_, wrong := ht.HashKnown(stored, password+" ")
		_, itself := ht.HashKnown(stored, stored)
		if !known || !right || wrong || itself {
			t.Errorf("%s: known %v, right %v, wrong %v, itself %v", stored, known, right, wrong, itself)
		}
	}
	for _, stored := range []string{ // of the argon2 reference program's own tests
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
	} {
		known, right := ht.HashKnown(stored, "password")
		if _, wrong := ht.HashKnown(stored, "passwords"); !known || !right || wrong {
			t.Errorf("%s: known %v, right %v, wrong %v", stored, known, right, wrong)
		}
	}
}

// TestUnknownHashes: what is not known lets nobody in, least of all with the
// hash itself as the password.
func TestUnknownHashes(t *testing.T) {
	for _, stored := range []string{
		"LwxwDLef2Hcog", password, "", "*", "!", "{PLAIN}x", "{SSHA}abc", "$2x$05$SWS91ecPVbEdfS6T8HEGse3V7sCGH/3Uae5eVVZ.csWBAOQmMLuiK",
		"$2y$05$short", "$2y$31$SWS91ecPVbEdfS6T8HEGse3V7sCGH/3Uae5eVVZ.csWBAOQmMLuiK", "{SHA}tooshort",
		"$6$rounds=999999999$abcdefgh$x", "$y$j9T$x$y", "$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=64,t=1$c29tZXNhbHQ$x",
	} {
		if known, right := ht.HashKnown(stored, stored); known || right {
			t.Errorf("%q: known %v, right %v", stored, known, right)
		}
	}
}

func TestParseRule(t *testing.T) {
	for _, c := range []struct {
		in   string
		want ht.Rule
		err  string
	}{
		{"one,/f,My realm", ht.Rule{Project: "one", File: "/f", Realm: "My realm"}, ""},
		{"*,/f,a, b", ht.Rule{Project: "*", File: "/f", Realm: "a, b"}, ""},
		{"one,/f,R,all", ht.Rule{Project: "one", File: "/f", Realm: "R", Whole: true}, ""},
		{"one,/f,all", ht.Rule{Project: "one", File: "/f", Realm: "all"}, ""},
		{"one,/f", ht.Rule{}, "is not PROJECT,FILE,REALM"},
		{",/f,R", ht.Rule{}, "names no project"},
		{"one,,R", ht.Rule{}, "names no file"},
		{"one,/f,", ht.Rule{}, "realm is empty"},
		{"one,/f,a\x00b", ht.Rule{}, "not plain text"},
	} {
		got, err := ht.ParseRule(ht.Basic, c.in)
		c.want.Scheme = ht.Basic
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want %q", c.in, err, c.err)
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %+v, %v", c.in, got, err)
		}
	}
	if _, err := ht.ParseRule(ht.Digest, "one,/f,a:b"); err == nil {
		t.Error("a digest realm with a colon is allowed")
	}
}

// site is a guard with a clock and a log, in front of a handler that tells who
// has come.
type site struct {
	t     *testing.T
	guard *ht.Guard
	log   bytes.Buffer
	now   time.Time
	file  string
}

func newSite(t *testing.T, text string, rules ...ht.Rule) *site {
	t.Helper()
	s := &site{t: t, now: time.Unix(1_700_000_000, 0), file: filepath.Join(t.TempDir(), "passwords")}
	s.write(text)
	for i := range rules {
		if rules[i].File == "" {
			rules[i].File = s.file
		}
	}
	var err error
	s.guard, err = ht.NewAt(ht.Options{Rules: rules, Where: where, Log: slog.New(slog.NewTextHandler(&s.log, nil))}, func() time.Time { return s.now })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// where finds projects as a host of many does; "alias" is another name of "one".
func where(r *http.Request) ht.Place {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch name {
	case "one", "two":
		return ht.Place{Names: []string{name}, Path: "/" + rest}
	case "alias":
		return ht.Place{Names: []string{name, "one"}, Path: "/" + rest}
	}
	return ht.Place{}
}

func (s *site) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) later(d time.Duration) { s.now = s.now.Add(d) }

// ask sends a request; authorization may be "". It returns what was answered:
// the user's name, "-" for nobody, is the body of what was let through.
func (s *site) ask(path, authorization string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "let in %s-%s", v.RemoteUser(), v.Get("AUTH_TYPE"))
	})).ServeHTTP(w, r)
	return w
}

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func from(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }

func TestBasic(t *testing.T) {
	s := newSite(t, "ana:"+apr1+"\nbob:"+sha1+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: `A "realm"`})
	for _, c := range []struct {
		name, path, auth string
		status           int
		body             string
	}{
		{"a page that is not guarded", "/one/wiki", "", 200, "let in --"[:8]},
		{"another project's login", "/two/login", "", 200, "let in -"},
		{"a name that only begins like it", "/one/loginx", "", 200, "let in -"},
		{"no answer", "/one/login", "", 401, ""},
		{"below the login page", "/one/login/rpc", "", 401, ""},
		{"under another name of the project", "/alias/login", "", 401, ""},
		{"right", "/one/login", basic("ana", password), 200, "let in ana-Basic"},
		{"right again", "/one/login", basic("ana", password), 200, "let in ana-Basic"},
		{"another user", "/one/login", basic("bob", password), 200, "let in bob-Basic"},
		{"wrong", "/one/login", basic("ana", "x"), 401, ""},
		{"unknown", "/one/login", basic("eve", password), 401, ""},
		{"the hash as the password", "/one/login", basic("ana", apr1), 401, ""},
		{"no base64", "/one/login", "Basic !!!", 401, ""},
		{"no colon", "/one/login", "Basic YWJj", 401, ""},
		{"a control character", "/one/login", basic("ana\n", password), 401, ""},
		{"not UTF-8", "/one/login", basic("ana", "p\xe4:ss"), 401, ""},
		{"another scheme", "/one/login", "Bearer abc", 401, ""},
		{"a huge header", "/one/login", "Basic " + strings.Repeat("A", 1<<16), 401, ""},
		{"the scheme in capitals", "/one/login", strings.Replace(basic("ana", password), "Basic", "BASIC", 1), 200, "let in ana-Basic"},
	} {
		w := s.ask(c.path, c.auth)
		if w.Code != c.status || c.status == 200 && !strings.HasPrefix(w.Body.String(), c.body) {
			t.Errorf("%s: %d %q", c.name, w.Code, w.Body)
		}
		if got, want := w.Header().Get("WWW-Authenticate"), `Basic realm="A \"realm\"", charset="UTF-8"`; c.status == 401 && got != want {
			t.Errorf("%s: asked with %q", c.name, got)
		}
	}
	if strings.Contains(s.log.String(), password) || strings.Contains(s.log.String(), apr1) {
		t.Errorf("the log tells a secret: %s", &s.log)
	}
	if !strings.Contains(s.log.String(), `user=eve remote=192.0.2.1:1234`) {
		t.Errorf("the log does not tell who failed: %s", &s.log)
	}
}

func TestWebServersNameStands(t *testing.T) {
	s := newSite(t, "ana:"+apr1+"\n", ht.Rule{Scheme: ht.Basic, Project: ht.Any, Realm: "R", Whole: true})
	w := s.ask("/one/login", basic("ana", password), func(r *http.Request) {
		v, err := gateway.New(nil, []gateway.Pair{{Name: "REMOTE_USER", Value: "carl"}, {Name: "SCRIPT_NAME"}, {Name: "PATH_INFO", Value: "/one/login"}})
		if err != nil {
			t.Fatal(err)
		}
		*r = *r.WithContext(gateway.NewContext(r.Context(), v))
	})
	if w.Body.String() != "let in carl-" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestWhichRule(t *testing.T) {
	for _, c := range []struct {
		name    string
		one     *ht.Rule
		any     *ht.Rule
		guarded string // paths that are
		open    string
	}{
		{"logins of all projects", nil, &ht.Rule{}, "/one/login /two/login", "/ /one/wiki /none/login /.projhost/live"},
		{"all of everything", nil, &ht.Rule{Whole: true}, "/ /one/wiki /one /two/login /none/login", "/.projhost/live"},
		{"all of one project", &ht.Rule{Whole: true}, nil, "/one /one/wiki /alias/wiki /one/login", "/ /two/wiki /two/login"},
		{"a project's own rule does not open it", &ht.Rule{}, &ht.Rule{Whole: true}, "/one/wiki /two/wiki", "/.projhost/live"},
	} {
		var rules []ht.Rule
		for name, r := range map[string]*ht.Rule{"one": c.one, ht.Any: c.any} {
			if r != nil {
				rules = append(rules, ht.Rule{Scheme: ht.Basic, Project: name, Realm: "R", Whole: r.Whole})
			}
		}
		s := newSite(t, "ana:"+apr1+"\n", rules...)
		for _, path := range strings.Fields(c.guarded) {
			if w := s.ask(path, ""); w.Code != 401 {
				t.Errorf("%s: %s answers %d", c.name, path, w.Code)
			}
		}
		for _, path := range strings.Fields(c.open) {
			if w := s.ask(path, ""); w.Code != 200 {
				t.Errorf("%s: %s answers %d", c.name, path, w.Code)
			}
		}
	}
}

func TestMistakesAtStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("ana:"+apr1+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rule := func(scheme ht.Scheme, project, file string) ht.Rule {
		return ht.Rule{Scheme: scheme, Project: project, File: file, Realm: "R"}
	}
	for want, rules := range map[string][]ht.Rule{
		`two rules for the project "one"`: {rule(ht.Basic, "one", file), rule(ht.Digest, "one", file)},
		"no such file":                    {rule(ht.Basic, "one", file+"x")},
		"not a regular file":              {rule(ht.Basic, "one", dir)},
	} {
		if _, err := ht.New(ht.Options{Rules: rules, Where: where}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestFileWarnings(t *testing.T) {
	s := newSite(t, "# a comment\n\nana:"+apr1+":extra:fields\r\nnonsense-without-colon\n:"+apr1+"\nold:LwxwDLef2Hcog\nana:"+sha1+
		"\nanonymous:"+apr1+"\nb\xff:"+apr1+"\nlong:"+strings.Repeat("x", 5000)+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: "R"})
	for _, want := range []string{
		`not NAME:HASH, left out" at=` + s.file + ":4", "no name in front of the colon, left out\" at=" + s.file + ":5",
		`unknown kind of hash: make a new one with htpasswd -B, left out" at=` + s.file + ":6", "a second line for the same user, left out\" at=" + s.file + ":7",
		s.file + ":8", "line is not UTF-8, left out\" at=" + s.file + ":9", "line is longer than allowed, left out\" at=" + s.file + ":10",
	} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, &s.log)
		}
	}
	if strings.Contains(s.log.String(), "LwxwDLef2Hcog") || strings.Contains(s.log.String(), "nonsense") {
		t.Errorf("the log repeats a line: %s", &s.log)
	}
	for user, status := range map[string]int{"ana": 200, "old": 401, "anonymous": 401, "": 401} {
		if w := s.ask("/one/login", basic(user, password)); w.Code != status {
			t.Errorf("%q: %d", user, w.Code)
		}
	}
}

func TestFileChanges(t *testing.T) {
	s := newSite(t, "ana:"+apr1+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: "R"}, ht.Rule{Scheme: ht.Basic, Project: "two", Realm: "R"})
	status := func(user string, want int) {
		t.Helper()
		if w := s.ask("/one/login", basic(user, password)); w.Code != want {
			t.Errorf("%s: %d, want %d", user, w.Code, want)
		}
	}
	status("ana", 200)
	s.write("bob:" + sha1 + "\nbob2:" + sha1 + "\n")
	status("ana", 200) // within the second for which a file is believed
	s.later(2 * time.Second)
	status("ana", 401)
	status("bob", 200)

	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	s.later(2 * time.Second)
	status("bob", 503)
	if w := s.ask("/one/wiki", ""); w.Code != 200 {
		t.Errorf("a page that is not guarded: %d", w.Code)
	}
	if body := s.ask("/one/login", "").Body.String(); strings.Contains(body, s.file) {
		t.Errorf("the answer tells a path: %s", body)
	}
	s.later(2 * time.Second)
	status("bob", 503)
	if n := strings.Count(s.log.String(), "nobody can sign in by this file until"); n != 1 {
		t.Errorf("the log tells %d times of it: %s", n, &s.log)
	}
	s.write("bob:" + apr1 + "\n")
	s.later(2 * time.Second)
	status("bob", 200)
}

func TestTooManyFailures(t *testing.T) {
	s := newSite(t, "ana:"+sha1+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: "R"})
	wrong := func(addr string) int { return s.ask("/one/login", basic("ana", "x"), from(addr)).Code }
	right := func(addr string) int { return s.ask("/one/login", basic("ana", password), from(addr)).Code }
	for range 3 * tries.MaxFailures {
		if got := right("198.51.100.7:1"); got != 200 {
			t.Fatalf("right passwords are counted: %d", got)
		}
	}
	for i := range tries.MaxFailures {
		if got := wrong(fmt.Sprintf("198.51.100.1:%d", i+1)); got != 401 {
			t.Fatalf("failure %d: %d", i, got)
		}
	}
	w := s.ask("/one/login", basic("ana", "x"), from("198.51.100.1:99"))
	if w.Code != 429 || w.Header().Get("Retry-After") != "10" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("one too many: %d %v", w.Code, w.Header())
	}
	if got := wrong("198.51.100.2:1"); got != 401 {
		t.Errorf("another address: %d", got)
	}
	if got := right("198.51.100.1:5"); got != 200 {
		t.Errorf("who has signed in before is kept out: %d", got)
	}
	s.later(tries.ForgiveAfter)
	if first, second := wrong("198.51.100.1:5"), wrong("198.51.100.1:5"); first != 401 || second != 429 {
		t.Errorf("later: %d, then %d", first, second)
	}
	for i := range tries.MaxFailures {
		_ = wrong(fmt.Sprintf("[2001:db8:1:2::%x]:1", i+1))
	}
	if got := wrong("[2001:db8:1:2:ffff::1]:1"); got != 429 {
		t.Errorf("another address of the same IPv6 network: %d", got)
	}
	for i := range tries.MaxAddresses + 10 {
		_ = wrong(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256))
	}
	if n := s.guard.Addresses(); n > tries.MaxAddresses {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestVerifiedIsBounded(t *testing.T) {
	s := newSite(t, "ana:"+bcrypt+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: "R"})
	for range 3 {
		s.ask("/one/login", basic("ana", password))
		s.ask("/one/login", basic("ana", "x"))
		s.ask("/one/login", basic("eve", password))
	}
	if n := s.guard.Verified(); n != 1 {
		t.Errorf("%d answers are remembered, want the right one", n)
	}
	for i := range ht.MaxVerified + 10 {
		s.guard.AddVerified(fmt.Sprint(i))
	}
	if n := s.guard.Verified(); n != ht.MaxVerified {
		t.Errorf("%d answers are remembered", n)
	}
	s.write("ana:" + sha1 + "\n")
	s.later(2 * time.Second)
	if w := s.ask("/one/login", basic("ana", password)); w.Code != 200 {
		t.Errorf("with another hash of the same password: %d", w.Code)
	}
}

// TestAtOnce is for the race detector: many sign in while the file changes.
func TestAtOnce(t *testing.T) {
	md, _ := ha1("ana", realm, password)
	s := newSite(t, "ana:"+sha1+"\n", ht.Rule{Scheme: ht.Basic, Project: "one", Realm: "R"})
	digests := newSite(t, "ana:"+realm+":"+md+"\n", ht.Rule{Scheme: ht.Digest, Project: "one", Realm: realm})
	nonce := challenges(t, digests.ask("/one/login", ""))[0]["nonce"]
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			addr := fmt.Sprintf("10.1.0.%d:1", i)
			for n := range 8 {
				if w := s.ask("/one/login", basic("ana", password), from(addr)); w.Code != 200 {
					t.Errorf("right: %d", w.Code)
				}
				if w := s.ask("/one/login", basic("ana", fmt.Sprint(n)), from(addr)); w.Code != 401 {
					t.Errorf("wrong: %d", w.Code)
				}
				d := digest{user: "ana", password: password, uri: "/one/login", nonce: nonce, nc: fmt.Sprintf("%08x", 1+i*8+n)}
				_ = digests.ask("/one/login", d.header(), from(addr)) // whether it counts depends on the order
			}
		})
	}
	wg.Wait()
	d := digest{user: "ana", password: password, uri: "/one/login", nonce: nonce, nc: "00000010"}
	if w := digests.ask("/one/login", d.header()); w.Code != 401 {
		t.Errorf("a nonce's count is taken twice: %d", w.Code)
	}
}

// FuzzPasswords reads any text as an htpasswd file's: no hash is its own
// password. Those are not checked that take long by design.
func FuzzPasswords(f *testing.F) {
	f.Add("ana:" + apr1 + "\nbob:" + sha1 + ":x\n# comment\n")
	f.Add("ana:$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range strings.Split(text, "\n") {
			_, stored, _ := strings.Cut(line, ":")
			if strings.HasPrefix(stored, "$2") || strings.Contains(stored, "argon") || strings.Contains(stored, "rounds") {
				stored = stored[1:]
			}
			if known, right := ht.HashKnown(stored, stored); right {
				t.Errorf("%q is its own password (known %v)", stored, known)
			}
		}
	})
}

// ha1 are the two sums that a line of an htdigest file may hold.
func ha1(user, realm, password string) (md5sum, sha string) {
	text := []byte(user + ":" + realm + ":" + password)
	return fmt.Sprintf("%x", md5.Sum(text)), fmt.Sprintf("%x", sha256.Sum256(text))
}
