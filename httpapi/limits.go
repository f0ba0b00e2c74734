package httpapi

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/curfewhq/curfew"
)

// Requests are limited per session or API key and, where there is neither, per client address; and per account, which may have many
// keys. That keeps a script that has gone wild from taking the machine for itself; passwords have limits of their own, see account/limit.go.
const (
	callBurst    = 500 // requests at once
	callRate     = 100 // and then each second
	accountTimes = 4   // an account may make so many times as many, by all its sessions and keys
	maxLimits    = 10_000
)

// limits are the counters of callers. Memory is bounded: a counter is as good as new when it was not used for callBurst/callRate seconds.
type limits struct {
	mu sync.Mutex
	of map[string]*rate.Limiter
}

// take counts a request of the caller, unless there are too many. Who runs the machine may ask as they like.
func (l *limits) take(who caller, now time.Time) error {
	if who.machine {
		return nil
	}
	if err := l.count(who.name, 1, now); err != nil || who.account.ID == "" {
		return err
	}
	return l.count(who.accountName(), accountTimes, now)
}

// stranger counts a request of somebody who is not known, and returns the refusal they get.
func (l *limits) stranger(r *http.Request, now time.Time, refusal error) error {
	if err := l.count("from "+curfew.OriginOf(r).Addr, 1, now); err != nil {
		return err
	}
	return refusal
}

// count counts a request under the key, of which there may be times as many as of one caller.
func (l *limits) count(key string, times int, now time.Time) error {
	turn := l.limiter(key, times, now).ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	return &curfew.Error{Code: curfew.CodeLimited, Message: "too many requests", RetryAfter: wait}
}

func (l *limits) limiter(key string, times int, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.of[key]
	if ok {
		return found
	}
	if len(l.of) >= maxLimits || l.of == nil {
		l.clean(now)
	}
	found = rate.NewLimiter(rate.Limit(times*callRate), times*callBurst)
	l.of[key] = found
	return found
}

// clean forgets counters that are as good as new; should all be in use, all: rather too many requests than none.
func (l *limits) clean(now time.Time) {
	for key, counter := range l.of {
		if counter.TokensAt(now) >= float64(counter.Burst()) {
			delete(l.of, key)
		}
	}
	if len(l.of) >= maxLimits || l.of == nil {
		l.of = map[string]*rate.Limiter{}
	}
}
