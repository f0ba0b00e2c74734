package account

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// SetPassword gives an account a new password, without asking for the old one, and ends all its sessions but by.Session.
// The account forgets where it signed in.
func (s *Service) SetPassword(ctx context.Context, by curfew.Actor, id curfew.UserID, password string) error {
	acc, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.replacePassword(ctx, by, acc, password); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "password set", "user", acc.Name, "by", by.Name)
	_, err = s.end(ctx, curfew.Selection{User: id, Except: by.Session}, curfew.ReasonPasswordChanged, by)
	return behind(errors.Join(err, s.forget(ctx, acc.Name)))
}

// ChangePassword lets the owner change their password in by.Session, which must be live. They must know the current
// one: if not, CodeDenied with Field "current_password"; failures are limited as those of SignIn are. It ends the
// owner's other sessions if endOthers is set and returns how many. The account forgets where it signed in, but for the
// session's source and the device.
func (s *Service) ChangePassword(ctx context.Context, by curfew.Actor, d Device, current, password string, endOthers bool) (int, error) {
	acc, err := s.Get(ctx, by.User)
	if err != nil {
		return 0, err
	}
	if err := CheckPassword(password, acc.Name); err != nil {
		return 0, err
	}
	session, acc, err := s.reauthenticate(ctx, by, d, current)
	if err != nil {
		return 0, err
	}
	if err := s.replacePassword(ctx, by, acc, password); err != nil {
		return 0, err
	}
	s.log.InfoContext(ctx, "password changed", "user", acc.Name, "session", by.Session)
	n := 0
	if endOthers {
		n, err = s.end(ctx, curfew.Selection{User: by.User, Except: by.Session}, curfew.ReasonPasswordChanged, by)
	}
	return n, behind(errors.Join(err, s.forgetOthers(ctx, session, d)))
}

// RecentFor is how long a password counts, after it was given in a session, for the sensitive things done in it.
const RecentFor = 10 * time.Minute

// IsRecent reports whether the session's user gave their password in it no longer than RecentFor ago.
func (s *Service) IsRecent(session curfew.Session) bool {
	return s.sessions.Now().Sub(session.AuthenticatedAt) < RecentFor
}

// ErrNotRecent refuses something sensitive in a session in which the password was given longer than RecentFor ago, see
// Reauthenticate.
var ErrNotRecent = &curfew.Error{
	Code: curfew.CodeDenied, Message: "give your password once more first: in this session it was last given more than 10 minutes ago",
}

// Reauthenticate has the owner of by.Session, which must be live, give their password once more. A wrong one is
// CodeDenied with Field "current_password"; failures are limited as those of SignIn are.
func (s *Service) Reauthenticate(ctx context.Context, by curfew.Actor, password string) error {
	_, _, err := s.reauthenticate(ctx, by, Device{}, password)
	return err
}

func (s *Service) reauthenticate(ctx context.Context, by curfew.Actor, d Device, password string) (curfew.Session, Account, error) {
	session, err := s.sessions.Get(ctx, by.Session)
	if err != nil {
		return session, Account{}, err
	}
	proven, err := s.prove(ctx, session.User.Name, password, session.Client.Origin, d, audit.ReauthFailed)
	if errors.Is(err, ErrSignIn) {
		return session, Account{}, &curfew.Error{Code: curfew.CodeDenied, Field: "current_password", Message: "is wrong"}
	}
	if err != nil {
		return session, Account{}, err
	}
	note := noteOf(audit.Reauthenticated, by, proven.Account)
	note.Session = session.ID
	if err := s.store.AppendAudit(ctx, s.sessions.Now(), note); err != nil {
		return session, Account{}, storeError("note that a password was given", err)
	}
	_, err = s.sessions.Authenticated(ctx, session.ID)
	return session, proven.Account, err
}

// replacePassword gives the account a new password, if it still has the one it had. PasswordChangedAt always moves on,
// so that a sign-in with the old one can tell.
func (s *Service) replacePassword(ctx context.Context, by curfew.Actor, had Account, password string) error {
	if err := CheckPassword(password, had.Name); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	now := s.sessions.Now()
	_, err = s.store.UpdateAccount(ctx, now, had.ID, false, func(a *Stored) error {
		if !a.PasswordChangedAt.Equal(had.PasswordChangedAt) {
			return errChanged
		}
		a.PasswordHash = hash
		a.PasswordChangedAt = later(now, a.PasswordChangedAt.Add(time.Millisecond))
		return nil
	}, noteOf(audit.PasswordChanged, by, had))
	return storeError("set password", err)
}

var errChanged = &curfew.Error{Code: curfew.CodeConflict, Message: "the password was changed by somebody else at the same time"}
