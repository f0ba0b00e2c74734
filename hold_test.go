package curfew

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// recordIn returns a session whose hash begins with a byte, and so is in the shard of that number.
func recordIn(shard byte, user UserID, active time.Time) Record {
	return Record{Hash: TokenHash{shard, 1}, Session: Session{
		ID: "s", User: User{ID: user}, LastActive: active, Lifetime: 300 * time.Second, ExpiresAt: active.Add(time.Hour),
	}}
}

// TestLoadMeetsUpdate has a session, read from the store before a change of its user's lifetime, come into memory while the
// change is being made there, shard by shard. Until it is made in the session's own shard, activity must be written first.
func TestLoadMeetsUpdate(t *testing.T) {
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	c := newCache(cacheShards)
	r := recordIn(200, "amara", start)
	epoch := c.begin(r.Hash)
	c.hold("amara")
	lifetime := MinLifetime
	now := start.Add(200 * time.Second).UnixMilli() // by the new lifetime the session is over
	c.shards[100].mu.Lock()
	updated := make(chan struct{})
	go func() { defer close(updated); c.update("amara", now, Change{Lifetime: &lifetime}) }()
	for c.begin(TokenHash{99}) == 0 { // until it waits for shard 100
		runtime.Gosched()
	}
	c.add(r, epoch)
	var s Session
	if v := c.check(&s, &r.Hash, now+1, now+1); v != verdictWriteFirst {
		t.Errorf("activity in between: verdict %d, want %d", v, verdictWriteFirst)
	}
	c.shards[100].mu.Unlock()
	<-updated
	s = Session{}
	if v := c.check(&s, &r.Hash, now+1, now+1); v != verdictUnknown {
		t.Errorf("after the change: verdict %d, want %d: the store must be asked", v, verdictUnknown)
	}
	// Activity is held back no longer.
	other := recordIn(201, "amara", fromMilli(now))
	c.add(other, c.begin(other.Hash))
	if v := c.check(&s, &other.Hash, now+1, now+1); v != verdictOK {
		t.Errorf("a session that comes later: verdict %d, want %d", v, verdictOK)
	}
}

// TestCollectedWhenCollected has a collection wait in the middle: until it is done, nobody may believe that the queue has
// what was noted before.
func TestCollectedWhenCollected(t *testing.T) {
	c := newCache(cacheShards)
	m := &Manager{cache: c, queue: newQueue(), clock: newClock(time.Now, time.Time{})}
	start := m.clock.Now().Add(-time.Minute)
	r := recordIn(200, "amara", start)
	c.add(r, c.begin(r.Hash))
	var s Session
	if v := c.check(&s, &r.Hash, start.UnixMilli()+1, start.UnixMilli()+1); v != verdictOK {
		t.Fatalf("verdict %d", v)
	}
	var collections sync.WaitGroup
	c.shards[100].mu.Lock()
	collections.Go(m.collect)
	for c.fresh.Load() { // until it has begun
		runtime.Gosched()
	}
	collections.Go(m.collect) // finds nothing fresh, but is not done before the other
	time.Sleep(10 * time.Millisecond)
	if at := m.collected.Load(); at != 0 {
		t.Error("the collection is said to be done, and is not")
	}
	c.shards[100].mu.Unlock()
	collections.Wait()
	if m.collected.Load() == 0 || len(m.queue.begin(all)) != 1 {
		t.Error("the activity is not in the queue")
	}
}
