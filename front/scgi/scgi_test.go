package scgi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"projhost/front/scgi"
	"projhost/front/wire"
	"projhost/front/wire/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func netstring(s string) []byte { return []byte(fmt.Sprintf("%d:%s,", len(s), s)) }

func vars(nv ...string) string { return strings.Join(nv, "\x00") + "\x00" }

// typical is what nginx sends with the scgi_params of Debian, and more.
func typical(r wiretest.Request) []byte {
	method, host := r.Method, r.Host
	if method == "" {
		method = "GET"
	}
	if host == "" {
		host = "projects.example.org"
	}
	path, query, _ := strings.Cut(r.Path, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	nv := []string{
		"CONTENT_LENGTH", strconv.Itoa(r.Length), "REQUEST_METHOD", method, "REQUEST_URI", r.Path, "QUERY_STRING", query,
		"CONTENT_TYPE", "", "DOCUMENT_URI", decoded, "DOCUMENT_ROOT", "/usr/share/nginx/html", "SCGI", "1",
		"SERVER_PROTOCOL", "HTTP/1.1", "REQUEST_SCHEME", "http", "REMOTE_ADDR", "192.0.2.7", "REMOTE_PORT", "51914",
		"SERVER_PORT", "80", "SERVER_NAME", "projects.example.org", "HTTP_HOST", host,
	}
	for _, h := range r.Header {
		nv = append(nv, "HTTP_"+strings.ToUpper(strings.ReplaceAll(h[0], "-", "_")), h[1])
	}
	return netstring(vars(nv...))
}

// finish sends the body and reads the answer.
func finish(nc net.Conn, body []byte) (wiretest.Answer, error) {
	if len(body) > 0 { // to write nothing would take a reset's error away from reading
		go func() { _, _ = nc.Write(body) }() // the server may answer before it has read it
	}
	b, err := io.ReadAll(nc)
	if err != nil {
		return wiretest.Answer{}, err
	}
	return parse(b)
}

func parse(b []byte) (wiretest.Answer, error) {
	r := bufio.NewReader(bytes.NewReader(b))
	head, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return wiretest.Answer{}, fmt.Errorf("%w in %.100q", err, b)
	}
	status, err := strconv.Atoi(strings.Fields(head.Get("Status") + " ")[0])
	if err != nil {
		return wiretest.Answer{}, err
	}
	body, err := io.ReadAll(r)
	if n := head.Get("Content-Length"); err == nil && n != "" && len(body) > 0 && n != strconv.Itoa(len(body)) {
		err = errors.New("Content-Length " + n + " of " + strconv.Itoa(len(body)) + " bytes")
	}
	return wiretest.Answer{Status: status, Header: http.Header(head), Body: string(body)}, err
}

func protocol() wiretest.Protocol {
	return wiretest.Protocol{
		Serve: func(ctx context.Context, cfg wire.Config, l net.Listener) error {
			return (&scgi.Server{Config: cfg}).Serve(ctx, l)
		},
		Head: typical, Finish: finish, Body: func(p []byte) []byte { return p },
	}
}

func TestSuite(t *testing.T) { protocol().Suite(t) }

func BenchmarkKilobyte(b *testing.B) { protocol().Bench(b, false) }
