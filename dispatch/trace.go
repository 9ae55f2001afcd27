package dispatch

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"projhost/envs"
	"projhost/front/gateway"
	"projhost/internal/stage"
	"projhost/project"
	"projhost/watch"
)

// maxRequestID bounds an id taken over from the web server.
const maxRequestID = 64

// trace follows one request: it is the ResponseWriter that counts, and what
// the log line at the end says.
type trace struct {
	http.ResponseWriter
	id      string
	path    string
	clock   stage.Clock
	at      envs.Location // where the environment is, even if it cannot be had; the zero value without one
	env     *envs.Env
	release func() // gives env back; nil without one
	place   project.Place
	request *project.Request
	err     error
	failed  int // status of the failure, even if another was sent before it; 0 without one
	status  int
	bytes   int64
	wrote   bool
}

type traceKey struct{}

// WriteHeader notes the status.
func (t *trace) WriteHeader(status int) {
	if !t.wrote && status >= http.StatusOK {
		t.status, t.wrote = status, true
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (t *trace) Write(p []byte) (int, error) {
	if !t.wrote {
		t.WriteHeader(http.StatusOK)
	}
	t.clock.Begin(stage.Send)
	defer t.clock.End(stage.Send)
	n, err := t.ResponseWriter.Write(p)
	t.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the front end's writer.
func (t *trace) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// letGo gives the environment back; nothing of it may be used from here on.
func (t *trace) letGo() {
	if t.release != nil {
		t.release()
	}
}

func (t *trace) envName() string {
	if t.at.Dir() == "" {
		return ""
	}
	return t.at.Name()
}

// log is where to write about a request: the environment's log, or the host's.
func (h *Host) log(t *trace) *slog.Logger {
	if t.env == nil {
		return h.options.Log.With("env", t.envName())
	}
	return t.env.Log()
}

// account counts and logs a request at its end.
func (h *Host) account(r *http.Request, t *trace) {
	times := t.clock.Times()
	if h.options.Meter != nil {
		s := watch.Sample{Status: cmp.Or(t.failed, t.status), Bytes: t.bytes, Times: times, End: time.Now()}
		s.Dir, s.Name = t.at.Dir(), t.envName()
		h.options.Meter.Observe(s)
	}
	h.logRequest(r, t, times.Total())
	h.logSlow(r, t, &times)
}

// logRequest writes the access line. It is the host's alone: Trac's log of an
// environment has none.
func (h *Host) logRequest(r *http.Request, t *trace, took time.Duration) {
	if !h.options.Log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	user := ""
	if t.request != nil {
		user = t.request.User.Name()
	}
	h.options.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("id", t.id), slog.String("env", t.envName()), slog.String("method", r.Method),
		slog.String("path", t.path), slog.Int("status", t.status), slog.Int64("bytes", t.bytes),
		slog.Duration("took", took), slog.String("user", user), slog.String("remote", r.RemoteAddr))
}

// logSlow writes where the time of a slow request went. A client that takes its
// answer slowly makes no request slow.
func (h *Host) logSlow(r *http.Request, t *trace, times *stage.Times) {
	if h.options.Slow <= 0 || times.Total()-times[stage.Send] < h.options.Slow {
		return
	}
	attrs := make([]slog.Attr, 0, 5+len(times))
	attrs = append(attrs, slog.String("id", t.id), slog.String("method", r.Method), slog.String("path", t.path), slog.Int("status", t.status))
	for i, name := range stage.Names() {
		attrs = append(attrs, slog.Duration(name, times[i]))
	}
	h.log(t).LogAttrs(r.Context(), slog.LevelWarn, "slow request", append(attrs, slog.Duration("total", times.Total()))...)
}

// requestID is the id the web server gave the request in its variable
// REQUEST_ID, or a new one. A header is not believed: it is the visitor's.
func requestID(r *http.Request) string {
	if id := gateway.FromContext(r.Context()).Get("REQUEST_ID"); usableID(id) {
		return id
	}
	return rand.Text()[:16]
}

func usableID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}
