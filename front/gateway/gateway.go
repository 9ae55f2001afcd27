// Package gateway holds the meta-variables a web server sends with a request
// (RFC 3875) as one read-only value, and makes an *http.Request of them.
package gateway

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/netip"
)

// Pair is one variable as it came over the wire.
type Pair struct{ Name, Value string }

// Listener is what is fixed for all requests of one listening socket.
type Listener struct {
	Name     string            // as the administrator wrote it, for logs
	Settings map[string]string // TRAC_ENV, TRAC_ENV_PARENT_DIR, ... told for this listener
	Trusted  []netip.Prefix    // peers whose X-Forwarded-* are believed
	TrustAll bool              // every peer is (a unix socket of a reverse proxy)
}

// Vars are the variables of one request. The zero value has none.
type Vars struct{ v *vars }

type vars struct {
	pairs    []Pair
	listener *Listener
}

// New takes the variables of one request as they came, in order.
func New(l *Listener, pairs []Pair) (Vars, error) {
	return Vars{&vars{pairs: pairs, listener: l}}, nil
}

// Get returns a variable, "" if it was not sent.
func (v Vars) Get(name string) string { s, _ := v.Lookup(name); return s }

// Lookup returns a variable and whether it was sent.
func (v Vars) Lookup(name string) (string, bool) {
	if v.v == nil {
		return "", false
	}
	for i := range v.v.pairs {
		if v.v.pairs[i].Name == name {
			return v.v.pairs[i].Value, true
		}
	}
	return "", false
}

// All ranges over the variables in the order they came.
func (v Vars) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if v.v == nil {
			return
		}
		for _, p := range v.v.pairs {
			if !yield(p.Name, p.Value) {
				return
			}
		}
	}
}

// Setting returns what the listener says of name.
func (v Vars) Setting(name string) string { return "" }

// Script is the URL path of the program itself, decoded: "" at the root of the
// site, else like "/trac"; it never ends in a slash.
func (v Vars) Script() string { return "" }

// Scheme is "http" or "https".
func (v Vars) Scheme() string { return "http" }

// RemoteUser is the name the web server has authenticated, or "".
func (v Vars) RemoteUser() string { return v.Get("REMOTE_USER") }

type key struct{}

// FromContext returns the variables of the request that ctx belongs to.
func FromContext(ctx context.Context) Vars {
	v, _ := ctx.Value(key{}).(Vars)
	return v
}

// NewContext returns ctx with the variables.
func NewContext(ctx context.Context, v Vars) context.Context {
	return context.WithValue(ctx, key{}, v)
}

// NewRequest makes the request: URL.Path is the decoded path below Script.
func NewRequest(ctx context.Context, v Vars, body io.ReadCloser) (*http.Request, error) {
	r, err := http.NewRequestWithContext(NewContext(ctx, v), v.Get("REQUEST_METHOD"), "http://localhost"+v.Get("PATH_INFO"), body)
	return r, err
}
