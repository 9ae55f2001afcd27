package envs

// Known is how many look-ups are remembered, found and not found.
func (r *Registry) Known() (hits, misses int) {
	r.finder.mu.RLock()
	defer r.finder.mu.RUnlock()
	return len(r.finder.hit), len(r.finder.miss)
}

// Try opens and closes an environment, as is done once to see whether it can be.
func (r *Registry) Try(l Location) { _ = r.try(l) }
