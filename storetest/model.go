package storetest

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

// modelled is what must be true of a session. Of its last activity there are three times: what was acknowledged, the
// least that it may be since a crash, and what the next crash can't take away.
type modelled struct {
	token   curfew.Token
	session curfew.Session // as acknowledged
	ended   *curfew.Ending
	least   time.Time
	durable time.Time
	acts    []time.Time // acknowledged since durable
}

// live reports whether the session may be accepted.
func (m *modelled) live(now time.Time) bool {
	return m.ended == nil && now.Before(m.session.EndsAt())
}

// surelyLive reports whether the session must be accepted.
func (m *modelled) surelyLive(now time.Time) bool {
	return m.ended == nil && now.Before(m.atLeast().EndsAt())
}

// uncertain reports whether a crash has left open when the session ends.
func (m *modelled) uncertain() bool {
	return m.ended == nil && m.least.Before(m.session.LastActive)
}

func (m *modelled) atLeast() curfew.Session {
	s := m.session
	s.LastActive = m.least
	return s
}

// answered compares the answer about a session at now with the model, and learns from it what a crash has left open.
func (m *modelled) answered(t *rapid.T, now time.Time, s curfew.Session, err error) {
	var ended *curfew.EndedError
	switch {
	case err == nil:
		m.accepted(t, now, s)
	case !errors.As(err, &ended):
		t.Fatalf("session %s of %s: %v", m.session.ID, m.session.User.Name, err)
	case m.surelyLive(now):
		t.Fatalf("refused %v before the end: %v", m.atLeast().EndsAt().Sub(now), err)
	default:
		m.refused(t, now, ended.Ended)
	}
}

func (m *modelled) accepted(t *rapid.T, now time.Time, s curfew.Session) {
	if !m.live(now) {
		t.Fatalf("accepted %v after %v (%v)", now.Sub(m.session.EndsAt()), m.session.EndsAt(), m.ended)
	}
	if s.LastActive.Before(m.least) {
		t.Fatalf("LastActive = %v, want at least %v", s.LastActive, m.least)
	}
	want := m.session
	want.LastActive = s.LastActive
	if s != want {
		t.Fatalf("got the session %+v, want %+v", s, want)
	}
	if !s.LastActive.After(m.session.LastActive) {
		m.session.LastActive, m.least = s.LastActive, s.LastActive
	}
}

func (m *modelled) refused(t *rapid.T, now time.Time, e curfew.Ended) {
	if m.uncertain() {
		earliest, latest := m.atLeast().EndsAt(), m.session.EndsAt()
		if e.Ending.At.Before(earliest) || e.Ending.At.After(latest) {
			t.Fatalf("ended %+v, want from %v to %v", e.Ending, earliest, latest)
		}
		m.ended = &e.Ending
		return
	}
	m.end(curfew.Ending{At: now})
	if e.Ending != *m.ended || e.Session.ID != m.session.ID {
		t.Fatalf("ended %+v, want %+v", e, *m.ended)
	}
}

// active notes activity that was acknowledged in an accepted session.
func (m *modelled) active(t *rapid.T, now time.Time, s curfew.Session) {
	if s.LastActive.Before(now) {
		t.Fatalf("LastActive = %v, want %v", s.LastActive, now)
	}
	m.session.LastActive, m.least = s.LastActive, s.LastActive
	m.acts = append(m.acts, s.LastActive)
}

// end ends the session as e says, unless it had ended before.
func (m *modelled) end(e curfew.Ending) {
	if m.ended != nil {
		return
	}
	if own, due := m.session.Due(e.At); due {
		e = own
	}
	m.ended = &e
}

// written says that everything the manager knows is in the store.
func (m *modelled) written() { m.durable, m.acts = m.least, nil }

// swept says that the activity which waited for a write interval at the time is in the store.
func (m *modelled) swept(at time.Time) {
	interval := min(max(m.session.Lifetime/20, time.Second), time.Minute)
	for len(m.acts) > 0 && !m.acts[0].After(at.Add(-interval)) {
		m.durable, m.acts = m.acts[0], m.acts[1:]
	}
}

// crashed leaves open how much of the activity that was not yet durable is lost.
func (m *modelled) crashed() {
	if m.durable.Before(m.least) {
		m.least = m.durable
	}
	m.acts = nil
}

// surplus are the user's sessions that must make room for one started at now, the oldest first.
func (w *world) surplus(user curfew.UserID, now time.Time) []*modelled {
	var live []*modelled
	for _, m := range w.model {
		if m.session.User.ID == user && m.live(now) {
			live = append(live, m)
		}
	}
	slices.SortFunc(live, func(a, b *modelled) int {
		return cmp.Or(a.session.CreatedAt.Compare(b.session.CreatedAt), cmp.Compare(a.session.ID, b.session.ID))
	})
	if most := w.policy.MaxSessions; most > 0 {
		return live[:max(0, len(live)-most+1)]
	}
	return nil
}
