package web

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"projhost/front/wire"
)

// The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): a head by
// which a proxy that passes bytes on says whose they are. A connection must
// begin with it where it is expected, and only peers that are trusted may
// connect at all, for it is believed.

// ProxyTrust says whose head is believed.
type ProxyTrust struct {
	Peers []netip.Prefix // over TCP
	All   bool           // everybody's who can connect, as to a unix socket
}

// believes tells whether a peer may say whose its connections are.
func (p *ProxyTrust) believes(a net.Addr) bool {
	if p.All {
		return true
	}
	t, ok := a.(*net.TCPAddr)
	return ok && wire.Within(p.Peers, t)
}

// Bounds of the head.
const (
	maxProxyLine = 107     // bytes of version 1, its line break included
	maxProxyHead = 4 << 10 // bytes that follow the fixed part of version 2
)

// proxySignature is how version 2 begins.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxied is a connection whose first bytes say where it comes from. The head
// is read by who first asks for its address or its bytes, which is net/http's
// goroutine of the connection and not the one that accepts.
type proxied struct {
	net.Conn
	in   *bufio.Reader
	wait time.Duration
	warn func(error)
	once sync.Once
	from net.Addr
	err  error
}

func newProxied(c net.Conn, wait time.Duration, warn func(error)) *proxied {
	return &proxied{Conn: c, in: bufio.NewReaderSize(c, 512), wait: wait, warn: warn}
}

// head reads the head, once. If it is none, the connection is closed.
func (c *proxied) head() {
	c.once.Do(func() {
		c.from = c.Conn.RemoteAddr()
		_ = c.SetReadDeadline(time.Now().Add(c.wait)) // Read tells of a closed connection
		from, err := readProxyHead(c.in)
		if err != nil {
			c.err = fmt.Errorf(proxyError+": %w", err)
			c.warn(c.err)
			_ = c.Close() // nobody who matters is told
			return
		}
		_ = c.SetReadDeadline(time.Time{})
		if from.IsValid() {
			c.from = net.TCPAddrFromAddrPort(from)
		}
	})
}

// RemoteAddr is the address that the proxy tells, or the proxy's own if it
// speaks for itself.
func (c *proxied) RemoteAddr() net.Addr {
	c.head()
	return c.from
}

func (c *proxied) Read(p []byte) (int, error) {
	c.head()
	if c.err != nil {
		return 0, c.err
	}
	if c.in.Buffered() > 0 {
		return c.in.Read(p)
	}
	return c.Conn.Read(p)
}

// CloseWrite is what net/http ends an answer with.
func (c *proxied) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// proxyError is how errors about the head begin.
const proxyError = "PROXY protocol"

// errNothing is of a connection that ended before its first byte.
var errNothing = errors.New("nothing came")

// readProxyHead returns the address a connection comes from; the zero value if
// the proxy speaks for itself or does not know.
func readProxyHead(in *bufio.Reader) (netip.AddrPort, error) {
	first, err := in.Peek(1)
	switch {
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errNothing, err)
	case first[0] == 'P':
		return readProxyLine(in)
	}
	return readProxyBinary(in)
}

// readProxyLine reads version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".
func readProxyLine(in *bufio.Reader) (from netip.AddrPort, err error) {
	var line []byte
	for len(line) < maxProxyLine && !bytes.HasSuffix(line, []byte("\r\n")) {
		b, err := in.ReadByte()
		if err != nil {
			return from, err
		}
		line = append(line, b)
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return from, errors.New("a line of version 1 without an end")
	}
	fields := strings.Split(text, " ")
	if len(fields) >= 2 && fields[0] == "PROXY" && fields[1] == "UNKNOWN" {
		return from, nil
	}
	if len(fields) != 6 || fields[0] != "PROXY" || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return from, fmt.Errorf("%q is no line of version 1", text)
	}
	address, err := netip.ParseAddr(fields[2])
	if err != nil || address.Is4() != (fields[1] == "TCP4") || address.Zone() != "" {
		return from, fmt.Errorf("%q is no address of %s", fields[2], fields[1])
	}
	if _, err := netip.ParseAddr(fields[3]); err != nil {
		return from, fmt.Errorf("%q is no address", fields[3])
	}
	port, err := parsePort(fields[4])
	if err != nil {
		return from, err
	}
	if _, err := parsePort(fields[5]); err != nil {
		return from, err
	}
	return netip.AddrPortFrom(address, port), nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || s != strconv.FormatUint(n, 10) {
		return 0, fmt.Errorf("%q is no port", s)
	}
	return uint16(n), nil
}

// readProxyBinary reads version 2.
func readProxyBinary(in *bufio.Reader) (from netip.AddrPort, err error) {
	head := make([]byte, len(proxySignature)+4, len(proxySignature)+4+64)
	if _, err := io.ReadFull(in, head); err != nil {
		return from, err
	}
	if string(head[:len(proxySignature)]) != proxySignature {
		return from, errors.New("the connection begins with something else")
	}
	fixed := head[len(proxySignature):]
	version, command, family := fixed[0]>>4, fixed[0]&0xf, fixed[1]
	length := int(binary.BigEndian.Uint16(fixed[2:]))
	if version != 2 || command > 1 || length > maxProxyHead {
		return from, fmt.Errorf("version %d, command %d, %d bytes", version, command, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return from, err
	}
	from, used, err := proxyAddress(family, body)
	if err != nil {
		return from, err
	}
	if err := checkProxyFields(append(head, body...), len(head)+used); err != nil {
		return netip.AddrPort{}, err
	}
	if command == 0 { // LOCAL: a health check of the proxy's own
		return netip.AddrPort{}, nil
	}
	return from, nil
}

// proxyAddress reads the addresses of version 2 and returns how many bytes they
// take.
func proxyAddress(family byte, body []byte) (from netip.AddrPort, used int, err error) {
	size := 0
	switch family >> 4 {
	case 1:
		size = 4
	case 2:
		size = 16
	case 3:
		return from, min(216, len(body)), nil // unix sockets of the proxy's machine
	default:
		return from, len(body), nil // not known: nothing of it is looked at
	}
	used = 2*size + 4
	if len(body) < used {
		return from, 0, fmt.Errorf("%d bytes of addresses instead of %d", len(body), used)
	}
	address, _ := netip.AddrFromSlice(body[:size])
	return netip.AddrPortFrom(address, binary.BigEndian.Uint16(body[2*size:])), used, nil
}

// proxyChecksum is the type of the field with a CRC-32C of the whole head.
const proxyChecksum = 3

// checkProxyFields walks through the fields behind the addresses, and compares
// the checksum if there is one.
func checkProxyFields(head []byte, at int) error {
	for at < len(head) {
		if len(head)-at < 3 {
			return errors.New("a field is cut short")
		}
		kind, size := head[at], int(binary.BigEndian.Uint16(head[at+1:]))
		at += 3
		if len(head)-at < size {
			return errors.New("a field is longer than the head")
		}
		if kind == proxyChecksum {
			if size != 4 {
				return errors.New("a checksum that is none")
			}
			told := binary.BigEndian.Uint32(head[at:])
			clear(head[at : at+4])
			if crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)) != told {
				return errors.New("the checksum is wrong")
			}
		}
		at += size
	}
	return nil
}
