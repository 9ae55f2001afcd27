package watch

import (
	"time"

	"projhost/internal/stage"
)

// bounds are the upper ends of a histogram's buckets, in nanoseconds; what is
// longer is in one more.
func bounds() [numBounds]time.Duration {
	const ms = time.Millisecond
	return [numBounds]time.Duration{
		ms / 4, ms / 2, ms, 5 * ms / 2, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 5 * time.Second / 2, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	}
}

const numBounds = 16

// histogram counts times since the program has started.
type histogram struct {
	counts [numBounds + 1]uint64
	sum    time.Duration
}

func (h *histogram) add(d time.Duration) {
	i := 0
	for _, bound := range bounds() {
		if d <= bound {
			break
		}
		i++
	}
	h.counts[i]++
	h.sum += d
}

// classes of statuses: their hundreds; 0 for a request without an answer.
const classes = 6

// hostRecord is what is kept of all requests.
type hostRecord struct {
	record
	hostCounts
}

// hostCounts are what only the host counts.
type hostCounts struct {
	classes [classes]uint64
	total   histogram
	stages  [stage.Count]histogram
}

func (h *hostRecord) add(s Sample, took time.Duration) {
	h.record.add(s, took)
	h.mu.Lock()
	defer h.mu.Unlock()
	if class := s.Status / 100; class < classes {
		h.classes[max(class, 0)]++
	}
	h.total.add(took)
	for i, d := range s.Times {
		if d > 0 {
			h.stages[i].add(d)
		}
	}
}

func (h *hostRecord) snapshot() hostCounts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hostCounts
}
