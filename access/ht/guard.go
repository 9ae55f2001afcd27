package ht

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"projhost/access/tries"
	"projhost/front/gateway"
)

// Place is what a rule looks at: which project a request is for and where in it.
type Place struct {
	// Names are those the project goes by: in the URL, and its directory's. None
	// is a request above the projects.
	Names []string
	Path  string // below the project, decoded: "/login"
}

// Options are what a guard is made of.
type Options struct {
	Rules []Rule
	// Where tells where a request leads. It must be how the handler below finds
	// its project, or a rule could be walked around.
	Where func(*http.Request) Place
	// Page writes the answer to whoever is refused, in words for a visitor; the
	// headers are set. Nil writes plain text.
	Page func(w http.ResponseWriter, r *http.Request, status int, message string)
	Log  *slog.Logger // nil discards
}

// Guard asks for a name and password where its rules say so.
type Guard struct {
	rules    map[string]*guarded
	where    func(*http.Request) Place
	page     func(w http.ResponseWriter, r *http.Request, status int, message string)
	log      *slog.Logger
	now      func() time.Time
	keyed    *keyed
	nonces   *nonces
	limiter  *tries.Limiter
	verified verified
	checking chan struct{}
}

// guarded is a rule and its file.
type guarded struct {
	Rule
	passwords *watched[*passwords] // for Basic
	digests   *watched[*digests]   // for Digest
}

// id tells the nonces of one rule from another's.
func (r *Rule) id() string { return r.Project + ":" + r.Realm }

// Bounds of checking passwords. A check of bcrypt or argon2 takes a core, and
// argon2 its memory.
const (
	maxChecking = 4
	checkWait   = 10 * time.Second
)

// New reads the files and returns the guard. Two rules for one project are an
// error, and so is a file that cannot be read: better no start than one in which
// nobody can sign in.
func New(o Options) (*Guard, error) { return newGuard(o, time.Now) }

func newGuard(o Options, now func() time.Time) (*Guard, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Page == nil {
		o.Page = plainPage
	}
	if o.Where == nil {
		return nil, errors.New("a guard that does not know where requests lead")
	}
	g := &Guard{rules: make(map[string]*guarded), where: o.Where, page: o.Page, log: o.Log, now: now, keyed: newKeyed(),
		limiter: tries.New(), checking: make(chan struct{}, maxChecking)}
	g.nonces = newNonces(g.keyed)
	files := openFiles{passwords: make(map[string]*watched[*passwords]), digests: make(map[string]*watched[*digests])}
	for _, r := range o.Rules {
		if had := g.rules[r.Project]; had != nil {
			return nil, fmt.Errorf("two rules for the project %q, %s with %s and %s with %s: choose one", r.Project, had.Scheme, had.File, r.Scheme, r.File)
		}
		rule, err := files.open(g, r)
		if err != nil {
			return nil, err
		}
		g.rules[r.Project] = rule
	}
	return g, nil
}

// openFiles has each file once, however many rules name it.
type openFiles struct {
	passwords map[string]*watched[*passwords]
	digests   map[string]*watched[*digests]
}

func (o openFiles) open(g *Guard, r Rule) (*guarded, error) {
	rule := &guarded{Rule: r}
	switch r.Scheme {
	case Basic:
		f := o.passwords[r.File]
		if f == nil {
			f = &watched[*passwords]{path: r.File, parse: parsePasswords, log: g.log, now: g.now}
			o.passwords[r.File] = f
		}
		rule.passwords = f
		p, err := f.get()
		if err != nil {
			return nil, fmt.Errorf("the htpasswd file of project %q: %w", r.Project, err)
		}
		if len(p.users) == 0 {
			g.log.Warn("nobody can sign in: the file has no usable line", "file", r.File)
		}
	case Digest:
		f := o.digests[r.File]
		if f == nil {
			f = &watched[*digests]{path: r.File, parse: parseDigests, log: g.log, now: g.now}
			o.digests[r.File] = f
		}
		rule.digests = f
		d, err := f.get()
		if err != nil {
			return nil, fmt.Errorf("the htdigest file of project %q: %w", r.Project, err)
		}
		if d.realms[r.Realm] == nil {
			g.log.Warn("nobody can sign in: the file has no line of this realm", "file", r.File, "realm", r.Realm)
		}
	default:
		return nil, fmt.Errorf("no scheme %q", r.Scheme)
	}
	return rule, nil
}

func plainPage(w http.ResponseWriter, r *http.Request, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, message+"\n") // the client is gone if this fails
	}
}

// rule is the one that guards a place, nil if none does. A project's own rule
// outweighs that for all projects; where the latter guards whole projects, the
// former does, too.
func (g *Guard) rule(r *http.Request) *guarded {
	if strings.HasPrefix(r.URL.Path, gateway.OwnPrefix) {
		return nil
	}
	at := g.where(r)
	rule, every := (*guarded)(nil), g.rules[Any]
	for _, name := range at.Names {
		if rule = g.rules[name]; rule != nil {
			break
		}
	}
	whole := every != nil && every.Whole
	if rule == nil {
		rule = every
	}
	if rule == nil {
		return nil
	}
	login := len(at.Names) > 0 && (at.Path == "/login" || strings.HasPrefix(at.Path, "/login/"))
	if login || whole || rule.Whole {
		return rule
	}
	return nil
}

// Wrap returns next behind the guard.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gateway.FromContext(r.Context()).RemoteUser() != "" {
			next.ServeHTTP(w, r) // the web server has asked already
			return
		}
		rule := g.rule(r)
		if rule == nil {
			next.ServeHTTP(w, r)
			return
		}
		v := g.check(r, rule)
		if v.err != nil {
			g.refuse(w, r, rule, v)
			return
		}
		next.ServeHTTP(w, r.WithContext(gateway.WithUser(r.Context(), v.user, string(rule.Scheme))))
	})
}

// verdict is what a check came to. A nil err is a right password.
type verdict struct {
	user       string // who it was, or wanted to be
	err        error
	stale      bool          // right, but by a nonce that no longer counts
	wait       time.Duration // for errTooOften: when to try again
	challenges []string
}

// Why a request is not let through. They are for the log.
var (
	errNoAnswer   = errors.New("no name and password were sent")
	errMalformed  = errors.New("the Authorization header cannot be read")
	errWrong      = errors.New("wrong name or password")
	errStale      = errors.New("the nonce is too old, or was used before")
	errTooOften   = errors.New("too many wrong passwords from this address")
	errOverloaded = errors.New("too many passwords are being checked")
	errFile       = errors.New("the password file cannot be read")
)

func (g *Guard) check(r *http.Request, rule *guarded) verdict {
	scheme, answer := credentials(r.Header.Get("Authorization"))
	if rule.Scheme == Basic {
		v := verdict{challenges: []string{basicChallenge(rule.Realm)}}
		p, err := rule.passwords.get()
		switch {
		case err != nil:
			v.err = fmt.Errorf("%w: %w", errFile, err)
		case !strings.EqualFold(scheme, string(Basic)):
			v.err = errNoAnswer
		default:
			v.user, v.wait, v.err = g.checkBasic(r, p, answer)
		}
		return v
	}
	d, err := rule.digests.get()
	if err != nil {
		return verdict{err: fmt.Errorf("%w: %w", errFile, err)}
	}
	v, realm := verdict{err: errNoAnswer}, d.realms[rule.Realm]
	if strings.EqualFold(scheme, string(Digest)) {
		v = g.checkDigest(r, &rule.Rule, realm, answer)
	}
	if v.err != nil {
		v.challenges = g.digestChallenges(&rule.Rule, realm, v.stale)
	}
	return v
}

func (g *Guard) checkBasic(r *http.Request, p *passwords, answer string) (user string, wait time.Duration, err error) {
	user, password, ok := parseBasic(answer)
	if !ok {
		return "", 0, errMalformed
	}
	h, known, some := p.candidate(g.keyed, user)
	sum := [sha256.Size]byte{}
	if known {
		if sum = g.keyed.sum("verified", user, password, h.text); g.verified.has(sum) {
			return user, 0, nil
		}
	}
	from := tries.Network(r.RemoteAddr)
	if wait := g.limiter.Take(from, g.now()); wait > 0 {
		return user, wait, errTooOften
	}
	if !some {
		return user, 0, errWrong
	}
	right, err := g.verify(r.Context(), h, password)
	switch {
	case err != nil:
		g.limiter.GiveBack(from)
		return user, 0, err
	case !right || !known:
		return user, 0, errWrong
	}
	g.limiter.GiveBack(from)
	g.verified.add(sum)
	return user, 0, nil
}

// verify compares a password with a stored hash, when its turn comes.
func (g *Guard) verify(ctx context.Context, h secret, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	select {
	case g.checking <- struct{}{}:
		defer func() { <-g.checking }()
		return h.is(password), nil
	case <-ctx.Done():
		return false, errOverloaded
	}
}

func (g *Guard) checkDigest(r *http.Request, rule *Rule, realm *digestRealm, answer string) verdict {
	d, err := parseDigest(answer)
	if err != nil || d.realm != rule.Realm || !sameTarget(d.uri, r) {
		return verdict{err: errMalformed}
	}
	v := verdict{user: d.user}
	from := tries.Network(r.RemoteAddr)
	if v.wait = g.limiter.Take(from, g.now()); v.wait > 0 {
		v.err = errTooOften
		return v
	}
	// An unknown user is compared with what nobody knows.
	ha1 := g.keyed.sum("nobody", d.user)
	stored := ha1[:d.algorithm.hash().Size()]
	known := false
	if realm != nil {
		if sum := realm.users[d.user][d.algorithm]; sum != nil {
			stored, known = sum, true
		}
	}
	if right := d.matches(stored, r.Method); !right || !known {
		v.err = errWrong
		return v
	}
	g.limiter.GiveBack(from)
	if !g.nonces.use(rule.id(), d.nonce, d.count, g.now()) {
		v.err, v.stale = errStale, true
	}
	return v
}

// refuse answers whoever is not let through. A password file that cannot be
// read and too many wrong passwords are no reason to ask for another one.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, rule *guarded, v verdict) {
	status, message, level := http.StatusUnauthorized, "This page is for those who have an account here. Please sign in with your name and password.", slog.LevelInfo
	h := w.Header()
	switch {
	case errors.Is(v.err, errFile):
		status, message, level = http.StatusServiceUnavailable, "Signing in is not possible at the moment.", slog.LevelWarn
	case errors.Is(v.err, errOverloaded):
		status, message, level = http.StatusServiceUnavailable, "Too many people are signing in at the moment. Please try again shortly.", slog.LevelWarn
		h.Set("Retry-After", "5")
	case errors.Is(v.err, errTooOften):
		status, message, level = http.StatusTooManyRequests, "Too many wrong passwords came from your address. Please wait a little, then try again.", slog.LevelWarn
		h.Set("Retry-After", strconv.Itoa(int((v.wait+time.Second-1)/time.Second)))
	case errors.Is(v.err, errWrong), errors.Is(v.err, errMalformed):
		level = slog.LevelWarn
	}
	if status == http.StatusUnauthorized {
		for _, c := range v.challenges {
			h.Add("WWW-Authenticate", c)
		}
	}
	h.Set("Cache-Control", "no-store")
	if !errors.Is(v.err, errNoAnswer) && !errors.Is(v.err, errStale) {
		g.log.LogAttrs(r.Context(), level, "login refused", slog.String("rule", rule.Project), slog.String("user", v.user),
			slog.String("remote", r.RemoteAddr), slog.Int("status", status), slog.String("path", r.URL.Path), slog.String("error", v.err.Error()))
	}
	g.page(w, r, status, message)
}
