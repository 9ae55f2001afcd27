package fcgi_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"projhost/front/fcgi"
	"projhost/front/gateway"
	"projhost/front/wire"
)

// FuzzParams decodes anything: what is accepted, encoded again, decodes to the
// same, and none of its beginnings decodes to as many pairs.
func FuzzParams(f *testing.F) {
	f.Add([]byte(typical("GET", "/")))
	f.Add([]byte(pairs(strings.Repeat("n", 127), strings.Repeat("v", 128))))
	f.Add([]byte("\x80\x00\x00\x01\x00n"))
	f.Add([]byte("\x01\xff\xff\xff\xffn"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := fcgi.DecodeParams(string(b), 100)
		if err != nil {
			if got != nil {
				t.Errorf("%v, and yet %v", err, got)
			}
			return
		}
		if len(got) > 100 {
			t.Errorf("%d pairs", len(got))
		}
		var again []byte
		for _, p := range got {
			again = fcgi.AppendPair(again, p.Name, p.Value)
		}
		if len(again) > len(b) {
			t.Errorf("%d bytes became %d", len(b), len(again))
		}
		pairs, err := fcgi.DecodeParams(string(again), 100)
		if err != nil || !cmp.Equal(pairs, got) {
			t.Errorf("%v became %v, %v", got, pairs, err)
		}
		for i := range b {
			if part, err := fcgi.DecodeParams(string(b[:i]), 100); err == nil && len(part) >= len(got) {
				t.Errorf("the first %d of %d bytes are enough", i, len(b))
			}
		}
	})
}

// TestParamsRoundTrip encodes and decodes lists of pairs.
func TestParamsRoundTrip(t *testing.T) {
	word := func(most int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string { return strings.Repeat("w", rapid.IntRange(1, most).Draw(t, "length")) })
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gateway.Pair {
			return gateway.Pair{Name: word(300).Draw(t, "name"), Value: rapid.OneOf(rapid.String(), word(70000)).Draw(t, "value")}
		}), 0, 10).Draw(t, "pairs")
		var b []byte
		for _, p := range want {
			b = fcgi.AppendPair(b, p.Name, p.Value)
		}
		got, err := fcgi.DecodeParams(string(b), 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Error(diff)
		}
		for _, cut := range []int{1, 2, 5} {
			if n := len(b) - cut; n > 0 {
				if got, err := fcgi.DecodeParams(string(b[:n]), 10); err == nil && len(got) >= len(want) {
					t.Errorf("without the last %d bytes: %v", cut, got)
				}
			}
		}
	})
}

// model follows a stream of records as a web server would know it.
type model struct {
	begun map[uint16]int // how often an id was begun
	rest  []byte         // what completes the last record
}

// follow stops where the server must close the connection; closes says so.
func follow(b []byte) (m model, closes bool) {
	m.begun = map[uint16]int{}
	for len(b) > 0 {
		if len(b) < 8 {
			// A header of zeroes and an unknown type would be answered: make it FCGI_STDIN of request 0.
			full := append(bytes.Clone(b), []byte{1, stdin, 0, 0, 0, 0, 0, 0}[len(b):]...)
			m.rest = full[len(b):]
			b = full
			continue
		}
		n := 8 + int(b[4])<<8 + int(b[5]) + int(b[6])
		id, length := uint16(b[2])<<8|uint16(b[3]), int(b[4])<<8|int(b[5])
		switch {
		case b[0] != 1, b[1] == begin && (length != 8 || id == 0), b[1] == abort && length > 1<<10, b[1] == getValues && length > 1<<10:
			return m, true
		case b[1] == begin:
			m.begun[id]++
		}
		if len(b) < n {
			m.rest = append(m.rest, make([]byte, n-len(b))...)
			break
		}
		b = b[n:]
	}
	return m, false
}

// fuzzed does all that a handler may do, as the path says.
var fuzzed = handler(func(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.Contains(r.URL.Path, "p"):
		panic(http.ErrAbortHandler)
	case strings.Contains(r.URL.Path, "w"):
		<-r.Context().Done()
	case strings.Contains(r.URL.Path, "r"):
		io.Copy(io.Discard, r.Body)
	}
	fmt.Fprintf(w, "%s", r.URL.Path)
	http.NewResponseController(w).Flush()
	w.Write(make([]byte, 100))
})

// FuzzRecords sends anything to a server. Each request that is begun must end
// once, nothing may come for it afterwards, and the server must still answer.
func FuzzRecords(f *testing.F) {
	for _, path := range []string{"/", "/p", "/w", "/r"} {
		p := pairs("REQUEST_METHOD", "GET", "PATH_INFO", path, "REQUEST_URI", path, "SERVER_PROTOCOL", "HTTP/1.1")
		var b []byte
		for _, r := range []record{beginRecord(1, responder, keep), {params, 1, p}, {params, 1, ""}, {stdin, 1, "body"}, {stdin, 1, ""},
			beginRecord(2, responder, 0), {abort, 2, ""}, {getValues, 0, ""}, beginRecord(2, responder, keep), {params, 2, p}, {params, 2, ""}} {
			b = append(b, r.bytes(len(path))...)
		}
		f.Add(b)
	}
	fix := serve(f, fcgi.Server{Config: wire.Config{Handler: fuzzed, Limits: wire.Limits{MaxBody: 1 << 16, BodyMemory: 256}}, MaxParamBytes: 4096})
	f.Fuzz(func(t *testing.T, b []byte) {
		nc, err := net.Dial("unix", fix.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := fix.wrap(nc)
		c.tb = t
		checkStream(t, c, b)
	})
}

func checkStream(t *testing.T, c *client, b []byte) {
	m, closes := follow(b)
	left := 0
	out := append(bytes.Clone(b), m.rest...)
	for id, n := range m.begun {
		out = append(out, record{abort, id, ""}.bytes(0)...)
		left += n
	}
	out = append(out, record{250, 0, ""}.bytes(0)...)
	go c.Write(out) // may fail when the server closes the connection
	ended := map[uint16]int{}
	for marked := false; left > 0 || !marked; {
		r, err := c.read()
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("%d requests have not ended", left)
			}
			return // it has closed the connection, or a request without FCGI_KEEP_CONN has ended
		}
		switch {
		case r.kind == end:
			ended[r.id]++
			left--
			if ended[r.id] > m.begun[r.id] {
				t.Fatalf("request %d was begun %d times and has ended %d times", r.id, m.begun[r.id], ended[r.id])
			}
		case r.kind == stdout:
			if ended[r.id] >= m.begun[r.id] {
				t.Fatalf("FCGI_STDOUT of request %d after its end", r.id)
			}
		case r.kind == unknownType && r.content[0] == 250:
			marked = true
		}
	}
	if closes {
		t.Fatal("the connection is still open")
	}
	c.Conn.(*net.UnixConn).CloseWrite()
	for {
		r, err := c.read()
		if err != nil {
			return
		}
		if r.kind == end || r.kind == stdout {
			t.Fatalf("then %+v", r)
		}
	}
}
