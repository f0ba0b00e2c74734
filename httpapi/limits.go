package httpapi

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/curfewhq/curfew"
)

// Requests are limited per session and, where there is none, per client address. That keeps a script that has gone wild from taking
// the machine for itself; passwords have limits of their own, see account/limit.go.
const (
	callBurst = 500 // requests at once
	callRate  = 100 // and then each second
	maxLimits = 10_000
)

// limits are the counters of callers. Memory is bounded: a counter is as good as new when it was not used for callBurst/callRate.
type limits struct {
	mu sync.Mutex
	of map[string]*rate.Limiter
}

// take counts a request of the caller, unless there are too many. Who runs the machine may ask as they like.
func (l *limits) take(who caller, now time.Time) error {
	if who.machine {
		return nil
	}
	return l.count(who.name, now)
}

// stranger counts a request of somebody who is not known, and returns the refusal they get.
func (l *limits) stranger(r *http.Request, now time.Time, refusal error) error {
	if err := l.count("from "+curfew.OriginOf(r).Addr, now); err != nil {
		return err
	}
	return refusal
}

func (l *limits) count(key string, now time.Time) error {
	turn := l.limiter(key, now).ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	return &curfew.Error{Code: curfew.CodeLimited, Message: "too many requests", RetryAfter: wait}
}

func (l *limits) limiter(key string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.of[key]
	if ok {
		return found
	}
	if len(l.of) >= maxLimits || l.of == nil {
		l.clean(now)
	}
	found = rate.NewLimiter(callRate, callBurst)
	l.of[key] = found
	return found
}

// clean forgets counters that are as good as new; should all be in use, all: rather too many requests than none.
func (l *limits) clean(now time.Time) {
	for key, counter := range l.of {
		if counter.TokensAt(now) >= callBurst {
			delete(l.of, key)
		}
	}
	if len(l.of) >= maxLimits || l.of == nil {
		l.of = map[string]*rate.Limiter{}
	}
}
