package metrics

import (
	"context"
	"slices"
	"time"

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
