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

// Record is one thing that was done or refused. The tags say what its fields mean, in the API's OpenAPI document too.
type Record struct {
	No      int64            `json:"no" minimum:"1" doc:"Its place: 1 for the first, without gaps."`
	At      Time             `json:"at" format:"date-time" example:"2026-03-31T08:00:00.000Z" doc:"When it happened."`
	Event   Event            `json:"event" enum:"authn_login_success,authn_login_fail,excess_rate_limit_exceeded,authn_reauthenticated,authn_reauthentication_fail,authn_password_change,authn_unlocked,authn_device_known,authn_token_created,authn_token_revoked,session_logout,session_expired,session_terminated,sessions_terminated,user_created,user_updated,user_deleted,webhook_tested,webhook_retried,sys_startup,sys_shutdown,sys_restored,audit_forgotten" doc:"What happened, as docs/audit.md explains."`
	Outcome Outcome          `json:"outcome" enum:"success,refused" doc:"Whether it was done or refused."`
	By      *Party           `json:"by,omitempty" doc:"Who did it. Absent for Curfew itself and for strangers."`
	From    string           `json:"from,omitempty" example:"192.0.2.7" doc:"The IP address of who did it. Absent for Curfew itself and on the server's machine."`
	User    *Party           `json:"user,omitempty" doc:"To whose account or session it was done."`
	Session curfew.SessionID `json:"session,omitempty" doc:"ID of the session that it is about; of sessions_terminated of the one that was spared."`
	Device  string           `json:"device,omitempty" example:"Chrome 156 on macOS" doc:"Of a sign-in: in words."`
	Key     string           `json:"key,omitempty" doc:"ID of the API key that it is about."`
	Webhook string           `json:"webhook,omitempty" doc:"Name of the webhook that it is about."`
	Reason  string           `json:"reason,omitempty" doc:"Of a sign-in how it was made, such as password; of an end why, as in a session; of a refusal the code of the error."`
	Count   int              `json:"count,omitempty" minimum:"0" doc:"Of sessions_terminated and sys_restored how many sessions ended, of audit_forgotten how many records were deleted."`
	Changes []Change         `json:"changes,omitempty" maxItems:"100" nullable:"false" doc:"What became of the fields of an account, a key or a webhook."`
	Version string           `json:"version,omitempty" doc:"Of the program, when it started or stopped."`
	Note    string           `json:"note,omitempty" doc:"What else there is to say, as docs/audit.md explains for each event."`
}

// Party is an account, as it was called then.
type Party struct {
	ID      curfew.UserID    `json:"id,omitempty" doc:"ID of the account. Absent for who acted on the server's machine."`
	Name    string           `json:"name" doc:"What it was called then; with an API key the key's name too."`
	Session curfew.SessionID `json:"session,omitempty" doc:"ID of the session in which somebody acted."`
	Key     string           `json:"key,omitempty" doc:"ID of the API key with which somebody acted."`
}

// Change is what became of one field of an account, a key or a webhook.
type Change struct {
	Field string `json:"field" doc:"Its name."`
	From  string `json:"from" doc:"What it was. Empty: nothing."`
	To    string `json:"to" doc:"What it is now. Empty: nothing."`
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
		At: Time{s.CreatedAt}, Event: SignedIn, Outcome: Success, By: who, From: s.Client.Origin,
		User: who, Session: s.ID, Device: s.Client.Device, Reason: string(s.Credential),
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
