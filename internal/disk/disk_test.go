package disk_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"projhost/internal/disk"
)

// TestSyncTree: that things are on the disk is shown with exports, in e2e.
func TestSyncTree(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "a", "b")
	if err := errors.Join(os.MkdirAll(below, 0o755), os.WriteFile(filepath.Join(below, "c"), []byte("text"), 0o600), os.Symlink("nowhere", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncTree(t.Context(), dir); err != nil {
		t.Errorf("a link that leads nowhere is followed: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := disk.SyncTree(ended, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on: %v", err)
	}
	for _, err := range []error{disk.Sync(filepath.Join(dir, "link")), disk.SyncTree(t.Context(), filepath.Join(dir, "none"))} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not there: %v", err)
		}
	}
}
