// Package project is the contract between the host and the modules of a
// project: what a module is given ([Request]), what it answers ([Reply]), and
// what it offers to others ([Site]).
package project

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"projhost/access/auth"
	"projhost/access/perm"
	"projhost/envs"
	"projhost/internal/href"
	"projhost/internal/locale"
)

// Request is one visitor's request to one project.
type Request struct {
	*http.Request
	Env  *envs.Env
	User auth.User
	Perm *perm.Checker
	Href href.Base // where the project is on its web server
	Base string    // "https://host" to put before a link in a redirect; "" for none
	Site *Site
	ID   string // names the request in the log and on error pages
	// Locale is how this answer writes dates; it is the request's, never the process's.
	Locale locale.Locale

	Secure bool // the visitor came by https

	fronted  bool // a web server would understand X-Sendfile
	wildcard string
	kept     map[any]any
	outgoing *outgoing
}

// Keep remembers a value for the rest of the request, as Kept returns it. A
// key is of a type of the caller's own, as with a context.
func (r *Request) Keep(key, value any) {
	if r.kept == nil {
		r.kept = make(map[any]any, 1)
	}
	r.kept[key] = value
}

// Kept returns what Keep was given for key, or nil.
func (r *Request) Kept(key any) any { return r.kept[key] }

// NewRequest gathers what a handler needs to know. Errors are the database's.
func NewRequest(ctx context.Context, r *http.Request, e *envs.Env, s *Site, at Place) (*Request, error) {
	user, err := auth.Identify(ctx, e, r)
	if err != nil {
		return nil, err
	}
	return &Request{
		Request: r, Env: e, User: user, Perm: perm.For(e, user), Site: s,
		Href: at.Href, Base: at.Base, ID: at.ID, Locale: at.Locale, fronted: at.Fronted, wildcard: at.Wildcard, Secure: at.Secure,
		outgoing: new(outgoing),
	}, nil
}

// Place is what the host knows of a request: where its project is mounted, the
// request's id, how it writes dates, whether a web server stands before the host, and what of the path the route's "*" stood for.
type Place struct {
	Href     href.Base
	Base     string
	ID       string
	Locale   locale.Locale
	Fronted  bool
	Wildcard string
	Secure   bool
}

// Wildcard is what the "*" of the route's pattern stood for, decoded.
func (r *Request) Wildcard() string { return r.wildcard }

// Handler answers a request. It never sees the ResponseWriter: an error is
// turned into a page by the host.
type Handler func(*Request) (Reply, error)

// Reply is an answer: a [Page], [Text], [Redirect] or [File].
type Reply interface {
	Write(w http.ResponseWriter, r *Request) error
}

// Router is where a module says which paths it answers. A pattern begins with
// a slash and may end in "/*". Get answers HEAD as well. A handler of Post is
// called when the form has been read, its fields are in PostForm, and its token
// was right; see [ReadForm] and [Request.FormToken].
type Router interface {
	Get(pattern string, h Handler)
	Post(pattern string, h Handler)
}

// Module is one room of the house: the wiki, say. A module has no fields; what
// it keeps for an environment is in an [envs.Slot].
type Module interface {
	// Name is the module's name in logs: a lower-case word.
	Name() string
	Routes(Router)
}

// ShowAuthor returns an author's name as r's user may see it: addresses in it
// lose their domain unless the user may see them.
func (r *Request) ShowAuthor(name string) (string, error) {
	if !strings.Contains(name, "@") {
		return name, nil
	}
	shown, err := r.emailsShown(perm.Resource{})
	if err != nil || shown {
		return name, err
	}
	return hideAddresses(name), nil
}

// emailsShown tells whether r's user sees addresses in full in a text of res: by
// EMAIL_VIEW, or because [trac] show_email_addresses lets everybody.
func (r *Request) emailsShown(res perm.Resource) (bool, error) {
	if r.Env.Config().Bool("trac", "show_email_addresses") {
		return true, nil
	}
	return r.Perm.Has(r.Context(), "EMAIL_VIEW", res)
}

// hideAddresses replaces the domain of every address in s by "…".
func hideAddresses(s string) string {
	var b strings.Builder
	for {
		user, rest, ok := strings.Cut(s, "@")
		b.WriteString(user)
		if !ok {
			return b.String()
		}
		end := strings.IndexFunc(rest, func(c rune) bool {
			return c != '.' && c != '-' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
		})
		if end < 0 {
			end = len(rest)
		}
		b.WriteByte('@')
		if end > 0 && user != "" {
			b.WriteString("…")
		}
		s = rest[end:]
	}
}
