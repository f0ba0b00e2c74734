package curfew

import (
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// timing is what a session's clock is made of, in milliseconds; times count from the Unix epoch.
type timing struct{ lastActive, lifetime, grace, expiresAt int64 }

func (t timing) idleAt() int64 { return min(t.lastActive+t.lifetime, t.expiresAt) }

func (t timing) endsAt() int64 { return min(t.lastActive+t.lifetime+t.grace, t.expiresAt) }

// since returns the timing with activity at another time.
func (t timing) since(active int64) timing {
	t.lastActive = active
	return t
}

func (s Session) timing() timing {
	return timing{s.LastActive.UnixMilli(), s.Lifetime.Milliseconds(), s.Grace.Milliseconds(), s.ExpiresAt.UnixMilli()}
}

// entry is a session in memory. There may be a million of them: they share the strings that are few, and have the others in
// one allocation. What is atomic and what never changes is read without a lock; that of its shard guards the rest, and all
// changes.
type entry struct {
	hash       TokenHash
	endsAt     atomic.Int64            // of the session
	lastActive atomic.Int64            // of the session
	changed    atomic.Pointer[Session] // instead of session, once more has changed than its activity
	session    Session                 // as it was read from the store

	writeAt int64 // from when on activity must be written first
	written int64 // lastActive as the store has it
	queued  bool  // newer activity waits to be written
	held    bool  // activity must be written first while the user's sessions are being changed
	gone    bool  // from the cache
}

func newEntry(r Record, few *intern) *entry {
	e := &entry{hash: r.Hash, session: packed(r.Session, few), written: r.Session.LastActive.UnixMilli()}
	e.lastActive.Store(e.written)
	e.reckon()
	return e
}

// state is the session, but for its activity.
func (e *entry) state() *Session {
	if s := e.changed.Load(); s != nil {
		return s
	}
	return &e.session
}

// read sets s to the session, instead of returning it: copying it is a part of what a check costs.
func (e *entry) read(s *Session) {
	*s = *e.state()
	s.LastActive = fromMilli(e.lastActive.Load())
}

func (e *entry) timing() timing {
	return e.state().timing().since(e.lastActive.Load())
}

// packed returns the session with strings that take little room: shared if there are few of their kind.
func packed(s Session, few *intern) Session {
	all := strings.Join([]string{string(s.ID), string(s.User.ID), s.User.Name, s.Client.Origin}, "")
	next := func(s string) string {
		head := all[:len(s)]
		all = all[len(s):]
		return head
	}
	s.ID = SessionID(next(string(s.ID)))
	s.User = User{UserID(next(string(s.User.ID))), next(s.User.Name), few.one(s.User.FullName)}
	s.Client = Client{next(s.Client.Origin), few.one(s.Client.Device)}
	s.Credential = Credential(few.one(string(s.Credential)))
	return s
}

func (e *entry) id() SessionID { return e.session.ID }

func (e *entry) user() UserID { return e.session.User.ID }

// reckon follows a change of the session's clock, or of what the store knows of it.
func (e *entry) reckon() {
	t := e.timing()
	e.endsAt.Store(t.endsAt())
	switch end := t.since(e.written).endsAt(); {
	case e.held:
		e.writeAt = math.MinInt64
	case end < t.expiresAt:
		e.writeAt = end - writeMargin(e.state().Lifetime).Milliseconds()
	default:
		e.writeAt = math.MaxInt64
	}
}

// hold has activity written first from now on, or no longer.
func (e *entry) hold(on bool) {
	e.held = on
	e.reckon()
}

// waiting is an entry with activity to write.
type waiting struct {
	*entry
	due int64 // when activity must be in the store: when what it knows is as old as the write interval, or the session over
	end int64 // when the session is over as far as the store knows
}

// wait returns what the queue wants to know of the entry, whose session has the timing.
func (e *entry) wait(t timing) waiting {
	end := t.since(e.written).endsAt()
	return waiting{e, min(e.written+writeInterval(e.state().Lifetime).Milliseconds(), end), end}
}

// waitAgain is wait for an entry that was written just now. Its activity may be told late, and then it would be due at once
// again: writing it would have no end for as long as more is told.
func (e *entry) waitAgain(now int64) waiting {
	w := e.wait(e.timing())
	w.due = min(max(w.due, now+writeInterval(e.state().Lifetime).Milliseconds()), w.end)
	return w
}

// change changes more of the session than its activity.
func (e *entry) change(f func(*Session)) {
	s := *e.state()
	f(&s)
	e.changed.Store(&s)
	e.reckon()
}

// wrote notes activity that the store has.
func (e *entry) wrote(t Touch) {
	at := t.At.UnixMilli()
	e.written = max(e.written, at)
	e.lastActive.Store(max(e.lastActive.Load(), at))
	if t.Authenticated {
		e.change(func(s *Session) { s.AuthenticatedAt = later(s.AuthenticatedAt, t.At) })
		return
	}
	e.reckon()
}

// flushed notes what the store has, and returns whether there is newer activity.
func (e *entry) flushed(at int64) bool {
	e.written = max(e.written, at)
	e.reckon()
	e.queued = e.lastActive.Load() > at
	return e.queued
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
