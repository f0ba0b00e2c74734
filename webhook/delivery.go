package webhook

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"
)

// deliver returns when the endpoint has taken the message, or the message was given up. The error is ctx's.
func (s *Sender) deliver(ctx context.Context, r *receiver, m message) error {
	var n tries
	for {
		if r.cursor().Off {
			if !r.awaitOn(ctx) {
				return ctx.Err()
			}
			n = tries{}
		}
		if s.isOld(r, m) && r.failing() {
			s.skip(r, m, "it is too old")
			return nil
		}
		if s.try(ctx, r, m, &n) {
			return nil
		}
		if ctx.Err() != nil || !r.wait(ctx, time.Until(r.next())) {
			return ctx.Err()
		}
	}
}

// try sends the message once, and returns whether that was the last time: it was taken, or is given up.
func (s *Sender) try(ctx context.Context, r *receiver, m message, n *tries) (over bool) {
	err := r.post(ctx, m)
	if ctx.Err() != nil {
		return false
	}
	r.sent(err)
	if err != nil {
		n.count(err)
		return s.gaveUp(ctx, r, m, *n, err)
	}
	if r.delivered() {
		s.Logger.Info("webhook: the endpoint takes messages again", "endpoint", r.Name)
	}
	return true
}

// tries is how often a message was tried in vain.
type tries struct {
	all     int
	refused int // of these the last ones, one after the other: a receiver that was away, and refuses while it starts, is given the time to
}

func (n *tries) count(err error) {
	n.all++
	n.refused++
	if !failureOf(err).refused {
		n.refused = 0
	}
}

// isOld reports whether the message has waited for too long, also since the sender began or somebody last wanted the endpoint to be tried.
func (s *Sender) isOld(r *receiver, m message) bool {
	return time.Since(m.at) > s.pace.age && !r.isPatient()
}

// gaveUp decides what follows from a failure, and returns whether the message is given up.
func (s *Sender) gaveUp(ctx context.Context, r *receiver, m message, n tries, err error) bool {
	f := failureOf(err)
	switch {
	case f.gone:
		r.failed(err, n.all, time.Time{})
		r.switchTo(true)
		s.Logger.Error("webhook: the endpoint wants no more messages, and is switched off", "endpoint", r.Name, "error", err)
	case n.refused >= s.pace.refusal, s.isOld(r, m):
		r.failed(err, n.all, time.Time{})
		s.skip(r, m, err.Error())
		return true
	default:
		if r.failed(err, n.all, time.Now().Add(s.backoff(cmp.Or(n.refused, n.all), f.after))) {
			s.Logger.Warn("webhook: the endpoint does not take messages; they wait", "endpoint", r.Name, "error", err)
		}
	}
	s.save(ctx, r)
	return false
}

func (s *Sender) skip(r *receiver, m message, why string) {
	r.skipped()
	s.Logger.Error("webhook: a message was given up", "endpoint", r.Name, "id", m.id, "type", m.typ, "error", why)
}

// backoff returns how long to wait after so many tries: somewhat more or less, so that not all endpoints of a receiver that comes back are tried at once.
func (s *Sender) backoff(tries int, after time.Duration) time.Duration {
	wait := s.pace.again[min(tries, len(s.pace.again))-1]
	wait += time.Duration(float64(wait) * (rand.Float64() - 0.5) / 2)
	longest := s.pace.again[len(s.pace.again)-1]
	return max(wait, min(after, longest))
}
