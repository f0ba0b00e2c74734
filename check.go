package curfew

import (
	"context"
	"errors"
	"time"
)

// never is when a person did something who did nothing.
const never = 0

// check is the hot path: when the session is in memory it is a look-up and two comparisons. Active is when a person did
// something, or never. It sets s, which must be empty, instead of returning it: copying it is a part of the cost.
func (m *Manager) check(ctx context.Context, s *Session, hash TokenHash, now, active int64) error {
	for {
		v := m.cache.check(s, &hash, now, active)
		if v == verdictOK {
			return nil
		}
		if v != verdictUnknown {
			return m.follow(ctx, s, hash, v, now, active)
		}
		if err := m.load(ctx, hash); err != nil {
			return err
		}
	}
}

// follow does what a verdict leaves to do, and empties s if the session is refused.
func (m *Manager) follow(ctx context.Context, s *Session, hash TokenHash, v verdict, now, active int64) (err error) {
	switch v {
	case verdictDue:
		ending, _ := s.Due(fromMilli(now))
		err = &EndedError{Ended{*s, ending}}
	case verdictWriteFirst:
		err = m.writeFirst(ctx, s, hash, fromMilli(now), fromMilli(active))
	case verdictRevived:
		m.hub.publish(Event{EventChanged, s.ID, s.User.ID})
	}
	if err != nil {
		*s = Session{}
	}
	return err
}

// findTimeout is how long a check waits for the store: whoever asks is better told that nobody knows.
const findTimeout = time.Second

// load brings a live session from the store into memory, if nothing comes in between.
func (m *Manager) load(ctx context.Context, hash TokenHash) error {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	if e := m.cache.end(hash); e != nil {
		return e
	}
	epoch := m.cache.begin(hash)
	r, err := m.find(ctx, &hash, "")
	if e, ok := errors.AsType[*EndedError](err); ok {
		m.cache.addEnded(hash, e)
	}
	if err != nil {
		return err
	}
	if full := m.cache.add(r, epoch); full {
		m.collect()
		_, err = m.flushBatch(ctx, all)
	}
	return err
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
func (m *Manager) writeFirst(ctx context.Context, s *Session, hash TokenHash, now, active time.Time) error {
	err := m.write(ctx, *s, hash, now, Touch{ID: s.ID, At: active})
	switch {
	case ErrorCode(err) == CodeUnavailable:
		m.log.Error("activity was not counted", "session", s.ID, "error", err)
		return nil
	case err != nil:
		return err
	}
	s.LastActive = active
	return nil
}

// write puts activity into the store, after what s has that may not be there yet: by the store's own knowledge the
// session may be over. It returns an *EndedError if it has ended before.
func (m *Manager) write(ctx context.Context, s Session, hash TokenHash, now time.Time, t Touch) error {
	ctx, cancel := change(ctx)
	defer cancel()
	live, err := m.store.Touch(ctx, now, []Touch{{ID: s.ID, At: s.LastActive}, t})
	if err != nil {
		return unavailable("write activity", err)
	}
	if !live[1] {
		m.cache.remove(hash)
		return m.over(ctx, hash)
	}
	m.cache.wrote(hash, t)
	m.hub.publish(Event{EventChanged, s.ID, s.User.ID})
	return nil
}

// over returns how a session has ended that the store does not take for live. Its row may not have moved yet.
func (m *Manager) over(ctx context.Context, hash TokenHash) error {
	r, err := m.find(ctx, &hash, "")
	if err != nil {
		return err
	}
	ending, _ := r.Session.Due(r.Session.EndsAt())
	return &EndedError{Ended{r.Session, ending}}
}
