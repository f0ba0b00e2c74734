package main

import (
	"crypto/sha256"
	"sync"
	"time"
)

// tokenText is a token as it stands in a cookie.
type tokenText [52]byte

// prototype is the least that a check of a session can be: read the clock, hash the token, look it up in a sharded map,
// compare two times. It notes no activity, writes nothing and forgets nobody.
type prototype struct {
	shards [64]struct {
		mu       sync.RWMutex
		sessions map[[sha256.Size]byte]*bareSession
	}
}

type bareSession struct {
	user            string
	endsAt, expires time.Time
}

func newPrototype(tokens []tokenText) *prototype {
	p := &prototype{}
	for i := range p.shards {
		p.shards[i].sessions = map[[sha256.Size]byte]*bareSession{}
	}
	ends := time.Now().Add(24 * time.Hour)
	for _, t := range tokens {
		h := sha256.Sum256(t[:])
		p.shards[h[0]%64].sessions[h] = &bareSession{"amara", ends, ends}
	}
	return p
}

func (p *prototype) check(t *tokenText) *bareSession {
	now := time.Now()
	h := sha256.Sum256(t[:])
	shard := &p.shards[h[0]%64]
	shard.mu.RLock()
	s := shard.sessions[h]
	shard.mu.RUnlock()
	if s == nil || !now.Before(s.endsAt) || !now.Before(s.expires) {
		return nil
	}
	return s
}
