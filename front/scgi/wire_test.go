package scgi_test

import (
	"net/http"
	"strings"
	"testing"

	"projhost/front/scgi"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(r.Method + " " + r.URL.Path))
})

const good = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nGET /x"

// TestBytes has requests byte by byte, and what must come back.
func TestBytes(t *testing.T) {
	head := func(nv ...string) string { return string(netstring(vars(nv...))) }
	min := []string{"CONTENT_LENGTH", "0", "SCGI", "1", "REQUEST_METHOD", "GET", "REQUEST_URI", "/x"}
	with := func(more ...string) string { return head(append(min[:len(min):len(min)], more...)...) }
	const bad = "Status: 400 Bad Request\r\n"
	for name, tc := range map[string]struct{ send, want, log string }{
		"as the specification has it": {
			"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?",
			"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\nPOST /deepthought", ""},
		"the least":                {with(), good, ""},
		"more than announced":      {with() + "surplus", good, ""},
		"SCGI once more":           {with("SCGI", "1"), good, ""},
		"leading zero":             {"0" + with(), "", "begins with a zero"},
		"a sign":                   {"+" + with(), "", "not SCGI"},
		"a blank":                  {" " + with(), "", "not SCGI"},
		"HTTP":                     {"GET / HTTP/1.1\r\n\r\n", "", "not SCGI"},
		"FastCGI":                  {"\x01\x01\x00\x01\x00\x08\x00\x00", "", "not SCGI"},
		"no length":                {":,", "", "not SCGI"},
		"a long length":            {"12345678901:", "", "more than 9 digits"},
		"too long":                 {"70000:", "Status: 431 Request Header Fields Too Large\r\n", "70000 bytes of variables, more than 65536"},
		"empty":                    {"0:,", bad, "CONTENT_LENGTH is not the first"},
		"no comma":                 {strings.Replace(with(), ",", ";", 1), "", "do not end with a comma"},
		"length too short":         {"9:" + with(), "", "do not end with a comma"},
		"cut short":                {with()[:20], "", ""},
		"no NUL at the end":        {string(netstring("CONTENT_LENGTH\x000\x00SCGI\x001")), bad, "do not end with NUL"},
		"a name without a value":   {string(netstring("CONTENT_LENGTH\x000\x00SCGI\x001\x00X\x00")), bad, "without a value"},
		"no name":                  {with("", "x"), bad, "without a name"},
		"too many":                 {with(strings.Split(strings.Repeat("A\x00b\x00", 600)+"A\x00b", "\x00")...), bad, "more than 512 variables"},
		"CONTENT_LENGTH not first": {head("SCGI", "1", "CONTENT_LENGTH", "0", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "not the first"},
		"CONTENT_LENGTH twice":     {with("CONTENT_LENGTH", "0"), bad, "sent twice"},
		"CONTENT_LENGTH empty":     {head("CONTENT_LENGTH", "", "SCGI", "1", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "is no length"},
		"CONTENT_LENGTH signed":    {head("CONTENT_LENGTH", "+0", "SCGI", "1", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "is no length"},
		"CONTENT_LENGTH too long":  {head("CONTENT_LENGTH", "9223372036854775808", "SCGI", "1", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "is no length"},
		"no SCGI":                  {head("CONTENT_LENGTH", "0", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "SCGI is not"},
		"SCGI 2":                   {head("CONTENT_LENGTH", "0", "SCGI", "2", "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), bad, "SCGI is not"},
		"two users":                {with("REMOTE_USER", "ana", "REMOTE_USER", "admin"), bad, "REMOTE_USER: sent twice"},
		"two environments":         {with("TRAC_ENV", "/a", "TRAC_ENV", "/a"), bad, "TRAC_ENV: sent twice"},
		"a break in a user":        {with("REMOTE_USER", "a\nb"), bad, "CR or LF"},
	} {
		t.Run(name, func(t *testing.T) {
			f := protocol().Start(t, wire.Config{Handler: hello})
			nc := f.Dial()
			wiretest.Send(t, nc, []byte(tc.send))
			if name == "cut short" {
				_ = nc.(interface{ CloseWrite() error }).CloseWrite()
			}
			got := wiretest.Closed(t, nc)
			if tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if strings.HasPrefix(got, bad) && !strings.HasSuffix(got, "\r\n\r\nBad Request\n") {
				t.Errorf("tells more than it should: %q", got)
			}
			if tc.log == "" && f.Log.String() != "" || !strings.Contains(f.Log.String(), tc.log) {
				t.Errorf("the log lacks %q: %s", tc.log, f.Log)
			}
		})
	}
}

// TestSplit has a request come in two pieces, cut anywhere.
func TestSplit(t *testing.T) {
	f := protocol().Start(t, wire.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hello(w, r) })})
	b := []byte("70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?")
	for i := range b {
		nc := f.Dial()
		wiretest.Send(t, nc, b[:i])
		wiretest.Send(t, nc, b[i:])
		if got := wiretest.Closed(t, nc); !strings.HasSuffix(got, "POST /deepthought") {
			t.Fatalf("cut at %d: %q", i, got)
		}
	}
}

// FuzzRequest has any bytes come: they are answered with one whole answer or none.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?"))
	protocol().Fuzz(f, wire.Config{Handler: hello, Limits: wire.Limits{MaxBody: 1 << 16, BodyMemory: 256}}, func(t *testing.T, got []byte) {
		if _, err := parse(got); err != nil && len(got) > 0 {
			t.Errorf("%q: %v", got, err)
		}
	})
}

// FuzzVariables decodes anything: what is accepted, encoded again, is the same.
func FuzzVariables(f *testing.F) {
	f.Add("CONTENT_LENGTH\x000\x00SCGI\x001\x00")
	f.Add("\x00\x00")
	f.Add("A\x00\x00B\x00")
	f.Fuzz(func(t *testing.T, s string) {
		pairs, err := scgi.Decode(s, 100)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, p := range pairs {
			b.WriteString(p.Name + "\x00" + p.Value + "\x00")
		}
		if b.String() != s || len(pairs) > 100 {
			t.Errorf("%q became %q", s, b.String())
		}
	})
}
