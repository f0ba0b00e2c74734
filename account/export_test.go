package account

import (
	"context"

	"github.com/curfewhq/curfew"
)

// CountHashes makes the service count the password hashes it computes from now on.
func CountHashes(s *Service, n *int) {
	derive := s.hasher.derive
	s.hasher.derive = func(password string, salt []byte, c Cost, length int) []byte {
		*n++
		return derive(password, salt, c, length)
	}
}

// HoldHashes makes the service's hashes wait until the channel is closed, and reports each that has begun.
func HoldHashes(s *Service, begun chan<- struct{}, release <-chan struct{}) {
	derive := s.hasher.derive
	s.hasher.derive = func(password string, salt []byte, c Cost, length int) []byte {
		begun <- struct{}{}
		<-release
		return derive(password, salt, c, length)
	}
}

// MaxWaiting is how many wait for a hash at most.
const MaxWaiting = maxWaiting

// Cached is the cache of a service, by itself.
type Cached struct{ *cachedStore }

// NewCached returns a cache that keeps at most size accounts of the store.
func NewCached(store Store, size int) Cached { return Cached{newCachedStore(store, size)} }

// Get returns an account.
func (c Cached) Get(ctx context.Context, id curfew.UserID) (Account, error) { return c.get(ctx, id) }

// Len is how many accounts are kept.
func (c Cached) Len() int { return len(c.accounts.kept) }
