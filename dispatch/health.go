package dispatch

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"projhost/front/gateway"
)

// Addresses that the program itself answers on every listener, whatever the
// environments are doing. No project's name begins with a dot.
const (
	LivePath  = gateway.OwnPrefix + "live"  // 200 if the process answers at all
	ReadyPath = gateway.OwnPrefix + "ready" // 200 if it takes requests, else 503
)

// retrySoon is what a client is told to wait, in seconds, while the program is
// not ready.
const retrySoon = "1"

// SetReady says whether the program takes requests: not before all listeners
// are open, nor when it is ending. It alters only what [ReadyPath] answers.
func (h *Host) SetReady(ready bool) { h.ready.Store(ready) }

// serveHealth answers for the program itself; it returns false for any other
// request. No environment is touched.
func (h *Host) serveHealth(w http.ResponseWriter, r *http.Request) bool {
	status, text := http.StatusOK, "live\n"
	switch r.URL.Path {
	default:
		return false
	case LivePath:
		h.options.Registry.Responds()
	case ReadyPath:
		if text = "ready\n"; !h.ready.Load() {
			status, text = http.StatusServiceUnavailable, "not ready\n"
		}
	}
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		status, text = http.StatusMethodNotAllowed, "only GET and HEAD\n"
	}
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retrySoon)
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text) // the client is gone if this fails
	}
	h.options.Log.LogAttrs(r.Context(), slog.LevelDebug, "asked for health", slog.String("path", r.URL.Path), slog.Int("status", status))
	return true
}

// probeTime bounds a Probe that has no deadline of its own.
const probeTime = 10 * time.Second

// Probe asks the host as a visitor would for [LivePath]. It does not return if
// the host is deadlocked.
func (h *Host) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, LivePath, http.NoBody)
	if err != nil {
		return err
	}
	p := &probed{header: http.Header{}}
	h.ServeHTTP(p, r)
	if p.status != http.StatusOK {
		return fmt.Errorf("%s answers %d", LivePath, p.status)
	}
	return ctx.Err()
}

// probed notes the status of an answer nobody reads.
type probed struct {
	header http.Header
	status int
}

func (p *probed) Header() http.Header         { return p.header }
func (p *probed) Write(b []byte) (int, error) { return len(b), nil }
func (p *probed) WriteHeader(status int)      { p.status = status }
