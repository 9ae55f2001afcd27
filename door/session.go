package door

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"

	"projhost/front/gateway"
)

const (
	cookieName  = "projhost_admin"
	sessionLife = 12 * time.Hour
	expiryBytes = 8
)

// session makes cookies that stand for the key and end by themselves. What they
// hold is signed with the key, so that nothing is kept here: a cookie outlives a
// restart, and ends when the key changes.
type session struct{ key [sha256.Size]byte }

func newSession(key string) session { return session{sha256.Sum256([]byte("session\x00" + key))} }

// value is the cookie that ends at a moment.
func (s session) value(end time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(end.Unix()))
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write(b)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(b))
}

// has tells whether a request has a cookie that is still good.
func (s session) has(r *http.Request, now time.Time) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		b, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil || len(b) != expiryBytes+sha256.Size {
			continue
		}
		end := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
		if hmac.Equal([]byte(c.Value), []byte(s.value(end))) && now.Before(end) {
			return true
		}
	}
	return false
}

// cookie is sent to who has shown the key.
func (s session) cookie(vars gateway.Vars, now time.Time) *http.Cookie {
	c := s.none(vars)
	c.Value, c.MaxAge = s.value(now.Add(sessionLife)), int(sessionLife/time.Second)
	return c
}

// none takes the cookie back.
func (s session) none(vars gateway.Vars) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Path: vars.Script() + gateway.OwnPrefix, MaxAge: -1,
		HttpOnly: true, Secure: vars.Scheme() == "https", SameSite: http.SameSiteStrictMode,
	}
}
