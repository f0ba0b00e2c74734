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

// entry is a session in memory. There may be a million of them, which the garbage collector looks through: they are small, and have
// few pointers. What is atomic and what never changes is read without a lock; that of its shard guards the rest, and all changes.
type entry struct {
	hash       TokenHash
	endsAt     atomic.Int64           // of the session
	lastActive atomic.Int64           // of the session
	changed    atomic.Pointer[packed] // instead of session, once more has changed than its activity
	session    packed                 // as it was read from the store

	writeAt int64 // from when on activity must be written first
	written int64 // lastActive as the store has it
	queued  bool  // newer activity waits to be written
	held    bool  // activity must be written first while the user's sessions are being changed
	gone    bool  // from the cache
}

func newEntry(r Record, few *intern) *entry {
	e := &entry{hash: r.Hash, session: pack(r.Session, few), written: r.Session.LastActive.UnixMilli()}
	e.lastActive.Store(e.written)
	e.reckon()
	return e
}

// state is the session, but for its activity.
func (e *entry) state() *packed {
	if p := e.changed.Load(); p != nil {
		return p
	}
	return &e.session
}

// read sets s to the session, instead of returning it: copying it is a part of what a check costs.
func (e *entry) read(s *Session) {
	e.state().unpack(s)
	s.LastActive = fromMilli(e.lastActive.Load())
}

func (e *entry) timing() timing {
	return e.state().timing().since(e.lastActive.Load())
}

// packed is a session, but for its activity, with one string of all that are its own, and the others shared. Times are Unix milliseconds.
type packed struct {
	text                               string    // ID, user ID, user name, full name and origin
	userID, userName, fullName, origin uint32    // where these begin in it
	few                                *fewWords // what many sessions have in common
	createdAt, authenticatedAt         int64
	expiresAt                          int64
	lifetime, grace                    time.Duration
}

// fewWords are strings of a session of which there are few.
type fewWords struct {
	credential Credential
	device     string
}

func pack(s Session, few *intern) packed {
	p := packed{
		text:      strings.Join([]string{string(s.ID), string(s.User.ID), s.User.Name, s.User.FullName, s.Client.Origin}, ""),
		few:       few.one(fewWords{s.Credential, s.Client.Device}),
		createdAt: s.CreatedAt.UnixMilli(), authenticatedAt: s.AuthenticatedAt.UnixMilli(), expiresAt: s.ExpiresAt.UnixMilli(),
		lifetime: s.Lifetime, grace: s.Grace,
	}
	p.userID = uint32(len(s.ID))
	p.userName = p.userID + uint32(len(s.User.ID))
	p.fullName = p.userName + uint32(len(s.User.Name))
	p.origin = p.fullName + uint32(len(s.User.FullName))
	return p
}

// unpack sets all of s but its activity, field by field: a composite literal would be made elsewhere and copied.
func (p *packed) unpack(s *Session) {
	s.ID, s.User.ID, s.User.Name, s.User.FullName = p.id(), p.user(), p.text[p.userName:p.fullName], p.text[p.fullName:p.origin]
	s.Credential, s.Client.Origin, s.Client.Device = p.few.credential, p.text[p.origin:], p.few.device
	s.CreatedAt, s.AuthenticatedAt, s.ExpiresAt = fromMilli(p.createdAt), fromMilli(p.authenticatedAt), fromMilli(p.expiresAt)
	s.Lifetime, s.Grace = p.lifetime, p.grace
}

func (p *packed) id() SessionID { return SessionID(p.text[:p.userID]) }

func (p *packed) user() UserID { return UserID(p.text[p.userID:p.userName]) }

func (p *packed) timing() timing {
	return timing{lifetime: p.lifetime.Milliseconds(), grace: p.grace.Milliseconds(), expiresAt: p.expiresAt}
}

func (e *entry) id() SessionID { return e.session.id() }

func (e *entry) user() UserID { return e.session.user() }

// reckon follows a change of the session's clock, or of what the store knows of it.
func (e *entry) reckon() {
	t := e.timing()
	e.endsAt.Store(t.endsAt())
	switch end := t.since(e.written).endsAt(); {
	case e.held:
		e.writeAt = math.MinInt64
	case end < t.expiresAt:
		e.writeAt = end - writeMargin(e.state().lifetime).Milliseconds()
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
	return waiting{e, min(e.written+writeInterval(e.state().lifetime).Milliseconds(), end), end}
}

// waitAgain is wait for an entry that was written just now. Its activity may be told late, and then it would be due at once
// again: writing it would have no end for as long as more is told.
func (e *entry) waitAgain(now int64) waiting {
	w := e.wait(e.timing())
	w.due = min(max(w.due, now+writeInterval(e.state().lifetime).Milliseconds()), w.end)
	return w
}

// change changes more of the session than its activity.
func (e *entry) change(f func(*Session), few *intern) {
	var s Session
	e.read(&s)
	f(&s)
	p := pack(s, few)
	e.changed.Store(&p)
	e.reckon()
}

// wrote notes activity that the store has.
func (e *entry) wrote(t Touch, few *intern) {
	at := t.At.UnixMilli()
	e.written = max(e.written, at)
	e.lastActive.Store(max(e.lastActive.Load(), at))
	if t.Authenticated {
		e.change(func(s *Session) { s.AuthenticatedAt = later(s.AuthenticatedAt, t.At) }, few)
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
