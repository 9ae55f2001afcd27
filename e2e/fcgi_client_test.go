package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Record types and flags of FastCGI 1.0 that the client uses.
const (
	fcgiBegin      = 1
	fcgiAbort      = 2
	fcgiEnd        = 3
	fcgiParams     = 4
	fcgiStdin      = 5
	fcgiStdout     = 6
	fcgiStderr     = 7
	fcgiKeep       = 1
	fcgiOverloaded = 2
)

// errOverloaded is an END_REQUEST that refuses the request.
var errOverloaded = errors.New("overloaded")

// answer is what came back for one request.
type answer struct {
	status int
	header textproto.MIMEHeader
	body   string
}

// fcgiConn is a web server's side of one FastCGI connection: it keeps it and
// may have several requests on it.
type fcgiConn struct {
	c  net.Conn
	mu sync.Mutex // of writing

	wait sync.Mutex
	open map[uint16]*fcgiPending
	err  error
}

type fcgiPending struct {
	out  bytes.Buffer
	done chan error
}

func dialFCGI(tb testing.TB, network, address string) *fcgiConn {
	tb.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	f := &fcgiConn{c: c, open: make(map[uint16]*fcgiPending)}
	go f.read()
	return f
}

func (f *fcgiConn) close() { _ = f.c.Close() }

// read takes records until the connection ends.
func (f *fcgiConn) read() {
	in := bufio.NewReaderSize(f.c, 64<<10)
	err := func() error {
		head := make([]byte, 8)
		for {
			if _, err := io.ReadFull(in, head); err != nil {
				return err
			}
			id, length := binary.BigEndian.Uint16(head[2:]), int(binary.BigEndian.Uint16(head[4:]))
			content := make([]byte, length+int(head[6]))
			if _, err := io.ReadFull(in, content); err != nil {
				return err
			}
			if err := f.take(head[1], id, content[:length]); err != nil {
				return err
			}
		}
	}()
	f.wait.Lock()
	defer f.wait.Unlock()
	f.err = err
	for id, p := range f.open {
		p.done <- err
		delete(f.open, id)
	}
}

func (f *fcgiConn) take(kind byte, id uint16, content []byte) error {
	f.wait.Lock()
	defer f.wait.Unlock()
	p := f.open[id]
	if p == nil {
		return fmt.Errorf("record of type %d for request %d, which is not open", kind, id)
	}
	switch kind {
	case fcgiStdout:
		p.out.Write(content)
	case fcgiEnd:
		delete(f.open, id)
		if content[4] == fcgiOverloaded {
			p.done <- errOverloaded
		} else {
			p.done <- nil
		}
	}
	return nil
}

// start sends a request without a body and returns what to wait for.
func (f *fcgiConn) start(id uint16, params map[string]string) (*fcgiPending, error) {
	p := &fcgiPending{done: make(chan error, 1)}
	f.wait.Lock()
	if f.err != nil {
		f.wait.Unlock()
		return nil, f.err
	}
	f.open[id] = p
	f.wait.Unlock()
	var b, pairs bytes.Buffer
	for name, value := range params {
		for _, n := range []int{len(name), len(value)} {
			if n < 128 {
				pairs.WriteByte(byte(n))
			} else {
				_ = binary.Write(&pairs, binary.BigEndian, uint32(n)|1<<31)
			}
		}
		pairs.WriteString(name + value)
	}
	record(&b, fcgiBegin, id, []byte{0, 1, fcgiKeep, 0, 0, 0, 0, 0})
	record(&b, fcgiParams, id, pairs.Bytes())
	record(&b, fcgiParams, id, nil)
	record(&b, fcgiStdin, id, nil)
	return p, f.write(b.Bytes())
}

func (f *fcgiConn) abort(id uint16) error {
	var b bytes.Buffer
	record(&b, fcgiAbort, id, nil)
	return f.write(b.Bytes())
}

func (f *fcgiConn) write(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.c.Write(b)
	return err
}

func record(b *bytes.Buffer, kind byte, id uint16, content []byte) {
	head := []byte{1, kind, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), 0, 0}
	b.Write(head)
	b.Write(content)
}

// answer waits for the end of a request.
func (p *fcgiPending) answer() (a answer, err error) {
	select {
	case err = <-p.done:
	case <-time.After(30 * time.Second):
		err = errors.New("no answer within 30 s")
	}
	if err != nil {
		return a, err
	}
	r := textproto.NewReader(bufio.NewReader(&p.out))
	if a.header, err = r.ReadMIMEHeader(); err != nil {
		return a, fmt.Errorf("reading the answer's header: %w", err)
	}
	a.status = 200
	if s := a.header.Get("Status"); s != "" {
		if a.status, err = strconv.Atoi(strings.Fields(s)[0]); err != nil {
			return a, err
		}
	}
	body, err := io.ReadAll(r.R)
	a.body = string(body)
	return a, err
}

// get does one request and waits for it.
func (f *fcgiConn) get(id uint16, params map[string]string) (answer, error) {
	p, err := f.start(id, params)
	if err != nil {
		return answer{}, err
	}
	return p.answer()
}

// nginxParams are what nginx sends for a GET of path at "/", more or less.
func nginxParams(path, query string) map[string]string {
	uri := path
	if query != "" {
		uri += "?" + query
	}
	return map[string]string{
		"QUERY_STRING": query, "REQUEST_METHOD": "GET", "CONTENT_TYPE": "", "CONTENT_LENGTH": "",
		"SCRIPT_NAME": "", "PATH_INFO": path, "REQUEST_URI": uri, "DOCUMENT_URI": path,
		"DOCUMENT_ROOT": "/usr/share/nginx/html", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http",
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_ADDR": "127.0.0.1",
		"REMOTE_PORT": "50222", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": "80", "SERVER_NAME": "localhost",
		"REDIRECT_STATUS": "200", "HTTP_HOST": "localhost", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64)",
		"HTTP_ACCEPT": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
		"HTTP_ACCEPT_ENCODING": "gzip, deflate", "HTTP_CONNECTION": "keep-alive",
		"HTTP_COOKIE": "trac_session=0123456789abcdef01234567",
	}
}
