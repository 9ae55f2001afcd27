package ht

import (
	"crypto/md5" //nolint:gosec // what htdigest files and browsers speak
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// algorithm is one of those of RFC 7616 that are spoken here.
type algorithm int

const (
	algoSHA256 algorithm = iota // the one to prefer comes first
	algoMD5
	algorithms
)

func (a algorithm) String() string { return [...]string{"SHA-256", "MD5"}[a] }

func (a algorithm) hash() hash.Hash {
	if a == algoMD5 {
		return md5.New() //nolint:gosec // see above
	}
	return sha256.New()
}

// sum is the sum of the parts with colons between, in hexadecimal.
func (a algorithm) sum(parts ...string) string {
	h := a.hash()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// parseHA1 tells by its length which algorithm a sum is of.
func parseHA1(s string) (a algorithm, ha1 []byte, ok bool) {
	ha1, err := hex.DecodeString(s)
	if err != nil {
		return 0, nil, false
	}
	switch len(ha1) {
	case md5.Size:
		return algoMD5, ha1, true
	case sha256.Size:
		return algoSHA256, ha1, true
	}
	return 0, nil, false
}

// offered are the algorithms to ask with: those that all users of the realm
// have, since a browser takes the first that it knows; if there is none, all
// that anybody has, MD5 first.
func (r *digestRealm) offered() []algorithm {
	if r == nil || len(r.users) == 0 {
		return []algorithm{algoMD5}
	}
	var list []algorithm
	for a := range algorithms {
		if r.counts[a] == len(r.users) {
			list = append(list, a)
		}
	}
	if list == nil {
		list = []algorithm{algoMD5, algoSHA256}
	}
	return list
}

// digestAnswer is a parsed Authorization header (RFC 7616 section 3.4).
type digestAnswer struct {
	user, realm, nonce, uri, cnonce, count string
	algorithm                              algorithm
	response                               []byte
}

var errDigest = errors.New("not a digest answer as RFC 7616 has it")

// parseDigest reads what follows "Digest ". It refuses what lacks qop (RFC 2069,
// without a counter against replay), and the -sess and userhash variants, which
// were not offered.
func parseDigest(s string) (d digestAnswer, err error) {
	p, err := parseParams(s)
	if err != nil {
		return d, err
	}
	d = digestAnswer{user: p["username"], realm: p["realm"], nonce: p["nonce"], uri: p["uri"], cnonce: p["cnonce"], count: p["nc"]}
	if extended, ok := p["username*"]; ok {
		if d.user != "" {
			return d, errDigest
		}
		if d.user, err = extValue(extended); err != nil {
			return d, err
		}
	}
	switch strings.ToUpper(p["algorithm"]) {
	case "", "MD5":
		d.algorithm = algoMD5
	case "SHA-256":
		d.algorithm = algoSHA256
	default:
		return d, errDigest
	}
	d.response, err = hex.DecodeString(p["response"])
	if err != nil || len(d.response) != d.algorithm.hash().Size() || p["qop"] != "auth" || strings.EqualFold(p["userhash"], "true") ||
		d.user == "" || d.nonce == "" || d.uri == "" || d.cnonce == "" || len(d.count) != 8 || len(d.user) > maxName || !plain(d.user) {
		return d, errDigest
	}
	return d, nil
}

// extValue decodes "UTF-8”percent-encoded" (RFC 5987, in RFC 7616 section 3.4.4).
func extValue(s string) (string, error) {
	charset, rest, ok := strings.Cut(s, "'")
	_, text, ok2 := strings.Cut(rest, "'")
	value, err := url.PathUnescape(text)
	if !ok || !ok2 || !strings.EqualFold(charset, "UTF-8") || err != nil {
		return "", errDigest
	}
	return value, nil
}

// parseParams reads auth-params (RFC 9110 section 11.2): name=token or
// name="quoted string", separated by commas. A name may come once.
func parseParams(s string) (map[string]string, error) {
	params := make(map[string]string, 12)
	for {
		s = strings.TrimLeft(s, ", \t")
		if s == "" {
			return params, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; !ok || twice || !token(name) {
			return nil, errDigest
		}
		rest = strings.TrimLeft(rest, " \t")
		value := ""
		if strings.HasPrefix(rest, `"`) {
			if value, s, ok = unquote(rest[1:]); !ok {
				return nil, errDigest
			}
		} else {
			end := strings.IndexAny(rest, ", \t")
			if end < 0 {
				end = len(rest)
			}
			value, s = rest[:end], rest[end:]
			if strings.Contains(value, `"`) {
				return nil, errDigest
			}
		}
		if s = strings.TrimLeft(s, " \t"); s != "" && s[0] != ',' {
			return nil, errDigest
		}
		params[name] = value
	}
}

// token tells whether s is one (RFC 9110 section 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// unquote reads a quoted-string whose first quote has been taken off.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// sameTarget tells whether the address a digest was made for is the one that
// was asked for; else a digest that was overheard would open other pages (RFC
// 7616 section 3.4.6). The absolute form is the same without scheme and host.
func sameTarget(uri string, r *http.Request) bool {
	want := r.RequestURI
	if want == "" {
		return false
	}
	return originForm(uri) == originForm(want)
}

func originForm(uri string) string {
	for _, scheme := range [...]string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(uri, scheme); ok {
			if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
				return rest[i:]
			}
			return "/"
		}
	}
	return uri
}

// matches tells whether d was made with ha1 for the method.
func (d *digestAnswer) matches(ha1 []byte, method string) bool {
	want := d.algorithm.sum(hex.EncodeToString(ha1), d.nonce, d.count, d.cnonce, "auth", d.algorithm.sum(method, d.uri))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(d.response)), []byte(want)) == 1
}

// Bounds of nonces.
const (
	nonceLife = 10 * time.Minute
	maxNonces = 10_000 // whose counters are kept
)

// The parts of a nonce, in bytes.
const (
	nonceTime   = 8
	nonceRandom = 12
	nonceMAC    = 16
	nonceSize   = nonceTime + nonceRandom + nonceMAC
)

// nonces makes and knows again what a digest is made with. A nonce carries its
// time and a MAC of this process's key, so that asking for a password costs no
// memory; a counter is kept only of those that somebody has signed in with, so
// that each "nc" counts once.
type nonces struct {
	keyed *keyed

	mu    sync.Mutex
	used  map[string]*counter
	floor int64 // nonces made at or before are no longer known
}

// counter is which values of nc have been seen: the highest, and of the 64
// below and with it each one, since a browser sends several requests at a time.
type counter struct {
	made int64
	high uint32
	seen uint64
}

func newNonces(k *keyed) *nonces { return &nonces{keyed: k, used: make(map[string]*counter)} }

// make returns a new nonce for a rule.
func (n *nonces) make(rule string, now time.Time) string {
	raw := make([]byte, nonceTime+nonceRandom, nonceSize)
	binary.BigEndian.PutUint64(raw, uint64(now.UnixNano()))
	rand.Read(raw[nonceTime:]) // never fails
	return base64.RawURLEncoding.EncodeToString(append(raw, n.mac(rule, raw)...))
}

func (n *nonces) mac(rule string, raw []byte) []byte {
	sum := n.keyed.sum("nonce", rule, string(raw))
	return sum[:nonceMAC]
}

// use counts one use of a nonce, and is false for one that is not ours, too
// old, or used with this nc before: its user is asked again, with a new nonce.
func (n *nonces) use(rule, nonce, nc string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	count, errCount := strconv.ParseUint(nc, 16, 32)
	if err != nil || errCount != nil || count == 0 || len(raw) != nonceSize {
		return false
	}
	body, mac := raw[:nonceTime+nonceRandom], raw[nonceTime+nonceRandom:]
	if subtle.ConstantTimeCompare(mac, n.mac(rule, body)) != 1 {
		return false
	}
	made := int64(binary.BigEndian.Uint64(body))
	if age := now.UnixNano() - made; age < 0 || age > int64(nonceLife) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if made <= n.floor {
		return false
	}
	c := n.used[string(body)]
	if c == nil {
		n.makeRoom(now)
		c = &counter{made: made}
		n.used[string(body)] = c
	}
	return c.count(uint32(count))
}

// count notes a value and is false if it was there before, or is too far
// behind for that to be known.
func (c *counter) count(nc uint32) bool {
	const window = 64
	if nc > c.high {
		if ahead := nc - c.high; ahead >= window {
			c.seen = 0
		} else {
			c.seen <<= ahead
		}
		c.seen |= 1
		c.high = nc
		return true
	}
	behind := c.high - nc
	if behind >= window || c.seen&(1<<behind) != 0 {
		return false
	}
	c.seen |= 1 << behind
	return true
}

// makeRoom drops counters that are too old to matter and, if there are too many
// still, the oldest quarter, with all nonces as old as they: without its counter
// a nonce could be used again.
func (n *nonces) makeRoom(now time.Time) {
	if len(n.used) < maxNonces {
		return
	}
	times := make([]int64, 0, len(n.used))
	for _, c := range n.used {
		times = append(times, c.made)
	}
	slices.Sort(times)
	n.floor = max(n.floor, now.UnixNano()-int64(nonceLife), times[len(times)/4])
	for key, c := range n.used {
		if c.made <= n.floor {
			delete(n.used, key)
		}
	}
}

// digestChallenges ask for a digest, once for each algorithm (RFC 7616 section
// 3.7). Stale says that the password was right but the nonce was not.
func (g *Guard) digestChallenges(r *Rule, realm *digestRealm, stale bool) []string {
	var list []string
	for _, a := range realm.offered() {
		c := "Digest realm=" + quoted(r.Realm) + `, qop="auth", algorithm=` + a.String() +
			`, nonce="` + g.nonces.make(r.id(), g.now()) + `", charset=UTF-8`
		if stale {
			c += ", stale=true"
		}
		list = append(list, c)
	}
	return list
}
