package doctor

import (
	"io"
	"math/rand/v2"
)

// Pattern returns n bytes that look random and are always the same, with all
// byte values in them: what an upload or a download is compared with.
func Pattern(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{'p', 'a', 't', 't', 'e', 'r', 'n'}), n)
}
