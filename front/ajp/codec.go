package ajp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"projhost/front/wire"
)

// Codes of packets.
const (
	codeForward   = 2  // to us
	codeBody      = 3  // from us, as are the next four
	codeHeaders   = 4  // status and header fields
	codeEnd       = 5  // of the answer
	codeMore      = 6  // asks for more of the body
	codePong      = 9  // answers codePing
	codePing      = 10 // to us
	headerLen     = 4  // two bytes of magic, the length of what follows
	bodyHeaderLen = 7  // of a packet of codeBody
)

// codec reads and writes the packets of a connection.
type codec struct {
	srv  *Server
	conn *wire.Conn

	length int64 // of the body, -1 if it is not known

	mu       sync.Mutex
	owed     bool // a packet of the body is on its way
	partial  bool // one is being read
	complete bool // there are no more of them
}

var _ interface {
	wire.Codec
	wire.Asker
} = (*codec)(nil)

// readLength reads the header of a packet.
func readLength(in *bufio.Reader) (int, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return 0, err
	}
	if h[0] != 0x12 || h[1] != 0x34 {
		return 0, wire.Malformedf("not AJP: a packet begins with %#x", h[:2])
	}
	return int(binary.BigEndian.Uint16(h[2:])), nil
}

// ReadHead reads a packet that forwards a request, or answers a ping.
func (c *codec) ReadHead(in *bufio.Reader) (wire.Head, error) {
	n, err := readLength(in)
	if err != nil {
		return wire.Head{}, err
	}
	if n > c.srv.MaxParamBytes {
		return wire.Head{}, wire.Refuse(http.StatusRequestHeaderFieldsTooLarge, "a request of %d bytes, more than %d", n, c.srv.MaxParamBytes)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return wire.Head{}, err
	}
	switch {
	case n == 1 && b[0] == codePing:
		if err := c.conn.Say([]byte{'A', 'B', 0, 1, codePong}); err != nil {
			return wire.Head{}, err
		}
		return wire.Head{}, wire.ErrNoRequest
	case n == 0:
		return wire.Head{}, wire.ErrNoRequest // the end of a body, which lighttpd sends unasked
	case b[0] != codeForward:
		return wire.Head{}, wire.Malformedf("a packet of code %d and %d bytes is neither a request nor a ping", b[0], n)
	}
	return c.request(string(b[1:]))
}

func (c *codec) request(s string) (wire.Head, error) {
	r, err := parse(s, c.srv.MaxParams)
	if err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	if err := r.admit(c.srv.Secret); err != nil {
		return wire.Head{}, err
	}
	if c.length, err = r.length(); err != nil {
		return wire.Head{}, wire.Refuse(http.StatusBadRequest, "%w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Of a body of known length the first packet comes unasked.
	c.owed, c.partial, c.complete = c.length > 0, false, c.length == 0
	return wire.Head{Pairs: r.pairs, Length: c.length}, nil
}

// askFor is how much of a body is asked for, as Tomcat does: what fits into a
// packet of the usual size.
const askFor = DefaultPacketSize - headerLen - 2

// Ask asks for more of the body, unless some is on its way.
func (c *codec) Ask() {
	c.mu.Lock()
	if c.owed || c.complete {
		c.mu.Unlock()
		return
	}
	c.owed = true
	c.conn.Expect(true)
	c.mu.Unlock()
	_ = c.conn.Say([]byte{'A', 'B', 0, 3, codeMore, askFor >> 8, askFor & 0xff}) // an error has closed the connection
}

// ReadBody reads the packets of the body that come, until its end, or until the
// request is answered and none is on its way.
func (c *codec) ReadBody(in *bufio.Reader, b *wire.Body) error {
	for got := int64(0); ; {
		c.mu.Lock()
		complete := c.complete
		c.conn.Expect(c.owed)
		c.mu.Unlock()
		if complete {
			return nil
		}
		if _, err := in.Peek(1); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && !c.isOwed() {
				return nil
			}
			return err
		}
		switch {
		case c.isOwed():
		case c.conn.Answered():
			return nil // it is the next request
		default:
			return wire.Malformedf("a packet that was not asked for while a request is being answered")
		}
		n, err := readPart(in)
		if err != nil {
			return err
		}
		got += int64(n)
		c.mu.Lock()
		// Before the handler can see it and ask for more:
		c.owed, c.partial, c.complete = false, true, n == 0 || c.length >= 0 && got >= c.length
		c.mu.Unlock()
		if err := b.PutFrom(in, int64(n)); err != nil {
			return err
		}
		c.mu.Lock()
		c.partial = false
		c.mu.Unlock()
	}
}

func (c *codec) isOwed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owed
}

// readPart reads the head of a packet of the body and returns how many bytes of
// it follow. At the end comes an empty one, with or without its length.
func readPart(in *bufio.Reader) (int, error) {
	n, err := readLength(in)
	if err != nil || n == 0 {
		return 0, err
	}
	var h [2]byte
	if n >= len(h) {
		if _, err := io.ReadFull(in, h[:]); err != nil {
			return 0, err
		}
	}
	if m := int(binary.BigEndian.Uint16(h[:])); n != len(h)+m {
		return 0, wire.Malformedf("a packet of %d bytes has %d bytes of a body", n, m)
	}
	return n - len(h), nil
}

// Kept reports whether the connection can be used again: nothing of a body is on
// its way.
func (c *codec) Kept() bool {
	c.mu.Lock()
	clean := !c.owed && !c.partial
	c.mu.Unlock()
	return clean && c.conn.MayKeep() && !c.conn.Short()
}

// Shape returns the room that a packet's header needs, and how long a body fits
// into a packet: code, length and a last byte of zero are there, too.
func (c *codec) Shape() (gap, limit int) {
	return bodyHeaderLen, c.srv.PacketSize - bodyHeaderLen - 1
}

// BeginHead appends nothing: EndHead knows the status.
func (c *codec) BeginHead(b []byte, _ int) []byte { return b }

// responseHeaders are the header fields of an answer of code 1 and so on.
func responseHeaders() [11]string {
	return [...]string{
		"Content-Type", "Content-Language", "Content-Length", "Date", "Last-Modified", "Location",
		"Set-Cookie", "Set-Cookie2", "Servlet-Engine", "Status", "Www-Authenticate",
	}
}

// EndHead makes a packet of the fields. Those that do not fit are dropped.
func (c *codec) EndHead(b []byte, status int) []byte {
	text := http.StatusText(status)
	if text == "" {
		text = "Unknown"
	}
	out := make([]byte, 0, 64+len(text)+len(b))
	out = append(out, 'A', 'B', 0, 0, codeHeaders, byte(status>>8), byte(status))
	out = appendString(out, text)
	count, at := 0, len(out)
	out = append(out, 0, 0)
	codes := responseHeaders()
	for line := range strings.SplitSeq(string(b), "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue // after the last
		}
		if len(out)+len(name)+len(value)+6 > c.srv.PacketSize {
			c.conn.Warn("header field dropped: it does not fit into a packet, whose size must be raised here and in the web server", "field", name, "packet", c.srv.PacketSize)
			continue
		}
		count++
		coded := false
		for i, known := range codes {
			if coded = strings.EqualFold(name, known); coded {
				out = append(out, codedName, byte(i+1))
				break
			}
		}
		if !coded {
			out = appendString(out, name)
		}
		out = appendString(out, value)
	}
	binary.BigEndian.PutUint16(out[at:], uint16(count))
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-headerLen))
	return out
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	b = append(b, s...)
	return append(b, 0)
}

// Frame makes a packet of the body, and the end of the answer. After a piece
// that is not sent because it is full comes an empty packet: it has the web server
// send on what it has.
func (c *codec) Frame(b []byte, start int, last bool) []byte {
	n := len(b) - wire.HeadRoom
	if n > 0 {
		h := b[wire.HeadRoom-bodyHeaderLen:]
		h[0], h[1], h[4] = 'A', 'B', codeBody
		binary.BigEndian.PutUint16(h[2:], uint16(n+4))
		binary.BigEndian.PutUint16(h[5:], uint16(n))
		b = append(b, 0)
	} else {
		b = b[:wire.HeadRoom-bodyHeaderLen]
	}
	if _, limit := c.Shape(); !last && n < limit {
		b = append(b, 'A', 'B', 0, 4, codeBody, 0, 0, 0)
	}
	if last && !c.conn.Short() {
		reuse := byte(0)
		if c.Kept() {
			reuse = 1
		}
		b = append(b, 'A', 'B', 0, 2, codeEnd, reuse)
	}
	return b[start:]
}
