package account

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// cacheSize is how many accounts, and how many API keys, are kept in memory, some 200 bytes each.
const cacheSize = 8192

// findTimeout is how long a request waits for the store to say whose it is.
const findTimeout = time.Second

// cachedStore is a store that keeps accounts in memory for Service.Get, and API keys for Service.CheckKey. Every change goes
// through it and drops what may have changed, so that no caller can forget to. Since one process owns the store, what is kept
// is the truth. That something does not exist is not kept: strangers could fill the memory with it.
type cachedStore struct {
	Store
	accounts *cache[curfew.UserID, Account]
	keys     *cache[curfew.TokenHash, *keyInUse]
}

func newCachedStore(store Store, size int) *cachedStore {
	return &cachedStore{Store: store, accounts: newCache[curfew.UserID, Account](size), keys: newCache[curfew.TokenHash, *keyInUse](size)}
}

// get returns the account with the ID as it was when get was called, or as it became since.
func (c *cachedStore) get(ctx context.Context, id curfew.UserID) (Account, error) {
	acc, ok, epoch := c.accounts.get(id)
	if ok {
		return acc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	stored, err := c.Store.FindAccount(ctx, id, "")
	if err != nil {
		return Account{}, err
	}
	c.accounts.add(id, stored.Account, epoch)
	return stored.Account, nil
}

// key is get for the API key with the hash.
func (c *cachedStore) key(ctx context.Context, hash curfew.TokenHash) (*keyInUse, error) {
	key, ok, epoch := c.keys.get(hash)
	if ok {
		return key, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	found, err := c.Store.FindKey(ctx, hash)
	if err != nil {
		return nil, err
	}
	key = newKeyInUse(found)
	c.keys.add(hash, key, epoch)
	return key, nil
}

// UpdateAccount updates the account in the store. It is dropped after an error as well, which may hide a change.
func (c *cachedStore) UpdateAccount(
	ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*Stored) error, notes ...audit.Record,
) (Stored, error) {
	defer c.accounts.drop(id)
	return c.Store.UpdateAccount(ctx, now, id, keepAdmin, f, notes...)
}

// DeleteAccount deletes the account in the store, and its keys. They are dropped after an error as well, which may hide a
// change.
func (c *cachedStore) DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) error {
	defer c.keys.dropAll()
	defer c.accounts.drop(id)
	return c.Store.DeleteAccount(ctx, now, id, notes...)
}

// DeleteKey deletes the key in the store. The cache knows keys by their hashes, so it drops them all: that is rare, and each
// costs one look-up.
func (c *cachedStore) DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id KeyID, notes ...audit.Record) error {
	defer c.keys.dropAll()
	return c.Store.DeleteKey(ctx, now, owner, id, notes...)
}

// cache keeps some of what was looked up lately. It may be used from many goroutines.
type cache[K comparable, V any] struct {
	most int

	mu    sync.RWMutex
	kept  map[K]V
	epoch uint64 // of changes
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{most: size, kept: map[K]V{}}
}

// get returns what is kept by the key, and the epoch to give to add for what is not.
func (c *cache[K, V]) get(key K) (v V, ok bool, epoch uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok = c.kept[key]
	return v, ok, c.epoch
}

// add keeps what was read since the epoch. If anything has changed meanwhile it may be this, so it is not kept: the next to
// ask reads it again.
func (c *cache[K, V]) add(key K, v V, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.kept) >= c.most {
		for other := range c.kept { // any: maps are walked from a random place
			delete(c.kept, other)
			break
		}
	}
	c.kept[key] = v
}

// drop forgets what may have changed.
func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.kept, key)
}

// dropAll forgets everything.
func (c *cache[K, V]) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	clear(c.kept)
}
