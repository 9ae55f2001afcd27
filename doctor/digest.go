package doctor

import (
	"cmp"
	"crypto/md5" //nolint:gosec // what htdigest files and web servers speak
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// digester turns the Basic credentials of one user into a digest (RFC 7616) once
// the site has asked for that.
type digester struct {
	*http.Transport
	user string

	mu    sync.Mutex
	asked map[string]string // parameters of the site's last challenge; nil: none
	count uint32            // requests made with it
}

var _ http.RoundTripper = (*digester)(nil)

// RoundTrip implements [http.RoundTripper].
func (d *digester) RoundTrip(r *http.Request) (*http.Response, error) {
	user, password, ok := r.BasicAuth()
	if !ok || user != d.user {
		return d.Transport.RoundTrip(r)
	}
	resp, err := d.Transport.RoundTrip(d.answered(r, password))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	asked := digestAsked(resp.Header)
	if asked == nil {
		return resp, nil
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.asked, d.count = asked, 0
	d.mu.Unlock()
	again := d.answered(r, password)
	if r.Body != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return d.Transport.RoundTrip(again)
}

// answered is r with a digest, or r itself if none was asked for.
func (d *digester) answered(r *http.Request, password string) *http.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked == nil {
		return r
	}
	d.count++
	hash := func(parts ...string) string {
		text := []byte(strings.Join(parts, ":"))
		if strings.EqualFold(d.asked["algorithm"], "SHA-256") {
			return fmt.Sprintf("%x", sha256.Sum256(text))
		}
		return fmt.Sprintf("%x", md5.Sum(text)) //nolint:gosec // see above
	}
	realm, nonce, uri := d.asked["realm"], d.asked["nonce"], r.URL.RequestURI()
	count, ours := fmt.Sprintf("%08x", d.count), rand.Text()
	response := hash(hash(d.user, realm, password), nonce, count, ours, "auth", hash(r.Method, uri))
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
	text := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", qop=auth, nc=%s, cnonce="%s", response="%s"`,
		quote(d.user), quote(realm), quote(nonce), uri, count, ours, response)
	if a := d.asked["algorithm"]; a != "" {
		text += ", algorithm=" + a
	}
	if o, ok := d.asked["opaque"]; ok {
		text += `, opaque="` + quote(o) + `"`
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", text)
	return r
}

// digestAsked returns the parameters of the first challenge for a digest that is
// known here, nil if there is none.
func digestAsked(h http.Header) map[string]string {
	param := regexp.MustCompile(`(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))`)
	for _, c := range h.Values("Www-Authenticate") {
		scheme, rest, _ := strings.Cut(c, " ")
		if !strings.EqualFold(scheme, "Digest") {
			continue
		}
		asked := map[string]string{}
		for _, m := range param.FindAllStringSubmatch(rest, -1) {
			asked[strings.ToLower(m[1])] = cmp.Or(m[3], regexp.MustCompile(`\\(.)`).ReplaceAllString(m[2], "$1"))
		}
		if a := strings.ToUpper(asked["algorithm"]); asked["nonce"] != "" && (a == "" || a == "MD5" || a == "SHA-256") {
			return asked
		}
	}
	return nil
}
