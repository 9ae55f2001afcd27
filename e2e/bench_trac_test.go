package e2e_test

import (
	"fmt"
	"os/exec"
	"testing"

	"projhost/testenvs/realtrac"
)

// BenchmarkTrac has a real Trac 1.6 (tracd) and us (projhost tracd) serve the same
// environment, and asks both for the same page over HTTP, in turns.
func BenchmarkTrac(b *testing.B) {
	bin, parent := released(b), b.TempDir()
	if out, err := exec.Command(bin, "admin", parent+"/one", "initenv", "One", "sqlite:db/trac.db").CombinedOutput(); err != nil {
		b.Fatalf("initenv: %v\n%s", err, out)
	}
	ours, trac := newSite(b, parent).url, realtrac.Serve(b, parent, "")
	once(b, func() {
		for _, page := range []string{"WikiStart", "TracGuide"} {
			var rates, tracs []float64
			for range 5 {
				their := wrk(b, 2, trac+"/one/wiki/"+page).rate
				rates, tracs = append(rates, wrk(b, 2, ours+"/one/wiki/"+page).rate/their), append(tracs, their)
			}
			line(b, "wiki page "+page+" over HTTP against a real Trac 1.6 (tracd)", fmt.Sprintf("%.0fx (Trac: %s/s)", median(rates), thousands(median(tracs))), "> 1x", median(rates) > 1)
		}
	})
}
