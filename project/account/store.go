package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"projhost/access/auth"
	"projhost/db"
	"projhost/envs"
)

// cookieBytes make the 32 hexadecimal digits that Trac's logins have.
const cookieBytes = 16

// maxLogins bounds the logins one name may have at a time; the oldest ends when
// there is one more.
const maxLogins = 100

// signIn begins a login of name and returns its cookie. The login that came with
// the request, if any, ends: a cookie is of use for one login only. Logins that
// are too old are removed, as Trac does at this moment.
func signIn(ctx context.Context, e *envs.Env, name, address, former string, now time.Time) (cookie string, err error) {
	var raw [cookieBytes]byte
	rand.Read(raw[:]) // never fails
	cookie = hex.EncodeToString(raw[:])
	err = e.DB().Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec("DELETE FROM auth_cookie WHERE time < ?", now.Add(-auth.CookieLife).Unix()); err != nil {
			return err
		}
		if former != "" {
			if _, err := tx.Exec("DELETE FROM auth_cookie WHERE cookie = ?", former); err != nil {
				return err
			}
		}
		if err := endOldest(tx, name); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO auth_cookie (cookie, name, ipnr, time) VALUES (?, ?, ?, ?)", cookie, name, address, now.Unix())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("signing %q in: %w", name, err)
	}
	return cookie, nil
}

// endOldest makes room for one more login of name.
func endOldest(tx *db.Tx, name string) error {
	oldest := int64(0)
	found, err := tx.One(func(r db.Row) error {
		oldest = r.Int(0)
		return nil
	}, "SELECT time FROM auth_cookie WHERE name = ? ORDER BY time DESC LIMIT 1 OFFSET ?", name, maxLogins-1)
	if err != nil || !found {
		return err
	}
	_, err = tx.Exec("DELETE FROM auth_cookie WHERE name = ? AND time <= ?", name, oldest)
	return err
}

// signOut ends the login of a cookie or, without one, all logins of name.
func signOut(ctx context.Context, e *envs.Env, name, cookie string) error {
	err := e.DB().Write(ctx, func(tx *db.Tx) (err error) {
		if cookie != "" {
			_, err = tx.Exec("DELETE FROM auth_cookie WHERE cookie = ?", cookie)
			return err
		}
		_, err = tx.Exec("DELETE FROM auth_cookie WHERE name = ?", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("signing %q out: %w", name, err)
	}
	return nil
}
