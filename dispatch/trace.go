package dispatch

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"projhost/envs"
	"projhost/front/gateway"
	"projhost/project"
)

// maxRequestID bounds an id taken over from the web server.
const maxRequestID = 64

// trace follows one request: it is the ResponseWriter that counts, and what
// the log line at the end says.
type trace struct {
	http.ResponseWriter
	id      string
	path    string
	started time.Time
	env     *envs.Env
	release func() // gives env back; nil without one
	place   project.Place
	request *project.Request
	err     error
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
	if t.env == nil {
		return ""
	}
	return t.env.Name()
}

// logRequest writes the access line.
func (h *Host) logRequest(r *http.Request, t *trace) {
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
		slog.Duration("took", time.Since(t.started)), slog.String("user", user), slog.String("remote", r.RemoteAddr))
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
