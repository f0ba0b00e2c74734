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
	// These are no later than the first end that the store knows of a session in the queue, and of one whose activity is
	// being written.
	earliest, underway int64
}

// tick is the width of a bucket, in milliseconds.
const tick = 100

// bucket holds entries that are due together.
type bucket struct {
	entries  []*entry
	earliest int64 // no later than the first end that the store knows of their sessions
}

func newQueue() queue {
	return queue{buckets: map[int64]*bucket{}, earliest: math.MaxInt64, underway: math.MaxInt64}
}

func (q *queue) put(list ...waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range list {
		at := (w.due + tick - 1) / tick
		b := q.buckets[at]
		if b == nil {
			b = &bucket{earliest: math.MaxInt64}
			q.buckets[at] = b
		}
		b.entries = append(b.entries, w.entry)
		b.earliest, q.earliest = min(b.earliest, w.end), min(q.earliest, w.end)
	}
}

// isPast reports whether a session that waits, or whose activity is being written, may be over by now as far as the store
// knows.
func (q *queue) isPast(now int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return now >= min(q.earliest, q.underway)
}

// take says which entries to take from a queue, up to as many as one batch has.
type take func(*queue) []*entry

// all takes any entries.
func all(q *queue) []*entry {
	return q.takeFrom(func(int64, *bucket) bool { return true })
}

// dueBy takes entries that are due, or whose session is over as far as the store knows.
func dueBy(now int64) take {
	return func(q *queue) []*entry {
		return q.takeFrom(func(at int64, b *bucket) bool { return at*tick <= now || b.earliest <= now })
	}
}

func (q *queue) takeFrom(due func(at int64, b *bucket) bool) (taken []*entry) {
	for at, b := range q.buckets {
		if due(at, b) && len(taken) < flushBatch {
			n := min(len(b.entries), flushBatch-len(taken))
			taken, b.entries = append(taken, b.entries[:n]...), b.entries[n:]
			q.underway = min(q.underway, b.earliest)
		}
	}
	return taken
}

// of takes the entries of a user.
func of(user UserID) take {
	return func(q *queue) (taken []*entry) {
		for _, b := range q.buckets {
			b.entries = slices.DeleteFunc(b.entries, func(e *entry) bool {
				if e.user() != user || len(taken) == flushBatch {
					return false
				}
				taken = append(taken, e)
				q.underway = min(q.underway, b.earliest)
				return true
			})
		}
		return taken
	}
}

// begin takes a batch, whose activity is then under way until done.
func (q *queue) begin(t take) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := t(q)
	q.earliest = math.MaxInt64
	for at, b := range q.buckets {
		if len(b.entries) == 0 {
			delete(q.buckets, at)
		} else {
			q.earliest = min(q.earliest, b.earliest)
		}
	}
	return taken
}

func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.underway = math.MaxInt64
}

const (
	sweepEvery  = time.Second
	tickEvery   = 30 * time.Second
	forgetEvery = time.Hour
	flushBatch  = 100

	// touchTimeout is how long the store may take to write a batch, while others wait for their turn and the sweeper does nothing else. What
	// was not written by then is written later.
	touchTimeout = 10 * time.Second
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
	if err := m.flush(ctx, dueBy(now.UnixMilli())); err != nil {
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
	return m.flush(ctx, dueBy(now.UnixMilli()))
}

// flush writes activity that was noted before, batch by batch, until there is none left to take.
func (m *Manager) flush(ctx context.Context, t take) error {
	m.collect()
	for {
		n, err := m.flushBatch(ctx, t)
		if n == 0 || err != nil {
			return err
		}
	}
}

// flushBatch writes the activity of one batch of entries, and returns how many those are. What can't be written goes back
// into the queue. One batch is written at a time: so when there is nothing to take, all is in the store.
func (m *Manager) flushBatch(ctx context.Context, t take) (int, error) {
	if err := m.flushing.enter(ctx); err != nil {
		return 0, err
	}
	defer m.flushing.leave()
	batch := m.queue.begin(t)
	defer m.queue.done()
	if len(batch) == 0 {
		return 0, nil
	}
	touches := make([]Touch, len(batch))
	for i, e := range batch {
		touches[i] = Touch{ID: e.id(), At: fromMilli(e.lastActive.Load())}
	}
	live, err := m.touch(ctx, touches)
	if err != nil {
		m.enqueue(batch...)
		return 0, unavailable("write activity", err)
	}
	now := m.clock.milli()
	for i, e := range batch {
		m.flushed(e, now, touches[i].At.UnixMilli(), live[i])
	}
	return len(batch), nil
}

// touch writes a batch of activity, or with none the time alone.
func (m *Manager) touch(ctx context.Context, touches []Touch) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, touchTimeout)
	defer cancel()
	return m.store.Touch(ctx, m.clock.Now(), touches)
}

// flushed notes that the activity of an entry until at is written, as of now.
func (m *Manager) flushed(e *entry, now, at int64, live bool) {
	if !live { // the store knows of an end that this manager didn't make
		m.cache.remove(e.hash)
		return
	}
	s := m.cache.lock(e.hash)
	if newer := e.flushed(at); newer {
		m.queue.put(e.waitAgain(now))
	}
	s.epoch++ // the entry may be evicted now; who read the session before the activity was written must not bring that back
	s.mu.Unlock()
	m.hub.publish(Event{EventChanged, e.id(), e.user()})
}

// collect puts the entries into the queue that have activity to write since the last time.
func (m *Manager) collect() {
	m.collecting.Lock()
	defer m.collecting.Unlock()
	now := m.clock.milli()
	defer m.collected.Store(now) // who relies on it must find all in the queue
	if !m.cache.fresh.Swap(false) {
		return
	}
	for i := range m.cache.shards {
		s := &m.cache.shards[i]
		s.mu.Lock()
		m.queue.put(s.fresh...)
		s.fresh = nil
		s.mu.Unlock()
	}
}

// enqueue puts entries back into the queue.
func (m *Manager) enqueue(entries ...*entry) {
	for _, e := range entries {
		s := m.cache.lock(e.hash)
		m.queue.put(e.wait(e.timing()))
		s.mu.Unlock()
	}
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
	_, err := m.touch(ctx, nil)
	return err
}

func (m *Manager) forget(ctx context.Context) error {
	now := m.clock.Now()
	_, err := m.store.Forget(ctx, now, now.Add(-m.policy.Keep))
	return err
}
