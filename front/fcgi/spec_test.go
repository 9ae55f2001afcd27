package fcgi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"projhost/front/fcgi"
	"projhost/front/gateway"
	"projhost/front/wire"
)

// get is the request of the examples, with what makes it one of HTTP.
var getPairs = pairs("SERVER_PORT", "80", "SERVER_ADDR", "199.170.183.42", "REQUEST_METHOD", "GET", "PATH_INFO", "/a",
	"REQUEST_URI", "/a", "SERVER_NAME", "a.example", "SERVER_PROTOCOL", "HTTP/1.1", "SCRIPT_NAME", "")

var postPairs = pairs("SERVER_PORT", "80", "SERVER_ADDR", "199.170.183.42", "REQUEST_METHOD", "POST", "PATH_INFO", "/b",
	"REQUEST_URI", "/b", "SERVER_NAME", "a.example", "SERVER_PROTOCOL", "HTTP/1.1", "SCRIPT_NAME", "",
	"CONTENT_LENGTH", "21", "CONTENT_TYPE", "application/x-www-form-urlencoded")

const postBody = "quantity=100&item=304"

// echo answers with the method, the path and the body.
var echo = handler(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %q %v", r.Method, r.URL.Path, body, err)
})

// ends is FCGI_END_REQUEST of a request that is complete.
func ends(id uint16) record { return record{end, id, string(make([]byte, 8))} }

// says is FCGI_STDOUT with an answer of the echo handler, and the two records that end it.
func says(id uint16, body string) []record {
	head := fmt.Sprintf("Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n", len(body))
	return []record{{stdout, id, head + body}, {stdout, id, ""}, ends(id)}
}

func join(lists ...[]record) (all []record) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// TestSpecExamples has the record exchanges of FastCGI 1.0 appendix B and
// variations of them: what the web server sends, and all that it gets.
func TestSpecExamples(t *testing.T) {
	get := []record{{params, 1, getPairs}, {params, 1, ""}, {stdin, 1, ""}}
	post := []record{{params, 1, postPairs}, {params, 1, ""}, {stdin, 1, postBody}, {stdin, 1, ""}}
	for _, tc := range []struct {
		name string
		send []record
		want []record
	}{
		{"B.1 simple request, nothing on stdin",
			join([]record{beginRecord(1, responder, 0)}, get),
			says(1, `GET /a "" <nil>`)},
		{"B.2 with a body",
			join([]record{beginRecord(1, responder, 0)}, post),
			says(1, fmt.Sprintf(`POST /b %q <nil>`, postBody))},
		{"B.3 parameters split in a value and the body split",
			[]record{beginRecord(1, responder, 0),
				{params, 1, postPairs[:15]}, {params, 1, postPairs[15:]}, {params, 1, ""},
				{stdin, 1, postBody[:12]}, {stdin, 1, postBody[12:]}, {stdin, 1, ""}},
			says(1, fmt.Sprintf(`POST /b %q <nil>`, postBody))},
		{"records of requests that do not exist",
			join([]record{{stdin, 9, "x"}, {params, 9, "x"}, {abort, 9, ""}, beginRecord(1, responder, 0)}, get),
			says(1, `GET /a "" <nil>`)},
		{"records the responder has no use for",
			join([]record{beginRecord(1, responder, 0), {8, 1, "data"}, {7, 1, "stderr"}, {77, 1, "?"}}, get),
			says(1, `GET /a "" <nil>`)},
		{"what comes after the end of a stream",
			join([]record{beginRecord(1, responder, 0), {params, 1, postPairs}, {params, 1, ""}, {params, 1, "junk"}, {params, 1, ""}},
				[]record{{stdin, 1, postBody}, {stdin, 1, ""}, {stdin, 1, "junk"}}),
			says(1, fmt.Sprintf(`POST /b %q <nil>`, postBody))},
		{"body before the parameters",
			[]record{beginRecord(1, responder, 0), {stdin, 1, postBody}, {stdin, 1, ""}, {params, 1, postPairs}, {params, 1, ""}},
			says(1, fmt.Sprintf(`POST /b %q <nil>`, postBody))},
		{"the highest id",
			[]record{beginRecord(65535, responder, 0), {params, 65535, getPairs}, {params, 65535, ""}, {stdin, 65535, ""}},
			says(65535, `GET /a "" <nil>`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, padding := range []int{0, 1, 8, 255} {
				c := serve(t, fcgi.Server{Config: wire.Config{Handler: echo}}).dial()
				var b []byte
				for _, r := range tc.send {
					b = append(b, r.bytes(padding)...)
				}
				c.Write(b)
				got := c.closed()
				if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(record{})); diff != "" {
					t.Errorf("with %d bytes of padding (-want +got):\n%s", padding, diff)
				}
			}
		})
	}
}

// TestSpecMultiplexed is the last example of appendix B: two requests at a time,
// of which the second ends first.
func TestSpecMultiplexed(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			<-release
		}
		echo(w, r)
	})}}).dial()
	c.send(beginRecord(1, responder, keep), record{params, 1, getPairs}, record{params, 1, ""},
		beginRecord(2, responder, keep), record{params, 2, postPairs[:40]}, record{stdin, 1, ""},
		record{params, 2, postPairs[40:]}, record{params, 2, ""}, record{stdin, 2, postBody}, record{stdin, 2, ""})
	if a := c.answer(2); a.body != fmt.Sprintf("POST /b %q <nil>", postBody) {
		t.Errorf("the second: %+v", a)
	}
	close(release)
	if a := c.answer(1); a.body != `GET /a "" <nil>` {
		t.Errorf("the first: %+v", a)
	}
}

// TestSplitAnywhere sends a request in two records of FCGI_PARAMS, split at each
// byte, so in each length too.
func TestSplitAnywhere(t *testing.T) {
	long := strings.Repeat("y", 200)
	want := pairs("HTTP_X_LONG", long, strings.Repeat("N", 130), "v")
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: handler(func(w http.ResponseWriter, r *http.Request) {
		v := gateway.FromContext(r.Context())
		io.WriteString(w, pairs("HTTP_X_LONG", v.Get("HTTP_X_LONG"), strings.Repeat("N", 130), v.Get(strings.Repeat("N", 130))))
	})}}).dial()
	all := getPairs + want
	for i := 1; i < len(all); i++ {
		c.send(beginRecord(1, responder, keep), record{params, 1, all[:i]}, record{params, 1, all[i:]}, record{params, 1, ""}, record{stdin, 1, ""})
		if a := c.answer(1); a.body != want {
			t.Fatalf("split at %d: %+v", i, a)
		}
	}
}

// TestByteByByte sends records in the smallest pieces a socket may deliver.
func TestByteByByte(t *testing.T) {
	c := serve(t, fcgi.Server{Config: wire.Config{Handler: echo}}).dial()
	var b []byte
	for _, r := range []record{beginRecord(1, responder, 0), {params, 1, postPairs}, {params, 1, ""}, {stdin, 1, postBody}, {stdin, 1, ""}} {
		b = append(b, r.bytes(5)...)
	}
	if _, err := io.Copy(c.Conn, iotest.OneByteReader(bytes.NewReader(b))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(says(1, fmt.Sprintf("POST /b %q <nil>", postBody)), c.closed(), cmp.AllowUnexported(record{})); diff != "" {
		t.Error(diff)
	}
}

// TestManagement has the records with the null request id (section 4).
func TestManagement(t *testing.T) {
	srv := fcgi.Server{Config: wire.Config{Handler: hello, Limits: wire.Limits{MaxConns: 7, MaxRequests: 9}}}
	for _, tc := range []struct {
		name string
		send record
		want record
	}{
		{"all values", record{getValues, 0, pairs("FCGI_MAX_CONNS", "", "FCGI_MAX_REQS", "", "FCGI_MPXS_CONNS", "")},
			record{valuesResult, 0, pairs("FCGI_MAX_CONNS", "7", "FCGI_MAX_REQS", "9", "FCGI_MPXS_CONNS", "1")}},
		{"only those asked", record{getValues, 0, pairs("FCGI_MAX_REQS", "")}, record{valuesResult, 0, pairs("FCGI_MAX_REQS", "9")}},
		{"unknown ones", record{getValues, 0, pairs("FCGI_NOPE", "", "FCGI_MPXS_CONNS", "")}, record{valuesResult, 0, pairs("FCGI_MPXS_CONNS", "1")}},
		{"each once", record{getValues, 0, strings.Repeat(pairs("FCGI_MAX_CONNS", ""), 20)}, record{valuesResult, 0, pairs("FCGI_MAX_CONNS", "7")}},
		{"none", record{getValues, 0, ""}, record{valuesResult, 0, ""}},
		{"unknown type", record{99, 0, ""}, record{unknownType, 0, "\x63\x00\x00\x00\x00\x00\x00\x00"}},
		{"unknown type, long", record{200, 0, strings.Repeat("z", 60000)}, record{unknownType, 0, "\xc8\x00\x00\x00\x00\x00\x00\x00"}},
		{"authorizer", beginRecord(3, 2, keep), record{end, 3, "\x00\x00\x00\x00\x03\x00\x00\x00"}},
		{"filter", beginRecord(3, 3, keep), record{end, 3, "\x00\x00\x00\x00\x03\x00\x00\x00"}},
		{"role 0", beginRecord(3, 0, keep), record{end, 3, "\x00\x00\x00\x00\x03\x00\x00\x00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := serve(t, srv).dial()
			c.send(tc.send)
			if got := c.next(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			c.get(1, keep, "/after")
			if a := c.answer(1); a.body != "hello /after" {
				t.Errorf("then: %+v", a)
			}
		})
	}
}

// TestProtocolErrors has what closes a connection, with a line in the log.
func TestProtocolErrors(t *testing.T) {
	good := beginRecord(1, responder, keep).bytes(0)
	for _, tc := range []struct {
		name, log string
		send      []byte
	}{
		{"wrong version", "version 2", []byte{2, begin, 0, 1, 0, 8, 0, 0}},
		{"HTTP", "version 71", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"short begin", "BEGIN_REQUEST", record{begin, 1, "\x00\x01\x01"}.bytes(0)},
		{"long begin", "BEGIN_REQUEST", record{begin, 1, "\x00\x01\x01\x00\x00\x00\x00\x00\x00"}.bytes(0)},
		{"huge begin", "BEGIN_REQUEST", record{begin, 1, strings.Repeat("x", 60000)}.bytes(0)[:100]},
		{"begin without an id", "BEGIN_REQUEST", beginRecord(0, responder, keep).bytes(0)},
		{"begin of an active id", "begun twice", append(good[:len(good):len(good)], good...)},
		{"malformed values", "GET_VALUES", record{getValues, 0, "\x0eFCGI"}.bytes(0)},
		{"too many values", "type 9", record{getValues, 0, strings.Repeat(pairs("FCGI_MAX_CONNS", ""), 100)}.bytes(0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := serve(t, fcgi.Server{Config: wire.Config{Handler: hello}})
			c := f.dial()
			c.Write(tc.send)
			if rest := c.closed(); rest != nil {
				t.Errorf("answered %v", rest)
			}
			c.Close()
			f.stop()
			f.wait()
			if !strings.Contains(f.log.String(), tc.log) {
				t.Errorf("the log has no %q: %s", tc.log, f.log)
			}
		})
	}
}
