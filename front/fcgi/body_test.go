package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

// readBody answers with how reading the body went.
var readBody = handler(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		fmt.Fprintf(w, "%d %q beyond %d", r.ContentLength, b, big.Limit)
	case errors.Is(err, io.ErrUnexpectedEOF):
		fmt.Fprintf(w, "%d %q short", r.ContentLength, b)
	default:
		fmt.Fprintf(w, "%d %q %v", r.ContentLength, b, err)
	}
})

func TestBodyLength(t *testing.T) {
	for _, tc := range []struct {
		name, length, body string
		whole              string // the answer if the body has come before the handler starts,
		streamed           string // and if not
	}{
		{"exact", "4", "body", `4 "body" <nil>`, ""},
		{"short", "9", "body", `9 "body" short`, ""},
		{"empty but announced", "9", "", `9 "" short`, ""},
		{"long", "3", "body", "Bad Request\n", `3 "bod" the request body is longer than CONTENT_LENGTH`},
		{"zero", "0", "", `0 "" <nil>`, ""},
		{"zero and long", "0", "x", "Bad Request\n", `0 "" the request body is longer than CONTENT_LENGTH`},
		{"no length", "", "body", `-1 "body" <nil>`, ""},
		{"no length, at the limit", "", "0123456789", `-1 "0123456789" <nil>`, ""},
		{"no length, beyond the limit", "", "0123456789a", `-1 "0123456789" beyond 10`, ""},
		{"length beyond the limit", "11", "0123456789a", "Request Entity Too Large\n", ""},
		{"a length that is none", "0x4", "body", "Bad Request\n", ""},
		{"a length beyond numbers", "99999999999999999999", "body", "Bad Request\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			started := make(chan struct{}, 1)
			c := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{MaxBody: 10}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
				started <- struct{}{}
				readBody(w, r)
			})}}).dial()
			head := []record{beginRecord(1, responder, keep), {params, 1, typical("POST", "/", "CONTENT_LENGTH", tc.length)}, {params, 1, ""}}
			var tail []record
			for _, b := range []byte(tc.body) {
				tail = append(tail, record{stdin, 1, string(b)})
			}
			tail = append(tail, record{stdin, 1, ""})
			c.send(join(head, tail)...)
			if a := c.answer(1); a.body != tc.whole {
				t.Errorf("whole: %q, want %q", a.body, tc.whole)
			}
			select {
			case <-started: // the handler has ended, or was never called
			default:
			}
			if tc.streamed == "" {
				tc.streamed = tc.whole
			}
			c.send(head...)
			if !strings.Contains(tc.streamed, "Request") {
				receive(t, started)
			}
			c.send(tail...)
			if a := c.answer(1); a.body != tc.streamed {
				t.Errorf("streamed: %q, want %q", a.body, tc.streamed)
			}
		})
	}
}

// TestBodyTooLongIsRefusedUnread wants the answer before the body is sent.
func TestBodyTooLongIsRefusedUnread(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello, Limits: wire.Limits{MaxBody: 1000}}}).dial()
	c.open(1, keep, "/", "CONTENT_LENGTH", "1001")
	if a := c.answer(1); a.status != "413 Request Entity Too Large" {
		t.Errorf("got %+v", a)
	}
	c.send(record{stdin, 1, "what was on its way"})
	c.get(1, keep, "/next")
	if a := c.answer(1); a.body != "hello /next" {
		t.Errorf("then %+v", a)
	}
}

// TestEarlyAnswerIsNotLost closes a TCP connection on which the web server
// still sends: a reset would lose the answer.
func TestEarlyAnswerIsNotLost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serveOn(t, l, fcgi.Server{Config: wire.Config{Handler: hello, Limits: wire.Limits{MaxBody: 1000}}})
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := f.wrap(nc)
	c.open(1, 0, "/", "CONTENT_LENGTH", "10000000")
	for range 50 {
		c.send(record{stdin, 1, strings.Repeat("x", 65000)})
	}
	if a := c.answer(1); a.status != "413 Request Entity Too Large" {
		t.Errorf("got %+v", a)
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("then %v", err)
	}
}

// TestBodyGoesToAFile writes bodies of many sizes around that of the window, in
// pieces, while the handler reads in other pieces, or only afterwards.
func TestBodyGoesToAFile(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	f := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{BodyMemory: 1000, TempDir: dir}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Path[1:])
		p := make([]byte, size)
		for at := 0; ; {
			n, err := r.Body.Read(p)
			for i, b := range p[:n] {
				if b != byte((at+i)%251) {
					t.Errorf("byte %d is wrong", at+i)
					return
				}
			}
			if at += n; err != nil {
				fmt.Fprint(w, at, " ", err)
				return
			}
		}
	})}})
	c := f.dial()
	for range 40 {
		total, piece := rnd.IntN(6000), 1+rnd.IntN(1500)
		data := make([]byte, total)
		for i := range data {
			data[i] = byte(i % 251)
		}
		c.open(1, keep, fmt.Sprintf("/%d", 1+rnd.IntN(1500)))
		for d := string(data); d != ""; {
			n := min(len(d), piece)
			c.send(record{stdin, 1, d[:n]})
			d = d[n:]
		}
		c.send(record{stdin, 1, ""})
		if a := c.answer(1); a.body != fmt.Sprint(total, " EOF") {
			t.Fatalf("%d bytes in pieces of %d: %q", total, piece, a.body)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestBodyNowhereToKeep(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, fcgi.Server{Config: wire.Config{Limits: wire.Limits{BodyMemory: 4, TempDir: "/nonexistent"}, Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		<-release
		readBody(w, r)
	})}}).dial()
	c.open(1, keep, "/")
	c.send(record{stdin, 1, "123456"}, record{stdin, 1, ""}, record{getValues, 0, ""})
	c.next() // so the body has been read
	close(release)
	if a := c.answer(1); !strings.HasPrefix(a.body, `-1 "1234" keeping a request body: `) {
		t.Errorf("got %q", a.body)
	}
}

func TestBodyAfterItsEnd(t *testing.T) {
	late := make(chan *http.Request, 1)
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/closes" {
			r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err)
			return
		}
		late <- r
	})}}).dial()
	c.open(1, keep, "/closes")
	c.send(record{stdin, 1, "body"})
	if a := c.answer(1); a.body != http.ErrBodyReadAfterClose.Error() {
		t.Errorf("after Close: %q", a.body)
	}
	c.open(1, keep, "/ends")
	c.send(record{stdin, 1, "body"})
	r := receive(t, late)
	c.answer(1)
	<-r.Context().Done()
	for { // the body is closed right after the context has ended
		if _, err := r.Body.Read(nil); err == http.ErrBodyReadAfterClose {
			break
		}
	}
	if err := context.Cause(r.Context()); err != context.Canceled {
		t.Errorf("the cause after the end: %v", err)
	}
}

func TestReadDeadline(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded))
		rc.SetReadDeadline(time.Time{})
		rc.Flush()
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), err)
	})}}).dial()
	c.open(1, keep, "/")
	if r := c.next(); !strings.HasSuffix(r.content, "true") {
		t.Errorf("got %q", r.content)
	}
	c.send(record{stdin, 1, "late"}, record{stdin, 1, ""})
	if r := c.next(); r.content != "late<nil>" {
		t.Errorf("got %q", r.content)
	}
}
