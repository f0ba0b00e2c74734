package curfew

import (
	"math"
	"strings"
	"time"
	"unique"
)

// timing is what a session's clock is made of, in milliseconds; times count from the Unix epoch.
type timing struct{ lastActive, lifetime, grace, expiresAt int64 }

func (t timing) idleAt() int64 { return min(t.lastActive+t.lifetime, t.expiresAt) }

func (t timing) endsAt() int64 { return min(t.lastActive+t.lifetime+t.grace, t.expiresAt) }

func (s Session) timing() timing {
	return timing{s.LastActive.UnixMilli(), s.Lifetime.Milliseconds(), s.Grace.Milliseconds(), s.ExpiresAt.UnixMilli()}
}

// entry is a session in memory. The lock of its shard guards what changes. There may be a million of them: they share
// the strings that are few, and the others are in one allocation.
type entry struct {
	session Session
	endsAt  int64 // of the session
	writeAt int64 // from when on activity must be written first
	written int64 // LastActive as the store has it
	queued  bool  // newer activity waits to be written
	shard   uint8 // of the cache
}

func newEntry(r Record) *entry {
	e := &entry{session: packed(r.Session), shard: r.Hash[0], written: r.Session.LastActive.UnixMilli()}
	e.reckon()
	return e
}

// reckon follows a change of the session's clock, or of what the store knows of it.
func (e *entry) reckon() {
	t := e.session.timing()
	e.endsAt = t.endsAt()
	e.writeAt = math.MaxInt64
	if end := e.storedEnd(); end < t.expiresAt {
		e.writeAt = end - writeMargin(e.session.Lifetime).Milliseconds()
	}
}

// packed returns the session with strings that take little room.
func packed(s Session) Session {
	all := strings.Join([]string{string(s.ID), string(s.User.ID), s.User.Name, s.User.FullName, s.Client.Origin}, "")
	next := func(s string) string {
		head := all[:len(s)]
		all = all[len(s):]
		return head
	}
	s.ID = SessionID(next(string(s.ID)))
	s.User = User{UserID(next(string(s.User.ID))), next(s.User.Name), next(s.User.FullName)}
	s.Client = Client{next(s.Client.Origin), unique.Make(s.Client.Device).Value()}
	s.Credential = unique.Make(s.Credential).Value()
	return s
}

// storedEnd is when the session ends as far as the store knows.
func (e *entry) storedEnd() int64 {
	t := e.session.timing()
	t.lastActive = e.written
	return t.endsAt()
}

// dueAt is when activity must be in the store: when what it knows is as old as the write interval, or by which the
// session is over.
func (e *entry) dueAt() int64 {
	return min(e.written+writeInterval(e.session.Lifetime).Milliseconds(), e.storedEnd())
}

// apply makes a change of all the user's sessions.
func (e *entry) apply(c Change) {
	c.Apply(&e.session)
	e.reckon()
}

func (e *entry) lastActive() int64 { return e.session.LastActive.UnixMilli() }

// wrote notes activity that the store has.
func (e *entry) wrote(t Touch) {
	e.written = max(e.written, t.At.UnixMilli())
	e.session.LastActive = later(e.session.LastActive, t.At)
	if t.Authenticated {
		e.session.AuthenticatedAt = later(e.session.AuthenticatedAt, t.At)
	}
	e.reckon()
}

// flushed notes what the store has, and returns whether there is newer activity.
func (e *entry) flushed(at int64) bool {
	e.written = max(e.written, at)
	e.reckon()
	e.queued = e.lastActive() > at
	return e.queued
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
