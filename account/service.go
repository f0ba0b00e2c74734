package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Options configure a Service. The zero Options mean the defaults.
type Options struct {
	// Logger gets sign-ins, refusals and changes of accounts. Nil means slog.Default().
	Logger *slog.Logger
	// PasswordCost makes hashing cheap where tests sign in a lot; leave it zero everywhere else.
	PasswordCost Cost
	// Observe, if it is set, is told that a step begins, StepSignIn or StepHash. It returns the context in which the step is done, and
	// what is called with its error when it is over. It is called from many goroutines.
	Observe func(ctx context.Context, step string) (context.Context, func(error))
}

// The steps that Options.Observe is told of.
const (
	StepSignIn = "sign-in"       // all of SignIn
	StepHash   = "hash-password" // with the wait for a processor
)

// Service holds all rules about accounts. Its methods may be called from many goroutines. Errors have a
// curfew.Code: CodeInvalid names the field, CodeNotFound, CodeConflict, CodeDenied, CodeLimited, CodeUnavailable.
//
// The service does not ask whether the actor may do what they do: the edges ask their Role, once a request.
//
// What changes an account changes it first and its sessions then. If the second step fails, the error says so; the
// account stays changed, and doing the same again finishes the work.
type Service struct {
	store    *cachedStore
	sessions *curfew.Manager
	hasher   *hasher
	log      *slog.Logger
	observe  func(context.Context, string) (context.Context, func(error))
	limited  sometimes // which refused sign-ins for being too many are noted
}

// New returns a service over the accounts in the store, which starts and ends sessions in the manager. While it is in
// use nothing else may change the accounts in the store: the service keeps some in memory.
func New(store Store, sessions *curfew.Manager, opt Options) *Service {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Observe == nil {
		opt.Observe = unobserved
	}
	hasher := newHasher(opt.PasswordCost)
	hasher.observe = opt.Observe
	return &Service{store: newCachedStore(store, cacheSize), sessions: sessions, hasher: hasher, log: opt.Logger, observe: opt.Observe}
}

func unobserved(ctx context.Context, _ string) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// Fields are what is given for a new account.
type Fields struct {
	Name     string
	FullName string
	Role     Role
	Lifetime time.Duration // 0 means curfew.DefaultLifetime
	Password string
}

// Change is what changes in an account. Nil fields stay.
type Change struct {
	FullName *string
	Role     *Role
	Lifetime *time.Duration
	Enabled  *bool
}

// Empty reports whether there is no account yet.
func (s *Service) Empty(ctx context.Context) (bool, error) {
	page, err := s.store.ListAccounts(ctx, Query{Limit: 1})
	return err == nil && page.Total == 0, storeError("list accounts", err)
}

// CreateFirst makes the first account, an admin whatever f.Role is. Once there is any, it returns ErrNotEmpty.
func (s *Service) CreateFirst(ctx context.Context, f Fields) (Account, error) {
	f.Role = Admin
	return s.create(ctx, curfew.Actor{}, f, true)
}

// Create makes an account. A name that another one has is ErrNameTaken.
func (s *Service) Create(ctx context.Context, by curfew.Actor, f Fields) (Account, error) {
	return s.create(ctx, by, f, false)
}

func (s *Service) create(ctx context.Context, by curfew.Actor, f Fields, first bool) (Account, error) {
	f, err := f.check()
	if err != nil {
		return Account{}, err
	}
	hash, err := s.hasher.hash(ctx, f.Password)
	if err != nil {
		return Account{}, err
	}
	now := s.sessions.Now()
	acc := Account{
		ID: newID(), Name: f.Name, FullName: f.FullName, Role: f.Role, Lifetime: f.Lifetime,
		Enabled: true, CreatedAt: now, PasswordChangedAt: now,
	}
	note := noteOf(audit.AccountCreated, by, acc)
	note.Changes = difference(Account{}, acc)
	if err := s.store.InsertAccount(ctx, now, Stored{acc, hash}, first, note); err != nil {
		return Account{}, storeError("create account", err)
	}
	s.log.InfoContext(ctx, "account created", "user", acc.Name, "role", acc.Role, "by", by.Name)
	return acc, nil
}

// Get returns the account with the ID, from memory if it was asked for lately: it may be called for each request. What a
// call of this service has changed, every Get sees that begins after the call returned.
func (s *Service) Get(ctx context.Context, id curfew.UserID) (Account, error) {
	if id == "" {
		return Account{}, ErrNoAccount
	}
	acc, err := s.store.get(ctx, id)
	return acc, storeError("find account", err)
}

// Owner returns the account of the user whose live session it is, as Get does. If that is gone or disabled the session ends, and the error
// is a *curfew.EndedError: who deletes or disables an account ends its sessions too, so this is the second lock on the door.
func (s *Service) Owner(ctx context.Context, session curfew.Session) (Account, error) {
	acc, err := s.Get(ctx, session.User.ID)
	why := curfew.ReasonAccountDisabled
	switch {
	case err == nil && acc.Enabled:
		return acc, nil
	case curfew.ErrorCode(err) == curfew.CodeNotFound:
		why = curfew.ReasonAccountDeleted
	case err != nil:
		return Account{}, err
	}
	ended, err := s.sessions.End(ctx, session.ID, curfew.Ending{Reason: why})
	if err != nil {
		return Account{}, err
	}
	return Account{}, &curfew.EndedError{Ended: ended}
}

// ByName returns the account with the user name, without regard to case.
func (s *Service) ByName(ctx context.Context, name string) (Account, error) {
	name, ok := cleanName(name)
	if !ok {
		return Account{}, ErrNoAccount
	}
	acc, err := s.store.FindAccount(ctx, "", name)
	return acc.Account, storeError("find account", err)
}

// List returns a page of accounts in the order of their names.
func (s *Service) List(ctx context.Context, q Query) (Page, error) {
	page, err := s.store.ListAccounts(ctx, q)
	return page, storeError("list accounts", err)
}

// Update changes an account and its live sessions. Disabling ends them all; a role that may do less ends them too,
// but for by.Session. The last enabled admin can be neither disabled nor demoted: ErrLastAdmin.
//
// Done again after an error, it does not end sessions for a role that was lowered the first time: they have the lower
// role all the same, since roles are asked for at every request.
func (s *Service) Update(ctx context.Context, by curfew.Actor, id curfew.UserID, c Change) (Account, error) {
	c, err := c.check()
	if err != nil {
		return Account{}, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var was Account
	notes := make([]audit.Record, 1)
	acc, err := s.store.UpdateAccount(ctx, s.sessions.Now(), id, true, func(a *Stored) error {
		was = a.Account
		c.apply(&a.Account)
		if changes := difference(was, a.Account); len(changes) > 0 {
			notes[0] = noteOf(audit.AccountChanged, by, a.Account)
			notes[0].Changes = changes
		}
		return nil
	}, notes...)
	if err != nil {
		return Account{}, storeError("update account", err)
	}
	s.log.InfoContext(ctx, "account changed", "user", acc.Name, "role", acc.Role, "enabled", acc.Enabled, "lifetime", acc.Lifetime, "by", by.Name)
	return acc.Account, behind(s.follow(ctx, by, was, acc.Account, c))
}

func (c Change) apply(a *Account) {
	set(&a.FullName, c.FullName)
	set(&a.Role, c.Role)
	set(&a.Lifetime, c.Lifetime)
	set(&a.Enabled, c.Enabled)
}

func set[T any](field *T, v *T) {
	if v != nil {
		*field = *v
	}
}

// follow makes the account's sessions follow a change.
func (s *Service) follow(ctx context.Context, by curfew.Actor, was, is Account, c Change) error {
	if c.Enabled != nil && !is.Enabled {
		_, err := s.end(ctx, curfew.Selection{User: is.ID}, curfew.ReasonAccountDisabled, by)
		return err
	}
	if is.Role.below(was.Role) {
		if _, err := s.end(ctx, curfew.Selection{User: is.ID, Except: by.Session}, curfew.ReasonRoleChanged, by); err != nil {
			return err
		}
	}
	if c.Lifetime == nil && c.FullName == nil {
		return nil
	}
	return s.align(ctx, is)
}

// align gives the account's live sessions its lifetime and full name. It looks at the account again afterwards: of
// several that change it at once, the last to reach the sessions is not always the last to have changed the account.
func (s *Service) align(ctx context.Context, acc Account) error {
	for {
		if err := s.sessions.SetLifetime(ctx, acc.ID, acc.Lifetime); err != nil {
			return err
		}
		if err := s.sessions.SetFullName(ctx, acc.ID, acc.FullName); err != nil {
			return err
		}
		is, err := s.store.FindAccount(ctx, acc.ID, "")
		switch {
		case curfew.ErrorCode(err) == curfew.CodeNotFound:
			return nil // who deleted it ends its sessions
		case err != nil:
			return storeError("find account", err)
		case is.Lifetime == acc.Lifetime && is.FullName == acc.FullName:
			return nil
		}
		acc = is.Account
	}
}

// Delete deletes an account and ends all its sessions. The last enabled admin can't be deleted: ErrLastAdmin. Done
// again, it returns ErrNoAccount, but ends sessions that the first time left behind.
func (s *Service) Delete(ctx context.Context, by curfew.Actor, id curfew.UserID) error {
	if id == "" {
		return ErrNoAccount
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	acc, err := s.store.FindAccount(ctx, id, "")
	if err == nil {
		err = s.store.DeleteAccount(ctx, s.sessions.Now(), id, noteOf(audit.AccountDeleted, by, acc.Account))
	}
	if err != nil && curfew.ErrorCode(err) != curfew.CodeNotFound {
		return storeError("delete account", err)
	}
	var forgetErr error
	if err == nil {
		s.log.InfoContext(ctx, "account deleted", "id", id, "by", by.Name)
		forgetErr = s.forget(ctx, acc.Name) // the name may become somebody else's
	}
	_, endErr := s.end(ctx, curfew.Selection{User: id}, curfew.ReasonAccountDeleted, by)
	if err := errors.Join(endErr, forgetErr); err != nil {
		return behind(err)
	}
	return err
}

func (s *Service) end(ctx context.Context, sel curfew.Selection, reason curfew.Reason, by curfew.Actor) (int, error) {
	return s.sessions.EndAll(ctx, sel, curfew.Ending{Reason: reason, By: by})
}

// storeTimeout bounds a change, see detach.
const storeTimeout = 10 * time.Second

// detach returns the context of a change: it goes on when the request that asked for it is cancelled, so that account,
// sessions and counters can't part ways halfway.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}

func newID() curfew.UserID { return curfew.UserID(strings.ToLower(rand.Text())) }

// behind says of an error that it leaves an account changed and its sessions not.
func behind(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the account has changed, but its sessions may not have: %w", err)
}

// storeError gives an error of a store CodeUnavailable if it has no code: nobody knows what is true.
func storeError(op string, err error) error {
	if err == nil {
		return nil // at once: Get runs for each request, and looking into an error allocates
	}
	if curfew.ErrorCode(err) != curfew.CodeInternal {
		return err
	}
	return &curfew.Error{Code: curfew.CodeUnavailable, Message: op, Err: err}
}
