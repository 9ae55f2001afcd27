// Package auth tells who asks.
//
// A name comes from the web server (REMOTE_USER, RFC 3875 section 4.1.11) or
// from the cookie that a login has left in the project's auth_cookie table; it
// never comes from a request header.
package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/front/gateway"
)

// Anonymous is the name of whoever has not logged in.
const Anonymous = "anonymous"

// CookieName is the cookie by which Trac and this program remember a login.
const CookieName = "trac_auth"

// CookieLife is how long a login lasts. Trac means to end one after ten days
// but does so only when somebody logs in.
const CookieLife = 10 * 24 * time.Hour

// maxCookie bounds what is looked up; Trac's cookies have 32 hex digits.
const maxCookie = 128

// User is who asks. The zero value is [Anonymous].
type User struct{ name string }

// Name is the login name, [Anonymous] for whoever has none.
func (u User) Name() string {
	if u.name == "" {
		return Anonymous
	}
	return u.name
}

// Known is true for a user who has logged in.
func (u User) Known() bool { return u.name != "" }

// Named returns the user of a login name; "" and "anonymous" are nobody.
func Named(name string) User {
	if name == Anonymous {
		name = ""
	}
	return User{name}
}

// Identify tells who sent r to the environment. In one that was declared read-only,
// cookies say nothing: whom the web server lets in, it names with every request.
// Where it is for the tables of an older Trac, the logins of that one go on to
// count. Errors are the database's.
func Identify(ctx context.Context, e *envs.Env, r *http.Request) (User, error) {
	if e.ReadOnlyBy().Declared() || gateway.FromContext(ctx).RemoteUser() != "" {
		return FromServer(ctx, e), nil
	}
	value := Cookie(r)
	if value == "" {
		return User{}, nil
	}
	name, err := cookieName(ctx, e, value, Peer(r))
	if err != nil {
		return User{}, fmt.Errorf("looking up a login: %w", err)
	}
	return fold(e, Named(name)), nil
}

// FromServer is whom the web server, or the program's own check of a password,
// has named for the environment; cookies say nothing here.
func FromServer(ctx context.Context, e *envs.Env) User {
	return fold(e, Named(gateway.FromContext(ctx).RemoteUser()))
}

// Cookie is the login cookie that came with r, "" if none did that could be one.
func Cookie(r *http.Request) string {
	c, err := r.Cookie(CookieName)
	if err != nil || len(c.Value) > maxCookie {
		return ""
	}
	return c.Value
}

// fold lower-cases the name where [trac] ignore_auth_case says so.
func fold(e *envs.Env, u User) User {
	if u.Known() && e.Config().Bool("trac", "ignore_auth_case") {
		return Named(strings.ToLower(u.name))
	}
	return u
}

// cookieName returns the name a cookie stands for, "" if for none.
func cookieName(ctx context.Context, e *envs.Env, cookie, ip string) (name string, err error) {
	since := time.Now().Add(-CookieLife).Unix()
	checkIP := e.Config().Bool("trac", "check_auth_ip")
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		return tx.Each(func(row db.Row) error {
			if !checkIP || row.Text(1) == ip {
				name = row.Text(0)
			}
			return nil
		}, "SELECT name, ipnr FROM auth_cookie WHERE cookie = ? AND time >= ?", cookie, since)
	})
	return name, err
}

// Peer is the address of the client, without the port.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
