//go:build !linux

package tracini

import "io/fs"

// identity is unknown here: size and modification time must do.
func identity(fs.FileInfo) (inode uint64, changed int64) { return 0, 0 }
