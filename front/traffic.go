package front

import (
	"slices"
	"sync"

	"projhost/front/wire"
)

// Traffic counts what comes by each listener. Its zero value is ready.
type Traffic struct {
	mu  sync.Mutex
	all []ListenerTraffic
}

// ListenerTraffic is what has come by the listeners that are written alike, of
// which there is mostly one.
type ListenerTraffic struct {
	Listener string // as it was asked for, without its secret
	Protocol string
	*wire.Traffic
}

// All are the listeners that there are.
func (t *Traffic) All() []ListenerTraffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// of is what counts for a listener; nil counts for nobody.
func (t *Traffic) of(a Addr) *wire.Traffic {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.all { // two may be written alike: ports may be 0
		if l.Listener == a.String() {
			return l.Traffic
		}
	}
	l := ListenerTraffic{a.String(), a.protocol, new(wire.Traffic)}
	t.all = append(t.all, l)
	return l.Traffic
}
