package e2e_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"projhost/dispatch"
	"projhost/envs"
	"projhost/front/gateway"
	"projhost/project"
	"projhost/testenvs"
)

// Sizes of the benchmarks of many environments.
const (
	manyEnvs    = 10_000
	workingSet  = 64  // environments that requests are for
	openEnvs    = 200 // opened to see what one takes
	flatRounds  = 15
	flatRound   = 400 * time.Millisecond // less than until files are looked at again
	flatAtMost  = 1.10
	knownAtMost = 20 << 20
	openAtMost  = 300 << 10
	indexAtMost = 50 * time.Millisecond
)

func envName(i int) string { return fmt.Sprintf("project-%05d", i) }

// makeCheap makes environments that share one database.
func makeCheap(b *testing.B, n int) (parent string) {
	b.Helper()
	database := filepath.Join(testenvs.Make(b, testenvs.Parent(b), "one", nil), "db", "trac.db")
	parent = testenvs.Parent(b)
	for i := range n {
		makeOneCheap(b, parent, i, database)
	}
	return parent
}

func makeOneCheap(b *testing.B, parent string, i int, database string) {
	b.Helper()
	conf := filepath.Join(parent, envName(i), "conf")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(parent, envName(i), "VERSION"): "Trac Environment Version 1\n",
		filepath.Join(conf, "trac.ini"):              fmt.Sprintf("[project]\nname = Project %d\ndescr = What project %d is about\n\n[trac]\ndatabase = sqlite:%s\n", i, i, database),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// trivial is a module that answers at once.
type trivial struct{}

func (trivial) Name() string { return "trivial" }

func (trivial) Routes(r project.Router) {
	r.Get("/trivial", func(*project.Request) (project.Reply, error) { return project.Text{Body: "here\n"}, nil })
}

// nowhere is a ResponseWriter of which only the status is wanted.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }

// crowd is a host that knows some number of environments, all of them listed
// and each asked for once.
type crowd struct {
	known    int
	registry *envs.Registry
	host     *dispatch.Host
	lookups  []envs.Lookup   // of the working set
	requests []*http.Request // likewise
	at       int
}

func newCrowd(b *testing.B, known int) *crowd {
	b.Helper()
	parent := makeCheap(b, known)
	c := &crowd{known: known, registry: testenvs.Registry(b, parent, envs.Options{Recheck: envs.DefaultRecheck, MaxOpen: workingSet})}
	c.host = dispatch.New(dispatch.Options{
		Registry: c.registry, Site: project.NewSite(trivial{}), Settings: map[string]string{"TRAC_ENV_PARENT_DIR": parent},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	list, err := c.registry.List(b.Context(), parent)
	if err != nil {
		b.Fatal(err)
	}
	for info := range list {
		c.acquire(b, envs.Lookup{Parent: parent, Name: info.Name})
	}
	for i := range workingSet { // with one environment, all are for that one
		name := envName(i * max(known/workingSet, 1) % known)
		c.lookups = append(c.lookups, envs.Lookup{Parent: parent, Name: name})
		c.requests = append(c.requests, trivialRequest(b, name))
	}
	return c
}

// trivialRequest asks for a project's trivial page as a web server would.
func trivialRequest(b *testing.B, name string) *http.Request {
	b.Helper()
	var pairs []gateway.Pair
	for k, v := range nginxParams("/"+name+"/trivial", "") {
		pairs = append(pairs, gateway.Pair{Name: k, Value: v})
	}
	v, err := gateway.New(&gateway.Listener{Name: "bench"}, pairs)
	if err != nil {
		b.Fatal(err)
	}
	r, err := gateway.NewRequest(context.Background(), v, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func (c *crowd) acquire(b *testing.B, l envs.Lookup) {
	loc, err := c.registry.Locate(l)
	if err != nil {
		b.Fatal(err)
	}
	_, release, err := c.registry.Acquire(b.Context(), loc)
	if err != nil {
		b.Fatal(err)
	}
	release()
}

// next is the place of the next request in the working set.
func (c *crowd) next() int {
	c.at = (c.at + 1) % len(c.requests)
	return c.at
}

func (c *crowd) acquireNext(b *testing.B) { c.acquire(b, c.lookups[c.next()]) }

func (c *crowd) serveNext(b *testing.B) {
	w := nowhere{header: make(http.Header, 8)}
	c.host.ServeHTTP(&w, c.requests[c.next()])
	if w.status != http.StatusOK {
		b.Fatalf("status %d", w.status)
	}
}

// timed is what one call of f takes, over a round that begins when the whole
// working set has just been asked for, so that its files are not looked at:
// that is done once a second, however many requests there are.
func (c *crowd) timed(b *testing.B, f func(*testing.B)) time.Duration {
	for range c.requests {
		f(b)
	}
	const batch = 256
	n, began := 0, time.Now()
	for time.Since(began) < flatRound {
		for range batch {
			f(b)
		}
		n += batch
	}
	return time.Since(began) / time.Duration(n)
}

// BenchmarkDispatch tells whether a request takes longer when more
// environments are known. The hosts take turns.
func BenchmarkDispatch(b *testing.B) {
	var crowds []*crowd
	for _, known := range []int{1, 100, manyEnvs} {
		crowds = append(crowds, newCrowd(b, known))
	}
	for _, c := range []struct {
		what string
		f    func(*crowd, *testing.B)
	}{
		{"find, acquire and release an environment", (*crowd).acquireNext},
		{"request for a trivial page", (*crowd).serveNext},
	} {
		b.Run(strings.ReplaceAll(c.what, " ", "-"), func(b *testing.B) {
			once(b, func() {
				rounds := make([][]time.Duration, len(crowds))
				for round := range flatRounds {
					for i := range crowds {
						n := (i + round) % len(crowds)
						rounds[n] = append(rounds[n], crowds[n].timed(b, func(b *testing.B) { c.f(crowds[n], b) }))
					}
				}
				flat(b, c.what, crowds, rounds)
			})
		})
	}
}

// flat adds to the table what something costs with each host, and how far
// apart that is: the median over the rounds of the dearest host's cost against
// the cheapest one's.
func flat(b *testing.B, what string, crowds []*crowd, rounds [][]time.Duration) {
	b.Helper()
	var figures []string
	worst := 1.0
	for i, x := range crowds {
		figures = append(figures, fmt.Sprintf("%s at %s", micros(median(rounds[i])), thousands(float64(x.known))))
		for j := range crowds {
			var ratios []float64
			for k := range rounds[i] {
				ratios = append(ratios, float64(rounds[i][k])/float64(rounds[j][k]))
			}
			worst = max(worst, median(ratios))
		}
	}
	line(b, what, strings.Join(figures, ", ")+fmt.Sprintf(": %.2fx", worst), fmt.Sprintf("<= %.2fx", flatAtMost), worst <= flatAtMost)
}

// site is the released program serving a directory over HTTP.
type site struct {
	*measured
	url    string
	client *http.Client
}

func newSite(b *testing.B, parent string, flags ...string) site {
	b.Helper()
	address := freePort(b)
	p := measure(b, exec.Command(released(b), append([]string{"serve", "--env-parent-dir", parent, "--listen", "http://" + address,
		"--log-level", "warn"}, flags...)...), "GODEBUG=gctrace=1")
	p.listens("tcp", address)
	transport := new(http.Transport)
	b.Cleanup(transport.CloseIdleConnections)
	return site{p, "http://" + address, &http.Client{Transport: transport}}
}

// get fetches a page and tells its size and how long it took to arrive.
func (s site) get(path string, status int) (body string, took time.Duration) {
	s.b.Helper()
	began := time.Now()
	resp, err := s.client.Get(s.url + path)
	if err != nil {
		s.b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	took = time.Since(began)
	if err != nil || resp.StatusCode != status {
		s.b.Fatalf("%s: status %d, want %d: %v", path, resp.StatusCode, status, err)
	}
	return string(text), took
}

// settled is the resident memory of the site, and its heap in MiB, after small
// requests have made the garbage collector run a few times and the runtime has
// had the time to give memory back.
func (s site) settled() (rss, heap int) {
	s.b.Helper()
	for began := time.Now(); time.Since(began) < 4*time.Second; {
		s.get("/no-such-project", http.StatusNotFound)
	}
	time.Sleep(4 * time.Second)
	return resident(s.b, s.cmd.Process.Pid), s.heap()
}

func mib(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// BenchmarkKnown is what ten thousand known environments cost the released
// program: memory, and the time for their index.
func BenchmarkKnown(b *testing.B) {
	parent := makeCheap(b, manyEnvs)
	database := filepath.Join(testenvs.Make(b, testenvs.Parent(b), "one", nil), "db", "trac.db")
	once(b, func() {
		idle := newSite(b, makeCheap(b, 1))
		idle.get("/", http.StatusOK)
		idleRSS, idleHeap := idle.settled()
		idle.stop()
		s := newSite(b, parent)
		body, first := s.get("/", http.StatusOK)
		if n := strings.Count(body, `href="/project-`); n < manyEnvs {
			b.Fatalf("the index shows %d projects", n)
		}
		rss, heap := s.settled()
		line(b, "memory of 10,000 known environments",
			fmt.Sprintf("%s (%s with 1, %s with 10,000; live heap %d and %d MiB)", mib(rss-idleRSS), mib(idleRSS), mib(rss), idleHeap, heap),
			"<= 20 MiB", rss-idleRSS <= knownAtMost)
		var warm []time.Duration
		for range 30 { // some of them find the listing too old
			_, took := s.get("/", http.StatusOK)
			warm = append(warm, took)
			time.Sleep(150 * time.Millisecond)
		}
		line(b, "index of 10,000 projects", fmt.Sprintf("%s median, %s at most (first after start %s, %s of HTML)",
			millis(median(warm)), millis(slices.Max(warm)), millis(first), mib(len(body))), "<= 50 ms", median(warm) <= indexAtMost)
		afterChange(b, s, parent, database)
	})
}

// afterChange adds projects and asks for the index.
func afterChange(b *testing.B, s site, parent, database string) {
	b.Helper()
	var times, seen []time.Duration
	for i := range 7 {
		time.Sleep(2500 * time.Millisecond) // what was listed is old now
		makeOneCheap(b, parent, manyEnvs+i, database)
		began := time.Now()
		for {
			body, took := s.get("/", http.StatusOK)
			if len(times) == len(seen) { // the first one after the change
				times = append(times, took)
			}
			if strings.Contains(body, envName(manyEnvs+i)) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		seen = append(seen, time.Since(began))
	}
	line(b, "index of 10,000 projects, one just added", fmt.Sprintf("%s median, %s at most (new one shown after %s)",
		millis(median(times)), millis(slices.Max(times)), millis(median(seen))), "<= 50 ms", median(times) <= indexAtMost)
}

// BenchmarkOpen is the memory of open environments in the released program.
func BenchmarkOpen(b *testing.B) {
	var names []string
	for i := range openEnvs + 1 {
		names = append(names, envName(i))
	}
	parent := testenvs.Parent(b, names...)
	once(b, func() {
		s := newSite(b, parent)
		s.get("/", http.StatusOK)
		s.get("/"+names[openEnvs]+"/wiki", http.StatusOK)
		before, _ := s.settled()
		times := make(map[string][]time.Duration)
		for _, path := range []string{"/wiki", "/wiki/SecondPage"} {
			for _, name := range names[:openEnvs] {
				_, took := s.get("/"+name+path, http.StatusOK)
				times[path] = append(times[path], took)
			}
		}
		first := median(times["/wiki"])
		line(b, "first page of a closed SQLite environment", fmt.Sprintf("%s median, %s at most (a page of an open one %s)",
			millis(first), millis(slices.Max(times["/wiki"])), millis(median(times["/wiki/SecondPage"]))), "<= 3 ms", first <= closedAtMost)
		after, heap := s.settled()
		each := (after - before) / openEnvs
		line(b, "memory of an open SQLite environment", fmt.Sprintf("%d KiB (%s with 1 open, %s with %d; live heap then %d MiB)",
			each>>10, mib(before), mib(after), openEnvs+1, heap), "<= 300 KiB", each <= openAtMost)
	})
}
