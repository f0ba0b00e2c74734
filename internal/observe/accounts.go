package observe

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// AccountOps are the names of what an account.Store does.
var AccountOps = []string{
	"insert-account", "find-account", "list-accounts", "update-account", "delete-account", "limit", "drop-limits", "append-audit",
	"insert-key", "find-key", "list-keys", "touch-key", "delete-key",
}

// Accounts returns the store with op told of what it does; the store itself if op is nil.
func Accounts(s account.Store, op Op) account.Store {
	if op == nil {
		return s
	}
	return &accounts{s, op}
}

type accounts struct {
	account.Store
	op Op
}

// InsertAccount implements account.Store.
func (s *accounts) InsertAccount(ctx context.Context, now time.Time, a account.Stored, onlyIfEmpty bool, notes ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "insert-account")
	defer func() { done(err) }()
	return s.Store.InsertAccount(ctx, now, a, onlyIfEmpty, notes...)
}

// FindAccount implements account.Store.
func (s *accounts) FindAccount(ctx context.Context, id curfew.UserID, name string) (a account.Stored, err error) {
	ctx, done := s.op(ctx, "find-account")
	defer func() { done(err) }()
	return s.Store.FindAccount(ctx, id, name)
}

// ListAccounts implements account.Store.
func (s *accounts) ListAccounts(ctx context.Context, q account.Query) (page account.Page, err error) {
	ctx, done := s.op(ctx, "list-accounts")
	defer func() { done(err) }()
	return s.Store.ListAccounts(ctx, q)
}

// UpdateAccount implements account.Store.
func (s *accounts) UpdateAccount(
	ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*account.Stored) error, notes ...audit.Record,
) (a account.Stored, err error) {
	ctx, done := s.op(ctx, "update-account")
	var refused error
	defer func() { done(unless(refused, err)) }()
	return s.Store.UpdateAccount(ctx, now, id, keepAdmin, func(a *account.Stored) error {
		refused = f(a)
		return refused
	}, notes...)
}

// DeleteAccount implements account.Store.
func (s *accounts) DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "delete-account")
	defer func() { done(err) }()
	return s.Store.DeleteAccount(ctx, now, id, notes...)
}

// Limit implements account.Store.
func (s *accounts) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "limit")
	var refused error
	defer func() { done(unless(refused, err)) }()
	return s.Store.Limit(ctx, now, keys, func(at []time.Time) (set []time.Time, err error) {
		set, refused = f(at)
		return set, refused
	}, notes...)
}

// unless returns the error of an operation, if it is not what the operation's caller refused it with: then the store did its work.
func unless(refused, err error) error {
	if errors.Is(err, refused) {
		return nil
	}
	return err
}

// DropLimits implements account.Store.
func (s *accounts) DropLimits(ctx context.Context, now time.Time, prefix string) (err error) {
	ctx, done := s.op(ctx, "drop-limits")
	defer func() { done(err) }()
	return s.Store.DropLimits(ctx, now, prefix)
}

// AppendAudit implements account.Store.
func (s *accounts) AppendAudit(ctx context.Context, now time.Time, records ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "append-audit")
	defer func() { done(err) }()
	return s.Store.AppendAudit(ctx, now, records...)
}

// InsertKey implements account.Store.
func (s *accounts) InsertKey(ctx context.Context, now time.Time, k account.StoredKey, most int, notes ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "insert-key")
	defer func() { done(err) }()
	return s.Store.InsertKey(ctx, now, k, most, notes...)
}

// FindKey implements account.Store.
func (s *accounts) FindKey(ctx context.Context, hash curfew.TokenHash) (k account.Key, err error) {
	ctx, done := s.op(ctx, "find-key")
	defer func() { done(err) }()
	return s.Store.FindKey(ctx, hash)
}

// KeyByID implements account.Store.
func (s *accounts) KeyByID(ctx context.Context, id account.KeyID) (k account.Key, err error) {
	ctx, done := s.op(ctx, "find-key")
	defer func() { done(err) }()
	return s.Store.KeyByID(ctx, id)
}

// ListKeys implements account.Store.
func (s *accounts) ListKeys(ctx context.Context, owner curfew.UserID) (keys []account.Key, err error) {
	ctx, done := s.op(ctx, "list-keys")
	defer func() { done(err) }()
	return s.Store.ListKeys(ctx, owner)
}

// TouchKey implements account.Store.
func (s *accounts) TouchKey(ctx context.Context, now time.Time, id account.KeyID) (err error) {
	ctx, done := s.op(ctx, "touch-key")
	defer func() { done(err) }()
	return s.Store.TouchKey(ctx, now, id)
}

// DeleteKey implements account.Store.
func (s *accounts) DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id account.KeyID, notes ...audit.Record) (err error) {
	ctx, done := s.op(ctx, "delete-key")
	defer func() { done(err) }()
	return s.Store.DeleteKey(ctx, now, owner, id, notes...)
}
