package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"projhost/envs"
	"projhost/front"
	"projhost/internal/stage"
	"projhost/testenvs"
	"projhost/watch"
)

// get asks a handler.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// scrape asks for metrics as Prometheus does, and reads them with its parser.
func scrape(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	w := get(h, "/")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// value is that of the metric with such labels, "name{label=value}".
func value(all map[string]*dto.MetricFamily, metric string) (value float64, found bool) {
	name, labels, _ := strings.Cut(strings.TrimSuffix(metric, "}"), "{")
	for _, m := range all[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(have, ",") == labels {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()), true
		}
	}
	return 0, false
}

func closed(tb testing.TB) *envs.Registry {
	tb.Helper()
	return testenvs.Registry(tb, tb.TempDir(), envs.Options{})
}

func TestMetrics(t *testing.T) {
	env := "one"
	r, parent := testenvs.New(t, env)
	loc, err := r.Locate(envs.Lookup{Parent: parent, Name: env})
	if err != nil {
		t.Fatal(err)
	}
	opened, release, err := r.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	m := watch.NewMeter(watch.Options{})
	h := m.Handler(watch.Sources{Registry: r, Version: "1.2.3"})
	before := scrape(t, h)
	m.Observe(watch.Sample{Dir: opened.Dir(), Name: env, Status: 200, Bytes: 100, Times: stage.Times{stage.DB: time.Second, stage.Render: time.Second / 2, stage.Send: time.Minute}})
	m.Observe(watch.Sample{Dir: opened.Dir(), Name: env, Status: 404, Bytes: 10})
	m.Observe(watch.Sample{Dir: opened.Dir(), Name: env, Status: 503})
	m.Observe(watch.Sample{Status: 404})
	all := scrape(t, h)
	for metric, want := range map[string]float64{
		"projhost_build_info{version=1.2.3}": 1,

		"projhost_requests_total{class=2xx}":           1,
		"projhost_requests_total{class=4xx}":           2,
		"projhost_requests_total{class=5xx}":           1,
		"projhost_response_bytes_total":                110,
		"projhost_request_duration_seconds":            4,
		"projhost_stage_duration_seconds{stage=db}":    1,
		"projhost_stage_duration_seconds{stage=open}":  0,
		"projhost_environments_known":                  1,
		"projhost_environments_open":                   1,
		"projhost_environments_quarantined":            0,
		"projhost_requests_running":                    1,
		"projhost_requests_waiting":                    0,
		"projhost_log_lines_lost_total":                0,
		"projhost_db_connections_limit":                20,
		"projhost_environment_requests_total{env=one}": 3,

		"projhost_environment_errors_total{env=one}":           1,
		"projhost_environment_refused_total{env=one}":          1,
		"projhost_environment_response_bytes_total{env=one}":   110,
		"projhost_environment_duration_seconds_total{env=one}": 1.5,
		"projhost_environment_requests_total{env=other}":       0,
	} {
		if got, found := value(all, metric); !found || got != want {
			t.Errorf("%s is %v (there: %v), want %v", metric, got, found, want)
		}
	}
	if _, there := value(before, "projhost_environment_requests_total{env=one}"); there || all["go_goroutines"] == nil || all["process_open_fds"] == nil {
		t.Error("an environment nobody asked for is named, or the process's metrics are missing")
	}
	if testenvs.InPostgres() {
		servers := all["projhost_db_server_up"].GetMetric()
		if len(servers) != 1 || servers[0].GetGauge().GetValue() != 1 || len(all["projhost_db_connections"].GetMetric()) != 2 {
			t.Errorf("servers: %v", servers)
		}
	}
}

// TestListeners: two that are written alike, and one with a secret.
func TestListeners(t *testing.T) {
	traffic := new(front.Traffic)
	h := watch.NewMeter(watch.Options{}).Handler(watch.Sources{Registry: closed(t), Traffic: traffic})
	var addrs []front.Addr
	for _, s := range []string{"http://127.0.0.1:0", "http://127.0.0.1:0", "ajp://127.0.0.1:0?secret=hush"} {
		a, err := front.ParseAddr(s)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, done := make(chan []net.Addr, 1), make(chan error, 1)
	go func() {
		o := front.Options{Log: slog.New(slog.DiscardHandler), Traffic: traffic, Ready: func(at []net.Addr) { ready <- at }}
		done <- front.Serve(ctx, http.NotFoundHandler(), o, addrs...)
	}()
	select {
	case at := <-ready:
		for _, a := range at {
			nc, err := net.Dial(a.Network(), a.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
		}
	case err := <-done:
		t.Fatal(err)
	}
	for metric, want := range map[string]float64{
		"projhost_listener_connections{listener=http://127.0.0.1:0,protocol=http}":                         2,
		"projhost_listener_connections{listener=ajp://127.0.0.1:0?secret=***,protocol=ajp}":                1,
		"projhost_listener_connections_accepted_total{listener=ajp://127.0.0.1:0?secret=***,protocol=ajp}": 1,
		"projhost_listener_connections_refused_total{listener=http://127.0.0.1:0,protocol=http}":           0,
		"projhost_listener_full_total{listener=http://127.0.0.1:0,protocol=http}":                          0,
		"projhost_listener_requests_refused_total{listener=http://127.0.0.1:0,protocol=http}":              0,
	} {
		var got float64
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			found := false
			if got, found = value(scrape(t, h), metric); found && got == want {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s is %v (there: %v), want %v", metric, got, found, want)
				break
			}
		}
	}
	problems, err := promlint.New(get(h, "/").Body).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	m.Observe(sample("a", 200, time.Millisecond))
	problems, err := promlint.New(get(m.Handler(watch.Sources{Registry: closed(t)}), "/").Body).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestSeriesNeverShrink: whatever takes a name and loses it, nothing is counted
// twice nor a counter of the sum set back.
func TestSeriesNeverShrink(t *testing.T) {
	m := watch.NewMeter(watch.Options{Named: 2})
	h := m.Handler(watch.Sources{Registry: closed(t)})
	ask := func(name string, n int) {
		for range n {
			m.Observe(sample(name, 200, time.Millisecond))
		}
	}
	const metric = "projhost_environment_requests_total"
	last := 0.0
	check := func(want map[string]float64) {
		t.Helper()
		all := scrape(t, h)
		for env, n := range want {
			if got, found := value(all, metric+"{env="+env+"}"); got != n || !found {
				t.Errorf("%s has %v (there: %v), want %v", env, got, found, n)
			}
		}
		if n := len(all[metric].GetMetric()); n != len(want) {
			t.Errorf("%d series, want %d", n, len(want))
		}
		if other := want["other"]; other < last {
			t.Errorf("the others shrank from %v to %v: the test is wrong", last, other)
		}
		last = want["other"]
	}
	check(map[string]float64{"other": 0})
	ask("a", 10)
	ask("b", 20)
	ask("c", 5)
	check(map[string]float64{"a": 10, "b": 20, "other": 5})
	ask("a", 10)
	ask("c", 20)
	check(map[string]float64{"a": 20, "b": 20, "other": 25}) // c is not half as busy again
	ask("c", 10)
	ask("a", 1)
	check(map[string]float64{"a": 21, "c": 0, "other": 35})
	ask("c", 3)
	ask("b", 40)
	check(map[string]float64{"b": 0, "c": 3, "other": 75})
	ask("a", 2)
	check(map[string]float64{"b": 0, "c": 3, "other": 77})
}

// TestNamesThatAreTaken: two environments of one name, and one that is called
// like the sum of the others, are told apart.
func TestNamesThatAreTaken(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	for _, dir := range []string{"/srv/a/one", "/srv/b/one", "/srv/a/other", "/srv/quote\"\\\nnew"} {
		m.Observe(watch.Sample{Dir: dir, Name: dir[strings.LastIndexByte(dir, '/')+1:], Status: 200})
	}
	if got := len(scrape(t, m.Handler(watch.Sources{Registry: closed(t)}))["projhost_environment_requests_total"].GetMetric()); got != 5 {
		t.Errorf("%d series", got)
	}
}

func TestNobodyIsNamed(t *testing.T) {
	m := watch.NewMeter(watch.Options{Named: -1})
	m.Observe(sample("a", 200, time.Millisecond))
	if got, _ := value(scrape(t, m.Handler(watch.Sources{Registry: closed(t)})), "projhost_environment_requests_total{env=other}"); got != 1 {
		t.Errorf("the others have %v requests", got)
	}
}

// TestCardinality: 10,000 environments make no more series than are allowed.
func TestCardinality(t *testing.T) {
	m, _ := many(10_000)
	if got := len(scrape(t, m.Handler(watch.Sources{Registry: closed(t)}))["projhost_environment_requests_total"].GetMetric()); got != watch.DefaultNamed+1 {
		t.Errorf("%d series", got)
	}
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, _ := many(n)
			h := m.Handler(watch.Sources{Registry: closed(b)})
			b.ReportAllocs()
			for b.Loop() {
				_ = get(h, "/")
			}
		})
	}
}
