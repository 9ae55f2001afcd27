// Package tries counts failed logins and wrong keys by the address they come from.
package tries

import (
	"net/netip"
	"sync"
	"time"
)

// How often one address may be wrong.
const (
	MaxFailures  = 10               // at once
	ForgiveAfter = 10 * time.Second // one more after each of these
	MaxAddresses = 8192             // remembered
)

// Limiter counts failures by address. A try is counted before it is checked and
// taken back if it was right, so that many at once are no way around.
type Limiter struct {
	mu    sync.Mutex
	seen  map[netip.Prefix]*tries
	swept time.Time
}

// tries are the failures of one address: as many as count at the moment at,
// one less every ForgiveAfter.
type tries struct {
	count float64
	at    time.Time
}

// New returns a limiter that has nothing against anybody.
func New() *Limiter { return &Limiter{seen: make(map[netip.Prefix]*tries)} }

// Network is what counts as one address: an IPv4 address, or the /64 that a
// provider hands out for IPv6. What has no address, such as a unix socket's
// peer, is one all together.
func Network(remote string) netip.Prefix {
	var addr netip.Addr
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		addr = ap.Addr()
	} else if addr, err = netip.ParseAddr(remote); err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// Take counts a try. It returns how long to wait if there were too many.
func (l *Limiter) Take(from netip.Prefix, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.seen[from]
	if t == nil {
		l.makeRoom(now)
		t = &tries{at: now}
		l.seen[from] = t
	}
	t.forgive(now)
	if t.count+1 > MaxFailures {
		return time.Duration((t.count + 1 - MaxFailures) * float64(ForgiveAfter))
	}
	t.count++
	return 0
}

// GiveBack takes a try back that was no failure.
func (l *Limiter) GiveBack(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.seen[from]; t != nil {
		if t.count = max(0, t.count-1); t.count == 0 {
			delete(l.seen, from)
		}
	}
}

// Addresses is how many addresses are remembered.
func (l *Limiter) Addresses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

func (t *tries) forgive(now time.Time) {
	if passed := now.Sub(t.at); passed > 0 {
		t.count = max(0, t.count-float64(passed)/float64(ForgiveAfter))
		t.at = now
	}
}

// makeRoom forgets addresses that have nothing against them any more and, if
// there is still no room, some one: whoever has that many addresses is not
// stopped by counting them.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.seen) < MaxAddresses {
		return
	}
	if now.Sub(l.swept) >= ForgiveAfter {
		l.swept = now
		for p, t := range l.seen {
			if t.forgive(now); t.count == 0 {
				delete(l.seen, p)
			}
		}
	}
	for p := range l.seen {
		if len(l.seen) < MaxAddresses {
			return
		}
		delete(l.seen, p)
	}
}
