package dispatch

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/project"
)

// routeTable asks every module once for its routes.
func (h *Host) routeTable() chi.Router {
	mux := chi.NewRouter()
	for _, m := range h.options.Site.Modules() {
		m.Routes(router{mux, h})
	}
	router{mux, h}.Get("/", start)
	mux.NotFound(h.adapt(h.notFound))
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(methodsOf(mux, r.URL.Path), ", "))
		h.adapt(notAllowed)(w, r)
	})
	return mux
}

// methodsOf are the methods that a path has (RFC 9110 section 10.2.1).
func methodsOf(mux *chi.Mux, path string) (list []string) {
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if mux.Match(chi.NewRouteContext(), m, path) {
			list = append(list, m)
		}
	}
	return list
}

// router is what a module sees of the table.
type router struct {
	mux  chi.Router
	host *Host
}

var _ project.Router = router{}

// Get adds a route for GET and HEAD.
func (r router) Get(pattern string, handler project.Handler) {
	h := r.host.adapt(handler)
	r.mux.Get(pattern, h)
	r.mux.Head(pattern, h)
}

// Post adds a route for POST, whose handler is given a form that was read and
// is from a page of the project's own.
func (r router) Post(pattern string, handler project.Handler) {
	r.mux.Post(pattern, r.host.adapt(func(req *project.Request) (project.Reply, error) {
		if err := project.ReadForm(req); err != nil {
			return nil, err
		}
		return handler(req)
	}))
}

// adapt is where the environment is read from the context, and nowhere else:
// below it, everything is handed on by name.
func (h *Host) adapt(handler project.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		t := ctx.Value(traceKey{}).(*trace)
		t.err = h.handle(ctx, t, r, handler)
	}
}

func (h *Host) handle(ctx context.Context, t *trace, r *http.Request, handler project.Handler) error {
	env, err := envs.FromContext(ctx)
	if err != nil {
		return err
	}
	place := t.place
	place.Wildcard = wildcard(ctx)
	req, err := project.NewRequest(ctx, r, env, h.options.Site, place)
	if err != nil {
		return err
	}
	t.request = req
	if env.ReadOnly() && !safe(r.Method) {
		return fault.Wrap(fault.Denied, "This project is read-only: nothing can be changed in it.", fmt.Errorf("%s in an environment that is only read (by %s)", r.Method, env.ReadOnlyBy()))
	}
	reply, err := handler(req)
	if err != nil {
		return err
	}
	if reply == nil {
		return fmt.Errorf("the handler of %s answered nothing", r.URL.Path)
	}
	return reply.Write(t, req)
}

// safe is true for the methods that change nothing (RFC 9110 section 9.2.1). All
// others are refused in an environment that is only read, with 403: to come back
// later, as 503 asks for, would be of no use.
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// wildcard is what the pattern's "*" stood for.
func wildcard(ctx context.Context) string {
	if rc := chi.RouteContext(ctx); rc != nil {
		return rc.URLParam("*")
	}
	return ""
}

// start answers a project's first page through the module that [trac]
// default_handler names.
func start(r *project.Request) (project.Reply, error) {
	s, ok := r.Site.Starter(r)
	if !ok {
		name := r.Env.Config().String("trac", "default_handler")
		return nil, fault.Wrap(fault.NotFound, "This project has no start page here.", fmt.Errorf("[trac] default_handler = %s is not a module of this server", name))
	}
	return s.Start(r)
}

// notFound answers an address no module has. One with slashes at its end is
// sent to the same without them, as Trac does.
func (h *Host) notFound(r *project.Request) (project.Reply, error) {
	path := strings.TrimRight(r.URL.Path, "/")
	if path != r.URL.Path && path != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return project.Redirect{Path: path, Query: r.URL.RawQuery, Permanent: true}, nil
	}
	return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no page %s in this project.", r.URL.Path))
}

func notAllowed(r *project.Request) (project.Reply, error) {
	return nil, fault.New(fault.Method, fmt.Sprintf("%s is not something that can be done here.", r.Method))
}
