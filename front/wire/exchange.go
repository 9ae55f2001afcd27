package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"projhost/front/gateway"
)

// Link is what a protocol does for one request. Its methods but Pairs are
// called by one goroutine at a time.
type Link interface {
	// Pairs returns the variables of the request, or why it must not be: a *Refusal.
	Pairs() ([]gateway.Pair, error)

	// Gone reports whether the web server has given the request up: nothing is
	// sent any more.
	Gone() bool

	// BeginHead appends what stands in a head before its fields, EndHead what
	// stands after them. The fields are lines of "Name: value" and CR LF. EndHead
	// may make something else of all of it.
	BeginHead(b []byte, status int) []byte
	EndHead(b []byte, status int) []byte

	// Frame makes of a piece of the answer what is to be sent. b[HeadRoom:] is
	// the body, in b[start:HeadRoom-gap] is the head, if it leaves with this piece.
	// It may write to FrameRoom bytes before start, to the gap, and append
	// TailRoom bytes. After the last piece there is no other.
	Frame(b []byte, start int, last bool) []byte

	// SendHead sends a head that has no room in front of the body.
	SendHead(head []byte, deadline time.Time) error

	// Send sends a piece. A deadline that is not zero takes the place of
	// Config.WriteTimeout. ErrAborted is returned when Gone reports true.
	Send(p []byte, deadline time.Time) error

	// SendLast sends the last piece. It is called once, whatever has become of
	// the request.
	SendLast(p []byte, deadline time.Time) error

	// BreakOff closes the connection so that the web server sees that the
	// answer is not whole, unless others share the connection.
	BreakOff()
}

// Shared is what the requests of one call of Serve have in common.
type Shared struct {
	Name   string // of the protocol, for errors and logs
	Config *Config

	spool Spool
	small sync.Pool // *smallBuffer
	large sync.Pool // *largeBuffer
}

// NewShared makes it. The Config has its defaults filled in.
func NewShared(name string, cfg *Config) *Shared {
	s := &Shared{Name: name, Config: cfg}
	s.spool.limit, s.spool.dir = cfg.MaxBody, cfg.TempDir
	s.spool.windows.New = func() any { b := make([]byte, cfg.BodyMemory); return &b }
	s.small.New = func() any { return new(smallBuffer) }
	s.large.New = func() any { return new(largeBuffer) }
	return s
}

// Exchange is one request and its answer.
type Exchange struct {
	Ctx     context.Context
	Cancel  context.CancelCauseFunc
	Body    Body
	Resp    Response
	Vars    gateway.Vars  // once they are known
	Request *http.Request // nil until it is made

	shared *Shared
	link   Link
	gap    int32
	limit  int32
}

// Init begins an exchange. gap is how many bytes Link.Frame needs between the
// head and the body, limit how long the body of one piece may be, 0 for any.
func (x *Exchange) Init(base context.Context, s *Shared, link Link, gap, limit int) {
	x.Ctx, x.Cancel = context.WithCancelCause(base)
	x.shared, x.link, x.gap, x.limit = s, link, int32(gap), int32(limit)
	if limit == 0 {
		x.limit = math.MaxInt32
	}
	x.Body.init(&s.spool)
	x.Resp.x = x
}

// Run makes the request, runs its handler and ends the answer.
func (x *Exchange) Run() {
	defer func() {
		x.Resp.end()
		x.Cancel(nil)
		_ = x.Body.Close() // of an unlinked file
	}()
	returned := false
	defer func() {
		if !returned {
			x.panicked(recover()) // nil after runtime.Goexit
		}
	}()
	if err := x.make(); err != nil {
		x.Log(slog.LevelWarn, "request refused", "error", err)
		AnswerRefusal(&x.Resp, err)
	} else {
		x.shared.Config.Handler.ServeHTTP(&x.Resp, x.Request)
	}
	returned = true
}

// make makes the *http.Request, or returns why it must not be: a *Refusal or an
// error of gateway.
func (x *Exchange) make() error {
	cfg := x.shared.Config
	pairs, err := x.link.Pairs()
	if err != nil {
		return err
	}
	if x.Vars, err = gateway.New(&cfg.Listener, pairs); err != nil {
		return err
	}
	x.Resp.head = x.Vars.Get("REQUEST_METHOD") == http.MethodHead
	length, err := contentLength(x.Vars)
	if err != nil {
		return err
	}
	if length > cfg.MaxBody {
		return Refuse(http.StatusRequestEntityTooLarge, "a body of %d bytes, more than %d", length, cfg.MaxBody)
	}
	if length >= 0 {
		if err := x.Body.expect(length); err != nil {
			return Refuse(http.StatusBadRequest, "%w", err)
		}
	}
	var body io.ReadCloser = &x.Body
	if got, all := x.Body.Complete(); all && got == 0 && length <= 0 {
		body, length = http.NoBody, 0
	}
	if x.Request, err = gateway.NewRequest(x.Ctx, x.Vars, body); err != nil {
		return err
	}
	x.Request.ContentLength = length
	return nil
}

// contentLength returns -1 if the web server does not say.
func contentLength(v gateway.Vars) (int64, error) {
	s := v.Get("CONTENT_LENGTH")
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, Refuse(http.StatusBadRequest, "CONTENT_LENGTH %q is not a length", s)
	}
	return int64(n), nil
}

// Refusal is why a request is not given to the handler. The visitor is told the
// status alone.
type Refusal struct {
	Status int
	err    error
}

func (e *Refusal) Error() string { return e.err.Error() }

// Unwrap returns the error that Refuse was told.
func (e *Refusal) Unwrap() error { return e.err }

// Refuse makes a *Refusal, with words for the log as fmt.Errorf makes them.
func Refuse(status int, format string, args ...any) error {
	return &Refusal{status, fmt.Errorf(format, args...)}
}

// AnswerRefusal answers a request that no handler sees, for a *Refusal or an
// error of gateway; of err it tells the status alone.
func AnswerRefusal(w http.ResponseWriter, err error) {
	var own *Refusal
	if errors.As(err, &own) {
		if own.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, http.StatusText(own.Status), own.Status)
		return
	}
	gateway.Refuse(w, err)
}

// retryAfter is what a visitor is told to wait, in seconds, when there are too
// many requests.
const retryAfter = "1"

// panicked logs a panic and makes the best of the answer.
func (x *Exchange) panicked(v any) {
	x.Resp.fail()
	cfg := x.shared.Config
	switch {
	case v == nil || v == http.ErrAbortHandler: //nolint:errorlint // net/http compares it so, too
	case cfg.PanicLog != nil && x.Request != nil:
		cfg.PanicLog(x.Request, v, debug.Stack())
	default:
		x.Log(slog.LevelError, "handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// Log says which request it is that went wrong.
func (x *Exchange) Log(level slog.Level, msg string, args ...any) {
	for _, name := range []string{"REQUEST_ID", "X_REQUEST_ID"} {
		if id := x.Vars.Get(name); id != "" {
			args = append(args, "request", id)
			break
		}
	}
	if x.Request != nil {
		args = append(args, "method", x.Request.Method, "path", x.Request.URL.Path)
	}
	x.shared.Config.Log.Log(x.Ctx, level, x.shared.Name+": "+msg, append(args, "listener", x.shared.Config.Listener.Name)...)
}

// Interrupt cancels the request's context and ends its body.
func (x *Exchange) Interrupt(cause error) {
	x.Cancel(cause)
	x.Body.abort(cause)
}
