package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"projhost/testenvs"
)

// Sizes of the benchmarks of environments with databases of their own.
const (
	crowdOpen     = 64 // how many may be open
	crowdRound    = 4  // seconds
	crowdRounds   = 3
	checkedEnvs   = 1000
	checkedAtMost = 10 * time.Second
	closedAtMost  = 3 * time.Millisecond
)

// makeOwn makes environments that have a database each, in a new directory. All
// but the first are copies of it.
func makeOwn(b *testing.B, n int) (parent string) {
	b.Helper()
	parent = testenvs.Parent(b, envName(0))
	files := []string{"VERSION", "conf/trac.ini", "db/trac.db"}
	texts := make([][]byte, len(files))
	for i, name := range files {
		var err error
		if texts[i], err = os.ReadFile(filepath.Join(parent, envName(0), name)); err != nil {
			b.Fatal(err)
		}
	}
	for at := 1; at < n; at++ {
		for i, name := range files {
			path := filepath.Join(parent, envName(at), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(path, texts[i], 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return parent
}

// BenchmarkCrowd asks for a wiki page of environments of which most are closed,
// since fewer may be open than there are: what one costs that has to be opened,
// and another closed for it.
func BenchmarkCrowd(b *testing.B) {
	once(b, func() {
		for _, n := range []int{1, 100, 1000, manyEnvs} {
			s := newSite(b, makeOwn(b, n), "--max-open", fmt.Sprint(crowdOpen))
			for i := range n {
				s.get("/"+envName(i)+"/wiki", http.StatusOK)
			}
			script := filepath.Join(b.TempDir(), "any.lua")
			text := fmt.Sprintf("request = function() return wrk.format(nil, string.format('/project-%%05d/wiki', math.random(0, %d))) end\n", n-1)
			if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
			var rates []float64
			var cpu time.Duration
			requests := 0
			for range crowdRounds {
				before := s.cpu()
				l := wrk(b, crowdRound, s.url+"/", "-s", script)
				cpu += s.cpu() - before
				requests += l.requests
				rates = append(rates, l.rate)
			}
			busy := resident(b, s.cmd.Process.Pid)
			rest, heap := s.settled()
			line(b, fmt.Sprintf("wiki pages of %s environments, %d open at most", thousands(float64(n)), min(n, crowdOpen)),
				fmt.Sprintf("%s/s, %s of CPU each (memory %s, after a rest %s, live heap %d MiB)",
					thousands(median(rates)), micros(cpu/time.Duration(requests)), mib(busy), mib(rest), heap), "-", true)
			s.stop()
		}
	})
}

// BenchmarkCheck has the released program check a directory of environments.
func BenchmarkCheck(b *testing.B) {
	parent := makeOwn(b, checkedEnvs)
	once(b, func() {
		began := time.Now()
		out, err := exec.Command(released(b), "all", "--env-parent-dir", parent, "check").CombinedOutput()
		took := time.Since(began)
		if err != nil || bytes.Count(out, []byte("project-")) < checkedEnvs {
			b.Fatalf("checking: %v\n%.2000s", err, out)
		}
		line(b, fmt.Sprintf("checking %s environments", thousands(checkedEnvs)), millis(took), "<= 10 s", took <= checkedAtMost)
	})
}
