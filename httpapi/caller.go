package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/mount"
)

// caller is who makes a request: somebody in their session, a script with an API key, or somebody at the machine's command line.
type caller struct {
	session curfew.Session  // the zero Session without one
	ended   *curfew.Ending  // not nil once the session has ended
	key     account.KeyID   // empty without one
	account account.Account // of this moment, so a changed role counts from the next request on; with a key, the role that it leaves
	actor   curfew.Actor    // as history names them
	machine bool            // they run this machine
	name    string          // by which what they have open and how often they ask is counted

	// again looks once more who this is, for streams, which go on after they were let in.
	again func(context.Context) (caller, error)
}

// accountName is what all callers of one account are counted by.
func (who caller) accountName() string { return "account " + string(who.account.ID) }

// errSignedOut is no session where one is needed. It isn't 404: what was asked for may well be there.
var errSignedOut = &statusError{http.StatusUnauthorized, "sign in first"}

var errDenied = &curfew.Error{Code: curfew.CodeDenied, Message: "your role does not allow this"}

// errNotByKey is errDenied for who has an API key, where a person must be there.
var errNotByKey = &curfew.Error{Code: curfew.CodeDenied, Message: "an API key does not do; sign in"}

// errBadKey is account.ErrKey as HTTP has it: the request is nobody's.
var errBadKey = &statusError{http.StatusUnauthorized, account.ErrKey.Message}

// admit returns nil if the caller may use a route with the access.
func (who caller) admit(to access) error {
	if to != anySession && who.ended != nil {
		return &curfew.EndedError{Ended: curfew.Ended{Session: who.session, Ending: *who.ended}}
	}
	may := false
	switch to {
	case anySession, inSession:
		may = who.session.ID != ""
	case hasAccount:
		may = who.account.ID != ""
	case known:
		may = true
	case seesAll:
		may = who.account.Role.SeesAll()
	case manages:
		may = who.account.Role.Manages()
	case machine:
		may = who.machine
	}
	switch {
	case may:
		return nil
	case who.key != "" && (to == anySession || to == inSession):
		return errNotByKey
	default:
		return errDenied
	}
}

// stranger finds the caller by their API key or else by their session cookie. A key that is not good is not made up for by a cookie.
func (a *api) stranger(r *http.Request) (caller, error) {
	if key, given := account.KeyOf(r); given && a.Accounts != nil {
		return a.withKey(r.Context(), key, curfew.OriginOf(r).Addr)
	}
	s, err := curfew.FromContext(r.Context())
	who, err := a.owner(r.Context(), s, err)
	if err == errSignedOut && a.Accounts != nil && account.GivesBearer(r) { // beside a session it is somebody else's concern
		err = errBadKey
	}
	return who, err
}

// withKey finds the caller by their API key.
func (a *api) withKey(ctx context.Context, text, origin string) (caller, error) {
	key, owner, err := a.Accounts.CheckKey(ctx, text, origin)
	if errors.Is(err, account.ErrKey) {
		return caller{}, errBadKey
	}
	again := func(ctx context.Context) (caller, error) { return a.withKey(ctx, text, origin) }
	return caller{key: key.ID, account: owner, actor: key.Actor(owner), name: "key " + string(key.ID), again: again}, err
}

// owner returns the caller whose session a check found, or who had it until it ended.
func (a *api) owner(ctx context.Context, s curfew.Session, err error) (caller, error) {
	if err != nil {
		return formerOwner(err)
	}
	who := caller{
		session: s, actor: curfew.Actor{User: s.User.ID, Name: s.User.Name, Session: s.ID}, name: string(s.ID), again: a.check,
	}
	if a.Accounts == nil { // they are kept elsewhere
		who.account = account.Account{ID: s.User.ID, Name: s.User.Name}
		return who, nil
	}
	if who.account, err = a.Accounts.Owner(ctx, s); err != nil {
		return formerOwner(err)
	}
	return who, nil
}

// formerOwner returns the caller whose session ended, if that is what the error says.
func formerOwner(err error) (caller, error) {
	if ended, ok := errors.AsType[*curfew.EndedError](err); ok {
		return caller{session: ended.Ended.Session, ended: &ended.Ended.Ending, name: string(ended.Ended.Session.ID)}, nil
	}
	if errors.Is(err, curfew.ErrNoSession) {
		return caller{}, errSignedOut
	}
	return caller{}, err
}

// check looks at the caller's session once more.
func (a *api) check(ctx context.Context) (caller, error) {
	s, err := a.Sessions.Check(ctx, curfew.TokenFromContext(ctx), curfew.Passive)
	return a.owner(ctx, s, err)
}

// sensitive returns nil if the caller may do what is sensitive: in a session that takes their password, given in it not long ago.
// Where an app may have the same origin nothing does: its scripts can send whatever their reader could. Nobody else can send an API key,
// so it takes the password's place, but where a person must be there.
func (a *api) sensitive(who caller, to care, r *http.Request) error {
	switch {
	case who.machine:
		return nil
	case who.key != "" && to == present:
		return errNotByKey
	case who.key != "":
		return nil
	case mount.Of(r) != "":
		return errSharedOrigin
	case !a.Accounts.IsRecent(who.session):
		return account.ErrNotRecent
	default:
		return nil
	}
}

// errSharedOrigin is account.ErrNotRecent where no password helps.
var errSharedOrigin = &curfew.Error{
	Code: curfew.CodeDenied, Err: account.ErrNotRecent,
	Message: "below " + mount.Base + " an app may ask in your name; do this in the console, or at the address of Curfew itself",
}

// operatorHeader names who types the command.
const operatorHeader = "Curfew-Operator"

// operator lets everybody in as who runs this machine, and notes whom they say they are.
func operator(r *http.Request) (caller, error) {
	who := caller{machine: true, account: account.Account{Role: account.Admin}, actor: curfew.Actor{Name: "the command line"}, name: "command line"}
	if name := r.Header.Get(operatorHeader); name != "" {
		who.actor.Name = name + " (command line)"
	}
	who.again = func(context.Context) (caller, error) { return who, nil }
	return who, nil
}
