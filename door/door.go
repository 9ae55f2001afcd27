// Package door lets administrators in to the program's own pages, and nobody
// else: those below [gateway.OwnPrefix] that tell of all projects at once.
package door

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"projhost/access/tries"
	"projhost/front/gateway"
	"projhost/templates"
)

// LeaveName is a page of the door's own, if there is a key: a POST to it forgets
// the key.
const LeaveName = "leave"

const (
	home       = "status" // where the right key leads
	maxKeyForm = 4 << 10  // bytes of the form that asks for the key
)

// Options are what a door is made of.
type Options struct {
	// Key opens the door, until [Door.Rekey]. Without one, it is open on listeners
	// for administrators and there is none on the others.
	Key string
	// Pages are what is behind it, by path below [gateway.OwnPrefix]: "status" is
	// that page, "debug/pprof/" all below. A handler sees the path below the
	// prefix, "/status", and no request that another site made a browser send.
	Pages map[string]http.Handler
	Log   *slog.Logger // nil discards
}

// Door is the only way to its pages. It takes nothing of any project, so that
// it opens whatever state those are in.
type Door struct {
	options Options
	limiter *tries.Limiter
	lock    atomic.Pointer[lock] // nil without a key
	cross   *http.CrossOriginProtection
}

// lock is what a key opens.
type lock struct {
	digest  [sha256.Size]byte
	session session
}

func newLock(key string) *lock { return &lock{sha256.Sum256([]byte(key)), newSession(key)} }

// opens compares in constant time.
func (l *lock) opens(key string) bool {
	digest := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(digest[:], l.digest[:]) == 1
}

// New makes a door.
func New(o Options) *Door {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{options: o, limiter: tries.New(), cross: http.NewCrossOriginProtection()}
	if o.Key != "" {
		d.lock.Store(newLock(o.Key))
	}
	return d
}

// Rekey has another key open a door that was made with one. The former key and
// every cookie it gave count no more. It returns false if it is the same key,
// which changes nothing.
func (d *Door) Rekey(key string) bool {
	if d.lock.Load().opens(key) {
		return false
	}
	d.lock.Store(newLock(key))
	return true
}

// Answer answers a request for what is behind the door, or at it. It returns
// false, with nothing written, for all other requests and for those without the
// right key: they are to be answered as if there were no door. A nil door
// answers none.
func (d *Door) Answer(w http.ResponseWriter, r *http.Request) bool {
	if d == nil {
		return false
	}
	l, admin := d.lock.Load(), gateway.FromContext(r.Context()).Admin()
	path, own := strings.CutPrefix(r.URL.Path, gateway.OwnPrefix)
	switch {
	case !own && (!admin || r.URL.Path != "/"):
		return false
	case l == nil && !(admin && named(r.Host)):
		return false
	case path == "" || !own:
		return d.atDoor(l, w, r)
	case !d.admitted(l, r):
		return false
	}
	page, below := d.page(l, path)
	if page == nil {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := d.cross.Check(r); err != nil {
		d.options.Log.Warn("administration: refused what another site has sent", "path", r.URL.Path, "remote", r.RemoteAddr, "error", err)
		http.Error(w, "This came from another site and was not done.", http.StatusForbidden)
		return true
	}
	in := r.WithContext(r.Context())
	u := *r.URL
	u.Path, u.RawPath = "/"+below, ""
	in.URL = &u
	page.ServeHTTP(w, in)
	return true
}

// named is true for a host that no other site's name can stand for: a page of
// another site may have its name lead to this machine for a moment, and read
// what is there (DNS rebinding).
func named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost" || host == ""
}

// page finds what a path leads to.
func (d *Door) page(l *lock, path string) (h http.Handler, below string) {
	if path == LeaveName && l != nil {
		return http.HandlerFunc(l.leave), path
	}
	if h = d.options.Pages[path]; h != nil && !strings.HasSuffix(path, "/") {
		return h, path
	}
	for end := len(path); ; {
		i := strings.LastIndexByte(path[:end], '/')
		if i < 0 {
			return nil, ""
		}
		if h = d.options.Pages[path[:i+1]]; h != nil {
			return h, path
		}
		end = i
	}
}

// admitted tells whether a request has the key, or a cookie that stands for it.
func (d *Door) admitted(l *lock, r *http.Request) bool {
	if l == nil || l.session.has(r, time.Now()) {
		return true
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	right, _ := d.try(l, r, key)
	return right
}

// try compares a key, unless too many wrong ones came from the same address:
// then it tells how long to wait.
func (d *Door) try(l *lock, r *http.Request, key string) (right bool, wait time.Duration) {
	from := tries.Network(r.RemoteAddr)
	if wait = d.limiter.Take(from, time.Now()); wait > 0 {
		d.options.Log.Warn("administration: too many wrong keys", "remote", r.RemoteAddr, "wait", wait)
		return false, wait
	}
	if l.opens(strings.TrimSpace(key)) {
		d.limiter.GiveBack(from)
		return true, 0
	}
	d.options.Log.Warn("administration: a wrong key", "remote", r.RemoteAddr, "path", r.URL.Path)
	return false, 0
}

// atDoor leads in who has the key, and asks others for it.
func (d *Door) atDoor(l *lock, w http.ResponseWriter, r *http.Request) bool {
	vars := gateway.FromContext(r.Context())
	inside := vars.Script() + gateway.OwnPrefix + home
	w.Header().Set("Cache-Control", "no-store")
	if l == nil || r.Method != http.MethodPost && d.admitted(l, r) {
		http.Redirect(w, r, inside, http.StatusSeeOther)
		return true
	}
	page := templates.KeyPage{Action: vars.Script() + gateway.OwnPrefix}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxKeyForm)
		right, wait := d.try(l, r, r.PostFormValue("key"))
		switch {
		case right:
			http.SetCookie(w, l.session.cookie(vars, time.Now()))
			http.Redirect(w, r, inside, http.StatusSeeOther)
			return true
		case wait > 0:
			status, page.Problem = http.StatusTooManyRequests, "There were too many wrong keys. Wait a little, then try again."
			w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		default:
			status, page.Problem = http.StatusForbidden, "That is not the key."
		}
	}
	var buf bytes.Buffer
	if err := templates.Key(&page).Render(r.Context(), &buf); err != nil {
		d.options.Log.Error("administration: the page that asks for the key cannot be made", "error", err)
		status = http.StatusInternalServerError
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", templates.HostPolicy())
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, &buf) // the client is gone if this fails
	}
	return true
}

// leave forgets the key.
func (l *lock) leave(w http.ResponseWriter, r *http.Request) {
	vars := gateway.FromContext(r.Context())
	if r.Method == http.MethodPost {
		http.SetCookie(w, l.session.none(vars))
	}
	http.Redirect(w, r, vars.Script()+gateway.OwnPrefix, http.StatusSeeOther)
}
