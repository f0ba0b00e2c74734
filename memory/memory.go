// Package memory keeps sessions and accounts in memory, for tests, demonstrations and servers that may forget. It is the
// reference for what a store does.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// Sessions is a curfew.Store in memory.
type Sessions struct {
	mu     sync.Mutex
	live   map[curfew.SessionID]*curfew.Record
	ended  map[curfew.SessionID]*curfew.Record
	hashes map[curfew.TokenHash]*curfew.Record
	clock  time.Time
}

// NewSessions returns an empty store.
func NewSessions() *Sessions {
	return &Sessions{
		live:   map[curfew.SessionID]*curfew.Record{},
		ended:  map[curfew.SessionID]*curfew.Record{},
		hashes: map[curfew.TokenHash]*curfew.Record{},
	}
}

var _ curfew.Store = (*Sessions)(nil)

// Insert implements curfew.Store.
func (s *Sessions) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	unlock, err := s.begin(ctx, now)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s.known(r) {
		return nil, fmt.Errorf("session %s: ID or hash was used before", r.Session.ID)
	}
	replaced := s.surplus(now, r.Session.User.ID, most)
	if len(replaced) > 0 && refuse {
		return nil, &curfew.Error{Code: curfew.CodeConflict, Message: "too many sessions of this user"}
	}
	for _, k := range replaced {
		s.end(now, s.live[k.ID], curfew.Ending{Reason: curfew.ReasonReplaced})
	}
	s.live[r.Session.ID], s.hashes[r.Hash] = &r, &r
	return replaced, nil
}

func (s *Sessions) known(r curfew.Record) bool {
	return s.live[r.Session.ID] != nil || s.ended[r.Session.ID] != nil || s.hashes[r.Hash] != nil
}

// surplus returns the user's oldest sessions, of which there must be fewer than most.
func (s *Sessions) surplus(now time.Time, user curfew.UserID, most int) []curfew.Key {
	if most <= 0 {
		return nil
	}
	rows := s.rows(curfew.Query{Now: now, User: user, Sort: curfew.SortStarted})
	var keys []curfew.Key
	for _, r := range rows[:max(0, len(rows)-most+1)] {
		keys = append(keys, r.Key())
	}
	return keys
}

// Find implements curfew.Store.
func (s *Sessions) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	if err := ctx.Err(); err != nil {
		return curfew.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := cmp.Or(s.live[id], s.ended[id])
	if hash != nil {
		r = s.hashes[*hash]
	}
	if r == nil {
		return curfew.Record{}, curfew.ErrNoSession
	}
	return *r, nil
}

// Touch implements curfew.Store.
func (s *Sessions) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	unlock, err := s.begin(ctx, now)
	if err != nil {
		return nil, err
	}
	defer unlock()
	live := make([]bool, len(touches))
	for i, t := range touches {
		live[i] = touch(s.live[t.ID], t)
	}
	return live, nil
}

func touch(r *curfew.Record, t curfew.Touch) bool {
	if r == nil {
		return false
	}
	if _, due := r.Session.Due(t.At); due {
		return false
	}
	advance(&r.Session.LastActive, t.At)
	if t.Authenticated {
		advance(&r.Session.AuthenticatedAt, t.At)
	}
	return true
}

func advance(at *time.Time, to time.Time) {
	if to.After(*at) {
		*at = to
	}
}

// Update implements curfew.Store.
func (s *Sessions) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) error {
	unlock, err := s.begin(ctx, now)
	if err != nil {
		return err
	}
	defer unlock()
	for _, r := range s.live {
		if _, due := r.Session.Due(now); !due && r.Session.User.ID == user {
			c.Apply(&r.Session)
		}
	}
	return nil
}

// dueAtOnce is how many due sessions one call of End moves, so that others get between.
const dueAtOnce = 1000

// End implements curfew.Store.
func (s *Sessions) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	unlock, err := s.begin(ctx, now)
	if err != nil {
		return 0, nil, err
	}
	defer unlock()
	n, ended := 0, []curfew.Key(nil)
	for r := range s.candidates(sel) {
		if !sel.Selects(r.Session, now) {
			continue
		}
		if ended = append(ended, r.Key()); s.end(now, r, e) {
			n++
		}
		if sel.Due && len(ended) == dueAtOnce {
			break
		}
	}
	return n, ended, nil
}

// candidates are the live sessions that a selection may take in.
func (s *Sessions) candidates(sel curfew.Selection) iter.Seq[*curfew.Record] {
	if len(sel.IDs) == 0 {
		return maps.Values(s.live)
	}
	return func(yield func(*curfew.Record) bool) {
		for _, id := range sel.IDs {
			if r := s.live[id]; r != nil && !yield(r) {
				return
			}
		}
	}
}

// end moves a session to history, and reports whether its own time was not over.
func (s *Sessions) end(now time.Time, r *curfew.Record, e curfew.Ending) bool {
	e.At = now
	own, due := r.Session.Due(now)
	if due {
		e = own
	}
	delete(s.live, r.Session.ID)
	r.Ending = &e
	s.ended[r.Session.ID] = r
	return !due
}

// List implements curfew.Store.
func (s *Sessions) List(ctx context.Context, q curfew.Query) (curfew.Page, error) {
	if err := ctx.Err(); err != nil {
		return curfew.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, prev, next := page(s.rows(q), q.Cursor, q.Limit, func(r curfew.Record) place {
		return place{sortKey(r.Session, q.Sort), r.Session.ID, q.Desc}
	})
	return curfew.Page{Records: rows, Prev: prev, Next: next}, nil
}

// Count implements curfew.Store.
func (s *Sessions) Count(ctx context.Context, q curfew.Query) (curfew.Count, error) {
	if err := ctx.Err(); err != nil {
		return curfew.Count{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, users := s.rows(q), map[curfew.UserID]bool{}
	for _, r := range rows {
		users[r.Session.User.ID] = true
	}
	return curfew.Count{Sessions: len(rows), Users: len(users)}, nil
}

// rows returns copies of the live sessions that the query is about, in its order.
func (s *Sessions) rows(q curfew.Query) []curfew.Record {
	var rows []curfew.Record
	for _, r := range s.live {
		_, due := r.Session.Due(q.Now)
		if !due && r.Session.ID != q.Except && (q.User == "" || r.Session.User.ID == q.User) && r.Session.Matches(q.Search) {
			rows = append(rows, *r)
		}
	}
	slices.SortFunc(rows, func(a, b curfew.Record) int {
		return place{sortKey(a.Session, q.Sort), a.Session.ID, q.Desc}.compare(place{sortKey(b.Session, q.Sort), b.Session.ID, q.Desc})
	})
	return rows
}

// History implements curfew.Store.
func (s *Sessions) History(ctx context.Context, q curfew.HistoryQuery) (curfew.HistoryPage, error) {
	if err := ctx.Err(); err != nil {
		return curfew.HistoryPage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(e curfew.Ended) place { return place{timeKey(e.Ending.At), e.Session.ID, true} }
	var rows []curfew.Ended
	for _, r := range s.ended {
		if e := (curfew.Ended{Session: r.Session, Ending: *r.Ending}); inHistory(e, q) {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b curfew.Ended) int { return at(a).compare(at(b)) })
	rows, prev, next := page(rows, q.Cursor, q.Limit, at)
	return curfew.HistoryPage{Ended: rows, Prev: prev, Next: next}, nil
}

func inHistory(e curfew.Ended, q curfew.HistoryQuery) bool {
	return (q.User == "" || e.Session.User.ID == q.User) &&
		(q.Reason == "" || e.Ending.Reason == q.Reason) &&
		(q.From.IsZero() || !e.Ending.At.Before(q.From)) &&
		(q.Until.IsZero() || e.Ending.At.Before(q.Until)) &&
		e.Matches(q.Search)
}

// Forget implements curfew.Store.
func (s *Sessions) Forget(ctx context.Context, now, before time.Time) (int, error) {
	unlock, err := s.begin(ctx, now)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for id, r := range s.ended {
		if r.Ending.At.Before(before) {
			delete(s.ended, id)
			delete(s.hashes, r.Hash)
			n++
		}
	}
	return n, nil
}

// Clock implements curfew.Store.
func (s *Sessions) Clock(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock, nil
}

// begin begins a change.
func (s *Sessions) begin(ctx context.Context, now time.Time) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if now.After(s.clock) {
		s.clock = now
	}
	return s.mu.Unlock, nil
}
