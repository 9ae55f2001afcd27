// Package watch counts what becomes of requests, for the host and for each of
// its environments, and shows it: to the program in [Figures], to Prometheus as
// metrics, and the process itself as profiles.
package watch

import (
	"net/http"
	"sync"
	"time"

	"projhost/internal/stage"
)

// DefaultKnown is how many environments a [Meter] tells apart.
const DefaultKnown = 1 << 16

// DefaultNamed is how many environments are named in the metrics.
const DefaultNamed = 200

// Options are about a [Meter]. The zero value of a field is its default.
type Options struct {
	// Known is how many environments are counted each by itself; those that are
	// first asked for when there are as many already count as one.
	Known int
	// Named is how many of them metrics name, see [Meter.Handler]; none if it is negative.
	Named int
}

// Sample is one request that has ended.
type Sample struct {
	Dir    string // the environment's canonical directory; "" if none was found
	Name   string // its name
	Status int    // of the answer, or what it should have been if it was broken off
	Bytes  int64  // of the answer's body
	Times  stage.Times
	End    time.Time
}

// Figures are what is known of an environment's requests, or of all.
type Figures struct {
	Requests uint64
	Errors   uint64 // answered 5xx
	Refused  uint64 // answered 4xx
	Bytes    uint64 // of answers' bodies
	// Mean is of all requests; half and 95 of 100 recent requests were at most
	// as long as P50 and P95, which are right to a quarter. How long the client took
	// to take the answer is not in it.
	Mean, P50, P95 time.Duration
	Last           time.Time // end of the last request; zero without any
}

// Meter counts requests. It is safe for concurrent use.
type Meter struct {
	options Options

	mu    sync.RWMutex
	envs  map[string]*record // by directory
	rest  *record            // of environments beyond Options.Known
	host  hostRecord
	named named
}

// NewMeter returns a meter that has counted nothing.
func NewMeter(o Options) *Meter {
	if o.Known <= 0 {
		o.Known = DefaultKnown
	}
	if o.Named == 0 {
		o.Named = DefaultNamed
	}
	return &Meter{options: o, envs: make(map[string]*record), rest: new(record), named: named{members: make(map[*record]member)}}
}

// Observe counts a request.
func (m *Meter) Observe(s Sample) {
	took := s.Times.Total() - s.Times[stage.Send]
	if s.Dir != "" {
		m.record(s).add(s, took)
	}
	m.host.add(s, took)
}

// Of are the figures of the environment in a directory; zero if it was never
// asked for.
func (m *Meter) Of(dir string) Figures {
	if r := m.known(dir); r != nil {
		return r.figures()
	}
	return Figures{}
}

func (m *Meter) known(dir string) *record {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.envs[dir]
}

// Host are the figures of all requests, those for no environment included.
func (m *Meter) Host() Figures { return m.host.record.figures() }

// record is where s is counted.
func (m *Meter) record(s Sample) *record {
	if r := m.known(s.Dir); r != nil {
		return r
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.envs[s.Dir]; r != nil {
		return r
	}
	if len(m.envs) >= m.options.Known {
		return m.rest
	}
	r := &record{dir: s.Dir, name: s.Name}
	m.envs[s.Dir] = r
	return r
}

// counters are what requests add up to.
type counters struct {
	requests, errors, refused, bytes uint64
	took                             time.Duration
}

func (c *counters) add(d counters) {
	c.requests += d.requests
	c.errors += d.errors
	c.refused += d.refused
	c.bytes += d.bytes
	c.took += d.took
}

// sub undoes add.
func (c *counters) sub(d counters) {
	c.requests -= d.requests
	c.errors -= d.errors
	c.refused -= d.refused
	c.bytes -= d.bytes
	c.took -= d.took
}

// of is what one request counts.
func of(s Sample, took time.Duration) counters {
	c := counters{requests: 1, bytes: uint64(max(s.Bytes, 0)), took: took}
	switch {
	case s.Status >= http.StatusInternalServerError:
		c.errors = 1
	case s.Status >= http.StatusBadRequest:
		c.refused = 1
	}
	return c
}

// record is what is kept of one environment.
type record struct {
	dir, name string
	summed    bool // a scrape has had it in the sum of the others; guarded by named's mutex

	mu sync.Mutex
	counters
	last   int64 // unix nanoseconds
	recent recent
}

func (r *record) add(s Sample, took time.Duration) {
	c := of(s, took)
	r.mu.Lock()
	r.counters.add(c)
	r.last = max(r.last, s.End.UnixNano())
	r.recent.add(took)
	r.mu.Unlock()
}

// count are the counters as they are now.
func (r *record) count() counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters
}

func (r *record) figures() Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests == 0 {
		return Figures{}
	}
	return Figures{
		Requests: r.requests, Errors: r.errors, Refused: r.refused, Bytes: r.bytes,
		Mean: r.took / time.Duration(r.requests), P50: r.recent.quantile(0.50), P95: r.recent.quantile(0.95),
		Last: time.Unix(0, r.last),
	}
}
