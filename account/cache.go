package account

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// cacheSize is how many accounts are kept in memory, some 200 bytes each.
const cacheSize = 8192

// findTimeout is how long a request waits for the store to say whose it is.
const findTimeout = time.Second

// cachedStore is a store that keeps accounts in memory for Service.Get. Every change goes through it and drops the account,
// so that no caller can forget to. Since one process owns the store, what is kept is the truth. That an account does not
// exist is not kept: strangers could fill the memory with it.
type cachedStore struct {
	Store
	most int

	mu       sync.RWMutex
	accounts map[curfew.UserID]Account
	epoch    uint64 // of changes
}

func newCachedStore(store Store, size int) *cachedStore {
	return &cachedStore{Store: store, most: size, accounts: map[curfew.UserID]Account{}}
}

// get returns the account with the ID as it was when get was called, or as it became since.
func (c *cachedStore) get(ctx context.Context, id curfew.UserID) (Account, error) {
	c.mu.RLock()
	acc, ok := c.accounts[id]
	epoch := c.epoch
	c.mu.RUnlock()
	if ok {
		return acc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	stored, err := c.Store.FindAccount(ctx, id, "")
	if err != nil {
		return Account{}, err
	}
	c.add(stored.Account, epoch)
	return stored.Account, nil
}

// add keeps an account that was read since the epoch. If any has changed meanwhile it may be this one, so it is not
// kept: the next to ask reads it again.
func (c *cachedStore) add(acc Account, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.accounts) >= c.most {
		for other := range c.accounts { // some account: maps are walked from a random place
			delete(c.accounts, other)
			break
		}
	}
	c.accounts[acc.ID] = acc
}

// drop forgets an account that may have changed.
func (c *cachedStore) drop(id curfew.UserID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.accounts, id)
}

// UpdateAccount updates the account in the store. It is dropped after an error as well, which may hide a change.
func (c *cachedStore) UpdateAccount(ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*Stored) error, notes ...audit.Record) (Stored, error) {
	defer c.drop(id)
	return c.Store.UpdateAccount(ctx, now, id, keepAdmin, f, notes...)
}

// DeleteAccount deletes the account in the store. It is dropped after an error as well, which may hide a change.
func (c *cachedStore) DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) error {
	defer c.drop(id)
	return c.Store.DeleteAccount(ctx, now, id, notes...)
}
