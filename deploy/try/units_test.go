package try_test

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"projhost/deploy"
)

// kept is a plan's directory and what pings the projhost that its units start.
type kept struct {
	*testing.T
	dir, program, listen, log string
}

// keeps writes the files for one directory of environments, and lets their log
// be in a directory of the test's.
func keeps(t *testing.T, run string) kept {
	t.Helper()
	b := newBench(t)
	o := b.options(t)
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	o.RunDir = filepath.Join(filepath.Dir(o.RunDir), run)
	o.User, o.Group, o.Mounts = u.Username, g.Name, []deploy.Mount{{Path: "/", Parent: b.parent}}
	if u.Uid == "0" {
		o.User, o.Group = "www-data", "www-data"
	}
	p, err := deploy.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	for i := range p.Files {
		p.Files[i].Text = strings.ReplaceAll(p.Files[i].Text, "/var/log/projhost.log", log)
	}
	if err := os.MkdirAll(o.RunDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := deploy.Write(o.Dir, p.Files, deploy.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	letIn(t, filepath.Dir(log))
	return kept{t, o.Dir, o.Program, "fcgi+unix:" + escaped(o.RunDir+"/fcgi.sock"), log}
}

// answers waits until projhost is ready, or until it is not.
func (k kept) answers(ready bool) {
	k.Helper()
	var out []byte
	var err error
	for range 100 {
		if out, err = exec.Command(k.program, "ping", "--listen", k.listen).CombinedOutput(); (err == nil) == ready {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(k.log)
	k.Fatalf("ready is not %v: %v: %s\n%s", ready, err, out, text)
}

// run runs a script to its end and wants an exit code.
func (k kept) run(code int, script string, args ...string) {
	k.Helper()
	c := exec.Command(filepath.Join(k.dir, script), args...)
	out, _ := c.CombinedOutput()
	if c.ProcessState.ExitCode() != code {
		text, _ := os.ReadFile(k.log)
		k.Errorf("%s %q: %v, want code %d: %s\n%s", script, args, c.ProcessState, code, out, text)
	}
}

// TestSysVScript starts, reloads, restarts and stops projhost.
func TestSysVScript(t *testing.T) {
	k := keeps(t, strange)
	const script = "units/sysv/projhost"
	defer k.run(0, script, "stop")
	k.run(3, script, "status")
	k.run(0, script, "start")
	k.answers(true)
	k.run(0, script, "start")
	k.run(0, script, "status")
	k.run(0, script, "reload")
	k.run(0, script, "force-reload")
	k.answers(true)
	k.run(0, script, "restart")
	k.answers(true)
	k.run(0, script, "stop")
	k.answers(false)
	k.run(3, script, "status")
	k.run(0, script, "stop")
	k.run(3, script, "nonsense")
}

// foreground starts a program that stays, and ends it with the test. It returns
// what tells all that the program has said.
func (k kept) foreground(name string, args ...string) (said func() string) {
	k.Helper()
	c := exec.Command(name, args...)
	out, err := os.Create(filepath.Join(k.TempDir(), "out"))
	if err != nil {
		k.Fatal(err)
	}
	said = func() string {
		text, _ := os.ReadFile(out.Name())
		return string(text)
	}
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		k.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	k.Cleanup(func() {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			k.Error(err)
		}
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			k.Errorf("%s does not end", name)
			<-ended
		}
		k.answers(false)
		if k.Failed() {
			k.Logf("%s: %s", name, said())
		}
		if err := out.Close(); err != nil {
			k.Error(err)
		}
	})
	return said
}

func TestSpawnFCGI(t *testing.T) {
	k := keeps(t, strange)
	k.foreground(filepath.Join(k.dir, "units/spawn-fcgi/projhost.sh"))
	k.answers(true)
}

func TestMultiwatch(t *testing.T) {
	k := keeps(t, strange)
	said := k.foreground(filepath.Join(k.dir, "units/multiwatch/projhost.sh"))
	k.answers(true)
	// multiwatch tells a process to end that may not have begun to listen to
	// signals, and does not tell it again.
	for range 100 {
		if strings.Count(said(), "msg=ready") == 2 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	k.Errorf("not two processes are ready:\n%s", said())
}

func TestSupervisord(t *testing.T) {
	k := keeps(t, "100% \"odd\" {проект}")
	text, err := os.ReadFile(filepath.Join(k.dir, "units/supervisor/projhost.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "supervisord.conf")
	head := "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=" + dir + "/pid\nchildlogdir=" + dir + "\n"
	if err := os.WriteFile(main, append([]byte(head), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	k.foreground("supervisord", "-c", main)
	k.answers(true)
}
