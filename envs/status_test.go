package envs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/testenvs"
)

// statusOf is one environment of a snapshot.
func statusOf(t *testing.T, r *envs.Registry, name string) envs.Status {
	t.Helper()
	for _, s := range r.Snapshot(t.Context()) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("nothing is known of %s", name)
	return envs.Status{}
}

func find(t *testing.T, r *envs.Registry, parent, name string) envs.Location {
	t.Helper()
	l, err := r.Find(t.Context(), filepath.Join(parent, name))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSnapshot(t *testing.T) {
	r, parent := testenvs.New(t, "one", "two", "old", "ancient")
	for name, version := range map[string]string{"old": "44", "ancient": "21"} {
		setVersion(t, parent, name, version)
	}
	must(t, os.MkdirAll(filepath.Join(parent, "bad", "conf"), 0o755))
	must(t, os.WriteFile(filepath.Join(parent, "bad", "VERSION"), []byte("something else\n"), 0o644))
	must(t, os.WriteFile(envs.ConfigFile(filepath.Join(parent, "bad")), []byte("[project]\nname = Bad one\n"), 0o644))
	attached := filepath.Join(parent, "two", "files", "attachments", "wiki", "a")
	must(t, os.MkdirAll(attached, 0o755))
	must(t, os.WriteFile(filepath.Join(attached, "b"), bytes.Repeat([]byte("x"), 12345), 0o644))

	if list := r.Snapshot(t.Context()); len(list) != 0 {
		t.Errorf("nobody has asked for anything, but there are %v", list)
	}
	env, release := acquire(t, r, locate(t, r, parent, "one"))
	if s := statusOf(t, r, "one"); s.State != envs.Open || s.Running != 1 || s.Title != "Project one" || s.Database != env.DB().Kind() || s.Pool == "" {
		t.Errorf("one that no listing has: %+v", s)
	}
	if _, err := r.List(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ListNamed(t.Context(), map[string]string{"one": filepath.Join(parent, "one")}); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Snapshot(t.Context())); n != 5 {
		t.Errorf("%d environments, want 5: none twice", n)
	}
	eventually(t, "all that was listed is verified", func() bool {
		return statusOf(t, r, "old").OldTables && statusOf(t, r, "ancient").State == envs.Broken
	})
	if s := statusOf(t, r, "old"); s.State != envs.Closed || s.Version != 44 {
		t.Errorf("old: %+v", s)
	}
	if s := statusOf(t, r, "ancient"); !s.OldTables || !strings.Contains(s.Reason, "upgrade") || s.Retry.IsZero() {
		t.Errorf("ancient: %+v", s)
	}
	if s := statusOf(t, r, "bad"); s.State != envs.Broken || s.Title != "Bad one" || !strings.Contains(s.Reason, "VERSION") {
		t.Errorf("bad: %+v", s)
	}
	if r.OpenCount() != 1 {
		t.Errorf("%d are open: looking opens some", r.OpenCount())
	}
	eventually(t, "sizes are measured", func() bool {
		s := statusOf(t, r, "two").Size
		return s.Attachments == 12345 && s.Database > 10_000
	})
	release()
	if s := statusOf(t, r, "one"); s.Running != 0 || s.OldTables {
		t.Errorf("one, released: %+v", s)
	}
}

// setVersion changes the version of an environment's tables, as an upgrade or
// another program does.
func setVersion(t *testing.T, parent, name, version string) {
	t.Helper()
	d := testenvs.Database(t, filepath.Join(parent, name))
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE system SET value = ? WHERE name = 'database_version'", version)
		return err
	}))
	must(t, d.Close())
}

// TestMendedIsNotBroken: an environment that was found damaged, and has been
// served since, is shown as what it is when it is closed again.
func TestMendedIsNotBroken(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	setVersion(t, parent, "one", "99")
	_, err := r.List(t.Context(), parent)
	must(t, err)
	eventually(t, "it is found out", func() bool { return statusOf(t, r, "one").State == envs.Broken })
	setVersion(t, parent, "one", "45")
	l := find(t, r, parent, "one")
	must(t, r.Open(t.Context(), l))
	if s := statusOf(t, r, "one"); s.State != envs.Open || s.Reason != "" {
		t.Errorf("open: %+v", s)
	}
	if n := r.CloseEnv(l); n != 0 {
		t.Errorf("closing: %d requests are in it", n)
	}
	if s := statusOf(t, r, "one"); s.State != envs.Closed || s.Reason != "" || s.Version != 45 || !s.Retry.IsZero() {
		t.Errorf("closed: %+v", s)
	}
}

func TestCloseInUse(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	_, release := acquire(t, r, l)
	if n := r.CloseEnv(l); n != 1 {
		t.Errorf("%d requests are in it, want 1", n)
	}
	if r.OpenCount() != 1 {
		t.Error("it was closed under a request")
	}
	release()
	if r.OpenCount() != 0 {
		t.Error("it was not closed after its last request")
	}
}

func TestReload(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	before, release := acquire(t, r, l)
	defer release()
	must(t, r.Reload(t.Context(), l))
	after, releaseToo := acquire(t, r, l)
	defer releaseToo()
	if before == after {
		t.Error("nothing was opened anew")
	}
	// What cannot be opened anew goes on as it was.
	setVersion(t, parent, "one", "99")
	if err := r.Reload(t.Context(), l); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("reloading what cannot be opened: %v", err)
	}
	if s := statusOf(t, r, "one"); s.State != envs.Open || !strings.Contains(s.Stale, "version 99") {
		t.Errorf("%+v", s)
	}
}

// TestReloadCrowded reloads an environment that takes no request any more.
func TestReloadCrowded(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := testenvs.Registry(t, parent, envs.Options{MaxConcurrent: 1, QueueWait: time.Minute})
	l := locate(t, r, parent, "one")
	before, release := acquire(t, r, l)
	must(t, r.Reload(t.Context(), l))
	release()
	after, release := acquire(t, r, l)
	defer release()
	if before == after {
		t.Error("nothing was opened anew")
	}
}

// TestReloadLiftsQuarantine mends what no file's stamp tells of.
func TestReloadLiftsQuarantine(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	setVersion(t, parent, "one", "99")
	for range 3 {
		if err := r.Reload(t.Context(), l); !errors.Is(err, envs.ErrBroken) {
			t.Fatalf("%v", err)
		}
	}
	if err := r.Open(t.Context(), l); !errors.Is(err, envs.ErrBroken) {
		t.Errorf("%v", err)
	}
	setVersion(t, parent, "one", "45")
	must(t, r.Reload(t.Context(), l))
}

func TestSetReadOnly(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	for on, want := range map[bool]envs.State{true: envs.ReadOnly, false: envs.Open} {
		must(t, r.SetReadOnly(t.Context(), l, on))
		if s := statusOf(t, r, "one"); s.State != want {
			t.Errorf("read-only %v: %+v", on, s)
		}
	}
	if _, err := r.Find(context.Background(), filepath.Dir(parent)); err == nil {
		t.Error("a directory that is no environment is found")
	}
}
