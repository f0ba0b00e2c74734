package httpapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

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

// Schema is for huma.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-03-31T08:00:00.000Z"}}
}

// Session is a session as clients see it. Its token is nowhere in it.
type Session struct {
	ID              curfew.SessionID  `json:"id" doc:"Public: knowing it gives no access." example:"6kf2t4w7yq3m5n8p2r4s6v7x2a"`
	Current         bool              `json:"current" doc:"Whether it is the session in which was asked."`
	UserID          curfew.UserID     `json:"user_id" doc:"Whose it is."`
	Username        string            `json:"username" doc:"Of its user, as it was at sign-in." example:"amara"`
	FullName        string            `json:"full_name" doc:"Of its user; empty if they gave none." example:"Amara Okafor"`
	Role            account.Role      `json:"role,omitempty" enum:"admin,auditor,user" doc:"What its user may do. Only in one's own session."`
	Credential      curfew.Credential `json:"credential" doc:"How its user signed in, such as password." example:"password"`
	Origin          string            `json:"origin" doc:"The IP address it was started from; empty where there was none." example:"192.0.2.7"`
	Device          string            `json:"device" doc:"In words; empty where it is not known." example:"Chrome 156 on macOS"`
	CreatedAt       Time              `json:"created_at" doc:"When it started."`
	LastActiveAt    Time              `json:"last_active_at" doc:"When there was activity last. Of others' sessions it may be up to a minute behind."`
	LifetimeSeconds int64             `json:"lifetime_seconds" minimum:"30" maximum:"2147482" doc:"The inactivity allowed." example:"300"`
	GraceSeconds    int64             `json:"grace_seconds" minimum:"0" example:"30" doc:"How long the Logout dialog stands after it."`
	IdleAt          Time              `json:"idle_at" doc:"When it becomes idle without activity."`
	EndsAt          Time              `json:"ends_at" doc:"The first moment at which it is refused, without activity."`
	ExpiresAt       Time              `json:"expires_at" doc:"The absolute limit, which no activity moves."`
	State           curfew.State      `json:"state" enum:"active,expiring,ended" doc:"expiring: idle for longer than allowed, and the Logout dialog stands."`
	ServerTime      Time              `json:"server_time" doc:"By which all this is so."`
	Reason          curfew.Reason     `json:"reason,omitempty" enum:"signed-out,idle,expired,terminated,password-changed,role-changed,account-disabled,account-deleted,replaced,restored" doc:"Why it ended. This and the rest only once it has."`
	EndedBy         string            `json:"ended_by,omitempty" doc:"The name of who ended it. Absent where it was Curfew itself."`
	EndedByKey      string            `json:"ended_by_key,omitempty" doc:"ID of the API key with which it was ended, if it was."`
	EndedAt         Time              `json:"ended_at,omitzero" doc:"When it ended."`
}

func at(t time.Time) Time { return Time{t.UTC()} }

// atUnlessZero is at, and nothing of no time.
func atUnlessZero(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return at(t)
}

// newSession is a session as of now; ending is how it ended, if somebody ended it.
func newSession(s curfew.Session, ending *curfew.Ending, now time.Time) Session {
	doc := Session{
		ID: s.ID, UserID: s.User.ID, Username: s.User.Name, FullName: s.User.FullName,
		Credential: s.Credential, Origin: s.Client.Origin, Device: s.Client.Device,
		CreatedAt: at(s.CreatedAt), LastActiveAt: at(s.LastActive),
		LifetimeSeconds: int64(s.Lifetime / time.Second), GraceSeconds: int64(s.Grace / time.Second),
		IdleAt: at(s.IdleAt()), EndsAt: at(s.EndsAt()), ExpiresAt: at(s.ExpiresAt),
		State: s.State(now), ServerTime: at(now),
	}
	if due, ok := s.Due(now); ok && ending == nil {
		ending = &due // its time has passed
	}
	if ending != nil {
		doc.State, doc.Reason, doc.EndedAt = curfew.StateEnded, ending.Reason, at(ending.At)
		doc.EndedBy, doc.EndedByKey = ending.By.Name, ending.By.Key
	}
	return doc
}

// own is the caller's own session, as of now.
func (a *api) own(who caller) Session {
	doc := newSession(who.session, who.ended, a.Sessions.Now())
	doc.Current, doc.Role = true, who.account.Role
	return doc
}

func (a *api) session(c *call, _ afresh, _ none) (Session, error) { return a.own(c.caller), nil }

// afresh is for scripts that ask again and again: a service worker may keep answers, whatever their headers say.
type afresh struct {
	At string `query:"at" minLength:"1" maxLength:"40" doc:"Anything. An address that was never asked before gets past whatever keeps answers in a browser."`
}

// extend answers for an ended session as session does, so that the guard needs no special case.
func (a *api) extend(c *call, _, _ none) (Session, error) {
	if c.ended != nil {
		return a.own(c.caller), nil
	}
	s, err := a.Sessions.Extend(c.Context(), c.caller.session.ID)
	who, err := a.owner(c.Context(), s, err)
	if err != nil {
		return Session{}, err
	}
	return a.own(who), nil
}

// activityRequest says how long ago a person did something. Without it the activity is of this moment.
type activityRequest struct {
	AgeMS uint32 `json:"age_ms,omitempty" format:"int64" maximum:"4294967295" doc:"How many milliseconds ago a person did something."`
}

func (activityRequest) mayBeAbsent() {}

// activity says itself that it is activity, whatever the request looks like.
func (a *api) activity(c *call, _ none, req activityRequest) (Session, error) {
	age := time.Duration(req.AgeMS) * time.Millisecond
	s, err := a.Sessions.CheckLate(c.Context(), curfew.TokenFromContext(c.Context()), age)
	who, err := a.owner(c.Context(), s, err)
	if err != nil {
		return Session{}, err
	}
	return a.own(who), nil
}

// signOut ends the caller's own session; one that has ended is signed out too.
func (a *api) signOut(c *call, _, _ none) (none, error) {
	if c.ended == nil {
		ending := curfew.Ending{Reason: curfew.ReasonSignedOut, By: c.actor}
		if _, err := a.Sessions.End(c.Context(), c.caller.session.ID, ending); err != nil {
			return none{}, err
		}
	}
	curfew.ClearCookie(c.w, c.Request)
	c.w.Header().Set("Clear-Site-Data", `"cache"`)
	return none{}, nil
}

// Proof is a password given once more.
type Proof struct {
	CurrentPassword string `json:"current_password" minLength:"1" maxLength:"1024" doc:"The caller's own."`
}

// Proven says until when the password counts that was given.
type Proven struct {
	Until Time `json:"until" doc:"Until then what is sensitive may be done in this session."`
}

func (a *api) prove(c *call, _ none, req Proof) (Proven, error) {
	if err := a.Accounts.Reauthenticate(c.Context(), c.actor, req.CurrentPassword); err != nil {
		return Proven{}, err
	}
	s, err := a.Sessions.Get(c.Context(), c.caller.session.ID)
	return Proven{at(s.AuthenticatedAt.Add(account.RecentFor))}, err
}

// Status says which server answers.
type Status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Address string `json:"address"` // where it can be reached; empty if no server runs
}

func (a *api) serverStatus(*call, none, none) (Status, error) { return a.status, nil }
