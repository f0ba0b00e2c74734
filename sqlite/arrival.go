package sqlite

import (
	"sync"

	"github.com/curfewhq/curfew"
)

// arrivals are the sessions that started lately, whose rows are in no index yet, and where those rows are. It may name
// one that is not committed yet, or has moved since: then no row is found there.
type arrivals struct {
	mu     sync.RWMutex
	byID   map[curfew.SessionID]*arrival
	byHash map[curfew.TokenHash]*arrival
	byUser map[curfew.UserID]*arrival // one of the user's, which leads to the others
}

type arrival struct {
	curfew.Key
	seq        int64    // session.seq
	prev, next *arrival // of the user
}

func newArrivals() *arrivals {
	return &arrivals{
		byID: map[curfew.SessionID]*arrival{}, byHash: map[curfew.TokenHash]*arrival{}, byUser: map[curfew.UserID]*arrival{},
	}
}

// seq returns where the session with the hash or, if hash is nil, with the ID is.
func (a *arrivals) seq(hash *curfew.TokenHash, id curfew.SessionID) (seq int64, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	found := a.byID[id]
	if hash != nil {
		found = a.byHash[*hash]
	}
	if found == nil {
		return 0, false
	}
	return found.seq, true
}

// of returns where the sessions of a user are.
func (a *arrivals) of(user curfew.UserID) []int64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	seqs := []int64{}
	for x := a.byUser[user]; x != nil; x = x.next {
		seqs = append(seqs, x.seq)
	}
	return seqs
}

func (a *arrivals) add(k curfew.Key, seq int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := &arrival{Key: k, seq: seq, next: a.byUser[k.User]}
	if x.next != nil {
		x.next.prev = x
	}
	a.byID[k.ID], a.byHash[k.Hash], a.byUser[k.User] = x, x, x
}

func (a *arrivals) remove(keys ...curfew.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		if x := a.byID[k.ID]; x != nil {
			a.unlink(x)
			delete(a.byID, k.ID)
			delete(a.byHash, k.Hash)
		}
	}
}

// unlink takes an arrival out of those of its user.
func (a *arrivals) unlink(x *arrival) {
	if x.next != nil {
		x.next.prev = x.prev
	}
	switch {
	case x.prev != nil:
		x.prev.next = x.next
	case x.next != nil:
		a.byUser[x.User] = x.next
	default:
		delete(a.byUser, x.User)
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
	return a.byID[k.ID] != nil || a.byHash[k.Hash] != nil
}

// loadArrivals finds what the last process has left in no index.
func (t *tx) loadArrivals() error {
	t.arrivals = newArrivals()
	found, err := t.liveRows("SELECT " + keyColumns + " FROM session WHERE indexed = 0")
	for _, r := range found {
		t.arrivals.add(r.Key, r.seq)
	}
	return err
}

// index takes up to most arrivals into the indexes, those that end first before others.
func (t *tx) index(most int) error {
	found, err := t.liveRows("SELECT "+keyColumns+" FROM session WHERE indexed = 0 ORDER BY ends_at LIMIT ?", most)
	if err != nil {
		return err
	}
	t.onCommit(func() { t.arrivals.remove(keys(found)...) })
	return t.inPieces(found, func(piece []liveRow) error {
		if err := t.countLive("+", "seq IN "+listed, seqs(piece)); err != nil {
			return err
		}
		_, err := t.exec("UPDATE OR FAIL session SET indexed = 1 WHERE seq IN "+listed, seqs(piece))
		return err
	})
}

// liveRow is where a session's row is, whose it is, and when it ends by itself.
type liveRow struct {
	curfew.Key
	name         string // of the user
	seq, endsAt  int64
	reachesLimit bool // it ends then by its absolute limit
}

const keyColumns = "seq, ends_at, id, hash, user_id, user_name, ends_at = expires_at"

// ending returns how the session has ended: by itself, or else as e says.
func (r liveRow) ending(e curfew.Ending) curfew.Ending {
	switch {
	case r.endsAt > milli(e.At):
		return e
	case r.reachesLimit:
		return curfew.Ending{Reason: curfew.ReasonExpired, At: fromMilli(r.endsAt)}
	default:
		return curfew.Ending{Reason: curfew.ReasonIdle, At: fromMilli(r.endsAt)}
	}
}

// liveRows returns what a query for keyColumns finds.
func (t *tx) liveRows(query string, args ...any) ([]liveRow, error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scanRow)
}

func scanRow(s scanner) (liveRow, error) { return scanRowAnd(s) }

// scanRowAnd scans keyColumns, and what comes after them.
func scanRowAnd(s scanner, more ...any) (r liveRow, err error) {
	var hash []byte
	err = s.Scan(append([]any{&r.seq, &r.endsAt, &r.ID, &hash, &r.User, &r.name, &r.reachesLimit}, more...)...)
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
