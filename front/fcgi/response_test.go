package fcgi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

const (
	textType = "Content-Type: text/plain; charset=utf-8"
	htmlType = "Content-Type: text/html; charset=utf-8"
)

// responseCase is a handler and what the web server gets.
type responseCase struct {
	name   string
	method string
	h      handler
	head   []string
	body   string
}

func (tc responseCase) run(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: tc.h}})
	c := f.dial()
	c.send(beginRecord(1, responder, keep), record{params, 1, typical(tc.method, "/")}, record{params, 1, ""}, record{stdin, 1, ""})
	a := c.answer(1)
	if diff := cmp.Diff(tc.head, a.lines); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	if a.body != tc.body {
		t.Errorf("body: %.100q, want %.100q", a.body, tc.body)
	}
	if a.app != 0 || a.code != 0 {
		t.Errorf("ended with %d, %d", a.app, a.code)
	}
}

func TestResponseFields(t *testing.T) {
	for _, tc := range []responseCase{
		{"nothing", "GET", func(w http.ResponseWriter, r *http.Request) {},
			[]string{"Status: 200 OK", "Content-Length: 0"}, ""},
		{"fields in the order of their names", "GET", func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"X-Z", "X-A", "Content-Type", "Set-Cookie", "Etag"} {
				w.Header().Set(name, name)
			}
			w.Header().Add("Set-Cookie", "second")
			io.WriteString(w, "x")
		}, []string{"Status: 200 OK", "Content-Type: Content-Type", "Etag: Etag", "Set-Cookie: Set-Cookie", "Set-Cookie: second",
			"X-A: X-A", "X-Z: X-Z", "Content-Length: 1"}, "x"},
		{"type by content", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<!DOC")
			io.WriteString(w, "TYPE html>")
		}, []string{"Status: 200 OK", htmlType, "Content-Length: 15"}, "<!DOCTYPE html>"},
		{"no type wanted", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "x")
		}, []string{"Status: 200 OK", "Content-Length: 1"}, "x"},
		{"encoded content has no type to be seen", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "x")
		}, []string{"Status: 200 OK", "Content-Encoding: gzip", "Content-Length: 1"}, "x"},
		{"line ends in values", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", " /a\r\nSet-Cookie: b=c\x00 \n")
			w.WriteHeader(http.StatusFound)
		}, []string{"Status: 302 Found", "Location: /a  Set-Cookie: b=c", "Content-Length: 0"}, ""},
		{"what is no name", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X: y\r\nEvil"] = []string{"1"}
			w.Header()[""] = []string{"2"}
			w.Header()["Trailer:X"] = []string{"3"}
		}, []string{"Status: 200 OK", "Content-Length: 0"}, ""},
		{"what is the web server's to say", "GET", func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Status", "Connection", "Transfer-Encoding", "Trailer", "Keep-Alive", "Upgrade"} {
				w.Header().Set(name, "evil")
			}
		}, []string{"Status: 200 OK", "Content-Length: 0"}, ""},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestResponseStatus(t *testing.T) {
	for _, tc := range []responseCase{
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			if n, err := io.WriteString(w, "<html>"); n != 6 || err != nil {
				t.Errorf("HEAD: Write returned %d, %v", n, err)
			}
		}, []string{"Status: 200 OK", htmlType, "Content-Length: 6"}, ""},
		{"HEAD with a length", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1234")
		}, []string{"Status: 200 OK", "Content-Length: 1234"}, ""},
		{"204", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "hello"); err != http.ErrBodyNotAllowed {
				t.Errorf("204: Write returned %v", err)
			}
		}, []string{"Status: 204 No Content"}, ""},
		{"304", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"x"`)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotModified)
			if _, err := w.Write([]byte("hello")); err != http.ErrBodyNotAllowed {
				t.Errorf("304: Write returned %v", err)
			}
		}, []string{"Status: 304 Not Modified", `Etag: "x"`}, ""},
		{"informational", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusContinue)
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		}, []string{"Status: 418 I'm a teapot", "Content-Length: 0"}, ""},
		{"a status nobody knows", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599) },
			[]string{"Status: 599 Unknown", "Content-Length: 0"}, ""},
		{"a status that is none", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(7) },
			[]string{"Status: 500 Internal Server Error", textType, "X-Content-Type-Options: nosniff", "Content-Length: 22"}, "Internal Server Error\n"},
		{"twice", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "x")
		}, []string{"Status: 404 Not Found", "Content-Length: 0"}, ""},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestResponseBody(t *testing.T) {
	long := strings.Repeat("v", 3000)
	for _, tc := range []responseCase{
		{"its own length", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
			if _, err := io.WriteString(w, "!"); err != http.ErrContentLength {
				t.Errorf("Write beyond Content-Length returned %v", err)
			}
		}, []string{"Status: 200 OK", "Content-Length: 5", textType}, "hello"},
		{"a length that is none", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "many")
			io.WriteString(w, "hello")
		}, []string{"Status: 200 OK", textType, "Content-Length: 5"}, "hello"},
		{"flushed", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			io.WriteString(w, "lo")
		}, []string{"Status: 200 OK", textType}, "hello"},
		{"flushed before anything", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, "hello")
		}, []string{"Status: 200 OK"}, "hello"},
		{"a long head", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", long)
			io.WriteString(w, "hello")
		}, []string{"Status: 200 OK", "X-Long: " + long, textType, "Content-Length: 5"}, "hello"},
		{"a long head and a page", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", long)
			io.WriteString(w, strings.Repeat(long, 10))
		}, []string{"Status: 200 OK", "X-Long: " + long, textType, "Content-Length: 30000"}, strings.Repeat(long, 10)},
		{"a page", "GET", func(w http.ResponseWriter, r *http.Request) {
			for range 10 {
				io.WriteString(w, long)
			}
		}, []string{"Status: 200 OK", textType, "Content-Length: 30000"}, strings.Repeat(long, 10)},
		{"more than one record", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, strings.Repeat(long, 100))
		}, []string{"Status: 200 OK", textType}, strings.Repeat(long, 100)},
		{"copied", "GET", func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat(long, 100))})
			if n != 300000 || err != nil {
				t.Errorf("Copy returned %d, %v", n, err)
			}
		}, []string{"Status: 200 OK", textType}, strings.Repeat(long, 100)},
	} {
		t.Run(tc.name, tc.run)
	}
}

// TestResponseSizes has answers around the sizes of the buffers.
func TestResponseSizes(t *testing.T) {
	var size, pad int
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Pad", strings.Repeat("p", pad))
		w.Write(bytes.Repeat([]byte("x"), size))
	})}}).dial()
	for _, near := range []int{0, 3072, 4096, 64512, 65535, 129024} {
		for size = max(0, near-45); size < near+45; size += 3 {
			for _, pad = range []int{0, 1, 800 + size%240, 70000} {
				c.get(1, keep, "/")
				if a := c.answer(1); len(a.body) != size || strings.Trim(a.body, "x") != "" || len(a.header.Get("X-Pad")) != pad {
					t.Fatalf("%d bytes, head %d: got %d, %d", size, pad, len(a.body), len(a.header.Get("X-Pad")))
				}
			}
		}
	}
}

func TestShortAnswerIsLogged(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "9")
		w.WriteHeader(200)
		w.WriteHeader(404)
		io.WriteString(w, "hello")
	})}})
	c := f.dial()
	c.get(1, keep, "/short")
	if a := c.answer(1); a.app == 0 {
		t.Errorf("got %+v", a)
	}
	for _, want := range []string{"shorter than its Content-Length", "superfluous WriteHeader", "path=/short"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, f.log)
		}
	}
}

// TestWriterAfterItsEnd has a goroutine use a ResponseWriter whose buffer may
// already be another's.
func TestWriterAfterItsEnd(t *testing.T) {
	old := make(chan http.ResponseWriter, 1)
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			old <- w
			io.WriteString(w, "old")
			return
		}
		prior := <-old
		var errs []error
		for range 100 {
			_, err := io.WriteString(prior, "from the old handler")
			errs = append(errs, err, http.NewResponseController(prior).Flush())
			prior.WriteHeader(500)
		}
		fmt.Fprint(w, errors.Join(errs...) != nil)
	})}}).dial()
	c.get(1, keep, "/old")
	c.answer(1)
	c.get(1, keep, "/new")
	if a := c.answer(1); a.body != "true" {
		t.Errorf("got %+v", a)
	}
}

// TestOneWrite has a small answer leave in one piece.
func TestOneWrite(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}}).dial()
	c.get(1, keep, "/")
	b := make([]byte, 4096)
	n, err := c.Conn.Read(b)
	if err != nil || n < 16 || b[n-16+1] != end {
		t.Errorf("the first read had %q, %v", b[:n], err)
	}
}
