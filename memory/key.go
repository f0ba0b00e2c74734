package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// InsertKey implements account.Store.
func (s *Accounts) InsertKey(ctx context.Context, now time.Time, k account.StoredKey, most int, notes ...audit.Record) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.byID(k.Owner); err != nil {
		return err
	}
	if _, taken := s.keys[k.Hash]; taken {
		return fmt.Errorf("key %s: its hash is taken", k.ID)
	}
	n := 0
	for _, other := range s.keys {
		switch {
		case other.ID == k.ID:
			return fmt.Errorf("key %s: ID is taken", k.ID)
		case other.Owner == k.Owner && other.Name == k.Name:
			return account.ErrKeyNameTaken
		case other.Owner == k.Owner:
			n++
		}
	}
	if n >= most {
		return account.ErrTooManyKeys
	}
	s.keys[k.Hash] = k.Key
	s.note(ctx, now, notes)
	return nil
}

// FindKey implements account.Store.
func (s *Accounts) FindKey(ctx context.Context, hash curfew.TokenHash) (account.Key, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return account.Key{}, err
	}
	defer unlock()
	k, ok := s.keys[hash]
	if !ok {
		return account.Key{}, account.ErrNoKey
	}
	return k, nil
}

// KeyByID implements account.Store.
func (s *Accounts) KeyByID(ctx context.Context, id account.KeyID) (account.Key, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return account.Key{}, err
	}
	defer unlock()
	_, k, ok := s.keyByID(id)
	if !ok {
		return account.Key{}, account.ErrNoKey
	}
	return k, nil
}

// ListKeys implements account.Store.
func (s *Accounts) ListKeys(ctx context.Context, owner curfew.UserID) ([]account.Key, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var keys []account.Key
	for _, k := range s.keys {
		if k.Owner == owner {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b account.Key) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}

// TouchKey implements account.Store.
func (s *Accounts) TouchKey(ctx context.Context, now time.Time, id account.KeyID) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if hash, k, ok := s.keyByID(id); ok && now.After(k.LastUsed) {
		k.LastUsed = now
		s.keys[hash] = k
	}
	return nil
}

// DeleteKey implements account.Store.
func (s *Accounts) DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id account.KeyID, notes ...audit.Record) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	hash, k, ok := s.keyByID(id)
	if !ok || k.Owner != owner {
		return account.ErrNoKey
	}
	delete(s.keys, hash)
	s.note(ctx, now, notes)
	return nil
}

func (s *Accounts) keyByID(id account.KeyID) (curfew.TokenHash, account.Key, bool) {
	for hash, k := range s.keys {
		if k.ID == id {
			return hash, k, true
		}
	}
	return curfew.TokenHash{}, account.Key{}, false
}
