package curfew

import (
	"context"
	"time"
)

// check is the hot path: when the session is in memory it is a look-up and two comparisons.
func (m *Manager) check(ctx context.Context, hash TokenHash, now int64, act Activity) (s Session, err error) {
	for {
		e := m.cache.get(hash)
		if e == nil {
			if e, err = m.load(ctx, hash); err != nil {
				return Session{}, err
			}
		}
		switch e.check(&s, now, act) {
		case verdictGone:
			continue
		case verdictDue:
			ending, _ := s.Due(fromMilli(now))
			return Session{}, &EndedError{Ended{s, ending}}
		case verdictWriteFirst:
			return m.writeFirst(ctx, s, hash, fromMilli(now))
		case verdictQueue:
			m.queue.put(e)
		case verdictRevived:
			m.queue.put(e)
			m.hub.publish(Event{EventChanged, s.ID, s.User.ID})
		}
		return s, nil
	}
}

// verdict is what is left to do after a look at an entry.
type verdict int

const (
	verdictOK         verdict = iota
	verdictGone               // the entry is no longer in use
	verdictDue                // the session's time is over
	verdictWriteFirst         // the activity must be in the store before the answer
	verdictQueue              // the activity can wait
	verdictRevived            // the same, and the Logout dialog can go
)

// check decides on a session in memory, notes activity in it, and sets s to what it is then.
func (e *entry) check(s *Session, now int64, act Activity) verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return verdictGone
	}
	v := verdictOK
	switch {
	case now >= e.endsAt():
		v = verdictDue
	case act == Active && now > e.lastActive:
		v = e.touch(now)
	}
	*s = e.session()
	return v
}

// touch notes activity, unless it must be written first. The caller holds e.mu.
func (e *entry) touch(now int64) verdict {
	if end := e.storedEnd(); end-now <= writeMargin(fromMillis(e.lifetime)).Milliseconds() && end < e.expiresAt {
		return verdictWriteFirst
	}
	idle := now >= e.idleAt()
	e.lastActive = now
	if e.queued {
		return verdictOK
	}
	e.queued = true
	if idle {
		return verdictRevived
	}
	return verdictQueue
}

// load returns a new entry of a live session, from the store.
func (m *Manager) load(ctx context.Context, hash TokenHash) (*entry, error) {
	for {
		epoch := m.cache.begin(hash)
		r, err := m.find(ctx, &hash, "")
		if err != nil {
			return nil, err
		}
		e, full := m.cache.add(r, epoch)
		if e != nil {
			return e, nil
		}
		if full {
			if err := m.flush(ctx, m.queue.takeAll()); err != nil {
				return nil, err
			}
		}
	}
}

// find returns a live record from the store; an ended one is an *EndedError.
func (m *Manager) find(ctx context.Context, hash *TokenHash, id SessionID) (Record, error) {
	r, err := m.store.Find(ctx, hash, id)
	if err != nil {
		return Record{}, unavailable("find session", err)
	}
	if r.Ending != nil {
		return Record{}, &EndedError{Ended{r.Session, *r.Ending}}
	}
	return r, nil
}

// writeFirst answers a check whose activity comes so late that a sweeper could overtake it in the queue. If it can't
// be written the session goes on as if it had been passive: nothing is acknowledged that could be lost.
func (m *Manager) writeFirst(ctx context.Context, s Session, hash TokenHash, now time.Time) (Session, error) {
	err := m.write(ctx, s, hash, Touch{ID: s.ID, At: now})
	switch {
	case ErrorCode(err) == CodeUnavailable:
		m.log.Error("activity was not counted", "session", s.ID, "error", err)
		return s, nil
	case err != nil:
		return Session{}, err
	}
	s.LastActive = now
	return s, nil
}

// write puts activity into the store, after what s has that may not be there yet: by the store's own knowledge the
// session may be over. It returns an *EndedError if it has ended before.
func (m *Manager) write(ctx context.Context, s Session, hash TokenHash, t Touch) error {
	ctx, cancel := change(ctx)
	defer cancel()
	live, err := m.store.Touch(ctx, t.At, []Touch{{ID: s.ID, At: s.LastActive}, t})
	if err != nil {
		return unavailable("write activity", err)
	}
	if !live[1] {
		m.cache.remove(hash)
		if _, err := m.find(ctx, &hash, ""); err != nil {
			return err
		}
		ending, _ := s.Due(s.EndsAt())
		return &EndedError{Ended{s, ending}}
	}
	m.cache.wrote(t, hash)
	m.hub.publish(Event{EventChanged, s.ID, s.User.ID})
	return nil
}
