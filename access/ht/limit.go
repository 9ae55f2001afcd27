package ht

import (
	"net/netip"
	"sync"
	"time"
)

// How often one address may send a wrong password.
const (
	maxFailures  = 10               // at once
	forgiveAfter = 10 * time.Second // one more after each of these
	maxAddresses = 8192             // remembered
)

// limiter counts failed logins by address. A try is counted before it is
// checked and taken back if it was right, so that many at once are no way around.
type limiter struct {
	mu    sync.Mutex
	seen  map[netip.Prefix]*tries
	swept time.Time
}

// tries are the failures of one address: as many as count at the moment at,
// one less every forgiveAfter.
type tries struct {
	count float64
	at    time.Time
}

func newLimiter() *limiter { return &limiter{seen: make(map[netip.Prefix]*tries)} }

// network is what counts as one address: an IPv4 address, or the /64 that a
// provider hands out for IPv6. What has no address, such as a unix socket's
// peer, is one all together.
func network(remote string) netip.Prefix {
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

// take counts a try. It returns how long to wait if there were too many.
func (l *limiter) take(from netip.Prefix, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.seen[from]
	if t == nil {
		l.makeRoom(now)
		t = &tries{at: now}
		l.seen[from] = t
	}
	t.forgive(now)
	if t.count+1 > maxFailures {
		return time.Duration((t.count + 1 - maxFailures) * float64(forgiveAfter))
	}
	t.count++
	return 0
}

// giveBack takes a try back that was no failure.
func (l *limiter) giveBack(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.seen[from]; t != nil {
		if t.count = max(0, t.count-1); t.count == 0 {
			delete(l.seen, from)
		}
	}
}

func (t *tries) forgive(now time.Time) {
	if passed := now.Sub(t.at); passed > 0 {
		t.count = max(0, t.count-float64(passed)/float64(forgiveAfter))
		t.at = now
	}
}

// makeRoom forgets addresses that have nothing against them any more and, if
// there is still no room, some one: whoever has that many addresses is not
// stopped by counting them.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.seen) < maxAddresses {
		return
	}
	if now.Sub(l.swept) >= forgiveAfter {
		l.swept = now
		for p, t := range l.seen {
			if t.forgive(now); t.count == 0 {
				delete(l.seen, p)
			}
		}
	}
	for p := range l.seen {
		if len(l.seen) < maxAddresses {
			return
		}
		delete(l.seen, p)
	}
}
