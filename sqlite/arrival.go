package sqlite

import (
	"sync"

	"github.com/curfewhq/curfew"
)

// arrivals are the sessions that started lately, whose rows are in no index yet, and where those rows are. It may name
// one that is not committed yet, or has moved since: then no row is found there.
type arrivals struct {
	mu     sync.RWMutex
	byID   map[curfew.SessionID]int64 // session.seq
	byHash map[curfew.TokenHash]int64
}

func newArrivals() *arrivals {
	return &arrivals{byID: map[curfew.SessionID]int64{}, byHash: map[curfew.TokenHash]int64{}}
}

// seq returns where the session with the hash or, if hash is nil, with the ID is.
func (a *arrivals) seq(hash *curfew.TokenHash, id curfew.SessionID) (seq int64, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if hash != nil {
		seq, ok = a.byHash[*hash]
	} else {
		seq, ok = a.byID[id]
	}
	return seq, ok
}

func (a *arrivals) add(k curfew.Key, seq int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byID[k.ID], a.byHash[k.Hash] = seq, seq
}

func (a *arrivals) remove(keys ...curfew.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		delete(a.byID, k.ID)
		delete(a.byHash, k.Hash)
	}
}

func (a *arrivals) len() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.byID)
}

// has reports whether another session has the ID or the hash.
func (a *arrivals) has(k curfew.Key) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, id := a.byID[k.ID]
	_, hash := a.byHash[k.Hash]
	return id || hash
}

// loadArrivals finds what the last process has left in no index.
func (t *tx) loadArrivals() error {
	t.arrivals = newArrivals()
	rows, err := t.query("SELECT " + keyColumns + " FROM session WHERE indexed = 0")
	if err != nil {
		return err
	}
	found, err := scanAll(rows, scanRow)
	for _, r := range found {
		t.arrivals.add(r.Key, r.seq)
	}
	return err
}

// index takes up to most arrivals into the indexes, the oldest first.
func (t *tx) index(most int) error {
	rows, err := t.query("SELECT "+keyColumns+" FROM session WHERE indexed = 0 ORDER BY seq LIMIT ?", most)
	if err != nil {
		return err
	}
	found, err := scanAll(rows, scanRow)
	if err != nil {
		return err
	}
	t.onCommit(func() { t.arrivals.remove(keys(found)...) })
	return inPieces(found, func(piece []liveRow) error {
		last := piece[len(piece)-1].seq
		if err := t.countLive("+", "indexed = 0 AND seq <= ?", last); err != nil {
			return err
		}
		_, err := t.exec("UPDATE session SET indexed = 1 WHERE indexed = 0 AND seq <= ?", last)
		return err
	})
}

// liveRow is where a session's row is, and when it ends by itself.
type liveRow struct {
	curfew.Key
	seq, endsAt int64
}

const keyColumns = "seq, ends_at, id, hash, user_id"

func scanRow(s scanner) (r liveRow, err error) {
	var hash []byte
	err = s.Scan(&r.seq, &r.endsAt, &r.ID, &hash, &r.User)
	copy(r.Hash[:], hash)
	return r, err
}

func keys(rows []liveRow) []curfew.Key {
	all := make([]curfew.Key, len(rows))
	for i, r := range rows {
		all[i] = r.Key
	}
	return all
}
