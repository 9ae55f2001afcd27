package account_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/project"
	"projhost/project/account"
	"projhost/project/chrome"
	"projhost/project/wiki"
	"projhost/testenvs"
)

// visitor is a browser at one host: it keeps cookies by project.
type visitor struct {
	t    *testing.T
	host *testenvs.Host
}

func newVisitor(t *testing.T, names ...string) *visitor {
	t.Helper()
	return &visitor{t, testenvs.NewHost(t, nil, []project.Module{account.Module{}, chrome.Module{}, wiki.Module{}}, names...)}
}

// get asks with cookies, "name=value", and variables of the web server.
func (v *visitor) get(path, cookies string, vars ...string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "h.example"
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	return v.host.Do(r, append(vars, "HTTP_HOST=h.example")...)
}

// post sends a form.
func (v *visitor) post(path, cookies, form string, vars ...string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	return v.host.Do(r, append(vars, "HTTP_HOST=h.example")...)
}

// ini adds settings to an environment.
func (v *visitor) ini(env, text string) {
	v.t.Helper()
	file := filepath.Join(v.host.Parent, env, "conf", "trac.ini")
	had, err := os.ReadFile(file)
	if err != nil {
		v.t.Fatal(err)
	}
	section, _, _ := strings.Cut(text, "\n")
	now := strings.Replace(string(had), section+"\n", text+"\n", 1)
	if now == string(had) {
		now += "\n" + text + "\n"
	}
	if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
		v.t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the registry of tests looks again after 5
}

// set is the cookie of a name that an answer sets, nil if it does not.
func set(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// signIn signs in and returns the cookie as a request sends it.
func (v *visitor) signIn(env, user string, cookies string) string {
	v.t.Helper()
	c := set(v.get("/"+env+"/login", cookies, "REMOTE_USER="+user), "trac_auth")
	if c == nil || c.Value == "" {
		v.t.Fatal("no cookie was set: " + v.host.Log.String())
	}
	return "trac_auth=" + c.Value
}

// who is the name that a page shows as signed in.
func (v *visitor) who(env, cookies string) string {
	v.t.Helper()
	body := v.get("/"+env+"/wiki", cookies).Body.String()
	m := regexp.MustCompile(`Signed in as <b><bdi>([^<]*)<`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

// rows are the logins of an environment's table.
func (v *visitor) rows(env string, change ...string) (list []string) {
	v.t.Helper()
	d := testenvs.Database(v.t, filepath.Join(v.host.Parent, env))
	defer func() { _ = d.Close() }()
	err := d.Write(context.Background(), func(tx *db.Tx) error {
		for _, statement := range change {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return tx.Each(func(r db.Row) error {
			list = append(list, fmt.Sprintf("%s %s %s", r.Text(0), r.Text(1), r.Text(2)))
			return nil
		}, "SELECT cookie, name, ipnr FROM auth_cookie ORDER BY time, cookie")
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return list
}

func TestSignInAndOut(t *testing.T) {
	v := newVisitor(t, "one", "two")
	if body := v.get("/one/wiki", "").Body.String(); !strings.Contains(body, `href="/one/login"`) || strings.Contains(body, "logout") {
		t.Errorf("a visitor is not offered to sign in: %s", body)
	}
	w := v.get("/one/login", "", "REMOTE_USER=ana", "HTTP_REFERER=http://h.example/one/wiki/SecondPage?version=1")
	if w.Code != 302 || w.Header().Get("Location") != "/one/wiki/SecondPage?version=1" {
		t.Errorf("signing in: %d to %q", w.Code, w.Header().Get("Location"))
	}
	c := set(w, "trac_auth")
	if c == nil || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(c.Value) || c.Path != "/one" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || !c.Expires.IsZero() || c.Domain != "" {
		t.Fatalf("the cookie is %v", c)
	}
	if rows := v.rows("one"); len(rows) != 1 || rows[0] != c.Value+" ana 127.0.0.1" {
		t.Errorf("the table holds %v", rows)
	}
	cookie := "trac_auth=" + c.Value
	if got := v.who("one", cookie); got != "ana" {
		t.Errorf("signed in as %q", got)
	}
	if got := v.who("two", cookie); got != "" {
		t.Errorf("a login counts in another project, as %q", got)
	}
	page := v.get("/one/wiki", cookie)
	token := set(page, project.TokenCookie)
	if token == nil || !strings.Contains(page.Body.String(), `<form id="logout" class="trac-logout" method="post" action="/one/logout"><input type="hidden" name="__FORM_TOKEN" value="`+token.Value+`"`) {
		t.Fatalf("the page has no button to sign out: %s", page.Body)
	}
	if again := v.get("/one/wiki", cookie+"; trac_form_token="+token.Value); set(again, project.TokenCookie) != nil || !strings.Contains(again.Body.String(), token.Value) {
		t.Error("the token changes from page to page")
	}
	if ask := v.get("/one/logout", cookie); ask.Code != 200 || !strings.Contains(ask.Body.String(), `<form class="signout" method="post" action="/one/logout">`) || len(v.rows("one")) != 1 {
		t.Errorf("GET /logout: %d %s", ask.Code, ask.Body)
	}
	out := v.post("/one/logout", cookie+"; trac_form_token="+token.Value, "__FORM_TOKEN="+token.Value)
	if gone := set(out, "trac_auth"); out.Code != 303 || out.Header().Get("Location") != "/one" || gone == nil || gone.Value != "" || gone.MaxAge >= 0 || gone.Path != "/one" {
		t.Errorf("signing out: %d, %v", out.Code, out.Header())
	}
	if rows := v.rows("one"); len(rows) != 0 || v.who("one", cookie) != "" {
		t.Errorf("after signing out: %v", rows)
	}
}

func TestLoginWithoutUser(t *testing.T) {
	v := newVisitor(t, "one")
	w := v.get("/one/login", "")
	if w.Code != 403 || !strings.Contains(w.Body.String(), "Signing in is not set up here") || strings.Contains(w.Body.String(), "REMOTE_USER") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(w.Body.String(), testenvs.Canary("one")) {
		t.Error("the page is not in the project's look")
	}
	if log := v.host.Log.String(); !strings.Contains(log, "--basic-auth") || !strings.Contains(log, "env=one") {
		t.Errorf("the log has no remedy: %s", log)
	}
	if w := v.get("/one/login", "", "REMOTE_USER=anonymous"); w.Code != 403 {
		t.Errorf("anonymous: %d", w.Code)
	}
	if w := v.get("/one/login", "", "HTTP_REMOTE_USER=ana"); w.Code != 403 {
		t.Errorf("a header: %d", w.Code)
	}
	if w := v.get("/one/login", v.signIn("one", "ana", "")); w.Code != 302 {
		t.Errorf("signed in already: %d", w.Code)
	}
}

func TestLoginTable(t *testing.T) {
	v := newVisitor(t, "one")
	old := time.Now().Add(-11 * 24 * time.Hour).Unix()
	v.rows("one", fmt.Sprintf("INSERT INTO auth_cookie VALUES ('old', 'ana', '127.0.0.1', %d)", old), fmt.Sprintf("INSERT INTO auth_cookie VALUES ('kept', 'bob', '127.0.0.1', %d)", time.Now().Unix()))
	first := v.signIn("one", "ana", "trac_auth=old")
	if rows := v.rows("one"); len(rows) != 2 || strings.Contains(fmt.Sprint(rows), "old") || !strings.Contains(fmt.Sprint(rows), "kept bob") {
		t.Errorf("old logins are not removed: %v", rows)
	}
	second := v.signIn("one", "ana", first)
	if first == second || v.who("one", first) != "" || v.who("one", second) != "ana" {
		t.Error("a cookie is of use for a second login")
	}
	third := v.signIn("one", "carl", second)
	if v.who("one", second) != "" || v.who("one", third) != "carl" {
		t.Error("signing in under another name leaves the first login")
	}
	if w := v.get("/one/login", ""); w.Code != 403 {
		t.Errorf("%d", w.Code)
	}
	r := httptest.NewRequest(http.MethodHead, "/one/login", nil)
	before := len(v.rows("one"))
	if w := v.host.Do(r, "REMOTE_USER=ana"); w.Code != 302 || set(w, "trac_auth") != nil || len(v.rows("one")) != before {
		t.Errorf("HEAD changes something: %d", w.Code)
	}
	for range 110 {
		v.signIn("one", "ana", "")
	}
	if n := strings.Count(fmt.Sprint(v.rows("one")), " ana "); n > 100 || n == 0 {
		t.Errorf("one name has %d logins", n)
	}
	if rows := fmt.Sprint(v.rows("one")); !strings.Contains(rows, "kept bob") {
		t.Errorf("somebody else's login is gone: %s", rows)
	}
}

func TestLoginSettings(t *testing.T) {
	v := newVisitor(t, "one")
	v.ini("one", "[trac]\nauth_cookie_path = /trac/\nauth_cookie_domain = example.org\nauth_cookie_lifetime = 3600\nsecure_cookies = true\nignore_auth_case = true")
	v.ini("one", "[metanav]\nlogout.redirect = wiki/SecondPage?a=b")
	c := set(v.get("/one/login", "", "REMOTE_USER=AnA"), "trac_auth")
	if c == nil || c.Path != "/trac/" || c.Domain != "example.org" || !c.Secure || time.Until(c.Expires) < 30*time.Minute || time.Until(c.Expires) > time.Hour {
		t.Fatalf("the cookie is %v", c)
	}
	if rows := v.rows("one"); len(rows) != 1 || !strings.Contains(rows[0], " ana ") {
		t.Errorf("the table holds %v", rows)
	}
	const token = "0123456789abcdef01234567"
	out := v.post("/one/logout", "trac_auth="+c.Value+"; trac_form_token="+token, "__FORM_TOKEN="+token)
	if gone := set(out, "trac_auth"); out.Header().Get("Location") != "/one/wiki/SecondPage?a=b" || gone == nil || gone.Path != "/trac/" {
		t.Errorf("%d %v", out.Code, out.Header())
	}
	if w := v.post("/one/logout", "", "__FORM_TOKEN="+token); w.Code != 400 || !strings.Contains(w.Body.String(), "https") {
		t.Errorf("without cookies: %d %s", w.Code, w.Body)
	}
}

func TestWhereLogoutLeads(t *testing.T) {
	for to, want := range map[string]string{
		"https://sso.example/out?x=1": "https://sso.example/out?x=1", "/elsewhere": "/elsewhere", "wiki": "/one/wiki", "http:": "/one",
	} {
		v := newVisitor(t, "one")
		v.ini("one", "[metanav]\nlogout.redirect = "+to)
		const token = "0123456789abcdef01234567"
		w := v.post("/one/logout", v.signIn("one", "ana", "")+"; trac_form_token="+token, "__FORM_TOKEN="+token)
		if w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", to, w.Code, w.Header().Get("Location"), want)
		}
	}
}

func TestWhereLoginLeads(t *testing.T) {
	v := newVisitor(t, "one", "two", "onetwo")
	for from, want := range map[string]string{
		"":                                     "/one",
		"http://h.example/one/wiki":            "/one/wiki",
		"https://H.example/one/wiki?a=b#c":     "/one/wiki?a=b",
		"/one/wiki/Größe":                      "/one/wiki/Gr%C3%B6%C3%9Fe",
		"http://h.example/one":                 "/one",
		"http://h.example/one/login":           "/one",
		"http://h.example/one/logout/":         "/one",
		"http://h.example/two/wiki":            "/one",
		"http://h.example/onetwo/wiki":         "/one",
		"http://evil.example/one/wiki":         "/one",
		"//evil.example/one/wiki":              "/one",
		"http://h.example@evil.example/one/":   "/one",
		"http://ana@h.example/one/wiki":        "/one",
		"javascript:alert(1)":                  "/one",
		"http:/one/wiki":                       "/one",
		"/one/../two/wiki":                     "/one",
		"/one/%2e%2e/two/wiki":                 "/one",
		`/one/\evil.example`:                   "/one",
		"http://h.example/one/wiki\r\nX: y":    "/one",
		"http://h.example/one/wiki?a=%0d%0aX:": "/one/wiki?a=%0d%0aX:",
		"http://h.example:8080/one/wiki":       "/one",
		"%zz":                                  "/one",
	} {
		w := v.get("/one/login?referer="+url.QueryEscape(from), "", "REMOTE_USER=ana")
		if w.Code != 302 || w.Header().Get("Location") != want {
			t.Errorf("%q: %d to %q, want %q", from, w.Code, w.Header().Get("Location"), want)
		}
	}
	w := v.get("/one/login", "", "REMOTE_USER=ana", "TRAC_BASE_URL=https://public.example/", "HTTP_REFERER=https://public.example/one/wiki")
	if got := w.Header().Get("Location"); got != "https://public.example/one/wiki" {
		t.Errorf("with a base URL: %q", got)
	}
}

func TestForms(t *testing.T) {
	v := newVisitor(t, "one", "two")
	const token = "0123456789abcdef01234567"
	cookie := "trac_form_token=" + token
	parts := "--x\r\nContent-Disposition: form-data; name=\"__FORM_TOKEN\"\r\n\r\n" + token + "\r\n--x--\r\n"
	for _, c := range []struct {
		name, cookies, form, kind string
		status                    int
		vars                      []string
	}{
		{"right", cookie, "__FORM_TOKEN=" + token, "", 303, nil},
		{"in parts", cookie, parts, "multipart/form-data; boundary=x", 303, nil},
		{"no token", cookie, "a=b", "", 400, nil},
		{"no cookie", "", "__FORM_TOKEN=" + token, "", 400, nil},
		{"neither", "", "a=b", "", 400, nil},
		{"another token", cookie, "__FORM_TOKEN=" + strings.ToUpper(token), "", 400, nil},
		{"an empty cookie and field", "trac_form_token=", "__FORM_TOKEN=", "", 400, nil},
		{"short ones", "trac_form_token=ab", "__FORM_TOKEN=ab", "", 400, nil},
		{"the token in the address alone", cookie, "a=b", "?", 400, nil},
		{"another content type", cookie, "__FORM_TOKEN=" + token, "text/plain", 400, nil},
		{"no content type", cookie, "__FORM_TOKEN=" + token, "none", 400, nil},
		{"parts without a boundary", cookie, parts, "multipart/form-data", 400, nil},
		{"parts that break off", cookie, parts[:40], "multipart/form-data; boundary=x", 400, nil},
		{"NUL", cookie, "a=%00&__FORM_TOKEN=" + token, "", 400, nil},
		{"not UTF-8", cookie, "%ff=1&__FORM_TOKEN=" + token, "", 400, nil},
		{"a bad escape stands for itself", cookie, "a=%zz;b&__FORM_TOKEN=" + token, "", 303, nil},
		{"too many fields", cookie, strings.Repeat("a=b&", 3000) + "__FORM_TOKEN=" + token, "", 413, nil},
		{"too long", cookie, "__FORM_TOKEN=" + token + "&a=" + strings.Repeat("x", project.MaxForm), "", 413, nil},
		{"another site", cookie, "__FORM_TOKEN=" + token, "", 400, []string{"HTTP_SEC_FETCH_SITE=cross-site"}},
		{"a sibling site", cookie, "__FORM_TOKEN=" + token, "", 400, []string{"HTTP_SEC_FETCH_SITE=same-site"}},
		{"this site", cookie, "__FORM_TOKEN=" + token, "", 303, []string{"HTTP_SEC_FETCH_SITE=same-origin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			login := v.signIn("one", "ana", "")
			target := "/one/logout"
			r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(c.form))
			switch c.kind {
			case "":
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=latin-1")
			case "?":
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.URL.RawQuery = "__FORM_TOKEN=" + token
			case "none":
			default:
				r.Header.Set("Content-Type", c.kind)
			}
			r.Header.Set("Cookie", strings.TrimPrefix(c.cookies+"; "+login, "; "))
			w := v.host.Do(r, c.vars...)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, v.host.Log)
			}
			if signedIn := v.who("one", login) == "ana"; signedIn != (c.status != 303) {
				t.Errorf("signed in afterwards: %v", signedIn)
			}
		})
	}
	if w := v.host.Do(httptest.NewRequest(http.MethodPost, "/one/login", nil)); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /login: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := v.host.Do(httptest.NewRequest(http.MethodPut, "/one/logout", nil)); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT /logout: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// TestLogoutByName: without a cookie, all logins of the name end.
func TestLogoutByName(t *testing.T) {
	v := newVisitor(t, "one")
	first, other := v.signIn("one", "ana", ""), v.signIn("one", "bob", "")
	const token = "0123456789abcdef01234567"
	w := v.post("/one/logout", "trac_form_token="+token, "__FORM_TOKEN="+token, "REMOTE_USER=ana")
	if w.Code != 303 || v.who("one", first) != "" || v.who("one", other) != "bob" {
		t.Errorf("%d, %v", w.Code, v.rows("one"))
	}
	w = v.get("/one/logout", "", "REMOTE_USER=ana")
	if !strings.Contains(w.Body.String(), "close the browser") {
		t.Errorf("%s", w.Body)
	}
	if w := v.get("/one/logout", ""); w.Code != 302 || w.Header().Get("Location") != "/one" {
		t.Errorf("nobody's logout: %d", w.Code)
	}
	if w := v.post("/one/logout", "trac_form_token="+token, "__FORM_TOKEN="+token); w.Code != 303 || v.who("one", other) != "bob" {
		t.Errorf("nobody's logout: %d", w.Code)
	}
}

// TestReadOnlyProject: nobody signs in or out; former logins count only where it is
// not declared.
func TestReadOnlyProject(t *testing.T) {
	v := newVisitor(t, "one")
	cookie := v.signIn("one", "ana", "")
	v.rows("one", "UPDATE system SET value = '44' WHERE name = 'database_version'")
	v.ini("one", "") // so that it is looked at again
	for _, path := range []string{"/one/login", "/one/logout"} {
		for _, user := range []string{"REMOTE_USER=", "REMOTE_USER=ana"} {
			w := v.get(path, cookie, user)
			if w.Code != 403 || !strings.Contains(w.Body.String(), "can only be read") || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s %s: %d %s", path, user, w.Code, w.Body)
			}
		}
	}
	const token = "0123456789abcdef01234567"
	if w := v.post("/one/logout", "trac_form_token="+token, "__FORM_TOKEN="+token, "REMOTE_USER=ana"); w.Code != 403 || len(w.Result().Cookies()) != 0 {
		t.Errorf("logout: %d", w.Code)
	}
	if v.who("one", cookie) != "ana" { // it may be of the Trac that the tables are of
		t.Error("a former login does not count")
	}
	if w := v.get("/one/wiki", ""); strings.Contains(w.Body.String(), "Login") {
		t.Errorf("a login is offered: %s", w.Body)
	}
	defer func() {
		v.ini("one", "[trac]\nreadonly = on")
		if got := v.who("one", cookie); got != "" {
			t.Errorf("a former login of %s counts", got)
		}
	}()
	if w := v.get("/one/wiki", "", "REMOTE_USER=ana"); !strings.Contains(w.Body.String(), "Signed in as") || strings.Contains(w.Body.String(), "Logout") {
		t.Errorf("whom the web server names is not known, or may leave: %s", w.Body)
	}
}

// TestUnusableSettings: a cookie is set all the same.
func TestUnusableSettings(t *testing.T) {
	v := newVisitor(t, "one")
	v.ini("one", "[trac]\nauth_cookie_domain = a b;c\nauth_cookie_lifetime = 99999999999")
	c := set(v.get("/one/login", "", "REMOTE_USER=ana"), "trac_auth")
	if c == nil || c.Domain != "" || c.Path != "/one" || !strings.Contains(v.host.Log.String(), "auth_cookie_domain") {
		t.Errorf("%v: %s", c, v.host.Log)
	}
}

// TestErrorPageKeepsToken: the button on a page about a failure works, too.
func TestErrorPageKeepsToken(t *testing.T) {
	v := newVisitor(t, "one")
	w := v.get("/one/no/such/page", v.signIn("one", "ana", ""))
	c := set(w, project.TokenCookie)
	if w.Code != 404 || c == nil || !strings.Contains(w.Body.String(), c.Value) {
		t.Errorf("%d %v %s", w.Code, c, w.Body)
	}
	if file := v.get("/one/chrome/common/css/trac.css", ""); len(file.Result().Cookies()) != 0 {
		t.Error("a static file sets a cookie")
	}
	if page := v.get("/one/wiki", ""); len(page.Result().Cookies()) != 0 {
		t.Error("a page without a form sets a cookie")
	}
}
