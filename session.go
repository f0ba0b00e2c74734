package curfew

import "time"

// UserID identifies an account for ever; a name may be given to somebody else after a deletion, an ID never is.
type UserID string

// SessionID names a session in lists, logs and requests. It is public: knowing it gives no access.
type SessionID string

// Credential says how somebody signed in: CredentialPassword, or a word of yours for another way.
type Credential string

// CredentialPassword is a sign-in with user name and password.
const CredentialPassword Credential = "password"

// User is the part of an account that a session carries with it, so that lists and history can name its owner
// without asking anybody else.
type User struct {
	ID       UserID
	Name     string // what is typed at sign-in
	FullName string // may be empty
}

// Client says where a session was started from. Both are for people to read: nothing is decided by them.
type Client struct {
	Origin string // network address, without a port, as in OriginOf
	Device string // in words, such as "Chrome 156 on macOS"
}

// Session is one sign-in on one client. Values are copies: changing one changes nothing else.
//
// Times are UTC, in whole milliseconds, and carry no monotonic reading, so suspended time counts.
//
//	last activity ──── Lifetime ────▶ IdleAt ── Grace ──▶ EndsAt
//	                   active                  expiring   ended
type Session struct {
	ID              SessionID
	User            User
	Credential      Credential
	Client          Client
	CreatedAt       time.Time
	AuthenticatedAt time.Time // when its user last proved who they are: at the sign-in, or later in the session
	LastActive      time.Time
	Lifetime        time.Duration // the inactivity allowed
	Grace           time.Duration // how long the Logout dialog stands after it; 0 where nothing can show one
	ExpiresAt       time.Time     // the absolute limit, which no activity moves
}

// State is where a session stands on its clock.
type State string

// The states of a session, in the only order they can follow each other, but that activity leads from expiring
// back to active.
const (
	StateActive   State = "active"
	StateExpiring State = "expiring" // idle for longer than the lifetime: the Logout dialog stands
	StateEnded    State = "ended"
)

// IdleAt is when the session, without activity, becomes idle and the Logout dialog appears.
func (s Session) IdleAt() time.Time {
	return fromMilli(s.timing().idleAt())
}

// EndsAt is the first moment at which the session, without activity, is refused.
func (s Session) EndsAt() time.Time {
	return fromMilli(s.timing().endsAt())
}

// State returns the state at now of a session that nobody has ended.
func (s Session) State(now time.Time) State {
	switch {
	case !now.Before(s.EndsAt()):
		return StateEnded
	case !now.Before(s.IdleAt()):
		return StateExpiring
	default:
		return StateActive
	}
}

// Due returns how the session has ended by itself, if its time is over at now.
func (s Session) Due(now time.Time) (Ending, bool) {
	end := s.EndsAt()
	if now.Before(end) {
		return Ending{}, false
	}
	reason := ReasonIdle
	if end.Equal(s.ExpiresAt) {
		reason = ReasonExpired
	}
	return Ending{Reason: reason, At: end}, true
}

// Reason says why a session ended: one of Reasons, or a word of yours.
type Reason string

// The reasons for which a session ends.
const (
	ReasonSignedOut       Reason = "signed-out"       // by its own user, in it
	ReasonIdle            Reason = "idle"             // no activity for lifetime and grace
	ReasonExpired         Reason = "expired"          // the absolute limit
	ReasonTerminated      Reason = "terminated"       // by somebody, from a list or the command line
	ReasonPasswordChanged Reason = "password-changed" // the account has a new password
	ReasonRoleChanged     Reason = "role-changed"     // the account may do less than before
	ReasonAccountDisabled Reason = "account-disabled"
	ReasonAccountDeleted  Reason = "account-deleted"
	ReasonReplaced        Reason = "replaced" // a newer sign-in took its place, see Policy.MaxSessions
	ReasonRestored        Reason = "restored" // the store was restored from a backup: what became of the session since, nobody knows
)

// Reasons are all reasons there are, the commonest first.
var Reasons = []Reason{
	ReasonSignedOut, ReasonIdle, ReasonExpired, ReasonTerminated, ReasonPasswordChanged,
	ReasonRoleChanged, ReasonAccountDisabled, ReasonAccountDeleted, ReasonReplaced, ReasonRestored,
}

// Actor is who did something. The zero Actor is Curfew itself.
type Actor struct {
	User    UserID
	Name    string    // shown to people; for the command line it says so
	Session SessionID // the session it was done in, if any
	Key     string    // ID of the API key it was done with, if any
}

// Ending is how and when a session ended.
type Ending struct {
	Reason Reason
	By     Actor
	At     time.Time // set by the engine; what a caller puts here is ignored
}

// Ended is an entry of the history.
type Ended struct {
	Session Session
	Ending  Ending
}
