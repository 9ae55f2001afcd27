package envs_test

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"projhost/db/pgtest"
	"projhost/db/upgrade"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/testenvs"
)

// TestToldByAnother: what another process changes counts at the next request
// after it has told so. Nothing but that could show it: what is known of files is
// believed for an hour.
func TestToldByAnother(t *testing.T) {
	server := pgtest.Start(t)
	parent := testenvs.Parent(t)
	dir := testenvs.Make(t, parent, "one", map[string]map[string]string{"trac": {"database": server.DSN("one")}})
	r := testenvs.Registry(t, parent, envs.Options{Recheck: time.Hour, Listen: true})
	other := testenvs.Registry(t, parent, envs.Options{})
	// As long as another project is open, the server is listened to.
	testenvs.Make(t, parent, "two", map[string]map[string]string{"trac": {"database": server.DSN("two")}})
	_, release := acquire(t, r, locate(t, r, parent, "two"))
	defer release()
	l := locate(t, r, parent, "one")
	next := func() *envs.Env {
		t.Helper()
		env, release := acquire(t, r, l)
		release()
		return env
	}
	next()
	eventually(t, "the server is listened to", func() bool { return r.Connections().Listening == 1 })
	next() // looks, since something may have been told before
	before, heard := next(), uint64(0)
	told := func(what string, shown func(*envs.Env) bool) {
		t.Helper()
		heard++
		eventually(t, what+" is told", func() bool { return r.Connections().Servers[0].Heard >= heard })
		if !shown(next()) {
			t.Errorf("%s: does not count at the next request", what)
		}
	}

	must(t, envs.SaveConfig(t.Context(), dir, nil, tracini.Change{Section: "project", Name: "name", Value: "Told"}))
	told("a setting", func(e *envs.Env) bool { return title(e) == "Told" && title(before) != "Told" })
	must(t, other.SetReadOnly(t.Context(), locate(t, other, parent, "one"), true))
	told("read-only", func(e *envs.Env) bool { return e.ReadOnlyBy() == envs.ReadOnlyBySetting })
	must(t, other.SetReadOnly(t.Context(), locate(t, other, parent, "one"), false))
	told("read-only no more", func(e *envs.Env) bool { return !e.ReadOnly() })

	d := testenvs.Database(t, dir)
	setVersion(t, parent, "one", "44")
	must(t, d.Tell(t.Context()))
	told("another version", func(e *envs.Env) bool { return e.Version() == 44 && e.ReadOnly() })
	must(t, upgrade.Run(t.Context(), &upgrade.Environment{Dir: dir, DB: d}, func(upgrade.Step) error { return nil }))
	told("an upgrade", func(e *envs.Env) bool { return e.Version() == 45 && !e.ReadOnly() })

	same := next()
	must(t, d.Tell(t.Context()))
	told("nothing", func(e *envs.Env) bool { return e == same })

	must(t, envs.SaveConfig(t.Context(), dir, nil, tracini.Change{Section: "trac", Name: "database", Value: server.DSN("two")}))
	told("another database", func(e *envs.Env) bool { return e.DB().String() != same.DB().String() })
}

// TestTellingNobody: settings are saved though their database's server is dead,
// or does not answer, without waiting for it longer than others take to see them.
func TestTellingNobody(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	dir, n := filepath.Join(parent, "one"), 0
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // nobody accepts
	must(t, err)
	defer func() { must(t, silent.Close()) }()
	for _, dsn := range []string{
		"postgres://u@/d?host=/nosuch", "postgres://u@" + silent.Addr().String() + "/d", "postgres://u", "nonsense", "sqlite:nosuch.db",
	} {
		must(t, tracini.Save(t.Context(), envs.ConfigFile(dir), tracini.Change{Section: "trac", Name: "database", Value: dsn}))
		n++
		begun := time.Now()
		must(t, envs.SaveConfig(t.Context(), dir, nil, tracini.Change{Section: "project", Name: "name", Value: fmt.Sprint(n)}))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: saving took %v", dsn, took)
		}
		if got := load(t, dir).String("project", "name"); got != fmt.Sprint(n) {
			t.Errorf("%s: saved %q", dsn, got)
		}
	}
}
