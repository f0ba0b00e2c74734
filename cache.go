package curfew

import (
	"sync"
	"sync/atomic"
)

const cacheShards = 256

// cache keeps the sessions that were seen lately, by token hash. What it holds is the truth, newer than the store by
// the activity that is not yet written; so a change that does not go through an entry must be followed by a new epoch,
// after which a load that began before is not kept.
type cache struct {
	shards [cacheShards]shard
	most   int                    // entries a shard
	few    *intern                // what many entries have in common
	fresh  atomic.Bool            // a shard has fresh entries
	held   atomic.Pointer[UserID] // whose sessions are being changed
}

// shard is a part of the cache. Its lock is for changes, of its entries too: a check that changes nothing takes none.
type shard struct {
	entries table
	_       [40]byte // what all read is not in a cache line with what changes often

	mu    sync.Mutex
	ended map[TokenHash]*EndedError // sessions that were asked for after their end, which is final
	epoch uint64                    // of changes past the entries
	fresh []waiting                 // those with activity to write that the queue has not got yet
	_     [16]byte
}

func newCache(size int) *cache {
	c := &cache{most: max(1, size/cacheShards), few: newIntern(size)}
	for i := range c.shards {
		c.shards[i].entries.rebuild(0)
		c.shards[i].ended = map[TokenHash]*EndedError{}
	}
	return c
}

// of returns the shard of a hash.
func (c *cache) of(h *TokenHash) *shard { return &c.shards[h[0]] }

// lock returns the shard of a hash, locked.
func (c *cache) lock(h TokenHash) *shard {
	s := c.of(&h)
	s.mu.Lock()
	return s
}

// verdict is what a look at the cache has found, and what is left to do.
type verdict int

const (
	verdictOK         verdict = iota
	verdictUnknown            // the store must be asked
	verdictDue                // the session's time is over
	verdictWriteFirst         // the activity must be in the store before the answer
	verdictRevived            // the Logout dialog can go
)

// check decides on a session in memory, notes activity in it, and sets to to what it is then.
func (c *cache) check(to *Session, h *TokenHash, now, active int64) verdict {
	s := c.of(h)
	e := s.entries.find(h)
	if e == nil {
		return verdictUnknown
	}
	v := verdictOK
	switch {
	case now >= e.endsAt.Load():
		v = verdictDue
	case active != never && active > e.lastActive.Load():
		if v = c.touch(s, e, now, active); v == verdictUnknown {
			return v
		}
	}
	e.read(to)
	return v
}

// touch notes activity, unless it must be written first.
func (c *cache) touch(s *shard, e *entry, now, active int64) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.gone:
		return verdictUnknown
	case now >= e.endsAt.Load():
		return verdictDue
	case active <= e.lastActive.Load():
		return verdictOK
	case now >= e.writeAt:
		return verdictWriteFirst
	}
	v, t := verdictOK, e.timing()
	if !e.queued {
		e.queued = true
		s.fresh = append(s.fresh, e.wait(t))
		if !c.fresh.Load() {
			c.fresh.Store(true) // after the entry is there, or it could be overlooked
		}
		if now >= t.idleAt() {
			v = verdictRevived
		}
	}
	e.lastActive.Store(active)
	e.endsAt.Store(t.since(active).endsAt())
	return v
}

// look calls f with the entry of a session, if there is one, and returns whether.
func (c *cache) look(h TokenHash, f func(*entry)) bool {
	s := c.lock(h)
	defer s.mu.Unlock()
	e := s.entries.find(&h)
	if e != nil {
		f(e)
	}
	return e != nil
}

// begin returns the epoch that add wants. Call it before reading from the store.
func (c *cache) begin(h TokenHash) uint64 {
	s := c.lock(h)
	defer s.mu.Unlock()
	return s.epoch
}

// add keeps a session that was read since begin. It does not if the session may have changed meanwhile; nor if the cache
// is full of activity to write, which it reports.
func (c *cache) add(r Record, epoch uint64) (full bool) {
	e := newEntry(r, c.few) // before checks wait for the lock
	s := c.lock(r.Hash)
	defer s.mu.Unlock()
	switch {
	case s.entries.find(&r.Hash) != nil, s.epoch != epoch:
		return false
	case s.entries.len >= c.most && !s.evict():
		return true
	}
	if user := c.held.Load(); user != nil && *user == e.user() {
		e.hold(true)
	}
	s.entries.put(e)
	return false
}

// end returns the end of a session that was asked for before, or nil.
func (c *cache) end(h TokenHash) *EndedError {
	s := c.lock(h)
	defer s.mu.Unlock()
	return s.ended[h]
}

// addEnded keeps the end of a session, in the place of another one if there are too many.
func (c *cache) addEnded(h TokenHash, e *EndedError) {
	s := c.lock(h)
	defer s.mu.Unlock()
	if len(s.ended) >= c.most/endedShare+1 {
		for other := range s.ended {
			delete(s.ended, other)
			break
		}
	}
	s.ended[h] = e
}

// endedShare is how many live sessions there may be for each ended one that is kept.
const endedShare = 8

// evict drops some entry that has nothing to write, and reports whether it found one.
func (s *shard) evict() bool {
	for e := range s.entries.all {
		if !e.queued {
			s.drop(e)
			return true
		}
	}
	return false
}

func (s *shard) drop(e *entry) {
	e.gone = true
	s.entries.remove(e)
}

// remove drops the entry of a session that has ended.
func (c *cache) remove(h TokenHash) {
	s := c.lock(h)
	defer s.mu.Unlock()
	s.epoch++
	if e := s.entries.find(&h); e != nil {
		s.drop(e)
	}
}

// doubt drops the entries of sessions that may have ended, so that the store is asked. Those with activity to write stay:
// writing it will tell.
func (c *cache) doubt(ended func(Session) bool) {
	c.deleteIf(func(e *entry) bool {
		var s Session
		e.read(&s)
		return !e.queued && ended(s)
	})
}

// clear drops all entries but one, whose sessions have ended.
func (c *cache) clear(but TokenHash) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		kept := s.entries.find(&but)
		s.entries.clear()
		if kept != nil {
			s.entries.put(kept)
		}
		s.mu.Unlock()
	}
}

// hold has activity of a user written before it is acknowledged, until release: whether it came before or after a change
// of all the user's sessions is then for the store to say. One user is held at a time.
func (c *cache) hold(user UserID) {
	c.held.Store(&user) // first, for the entries that come while the others are held one by one
	c.each(func(e *entry) {
		if e.user() == user {
			e.hold(true)
		}
	})
}

// release ends hold.
func (c *cache) release(user UserID) {
	c.held.Store(nil)
	c.each(func(e *entry) {
		if e.user() == user {
			e.hold(false)
		}
	})
}

// update ends hold with a change. Sessions that are due, before it or with it, are dropped: they have ended, unless activity
// has reached the store meanwhile, which then knows. The hold lasts until all have the change, for one that comes now may have been read before.
func (c *cache) update(user UserID, now int64, change Change) {
	c.deleteIf(func(e *entry) bool {
		if e.user() != user {
			return false
		}
		before := e.endsAt.Load()
		e.change(change.Apply, c.few)
		return now >= min(before, e.endsAt.Load())
	})
	c.release(user)
}

// wrote notes that the store has activity of a session.
func (c *cache) wrote(h TokenHash, t Touch) {
	s := c.lock(h)
	defer s.mu.Unlock()
	s.epoch++
	if e := s.entries.find(&h); e != nil {
		e.wrote(t, c.few)
	}
}

// each calls f with all entries.
func (c *cache) each(f func(*entry)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for e := range s.entries.all {
			f(e)
		}
		s.mu.Unlock()
	}
}

// deleteIf begins a new epoch in every shard and drops the entries for which f is true.
func (c *cache) deleteIf(f func(*entry) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		for e := range s.entries.all {
			if f(e) {
				s.drop(e)
			}
		}
		s.mu.Unlock()
	}
}
