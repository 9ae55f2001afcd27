// Package dispatch takes a request from a front end to the module that answers
// it: which environment is meant, which handler, and what a failure looks like.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"projhost/door"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/internal/stage"
	"projhost/project"
	"projhost/watch"
)

// DefaultRequestTimeout bounds the time one request may take.
const DefaultRequestTimeout = 60 * time.Second

// DefaultSlow is from when on a request is usually called slow.
const DefaultSlow = time.Second

// Options are what a host is made of.
type Options struct {
	Registry *envs.Registry
	Site     *project.Site
	// Settings are what flags and process environment say: TRAC_ENV,
	// TRAC_ENV_PARENT_DIR, ... under the names of [SettingNames].
	Settings map[string]string
	// Envs are directories of environments by the name each has in URLs, for
	// requests of which neither the web server nor Settings name one or a parent.
	Envs map[string]string
	// Roots are the directories an index template named by a request must be in.
	Roots []string
	// RequestTimeout bounds one request; 0 is [DefaultRequestTimeout].
	RequestTimeout time.Duration
	// DoctorKey opens the doctor's pages, see doctor; "" shuts them.
	DoctorKey string
	Door      *door.Door // what administrators see; nil is none
	// Meter counts requests; nil counts none.
	Meter *watch.Meter
	// Slow is from when on a request is logged as slow, see logSlow; 0 logs none.
	Slow time.Duration
	Log  *slog.Logger // nil discards
}

// Host answers the requests of all front ends. It holds no request's
// environment: that is in the request's context.
type Host struct {
	options Options
	routes  chi.Router
	index   *index
	ready   atomic.Bool // see SetReady
}

// New returns the host. It answers at once; see [Host.SetReady] for what it says
// of itself.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = DefaultRequestTimeout
	}
	h := &Host{options: o, index: newIndex()}
	h.routes = h.routeTable()
	return h
}

// ServeHTTP answers one request and logs it.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.serveHealth(w, r) {
		return
	}
	t := &trace{id: requestID(r), path: r.URL.Path, ResponseWriter: w}
	t.clock.Start(time.Now())
	header := w.Header()
	header.Set("X-Request-Id", t.id)
	header.Set("X-Content-Type-Options", "nosniff")
	ctx, cancel := context.WithTimeout(stage.NewContext(r.Context(), &t.clock), h.options.RequestTimeout)
	defer cancel()
	defer t.letGo() // after the error page, which is the project's too
	defer h.account(r, t)
	defer h.recovered(r, t)
	if err := h.serve(ctx, t, r); err != nil {
		h.fail(t, r, t, err)
	}
}

// recovered turns a handler's panic into a logged failure of its own request.
func (h *Host) recovered(r *http.Request, t *trace) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	h.log(t).Error("panic", "id", t.id, "panic", v, "stack", string(debug.Stack()))
	h.fail(t, r, t, fault.Wrap(fault.Internal, "", errors.New("a handler panicked")))
}

// serve finds the environment and hands the request to its modules.
func (h *Host) serve(ctx context.Context, t *trace, r *http.Request) error {
	if done, err := h.consult(ctx, t, r); done {
		return err
	}
	if h.options.Door.Answer(t, r) {
		return nil
	}
	if strings.HasPrefix(r.URL.Path, gateway.OwnPrefix) || gateway.FromContext(r.Context()).Admin() {
		// Logins are not asked for here, so no project may answer.
		return fault.New(fault.NotFound, "")
	}
	from := h.sources(r)
	to, err := h.target(from, r.URL.Path)
	if err != nil {
		return err
	}
	if to.index {
		return h.serveIndex(ctx, t, r, from, to.scope)
	}
	loc, err := h.options.Registry.Locate(to.lookup)
	if err != nil {
		return err
	}
	t.at = loc
	env, release, err := h.options.Registry.Acquire(ctx, loc)
	if err != nil {
		return err
	}
	t.env, t.release = env, release
	baseURL, err := h.baseOf(env, from)
	if err != nil {
		return err
	}
	dates, err := from.locale(env.Config())
	if err != nil {
		return err
	}
	t.place = project.Place{Href: href.Base(to.base), Base: baseURL, ID: t.id, Locale: dates, Fronted: from.vars.Fronted(), Secure: from.vars.Scheme() == "https"}
	return h.route(envs.NewContext(ctx, env), t, r, to.path)
}

// sources are where the settings of r are looked for.
func (h *Host) sources(r *http.Request) sources {
	return sources{gateway.FromContext(r.Context()), h.options.Settings, len(h.options.Envs) > 0}
}

// target is what a request is about.
type target struct {
	scope
	index  bool   // the projects of the scope are to be listed; else
	name   string // the project's in the address; "" if the scope is one environment
	lookup envs.Lookup
	base   string // path of the project's program, decoded
	path   string // what is asked of it
}

// target settles which environment is meant. It does not tell whether that is there.
func (h *Host) target(from sources, path string) (target, error) {
	sc, err := from.scope()
	if err != nil {
		return target{}, err
	}
	base := from.vars.Script()
	if sc.env != "" {
		return target{scope: sc, lookup: envs.Lookup{Dir: sc.env}, base: base, path: path}, nil
	}
	name, rest := split(path)
	if name == "" {
		return target{scope: sc, index: true}, nil
	}
	to := target{scope: sc, name: name, lookup: envs.Lookup{Parent: sc.parent, Name: name}, base: base + "/" + name, path: rest}
	if sc.named {
		dir, ok := h.options.Envs[name]
		if !ok {
			return target{}, fault.Wrap(fault.NotFound, "Environment not found", fmt.Errorf("no environment was started under the name %q", name))
		}
		to.lookup = envs.Lookup{Dir: dir}
	}
	return to, nil
}

// Where tells which project r is for and where in it, as ServeHTTP finds it: the
// names it goes by, in the address and by its directory, and the path below it.
// The name in the address is told whether there is such a project or not: it may
// be there a moment later. No names are a request above the projects, or one that
// cannot be for any.
func (h *Host) Where(r *http.Request) (names []string, below string) {
	to, err := h.target(h.sources(r), r.URL.Path)
	if err != nil || to.index {
		return nil, ""
	}
	if to.name == "" {
		to.name = filepath.Base(to.env)
	}
	names = []string{to.name}
	if loc, err := h.options.Registry.Locate(to.lookup); err == nil && loc.Name() != to.name {
		names = append(names, loc.Name())
	}
	return names, to.path
}

// baseOf is "scheme://host[:port]" for redirects, if the administrator has
// said it; else redirects name the path alone, which no forged Host header can
// turn elsewhere.
func (h *Host) baseOf(env *envs.Env, from sources) (string, error) {
	base, err := from.baseURL()
	if err != nil {
		return "", err
	}
	if own := env.Config().String("trac", "base_url"); own != "" && env.Config().Bool("trac", "use_base_url_for_redirect") {
		base = own
	}
	scheme, rest, ok := strings.Cut(base, "://")
	if !ok {
		return "", nil
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host, nil
}

// route sends the request down the one table of routes, with path as what is
// below the project.
func (h *Host) route(ctx context.Context, t *trace, r *http.Request, path string) error {
	t.clock.Begin(stage.Handle)
	ctx = context.WithValue(ctx, traceKey{}, t)
	below := r.WithContext(ctx)
	u := *r.URL
	u.Path, u.RawPath = path, ""
	below.URL = &u
	h.routes.ServeHTTP(t, below)
	return t.err
}
