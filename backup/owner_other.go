//go:build !unix

package backup

import (
	"io/fs"
	"os"
)

// own does nothing where files have no such owners.
func own(string, fs.FileInfo) {}

// lock does nothing where there is no such lock.
func lock(*os.File) int { return lockUnknown }
