package fcgi

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchTick is how often connections are looked at on which nobody reads
// because their goroutine handles a request. A handler that is seen twice loses
// its connection to a new reader: an abort is noticed after at most two ticks. To
// start a goroutine for each request, or for each reading, costs an eighth to a
// quarter more per small request.
const watchTick = 5 * time.Millisecond

// watchRest is how many ticks without such a connection end the ticking.
const watchRest = 100

// watch hands the reading of connections over, see watchTick. It sleeps when
// there is nothing to do.
type watch struct {
	leading atomic.Int64 // connections whose reader handles a request
	awake   atomic.Bool
	wake    chan struct{}
	quit    chan struct{}
	wg      sync.WaitGroup
}

func (w *watch) start(s *serving) {
	w.wake = make(chan struct{}, 1)
	w.quit = make(chan struct{})
	w.wg.Go(func() { w.run(s) })
}

func (w *watch) stop() {
	close(w.quit)
	w.wg.Wait()
}

// enter says that a reader begins to handle a request.
func (w *watch) enter() {
	w.leading.Add(1)
	if !w.awake.Load() && w.awake.CompareAndSwap(false, true) {
		w.wake <- struct{}{}
	}
}

// leave says that a connection has its reader again.
func (w *watch) leave() { w.leading.Add(-1) }

func (w *watch) run(s *serving) {
	for {
		select {
		case <-w.wake:
			w.tick(s)
		case <-w.quit:
			return
		}
	}
}

// tick looks at the connections until there has been nothing to see for a while.
func (w *watch) tick(s *serving) {
	t := time.NewTicker(watchTick)
	defer t.Stop()
	var conns []*conn
	for quiet := 0; quiet < watchRest; {
		select {
		case <-t.C:
		case <-w.quit:
			return
		}
		if w.leading.Load() == 0 {
			quiet++
			continue
		}
		quiet = 0
		conns = s.AppendConns(conns[:0])
		for _, c := range conns {
			c.relieve()
		}
		clear(conns)
	}
	w.awake.Store(false)
	// A reader that saw awake before this and entered will not wake us.
	if w.leading.Load() > 0 && w.awake.CompareAndSwap(false, true) {
		w.wake <- struct{}{}
	}
}
