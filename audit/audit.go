// Package audit is the record of what was done and what was refused: who did what, to whom, from where, when, and with what
// outcome. A store writes each record in the transaction of the change that it tells of, and chains them by hashes, so that a
// record which was changed or taken away shows.
package audit

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// Event says what a record tells of. Where the OWASP Logging Vocabulary has a name for it, it is that.
type Event string

// The events there are; docs/audit.md explains them.
const (
	SignedIn           Event = "authn_login_success"
	SignInFailed       Event = "authn_login_fail"
	SignInLimited      Event = "excess_rate_limit_exceeded"
	Reauthenticated    Event = "authn_reauthenticated"
	ReauthFailed       Event = "authn_reauthentication_fail"
	PasswordChanged    Event = "authn_password_change"
	Unlocked           Event = "authn_unlocked"
	DeviceKnown        Event = "authn_device_known"
	KeyCreated         Event = "authn_token_created"
	KeyRevoked         Event = "authn_token_revoked"
	SignedOut          Event = "session_logout"
	SessionExpired     Event = "session_expired"    // it was idle, or reached the absolute limit
	SessionTerminated  Event = "session_terminated" // somebody ended it
	SessionsTerminated Event = "sessions_terminated"
	AccountCreated     Event = "user_created"
	AccountChanged     Event = "user_updated"
	AccountDeleted     Event = "user_deleted"
	WebhookTested      Event = "webhook_tested"
	WebhookRetried     Event = "webhook_retried" // somebody had what waits tried now; Changes say if it was off until then
	ServerStarted      Event = "sys_startup"
	ServerStopped      Event = "sys_shutdown"
	Restored           Event = "sys_restored"    // the database is a backup or a copy: Note says how that shows, Count how many sessions ended
	Forgotten          Event = "audit_forgotten" // records were deleted because of their age
)

// Events are all events there are.
var Events = []Event{
	SignedIn, SignInFailed, SignInLimited, Reauthenticated, ReauthFailed, PasswordChanged, Unlocked, DeviceKnown, KeyCreated, KeyRevoked,
	SignedOut, SessionExpired, SessionTerminated, SessionsTerminated, AccountCreated, AccountChanged, AccountDeleted,
	WebhookTested, WebhookRetried, ServerStarted, ServerStopped,
	Restored, Forgotten,
}

// Outcome says whether what a record tells of happened.
type Outcome string

// The outcomes there are.
const (
	Success Outcome = "success"
	Refused Outcome = "refused"
)

// Record is one thing that was done or refused.
type Record struct {
	No      int64            `json:"no"` // its place: 1 for the first, without gaps
	At      Time             `json:"at"`
	Event   Event            `json:"event"`
	Outcome Outcome          `json:"outcome"`
	By      *Party           `json:"by,omitempty"`      // nil for Curfew itself and for strangers
	From    string           `json:"from,omitempty"`    // network address of who did it; empty for Curfew itself and on the machine
	User    *Party           `json:"user,omitempty"`    // to whose account or session it was done
	Session curfew.SessionID `json:"session,omitempty"` // the one, but of SessionsTerminated the one that was spared
	Device  string           `json:"device,omitempty"`
	Key     string           `json:"key,omitempty"` // ID of an API key
	Webhook string           `json:"webhook,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Count   int              `json:"count,omitempty"` // of SessionsTerminated, Restored and Forgotten
	Changes []Change         `json:"changes,omitempty"`
	Version string           `json:"version,omitempty"` // of the program
	Note    string           `json:"note,omitempty"`
}

// Party is an account, as it was called then.
type Party struct {
	ID      curfew.UserID    `json:"id,omitempty"`
	Name    string           `json:"name"`
	Session curfew.SessionID `json:"session,omitempty"` // in which somebody acted
	Key     string           `json:"key,omitempty"`     // ID of the API key with which somebody acted
}

// Change is what became of one field of an account, a key or a webhook.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// ByActor returns who acted, or nil for Curfew itself.
func ByActor(a curfew.Actor) *Party {
	if a == (curfew.Actor{}) {
		return nil
	}
	return &Party{ID: a.User, Name: a.Name, Session: a.Session, Key: a.Key}
}

// From returns from where the request came in whose context something happens, or "".
func From(ctx context.Context) string {
	origin, _ := curfew.OriginFrom(ctx)
	return origin.Addr
}

// Start returns the record of a sign-in.
func Start(s curfew.Session) Record {
	who := &Party{ID: s.User.ID, Name: s.User.Name}
	return Record{
		At: Time{s.CreatedAt}, Event: SignedIn, Outcome: Success, By: who, From: s.Client.Origin, User: who, Session: s.ID, Device: s.Client.Device, Reason: string(s.Credential),
	}
}

// End returns the record of a session's end, done from an address.
func End(user curfew.User, id curfew.SessionID, e curfew.Ending, from string) Record {
	r := Record{
		At: Time{e.At}, Event: SessionTerminated, Outcome: Success, By: ByActor(e.By), From: from,
		User: &Party{ID: user.ID, Name: user.Name}, Session: id, Reason: string(e.Reason),
	}
	switch e.Reason {
	case curfew.ReasonSignedOut:
		r.Event = SignedOut
	case curfew.ReasonIdle, curfew.ReasonExpired:
		r.Event, r.By, r.From = SessionExpired, nil, ""
	}
	return r
}

// EndAll returns the record of the end of all sessions but perhaps one, with how many were ended so.
func EndAll(n int, but curfew.SessionID, e curfew.Ending, from string) Record {
	return Record{
		At: Time{e.At}, Event: SessionsTerminated, Outcome: Success, By: ByActor(e.By), From: from,
		Session: but, Reason: string(e.Reason), Count: n,
	}
}

// Forget returns the record of the deletion of the oldest n records, up to a place.
func Forget(now time.Time, n int, upto Mark) Record {
	return Record{At: Time{now}, Event: Forgotten, Outcome: Success, Count: n, Note: upto.String()}
}

// Time is a time that is written in UTC, with milliseconds.
type Time struct{ time.Time }
