package ht

import "time"

// NewAt is New with a clock of the test's.
func NewAt(o Options, now func() time.Time) (*Guard, error) { return newGuard(o, now) }

// Bounds that tests reach.
const (
	MaxNonces   = maxNonces
	MaxVerified = maxVerified
	NonceLife   = nonceLife
)

// HashKnown tells whether a stored hash is of a known kind, and whether it is
// the password's.
func HashKnown(stored, password string) (known, right bool) {
	h, err := parseHash(stored)
	return err == nil, err == nil && h.is(password)
}

// Addresses is how many addresses with failures are remembered.
func (g *Guard) Addresses() int { return g.limiter.Addresses() }

// Verified is how many right answers are remembered.
func (g *Guard) Verified() int {
	g.verified.mu.Lock()
	defer g.verified.mu.Unlock()
	return len(g.verified.sums)
}

// AddVerified remembers one.
func (g *Guard) AddVerified(parts ...string) { g.verified.add(g.keyed.sum(parts...)) }

// NewNonce and UseNonce are what challenges and answers do.
func (g *Guard) NewNonce(rule string) string { return g.nonces.make(rule, g.now()) }

// UseNonce counts one use.
func (g *Guard) UseNonce(rule, nonce, nc string) bool { return g.nonces.use(rule, nonce, nc, g.now()) }

// Nonces is how many counters are kept.
func (g *Guard) Nonces() int {
	g.nonces.mu.Lock()
	defer g.nonces.mu.Unlock()
	return len(g.nonces.used)
}

// ParseParams is parseParams.
func ParseParams(s string) (map[string]string, error) { return parseParams(s) }
