package envs

// Known is how many look-ups are remembered, found and not found.
func (r *Registry) Known() (hits, misses int) {
	r.finder.mu.RLock()
	defer r.finder.mu.RUnlock()
	return len(r.finder.hit), len(r.finder.miss)
}
