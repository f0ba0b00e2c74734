package curfew

import "sync"

const cacheShards = 64

// cache keeps the sessions that were seen lately, by token hash. What it holds is the truth, newer than the store by
// the activity that is not yet written; so a change that does not go through an entry must be followed by bump, after
// which a load that began before is not kept.
type cache struct {
	shards [cacheShards]shard
	most   int // entries a shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[TokenHash]*entry
	epoch   uint64 // of changes past the entries
}

func newCache(size int) *cache {
	c := &cache{most: max(1, size/cacheShards)}
	for i := range c.shards {
		c.shards[i].entries = map[TokenHash]*entry{}
	}
	return c
}

func (c *cache) shard(h TokenHash) *shard { return &c.shards[h[0]%cacheShards] }

func (c *cache) get(h TokenHash) *entry {
	s := c.shard(h)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[h]
}

// begin returns the epoch that add wants. Call it before reading from the store.
func (c *cache) begin(h TokenHash) uint64 {
	s := c.shard(h)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

// add keeps a session that was read since begin, and returns its entry. There is none if the session may have changed
// meanwhile, or if the cache is full of activity to write.
func (c *cache) add(r Record, epoch uint64) (e *entry, full bool) {
	s := c.shard(r.Hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[r.Hash]; e != nil {
		return e, false
	}
	if s.epoch != epoch {
		return nil, false
	}
	if len(s.entries) >= c.most && !s.evict() {
		return nil, true
	}
	e = newEntry(r)
	s.entries[r.Hash] = e
	return e, false
}

// evict drops some entry that has nothing to write, and reports whether it found one. Maps are walked from a random place.
func (s *shard) evict() bool {
	for h, e := range s.entries {
		if e.retire() {
			delete(s.entries, h)
			return true
		}
	}
	return false
}

// retire marks an entry as gone, unless it has something to write or is in use.
func (e *entry) retire() bool {
	if !e.mu.TryLock() {
		return false
	}
	defer e.mu.Unlock()
	if !e.queued {
		e.gone = true
	}
	return e.gone
}

// remove drops the entry of a session that has ended.
func (c *cache) remove(h TokenHash) {
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.drop(h)
}

// doubt drops the entries of sessions that may have ended, so that the store is asked. Those with activity to write stay:
// writing it will tell.
func (c *cache) doubt(ended func(Session) bool) {
	c.each(func(s *shard, h TokenHash, e *entry) {
		e.mu.Lock()
		drop := ended(e.session()) && !e.queued
		e.mu.Unlock()
		if drop {
			s.drop(h)
		}
	})
}

// clear drops all entries but one, whose sessions have ended: those that a check still holds can do no harm.
func (c *cache) clear(but TokenHash) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		kept := s.entries[but]
		s.entries = map[TokenHash]*entry{}
		if kept != nil {
			s.entries[but] = kept
		}
		s.mu.Unlock()
	}
}

// update changes the entries of all sessions of a user. Those that are due it drops: they have ended, unless activity is
// on its way to the store, which then knows.
func (c *cache) update(user UserID, now int64, change Change) {
	c.each(func(s *shard, h TokenHash, e *entry) {
		if e.user.ID != user {
			return
		}
		e.mu.Lock()
		due := now >= e.endsAt()
		if !due {
			e.apply(change)
		}
		e.mu.Unlock()
		if due {
			s.drop(h)
		}
	})
}

// wrote notes that the store has activity of a session.
func (c *cache) wrote(t Touch, h TokenHash) {
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	if e := s.entries[h]; e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		at := t.At.UnixMilli()
		e.written, e.lastActive = max(e.written, at), max(e.lastActive, at)
		if t.Authenticated {
			e.authenticatedAt = max(e.authenticatedAt, at)
		}
	}
}

// each begins a new epoch in every shard and walks its entries.
func (c *cache) each(f func(*shard, TokenHash, *entry)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		for h, e := range s.entries {
			f(s, h, e)
		}
		s.mu.Unlock()
	}
}

// drop removes an entry; the caller holds s.mu.
func (s *shard) drop(h TokenHash) {
	e := s.entries[h]
	if e == nil {
		return
	}
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	delete(s.entries, h)
}
