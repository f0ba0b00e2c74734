package curfew

import (
	"context"
	"sync"
	"time"
)

// queue holds the entries whose activity is not yet written.
type queue struct {
	mu      sync.Mutex
	entries []*entry
	// earliest is no later than the first end that the store knows of a session in the queue. It saves most calls of
	// settle the walk.
	earliest time.Time
}

func (q *queue) put(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(e)
}

// add is put for who holds q.mu.
func (q *queue) add(e *entry) {
	e.mu.Lock()
	end := e.storedEnd()
	e.mu.Unlock()
	if len(q.entries) == 0 || end.Before(q.earliest) {
		q.earliest = end
	}
	q.entries = append(q.entries, e)
}

// takeAll empties the queue.
func (q *queue) takeAll() []*entry {
	return q.take(func(*entry) bool { return true })
}

// takeUser takes the entries of a user.
func (q *queue) takeUser(user UserID) []*entry {
	return q.take(func(e *entry) bool { return e.user == user })
}

// takeDue takes the entries of which the store's knowledge is as old as the write interval, or by which the session is
// over by now.
func (q *queue) takeDue(now time.Time) []*entry {
	return q.take(func(e *entry) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return !now.Before(e.written.Add(writeInterval(e.session.Lifetime))) || !now.Before(e.storedEnd())
	})
}

// isPast reports whether a session in the queue may be over by now as far as the store knows.
func (q *queue) isPast(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries) > 0 && !now.Before(q.earliest)
}

func (q *queue) take(due func(*entry) bool) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*entry
	all := q.entries
	q.entries = nil
	for _, e := range all {
		if due(e) {
			taken = append(taken, e)
		} else {
			q.add(e)
		}
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
	if err := m.flush(ctx, m.queue.takeDue(now)); err != nil {
		return err
	}
	for {
		n, err := m.store.End(ctx, now, Selection{Due: true}, Ending{})
		if err != nil {
			return unavailable("put away ended sessions", err)
		}
		if n == 0 {
			return nil
		}
		m.dropEnded(now, Selection{Due: true}, true)
	}
}

// settle writes the activity by which sessions are live at now that are over as far as the store knows. It comes before
// anything that the store judges by itself. There is something to do only after the machine was suspended, or while
// writing failed.
func (m *Manager) settle(ctx context.Context, now time.Time) error {
	if !m.queue.isPast(now) {
		return nil
	}
	return m.flush(ctx, m.queue.takeDue(now))
}

// flush writes the activity of entries. What can't be written goes back into the queue.
func (m *Manager) flush(ctx context.Context, entries []*entry) error {
	for len(entries) > 0 {
		batch := entries[:min(len(entries), flushBatch)]
		if err := m.flushBatch(ctx, batch); err != nil {
			for _, e := range entries {
				m.queue.put(e)
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
		e.mu.Lock()
		touches[i] = Touch{ID: e.id, At: e.session.LastActive}
		e.mu.Unlock()
	}
	live, err := m.store.Touch(ctx, m.clock.Now(), touches)
	if err != nil {
		return unavailable("write activity", err)
	}
	for i, e := range batch {
		m.flushed(e, touches[i].At, live[i])
	}
	return nil
}

// flushed notes that the activity of an entry until at is written.
func (m *Manager) flushed(e *entry, at time.Time, live bool) {
	if !live { // the store knows of an end that this manager didn't make
		m.cache.remove(e.hash)
		return
	}
	if e.flushed(at) {
		m.queue.put(e)
	}
	m.hub.publish(Event{EventChanged, e.id, e.user})
}

// flushed notes what the store has, and returns whether there is newer activity.
func (e *entry) flushed(at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written = later(e.written, at)
	e.queued = e.session.LastActive.After(at)
	return e.queued
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
