package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"projhost/dispatch"
	"projhost/front/gateway"
)

// BenchmarkDemoPage is a wiki page end to end in process: from the variables
// nginx sends to the last byte of the demonstration's start page, with the
// access log on. With -cpu 1 its pages/s are those of one core.
func BenchmarkDemoPage(b *testing.B) {
	dir := b.TempDir()
	if err := makeDemo(context.Background(), dir); err != nil {
		b.Fatal(err)
	}
	f := hostFlags{parent: dir}
	settings, err := f.settings()
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	r := f.registry([]string{dir}, f.life.envLogs(nil), log)
	defer func() { _ = r.Close(context.Background()) }()
	host := newHost(dispatch.Options{Registry: r, Settings: settings, Roots: []string{dir}, Meter: f.watch.meter(), Slow: dispatch.DefaultSlow, Log: log})
	pairs := demoPairs(filepath.Base("/orchard"))
	listener := &gateway.Listener{Name: "bench"}
	ask := func() *httptest.ResponseRecorder {
		v, err := gateway.New(listener, pairs)
		if err != nil {
			b.Fatal(err)
		}
		req, err := gateway.NewRequest(context.Background(), v, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		w := httptest.NewRecorder()
		w.Body = nil
		host.ServeHTTP(w, req)
		return w
	}
	if w := ask(); w.Code != 200 {
		b.Fatalf("status %d", w.Code)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		ask()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
}

// demoPairs are the variables of a GET of a project, as nginx sends them.
func demoPairs(project string) []gateway.Pair {
	var pairs []gateway.Pair
	for line := range strings.Lines(`QUERY_STRING=
REQUEST_METHOD=GET
CONTENT_TYPE=
CONTENT_LENGTH=
SCRIPT_NAME=
PATH_INFO=/PROJECT
REQUEST_URI=/PROJECT
DOCUMENT_URI=/PROJECT
DOCUMENT_ROOT=/usr/share/nginx/html
SERVER_PROTOCOL=HTTP/1.1
REQUEST_SCHEME=http
GATEWAY_INTERFACE=CGI/1.1
SERVER_SOFTWARE=nginx/1.22.1
REMOTE_ADDR=127.0.0.1
REMOTE_PORT=50222
SERVER_ADDR=127.0.0.1
SERVER_PORT=80
SERVER_NAME=localhost
REQUEST_ID=0123456789abcdef0123456789abcdef
HTTP_HOST=localhost
HTTP_USER_AGENT=Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
HTTP_ACCEPT=text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
HTTP_ACCEPT_LANGUAGE=en-US,en;q=0.5
HTTP_ACCEPT_ENCODING=gzip, deflate
HTTP_CONNECTION=keep-alive
HTTP_UPGRADE_INSECURE_REQUESTS=1
`) {
		name, value, _ := strings.Cut(strings.TrimSuffix(strings.ReplaceAll(line, "PROJECT", project), "\n"), "=")
		pairs = append(pairs, gateway.Pair{Name: name, Value: value})
	}
	return pairs
}
