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
	for name, args := range map[string][]string{
		"nginx":  {"--server", "nginx", "--way", "fastcgi", "--auth", "basic"},
		"apache": {"--server", "apache", "--way", "proxy_http", "--auth", "digest", "--auth-all", "--realm", digestRealm},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := testenvs.Parent(t, "one", "two")
			dir := filepath.Join(t.TempDir(), "d")
			cmd := exec.Command(program(), append([]string{"deploy", dir, "--env-parent-dir", parent, "--prefix", "/trac", "--check"}, args...)...)
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
		})
	}
}
