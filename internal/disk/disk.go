// Package disk has what was written outlast a loss of power.
package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Sync writes a file to the disk, or the names in a directory: a new name is
// safe when its directory is.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SyncTree writes a directory and all files and directories below it to the
// disk, each directory after what is in it. Links are not followed.
func SyncTree(ctx context.Context, dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		case d.Type().IsRegular():
			if err := Sync(path); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	for _, path := range slices.Backward(dirs) {
		if err != nil {
			break
		}
		err = Sync(path)
	}
	return err
}
