package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

var errTooLong = errors.New("the request body is longer than CONTENT_LENGTH")

// Spool is where the bodies of a server's requests are kept.
type Spool struct {
	limit   int64     // Config.MaxBody
	dir     string    // Config.TempDir
	windows sync.Pool // *[]byte of Config.BodyMemory bytes
}

// Body is the body of one request. Who reads the connection puts bytes in and
// never waits for the handler that takes them out: what does not fit the window
// in memory goes to an unlinked temporary file.
type Body struct {
	mu   sync.Mutex
	cond sync.Cond // something changed for a waiting Read
	s    *Spool

	window *[]byte  // of the pool, nil until the first byte
	r, w   int      // window[r:w] is to be read, before the file
	file   *os.File // what did not fit, nil if all did
	fr, fw int64    // file[fr:fw] is to be read
	got    int64    // bytes put in
	ask    func()   // has more sent, nil if it comes by itself
	want   int64    // CONTENT_LENGTH, -1 if there is none

	eof    bool  // End was called
	closed bool  // nobody reads any more
	asked  bool  // ask was called, and nothing has come since
	failed error // told after what was put in before it
	cut    error // told at once: the request is aborted

	deadline time.Time
	timer    *time.Timer
}

func (b *Body) init(s *Spool) {
	b.s, b.want = s, -1
	b.cond.L = &b.mu
}

// AskWith has a Read that finds nothing call ask, once until something is put
// in, for protocols in which a web server sends of a body what it is asked for.
func (b *Body) AskWith(ask func()) { b.ask = ask }

// Put appends p, or drops what is beyond the limits.
func (b *Body) Put(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.eof || b.failed != nil {
		return
	}
	limit, err := b.limit()
	if b.got+int64(len(p)) > limit {
		p = p[:limit-b.got]
		b.failed = err
	}
	b.got += int64(len(p))
	if err := b.store(p); err != nil {
		b.failed = fmt.Errorf("keeping a request body: %w", err)
	}
	b.asked = false
	b.cond.Broadcast()
}

// limit returns how long the body may be and the error if it is longer.
func (b *Body) limit() (int64, error) {
	if b.want >= 0 {
		return b.want, errTooLong
	}
	return b.s.limit, &http.MaxBytesError{Limit: b.s.limit}
}

func (b *Body) store(p []byte) error {
	if b.fr == b.fw {
		n, err := b.fill(p)
		if p = p[n:]; len(p) == 0 || err != nil {
			return err
		}
	}
	if b.file == nil {
		f, err := tempFile(b.s.dir)
		if err != nil {
			return err
		}
		b.file = f
	}
	n, err := b.file.WriteAt(p, b.fw)
	b.fw += int64(n)
	return err
}

// fill puts as much of p as fits into the window.
func (b *Body) fill(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.window == nil {
		b.window = b.s.windows.Get().(*[]byte)
	}
	mem := *b.window
	if len(mem)-b.w < len(p) && b.r > 0 {
		b.w = copy(mem, mem[b.r:b.w])
		b.r = 0
	}
	n := copy(mem[b.w:], p)
	b.w += n
	return n, nil
}

// tempFile makes a file that is gone with its last descriptor.
func tempFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "projhost-body-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// End says that all has come.
func (b *Body) End() {
	b.mu.Lock()
	b.eof = true
	b.mu.Unlock()
	b.cond.Broadcast()
}

// Complete reports whether all has arrived, and how long it was.
func (b *Body) Complete() (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got, b.eof
}

// Arrived reports whether all has come, as told by End.
func (b *Body) Arrived() bool {
	_, all := b.Complete()
	return all
}

// expect sets CONTENT_LENGTH. It returns an error if more has already arrived.
func (b *Body) expect(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want = n
	if b.got > n {
		b.failed = errTooLong
	}
	return b.failed
}

// abort makes every Read fail with err, the waiting ones too.
func (b *Body) abort(err error) {
	b.mu.Lock()
	b.cut = err
	b.mu.Unlock()
	b.cond.Broadcast()
}

// Read waits for bytes. After the last it returns io.EOF, or
// io.ErrUnexpectedEOF if the body is shorter than CONTENT_LENGTH, or
// *http.MaxBytesError if it is longer than Config.MaxBody, or ErrAborted as
// soon as the web server has given the request up.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		n, err := b.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if b.ask != nil && !b.asked {
			b.asked = true
			b.mu.Unlock() // asking may have to wait for the web server to listen
			b.ask()
			b.mu.Lock()
			continue
		}
		b.cond.Wait()
	}
}

// take returns 0, nil if there is nothing to be had yet.
func (b *Body) take(p []byte) (int, error) {
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.cut != nil:
		return 0, b.cut
	case b.r < b.w:
		n := copy(p, (*b.window)[b.r:b.w])
		if b.r += n; b.r == b.w {
			b.r, b.w = 0, 0
		}
		return n, nil
	case b.fr < b.fw:
		return b.takeFile(p)
	case b.failed != nil:
		return 0, b.failed
	case b.eof && b.got < b.want:
		return 0, io.ErrUnexpectedEOF
	case b.eof:
		return 0, io.EOF
	case !b.deadline.IsZero() && !time.Now().Before(b.deadline):
		return 0, os.ErrDeadlineExceeded
	}
	return 0, nil
}

func (b *Body) takeFile(p []byte) (int, error) {
	if int64(len(p)) > b.fw-b.fr {
		p = p[:b.fw-b.fr]
	}
	n, err := b.file.ReadAt(p, b.fr)
	if b.fr += int64(n); b.fr == b.fw {
		b.fr, b.fw = 0, 0 // from now on the window is used again
		if terr := b.file.Truncate(0); err == nil {
			err = terr
		}
	}
	if err != nil {
		return n, fmt.Errorf("reading a kept request body: %w", err)
	}
	return n, nil
}

// setDeadline is the read deadline of http.ResponseController.
func (b *Body) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = t
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if !t.IsZero() {
		b.timer = time.AfterFunc(time.Until(t), b.cond.Broadcast)
	}
	b.cond.Broadcast()
}

// Close drops what is left and what is yet to come.
func (b *Body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.window != nil {
		b.s.windows.Put(b.window)
		b.window = nil
	}
	b.cond.Broadcast()
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// PutFrom puts n bytes of in into the body.
func (b *Body) PutFrom(in *bufio.Reader, n int64) error {
	for n > 0 {
		if _, err := in.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		p, err := in.Peek(int(min(n, int64(in.Buffered()))))
		if err != nil {
			return err
		}
		b.Put(p)
		n -= int64(len(p))
		if _, err := in.Discard(len(p)); err != nil {
			return err
		}
	}
	return nil
}

// Fail has reading end with err after what was put in before.
func (b *Body) Fail(err error) {
	b.mu.Lock()
	if b.failed == nil {
		b.failed = err
	}
	b.mu.Unlock()
	b.cond.Broadcast()
}
