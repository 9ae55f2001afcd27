package watch

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"projhost/db"
	"projhost/envs"
	"projhost/front"
	"projhost/internal/stage"
)

// maxScrapes bounds the scrapes at a time.
const maxScrapes = 2

// Sources are what metrics are gathered from besides a [Meter]. One that is nil
// has none to give, but for the registry, which must be there.
type Sources struct {
	Registry *envs.Registry
	Traffic  *front.Traffic
	Version  string // of the program
}

// Handler answers with the metrics of m, of the sources and of the process, in
// the formats Prometheus understands. The busiest environments are named, as many
// as [Options.Named] says; the others are one, "other". It says what is going on
// in all projects: whoever mounts it decides who may see that.
func (m *Meter) Handler(from Sources) http.Handler {
	all := prometheus.NewRegistry()
	all.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{Sources: from, meter: m, all: descriptions()},
	)
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// metrics are those of the program's own.
type metrics struct {
	build, requests, duration, stages, bytes                                   *prometheus.Desc
	envRequests, envErrors, envRefused, envBytes, envSeconds                   *prometheus.Desc
	known, open, quarantined, running, waiting                                 *prometheus.Desc
	connections, connectionLimit, connectionWaiting, serverUp, databases, lost *prometheus.Desc
	clients, accepted, refused, full, turnedAway                               *prometheus.Desc
}

func descriptions() metrics {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("projhost_"+name, help, labels, nil)
	}
	return metrics{
		build: of("build_info", "The version that runs; always 1.", "version"),

		requests: of("requests_total", "Requests, by class of status; 0xx had no answer.", "class"),
		duration: of("request_duration_seconds", "What requests took, without sending the answer."),
		stages:   of("stage_duration_seconds", "What requests spent in a stage, those that came to it.", "stage"),
		bytes:    of("response_bytes_total", "Bytes of answers' bodies."),

		envRequests: of("environment_requests_total", "Requests of an environment.", "env"),
		envErrors:   of("environment_errors_total", "Requests of an environment answered 5xx.", "env"),
		envRefused:  of("environment_refused_total", "Requests of an environment answered 4xx.", "env"),
		envBytes:    of("environment_response_bytes_total", "Bytes of answers' bodies of an environment.", "env"),
		envSeconds:  of("environment_duration_seconds_total", "What requests of an environment took, without sending the answer.", "env"),

		known:       of("environments_known", "Environments that have been asked for."),
		open:        of("environments_open", "Environments that are open."),
		quarantined: of("environments_quarantined", "Environments that are out of order."),
		running:     of("requests_running", "Requests in environments."),
		waiting:     of("requests_waiting", "Requests that wait for their environment."),

		connections:       of("db_connections", "Connections to a database server, by what they are doing.", "server", "state"),
		connectionLimit:   of("db_connections_limit", "Connections to database servers that there may be."),
		connectionWaiting: of("db_connections_waiting", "Transactions that wait for a connection."),
		serverUp:          of("db_server_up", "Whether the last attempt to connect to a database server succeeded.", "server"),
		databases:         of("db_open", "Databases of a server that are open.", "server"),

		clients:    of("listener_connections", "Connections of web servers and browsers.", "listener", "protocol"),
		accepted:   of("listener_connections_accepted_total", "Connections that have been accepted.", "listener", "protocol"),
		refused:    of("listener_connections_refused_total", "Connections of peers that may not connect.", "listener", "protocol"),
		full:       of("listener_full_total", "How often a listener had as many connections as it may.", "listener", "protocol"),
		turnedAway: of("listener_requests_refused_total", "Requests that were more than a listener may have at once.", "listener", "protocol"),

		lost: of("log_lines_lost_total", "Lines of environments' own logs that could not be written."),
	}
}

// collector gathers everything at the moment of a scrape.
type collector struct {
	Sources
	meter *Meter
	all   metrics
}

var _ prometheus.Collector = (*collector)(nil)

// Describe implements [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := sink{to}
	s.gauge(c.all.build, 1, c.Version)
	c.requests(s)
	c.environments(s)
	c.databases(s)
	c.listeners(s)
}

// sink takes metrics.
type sink struct{ to chan<- prometheus.Metric }

func (s sink) counter(d *prometheus.Desc, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func (s sink) gauge(d *prometheus.Desc, value int, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
}

func (s sink) histogram(d *prometheus.Desc, h *histogram, labels ...string) {
	below := make(map[float64]uint64, numBounds)
	count := uint64(0)
	for i, bound := range bounds() {
		count += h.counts[i]
		below[bound.Seconds()] = count
	}
	count += h.counts[numBounds]
	s.to <- prometheus.MustNewConstHistogram(d, count, h.sum.Seconds(), below, labels...)
}

func (c *collector) requests(s sink) {
	counts := c.meter.host.snapshot()
	for class, n := range counts.classes {
		s.counter(c.all.requests, float64(n), strconv.Itoa(class)+"xx")
	}
	s.histogram(c.all.duration, &counts.total)
	for i, name := range stage.Names() {
		s.histogram(c.all.stages, &counts.stages[i], name)
	}
	s.counter(c.all.bytes, float64(c.meter.host.count().bytes))
}

func (c *collector) environments(s sink) {
	for _, e := range c.meter.series() {
		s.counter(c.all.envRequests, float64(e.requests), e.label)
		s.counter(c.all.envErrors, float64(e.errors), e.label)
		s.counter(c.all.envRefused, float64(e.refused), e.label)
		s.counter(c.all.envBytes, float64(e.bytes), e.label)
		s.counter(c.all.envSeconds, e.took.Seconds(), e.label)
	}
	t := c.Registry.Totals()
	s.gauge(c.all.known, t.Known)
	s.gauge(c.all.open, t.Open)
	s.gauge(c.all.quarantined, t.Quarantined)
	s.gauge(c.all.running, t.Running)
	s.gauge(c.all.waiting, t.Waiting)
	s.counter(c.all.lost, float64(c.Registry.LostLines()))
}

func (c *collector) databases(s sink) {
	state := c.Registry.Connections()
	s.gauge(c.all.connectionLimit, state.Limit)
	s.gauge(c.all.connectionWaiting, state.Waiting)
	for _, server := range byAddress(state.Servers) {
		up := 1
		if !server.DeadUntil.IsZero() {
			up = 0
		}
		s.gauge(c.all.serverUp, up, server.Address)
		s.gauge(c.all.databases, server.Databases, server.Address)
		s.gauge(c.all.connections, server.Idle, server.Address, "idle")
		s.gauge(c.all.connections, server.InUse(), server.Address, "in_use")
	}
}

func (c *collector) listeners(s sink) {
	if c.Traffic == nil {
		return
	}
	for _, l := range c.Traffic.All() {
		s.gauge(c.all.clients, int(l.Open.Load()), l.Listener, l.Protocol)
		s.counter(c.all.accepted, float64(l.Accepted.Load()), l.Listener, l.Protocol)
		s.counter(c.all.refused, float64(l.Refused.Load()), l.Listener, l.Protocol)
		s.counter(c.all.full, float64(l.Full.Load()), l.Listener, l.Protocol)
		s.counter(c.all.turnedAway, float64(l.TurnedAway.Load()), l.Listener, l.Protocol)
	}
}

// byAddress makes one of servers that only their passwords tell apart; they come
// sorted.
func byAddress(servers []db.ServerState) (list []db.ServerState) {
	for _, s := range servers {
		if n := len(list) - 1; n >= 0 && list[n].Address == s.Address {
			same := &list[n]
			same.Databases += s.Databases
			same.Open += s.Open
			same.Idle += s.Idle
			same.Waiting += s.Waiting
			if same.DeadUntil.IsZero() {
				same.DeadUntil = s.DeadUntil
			}
			continue
		}
		list = append(list, s)
	}
	return list
}
