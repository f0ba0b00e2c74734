package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// Accounts is an account.Store in memory.
type Accounts struct {
	*Audit // of what changes here

	mu     sync.Mutex
	byName map[string]account.Stored
	names  map[curfew.UserID]string
	limits map[string]time.Time
	keys   map[curfew.TokenHash]account.Key
}

// NewAccounts returns an empty store.
func NewAccounts() *Accounts {
	return &Accounts{
		Audit:  NewAudit(),
		byName: map[string]account.Stored{},
		names:  map[curfew.UserID]string{},
		limits: map[string]time.Time{},
		keys:   map[curfew.TokenHash]account.Key{},
	}
}

var _ account.Store = (*Accounts)(nil)

// lock begins a transaction, unless the caller has gone.
func (s *Accounts) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

// InsertAccount implements account.Store.
func (s *Accounts) InsertAccount(ctx context.Context, now time.Time, a account.Stored, onlyIfEmpty bool, notes ...audit.Record) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if onlyIfEmpty && len(s.byName) > 0 {
		return account.ErrNotEmpty
	}
	if _, taken := s.byName[a.Name]; taken {
		return account.ErrNameTaken
	}
	if _, taken := s.names[a.ID]; taken {
		return fmt.Errorf("account %s: ID is taken", a.ID)
	}
	s.byName[a.Name], s.names[a.ID] = a, a.Name
	s.note(ctx, now, notes)
	return nil
}

// FindAccount implements account.Store.
func (s *Accounts) FindAccount(ctx context.Context, id curfew.UserID, name string) (account.Stored, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return account.Stored{}, err
	}
	defer unlock()
	if id != "" {
		return s.byID(id)
	}
	a, ok := s.byName[name]
	if !ok {
		return account.Stored{}, account.ErrNoAccount
	}
	return a, nil
}

func (s *Accounts) byID(id curfew.UserID) (account.Stored, error) {
	name, ok := s.names[id]
	if !ok {
		return account.Stored{}, account.ErrNoAccount
	}
	return s.byName[name], nil
}

// ListAccounts implements account.Store.
func (s *Accounts) ListAccounts(ctx context.Context, q account.Query) (account.Page, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return account.Page{}, err
	}
	defer unlock()
	found := s.search(q.Search)
	from, to := bounds(found, q)
	page := account.Page{Accounts: found[from:to], Total: len(found)}
	if from > 0 && from < to {
		page.Prev = found[from].Name
	}
	if to < len(found) && from < to {
		page.Next = found[to-1].Name
	}
	return page, nil
}

// search returns the accounts that the words find, by name.
func (s *Accounts) search(search string) []account.Account {
	words := curfew.SearchWords(search)
	var found []account.Account
	for _, a := range s.byName {
		text := a.SearchText()
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			found = append(found, a.Account)
		}
	}
	slices.SortFunc(found, func(a, b account.Account) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// bounds returns where in all that was found the page begins and ends.
func bounds(found []account.Account, q account.Query) (from, to int) {
	place := func(name string) (int, bool) {
		return slices.BinarySearchFunc(found, name, func(a account.Account, name string) int { return strings.Compare(a.Name, name) })
	}
	if q.Before != "" {
		to, _ = place(q.Before)
		return max(0, to-q.PageSize()), to
	}
	if q.After != "" {
		i, exact := place(q.After)
		if from = i; exact {
			from++
		}
	}
	return from, min(len(found), from+q.PageSize())
}

// UpdateAccount implements account.Store.
func (s *Accounts) UpdateAccount(
	ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*account.Stored) error, notes ...audit.Record,
) (account.Stored, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return account.Stored{}, err
	}
	defer unlock()
	a, err := s.byID(id)
	if err != nil {
		return account.Stored{}, err
	}
	was := a.Account
	if err := f(&a); err != nil {
		return account.Stored{}, err
	}
	if keepAdmin && !a.EnabledAdmin() && s.isLastAdmin(was) {
		return account.Stored{}, account.ErrLastAdmin
	}
	s.byName[a.Name] = a
	s.note(ctx, now, notes)
	return a, nil
}

// DeleteAccount implements account.Store.
func (s *Accounts) DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	a, err := s.byID(id)
	if err != nil {
		return err
	}
	if s.isLastAdmin(a.Account) {
		return account.ErrLastAdmin
	}
	delete(s.byName, a.Name)
	delete(s.names, id)
	maps.DeleteFunc(s.keys, func(_ curfew.TokenHash, k account.Key) bool { return k.Owner == id })
	s.note(ctx, now, notes)
	return nil
}

// isLastAdmin reports whether the account is the only enabled admin.
func (s *Accounts) isLastAdmin(a account.Account) bool {
	if !a.EnabledAdmin() {
		return false
	}
	for _, other := range s.byName {
		if other.ID != a.ID && other.EnabledAdmin() {
			return false
		}
	}
	return true
}

// Limit implements account.Store.
func (s *Accounts) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	at := make([]time.Time, len(keys))
	for i, key := range keys {
		if v := s.limits[key]; v.After(now) {
			at[i] = v
		}
	}
	if at, err = f(at); err != nil {
		return err
	}
	for i, key := range keys {
		s.setLimit(key, at[i])
	}
	s.prune(now, 4*len(keys))
	s.note(ctx, now, notes)
	return nil
}

// DropLimits implements account.Store.
func (s *Accounts) DropLimits(ctx context.Context, _ time.Time, prefix string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	maps.DeleteFunc(s.limits, func(key string, _ time.Time) bool { return strings.HasPrefix(key, prefix) })
	return nil
}

func (s *Accounts) setLimit(key string, at time.Time) {
	if at.IsZero() {
		delete(s.limits, key)
		return
	}
	s.limits[key] = at
}

// prune deletes those of a few values that are over. Looking at more values than a call can add keeps the rest few.
func (s *Accounts) prune(now time.Time, look int) {
	for key, at := range s.limits {
		if look--; look < 0 {
			return
		}
		if !at.After(now) {
			delete(s.limits, key)
		}
	}
}
