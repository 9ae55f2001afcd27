package envs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"projhost/envs"
	"projhost/envs/envlog"
	"projhost/testenvs"
)

// TestLogsOfManyEnvironments: under load, with environments that are closed for
// others, reloaded and given new files, each line is in its own environment's log
// and in no other.
func TestLogsOfManyEnvironments(t *testing.T) {
	const n, clients, rounds = 24, 8, 60
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("e%02d", i)
	}
	parent := testenvs.Parent(t, names...)
	host := new(testenvs.Log)
	r := testenvs.Registry(t, parent, envs.Options{MaxOpen: 6, Logs: envlog.New(nil, ""), Log: slog.New(slog.NewTextHandler(host, nil))})
	lines := func(name string) string {
		text, err := os.ReadFile(filepath.Join(parent, name, "log", "trac.log"))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range rounds {
				name := names[(c*7+i*5)%n]
				loc, err := r.Locate(envs.Lookup{Parent: parent, Name: name})
				if err != nil {
					t.Error(err)
					return
				}
				env, release, err := r.Acquire(t.Context(), loc)
				if err != nil {
					t.Error(err)
					return
				}
				env.Log().Warn("a line", "canary", testenvs.Canary(name), "n", c*rounds+i)
				release()
				if i%20 == 19 {
					r.ReopenLogs()
				}
			}
		})
	}
	all.Wait()
	total := 0
	for _, name := range names {
		own := strings.Count(lines(name), testenvs.Canary(name))
		if every := strings.Count(lines(name), "canary-"); own == 0 || own != every || strings.Contains(lines(name), "env=") {
			t.Errorf("%s has %d lines of its own, %d in all", name, own, every)
		}
		total += own
	}
	if total != clients*rounds || strings.Count(host.String(), "canary-") != total {
		t.Errorf("%d lines in environments' logs and %d in the host's, want %d", total, strings.Count(host.String(), "canary-"), clients*rounds)
	}
}

// TestLogSettings: trac.ini decides where the log is, how it looks, and what is in it.
func TestLogSettings(t *testing.T) {
	dir := testenvs.Make(t, t.TempDir(), "one", map[string]map[string]string{"logging": {"log_level": "error", "log_file": "my.log", "log_format": "$(project)s: $(message)s"}})
	var host bytes.Buffer
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{Logs: envlog.New(nil, ""), Log: slog.New(slog.NewTextHandler(&host, nil))})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	env, release, err := r.Acquire(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	env.Log().Warn("not this")
	env.Log().Error("but this")
	text, err := os.ReadFile(filepath.Join(dir, "log", "my.log"))
	if err != nil || string(text) != "Project one: but this\n" || r.LostLines() != 0 {
		t.Errorf("the log has %q, %v", text, err)
	}
}

// TestReadOnlyHasNoFile: in the directory of an environment that is only read,
// nothing is written; the host's log has its lines.
func TestReadOnlyHasNoFile(t *testing.T) {
	dir := testenvs.Make(t, t.TempDir(), "one", map[string]map[string]string{"trac": {"readonly": "enabled"}})
	var host bytes.Buffer
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{Logs: envlog.New(nil, ""), Log: slog.New(slog.NewTextHandler(&host, nil))})
	env, release := acquire(t, r, locate(t, r, filepath.Dir(dir), "one"))
	defer release()
	env.Log().Error("what happened")
	files, err := os.ReadDir(filepath.Join(dir, "log"))
	if err != nil || len(files) > 0 || !strings.Contains(host.String(), "what happened") {
		t.Errorf("log has %v, %v; the host's log: %s", files, err, &host)
	}
}

// TestLogIsLetGo: an environment that is closed, or was opened only to see whether
// it can be, has its log open no more.
func TestLogIsLetGo(t *testing.T) {
	// The warning about this setting opens the file.
	dir := testenvs.Make(t, t.TempDir(), "one", map[string]map[string]string{"logging": {"log_level": "debug"}, "attachment": {"max_size": "large"}})
	r := testenvs.Registry(t, filepath.Dir(dir), envs.Options{Logs: envlog.New(nil, "")})
	loc, err := r.Locate(envs.Lookup{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	opens := func() {
		if err := r.Open(t.Context(), loc); err != nil {
			t.Fatal(err)
		}
		_ = r.CloseEnv(loc)
	}
	for _, look := range []func(){opens, func() { r.Try(loc) }} {
		look()
		if open := openFiles(t, "trac.log"); len(open) > 0 {
			t.Errorf("open still: %v", open)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "log", "trac.log"))
	if err != nil || strings.Count(string(text), "WARNING: a setting does not fit") != 2 || strings.Count(string(text), "DEBUG: environment closed") != 2 {
		t.Errorf("%v: the log has\n%s", err, text)
	}
}

// openFiles are the files of such a name that this process has open.
func openFiles(t *testing.T, name string) (list []string) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && filepath.Base(target) == name {
			list = append(list, target)
		}
	}
	return list
}
