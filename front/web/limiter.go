package web

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"

	"projhost/front/wire"
)

// limiter is a listener that has at most so many connections open. Before it
// makes one more wait, it closes the one that has been idle for longest, so that
// kept connections nobody uses do not keep others out.
type limiter struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	cfg    *wire.Config
	allow  func(net.Addr) bool
	wrap   func(net.Conn) net.Conn // nil: as it is

	mu      sync.Mutex
	waiting bool       // a connection waits for a place, and none was idle
	idle    *list.List // of net.Conn, the one idle for longest first
	at      map[net.Conn]*list.Element
}

func newLimiter(l net.Listener, cfg *wire.Config, allow func(net.Addr) bool, wrap func(net.Conn) net.Conn) *limiter {
	return &limiter{
		Listener: l, slots: make(chan struct{}, cfg.MaxConns), closed: make(chan struct{}), cfg: cfg, allow: allow, wrap: wrap,
		idle: list.New(), at: map[net.Conn]*list.Element{},
	}
}

// Accept waits for a place, then for a connection.
func (l *limiter) Accept() (net.Conn, error) {
	if !l.takeSlot() {
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		switch {
		case err != nil:
			<-l.slots
			return nil, err
		case l.allow(c.RemoteAddr()):
			if l.wrap != nil {
				c = l.wrap(c)
			}
			l.cfg.Traffic.Begin()
			return &conn{Conn: c, l: l}, nil
		}
		_ = c.Close() // nobody who matters is told
	}
}

// takeSlot returns false if the listener has been closed.
func (l *limiter) takeSlot() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
	}
	l.cfg.Traffic.Full.Add(1)
	l.mu.Lock()
	e := l.idle.Front()
	l.waiting = e == nil
	l.mu.Unlock()
	if e != nil {
		_ = e.Value.(net.Conn).Close()
	}
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.closed:
		return false
	}
}

// open is how many connections there are.
func (l *limiter) open() int { return len(l.slots) }

// Close closes the listener, once.
func (l *limiter) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// state is for http.Server.ConnState: it keeps the list of idle connections,
// and closes the next that becomes idle if one more waits for it.
func (l *limiter) state(c net.Conn, s http.ConnState) {
	if l.note(c, s) {
		_ = c.Close()
	}
}

// note returns true if c is to be closed.
func (l *limiter) note(c net.Conn, s http.ConnState) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.at[c]; ok {
		l.idle.Remove(e)
		delete(l.at, c)
	}
	switch {
	case s != http.StateIdle:
		return false
	case l.waiting:
		l.waiting = false
		return true
	}
	l.at[c] = l.idle.PushBack(c)
	return false
}

// conn gives its place back when it is closed, and bounds each write.
type conn struct {
	net.Conn
	l    *limiter
	once sync.Once
}

// Write bounds itself: http.Server.WriteTimeout would bound a whole answer,
// however long it is and however well it goes on.
func (c *conn) Write(p []byte) (int, error) {
	return inPieces(p, func(piece []byte) (int, error) {
		if err := c.SetWriteDeadline(time.Now().Add(c.l.cfg.WriteTimeout)); err != nil {
			return 0, err
		}
		return c.Conn.Write(piece)
	})
}

// pieceLen is what is written at once, in bytes: a deadline for more of it would
// be one for a whole page, which a handler writes at once.
const pieceLen = 64 << 10

// inPieces writes p, piece by piece; an empty p is one.
func inPieces(p []byte, write func([]byte) (int, error)) (n int, err error) {
	for {
		m, err := write(p[n:min(len(p), n+pieceLen)])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.l.cfg.Traffic.End()
		<-c.l.slots
	})
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before it closes the connection; else
// a client that still sends would lose the answer to a reset.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
