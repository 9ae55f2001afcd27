package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	stdfcgi "net/http/fcgi"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"projhost/front/ajp"
	"projhost/front/fcgi"
	"projhost/front/scgi"
	"projhost/front/uwsgi"
	"projhost/front/web"
	"projhost/front/wire"
)

// serverEnv makes the test binary one of the servers that are compared:
// "KIND SOCKET".
const serverEnv = "PROJHOST_BENCH_SERVER"

// The servers that are compared.
const (
	ours        = "front/fcgi"
	oursSCGI    = "front/scgi"
	oursUWSGI   = "front/uwsgi"
	oursAJP     = "front/ajp"
	oursHTTP    = "front/web"
	netHTTP     = "net/http"
	netHTTPFCGI = "net/http/fcgi"
)

// Sizes of the answers, in bytes.
const (
	smallAnswer = 1 << 10
	pageAnswer  = 20 << 10
)

// benchServer serves answers from memory if this process was started for that,
// until it is told to stop.
func benchServer() (was bool, err error) {
	kind, socket, ok := strings.Cut(os.Getenv(serverEnv), " ")
	if !ok {
		return false, nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("unix", socket)
	if err != nil {
		return true, err
	}
	answers := map[string][]byte{}
	for name, size := range map[string]int{"small": smallAnswer, "page": pageAnswer} {
		answers[name] = []byte(strings.Repeat("x", size))
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text)
	})
	switch kind {
	case ours:
		return true, fcgi.Serve(ctx, l, h)
	case oursSCGI:
		return true, (&scgi.Server{Config: wire.Config{Handler: h}}).Serve(ctx, l)
	case oursUWSGI:
		return true, (&uwsgi.Server{Config: wire.Config{Handler: h}}).Serve(ctx, l)
	case oursAJP:
		return true, (&ajp.Server{Config: wire.Config{Handler: h}}).Serve(ctx, l)
	case oursHTTP:
		return true, (&web.Server{Config: wire.Config{Handler: h}}).Serve(ctx, l)
	case netHTTP:
		go func() { <-ctx.Done(); _ = l.Close() }()
		s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		return true, unlessStopped(ctx, s.Serve(l))
	case netHTTPFCGI:
		go func() { <-ctx.Done(); _ = l.Close() }()
		return true, unlessStopped(ctx, stdfcgi.Serve(l, h))
	}
	return true, fmt.Errorf("no server is called %q", kind)
}

// unlessStopped drops the error of a server whose listener was closed.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// backend is a server and how nginx reaches it.
type backend struct {
	name, socket string
	protocol     string // nginx's word for it: fastcgi, scgi, uwsgi, proxy
	*measured
}

// protocolOf is the protocol of a server.
func protocolOf(kind string) string {
	switch kind {
	case netHTTP, oursHTTP:
		return "proxy"
	case oursSCGI:
		return "scgi"
	case oursUWSGI:
		return "uwsgi"
	}
	return "fastcgi"
}

// locations are nginx's for a backend: below /N/keep/ with kept connections,
// below /N/close/ with a new one for each request.
func (x backend) locations(n int) (upstreams, locations string) {
	for _, keep := range []bool{true, false} {
		way, keepalive, conn, keepConn := "close", "", "close", "off"
		if keep {
			way, keepalive, conn, keepConn = "keep", "keepalive 16;", "", "on"
		}
		name := fmt.Sprintf("up%d%s", n, way)
		upstreams += fmt.Sprintf("upstream %s { server unix:%s; %s }\n", name, x.socket, keepalive)
		pass := fmt.Sprintf(`include fastcgi_params; fastcgi_keep_conn %s; fastcgi_pass %s;`, keepConn, name)
		switch x.protocol {
		case "scgi", "uwsgi": // one request on a connection
			pass = fmt.Sprintf(`include %s_params; %s_pass %s;`, x.protocol, x.protocol, name)
		case "proxy":
			pass = fmt.Sprintf(`proxy_http_version 1.1; proxy_set_header Connection "%s"; proxy_set_header Host $host; proxy_pass http://%s;`, conn, name)
		}
		locations += fmt.Sprintf("location /%d/%s/ { rewrite ^/[0-9]+/[a-z]+(/.*)$ $1 break; %s }\n", n, way, pass)
	}
	return upstreams, locations
}

// benchNginx starts an nginx with one worker in front of the backends.
func benchNginx(b *testing.B, all []backend) (url string, worker int) {
	b.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	dir := b.TempDir()
	address, user := freePort(b), ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	var upstreams, locations string
	for i, x := range all {
		u, l := x.locations(i)
		upstreams, locations = upstreams+u, locations+l
	}
	files := map[string]string{}
	for _, protocol := range []string{"fastcgi", "scgi", "uwsgi"} {
		stock, err := os.ReadFile("/etc/nginx/" + protocol + "_params")
		if err != nil {
			b.Fatal(err)
		}
		// As if the client had asked for the rewritten address.
		files[protocol+"_params"] = strings.ReplaceAll(string(stock), "$request_uri", "$uri")
	}
	conf := fmt.Sprintf(`%s
daemon off;
worker_processes 1;
pid %[2]s/pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[2]s/body;
	fastcgi_temp_path %[2]s/fastcgi;
	proxy_temp_path %[2]s/proxy;
	scgi_temp_path %[2]s/scgi;
	uwsgi_temp_path %[2]s/uwsgi;
%[3]s
	server {
		listen %[4]s;
		server_name localhost;
%[5]s
	}
}
`, user, dir, upstreams, address, locations)
	files["nginx.conf"] = conf
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	p := measure(b, exec.Command(path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf")))
	p.listens("tcp", address)
	return "http://" + address, onlyChild(b, p.cmd.Process.Pid)
}

// onlyChild is a web server's one process that answers.
func onlyChild(b *testing.B, pid int) (child int) {
	b.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		b.Fatal(err)
	}
	if child, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
		b.Fatalf("one process was expected: %v", err)
	}
	return child
}

// tally are the rounds of one backend.
type tally struct {
	rates      []float64
	requests   int
	cpu, front time.Duration // of the backend and of the web server, in all rounds
}

func (t *tally) each(d time.Duration) time.Duration { return d / time.Duration(max(t.requests, 1)) }

// String is best and median of the rates, and the processor time of a request.
func (t *tally) String() string {
	rates := append([]float64(nil), t.rates...)
	best := rates[0]
	for _, r := range rates {
		best = max(best, r)
	}
	return fmt.Sprintf("%s best, %s median req/s; CPU %s + web server %s", thousands(best), thousands(median(rates)), micros(t.each(t.cpu)), micros(t.each(t.front)))
}

// against compares the processor time of a request with another backend's.
func (t *tally) against(o *tally) string {
	return fmt.Sprintf("%.2fx, %.2fx with the web server's", float64(t.each(t.cpu))/float64(o.each(o.cpu)), float64(t.each(t.cpu+t.front))/float64(o.each(o.cpu+o.front)))
}

// race sends load to each backend in turn, as often as there are rounds, each
// round in another order.
func race(b *testing.B, all []backend, url string, worker int, path string, rounds, seconds int) map[string]*tally {
	b.Helper()
	tallies := map[string]*tally{}
	for _, x := range all {
		tallies[x.name] = new(tally)
	}
	for round := range rounds {
		for i := range all {
			n := (i + round) % len(all)
			x := all[n]
			t := tallies[x.name]
			cpu, front := x.cpu(), cpuOf(b, worker)
			l := wrk(b, seconds, fmt.Sprintf("%s/%d/%s", url, n, path))
			t.rates = append(t.rates, l.rate)
			t.requests += l.requests
			t.cpu += x.cpu() - cpu
			t.front += cpuOf(b, worker) - front
		}
	}
	return tallies
}

// ratio is the median over the rounds of how many times as many requests one
// had as the other.
func ratio(one, other *tally) float64 {
	var all []float64
	for i := range one.rates {
		all = append(all, one.rates[i]/other.rates[i])
	}
	return median(all)
}

// behindNginx are the servers that are compared there.
func behindNginx() []string {
	return []string{ours, netHTTP, netHTTPFCGI, oursSCGI, oursUWSGI, oursHTTP}
}

// benchBackends starts servers, with sockets in dir.
func benchBackends(b *testing.B, dir string, kinds []string) (all []backend) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for i, kind := range kinds {
		x := backend{name: kind, socket: filepath.Join(dir, strconv.Itoa(i)), protocol: protocolOf(kind)}
		x.measured = measure(b, exec.Command(self), serverEnv+"="+kind+" "+x.socket)
		x.listens("unix", x.socket)
		all = append(all, x)
	}
	return all
}

// BenchmarkNginx compares our FastCGI server with net/http and net/http/fcgi
// behind the same nginx.
func BenchmarkNginx(b *testing.B) {
	all := benchBackends(b, b.TempDir(), behindNginx())
	url, worker := benchNginx(b, all)
	for _, c := range []struct {
		what, path      string
		rounds, seconds int
		goals           bool
	}{
		{"1 KiB, kept connections", "keep/small", 15, 1, true},
		{"1 KiB, new connections", "close/small", 5, 1, false},
		{"20 KiB, kept connections", "keep/page", 5, 1, false},
		{"20 KiB, new connections", "close/page", 5, 1, false},
	} {
		b.Run(c.path, func(b *testing.B) {
			race(b, all, url, worker, c.path, 1, 1) // warms up
			once(b, func() {
				t := race(b, all, url, worker, c.path, c.rounds, c.seconds)
				compare(b, "behind nginx, "+c.what, t, c.goals)
			})
		})
	}
}

// compare adds what the servers did to the table, and how ours compares.
func compare(b *testing.B, what string, t map[string]*tally, goals bool) {
	b.Helper()
	for _, name := range behindNginx() {
		line(b, what+": "+name, t[name].String(), "-", true)
	}
	for _, name := range []string{oursSCGI, oursUWSGI, oursHTTP} {
		line(b, what+": req/s of "+name+" against "+netHTTP, fmt.Sprintf("%.2fx", ratio(t[name], t[netHTTP])), "-", true)
	}
	for _, other := range []struct {
		name  string
		least float64
	}{{netHTTP, 1}, {netHTTPFCGI, 2.5}} {
		goal, r := "-", ratio(t[ours], t[other.name])
		if goals {
			goal = fmt.Sprintf(">= %.1fx", other.least)
		}
		line(b, what+": req/s against "+other.name, fmt.Sprintf("%.2fx", r), goal, r >= other.least)
		line(b, what+": CPU against "+other.name, t[ours].against(t[other.name]), "-", true)
	}
}

// BenchmarkPageBehindNginx asks the released program, which writes its access
// log, for the start page of the demonstration.
func BenchmarkPageBehindNginx(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "demo")
	address := freePort(b)
	demo := measure(b, exec.Command(released(b), "demo", "--dir", dir, "--http", address))
	demo.listens("tcp", address) // the projects are there then
	demo.stop()
	sockets := b.TempDir()
	fcgiSocket, httpSocket := filepath.Join(sockets, "f"), filepath.Join(sockets, "h")
	p := measure(b, exec.Command(released(b), "serve", "--env-parent-dir", filepath.Join(dir, "projects"),
		"--listen", "fcgi+unix:"+fcgiSocket, "--listen", "http+unix:"+httpSocket))
	p.listens("unix", fcgiSocket)
	p.listens("unix", httpSocket)
	all := []backend{{"FastCGI", fcgiSocket, "fastcgi", p}, {"HTTP", httpSocket, "proxy", p}}
	url, worker := benchNginx(b, all)
	race(b, all, url, worker, "keep/orchard", 1, 1)
	once(b, func() {
		for way, t := range race(b, all, url, worker, "keep/orchard", 5, 2) {
			line(b, "wiki page behind nginx, "+way, t.String(), "-", true)
		}
	})
}
