package ht

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"sync"
)

// Bounds of what a client sends. The cost of crypt(3)'s hashes grows with the
// password.
const (
	maxAuthorization = 8 << 10
	maxPassword      = 512
)

// credentials splits an Authorization header into its scheme and the rest.
func credentials(header string) (scheme, rest string) {
	if len(header) > maxAuthorization {
		return "", ""
	}
	scheme, rest, _ = strings.Cut(header, " ")
	return scheme, strings.Trim(rest, " ")
}

// parseBasic reads "base64(user:password)" (RFC 7617 section 2). Both must be
// UTF-8 without control characters.
func parseBasic(s string) (user, password string, ok bool) {
	text, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(string(text), ":")
	if !ok || user == "" || len(user) > maxName || len(password) > maxPassword || !plain(user) || !plain(password) {
		return "", "", false
	}
	return user, password, true
}

// basicChallenge is what asks for a password (RFC 7617 sections 2 and 2.1).
func basicChallenge(realm string) string {
	return "Basic realm=" + quoted(realm) + `, charset="UTF-8"`
}

// quoted is a quoted-string (RFC 9110 section 5.6.4).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// candidate is the stored hash to check a user's password against, and whether
// that user is there at all. For one who is not it is somebody else's, always the
// same for one name, so that an unknown name takes as long as a known one.
func (p *passwords) candidate(k *keyed, user string) (h secret, known, some bool) {
	if h, known = p.users[user]; known {
		return h, true, true
	}
	if len(p.order) == 0 {
		return secret{}, false, false
	}
	sum := k.sum("decoy", user)
	return p.users[p.order[binary.BigEndian.Uint64(sum[:8])%uint64(len(p.order))]], false, true
}

// keyed makes sums that mean nothing outside this process.
type keyed struct{ key [sha256.Size]byte }

func newKeyed() *keyed {
	k := new(keyed)
	rand.Read(k.key[:]) // never fails
	return k
}

// sum is the HMAC of parts, each with its length, so that no two lists of parts
// are the same text.
func (k *keyed) sum(parts ...string) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, k.key[:])
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		m.Write(n[:])
		_, _ = io.WriteString(m, p)
	}
	m.Sum(out[:0])
	return out
}

// maxVerified bounds how many right answers are remembered.
const maxVerified = 4096

// verified remembers which password was right for which stored hash, so that
// not every request pays for bcrypt. It holds sums alone: neither names nor
// passwords. An entry means nothing any more once the stored hash is another.
type verified struct {
	mu   sync.Mutex
	sums map[[sha256.Size]byte]struct{}
}

func (v *verified) has(sum [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.sums[sum]
	return ok
}

// add remembers a right answer and, if there are too many, forgets another one,
// chosen by chance.
func (v *verified) add(sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sums == nil {
		v.sums = make(map[[sha256.Size]byte]struct{})
	}
	for other := range v.sums {
		if len(v.sums) < maxVerified {
			break
		}
		delete(v.sums, other)
	}
	v.sums[sum] = struct{}{}
}
