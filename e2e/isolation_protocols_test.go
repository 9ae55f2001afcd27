package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/envs"
	"projhost/front"
	"projhost/front/wire/wiretest"
	"projhost/testenvs"
)

// route is one way to the same projects, with a prefix and a language of dates
// of its own: an answer tells by which way it was asked for.
type route struct {
	prefix  string // of its URLs
	listen  string // with %s for a directory
	nginx   string // how nginx passes it on, with %s for the directory
	date    string // a date of the test pages as this way must show it
	url     string
	answers atomic.Int64
}

func routes(dir, cert string) []*route {
	const user = "REMOTE_USER $http_x_test_user if_not_empty; "
	r := []*route{
		{prefix: "/fastcgi", listen: "fcgi+unix:%s/f?lc-time=de_DE", date: "03.03.2024 10:00:00",
			nginx: "include /etc/nginx/fastcgi_params; fastcgi_param " + user + "fastcgi_pass projhost;"},
		{prefix: "/scgi", listen: "scgi+unix:%s/s?lc-time=ja_JP", date: "2024年03月03日 10時00分00秒",
			nginx: "include /etc/nginx/scgi_params; scgi_param " + user + "scgi_pass unix:%s/s;"},
		{prefix: "/uwsgi", listen: "uwsgi+unix:%s/u?lc-time=C", date: "2024-03-03 10:00 UTC",
			nginx: "include /etc/nginx/uwsgi_params; uwsgi_param " + user + "uwsgi_pass unix:%s/u;"},
		{prefix: "/http", listen: "http+unix:%s/h?lc-time=fr_FR&trust=all&user-header=X-Test-User", date: "03/03/2024 10:00:00",
			nginx: "proxy_set_header Host $host; proxy_pass http://unix:%s/h;"},
		{prefix: "/ajp", listen: "ajp+unix:%s/a?lc-time=ko_KR", date: "2024년 03월 03일 10시 00분 00초"},
		{prefix: "/https", listen: "https://127.0.0.1:0?lc-time=sv_SE&cert=" + url.QueryEscape(cert), date: "2024-03-03 10:00:00"},
	}
	for _, r := range r {
		r.listen = strings.ReplaceAll(r.listen, "%s", dir) + "&mode=0666&prefix=" + r.prefix
		r.nginx = strings.ReplaceAll(r.nginx, "%s", dir)
	}
	return r
}

// serveRoutes serves all routes in this process and has real web servers in front.
func (x *isolated) serveRoutes(t *testing.T) []*route {
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Apache's user has to pass
		t.Fatal(err)
	}
	all := routes(dir, testenvs.Certificate(t, t.TempDir()))
	var addrs []front.Addr
	for _, r := range all {
		text := r.listen + "&env-parent-dir=" + url.QueryEscape(x.parent)
		if strings.HasPrefix(text, "https") {
			text = strings.Replace(text, "&mode=0666", "", 1)
		}
		a, err := front.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	ctx, stop := context.WithCancel(context.Background())
	at, served := make(chan []net.Addr, 1), make(chan error, 1)
	go func() {
		served <- front.Serve(ctx, x.handler, front.Options{
			Log: slog.New(slog.DiscardHandler), Ready: func(a []net.Addr) { at <- a },
		}, addrs...)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	var open []net.Addr
	select {
	case open = <-at:
	case err := <-served:
		t.Fatal(err)
	}
	var locations strings.Builder
	for _, r := range all {
		if r.nginx != "" {
			fmt.Fprintf(&locations, "location %s/ { %s }\n", r.prefix, r.nginx)
		}
	}
	behindNginx := "http://" + nginx(t, dir+"/f", true, locations.String())
	for i, r := range all {
		switch r.prefix {
		case "/ajp":
			r.url = wiretest.Apache(t, "proxy proxy_ajp", fmt.Sprintf("ProxyPass /ajp unix:%s/a|ajp://localhost/ajp\n", dir))
		case "/https":
			r.url = "https://" + open[i].String()
		default:
			r.url = behindNginx
		}
	}
	return all
}

// names tells whether users can be told by this way.
func (r *route) names() bool { return r.prefix != "/ajp" && r.prefix != "/https" }

// check finds in the answer what is the route's, and nothing of another.
func (r *route) check(q question, a answer, all []*route) error {
	if err := q.check(a); err != nil {
		return fmt.Errorf("%s: %w", r.prefix, err)
	}
	for _, other := range all {
		if other != r && strings.Contains(a.body, `="`+other.prefix+"/") {
			return fmt.Errorf("%s%s%s: the answer links to %s", r.prefix, q.name, q.path, other.prefix)
		}
		if other != r && strings.Contains(a.body, other.date) {
			return fmt.Errorf("%s%s%s: a date as %s has it", r.prefix, q.name, q.path, other.prefix)
		}
	}
	if q.path == "/wiki" && !strings.Contains(a.body, r.date) {
		return fmt.Errorf("%s%s%s: no date %s\n%s", r.prefix, q.name, q.path, r.date, a.body)
	}
	return nil
}

// TestIsolationOfProtocols is TestIsolation for every protocol at once, each
// through a real web server or, for HTTPS, by HTTP/2.
func TestIsolationOfProtocols(t *testing.T) {
	x := newIsolated(t, isolationEnvs, envs.Options{MaxOpen: isolationOpen}, nil)
	all := x.serveRoutes(t)
	done := make(chan struct{})
	var touching, wg sync.WaitGroup
	touching.Go(func() { x.changeSettings(t, done) })
	var aborted atomic.Int64
	for i, r := range all {
		tr := &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8,
		}
		t.Cleanup(tr.CloseIdleConnections)
		for j := range 8 {
			wg.Go(func() {
				c := &routeClient{x: x, r: r, all: all, tr: tr, rng: rand.New(rand.NewPCG(uint64(i), uint64(j))), aborted: &aborted}
				if err := c.run(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	close(done)
	touching.Wait()
	for _, r := range all {
		t.Logf("%s: %d answers checked", r.prefix, r.answers.Load())
		if r.answers.Load() < 8*routeRounds/2 {
			t.Errorf("%s: only %d answers", r.prefix, r.answers.Load())
		}
	}
	t.Logf("%d requests aborted", aborted.Load())
	if aborted.Load() == 0 {
		t.Error("no request was aborted")
	}
}

const routeRounds = 25 // of each client

// routeClient is a visitor.
type routeClient struct {
	x       *isolated
	r       *route
	all     []*route
	tr      *http.Transport
	rng     *rand.Rand
	aborted *atomic.Int64
}

func (c *routeClient) run() error {
	for range routeRounds {
		q := c.x.ask(c.rng)
		if q.user != "" && !c.r.names() {
			continue
		}
		wait := time.Minute
		if c.rng.IntN(8) == 0 {
			wait = time.Duration(c.rng.IntN(3000)) * time.Microsecond
		}
		a, err := c.get(q, wait)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && wait < time.Minute:
			c.aborted.Add(1)
			continue
		case err != nil:
			return fmt.Errorf("%s%s%s: %w", c.r.prefix, q.name, q.path, err)
		}
		c.r.answers.Add(1)
		if err := c.r.check(q, a, c.all); err != nil {
			return err
		}
	}
	return nil
}

func (c *routeClient) get(q question, wait time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	path, query, _ := strings.Cut(q.path, "?")
	target := c.r.url + (&url.URL{Path: c.r.prefix + "/" + q.name + path, RawQuery: query}).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{}, err
	}
	if q.user != "" {
		req.Header.Set("X-Test-User", q.user)
	}
	resp, err := c.tr.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: textproto.MIMEHeader(resp.Header), body: string(body)}, err
}
