package stamp_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"projhost/internal/stamp"
)

func TestStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	missing := stamp.Look(path)
	if missing.Stale() {
		t.Error("a missing file that stays missing is stale")
	}
	write("one")
	if !missing.Stale() {
		t.Error("a file that has come is not noticed")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	was := stamp.Look(path)
	if !was.Written().Equal(old) || !missing.Written().IsZero() {
		t.Errorf("written at %v, want %v; what is not there at %v", was.Written(), old, missing.Written())
	}
	if was.Stale() {
		t.Error("a file that nobody touched is stale")
	}
	time.Sleep(20 * time.Millisecond) // the clock of the file system ticks
	write("two")
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if !was.Stale() || !was.SameFile(stamp.Of(path)) {
		t.Error("an edit that keeps size and time is not noticed, or taken for another file")
	}
	if err := os.WriteFile(path+".new", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if was.SameFile(stamp.Of(path)) {
		t.Error("another file under the same name is taken for the same")
	}
	if stamp.Of(filepath.Dir(path)) != (stamp.Stamp{}) {
		t.Error("a directory counts as a file")
	}
}
