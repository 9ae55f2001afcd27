package e2e_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// Bounds of what the status of ten thousand environments takes.
const (
	statusAtMost     = 100 * time.Millisecond
	statusJSONAtMost = 200 * time.Millisecond
)

// BenchmarkStatus is the time for the status page, and its JSON, of ten thousand
// environments, in the released program.
func BenchmarkStatus(b *testing.B) {
	parent := makeCheap(b, manyEnvs)
	once(b, func() {
		address := freePort(b)
		p := measure(b, exec.Command(released(b), "serve", "--env-parent-dir", parent, "--listen", "http+unix:"+b.TempDir()+"/s",
			"--admin-listen", "http://"+address, "--log-level", "warn"), "GODEBUG=gctrace=1")
		p.listens("tcp", address)
		s := site{p, "http://" + address, http.DefaultClient}
		for _, c := range []struct {
			what, path, has string
			atMost          time.Duration
		}{
			{"status page of 10,000 environments", "/.projhost/status", `rel="next"`, statusAtMost},
			{"… sorted by a figure", "/.projhost/status?sort=-requests", `rel="next"`, statusAtMost},
			{"… as JSON", "/.projhost/status.json", `"name":"` + envName(manyEnvs-1) + `"`, statusJSONAtMost},
		} {
			var took []time.Duration
			size := 0
			for range 30 { // some of them find the listing too old
				body, t := s.get(c.path, http.StatusOK)
				if !strings.Contains(body, c.has) {
					b.Fatalf("%s lacks %s", c.path, c.has)
				}
				took, size = append(took, t), len(body)
				time.Sleep(100 * time.Millisecond)
			}
			line(b, c.what, fmt.Sprintf("%s median, %s at most (%s)", millis(median(took)), millis(slices.Max(took)), mib(size)),
				"<= "+millis(c.atMost), median(took) <= c.atMost)
		}
	})
}
