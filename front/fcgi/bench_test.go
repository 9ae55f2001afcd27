//go:build unix

package fcgi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	stdfcgi "net/http/fcgi"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"projhost/front/fcgi"
)

// The benchmarks send the same canned bytes on a kept connection and look for
// the end of the answer; the client is part of cpu-us/op and of no allocation.
//
//	go test -run '^$' -bench . -benchmem ./front/fcgi

const kilobyte = 1 << 10

// sized answers with n bytes.
func sized(n int) http.Handler {
	page := []byte(strings.Repeat("x", n))
	return handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if n > 2*kilobyte { // net/http sends it in chunks else
			w.Header().Set("Content-Length", strconv.Itoa(n))
		}
		w.Write(page)
	})
}

// drained reads the body first.
var drained = handler(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "hello")
})

// contender is a server under test.
type contender struct {
	name  string
	serve func(l net.Listener, h http.Handler) (stop func())
	http  bool
}

func contenders() []contender {
	return []contender{
		{"ours", func(l net.Listener, h http.Handler) func() {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); fcgi.Serve(ctx, l, h) }()
			return func() { cancel(); <-done }
		}, false},
		{"nethttpfcgi", func(l net.Listener, h http.Handler) func() {
			go stdfcgi.Serve(l, h)
			return func() { l.Close() }
		}, false},
		{"nethttp", func(l net.Listener, h http.Handler) func() {
			srv := &http.Server{Handler: h}
			go srv.Serve(l)
			return func() { srv.Close() }
		}, true},
	}
}

// fcgiRequest is the bytes of a request for a kept connection.
func fcgiRequest(flags byte, body string) []byte {
	method, more := "GET", []string{"CONTENT_LENGTH", ""}
	if body != "" {
		method, more = "POST", []string{"CONTENT_LENGTH", "65536"}
	}
	b := beginRecord(1, responder, flags).bytes(0)
	p := typical(method, "/wiki", more...)
	b = append(b, record{params, 1, p}.bytes(-len(p)&7)...)
	b = append(b, record{params, 1, ""}.bytes(0)...)
	for len(body) > 0 {
		n := min(len(body), 32<<10)
		b = append(b, record{stdin, 1, body[:n]}.bytes(0)...)
		body = body[n:]
	}
	return append(b, record{stdin, 1, ""}.bytes(0)...)
}

func httpRequest(body string) []byte {
	method, length := "GET", ""
	if body != "" {
		method, length = "POST", "Content-Length: 65536\r\n"
	}
	return []byte(method + " /wiki HTTP/1.1\r\nHost: projects.example.org\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Cookie: trac_session=0123456789abcdef; trac_form_token=fedcba9876543210\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" + length + "\r\n" + body)
}

// skipFCGI reads up to FCGI_END_REQUEST.
func skipFCGI(r *bufio.Reader) error {
	for {
		h, err := r.Peek(8)
		if err != nil {
			return err
		}
		kind, n := h[1], 8+(int(h[4])<<8|int(h[5]))+int(h[6])
		if _, err := r.Discard(n); err != nil {
			return err
		}
		if kind == end {
			return nil
		}
	}
}

// skipHTTP reads one answer with Content-Length.
func skipHTTP(r *bufio.Reader) error {
	n := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err = r.Discard(n)
			return err
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			n = 0
			for _, c := range line[len(name) : len(line)-2] {
				n = n*10 + int(c-'0')
			}
		}
	}
}

// cpu is what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func bench(b *testing.B, h http.Handler, body string, kept bool) {
	for _, s := range contenders() {
		b.Run(s.name, func(b *testing.B) {
			l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.serve(l, h)()
			var flags byte
			if kept {
				flags = keep
			}
			req, skip := fcgiRequest(flags, body), skipFCGI
			if s.http {
				req, skip = httpRequest(body), skipHTTP
			}
			r := bufio.NewReaderSize(nil, 128<<10)
			var c net.Conn
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			for range b.N {
				if c == nil {
					if c, err = net.Dial("unix", l.Addr().String()); err != nil {
						b.Fatal(err)
					}
					c.SetDeadline(time.Now().Add(time.Minute))
					r.Reset(c)
				}
				if _, err := c.Write(req); err != nil {
					b.Fatal(err)
				}
				if err := skip(r); err != nil {
					b.Fatal(err)
				}
				if !kept {
					c.Close()
					c = nil
				}
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
			b.StopTimer()
			if c != nil {
				c.Close()
			}
		})
	}
}

func BenchmarkHello(b *testing.B)    { bench(b, sized(5), "", true) }
func BenchmarkKilobyte(b *testing.B) { bench(b, sized(kilobyte), "", true) }
func BenchmarkPage(b *testing.B)     { bench(b, sized(38*kilobyte), "", true) }
func BenchmarkDownload(b *testing.B) { bench(b, sized(512*kilobyte), "", true) }
func BenchmarkPost(b *testing.B)     { bench(b, drained, strings.Repeat("x", 64*kilobyte), true) }
func BenchmarkNotKept(b *testing.B)  { bench(b, sized(5), "", false) }
