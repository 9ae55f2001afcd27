package door_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"projhost/access/tries"
	"projhost/door"
	"projhost/front/gateway"
)

const (
	key  = "0123456789abcdef"
	host = "http://localhost"
	at   = host + gateway.OwnPrefix
)

// newDoor has two pages that say what path they see.
func newDoor(key string) *door.Door {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "sees "+r.URL.Path) })
	return door.New(door.Options{Key: key, Pages: map[string]http.Handler{"status": page, "debug/pprof/": page}})
}

// knock sends a request by a listener; the status is 0 if the door has not answered.
func knock(t *testing.T, d *door.Door, admin bool, r *http.Request) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	own, err := gateway.FromHTTP(&gateway.Listener{Name: "test", Admin: admin, Settings: map[string]string{gateway.SettingRoot: "/trac"}}, r)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	return w, d.Answer(w, own)
}

func get(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, strings.Replace(path, host, host+"/trac", 1), nil)
	return r
}

func form(path string, values url.Values) *http.Request {
	r := get(path)
	r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader(values.Encode())), int64(len(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func with(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func TestWhoGetsIn(t *testing.T) {
	for name, tt := range map[string]struct {
		key   string
		admin bool
		r     *http.Request
		sees  string // "" if the door does not answer
	}{
		"no key, an ordinary listener":            {"", false, get(at + "status"), ""},
		"no key, an ordinary listener, its front": {"", false, get(at), ""},
		"no key, for administrators":              {"", true, get(at + "status"), "sees /status"},
		"no key, by another name":                 {"", true, get("http://evil.example/trac" + gateway.OwnPrefix + "status"), ""},
		"no key, by an address":                   {"", true, get("http://[::1]:80/trac" + gateway.OwnPrefix + "status"), "sees /status"},
		"a key is asked for":                      {key, false, get(at + "status"), ""},
		"for administrators, too":                 {key, true, get(at + "status"), ""},
		"a wrong key":                             {key, false, with(get(at+"status"), "Authorization", "Bearer "+key+"0"), ""},
		"a part of the key":                       {key, true, with(get(at+"status"), "Authorization", "Bearer "+key[:8]), ""},
		"an empty key":                            {key, true, with(get(at+"status"), "Authorization", "Bearer "), ""},
		"a forged cookie":                         {key, true, with(get(at+"status"), "Cookie", "projhost_admin="+strings.Repeat("A", 54)), ""},
		"the key":                                 {key, false, with(get(at+"status"), "Authorization", "Bearer "+key), "sees /status"},
		"below a page":                            {key, true, with(get(at+"debug/pprof/heap"), "Authorization", "Bearer "+key), "sees /debug/pprof/heap"},
		"at its top":                              {key, true, with(get(at+"debug/pprof/"), "Authorization", "Bearer "+key), "sees /debug/pprof/"},
		"below a page that has none":              {key, true, with(get(at+"status/more"), "Authorization", "Bearer "+key), ""},
		"no such page":                            {key, true, with(get(at+"nosuch"), "Authorization", "Bearer "+key), ""},
		"a project":                               {key, true, with(get(host+"/one/wiki"), "Authorization", "Bearer "+key), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, answered := knock(t, newDoor(tt.key), tt.admin, tt.r)
			if answered != (tt.sees != "") || w.Body.String() != tt.sees {
				t.Errorf("answered: %v, %d %q, want %q", answered, w.Code, w.Body, tt.sees)
			}
			if answered && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be stored")
			}
		})
	}
}

// TestForm signs in as a browser does, and out again.
func TestForm(t *testing.T) {
	d := newDoor(key)
	w, _ := knock(t, d, false, get(at))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `action="/trac/.projhost/"`) {
		t.Fatalf("the form: %d %s", w.Code, w.Body)
	}
	w, _ = knock(t, d, false, form(at, url.Values{"key": {"wrong"}}))
	if w.Code != http.StatusForbidden || w.Header().Get("Set-Cookie") != "" || !strings.Contains(w.Body.String(), "That is not the key.") {
		t.Errorf("a wrong key: %d %v", w.Code, w.Header())
	}
	w, _ = knock(t, d, false, form(at, url.Values{"key": {key}}))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/trac/.projhost/status" {
		t.Fatalf("the key: %d %v", w.Code, w.Header())
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/trac/.projhost/" || strings.Contains(c.Value, key) {
		t.Errorf("the cookie is %v", c)
	}
	in := func(path string) *http.Request { r := get(path); r.AddCookie(c); return r }
	if w, ok := knock(t, d, false, in(at+"status")); !ok || w.Body.String() != "sees /status" {
		t.Errorf("with the cookie: %v %s", ok, w.Body)
	}
	if w, _ := knock(t, d, false, in(at)); w.Code != http.StatusSeeOther {
		t.Errorf("the key is asked for again: %d", w.Code)
	}
	if _, ok := knock(t, newDoor(key+"changed"), false, in(at+"status")); ok {
		t.Error("the cookie outlives its key")
	}
	out := in(at + "leave")
	out.Method = http.MethodPost
	if w, _ := knock(t, d, false, out); len(w.Result().Cookies()) != 1 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("leaving: %d %v", w.Code, w.Header())
	}
}

// TestRekey: with another key, the former one and its cookies are worth nothing.
func TestRekey(t *testing.T) {
	const next = "another key that is long enough"
	d := newDoor(key)
	w, _ := knock(t, d, false, form(at, url.Values{"key": {key}}))
	in := get(at + "status")
	in.AddCookie(w.Result().Cookies()[0])
	if d.Rekey(key) {
		t.Error("the same key is another one")
	}
	if _, ok := knock(t, d, false, in); !ok {
		t.Error("the same key ends cookies")
	}
	if !d.Rekey(next) {
		t.Error("another key is the same")
	}
	if _, ok := knock(t, d, false, in); ok {
		t.Error("the cookie outlives its key")
	}
	for word, opens := range map[string]bool{key: false, next: true} {
		if _, ok := knock(t, d, false, with(get(at+"status"), "Authorization", "Bearer "+word)); ok != opens {
			t.Errorf("%q opens: %v", word, ok)
		}
	}
}

// TestKeyNobodyAskedFor: a form that is sent to a door without a key leads in as
// a look at it does.
func TestKeyNobodyAskedFor(t *testing.T) {
	w, _ := knock(t, newDoor(""), true, form("http://localhost/"+strings.TrimPrefix(gateway.OwnPrefix, "/"), url.Values{"key": {"word"}}))
	if w.Code != http.StatusSeeOther {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAnotherSite(t *testing.T) {
	for name, header := range map[string][2]string{
		"by its kind":   {"Sec-Fetch-Site", "cross-site"},
		"by its origin": {"Origin", "https://evil.example"},
	} {
		r := with(form(at+"status", url.Values{}), "Authorization", "Bearer "+key)
		w, answered := knock(t, newDoor(key), true, with(r, header[0], header[1]))
		if !answered || w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "sees") {
			t.Errorf("%s: %v, %d %s", name, answered, w.Code, w.Body)
		}
	}
	own := with(form(at+"status", url.Values{}), "Authorization", "Bearer "+key)
	if w, _ := knock(t, newDoor(key), true, with(own, "Origin", host)); w.Body.String() != "sees /status" {
		t.Errorf("its own form: %d %s", w.Code, w.Body)
	}
}

// TestGuessing tries many keys: after some, not even the right one is compared,
// but for those who come from elsewhere or have a cookie.
func TestGuessing(t *testing.T) {
	d := newDoor(key)
	w, _ := knock(t, d, false, form(at, url.Values{"key": {key}}))
	c := w.Result().Cookies()[0]
	for range 2 * tries.MaxFailures {
		if _, ok := knock(t, d, false, with(get(at+"status"), "Authorization", "Bearer "+key)); !ok {
			t.Fatal("the right key counts as a wrong one")
		}
	}
	for i := range tries.MaxFailures {
		if _, ok := knock(t, d, false, with(get(at+"status"), "Authorization", fmt.Sprint("Bearer wrong", i))); ok {
			t.Fatal("a wrong key opens")
		}
	}
	right := func() *http.Request { return with(get(at+"status"), "Authorization", "Bearer "+key) }
	if _, ok := knock(t, d, false, right()); ok {
		t.Error("guessing has no end")
	}
	if w, _ := knock(t, d, false, form(at, url.Values{"key": {key}})); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("the form: %d %v", w.Code, w.Header())
	}
	r := get(at + "status")
	r.AddCookie(c)
	if _, ok := knock(t, d, false, r); !ok {
		t.Error("who is in is thrown out")
	}
	r = right()
	r.RemoteAddr = "192.0.2.77:1234"
	if _, ok := knock(t, d, false, r); !ok {
		t.Error("others are shut out")
	}
}
