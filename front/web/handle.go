package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"projhost/front/gateway"
	"projhost/front/wire"
)

// handle takes a request of net/http's to the handler.
func (s *serving) handle(w http.ResponseWriter, r *http.Request) {
	defer s.active.Add(-1)
	if s.ending.Load() {
		w.Header().Set("Connection", "close")
	}
	own, err := s.admit(s.active.Add(1), r)
	if err != nil {
		s.Log.Warn("web: request refused", "listener", s.Listener.Name, "peer", r.RemoteAddr, "error", err)
		if r.ContentLength > s.MaxBody {
			w.Header().Set("Connection", "close") // rather than read it
		}
		wire.AnswerRefusal(w, err)
		return
	}
	if own.Body != nil && own.Body != http.NoBody {
		b := &body{ReadCloser: http.MaxBytesReader(w, own.Body, s.MaxBody), rc: http.NewResponseController(w), wait: s.BodyTimeout, stream: r.ProtoMajor == 2}
		own.Body = b
		if !b.stream { // of which nobody reads what the handler leaves unread
			b.extend()
			defer b.last()
		}
	}
	answer := &response{ResponseWriter: w}
	if r.ProtoMajor == 2 {
		answer.wait = s.WriteTimeout
		defer answer.extend() // for what is sent after the handler has ended
	}
	s.guard(answer, own)
}

// admit makes of a request, one of active, what handlers are given, or returns
// why it must not be.
func (s *serving) admit(active int64, r *http.Request) (*http.Request, error) {
	if active > int64(s.MaxRequests) {
		s.Traffic.TurnedAway.Add(1)
		return nil, wire.Refuse(http.StatusServiceUnavailable, "as many requests as allowed, %d", s.MaxRequests)
	}
	if r.ContentLength > s.MaxBody {
		return nil, wire.Refuse(http.StatusRequestEntityTooLarge, "a body of %d bytes, more than %d", r.ContentLength, s.MaxBody)
	}
	return gateway.FromHTTP(&s.Listener, r)
}

// guard keeps a handler's panic from anything but its own request: it is logged
// and answered with a plain 500, or the connection is closed if the answer has
// begun, so that nobody takes it for whole.
func (s *serving) guard(w *response, r *http.Request) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
			panic(v)
		}
		if s.PanicLog != nil {
			s.PanicLog(r, v, debug.Stack())
		} else {
			s.Log.Error("web: handler panicked", "panic", fmt.Sprint(v), "request", r.Header.Get("X-Request-Id"),
				"method", r.Method, "path", r.URL.Path, "listener", s.Listener.Name, "stack", string(debug.Stack()))
		}
		if w.begun {
			panic(http.ErrAbortHandler)
		}
		clear(w.Header())
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	}()
	s.Handler.ServeHTTP(w, r)
}

// response notes whether an answer has begun. On a stream of HTTP/2 it bounds the
// wait for the client to make room: the connection, which conn bounds, may be fine
// while a stream is not read.
type response struct {
	http.ResponseWriter
	begun bool
	wait  time.Duration // of one piece of a stream; 0 on a connection of HTTP/1
}

var (
	_ http.Flusher  = (*response)(nil)
	_ io.ReaderFrom = (*response)(nil)
)

// WriteHeader does not begin the answer with a status of 1xx.
func (w *response) WriteHeader(code int) {
	w.begun = w.begun || code >= http.StatusOK
	w.ResponseWriter.WriteHeader(code)
}

func (w *response) Write(p []byte) (int, error) {
	w.begun = true
	if w.wait == 0 {
		return w.ResponseWriter.Write(p)
	}
	defer w.relax()
	return inPieces(p, func(piece []byte) (int, error) {
		w.extend()
		return w.ResponseWriter.Write(piece)
	})
}

// extend begins a new wait, relax ends it: the deadline of a stream would strike
// between two writes, too.
func (w *response) extend() { w.deadline(time.Now().Add(w.wait)) }
func (w *response) relax()  { w.deadline(time.Time{}) }

func (w *response) deadline(t time.Time) {
	if w.wait > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t) // streams have deadlines
	}
}

// ReadFrom lets net/http copy a file as it does best.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.begun = true
	if w.wait > 0 {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	return io.Copy(w.ResponseWriter, r)
}

// Flush sends what has been written.
func (w *response) Flush() { _ = w.FlushError() } // the connection's end shows elsewhere

// FlushError is Flush for http.ResponseController.
func (w *response) FlushError() error {
	w.begun = true
	w.extend()
	defer w.relax()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// body bounds the wait for each part of a request's body. At its end it takes
// the bound away again: net/http then reads on, to learn of the client's going,
// and would take a time-out for that.
type body struct {
	io.ReadCloser
	rc     *http.ResponseController
	wait   time.Duration
	stream bool // of HTTP/2, whose deadline would strike between two reads, too, and for good
	ended  bool
}

func (b *body) Read(p []byte) (int, error) {
	if !b.ended {
		b.extend()
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !b.ended {
		b.ended = true
	}
	if b.ended || b.stream {
		b.deadline(time.Time{})
	}
	return n, err
}

// extend begins a new wait.
func (b *body) extend() { b.deadline(time.Now().Add(b.wait)) }

// last bounds the wait for what the handler has left unread, which net/http
// reads before the next request.
func (b *body) last() {
	if !b.ended {
		b.extend()
	}
}

// deadline ignores an error: a connection that has none is closed already, and
// reading it says so.
func (b *body) deadline(t time.Time) { _ = b.rc.SetReadDeadline(t) }
