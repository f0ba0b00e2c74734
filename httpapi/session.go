package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// Time is a moment in RFC 3339, UTC, always with milliseconds, so that times compare as text.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the time.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + timeLayout + `"`)), nil
}

// Session is a session as clients see it. Its token is nowhere in it.
type Session struct {
	ID              curfew.SessionID  `json:"id"`
	Username        string            `json:"username"`
	FullName        string            `json:"full_name"`
	Role            account.Role      `json:"role,omitempty"` // only in one's own session
	Credential      curfew.Credential `json:"credential"`
	Origin          string            `json:"origin"`
	Device          string            `json:"device"`
	CreatedAt       Time              `json:"created_at"`
	LastActiveAt    Time              `json:"last_active_at"`
	LifetimeSeconds int64             `json:"lifetime_seconds"`
	GraceSeconds    int64             `json:"grace_seconds"`
	IdleAt          Time              `json:"idle_at"`
	EndsAt          Time              `json:"ends_at"`
	ExpiresAt       Time              `json:"expires_at"`
	State           curfew.State      `json:"state"`
	ServerTime      Time              `json:"server_time"`
	Reason          curfew.Reason     `json:"reason,omitempty"` // this and the rest only once it has ended
	EndedBy         string            `json:"ended_by,omitempty"`
	EndedAt         Time              `json:"ended_at,omitzero"`
}

func at(t time.Time) Time { return Time{t.UTC()} }

func newSession(s curfew.Session, now time.Time) Session {
	return Session{
		ID: s.ID, Username: s.User.Name, FullName: s.User.FullName,
		Credential: s.Credential, Origin: s.Client.Origin, Device: s.Client.Device,
		CreatedAt: at(s.CreatedAt), LastActiveAt: at(s.LastActive),
		LifetimeSeconds: int64(s.Lifetime / time.Second), GraceSeconds: int64(s.Grace / time.Second),
		IdleAt: at(s.IdleAt()), EndsAt: at(s.EndsAt()), ExpiresAt: at(s.ExpiresAt),
		State: s.State(now), ServerTime: at(now),
	}
}

// document is the caller's own session, as of now.
func (a *api) document(who caller) Session {
	now := a.Sessions.Now()
	doc, ending := newSession(who.session, now), who.ended
	doc.Role = who.account.Role
	if due, ok := who.session.Due(now); ok && ending == nil {
		ending = &due // its time has passed since it was checked
	}
	if ending != nil {
		doc.State, doc.Reason, doc.EndedBy, doc.EndedAt = curfew.StateEnded, ending.Reason, ending.By.Name, at(ending.At)
	}
	return doc
}

// anySession lets in who has a session, be it ended.
func (a *api) anySession(r *http.Request) (caller, error) {
	s, err := curfew.FromContext(r.Context())
	return a.identify(r.Context(), s, err)
}

// liveSession lets in who is signed in.
func (a *api) liveSession(r *http.Request) (caller, error) {
	who, err := a.anySession(r)
	if err == nil && who.ended != nil {
		err = &curfew.EndedError{Ended: curfew.Ended{Session: who.session, Ending: *who.ended}}
	}
	return who, err
}

// identify returns the caller whose session a check found, or who had it until it ended. A session whose account is
// gone or disabled should have ended with it; it does now.
func (a *api) identify(ctx context.Context, s curfew.Session, err error) (caller, error) {
	if ended, ok := errors.AsType[*curfew.EndedError](err); ok {
		return caller{session: ended.Ended.Session, ended: &ended.Ended.Ending}, nil
	}
	if errors.Is(err, curfew.ErrNoSession) {
		return caller{}, errSignedOut
	}
	if err != nil {
		return caller{}, err
	}
	actor := curfew.Actor{User: s.User.ID, Name: s.User.Name, Session: s.ID}
	if a.Accounts == nil {
		return caller{session: s, actor: actor}, nil
	}
	acc, err := a.Accounts.Get(ctx, s.User.ID)
	switch {
	case curfew.ErrorCode(err) == curfew.CodeNotFound:
		return a.evict(ctx, s, curfew.ReasonAccountDeleted)
	case err != nil:
		return caller{}, err
	case !acc.Enabled:
		return a.evict(ctx, s, curfew.ReasonAccountDisabled)
	}
	actor.Name = acc.Name
	return caller{session: s, account: acc, actor: actor}, nil
}

func (a *api) evict(ctx context.Context, s curfew.Session, why curfew.Reason) (caller, error) {
	ended, err := a.Sessions.End(ctx, s.ID, curfew.Ending{Reason: why})
	return caller{session: s, ended: &ended.Ending}, err
}

func (a *api) session(c *call, _ none) (Session, error) { return a.document(c.caller), nil }

// extend answers for an ended session as session does, so that the guard needs no special case.
func (a *api) extend(c *call, _ none) (Session, error) {
	if c.ended != nil {
		return a.document(c.caller), nil
	}
	s, err := a.Sessions.Extend(c.Context(), c.caller.session.ID)
	who, err := a.identify(c.Context(), s, err)
	if err != nil {
		return Session{}, err
	}
	return a.document(who), nil
}

// activityRequest says how long ago a person did something.
type activityRequest struct {
	AgeMS uint32 `json:"age_ms"`
}

// activity says itself that it is activity, whatever the request looks like. Without a body it is activity of this moment.
func (a *api) activity(c *call, _ none) (Session, error) {
	var req activityRequest
	if c.ContentLength != 0 {
		if err := decode(c.Request, &req); err != nil {
			return Session{}, err
		}
	}
	age := time.Duration(req.AgeMS) * time.Millisecond
	s, err := a.Sessions.CheckLate(c.Context(), curfew.TokenFromContext(c.Context()), age)
	who, err := a.identify(c.Context(), s, err)
	if err != nil {
		return Session{}, err
	}
	return a.document(who), nil
}

// check looks at the caller's session once more.
func (a *api) check(ctx context.Context) (caller, error) {
	s, err := a.Sessions.Check(ctx, curfew.TokenFromContext(ctx), curfew.Passive)
	return a.identify(ctx, s, err)
}
