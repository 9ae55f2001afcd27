package ajp_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"projhost/front/ajp"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text encodes a string.
func text(s string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s + "\x00"
}

// packet is one of a web server.
func packet(s string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x12, 0x34}, uint16(len(s))), s...)
}

// forward is the content of a packet that forwards a request. A method of one
// byte is a code. headers and attributes are encoded already.
func forward(method byte, uri string, headers []string, attributes ...string) string {
	s := "\x02" + string([]byte{method}) + text("HTTP/1.1") + text(uri) + text("192.0.2.7") + "\xff\xff" +
		text("projects.example.org") + "\x00\x50" + "\x00" + string([]byte{byte(len(headers) >> 8), byte(len(headers))})
	return s + strings.Join(headers, "") + strings.Join(attributes, "") + "\xff"
}

// Encoded headers and attributes.
func coded(code byte, value string) string { return "\xa0" + string([]byte{code}) + text(value) }
func header(name, value string) string     { return text(name) + text(value) }
func attr(code byte, value string) string  { return string([]byte{code}) + text(value) }
func named(name, value string) string      { return "\x0a" + text(name) + text(value) }

// part is a packet of a body.
func part(p []byte) []byte {
	return packet(string([]byte{byte(len(p) >> 8), byte(len(p))}) + string(p))
}

// typical is what Apache sends.
func typical(r wiretest.Request) []byte {
	method := map[string]byte{"": 2, "GET": 2, "HEAD": 3, "POST": 4}[r.Method]
	host := r.Host
	if host == "" {
		host = "projects.example.org"
	}
	headers := []string{coded(0x0b, host), header("accept", "*/*")}
	if r.Length > 0 {
		headers = append(headers, coded(8, strconv.Itoa(r.Length)))
	}
	for _, h := range r.Header {
		headers = append(headers, header(h[0], h[1]))
	}
	path, query, asked := strings.Cut(r.Path, "?")
	attributes := []string{named("AJP_REMOTE_PORT", "51914"), named("AJP_LOCAL_ADDR", "192.0.2.1")}
	if asked {
		attributes = append(attributes, attr(5, query))
	}
	return packet(forward(method, path, headers, attributes...))
}

var errNotWhole = errors.New("the answer is not whole")

// reply is one answer as it comes.
type reply struct {
	wiretest.Answer
	Kept   bool
	Asked  int // for parts of the body
	Chunks []int
}

// finish sends the body as it is asked for and reads the answer.
func finish(nc net.Conn, body []byte) (wiretest.Answer, error) {
	r, err := talk(nc, bufio.NewReader(nc), body)
	return r.Answer, err
}

const most = 8186 // bytes of a body in one packet

// talk sends the first part of the body at once, as of a body of known length.
func talk(nc io.Writer, in *bufio.Reader, body []byte) (reply, error) {
	return converse(nc, in, body, len(body) > 0)
}

func converse(nc io.Writer, in *bufio.Reader, body []byte, unasked bool) (reply, error) {
	var r reply
	var text []byte
	more := func() {
		n := min(most, len(body))
		_, _ = nc.Write(part(body[:n])) // reading tells
		body = body[n:]
	}
	if unasked {
		more()
	}
	for {
		p, err := receive(in)
		if err != nil {
			return r, errors.Join(errNotWhole, err)
		}
		switch p[0] {
		case 6:
			r.Asked++
			more()
		case 4:
			if err := r.head(p[1:]); err != nil {
				return r, err
			}
		case 3:
			n := int(binary.BigEndian.Uint16(p[1:]))
			if len(p) != n+4 || p[len(p)-1] != 0 {
				return r, fmt.Errorf("a part of %d bytes in a packet of %d", n, len(p))
			}
			r.Chunks = append(r.Chunks, n)
			text = append(text, p[3:3+n]...)
		case 5:
			r.Kept, r.Body = p[1] == 1, string(text)
			return r, nil
		default:
			return r, fmt.Errorf("a packet of code %d", p[0])
		}
	}
}

func receive(in *bufio.Reader) ([]byte, error) {
	var h [4]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(h[2:]))
	if h[0] != 'A' || h[1] != 'B' || len(b) == 0 || len(b) > 65532 {
		return nil, fmt.Errorf("a packet that begins with %q", h)
	}
	_, err := io.ReadFull(in, b)
	return b, err
}

// head reads a packet of code 4 after that.
func (r *reply) head(p []byte) error {
	if r.Status != 0 {
		return errors.New("a second head")
	}
	str := func() string {
		n := int(binary.BigEndian.Uint16(p))
		s := string(p[2 : 2+n])
		if p[2+n] != 0 {
			panic("a string without NUL")
		}
		p = p[3+n:]
		return s
	}
	r.Status, p = int(binary.BigEndian.Uint16(p)), p[2:]
	str()
	r.Header = http.Header{}
	n := int(binary.BigEndian.Uint16(p))
	for p = p[2:]; n > 0; n-- {
		var name string
		if p[0] == 0xa0 {
			name = []string{"Content-Type", "Content-Language", "Content-Length", "Date", "Last-Modified", "Location",
				"Set-Cookie", "Set-Cookie2", "Servlet-Engine", "Status", "WWW-Authenticate"}[p[1]-1]
			p = p[2:]
		} else {
			name = str()
		}
		r.Header.Add(name, str())
	}
	if len(p) > 0 {
		return fmt.Errorf("%d bytes after the head", len(p))
	}
	return nil
}

func protocol() wiretest.Protocol {
	return wiretest.Protocol{
		Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
			return (&ajp.Server{Config: cfg, AllowNoSecret: true}).Serve(ctx, l)
		},
		Head: typical, Finish: finish, Body: part,
	}
}

func TestSuite(t *testing.T) { protocol().Suite(t) }

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func BenchmarkKilobyte(b *testing.B) { protocol().Bench(b, true) }
