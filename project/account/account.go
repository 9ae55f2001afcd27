// Package account is the module by which visitors sign in and out.
//
// Who a visitor is, the web server says, or this program's own check of a
// password: both by REMOTE_USER at /login. That is remembered in the project's
// auth_cookie table, by a cookie that is worth nothing in any other project. The
// table and the cookies are Trac's, so that a login counts in both programs.
package account

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"projhost/access/auth"
	"projhost/db"
	"projhost/project"
	"projhost/templates"
	pages "projhost/templates/account"
)

// Module answers /login and /logout.
type Module struct{}

var (
	_ project.Module    = Module{}
	_ project.Navigator = Module{}
)

// The paths of this module.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
)

// Name implements [project.Module].
func (Module) Name() string { return "account" }

// Routes implements [project.Module].
func (Module) Routes(r project.Router) {
	r.Get(loginPath, login)
	r.Get(logoutPath, askLogout)
	r.Post(logoutPath, logout)
}

// Mainnav implements [project.Navigator].
func (Module) Mainnav(*project.Request) ([]project.NavItem, error) { return nil, nil }

// Metanav implements [project.Navigator]: a link to sign in, or a button to sign
// out. The page itself says who is signed in. Where a project is only read, nobody
// signs in.
func (Module) Metanav(r *project.Request) ([]project.NavItem, error) {
	if r.Env.ReadOnly() {
		return nil, nil
	}
	if r.User.Known() {
		return []project.NavItem{{Name: "logout", Label: "Logout", Path: logoutPath, Post: true}}, nil
	}
	return []project.NavItem{{Name: "login", Label: "Login", Path: loginPath}}, nil
}

// login signs in whom the web server names.
func login(r *project.Request) (project.Reply, error) {
	user := auth.FromServer(r.Context(), r.Env)
	switch {
	case r.Env.ReadOnly():
		return readOnly(r), nil
	case !user.Known() && r.User.Known():
		return back(r, r.URL.Query().Get("referer")), nil // by a cookie, so there is nothing to do
	case !user.Known():
		r.Env.Log().Warn("nobody can sign in at "+loginPath+": no REMOTE_USER came with the request; have the web server ask for a password there, or start with --basic-auth or --auth",
			"id", r.ID, "remote", r.RemoteAddr)
		return notice(r, "Signing in is not set up here",
			"This server does not ask for names and passwords, so nobody can sign in to this project at the moment.",
			"If you have an account here, please tell the people who run this site. You can read what is open to everybody."), nil
	case r.Method == http.MethodHead:
		return back(r, r.URL.Query().Get("referer")), nil // which changes nothing (RFC 9110 section 9.2.1)
	}
	value, err := signIn(r.Context(), r.Env, user.Name(), auth.Peer(r.Request), auth.Cookie(r.Request), time.Now())
	if errors.Is(err, db.ErrReadOnly) {
		return readOnly(r), nil
	}
	if err != nil {
		return nil, err
	}
	r.Env.Log().Info("signed in", "id", r.ID, "user", user.Name(), "remote", r.RemoteAddr)
	r.SetCookie(loginCookie(r, value))
	return back(r, r.URL.Query().Get("referer")), nil
}

// loginCookie is the cookie of a login, as [trac] auth_cookie_path,
// auth_cookie_domain and auth_cookie_lifetime say; with value "" it ends it.
func loginCookie(r *project.Request, value string) *http.Cookie {
	config := r.Env.Config()
	c := r.NewCookie(auth.CookieName, value)
	plain := *c
	if p := config.String("trac", "auth_cookie_path"); p != "" {
		c.Path = p
	}
	c.Domain = config.String("trac", "auth_cookie_domain")
	switch life := config.Int("trac", "auth_cookie_lifetime"); {
	case value == "":
		c.MaxAge, plain.MaxAge = -1, -1
		c.Expires, plain.Expires = time.Unix(1, 0), time.Unix(1, 0)
	case life > 0:
		c.Expires = time.Now().Add(time.Duration(min(life, maxCookieSeconds)) * time.Second)
		plain.Expires = c.Expires
	}
	if err := c.Valid(); err != nil {
		r.Env.Log().Warn("[trac] auth_cookie_path or auth_cookie_domain cannot be used and is left out", "error", err)
		return &plain
	}
	return c
}

// maxCookieSeconds bounds [trac] auth_cookie_lifetime to what a browser keeps a
// cookie for (RFC 6265bis: 400 days).
const maxCookieSeconds = 400 * 24 * 60 * 60

// askLogout asks with a button: a link must not sign anybody out.
func askLogout(r *project.Request) (project.Reply, error) {
	if r.Env.ReadOnly() {
		return readOnly(r), nil
	}
	if !r.User.Known() {
		return back(r, ""), nil
	}
	page := &pages.SignOutPage{
		User: r.User.Name(), Action: r.Href.Path(logoutPath), Token: r.FormToken(), Field: project.TokenField,
		Back: templates.Link{Label: "Stay signed in", Href: r.Href.Path()},
	}
	if auth.FromServer(r.Context(), r.Env).Known() {
		page.Note = "Your browser sends your name and password with every page here. To be signed out for good, close the browser."
	}
	return project.Page{Title: "Sign out", Body: pages.SignOut(page), Robots: "noindex, nofollow"}, nil
}

// logout ends the visitor's login.
func logout(r *project.Request) (project.Reply, error) {
	if r.User.Known() {
		err := signOut(r.Context(), r.Env, r.User.Name(), auth.Cookie(r.Request))
		if err != nil && !errors.Is(err, db.ErrReadOnly) { // the cookie can be ended even so
			return nil, err
		}
		r.Env.Log().Info("signed out", "id", r.ID, "user", r.User.Name(), "remote", r.RemoteAddr)
	}
	r.SetCookie(loginCookie(r, ""))
	if to := r.Env.Config().String("metanav", "logout.redirect"); to != "" {
		return configured(to), nil
	}
	return back(r, r.PostForm.Get("referer")), nil
}

// configured is where [metanav] logout.redirect leads: an address, a path of the
// site, or a path below the project.
func configured(to string) project.Reply {
	for _, prefix := range []string{"http:", "https:", "/"} {
		if strings.HasPrefix(to, prefix) {
			if u, err := url.Parse(to); err == nil && (u.Host != "" || strings.HasPrefix(to, "/")) {
				return project.Elsewhere{URL: u.String()}
			}
			return project.Redirect{}
		}
	}
	below, query, _ := strings.Cut(to, "?")
	return project.Redirect{Path: below, Query: query}
}

// back leads to where the visitor came from, if that is a page of this project,
// else to the project's first page. Where that is, the argument says or, without
// one, the Referer header.
func back(r *project.Request, from string) project.Reply {
	if from == "" {
		from = r.Referer()
	}
	u, err := url.Parse(from)
	if from == "" || err != nil || u.Opaque != "" || u.User != nil {
		return project.Redirect{}
	}
	if u.Scheme != "" || u.Host != "" {
		_, base, _ := strings.Cut(r.Base, "://")
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.EqualFold(u.Host, r.Host) && !strings.EqualFold(u.Host, base) {
			return project.Redirect{}
		}
	}
	below, ok := strings.CutPrefix(u.Path, string(r.Href))
	if !ok || below != "" && below[0] != '/' || strings.ContainsAny(below, "\\\x00") {
		return project.Redirect{}
	}
	switch clean := path.Clean("/" + below); {
	case clean == loginPath, clean == logoutPath, clean == "/" && u.RawQuery == "", clean != "/" && clean != strings.TrimRight(below, "/"):
		return project.Redirect{}
	}
	return project.Redirect{Path: below, Query: cleanQuery(u.RawQuery)}
}

// cleanQuery drops a query that no browser would have sent.
func cleanQuery(q string) string {
	for i := range len(q) {
		if q[i] <= ' ' || q[i] >= 0x7f {
			return ""
		}
	}
	return q
}

// notice is a page for a visitor who cannot sign in.
func notice(r *project.Request, heading string, texts ...string) project.Reply {
	return project.Page{
		Title: heading, Status: http.StatusForbidden, Robots: "noindex, nofollow", ContentClass: "error",
		Body: pages.Notice(&pages.NoticePage{Heading: heading, Texts: texts, Links: []templates.Link{{Label: "To the front page", Href: r.Href.Path()}}}),
	}
}

// readOnly is for a project that is only read, or whose database turns out to be.
func readOnly(r *project.Request) project.Reply {
	r.Env.Log().Info("nobody signs in or out: the project is only read", "id", r.ID, "by", string(r.Env.ReadOnlyBy()))
	return notice(r, "This project can only be read",
		"Its data is kept as it is, so that a login cannot be remembered here. You see what everybody may see.")
}
