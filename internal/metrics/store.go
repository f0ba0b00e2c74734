package metrics

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// operations are those of a store that are measured.
var operations = []string{"insert", "find", "touch", "update", "end", "list", "count", "history", "forget"}

// Store returns the store with its operations measured and what ends in it counted; the store itself if m is nil.
func (m *Metrics) Store(s curfew.Store) curfew.Store {
	if m == nil {
		return s
	}
	return &store{s, m}
}

type store struct {
	curfew.Store
	m *Metrics
}

// done measures an operation. That there is no such thing, or that it can't be in this state, is an answer and no failure; that
// who asked has gone is neither.
func (s *store) done(ctx context.Context, op string, began time.Time, err error) {
	s.m.store.WithLabelValues(op).Observe(time.Since(began).Seconds())
	switch code := curfew.ErrorCode(err); {
	case code == curfew.CodeOK, code == curfew.CodeNotFound, code == curfew.CodeConflict, ctx.Err() == context.Canceled:
	default:
		s.m.failures.WithLabelValues(op).Inc()
	}
}

// Insert implements curfew.Store.
func (s *store) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	began := time.Now()
	replaced, err := s.Store.Insert(ctx, now, r, most, refuse)
	s.done(ctx, "insert", began, err)
	if err == nil {
		s.m.started.Inc()
	}
	s.m.ended.WithLabelValues(string(curfew.ReasonReplaced)).Add(float64(len(replaced)))
	return replaced, err
}

// Find implements curfew.Store.
func (s *store) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	began := time.Now()
	r, err := s.Store.Find(ctx, hash, id)
	s.done(ctx, "find", began, err)
	return r, err
}

// Touch implements curfew.Store.
func (s *store) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	began := time.Now()
	live, err := s.Store.Touch(ctx, now, touches)
	s.done(ctx, "touch", began, err)
	return live, err
}

// Update implements curfew.Store.
func (s *store) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) error {
	began := time.Now()
	err := s.Store.Update(ctx, now, user, c)
	s.done(ctx, "update", began, err)
	return err
}

// End implements curfew.Store.
func (s *store) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	began := time.Now()
	n, ended, err := s.Store.End(ctx, now, sel, e)
	s.done(ctx, "end", began, err)
	if err != nil {
		return n, ended, err
	}
	if n > 0 { // a sweep for what is due gives no reason
		s.m.ended.WithLabelValues(string(e.Reason)).Add(float64(n))
	}
	if !sel.Everybody() && n < len(ended) {
		s.countDue(ctx, ended, e)
	}
	return n, ended, err
}

// countDue counts the sessions that ended by themselves: of those only the store knows why. Looking that up is little beside what it
// takes to move them to history.
func (s *store) countDue(ctx context.Context, ended []curfew.Key, e curfew.Ending) {
	for _, k := range ended {
		r, err := s.Store.Find(ctx, nil, k.ID)
		if err != nil || r.Ending == nil {
			continue
		}
		if why := r.Ending.Reason; why != e.Reason {
			s.m.ended.WithLabelValues(string(why)).Inc()
		}
	}
}

// List implements curfew.Store.
func (s *store) List(ctx context.Context, q curfew.Query) (curfew.Page, error) {
	began := time.Now()
	page, err := s.Store.List(ctx, q)
	s.done(ctx, "list", began, err)
	return page, err
}

// Count implements curfew.Store.
func (s *store) Count(ctx context.Context, q curfew.Query) (curfew.Count, error) {
	began := time.Now()
	n, err := s.Store.Count(ctx, q)
	s.done(ctx, "count", began, err)
	return n, err
}

// History implements curfew.Store.
func (s *store) History(ctx context.Context, q curfew.HistoryQuery) (curfew.HistoryPage, error) {
	began := time.Now()
	page, err := s.Store.History(ctx, q)
	s.done(ctx, "history", began, err)
	return page, err
}

// Forget implements curfew.Store.
func (s *store) Forget(ctx context.Context, now, before time.Time) (int, error) {
	began := time.Now()
	n, err := s.Store.Forget(ctx, now, before)
	s.done(ctx, "forget", began, err)
	return n, err
}
