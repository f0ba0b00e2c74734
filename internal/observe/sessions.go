package observe

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// SessionOps are the names of what a curfew.Store does.
var SessionOps = []string{"insert", "find", "touch", "update", "end", "list", "count", "history", "forget"}

// Sessions returns the store with op told of what it does; the store itself if op is nil.
func Sessions(s curfew.Store, op Op) curfew.Store {
	if op == nil {
		return s
	}
	return &sessions{s, op}
}

type sessions struct {
	curfew.Store
	op Op
}

// Insert implements curfew.Store.
func (s *sessions) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) (replaced []curfew.Key, err error) {
	ctx, done := s.op(ctx, "insert")
	defer func() { done(err) }()
	return s.Store.Insert(ctx, now, r, most, refuse)
}

// Find implements curfew.Store.
func (s *sessions) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (r curfew.Record, err error) {
	ctx, done := s.op(ctx, "find")
	defer func() { done(err) }()
	return s.Store.Find(ctx, hash, id)
}

// Touch implements curfew.Store.
func (s *sessions) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) (live []bool, err error) {
	ctx, done := s.op(ctx, "touch")
	defer func() { done(err) }()
	return s.Store.Touch(ctx, now, touches)
}

// Update implements curfew.Store.
func (s *sessions) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) (err error) {
	ctx, done := s.op(ctx, "update")
	defer func() { done(err) }()
	return s.Store.Update(ctx, now, user, c)
}

// End implements curfew.Store.
func (s *sessions) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (n int, ended []curfew.Key, err error) {
	ctx, done := s.op(ctx, "end")
	defer func() { done(err) }()
	return s.Store.End(ctx, now, sel, e)
}

// List implements curfew.Store.
func (s *sessions) List(ctx context.Context, q curfew.Query) (page curfew.Page, err error) {
	ctx, done := s.op(ctx, "list")
	defer func() { done(err) }()
	return s.Store.List(ctx, q)
}

// Count implements curfew.Store.
func (s *sessions) Count(ctx context.Context, q curfew.Query) (n curfew.Count, err error) {
	ctx, done := s.op(ctx, "count")
	defer func() { done(err) }()
	return s.Store.Count(ctx, q)
}

// History implements curfew.Store.
func (s *sessions) History(ctx context.Context, q curfew.HistoryQuery) (page curfew.HistoryPage, err error) {
	ctx, done := s.op(ctx, "history")
	defer func() { done(err) }()
	return s.Store.History(ctx, q)
}

// Forget implements curfew.Store.
func (s *sessions) Forget(ctx context.Context, now, before time.Time) (n int, err error) {
	ctx, done := s.op(ctx, "forget")
	defer func() { done(err) }()
	return s.Store.Forget(ctx, now, before)
}
