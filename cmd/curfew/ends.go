package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/metrics"
)

// ends is a store that counts what starts and ends in it, and writes to the log what ends: whoever ends it, for whatever reason. The
// account service logs who signs in.
type ends struct {
	curfew.Store
	after   curfew.Store // the same; what is asked afterwards, for the log, is not measured
	log     *slog.Logger
	metrics *metrics.Metrics // nil: nothing is counted
}

// linesAtOnce is how many ends have a line each. When more end at once, one line says how many.
const linesAtOnce = 16

// Insert implements curfew.Store. A sign-in may end sessions, to make room for its own.
func (s *ends) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	replaced, err := s.Store.Insert(ctx, now, r, most, refuse)
	if err == nil {
		s.metrics.Started()
		s.tell(ctx, len(replaced), replaced, curfew.Ending{Reason: curfew.ReasonReplaced})
	}
	return replaced, err
}

// End implements curfew.Store.
func (s *ends) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	n, ended, err := s.Store.End(ctx, now, sel, e)
	switch {
	case err != nil:
	case sel.Everybody(): // they need not be named
		s.metrics.Ended(e.Reason, n)
		s.logMany(ctx, n, e)
	default:
		s.tell(ctx, n, ended, e)
	}
	return n, ended, err
}

// tell counts and logs sessions that have ended, n of them as e says and the others by themselves. Why those did, only the store knows:
// asking it is little beside what it takes to move them to history.
func (s *ends) tell(ctx context.Context, n int, ended []curfew.Key, e curfew.Ending) {
	s.metrics.Ended(e.Reason, n)
	byThemselves := len(ended) - n
	few := len(ended) <= linesAtOnce
	if few || s.metrics != nil && byThemselves > 0 {
		s.tellEach(ctx, ended, e, few)
	}
	if few {
		return
	}
	s.logMany(ctx, n, e)
	if byThemselves > 0 {
		s.log.InfoContext(ctx, "sessions ended by themselves", "count", byThemselves)
	}
}

// tellEach counts those of the sessions that did not end as e says, and logs all if each is to have a line. That they ended has
// happened: what can't be read is left out.
func (s *ends) tellEach(ctx context.Context, ended []curfew.Key, e curfew.Ending, lines bool) {
	for _, k := range ended {
		r, err := s.after.Find(ctx, nil, k.ID)
		known := err == nil && r.Ending != nil
		if known && r.Ending.Reason != e.Reason {
			s.metrics.Ended(r.Ending.Reason, 1)
		}
		switch {
		case !lines:
		case known:
			s.logOne(ctx, r.Session, *r.Ending)
		default:
			s.log.InfoContext(ctx, "session ended", "session", k.ID)
		}
	}
}

func (s *ends) logMany(ctx context.Context, n int, e curfew.Ending) {
	if n > 0 {
		s.log.InfoContext(ctx, "sessions ended", append([]any{"count", n}, s.cause(ctx, e)...)...)
	}
}

func (s *ends) logOne(ctx context.Context, of curfew.Session, e curfew.Ending) {
	if e.By.Session == of.ID { // then who ended it was where it was
		e.By.Session = ""
	}
	about := []any{"user", of.User.Name, "session", of.ID, "origin", of.Client.Origin}
	s.log.InfoContext(ctx, "session ended", append(about, s.cause(ctx, e)...)...)
}

// cause is why something ended, by whom and from where.
func (s *ends) cause(ctx context.Context, e curfew.Ending) []any {
	cause := []any{"reason", e.Reason}
	if e.By.Name != "" {
		cause = append(cause, "by", e.By.Name)
	}
	if e.By.Session == "" {
		return cause
	}
	if r, err := s.after.Find(ctx, nil, e.By.Session); err == nil {
		cause = append(cause, "from", r.Session.Client.Origin)
	}
	return cause
}
