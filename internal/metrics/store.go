package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/observe"
)

// operations are those of stores that are measured.
var operations = slices.Concat(observe.SessionOps, observe.AccountOps)

// Op returns what measures the operations of stores; nil if m is nil.
func (m *Metrics) Op() observe.Op {
	if m == nil {
		return nil
	}
	return func(ctx context.Context, name string) (context.Context, func(error)) {
		began := time.Now()
		return ctx, func(err error) { m.done(ctx, name, began, err) }
	}
}

// done measures an operation. That there is no such thing, or that it can't be in this state, is an answer and no failure; that
// who asked has gone is neither, and an error that only our own callers know is theirs.
func (m *Metrics) done(ctx context.Context, op string, began time.Time, err error) {
	m.store.WithLabelValues(op).Observe(time.Since(began).Seconds())
	if observe.IsFailure(err) && ctx.Err() != context.Canceled {
		m.failures.WithLabelValues(op).Inc()
	}
}

// Store returns the store with what starts and ends in it counted; the store itself if m is nil.
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

// Insert implements curfew.Store.
func (s *store) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	replaced, err := s.Store.Insert(ctx, now, r, most, refuse)
	if err == nil {
		s.m.started.Inc()
	}
	s.m.ended.WithLabelValues(string(curfew.ReasonReplaced)).Add(float64(len(replaced)))
	return replaced, err
}

// End implements curfew.Store.
func (s *store) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	n, ended, err := s.Store.End(ctx, now, sel, e)
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
