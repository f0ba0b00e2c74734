package curfew

import (
	"strings"
	"time"
)

// timing is what a session's clock is made of, in milliseconds; times count from the Unix epoch.
type timing struct{ lastActive, lifetime, grace, expiresAt int64 }

func (t timing) idleAt() int64 { return min(t.lastActive+t.lifetime, t.expiresAt) }

func (t timing) endsAt() int64 { return min(t.lastActive+t.lifetime+t.grace, t.expiresAt) }

func (s Session) timing() timing {
	return timing{s.LastActive.UnixMilli(), s.Lifetime.Milliseconds(), s.Grace.Milliseconds(), s.ExpiresAt.UnixMilli()}
}

// entry is a session in memory. There may be a million of them, so its times are numbers, and its strings share one
// allocation: that halves it, and is far fewer objects to the garbage collector. The lock of its shard guards what changes.
type entry struct {
	queued  bool  // newer activity waits to be written
	written int64 // lastActive as the store has it
	timing
	createdAt, authenticatedAt int64

	hash       TokenHash
	id         SessionID
	user       User
	credential Credential
	client     Client
}

func newEntry(r Record) *entry {
	s := packed(r.Session)
	return &entry{
		written: s.LastActive.UnixMilli(), timing: s.timing(),
		createdAt: s.CreatedAt.UnixMilli(), authenticatedAt: s.AuthenticatedAt.UnixMilli(),
		hash: r.Hash, id: s.ID, user: s.User, credential: s.Credential, client: s.Client,
	}
}

// packed returns the session with its strings in one allocation.
func packed(s Session) Session {
	all := strings.Join([]string{
		string(s.ID), string(s.User.ID), s.User.Name, s.User.FullName, s.Client.Origin, s.Client.Device, string(s.Credential),
	}, "")
	next := func(s string) string {
		head := all[:len(s)]
		all = all[len(s):]
		return head
	}
	s.ID = SessionID(next(string(s.ID)))
	s.User = User{UserID(next(string(s.User.ID))), next(s.User.Name), next(s.User.FullName)}
	s.Client = Client{next(s.Client.Origin), next(s.Client.Device)}
	s.Credential = Credential(next(string(s.Credential)))
	return s
}

func (e *entry) session() (s Session) {
	e.tell(&s)
	return s
}

// tell sets s to the session.
func (e *entry) tell(s *Session) {
	s.ID, s.User, s.Credential, s.Client = e.id, e.user, e.credential, e.client
	s.CreatedAt, s.AuthenticatedAt, s.LastActive = fromMilli(e.createdAt), fromMilli(e.authenticatedAt), fromMilli(e.lastActive)
	s.Lifetime, s.Grace, s.ExpiresAt = fromMillis(e.lifetime), fromMillis(e.grace), fromMilli(e.expiresAt)
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
	return min(e.written+writeInterval(fromMillis(e.lifetime)).Milliseconds(), e.storedEnd())
}

func fromMilli(ms int64) time.Time      { return time.UnixMilli(ms).UTC() }
func fromMillis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// apply makes a change of all the user's sessions.
func (e *entry) apply(c Change) {
	s := e.session()
	c.Apply(&s)
	e.timing, e.user.FullName = s.timing(), s.User.FullName
}

// touch notes activity, unless it must be written first.
func (e *entry) touch(now, active int64) verdict {
	if end := e.storedEnd(); end-now <= writeMargin(fromMillis(e.lifetime)).Milliseconds() && end < e.expiresAt {
		return verdictWriteFirst
	}
	idle := now >= e.idleAt()
	e.lastActive = active
	if e.queued {
		return verdictOK
	}
	e.queued = true
	if idle {
		return verdictRevived
	}
	return verdictQueue
}

// flushed notes what the store has, and returns whether there is newer activity.
func (e *entry) flushed(at int64) bool {
	e.written = max(e.written, at)
	e.queued = e.lastActive > at
	return e.queued
}
