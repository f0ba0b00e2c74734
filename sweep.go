package curfew

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// queue holds the entries whose activity is not yet written, by when they are due.
type queue struct {
	mu      sync.Mutex
	buckets map[int64]*bucket // by the tick in which the last of their entries is due
	// earliest is no later than the first end that the store knows of a session in the queue.
	earliest int64
}

// tick is the width of a bucket, in milliseconds.
const tick = 100

// bucket holds entries that are due together.
type bucket struct {
	entries  []*entry
	earliest int64
}

// put adds an entry that is due, and whose session ends as far as the store knows, at these times.
func (q *queue) put(e *entry, due, end int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buckets) == 0 {
		q.buckets, q.earliest = map[int64]*bucket{}, end
	}
	at := (due + tick - 1) / tick
	b := q.buckets[at]
	if b == nil {
		b = &bucket{earliest: end}
		q.buckets[at] = b
	}
	b.entries = append(b.entries, e)
	b.earliest, q.earliest = min(b.earliest, end), min(q.earliest, end)
}

// takeAll empties the queue.
func (q *queue) takeAll() []*entry {
	return q.take(func(int64, *bucket) bool { return true })
}

// takeDue takes the entries that are due.
func (q *queue) takeDue(now int64) []*entry {
	return q.take(func(at int64, b *bucket) bool { return at*tick <= now || b.earliest <= now })
}

// isPast reports whether a session in the queue may be over by now as far as the store knows.
func (q *queue) isPast(now int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.buckets) > 0 && now >= q.earliest
}

func (q *queue) take(due func(at int64, b *bucket) bool) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*entry
	q.earliest = math.MaxInt64
	for at, b := range q.buckets {
		if due(at, b) {
			taken = append(taken, b.entries...)
			delete(q.buckets, at)
		} else {
			q.earliest = min(q.earliest, b.earliest)
		}
	}
	return taken
}

// takeUser takes the entries of a user.
func (q *queue) takeUser(user UserID) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*entry
	for _, b := range q.buckets {
		b.entries = slices.DeleteFunc(b.entries, func(e *entry) bool {
			if e.session.User.ID == user {
				taken = append(taken, e)
			}
			return e.session.User.ID == user
		})
	}
	return taken
}

const (
	sweepEvery  = time.Second
	tickEvery   = 30 * time.Second
	forgetEvery = time.Hour
	flushBatch  = 1000
)

// sweep does the background work until ctx ends. Nothing that it does decides whether a session is accepted: it writes
// what is known, and puts away what is over.
func (m *Manager) sweep(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	var ticked, forgot time.Time
	for {
		m.try(ctx, m.round)
		if now := m.clock.Now(); now.Sub(forgot) >= forgetEvery {
			forgot = now
			m.try(ctx, m.forget)
		}
		if now := m.clock.Now(); now.Sub(ticked) >= tickEvery {
			ticked = now
			m.try(ctx, m.tickWhileLive)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (m *Manager) try(ctx context.Context, work func(context.Context) error) {
	if err := work(ctx); err != nil && ctx.Err() == nil {
		m.log.Error("background work failed, it will be tried again", "error", err)
	}
}

// round writes activity and then moves what is due. In this order, since what can't be written can't be judged.
// It judges by the time before the writing, however long that took.
func (m *Manager) round(ctx context.Context) error {
	now := m.clock.Now()
	if err := m.flush(ctx, m.takeDue(now.UnixMilli())); err != nil {
		return err
	}
	for m.clock.Now().Sub(now) < sweepEvery { // or the next activity would have to wait
		_, ended, err := m.store.End(ctx, now, Selection{Due: true}, Ending{})
		if err != nil {
			return unavailable("put away ended sessions", err)
		}
		if len(ended) == 0 {
			return nil
		}
		m.forgetEnded(ended)
	}
	return nil
}

// settle writes the activity by which sessions are live at now that are over as far as the store knows. It comes before
// anything that the store judges by itself. There is something to do only after the machine was suspended, or while
// writing failed.
func (m *Manager) settle(ctx context.Context, now time.Time) error {
	// Activity that was noted since the last collection was further from the end than the margin.
	isNear := now.UnixMilli()-m.collected.Load() < minWriteMargin.Milliseconds()
	if isNear && !m.queue.isPast(now.UnixMilli()) {
		return nil
	}
	return m.flush(ctx, m.takeDue(now.UnixMilli()))
}

// flush writes the activity of entries. What can't be written goes back into the queue.
func (m *Manager) flush(ctx context.Context, entries []*entry) error {
	for len(entries) > 0 {
		batch := entries[:min(len(entries), flushBatch)]
		if err := m.flushBatch(ctx, batch); err != nil {
			for _, e := range entries {
				m.enqueue(e)
			}
			return err
		}
		entries = entries[len(batch):]
	}
	return nil
}

func (m *Manager) flushBatch(ctx context.Context, batch []*entry) error {
	touches := make([]Touch, len(batch))
	for i, e := range batch {
		s := m.cache.lockOf(e)
		touches[i] = Touch{ID: e.session.ID, At: e.session.LastActive}
		s.mu.Unlock()
	}
	live, err := m.store.Touch(ctx, m.clock.Now(), touches)
	if err != nil {
		return unavailable("write activity", err)
	}
	for i, e := range batch {
		m.flushed(e, touches[i].At.UnixMilli(), live[i])
	}
	return nil
}

// flushed notes that the activity of an entry until at is written.
func (m *Manager) flushed(e *entry, at int64, live bool) {
	if !live { // the store knows of an end that this manager didn't make
		m.cache.drop(e)
		return
	}
	s := m.cache.lockOf(e)
	newer := e.flushed(at)
	s.epoch++ // the entry may be evicted now; who read the session before the activity was written must not bring that back
	s.mu.Unlock()
	if newer {
		m.enqueue(e)
	}
	m.hub.publish(Event{EventChanged, e.session.ID, e.session.User.ID})
}

// collect puts the entries into the queue that have activity to write since the last time.
func (m *Manager) collect() {
	m.collected.Store(m.clock.milli())
	if !m.cache.fresh.Swap(false) {
		return
	}
	for i := range m.cache.shards {
		s := &m.cache.shards[i]
		s.mu.Lock()
		for _, e := range s.fresh {
			m.queue.put(e, e.dueAt(), e.storedEnd())
		}
		s.fresh = nil
		s.mu.Unlock()
	}
}

// enqueue puts an entry back into the queue.
func (m *Manager) enqueue(e *entry) {
	s := m.cache.lockOf(e)
	defer s.mu.Unlock()
	m.queue.put(e, e.dueAt(), e.storedEnd())
}

func (m *Manager) takeAll() []*entry {
	m.collect()
	return m.queue.takeAll()
}

func (m *Manager) takeUser(user UserID) []*entry {
	m.collect()
	return m.queue.takeUser(user)
}

func (m *Manager) takeDue(now int64) []*entry {
	m.collect()
	return m.queue.takeDue(now)
}

// tickWhileLive does tick, unless nobody is signed in: an idle machine's disk may sleep.
func (m *Manager) tickWhileLive(ctx context.Context) error {
	page, err := m.List(ctx, Query{Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return err
	}
	return m.tick(ctx)
}

// tick writes the time, so that a clock set back while the program is down is noticed.
func (m *Manager) tick(ctx context.Context) error {
	_, err := m.store.Touch(ctx, m.clock.Now(), nil)
	return err
}

func (m *Manager) forget(ctx context.Context) error {
	now := m.clock.Now()
	_, err := m.store.Forget(ctx, now, now.Add(-m.policy.Keep))
	return err
}
