package watch

import (
	"cmp"
	"slices"
	"sync"
)

// named are the environments that have metrics of their own. All others share
// one sum, and what a series counts must never shrink, or Prometheus takes it for
// a restart and counts everything again. So what the sum has of an environment
// stays there when that gets a name, and its own series begins at nothing.
type named struct {
	mu      sync.Mutex
	members map[*record]member
	moved   counters // what is in the sum for members, less what is not for former ones
}

// member is an environment that is named.
type member struct {
	label string
	from  counters // what of it is in the sum
}

// otherLabel names what is not named.
const otherLabel = "other"

// series is what is told of one environment.
type series struct {
	label string
	counters
}

// counted is an environment at the moment of a scrape.
type counted struct {
	*record
	now counters
}

// counted are all environments. Each is read once: what is added up of them must
// fit together.
func (m *Meter) counted() []counted {
	m.mu.RLock()
	all := make([]counted, 0, len(m.envs))
	for _, r := range m.envs {
		all = append(all, counted{record: r})
	}
	m.mu.RUnlock()
	for i := range all {
		all[i].now = all[i].count()
	}
	return all
}

// series are the busiest environments, and the sum of the others.
func (m *Meter) series() []series {
	m.named.mu.Lock()
	defer m.named.mu.Unlock()
	all := m.counted()
	limit := min(max(m.options.Named, 0), len(all))
	if limit < len(all) {
		m.named.busiestFirst(all)
	}
	other := m.rest.count()
	for _, e := range all[limit:] {
		m.named.drop(e)
		other.add(e.now)
		e.summed = true
	}
	list := make([]series, 0, limit+1)
	for _, e := range all[:limit] {
		own := m.named.take(e)
		e.now.sub(own.from)
		list = append(list, series{own.label, e.now})
	}
	other.add(m.named.moved)
	return append(list, series{otherLabel, other})
}

// busiestFirst sorts so that who is named gives way only to somebody who is half
// as busy again: a series that comes and goes is of no use.
func (n *named) busiestFirst(all []counted) {
	busy := func(e counted) uint64 {
		if _, is := n.members[e.record]; is {
			return 3 * e.now.requests
		}
		return 2 * e.now.requests
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(busy(b), busy(a)), cmp.Compare(a.dir, b.dir))
	})
}

// take names an environment, if it is not named yet.
func (n *named) take(e counted) member {
	own, is := n.members[e.record]
	if !is {
		own = member{label: n.label(e.record)}
		if e.summed {
			own.from = e.now
			n.moved.add(e.now)
		}
		n.members[e.record] = own
	}
	return own
}

// drop takes an environment's name away, if it has one.
func (n *named) drop(e counted) {
	if _, is := n.members[e.record]; is {
		delete(n.members, e.record)
		n.moved.sub(e.now)
	}
}

// label is an environment's name; its directory if that name is taken.
func (n *named) label(r *record) string {
	if r.name == otherLabel {
		return r.dir
	}
	for _, m := range n.members {
		if m.label == r.name {
			return r.dir
		}
	}
	return r.name
}
