package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"projhost/doctor"
	"projhost/testenvs"
)

// TestDeployCheck: what an administrator runs after deploying.
func TestDeployCheck(t *testing.T) {
	parent := testenvs.Parent(t, "one", "two")
	dir := filepath.Join(t.TempDir(), "d")
	cmd := exec.Command(program(), "deploy", dir, "--server", "nginx", "--way", "fastcgi", "--env-parent-dir", parent, "--prefix", "/trac", "--auth", "basic", "--check")
	cmd.Env = cleanEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range doctor.Checks() {
		if !strings.Contains(string(out), "ok     "+c+"\n") {
			t.Errorf("%s is not reported as right:\n%s", c, out)
		}
	}
}
