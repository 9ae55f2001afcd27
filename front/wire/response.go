package wire

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
// the like, then in one that holds a whole piece. Both begin with room for the
// head, so that a complete answer leaves in one piece.
const (
	// HeadRoom is where the body begins in a piece, see Link.Frame.
	HeadRoom = 1 << 10
	// FrameRoom is how many bytes are free before the head of a piece.
	FrameRoom = 8
	// TailRoom is how many bytes are free after a piece.
	TailRoom = 32
	// MaxPiece is the longest piece with its head and FrameRoom, in bytes. A
	// record of FastCGI has a header of 8 and content of at most 65,528.
	MaxPiece = 64 << 10

	smallLen = 4 << 10
	smallMax = smallLen - TailRoom
	largeLen = MaxPiece + TailRoom
	chunkLen = 32 << 10 // of ReadFrom
	sniffLen = 512      // what http.DetectContentType looks at
)

type (
	smallBuffer [smallLen]byte
	largeBuffer [largeLen]byte
)

var errEnded = errors.New("the handler of this response has ended")

// Response is the http.ResponseWriter of one request.
type Response struct {
	mu     sync.Mutex // a handler's goroutine may outlive it; buffers are used again
	x      *Exchange
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
	short bool // a part of the answer is missing
	cut   bool // because the handler has failed when another part was sent
	small *smallBuffer
	large *largeBuffer
	buf   []byte // buf[HeadRoom:] is body not yet sent
	max   int    // len(buf) is at most that

	deadline time.Time
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	io.ReaderFrom
	io.StringWriter
} = (*Response)(nil)

// Header returns the fields to be sent with the first WriteHeader, Write or Flush.
func (w *Response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header, 8)
	}
	return w.header
}

// WriteHeader panics if no status is like that, as that of net/http does.
// Informational ones are ignored: what web servers speak here cannot send them.
func (w *Response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended || status < 200:
	case w.wrote:
		w.x.Log(slog.LevelWarn, "superfluous WriteHeader", "status", w.status, "superfluous", status)
	default:
		w.begin(status)
	}
}

// begin fixes the status and the fields of the head.
func (w *Response) begin(status int) {
	w.wrote, w.status = true, status
	w.bodied = status != http.StatusNoContent && status != http.StatusNotModified
	if w.small == nil {
		w.small = w.x.shared.small.Get().(*smallBuffer)
		w.buf, w.max = w.small[:HeadRoom], min(smallMax, HeadRoom+int(w.x.limit))
	}
	b := w.x.link.BeginHead(w.buf[FrameRoom:FrameRoom:HeadRoom], status)
	h := headWriter{b: b, status: status, length: -1}
	h.write(w.header)
	w.heading, w.hasType, w.length = h.b, h.hasType || h.encoded, h.length
	if h.bad != "" {
		w.x.Log(slog.LevelWarn, "header field dropped", "field", h.bad)
	}
}

// Write sends p, or keeps it to be sent with more. It returns
// http.ErrBodyNotAllowed and http.ErrContentLength as that of net/http does,
// and ErrAborted when the web server has given up.
func (w *Response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString is Write.
func (w *Response) WriteString(p string) (int, error) { return write(w, p) }

func write[T []byte | string](w *Response, p T) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended:
		return 0, errEnded
	case w.x.link.Gone():
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
func (w *Response) room(n int) int {
	if w.large == nil && len(w.buf)+n > w.max {
		w.large = w.x.shared.large.Get().(*largeBuffer)
		copy(w.large[:], w.buf)
		if len(w.heading) <= HeadRoom-FrameRoom {
			w.heading = w.large[FrameRoom : FrameRoom+len(w.heading) : HeadRoom]
		}
		w.buf, w.max = w.large[:len(w.buf)], min(MaxPiece, HeadRoom+int(w.x.limit))
	}
	return w.max - len(w.buf)
}

func (w *Response) sniff(p []byte) {
	w.heading = appendField(w.heading, "Content-Type", http.DetectContentType(p))
	w.hasType = true
}

// ReadFrom writes all of src.
func (w *Response) ReadFrom(src io.Reader) (int64, error) {
	// The buffer of the answer is not lent to a reader that may never return.
	chunk := w.x.shared.large.Get().(*largeBuffer)
	defer w.x.shared.large.Put(chunk)
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
func (w *Response) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *Response) FlushError() error {
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
func (w *Response) SetReadDeadline(t time.Time) error {
	w.x.Body.setDeadline(t)
	return nil
}

// SetWriteDeadline takes the place of Config.WriteTimeout, for
// http.ResponseController. An answer that misses it costs its connection.
func (w *Response) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

// EnableFullDuplex does nothing: a body may always be read while writing.
func (w *Response) EnableFullDuplex() error { return nil }

// emit sends what is in the buffer.
func (w *Response) emit() error {
	piece, err := w.piece(false)
	if err == nil && len(piece) > 0 {
		err = w.x.link.Send(piece, w.deadline)
	}
	w.buf = w.buf[:HeadRoom]
	return err
}

// piece makes what is sent of the buffer, and of the head if that is not sent yet.
func (w *Response) piece(last bool) ([]byte, error) {
	start := HeadRoom - int(w.x.gap)
	if !w.sent {
		w.sent = true
		head := w.finishHead()
		if len(head) <= start-FrameRoom {
			start -= len(head)
			copy(w.buf[start:], head)
		} else if err := w.x.link.SendHead(head, w.deadline); err != nil {
			return nil, err
		}
	}
	return w.x.link.Frame(w.buf, start, last), nil
}

// finishHead adds what depends on the body.
func (w *Response) finishHead() []byte {
	if body := w.buf[HeadRoom:]; w.bodied && !w.hasType && len(body) > 0 {
		w.sniff(body)
	}
	if w.ended && w.bodied && w.length < 0 && (!w.head || w.written > 0) {
		w.heading = append(w.heading, "Content-Length: "...)
		w.heading = strconv.AppendInt(w.heading, w.written, 10)
		w.heading = append(w.heading, "\r\n"...)
	}
	return w.x.link.EndHead(w.heading, w.status)
}

// fail makes the answer one of 500 if nothing of it is sent yet, else one that
// is visibly cut short: see end.
func (w *Response) fail() {
	w.mu.Lock()
	fresh := !w.sent
	if !fresh {
		w.short, w.cut = true, true
	} else {
		w.wrote, w.header, w.written, w.hasType = false, nil, 0, false
		if w.buf != nil {
			w.buf = w.buf[:HeadRoom]
		}
	}
	w.mu.Unlock()
	if fresh {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// Short reports whether a part of the answer is missing when its last piece is
// framed.
func (w *Response) Short() bool { return w.short }

// end sends the rest and gives the buffers back.
func (w *Response) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.wrote {
		w.begin(http.StatusOK)
	}
	w.ended = true
	if !w.cut && w.length > w.written && w.bodied && !w.head && !w.x.link.Gone() {
		w.x.Log(slog.LevelWarn, "the answer is shorter than its Content-Length", "declared", w.length, "written", w.written)
		w.short = true
	}
	if w.cut {
		// One that got an orderly end would pass a page cut short off as a whole one.
		w.x.link.BreakOff()
	}
	// An error has closed the connection or aborted the request: nobody to tell.
	piece, _ := w.piece(true)
	_ = w.x.link.SendLast(piece, w.deadline)
	w.buf, w.heading = nil, nil
	if w.small != nil {
		w.x.shared.small.Put(w.small)
	}
	if w.large != nil {
		w.x.shared.large.Put(w.large)
	}
	w.small, w.large = nil, nil
}
