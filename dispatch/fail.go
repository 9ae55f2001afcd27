package dispatch

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"projhost/internal/fault"
	"projhost/project"
	"projhost/templates"
)

// statusCanceled is what nginx logs for a client that went away. Nobody reads
// the answer.
const statusCanceled = 499

// answer is what a kind of failure looks like over HTTP.
type answer struct {
	status  int
	message string // if the failure has no public words of its own
	level   slog.Level
}

// answerTo is the one table of kinds of failure and their statuses.
func answerTo(k fault.Kind) answer {
	switch k {
	case fault.Invalid:
		return answer{http.StatusBadRequest, "The address or the form that was sent makes no sense here.", slog.LevelInfo}
	case fault.NotFound:
		return answer{http.StatusNotFound, "There is nothing at this address.", slog.LevelInfo}
	case fault.Denied:
		return answer{http.StatusForbidden, "You may not see or do this.", slog.LevelInfo}
	case fault.Method:
		return answer{http.StatusMethodNotAllowed, "This address cannot be used in this way.", slog.LevelInfo}
	case fault.Conflict:
		return answer{http.StatusConflict, "Somebody else has changed this in the meantime.", slog.LevelInfo}
	case fault.TooLarge:
		return answer{http.StatusRequestEntityTooLarge, "What was sent is larger than allowed here.", slog.LevelInfo}
	case fault.Busy:
		return answer{http.StatusServiceUnavailable, "This cannot be answered at the moment.", slog.LevelWarn}
	case fault.Canceled:
		return answer{statusCanceled, "The request was given up.", slog.LevelInfo}
	default:
		return answer{http.StatusInternalServerError, "Something went wrong on the server. It has been logged.", slog.LevelError}
	}
}

// fail logs err and answers with its page. The visitor reads the failure's
// public words and the request's id, under which the log has the cause.
func (h *Host) fail(w http.ResponseWriter, r *http.Request, t *trace, err error) {
	f := fault.As(err)
	a := answerTo(f.Kind)
	t.failed = a.status
	h.log(t).LogAttrs(r.Context(), a.level, "request failed", slog.String("id", t.id), slog.Int("status", a.status),
		slog.String("method", r.Method), slog.String("path", t.path), slog.String("error", err.Error()))
	if t.wrote {
		// A part of the answer is out: the one honest thing is to break it off.
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	message := f.Public
	if message == "" {
		message = a.message
	}
	h.errorPage(w, r, t, templates.Problem{Status: a.status, Message: message, ID: t.id})
}

// errorPage writes a failure in the project's look, if there is a project and
// its page can be made, else as plain text.
func (h *Host) errorPage(w http.ResponseWriter, r *http.Request, t *trace, p templates.Problem) {
	header := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "ETag", "Last-Modified", "Set-Cookie"} {
		header.Del(name)
	}
	header.Set("Cache-Control", "no-store")
	var buf bytes.Buffer
	switch {
	case h.projectPage(&buf, t, p):
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", project.PagePolicy())
		t.request.WriteCookies(header) // the page may hold a form, and its token
	case wantsHTML(r) && hostPage(&buf, p) == nil:
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", templates.HostPolicy())
	default:
		buf.Reset()
		buf.WriteString(p.Message + "\n\nRequest " + p.ID + "\n")
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(buf.Bytes()) // the client is gone if this fails
	}
}

// errorPageTime is what an error page may take beyond the request's own time.
const errorPageTime = 5 * time.Second

// projectPage renders a failure inside the project's chrome, if there is a
// project and its chrome can be made.
func (h *Host) projectPage(buf *bytes.Buffer, t *trace, p templates.Problem) bool {
	if t.request == nil || p.Status == statusCanceled {
		return false
	}
	// The request's own context may have ended; the page needs a moment more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.request.Context()), errorPageTime)
	defer cancel()
	err := project.RenderFailure(ctx, buf, t.request, p)
	if err != nil && fault.As(err).Kind != fault.Busy { // which is what the page is about
		h.log(t).Error("the error page cannot be made", "id", t.id, "error", err)
	}
	return err == nil
}

// wantsHTML is true for a client that says so: a browser, not a script.
func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// WriteProblem answers where there is no project with a page about a failure, or
// plain text to a client that takes no page. Headers that are set stay.
func WriteProblem(w http.ResponseWriter, r *http.Request, status int, message string) {
	var buf bytes.Buffer
	header := w.Header()
	if wantsHTML(r) && hostPage(&buf, templates.Problem{Status: status, Message: message}) == nil {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", templates.HostPolicy())
	} else {
		buf.Reset()
		buf.WriteString(message + "\n")
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(buf.Bytes()) // the client is gone if this fails
	}
}

func hostPage(buf *bytes.Buffer, p templates.Problem) error {
	buf.Reset()
	return templates.HostError(p).Render(context.Background(), buf)
}
