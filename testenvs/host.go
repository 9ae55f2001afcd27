package testenvs

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"projhost/dispatch"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/project"
)

// Host is a host of environments in a directory of their own, asked in
// process as a FastCGI front end would.
type Host struct {
	tb     testing.TB
	Parent string
	Host   *dispatch.Host
	Log    *Log
	Front  http.Handler // in front of Host; nil is none

	options dispatch.Options
}

// NewHost makes environments of the given names and a host of them. Settings
// are the process's, "@P" in them is the parent directory; nil names it as
// TRAC_ENV_PARENT_DIR.
func NewHost(tb testing.TB, settings map[string]string, modules []project.Module, names ...string) *Host {
	tb.Helper()
	h := &Host{tb: tb, Parent: Parent(tb, names...), Log: new(Log)}
	if settings == nil {
		settings = map[string]string{"TRAC_ENV_PARENT_DIR": "@P"}
	}
	told := map[string]string{}
	for name, value := range settings {
		told[name] = h.path(value)
	}
	log := slog.New(slog.NewTextHandler(h.Log, nil))
	h.options = dispatch.Options{
		Registry: Registry(tb, h.Parent, envs.Options{Log: log}), Site: project.NewSite(modules...),
		Settings: told, Roots: []string{h.Parent}, Log: log,
	}
	h.Host = dispatch.New(h.options)
	return h
}

// Change makes the host anew with other options.
func (h *Host) Change(f func(*dispatch.Options)) {
	f(&h.options)
	h.Host = dispatch.New(h.options)
}

func (h *Host) path(s string) string { return strings.ReplaceAll(s, "@P", h.Parent) }

// Get asks for a path below the root of the site. Vars are further variables
// of the web server, "NAME=value", in which "@P" is the parent directory.
func (h *Host) Get(path string, vars ...string) *httptest.ResponseRecorder {
	h.tb.Helper()
	return h.Do(httptest.NewRequest(http.MethodGet, path, nil), vars...)
}

// Do asks as r says; its headers become HTTP_ variables. It is answered by Front
// if that is set.
func (h *Host) Do(r *http.Request, vars ...string) *httptest.ResponseRecorder {
	h.tb.Helper()
	pairs := []gateway.Pair{
		{Name: "REQUEST_METHOD", Value: r.Method}, {Name: "SCRIPT_NAME", Value: ""}, {Name: "PATH_INFO", Value: r.URL.Path},
		{Name: "REQUEST_URI", Value: r.URL.RequestURI()}, {Name: "QUERY_STRING", Value: r.URL.RawQuery},
		{Name: "SERVER_NAME", Value: "localhost"}, {Name: "SERVER_PORT", Value: "80"}, {Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "REMOTE_ADDR", Value: "127.0.0.1"}, {Name: "REMOTE_PORT", Value: "1"},
	}
	for _, v := range vars {
		name, value, _ := strings.Cut(h.path(v), "=")
		pairs = append(pairs, gateway.Pair{Name: name, Value: value})
	}
	if r.ContentLength > 0 {
		pairs = append(pairs, gateway.Pair{Name: "CONTENT_LENGTH", Value: strconv.FormatInt(r.ContentLength, 10)},
			gateway.Pair{Name: "CONTENT_TYPE", Value: r.Header.Get("Content-Type")})
	}
	for name, values := range r.Header {
		pairs = append(pairs, gateway.Pair{Name: "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")), Value: values[0]})
	}
	w := httptest.NewRecorder()
	v, err := gateway.New(&gateway.Listener{Name: "test"}, pairs)
	if err != nil {
		gateway.Refuse(w, err)
		return w
	}
	req, err := gateway.NewRequest(r.Context(), v, r.Body)
	if err != nil {
		gateway.Refuse(w, err)
		return w
	}
	if h.Front != nil {
		h.Front.ServeHTTP(w, req)
	} else {
		h.Host.ServeHTTP(w, req)
	}
	return w
}

// Log is a log that a test reads while it is written.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
