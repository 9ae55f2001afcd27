package project

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"projhost/envs"
)

// readOnlyNotice is what every page of a project says that is only read; "" for
// any other.
func (r *Request) readOnlyNotice() (string, error) {
	if !r.Env.ReadOnly() {
		return "", nil
	}
	const fact = "This project is read-only."
	config := r.Env.Config()
	if more := strings.TrimSpace(config.String("trac", "readonly_notice")); more != "" {
		return fact + " " + more, nil
	}
	admin, err := r.ShowAuthor(strings.TrimSpace(config.String("project", "admin")))
	if err != nil || admin == "" {
		return fact, err
	}
	return fact + " If something has to be changed, write to " + admin + ".", nil
}

// maxKept bounds [trac] readonly_max_age, in seconds: a year, the most that means
// anything (RFC 9111 section 1.2.2 leaves it open, RFC 2616 had it so).
const maxKept = 365 * 24 * 60 * 60

// keepable tells whether anybody's cache may keep an answer to r, and for how many
// seconds: nothing changes in the project, and the visitor is nobody in
// particular. The answer of another visitor may show more.
func (r *Request) keepable() (seconds int, ok bool) {
	if !r.Env.ReadOnlyBy().Declared() || r.User.Known() {
		return 0, false
	}
	seconds = min(r.Env.Config().Int("trac", "readonly_max_age"), maxKept)
	return seconds, seconds > 0
}

// cacheControl is the header of an answer that is right; otherwise is what it is
// in a project that changes.
func (r *Request) cacheControl(otherwise string) string {
	if seconds, ok := r.keepable(); ok {
		return "public, max-age=" + strconv.Itoa(seconds)
	}
	return otherwise
}

// configured is when trac.ini, or a file that it inherits from, was last written.
var configured = envs.NewSlot(func(e *envs.Env) (at time.Time) {
	for _, f := range e.Config().Files() {
		if f.Written().After(at) {
			at = f.Written()
		}
	}
	return at
})

// later is the time of what consists of two parts; the zero time, of one that is
// not known or not yet come, is that of the whole (RFC 9110 section 8.8.2.1).
func later(a, b time.Time) time.Time {
	if b.After(a) {
		a, b = b, a
	}
	if b.IsZero() || a.After(time.Now()) {
		return time.Time{}
	}
	return a
}

// has tells whether the client has the answer already, by its ETag or, if it says
// nothing of those, by when it was modified (RFC 9110 section 13.2.2).
func (r *Request) has(etag string, modified time.Time) bool {
	if _, asks := r.Header["If-None-Match"]; asks {
		return matches(r.Header.Get("If-None-Match"), etag)
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !modified.IsZero() && !modified.Truncate(time.Second).After(since)
}

// send writes an answer that is complete, with the header Cache-Control of one
// that changes. What may be kept gets an ETag instead, and the time it was
// modified unless that is zero, and is not sent again to whoever has it.
func (r *Request) send(w http.ResponseWriter, status int, body []byte, modified time.Time) error {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, private")
	if _, ok := r.keepable(); ok && status == http.StatusOK {
		sum := sha256.Sum256(body)
		etag := `"` + hex.EncodeToString(sum[:16]) + `"`
		h.Set("Cache-Control", r.cacheControl(""))
		h.Set("ETag", etag)
		if !modified.IsZero() {
			h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
		}
		if r.has(etag, modified) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return clientGone(err)
}
