package account

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Attempt is somebody trying to sign in.
type Attempt struct {
	Name     string
	Password string
	Client   curfew.Client
	Device   Device // the browser, if it is one
}

// ErrSignIn is the one answer to every kind of failed sign-in.
var ErrSignIn = &curfew.Error{Code: curfew.CodeDenied, Message: "User name or password is wrong."}

// SignIn starts a session for who proves to be the account's owner. It returns ErrSignIn, whatever was wrong, in the
// same time whether or not the name exists. After too many failures, or while too many sign in at once, the error has
// CodeLimited, with RetryAfter in whole seconds.
func (s *Service) SignIn(ctx context.Context, a Attempt) (curfew.Session, curfew.Token, error) {
	ctx, done := s.observe(ctx, StepSignIn)
	session, token, err := s.signIn(ctx, a)
	done(err)
	return session, token, err
}

func (s *Service) signIn(ctx context.Context, a Attempt) (curfew.Session, curfew.Token, error) {
	name, _ := cleanName(a.Name)
	acc, err := s.prove(ctx, name, a.Password, a.Client.Origin, a.Device, audit.SignInFailed)
	if err != nil {
		return curfew.Session{}, curfew.Token{}, err
	}
	session, token, err := s.sessions.Start(ctx, curfew.Start{
		User:       curfew.User{ID: acc.ID, Name: acc.Name, FullName: acc.FullName},
		Credential: curfew.CredentialPassword,
		Client:     a.Client,
		Lifetime:   acc.Lifetime,
		Grace:      curfew.DefaultGrace,
	})
	if err != nil {
		s.refused(ctx, audit.SignInFailed, name, a.Client.Origin, err)
		return curfew.Session{}, curfew.Token{}, err
	}
	session, err = s.confirm(ctx, acc, session, s.stronger(ctx, acc, a.Password))
	if err != nil {
		s.refused(ctx, audit.SignInFailed, name, a.Client.Origin, err)
		return curfew.Session{}, curfew.Token{}, err
	}
	s.log.InfoContext(ctx, "signed in", "user", acc.Name, "session", session.ID, "origin", a.Client.Origin)
	return session, token, nil
}

// prove returns the enabled account with the name, if the password is its own; else ErrSignIn. Whatever the name, a
// try that is not limited takes one hash. An empty name is nobody's. A password that is not taken is noted as the event.
func (s *Service) prove(ctx context.Context, name, password, origin string, device Device, failed audit.Event) (Stored, error) {
	leave, err := s.hasher.enter()
	if err != nil {
		return Stored{}, err
	}
	defer leave()
	t := newTry(name, origin, device)
	if err := s.take(ctx, t); err != nil {
		s.refused(ctx, failed, name, origin, err)
		return Stored{}, err
	}
	acc, right, err := s.compare(ctx, name, password)
	if err == nil && !right {
		s.refused(ctx, failed, name, origin, ErrSignIn)
		return Stored{}, ErrSignIn
	}
	return acc, errors.Join(err, s.giveBack(ctx, t, err == nil))
}

// compare reports whether the password is that of the enabled account with the name. An error means that it wasn't
// looked at.
func (s *Service) compare(ctx context.Context, name, password string) (Stored, bool, error) {
	acc, err := s.store.FindAccount(ctx, "", name)
	if err != nil && curfew.ErrorCode(err) != curfew.CodeNotFound {
		return Stored{}, false, storeError("find account", err)
	}
	hash := s.hasher.dummy()
	if err == nil && acc.Enabled {
		hash = s.parse(acc)
	}
	right, err := s.hasher.verify(ctx, password, hash)
	return acc, right, err
}

// parse returns the account's password hash, or one that no password has if the store's is damaged.
func (s *Service) parse(acc Stored) passwordHash {
	hash, err := parseHash(acc.PasswordHash)
	if err != nil {
		s.log.Error("stored password hash can't be read; set a new password", "user", acc.Name, "error", err)
		return s.hasher.dummy()
	}
	return hash
}

// stronger returns a new hash of the password if the account's is weaker than those made today, else "". It is not worth
// failing for: the next sign-in tries again.
func (s *Service) stronger(ctx context.Context, acc Stored, password string) string {
	if !s.parse(acc).cost.weakerThan(s.hasher.cost) {
		return ""
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return ""
	}
	return hash
}

// overtaken says that the account changed during the sign-in, so that it must not stand.
type overtaken struct{ reason curfew.Reason }

func (overtaken) Error() string { return "the account changed during the sign-in" }

// confirm records the sign-in in the account and lets the new session stand only if the account is still enabled and
// has the password that was proven. Whoever changes an account does so before ending its sessions; so either they find
// this session, or we find their change.
func (s *Service) confirm(ctx context.Context, proven Stored, session curfew.Session, rehashed string) (curfew.Session, error) {
	ctx, cancel := detach(ctx)
	defer cancel()
	acc, err := s.store.UpdateAccount(ctx, s.sessions.Now(), proven.ID, false, func(a *Stored) error {
		switch {
		case !a.Enabled:
			return overtaken{curfew.ReasonAccountDisabled}
		case !a.PasswordChangedAt.Equal(proven.PasswordChangedAt):
			return overtaken{curfew.ReasonPasswordChanged}
		}
		a.LastSignIn = later(a.LastSignIn, session.CreatedAt)
		if rehashed != "" {
			a.PasswordHash = rehashed
		}
		return nil
	})
	if err != nil {
		return session, s.withdraw(ctx, session, err)
	}
	if acc.Lifetime == proven.Lifetime && acc.FullName == proven.FullName {
		return session, nil
	}
	if err := s.align(ctx, acc.Account); err != nil {
		return session, s.withdraw(ctx, session, err)
	}
	return s.sessions.Get(ctx, session.ID)
}

// withdraw ends a session that could not be confirmed. If even that fails, it goes idle by itself: nobody has its token.
func (s *Service) withdraw(ctx context.Context, session curfew.Session, err error) error {
	reason := curfew.ReasonTerminated
	var o overtaken
	switch {
	case errors.As(err, &o):
		reason, err = o.reason, ErrSignIn
	case curfew.ErrorCode(err) == curfew.CodeNotFound:
		reason, err = curfew.ReasonAccountDeleted, ErrSignIn
	}
	_, endErr := s.sessions.End(ctx, session.ID, curfew.Ending{Reason: reason})
	if endErr != nil || err != ErrSignIn {
		return errors.Join(storeError("confirm sign-in", err), endErr)
	}
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
