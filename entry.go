package curfew

import (
	"math"
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

// entry is a session in memory. The lock of its shard guards what changes. There may be a million of them, and a check
// reads one whole: so it fills two cache lines, and has few pointers for the garbage collector to follow.
type entry struct {
	timing
	createdAt, authenticatedAt int64

	endsAt  int64 // of the session
	writeAt int64 // from when on activity must be written first
	written int64 // lastActive as the store has it

	text     string // ID, user's ID, user's name and origin, one after the other
	fullName string // shared by the user's sessions
	kind     unique.Handle[kind]
	cuts     [3]uint32 // where in text one ends and the next begins
	shard    uint8     // of the cache
	queued   bool      // newer activity waits to be written
	held     bool      // activity must be written first while the user's sessions are being changed
}

// kind is what many sessions have in common.
type kind struct {
	credential Credential
	device     string
}

func newEntry(r Record) *entry {
	s := r.Session
	e := &entry{
		timing: s.timing(), createdAt: s.CreatedAt.UnixMilli(), authenticatedAt: s.AuthenticatedAt.UnixMilli(),
		written: s.LastActive.UnixMilli(), shard: r.Hash[0],
		text:     string(s.ID) + string(s.User.ID) + s.User.Name + s.Client.Origin,
		fullName: unique.Make(s.User.FullName).Value(),
		kind:     unique.Make(kind{s.Credential, s.Client.Device}),
	}
	at := 0
	for i, n := range [...]int{len(s.ID), len(s.User.ID), len(s.User.Name)} {
		at += n
		e.cuts[i] = uint32(at)
	}
	e.reckon()
	return e
}

// read sets s to the session, instead of returning it: copying it is a part of what a check costs.
func (e *entry) read(s *Session) {
	kind := e.kind.Value()
	id, user, name := e.cuts[0], e.cuts[1], e.cuts[2]
	s.ID = SessionID(e.text[:id])
	s.User.ID = UserID(e.text[id:user])
	s.User.Name = e.text[user:name]
	s.User.FullName = e.fullName
	s.Credential = kind.credential
	s.Client.Origin = e.text[name:]
	s.Client.Device = kind.device
	s.CreatedAt = fromMilli(e.createdAt)
	s.AuthenticatedAt = fromMilli(e.authenticatedAt)
	s.LastActive = fromMilli(e.lastActive)
	s.Lifetime, s.Grace = milliseconds(e.lifetime), milliseconds(e.grace)
	s.ExpiresAt = fromMilli(e.expiresAt)
}

func (e *entry) session() (s Session) {
	e.read(&s)
	return s
}

// id and user never change, so no lock is needed for them.
func (e *entry) id() SessionID { return SessionID(e.text[:e.cuts[0]]) }

func (e *entry) user() UserID { return UserID(e.text[e.cuts[0]:e.cuts[1]]) }

// reckon follows a change of the session's clock, or of what the store knows of it.
func (e *entry) reckon() {
	e.endsAt = e.timing.endsAt()
	switch end := e.storedEnd(); {
	case e.held:
		e.writeAt = math.MinInt64
	case end < e.expiresAt:
		e.writeAt = end - writeMargin(milliseconds(e.lifetime)).Milliseconds()
	default:
		e.writeAt = math.MaxInt64
	}
}

// hold has activity written first from now on, or no longer.
func (e *entry) hold(on bool) {
	e.held = on
	e.reckon()
}

// storedEnd is when the session ends as far as the store knows.
func (e *entry) storedEnd() int64 {
	t := e.timing
	t.lastActive = e.written
	return t.endsAt()
}

// dueAt is when activity must be in the store: when what it knows is as old as the write interval, or by which the
// session is over.
func (e *entry) dueAt() int64 {
	return min(e.written+writeInterval(milliseconds(e.lifetime)).Milliseconds(), e.storedEnd())
}

// apply makes a change of all the user's sessions.
func (e *entry) apply(c Change) {
	if c.Lifetime != nil {
		e.lifetime = c.Lifetime.Milliseconds()
	}
	if c.FullName != nil {
		e.fullName = unique.Make(*c.FullName).Value()
	}
	e.reckon()
}

// wrote notes activity that the store has.
func (e *entry) wrote(t Touch) {
	at := t.At.UnixMilli()
	e.written = max(e.written, at)
	e.lastActive = max(e.lastActive, at)
	if t.Authenticated {
		e.authenticatedAt = max(e.authenticatedAt, at)
	}
	e.reckon()
}

// flushed notes what the store has, and returns whether there is newer activity.
func (e *entry) flushed(at int64) bool {
	e.written = max(e.written, at)
	e.reckon()
	e.queued = e.lastActive > at
	return e.queued
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
