package tracini_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"projhost/envs/tracini"
	"projhost/internal/stamp"
)

func get(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSave(t *testing.T) {
	dir := write(t, map[string]string{"env/conf/trac.ini": "# mine\n[a]\nb = 1\n"})
	file := filepath.Join(dir, "env/conf/trac.ini")
	must(t, os.Chmod(file, 0o604))
	config := mustLoad(t, file)
	if err := tracini.Save(t.Context(), file, set("a", "b", "1")); err != nil || config.Stale() {
		t.Errorf("what does not change was written; %v", err)
	}
	must(t, tracini.Save(t.Context(), file, set("a", "b", "2"), set("c", "d", "e")))
	if got, want := get(t, file), "# mine\n[a]\nb = 2\n\n[c]\nd = e\n"; got != want {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o604 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if !config.Stale() {
		t.Error("the change would not be seen")
	}
	onlyFile(t, filepath.Dir(file), "trac.ini")
}

// onlyFile says that nothing has been left in dir but the files named.
func onlyFile(t testing.TB, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(names) {
		t.Errorf("in the directory are %v, want %v", list, names)
	}
}

// TestSaveOwner gives the file another owner and group: as root, which may keep
// both, and otherwise another group of ours, if there is one.
func TestSaveOwner(t *testing.T) {
	file := filepath.Join(write(t, map[string]string{"t.ini": "[a]\nb = 1\n"}), "t.ini")
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 1234, 2345
	} else if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		gid = groups[len(groups)-1]
	}
	must(t, os.Chown(file, uid, gid))
	must(t, os.Chmod(file, 0o640))
	must(t, tracini.Save(t.Context(), file, set("a", "b", "2")))
	info, err := os.Stat(file)
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid || info.Mode() != 0o640 {
		t.Errorf("owner %d, group %d, mode %v; want %d, %d, 0640", st.Uid, st.Gid, info.Mode(), uid, gid)
	}
}

func TestSaveThroughLink(t *testing.T) {
	dir := write(t, map[string]string{"env/conf/other": "", "shared/site.ini": "[a]\nb = 1\n"})
	must(t, os.Symlink("../../shared/site.ini", filepath.Join(dir, "env/conf/trac.ini")))
	file := filepath.Join(dir, "env/conf/trac.ini")
	must(t, tracini.Save(t.Context(), file, set("a", "b", "2")))
	if got := get(t, filepath.Join(dir, "shared/site.ini")); got != "[a]\nb = 2\n" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := write(t, map[string]string{
		"t.ini":   "[DEFAULT]\nall = 1\n[inherit]\nfile = p.ini\n[a]\nb = 1\n",
		"p.ini":   "[a]\nc = 2\n[d]\ne = 3\n",
		"q.ini":   "[inherit]\nfile = t.ini\n",
		"bad.ini": "word\n",
	})
	file := filepath.Join(dir, "t.ini")
	before := get(t, file)
	for _, c := range []struct {
		name    string
		changes []tracini.Change
		is      error
		part    string
	}{
		{"inherited option", []tracini.Change{remove("a", "C")}, tracini.ErrInherited, "p.ini, line 2"},
		{"inherited section", []tracini.Change{remove("d", "")}, tracini.ErrInherited, "p.ini, line 4"},
		{"from DEFAULT", []tracini.Change{remove("a", "all")}, tracini.ErrInherited, "[DEFAULT]"},
		{"inherited, after another", []tracini.Change{remove("a", "b"), remove("a", "c")}, tracini.ErrInherited, "[a] c"},
		{"nowhere", []tracini.Change{remove("a", "x")}, tracini.ErrNotSet, "[a] x"},
		{"no such section", []tracini.Change{remove("x", "")}, tracini.ErrNotSet, "[x]"},
		{"cycle", []tracini.Change{set("inherit", "file", "q.ini")}, nil, "inherits from itself"},
		{"broken parent", []tracini.Change{set("inherit", "file", "p.ini, bad.ini")}, nil, "bad.ini"},
		{"half of it", []tracini.Change{set("a", "b", "2"), set("a", "=", "2")}, nil, "cannot be written"},
		{"too large", []tracini.Change{set("a", "b", strings.Repeat("x", 4<<20))}, nil, "4 MiB"},
	} {
		err := tracini.Save(t.Context(), file, c.changes...)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if get(t, file) != before {
			t.Fatalf("%s: the file was changed", c.name)
		}
	}
	if err := tracini.Save(t.Context(), filepath.Join(dir, "no.ini"), set("a", "b", "c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	onlyFile(t, dir, "t.ini", "p.ini", "q.ini", "bad.ini")
}

// TestSaveMendsInheritance: a file that cannot be loaded because of what it
// inherits is changed all the same.
func TestSaveMendsInheritance(t *testing.T) {
	dir := write(t, map[string]string{"t.ini": "[inherit]\nfile = t.ini\n[a]\nb = 1\n", "p.ini": "[a]\nc = 1"})
	file := filepath.Join(dir, "t.ini")
	must(t, tracini.Save(t.Context(), file, set("a", "b", "2")))
	must(t, tracini.Save(t.Context(), file, set("inherit", "file", "p.ini")))
	if v := mustLoad(t, file).String("a", "c"); v != "1" {
		t.Errorf("got %q", v)
	}
}

// TestReplaceOfAChangedFile: what an editor wrote meanwhile is not lost, and
// nothing is left beside it.
func TestReplaceOfAChangedFile(t *testing.T) {
	dir := write(t, map[string]string{"t.ini": "[a]\nb = 1\n"})
	file := filepath.Join(dir, "t.ini")
	seen := stamp.Look(file)
	put(t, file, "[a]\nb = 1\nmine = 2\n")
	if err := tracini.Replace(file, "[a]\nb = 2\n", seen); err == nil {
		t.Error("replaced")
	}
	if got := get(t, file); !strings.Contains(got, "mine") {
		t.Errorf("got %q", got)
	}
	onlyFile(t, dir, "t.ini")
}

// TestAlikeButForTheTime: Trac compares modification times alone, so the new
// file must not have the former one's, even within one tick of the clock.
func TestAlikeButForTheTime(t *testing.T) {
	dir := write(t, map[string]string{"old": "x", "new": "x"})
	at := time.Now().Truncate(time.Second)
	for _, name := range []string{"old", "new"} {
		must(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
	old, err := os.Stat(filepath.Join(dir, "old"))
	must(t, err)
	f, err := os.Open(filepath.Join(dir, "new"))
	must(t, err)
	defer f.Close()
	must(t, tracini.Alike(f, old))
	if now, err := f.Stat(); err != nil || now.ModTime().Equal(at) || now.ModTime().Sub(at) > time.Second {
		t.Errorf("%v, %v; the former one is of %v", now.ModTime(), err, at)
	}
}

func TestSaveWaitsForTheLock(t *testing.T) {
	dir := write(t, map[string]string{"t.ini": "[a]\nb = 1\n"})
	d, err := os.Open(dir)
	must(t, err)
	must(t, syscall.Flock(int(d.Fd()), syscall.LOCK_EX))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	file := filepath.Join(dir, "t.ini")
	if err := tracini.Save(ctx, file, set("a", "b", "2")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	must(t, d.Close())
	must(t, tracini.Save(t.Context(), file, set("a", "b", "2")))
}

// TestSaveUnderLoad: writers lose nothing of one another, and readers never see
// half a file.
func TestSaveUnderLoad(t *testing.T) {
	const writers, each, readers = 4, 15, 3
	file := filepath.Join(write(t, map[string]string{"t.ini": "[a]\nfirst = 1\n[end]\nlast = " + strings.Repeat("x", 1<<16) + "\n"}), "t.ini")
	var done atomic.Bool
	var reads atomic.Int64
	var read, write sync.WaitGroup
	for range readers {
		read.Go(func() {
			for seen := 0; !done.Load(); reads.Add(1) {
				c, err := tracini.Load(file)
				if err != nil {
					t.Errorf("half a file: %v", err)
					return
				}
				n := 0
				for range c.Section("a") {
					n++
				}
				if n < seen || len(c.String("end", "last")) != 1<<16 {
					t.Errorf("%d options after %d, or no end", n, seen)
					return
				}
				seen = n
			}
		})
	}
	for w := range writers {
		write.Go(func() {
			for i := range each {
				if err := tracini.Save(t.Context(), file, set("a", fmt.Sprintf("w%d.%d", w, i), "1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	write.Wait()
	done.Store(true)
	read.Wait()
	n := 0
	for range mustLoad(t, file).Section("a") {
		n++
	}
	if n != 1+writers*each || reads.Load() < readers {
		t.Errorf("%d options, want %d; %d reads", n, 1+writers*each, reads.Load())
	}
}
