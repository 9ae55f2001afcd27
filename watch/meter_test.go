package watch_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"projhost/internal/stage"
	"projhost/watch"
)

// sample is a request of an environment that took so long in a module.
func sample(name string, status int, took time.Duration) watch.Sample {
	return watch.Sample{Dir: "/srv/" + name, Name: name, Status: status, Bytes: 10, Times: stage.Times{stage.Handle: took}, End: time.Unix(1000, 0)}
}

func TestFigures(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	for _, status := range []int{200, 302, 404, 499, 500, 503, 0} {
		m.Observe(sample("a", status, 2*time.Millisecond))
	}
	m.Observe(sample("b", 200, time.Second))
	got := m.Of("/srv/a")
	if got.Requests != 7 || got.Refused != 2 || got.Errors != 2 || got.Bytes != 70 || got.Mean != 2*time.Millisecond || !got.Last.Equal(time.Unix(1000, 0)) {
		t.Errorf("figures of a: %+v", got)
	}
	if m.Of("/srv/c") != (watch.Figures{}) || m.Host().Requests != 8 {
		t.Errorf("figures of c: %+v, of the host: %+v", m.Of("/srv/c"), m.Host())
	}
}

// TestSlowClientIsNotSlowHost: what a client takes to take the answer is not
// the environment's.
func TestSlowClientIsNotSlowHost(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	s := sample("a", 200, time.Millisecond)
	s.Times[stage.Send] = time.Hour
	m.Observe(s)
	if got := m.Of("/srv/a"); got.Mean != time.Millisecond || got.P95 > 2*time.Millisecond {
		t.Errorf("figures: %+v", got)
	}
}

// TestQuantiles: right to a quarter, from microseconds to a minute, and of recent
// requests.
func TestQuantiles(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	for took := 100 * time.Microsecond; took < time.Minute; took = took * 13 / 10 {
		for i := range 2000 {
			d := took
			if i%10 == 9 {
				d = 4 * took
			}
			m.Observe(sample("a", 200, d))
		}
		got := m.Of("/srv/a")
		near := func(what string, got, want time.Duration) {
			t.Helper()
			if want < time.Minute && math.Abs(float64(got)/float64(want)-1) > 0.25 {
				t.Errorf("%s is %v, want about %v", what, got, want)
			}
		}
		near("P50", got.P50, took)
		near("P95", got.P95, 4*took)
	}
}

// TestBound: environments beyond the bound count for the host alone.
func TestBound(t *testing.T) {
	m := watch.NewMeter(watch.Options{Known: 2})
	for i := range 4 {
		m.Observe(sample(fmt.Sprint("e", i), 200, time.Millisecond))
	}
	if m.Of("/srv/e1").Requests != 1 || m.Of("/srv/e2").Requests != 0 || m.Host().Requests != 4 {
		t.Errorf("e1 %+v, e2 %+v, host %+v", m.Of("/srv/e1"), m.Of("/srv/e2"), m.Host())
	}
}

func TestTogether(t *testing.T) {
	m := watch.NewMeter(watch.Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				m.Observe(sample(fmt.Sprint("e", i%10), 200, time.Millisecond))
				_ = m.Of("/srv/e1")
			}
		})
	}
	all.Wait()
	if got := m.Of("/srv/e1"); got.Requests != 800 || m.Host().Requests != 8000 {
		t.Errorf("e1 %+v, host %+v", got, m.Host())
	}
}

// many is a meter that knows n environments, and a sample of each.
func many(n int) (*watch.Meter, []watch.Sample) {
	m := watch.NewMeter(watch.Options{})
	samples := make([]watch.Sample, n)
	for i := range samples {
		samples[i] = sample(fmt.Sprintf("environment-%05d", i), 200, time.Duration(i)*time.Microsecond)
		m.Observe(samples[i])
	}
	return m, samples
}

// TestMemory: 10,000 environments are cheap. Their names are those the registry
// keeps anyway.
func TestMemory(t *testing.T) {
	const n, most = 10_000, 256
	samples := make([]watch.Sample, n)
	for i := range samples {
		samples[i] = sample(fmt.Sprintf("environment-%05d", i), 200, time.Millisecond)
	}
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	m := watch.NewMeter(watch.Options{})
	for _, s := range samples {
		m.Observe(s)
	}
	if each := (int64(heap()) - int64(before)) / n; each > most {
		t.Errorf("%d bytes an environment, want at most %d", each, most)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(samples)
}

func TestObserveDoesNotAllocate(t *testing.T) {
	m, samples := many(1)
	if n := testing.AllocsPerRun(100, func() { m.Observe(samples[0]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m, samples := many(10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			m.Observe(samples[i%len(samples)])
		}
	})
}
