package curfew

// Stats are figures of a manager at a moment, for who operates it.
type Stats struct {
	Cached    int // sessions in memory
	Unwritten int // of those, how many have activity that waits to be written
}

// Stats counts without a look at the sessions, so it may be called often; each part of the cache is locked for an instant.
func (m *Manager) Stats() (n Stats) {
	for i := range m.cache.shards {
		s := &m.cache.shards[i]
		s.mu.Lock()
		n.Cached += s.entries.len
		n.Unwritten += len(s.fresh)
		s.mu.Unlock()
	}
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	for _, b := range m.queue.buckets {
		n.Unwritten += len(b.entries)
	}
	return n
}
