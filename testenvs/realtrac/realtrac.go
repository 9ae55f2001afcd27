// Package realtrac runs a real Trac 1.6 on environments of tests, as the other
// program that shares them. scripts/test-deps installs it.
package realtrac

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// places are the directories of Python modules in which Trac may be: Debian 13's,
// and that of its files on an older Debian.
func places() []string {
	return []string{"/usr/lib/python3/dist-packages", "/usr/local/lib/trac-1.6"}
}

// Python runs a program that may import Trac's modules, and returns what it writes.
func Python(tb testing.TB, program string, args ...string) string {
	tb.Helper()
	return run(tb, python(tb, append([]string{"-c", program}, args...)...), args)
}

// command is a module of Trac's as a program.
func command(tb testing.TB, module string, args ...string) *exec.Cmd {
	tb.Helper()
	return python(tb, append([]string{"-m", module}, args...)...)
}

// python is Debian's own, for which its modules are made.
func python(tb testing.TB, args ...string) *exec.Cmd {
	tb.Helper()
	for _, place := range places() {
		if _, err := os.Stat(filepath.Join(place, "trac", "core.py")); err == nil {
			cmd := exec.Command("/usr/bin/python3", append([]string{"-W", "ignore"}, args...)...)
			cmd.Env = append(cmd.Environ(), "PYTHONPATH="+place, "PYTHONDONTWRITEBYTECODE=1", "LC_ALL=C.UTF-8", "TRAC_ENV=", "TRAC_ENV_PARENT_DIR=")
			return cmd
		}
	}
	tb.Fatalf("there is no Trac in %s: run scripts/test-deps", strings.Join(places(), " or "))
	return nil
}

// Admin runs a command of trac-admin, which must succeed.
func Admin(tb testing.TB, env string, words ...string) string {
	tb.Helper()
	return run(tb, command(tb, "trac.admin.console", append([]string{env}, words...)...), words)
}

// Session runs commands of trac-admin, a line each, in one process, which is
// much faster, and returns what each writes; all must succeed.
func Session(tb testing.TB, env string, lines ...string) (outs []string) {
	tb.Helper()
	cmd := command(tb, "trac.admin.console", env)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	outs = strings.Split(run(tb, cmd, lines), "Trac ["+env+"]> ")
	if len(outs) != len(lines)+2 { // a greeting, and a prompt at the end
		tb.Fatalf("trac-admin has answered %d commands by %q", len(lines), outs)
	}
	return outs[1 : len(lines)+1]
}

func run(tb testing.TB, cmd *exec.Cmd, what []string) string {
	tb.Helper()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		tb.Fatalf("Trac, %.500q: %v\n%s%.2000s", what, err, problems.String(), out.String())
	}
	return out.String()
}

// IsCurrent fails the test unless Trac opens the environment and has nothing to
// upgrade.
func IsCurrent(tb testing.TB, env string) {
	tb.Helper()
	if out := Admin(tb, env, "upgrade"); !strings.Contains(out, "up to date") {
		tb.Errorf("trac-admin upgrade: %s", out)
	}
}

// Serve has tracd serve the environments below parent until the test ends, and
// returns its address. Who has a name in users, a file of htpasswd's, may log in.
func Serve(tb testing.TB, parent, users string) (url string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	args := []string{"--hostname", "127.0.0.1", "--port", address[strings.LastIndex(address, ":")+1:], "--env-parent-dir", parent}
	if users != "" {
		args = append(args, "--basic-auth", "*,"+users+",Trac")
	}
	cmd := command(tb, "trac.web.standalone", args...)
	log, err := os.Create(filepath.Join(tb.TempDir(), "tracd.log"))
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	said := func() string {
		text, _ := os.ReadFile(log.Name())
		return string(text)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
		if tb.Failed() {
			tb.Log("tracd said:\n" + said())
		}
	})
	for range 600 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return fmt.Sprintf("http://%s", address)
		}
		time.Sleep(50 * time.Millisecond)
	}
	tb.Fatalf("tracd does not listen after 30 s:\n%s", said())
	return ""
}
