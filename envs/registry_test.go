package envs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
	"projhost/internal/stamp"
	"projhost/testenvs"
)

func locate(t *testing.T, r *envs.Registry, parent, name string) envs.Location {
	t.Helper()
	l, err := r.Locate(envs.Lookup{Parent: parent, Name: name})
	must(t, err)
	return l
}

// acquire gets an environment that the test must release.
func acquire(t *testing.T, r *envs.Registry, l envs.Location) (*envs.Env, func()) {
	t.Helper()
	e, release, err := r.Acquire(t.Context(), l)
	must(t, err)
	return e, release
}

func title(e *envs.Env) string { return e.Config().String("project", "name") }

// TestRecheckShorterThanACheck: who has waited for a check takes its outcome,
// however old it is by then.
func TestRecheckShorterThanACheck(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := testenvs.Registry(t, parent, envs.Options{Recheck: time.Nanosecond})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 50 {
		_, release, err := r.Acquire(ctx, locate(t, r, parent, "one"))
		must(t, err)
		release()
	}
}

func TestOpenedOnceForAll(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	first, release := acquire(t, r, l)
	defer release()
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			e, release, err := r.Acquire(t.Context(), l)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if e != first {
				t.Error("a second instance of the same environment")
			}
		})
	}
	wg.Wait()
	if n := r.OpenCount(); n != 1 {
		t.Errorf("%d environments are open, want 1", n)
	}
}

func TestFewerOpenThanExist(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	parent := testenvs.Parent(t, names...)
	r := testenvs.Registry(t, parent, envs.Options{MaxOpen: 2})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range names {
				l, err := r.Locate(envs.Lookup{Parent: parent, Name: name})
				if err != nil {
					t.Error(err)
					return
				}
				e, release, err := r.Acquire(t.Context(), l)
				if err != nil {
					t.Error(err)
					return
				}
				if e.Name() != name || title(e) != "Project "+name {
					t.Errorf("asked for %s, got %s (%s)", name, e.Name(), title(e))
				}
				if n := r.OpenCount(); n > 2 {
					t.Errorf("%d environments are open, want at most 2", n)
				}
				release()
			}
		})
	}
	wg.Wait()
}

func TestAllInUseIsBusy(t *testing.T) {
	parent := testenvs.Parent(t, "a", "b")
	r := testenvs.Registry(t, parent, envs.Options{MaxOpen: 1, QueueWait: 20 * time.Millisecond})
	_, release := acquire(t, r, locate(t, r, parent, "a"))
	_, _, err := r.Acquire(t.Context(), locate(t, r, parent, "b"))
	if f := fault.As(err); f == nil || f.Kind != fault.Busy || f.RetryAfter <= 0 {
		t.Errorf("second environment: %v, want busy with a time to come back", err)
	}
	release()
	_, release = acquire(t, r, locate(t, r, parent, "b"))
	release()
}

func TestOverloadStaysWithItsEnvironment(t *testing.T) {
	parent := testenvs.Parent(t, "slow", "quick")
	r := testenvs.Registry(t, parent, envs.Options{MaxConcurrent: 2, MaxQueue: 1, QueueWait: 30 * time.Millisecond})
	slow := locate(t, r, parent, "slow")
	_, release1 := acquire(t, r, slow)
	defer release1()
	_, release2 := acquire(t, r, slow)
	defer release2()
	results := make(chan error, 3)
	for range 3 {
		go func() {
			_, release, err := r.Acquire(t.Context(), slow)
			if err == nil {
				release()
			}
			results <- err
		}()
	}
	_, release := acquire(t, r, locate(t, r, parent, "quick"))
	release()
	for range 3 {
		if f := fault.As(<-results); f == nil || f.Kind != fault.Busy || f.RetryAfter <= 0 {
			t.Errorf("third request of the slow one: %v, want busy", f)
		}
	}
}

func TestCanceledWhileWaitingForATurn(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := testenvs.Registry(t, parent, envs.Options{MaxConcurrent: 1})
	l := locate(t, r, parent, "one")
	_, release := acquire(t, r, l)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Acquire(ctx, l); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// breakages are ways to put an environment out of order.
func breakages(dir string) map[string]func() error {
	ini := filepath.Join(dir, "conf", "trac.ini")
	file := filepath.Join(dir, "db", "trac.db")
	return map[string]func() error{
		"no VERSION":           func() error { return os.Remove(filepath.Join(dir, "VERSION")) },
		"another VERSION":      func() error { return os.WriteFile(filepath.Join(dir, "VERSION"), []byte("Trac 9\n"), 0o644) },
		"no trac.ini":          func() error { return os.Remove(ini) },
		"syntax of trac.ini":   func() error { return os.WriteFile(ini, []byte("[trac\nnonsense\n"), 0o644) },
		"not a database":       func() error { return os.WriteFile(file, []byte(strings.Repeat("not a database ", 100)), 0o644) },
		"no database":          func() error { return os.Remove(file) },
		"database not sqlite":  func() error { return os.WriteFile(ini, []byte("[trac]\ndatabase = mysql://u:secret@h/d\n"), 0o644) },
		"database URL is none": func() error { return os.WriteFile(ini, []byte("[trac]\ndatabase = nonsense\n"), 0o644) },
	}
}

func TestBrokenIsQuarantinedAndNamed(t *testing.T) {
	for what := range breakages("") {
		t.Run(what, func(t *testing.T) {
			r, parent := testenvs.New(t, "good", "bad")
			must(t, breakages(filepath.Join(parent, "bad"))[what]())
			l := locate(t, r, parent, "bad")
			for range 2 {
				_, _, err := r.Acquire(t.Context(), l)
				f := fault.As(err)
				if f == nil || f.Kind != fault.Busy || !errors.Is(err, envs.ErrBroken) || f.RetryAfter <= 0 {
					t.Fatalf("got %v, want an environment out of order", err)
				}
				if strings.Contains(f.Public, parent) || strings.Contains(f.Error(), "secret") {
					t.Errorf("the failure tells too much: %q, %q", f.Public, f.Error())
				}
			}
			_, release := acquire(t, r, locate(t, r, parent, "good"))
			release()
			list, err := r.List(t.Context(), parent)
			must(t, err)
			states := map[string]envs.State{}
			for i := range list {
				states[i.Name] = i.State
				if i.State == envs.Broken && i.Reason == "" {
					t.Error("no reason is given for the broken one")
				}
			}
			if states["bad"] != envs.Broken || states["good"] == envs.Broken {
				t.Errorf("listed as %v", states)
			}
		})
	}
}

func TestMendedIsServedWithoutRestart(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	version := filepath.Join(parent, "one", "VERSION")
	right, err := os.ReadFile(version)
	must(t, err)
	must(t, os.WriteFile(version, []byte("nonsense\n"), 0o644))
	l := locate(t, r, parent, "one")
	if _, _, err := r.Acquire(t.Context(), l); err == nil {
		t.Fatal("a broken environment opened")
	}
	must(t, os.WriteFile(version, right, 0o644))
	eventually(t, "the mended environment opens before its back-off ends", func() bool {
		_, release, err := r.Acquire(t.Context(), l)
		if err == nil {
			release()
		}
		return err == nil
	})
}

func setOption(t *testing.T, file, text string) {
	t.Helper()
	old, err := os.ReadFile(file)
	must(t, err)
	tmp := file + ".new"
	must(t, os.WriteFile(tmp, append(old, text...), 0o644))
	must(t, os.Rename(tmp, file))
}

// TestReloadMakesRoomForItself: with as many open as may be, the environment that
// is to be opened anew may be the one that has to be closed for it.
func TestReloadMakesRoomForItself(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := testenvs.Registry(t, parent, envs.Options{MaxOpen: 1})
	one := locate(t, r, parent, "one")
	for i := range 3 {
		setOption(t, filepath.Join(parent, "one", "conf", "trac.ini"), fmt.Sprintf("\n[s%d]\na = b\n", i))
		eventually(t, "the new settings are in force", func() bool {
			e, release := acquire(t, r, one)
			defer release()
			if n := r.OpenCount(); n != 1 {
				t.Fatalf("%d environments count as open", n)
			}
			return e.Config().String(fmt.Sprintf("s%d", i), "a") == "b"
		})
	}
}

func TestSettingsReloadWithoutTouchingOthers(t *testing.T) {
	r, parent := testenvs.New(t, "one", "two")
	one, two := locate(t, r, parent, "one"), locate(t, r, parent, "two")
	before, releaseBefore := acquire(t, r, one)
	other, releaseOther := acquire(t, r, two)
	defer releaseOther()
	setOption(t, filepath.Join(parent, "one", "conf", "trac.ini"), "\n[wiki]\nmax_size = 77\n")
	eventually(t, "the new settings are in force", func() bool {
		e, release := acquire(t, r, one)
		defer release()
		return e.Config().Int("wiki", "max_size") == 77
	})
	// A request that began before goes on with what it had.
	if n := before.Config().Int("wiki", "max_size"); n == 77 {
		t.Error("settings changed under a running request")
	}
	err := before.DB().Read(t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(db.Row) error { return nil }, "SELECT name FROM system")
		return err
	})
	if err != nil {
		t.Errorf("the running request lost its database: %v", err)
	}
	releaseBefore()
	again, release := acquire(t, r, two)
	defer release()
	if again != other {
		t.Error("another environment was reopened")
	}
}

func TestInheritedSettingsReload(t *testing.T) {
	parent := testenvs.Parent(t)
	shared := filepath.Join(parent, "shared.ini")
	must(t, os.WriteFile(shared, []byte("[wiki]\nmax_size = 5\n"), 0o644))
	testenvs.Make(t, parent, "one", map[string]map[string]string{"inherit": {"file": "../../shared.ini"}})
	r := testenvs.Registry(t, parent, envs.Options{})
	l := locate(t, r, parent, "one")
	size := func() int {
		e, release := acquire(t, r, l)
		defer release()
		return e.Config().Int("wiki", "max_size")
	}
	if size() != 5 {
		t.Fatal("the inherited value is not in force")
	}
	must(t, os.WriteFile(shared, []byte("[wiki]\nmax_size = 66\n"), 0o644))
	eventually(t, "the inherited file is read again", func() bool { return size() == 66 })
}

func TestSlipInSettingsKeepsTheFormerOnes(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	_, release := acquire(t, r, l)
	release()
	ini := filepath.Join(parent, "one", "conf", "trac.ini")
	right, err := os.ReadFile(ini)
	must(t, err)
	must(t, os.WriteFile(ini, []byte("nonsense"), 0o644))
	for range 5 {
		time.Sleep(10 * time.Millisecond)
		e, release := acquire(t, r, l)
		if title(e) != "Project one" {
			t.Errorf("title %q", title(e))
		}
		release()
	}
	must(t, os.WriteFile(ini, append(right, "\n[wiki]\nmax_size = 9\n"...), 0o644))
	eventually(t, "the mended settings are in force", func() bool {
		e, release := acquire(t, r, l)
		defer release()
		return e.Config().Int("wiki", "max_size") == 9
	})
}

func TestReplacedDatabaseIsNoticed(t *testing.T) {
	r, parent := testenvs.New(t, "one", "two")
	l := locate(t, r, parent, "one")
	_, release := acquire(t, r, l)
	release()
	must(t, os.Rename(filepath.Join(parent, "two", "db", "trac.db"), filepath.Join(parent, "one", "db", "trac.db")))
	eventually(t, "the restored database is read", func() bool {
		e, release := acquire(t, r, l)
		defer release()
		text := ""
		err := e.DB().Read(t.Context(), func(tx *db.Tx) error {
			_, err := tx.One(func(row db.Row) error { text = row.Text(0); return nil }, "SELECT text FROM wiki WHERE name = ?", "WikiStart")
			return err
		})
		return err == nil && strings.Contains(text, testenvs.Canary("two"))
	})
}

func TestRemovedEnvironmentIsGone(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	_, release := acquire(t, r, l)
	release()
	must(t, os.RemoveAll(filepath.Join(parent, "one")))
	eventually(t, "the removed environment is not served", func() bool {
		_, release, err := r.Acquire(t.Context(), l)
		if err == nil {
			release()
		}
		return err != nil
	})
	if n := r.OpenCount(); n != 0 {
		t.Errorf("%d environments are open", n)
	}
}

func TestIdleIsClosed(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := testenvs.Registry(t, parent, envs.Options{IdleClose: 20 * time.Millisecond})
	_, release := acquire(t, r, locate(t, r, parent, "one"))
	time.Sleep(60 * time.Millisecond)
	if r.OpenCount() != 1 {
		t.Error("an environment in use was closed")
	}
	release()
	eventually(t, "the idle environment is closed", func() bool { return r.OpenCount() == 0 })
}

func TestCloseWaitsForRequests(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	r := envs.NewRegistry(envs.Options{AllowRoots: []string{parent}})
	e, release := acquire(t, r, locate(t, r, parent, "one"))
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closing while an environment is in use: %v", err)
	}
	must(t, e.DB().Read(t.Context(), func(*db.Tx) error { return nil }))
	release()
	must(t, r.Close(t.Context()))
	if n := r.OpenCount(); n != 0 {
		t.Errorf("%d environments are open", n)
	}
}

// counter is a module's value that tells when it is closed.
type counter struct{ closed chan string }

func (c counter) Close() error { c.closed <- "closed"; return nil }

func TestSlotBelongsToItsEnvironment(t *testing.T) {
	r, parent := testenvs.New(t, "one", "two")
	closed := make(chan string, 2)
	made := 0
	slot := envs.NewSlot(func(*envs.Env) counter { made++; return counter{closed} })
	names := envs.NewSlot(func(e *envs.Env) string { return e.Name() })
	for _, name := range []string{"one", "two", "one"} {
		e, release := acquire(t, r, locate(t, r, parent, name))
		slot.Get(e)
		slot.Get(e)
		if got := names.Get(e); got != name {
			t.Errorf("the value of %s was made for %s", name, got)
		}
		release()
	}
	if made != 2 {
		t.Errorf("%d values were made, want one for each environment", made)
	}
	must(t, r.Close(t.Context()))
	if len(closed) != 2 {
		t.Errorf("%d values were closed, want 2", len(closed))
	}
}

func TestFromContext(t *testing.T) {
	if _, err := envs.FromContext(t.Context()); !errors.Is(err, envs.ErrNoContext) {
		t.Errorf("got %v", err)
	}
	r, parent := testenvs.New(t, "one")
	e, release := acquire(t, r, locate(t, r, parent, "one"))
	defer release()
	if got, err := envs.FromContext(envs.NewContext(t.Context(), e)); err != nil || got != e {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListIsSortedAndHidesWhatIsNone(t *testing.T) {
	r, parent := testenvs.New(t, "b", "пустой")
	testenvs.Make(t, parent, "z", map[string]map[string]string{"project": {"name": "another", "descr": "d"}})
	must(t, os.Mkdir(filepath.Join(parent, "plain"), 0o755))
	must(t, os.Mkdir(filepath.Join(parent, ".egg-cache"), 0o755))
	list, err := r.List(t.Context(), parent)
	must(t, err)
	var got []string
	for i := range list {
		got = append(got, i.Name+"="+i.Title+"="+i.Database)
	}
	want := "z=another=sqlite b=Project b=sqlite пустой=Project пустой=sqlite"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if n := r.OpenCount(); n != 0 {
		t.Errorf("listing opened %d environments", n)
	}
}

// TestListVerifiesAtLeisure: what only opening shows is in the listing soon,
// though nobody has asked for the project.
func TestListVerifiesAtLeisure(t *testing.T) {
	r, parent := testenvs.New(t, "good", "bad")
	must(t, breakages(filepath.Join(parent, "bad"))["not a database"]())
	eventually(t, "the listing names the broken one", func() bool {
		list, err := r.List(t.Context(), parent)
		must(t, err)
		right := 0
		for i := range list {
			if i.Name == "bad" && i.State == envs.Broken && i.Reason != "" || i.Name == "good" && i.State == envs.Closed && i.Version == 45 {
				right++
			}
		}
		return right == 2
	})
	if n := r.OpenCount(); n != 0 {
		t.Errorf("%d environments are left open", n)
	}
}

func TestCreateIsAllOrNothing(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "one")
	err := envs.Create(t.Context(), dir, envs.CreateOptions{Settings: map[string]map[string]string{"trac": {"database": "nonsense"}}})
	if err == nil {
		t.Fatal("an environment without a database was made")
	}
	left, err := os.ReadDir(parent)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	must(t, envs.Create(t.Context(), dir, envs.CreateOptions{}))
	if envs.Create(t.Context(), dir, envs.CreateOptions{}) == nil {
		t.Error("an existing environment was overwritten")
	}
}

// TestFollowed: what a module makes of a file is made again when that has changed,
// though the environment stays open, and though its settings cannot be read.
func TestFollowed(t *testing.T) {
	r, parent := testenvs.New(t, "one")
	l := locate(t, r, parent, "one")
	rules := filepath.Join(parent, "one", "conf", "rules")
	made := atomic.Int32{}
	texts := envs.NewSlot(func(e *envs.Env) *atomic.Value {
		var text atomic.Value
		read := func() stamp.File {
			made.Add(1)
			seen := stamp.Look(rules)
			b, _ := os.ReadFile(rules) // none is an empty one
			text.Store(string(b))
			return seen
		}
		e.Follow(read(), read)
		return &text
	})
	first, release := acquire(t, r, l)
	defer release()
	change := func(want string) {
		t.Helper()
		if want != "" {
			must(t, os.WriteFile(rules, []byte(want), 0o600))
		} else {
			_ = os.Remove(rules)
		}
		eventually(t, fmt.Sprintf("%q is in force", want), func() bool {
			e, release := acquire(t, r, l)
			defer release()
			if e != first {
				t.Fatal("the environment was opened anew")
			}
			return texts.Get(e).Load() == want
		})
	}
	for _, want := range []string{"", "a", "b", ""} {
		change(want)
	}
	must(t, os.WriteFile(filepath.Join(parent, "one", "conf", "trac.ini"), []byte("nonsense"), 0o600))
	change("c")
	before := made.Load()
	for range 5 {
		time.Sleep(10 * time.Millisecond)
		_, release := acquire(t, r, l)
		release()
	}
	if made.Load() != before {
		t.Error("it is made again of a file that has not changed")
	}
}
