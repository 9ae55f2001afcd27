package watch

import (
	"math/bits"
	"time"
)

// recent counts how many of the last requests took how long. When it is full,
// all counts are halved, so that a request counts the less the older it is.
type recent struct {
	sum    uint16
	counts [recentBuckets]uint16
}

const (
	// recentUnit is what the first two buckets divide, in nanoseconds: 2^16, some
	// 66 µs. Each two buckets reach twice as far as the former two.
	recentUnit    = 16
	recentBuckets = 44 // up to two minutes
	recentFull    = 1024
)

// bucketOf is the bucket of a time.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	octave := bits.Len64(n >> recentUnit) // 0 for what is below the unit
	half := int(n>>max(recentUnit+octave-2, recentUnit-1)) & 1
	return min(2*octave+half, recentBuckets-1)
}

// bucketStart is the shortest time in a bucket.
func bucketStart(i int) time.Duration {
	octave, half := i/2, i%2
	if octave == 0 {
		return time.Duration(half) << (recentUnit - 1)
	}
	return time.Duration(2+half) << (recentUnit + octave - 2)
}

func (r *recent) add(d time.Duration) {
	if r.sum >= recentFull {
		r.sum = 0
		for i := range r.counts {
			r.counts[i] /= 2
			r.sum += r.counts[i]
		}
	}
	r.counts[bucketOf(d)]++
	r.sum++
}

// quantile is the time that the given part of requests did not exceed: the
// middle of the bucket it is in.
func (r *recent) quantile(part float64) time.Duration {
	rank := part * float64(r.sum)
	for i, n := range r.counts {
		if n > 0 && rank <= float64(n) {
			return (bucketStart(i) + bucketStart(i+1)) / 2
		}
		rank -= float64(n)
	}
	return 0
}
