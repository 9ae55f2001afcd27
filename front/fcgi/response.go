package fcgi

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Answers are put together in a small buffer first, as most are redirects and
// the like, then in one that holds a whole record. Both begin with room for the
// head, so that a complete answer leaves in one piece.
const (
	headRoom = 1 << 10 // record header and head in front of the body
	smallLen = 4 << 10
	smallMax = smallLen - endLen // the end of the request is added to a full buffer
	largeMax = headerLen + maxAligned
	largeLen = largeMax + endLen
	chunkLen = 32 << 10 // of ReadFrom
	sniffLen = 512      // what http.DetectContentType looks at
)

type (
	smallBuffer [smallLen]byte
	largeBuffer [largeLen]byte
)

var errEnded = errors.New("fcgi: the handler of this response has ended")

// response is the http.ResponseWriter of one request.
type response struct {
	mu     sync.Mutex // a handler's goroutine may outlive it; buffers are used again
	req    *request
	header http.Header
	ended  bool

	wrote   bool // WriteHeader was called
	status  int
	head    bool   // of a HEAD request: Write only counts
	heading []byte // the head without the fields that depend on the body
	hasType bool
	bodied  bool  // status allows a body
	length  int64 // Content-Length as the handler says, -1 if it does not
	written int64 // bytes of body

	sent  bool // the head is sent
	app   uint32
	cut   bool // the handler has failed when a part of the answer was sent
	small *smallBuffer
	large *largeBuffer
	buf   []byte // buf[headRoom:] is body not yet sent
	max   int    // len(buf) is at most that

	deadline time.Time
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	io.ReaderFrom
	io.StringWriter
} = (*response)(nil)

// Header returns the fields to be sent with the first WriteHeader, Write or Flush.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header, 8)
	}
	return w.header
}

// WriteHeader panics if no status is like that, as that of net/http does.
// Informational ones are ignored: FastCGI cannot send them.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended || status < 200:
	case w.wrote:
		w.req.log(slog.LevelWarn, "fcgi: superfluous WriteHeader", "status", w.status, "superfluous", status)
	default:
		w.begin(status)
	}
}

// begin fixes the status and the fields of the head.
func (w *response) begin(status int) {
	w.wrote, w.status = true, status
	w.bodied = status != http.StatusNoContent && status != http.StatusNotModified
	if w.small == nil {
		w.small = w.req.c.s.small.Get().(*smallBuffer)
		w.buf, w.max = w.small[:headRoom], smallMax
	}
	h := headWriter{b: w.buf[headerLen:headerLen:headRoom], status: status, length: -1}
	h.write(w.header)
	w.heading, w.hasType, w.length = h.b, h.hasType || h.encoded, h.length
	if h.bad != "" {
		w.req.log(slog.LevelWarn, "fcgi: header field dropped", "field", h.bad)
	}
}

// Write sends p, or keeps it to be sent with more. It returns
// http.ErrBodyNotAllowed and http.ErrContentLength as that of net/http does,
// and ErrAborted when the web server has given up.
func (w *response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString is Write.
func (w *response) WriteString(p string) (int, error) { return write(w, p) }

func write[T []byte | string](w *response, p T) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended:
		return 0, errEnded
	case w.req.state.Load() != stateOpen:
		return 0, ErrAborted
	}
	if !w.wrote {
		w.begin(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !w.bodied {
		return 0, http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.written+int64(len(p)) > w.length {
		return 0, http.ErrContentLength
	}
	if w.head {
		if !w.hasType && w.written == 0 {
			w.sniff([]byte(p[:min(len(p), sniffLen)]))
		}
		w.written += int64(len(p))
		return len(p), nil
	}
	n := 0
	for {
		room := w.room(len(p) - n)
		if m := min(room, len(p)-n); m > 0 {
			w.buf = append(w.buf, p[n:n+m]...)
			w.written += int64(m)
			n += m
		}
		if n == len(p) {
			return n, nil
		}
		if err := w.emit(); err != nil {
			return n, err
		}
	}
}

// room returns how many bytes fit into the buffer, after taking the large one if
// n do not fit into the small one.
func (w *response) room(n int) int {
	if w.large == nil && len(w.buf)+n > w.max {
		w.large = w.req.c.s.large.Get().(*largeBuffer)
		copy(w.large[:], w.buf)
		if len(w.heading) <= headRoom-headerLen {
			w.heading = w.large[headerLen : headerLen+len(w.heading) : headRoom]
		}
		w.buf, w.max = w.large[:len(w.buf)], largeMax
	}
	return w.max - len(w.buf)
}

func (w *response) sniff(p []byte) {
	w.heading = appendField(w.heading, "Content-Type", http.DetectContentType(p))
	w.hasType = true
}

// ReadFrom writes all of src.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	// The buffer of the answer is not lent to a reader that may never return.
	chunk := w.req.c.s.large.Get().(*largeBuffer)
	defer w.req.c.s.large.Put(chunk)
	var total int64
	for {
		n, err := src.Read(chunk[:chunkLen])
		if n > 0 {
			m, werr := w.Write(chunk[:n])
			total += int64(m)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Flush sends what has been written.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errEnded
	}
	if !w.wrote {
		w.begin(http.StatusOK)
	}
	return w.emit()
}

// SetReadDeadline bounds reading the request body, for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error {
	w.req.body.setDeadline(t)
	return nil
}

// SetWriteDeadline takes the place of Server.WriteTimeout, for
// http.ResponseController. An answer that misses it costs its connection.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

// EnableFullDuplex does nothing: a body may always be read while writing.
func (w *response) EnableFullDuplex() error { return nil }

// emit sends what is in the buffer.
func (w *response) emit() error {
	start, err := w.record()
	if err == nil && len(w.buf) > start {
		err = w.req.send(w.buf[start:], w.deadline)
	}
	w.buf = w.buf[:headRoom]
	return err
}

// record makes an FCGI_STDOUT record of the buffer, and of the head if that is
// not sent yet. It returns where in buf it starts.
func (w *response) record() (start int, err error) {
	start = headRoom - headerLen
	if !w.sent {
		w.sent = true
		w.finishHead()
		if len(w.heading) <= start {
			start -= len(w.heading)
			copy(w.buf[start+headerLen:headRoom], w.heading)
		} else if err = w.sendLongHead(); err != nil {
			return start, err
		}
	}
	n := len(w.buf) - start - headerLen
	if n == 0 {
		return len(w.buf), nil
	}
	pad := paddingFor(n)
	putHeader(w.buf[start:], typeStdout, w.req.id, n, pad)
	var zero [8]byte
	w.buf = append(w.buf, zero[:pad]...)
	return start, nil
}

// finishHead adds what depends on the body, and the empty line.
func (w *response) finishHead() {
	if body := w.buf[headRoom:]; w.bodied && !w.hasType && len(body) > 0 {
		w.sniff(body)
	}
	if w.ended && w.bodied && w.length < 0 && (!w.head || w.written > 0) {
		w.heading = append(w.heading, "Content-Length: "...)
		w.heading = strconv.AppendInt(w.heading, w.written, 10)
		w.heading = append(w.heading, "\r\n"...)
	}
	w.heading = append(w.heading, "\r\n"...)
}

// sendLongHead sends a head that has no room in front of the body.
func (w *response) sendLongHead() error {
	var b []byte
	for h := w.heading; len(h) > 0; {
		n := min(len(h), maxAligned)
		b = appendRecord(b, typeStdout, w.req.id, h[:n])
		h = h[n:]
	}
	return w.req.send(b, w.deadline)
}

// fail makes the answer one of 500 if nothing of it is sent yet, else one that
// is visibly cut short: see end.
func (w *response) fail() {
	w.mu.Lock()
	fresh := !w.sent
	if !fresh {
		w.app, w.cut = 1, true
	} else {
		w.wrote, w.header, w.written, w.hasType = false, nil, 0, false
		if w.buf != nil {
			w.buf = w.buf[:headRoom]
		}
	}
	w.mu.Unlock()
	if fresh {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// end sends the rest and gives the buffers back.
func (w *response) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.wrote {
		w.begin(http.StatusOK)
	}
	w.ended = true
	start, err := w.record()
	if err == nil && w.length > w.written && w.bodied && !w.head {
		w.req.log(slog.LevelWarn, "fcgi: the answer is shorter than its Content-Length", "declared", w.length, "written", w.written)
		w.app = 1
	}
	if w.cut {
		// Web servers do not look at appStatus: one that got an end would pass
		// a page cut short off as a whole one.
		w.req.c.shutIfAlone(w.req)
	}
	var stdoutEnd [headerLen]byte
	putHeader(stdoutEnd[:], typeStdout, w.req.id, 0, 0)
	w.buf = append(w.buf, stdoutEnd[:]...)
	w.buf = appendEnd(w.buf, w.req.id, w.app, statusComplete)
	// An error has closed the connection or aborted the request: nobody to tell.
	_ = w.req.sendLast(w.buf[start:], w.deadline)
	w.buf, w.heading = nil, nil
	if w.small != nil {
		w.req.c.s.small.Put(w.small)
	}
	if w.large != nil {
		w.req.c.s.large.Put(w.large)
	}
	w.small, w.large = nil, nil
}
