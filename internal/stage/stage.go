// Package stage measures what a request's time goes into. The clock travels in
// the request's context, so that every floor can say what it is at without
// knowing whose request it is.
package stage

import (
	"context"
	"sync"
	"time"
)

// Stage is a part of a request's way. Each moment counts for one stage: of those
// that are being gone through, the one that stands last here. So the times of
// all stages add up to the whole, even if stages are within one another.
type Stage int

const (
	Resolve Stage = iota // from the request's arrival: which environment is meant
	Wait                 // for the environment's turn, see envs.Options.MaxConcurrent
	Open                 // opening the environment, or comparing it with its files
	Handle               // in a module, without what is below
	Render               // making HTML
	DB                   // in transactions, waiting for a connection included
	Send                 // until the client has taken the answer
	Count                // how many there are
)

// Names are the stages' names in logs and metrics, by their number.
func Names() [Count]string {
	return [Count]string{"resolve", "wait", "open", "handle", "render", "db", "send"}
}

// Times are how long each stage took; 0 is one that was not gone through.
type Times [Count]time.Duration

// Total is how long the whole took.
func (t *Times) Total() (sum time.Duration) {
	for _, d := range t {
		sum += d
	}
	return sum
}

// Clock measures the stages of one request. It is safe for concurrent use. The
// methods of a nil Clock do nothing.
type Clock struct {
	mu     sync.Mutex
	start  time.Time
	at     time.Duration // since start, when now began
	now    Stage
	within [Count]int32 // how often each is being gone through
	spent  Times
}

// Start starts the clock, in [Resolve]. It is for a Clock that is not in use.
func (c *Clock) Start(now time.Time) { c.start = now }

// Begin says that a stage begins; [Clock.End] says that it ends. Stages may
// begin within each other, and in several goroutines at a time.
func (c *Clock) Begin(s Stage) { c.count(s, 1) }

// End undoes one Begin.
func (c *Clock) End(s Stage) { c.count(s, -1) }

func (c *Clock) count(s Stage, n int32) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.within[s] += n
	if s < c.now {
		return // something that counts before it goes on
	}
	c.turn()
	for c.now = Count - 1; c.now > Resolve && c.within[c.now] <= 0; {
		c.now--
	}
}

// turn adds the time since the last change to the stage it belongs to.
func (c *Clock) turn() {
	at := time.Since(c.start)
	c.spent[c.now] += at - c.at
	c.at = at
}

// Times are how long each stage has taken up to now.
func (c *Clock) Times() Times {
	if c == nil {
		return Times{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	return c.spent
}

type contextKey struct{}

// NewContext returns ctx carrying c.
func NewContext(ctx context.Context, c *Clock) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// Of is the clock that ctx carries; nil, which is fine, if it carries none.
func Of(ctx context.Context) *Clock {
	c, _ := ctx.Value(contextKey{}).(*Clock)
	return c
}
