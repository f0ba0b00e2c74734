package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/curfewhq/curfew"
)

// Failed sign-ins are limited per account and per source. Each limit is a counter of failures that fills up to a burst
// and empties by one at a time.
//
// A try takes its slot before the password is looked at, so that tries made at once can't outrun the counter, and
// gives it back if the password was right or was never looked at.
//
// Names that no account has are counted just as those that one has, so the limits don't tell which is which. Keys are
// exact, never shared slots: what fills one counter does nothing to another, and says nothing about it. Nor can
// invented names fill the store: a counter lives only until it is empty, and each failure costs a password hash, so
// there are at most as many as the machine can hash passwords in nameRate.every.
//
// Somebody else's failures don't lock the owner out: a source from which the account signed in lately has a counter of
// its own for the account, which failures from elsewhere leave alone.
var (
	nameRate   = rate{burst: 10, every: time.Minute}
	sourceRate = rate{burst: 50, every: 5 * time.Second}
)

// knownFor is how long a source stays known after an account signed in from it.
const knownFor = 30 * 24 * time.Hour

// rate is a limit after the generic cell rate algorithm: burst events at once, then one in each interval. All it keeps of
// the past is one time, at which the counter is empty again; the zero time is an empty counter.
type rate struct {
	burst int
	every time.Duration
}

// take counts one more. If that is too many, wait says how long until it would not be, and nothing may be counted.
func (r rate) take(now, emptyAt time.Time) (next time.Time, wait time.Duration) {
	if emptyAt.Before(now) {
		emptyAt = now
	}
	next = emptyAt.Add(r.every)
	return next, max(0, next.Sub(now)-time.Duration(r.burst)*r.every)
}

// giveBack counts one less.
func (r rate) giveBack(emptyAt time.Time) time.Time {
	if emptyAt.IsZero() {
		return emptyAt
	}
	return emptyAt.Add(-r.every)
}

// try is one use of a password, as the limits see it.
type try struct {
	keys [4]string
	own  bool // counted atSource: the source is known, or the name can't be an account's
}

// What the keys of a try stand for.
const (
	known     = iota // until when the source is known to the account
	atSource         // the account's counter at this source
	elsewhere        // the account's counter at all sources not known to it
	source           // the source's counter
)

// newTry returns the try for a name as cleanName left it, from a network address.
func newTry(name, origin string) *try {
	src := sourceOf(origin)
	n := nameKey(name)
	return &try{
		keys: [4]string{
			known:     "known/" + n + "/" + src,
			atSource:  "name/" + n + "/" + src,
			elsewhere: "name/" + n,
			source:    "source/" + src,
		},
		own: name == "",
	}
}

// nameKey stands for a name in keys. It is a hash, because what is typed as a name may be a password. Most of those
// can't be names, and leave no trace at all.
func nameKey(name string) string {
	if name == "" {
		return "-"
	}
	h := sha256.Sum256([]byte("curfew sign-in " + name))
	return hex.EncodeToString(h[:16])
}

// sourceOf is who counts as one source: an IPv4 address, or the IPv6 network of 64 bits that is one customer's at least.
func sourceOf(origin string) string {
	a, err := netip.ParseAddr(origin)
	if err != nil {
		return "-"
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// account is the counter that the try uses beside its source's.
func (t *try) account() int {
	if t.own {
		return atSource
	}
	return elsewhere
}

// take takes the try's slots, or returns an error with CodeLimited.
func (s *Service) take(ctx context.Context, t *try) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	now, nameless := s.sessions.Now(), t.own
	err := s.store.Limit(ctx, now, t.keys[:], func(at []time.Time) ([]time.Time, error) {
		t.own = nameless || !at[known].IsZero()
		byAccount, wait1 := nameRate.take(now, at[t.account()])
		bySource, wait2 := sourceRate.take(now, at[source])
		if wait := max(wait1, wait2); wait > 0 {
			return nil, limited(wait)
		}
		at[t.account()], at[source] = byAccount, bySource
		return at, nil
	})
	return storeError("limit sign-ins", err)
}

// giveBack gives the try's slots back. If it was by the owner, the source is known from now on.
func (s *Service) giveBack(ctx context.Context, t *try, byOwner bool) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	now := s.sessions.Now()
	err := s.store.Limit(ctx, now, t.keys[:], func(at []time.Time) ([]time.Time, error) {
		at[t.account()] = nameRate.giveBack(at[t.account()])
		at[source] = sourceRate.giveBack(at[source])
		if byOwner {
			at[known] = now.Add(knownFor)
		}
		return at, nil
	})
	return storeError("limit sign-ins", err)
}

// limited is the error of a try that must wait, told in whole seconds.
func limited(wait time.Duration) error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	in := "a second"
	if wait > time.Second {
		in = fmt.Sprintf("%d seconds", wait/time.Second)
	}
	return &curfew.Error{
		Code: curfew.CodeLimited, RetryAfter: wait,
		Message: "Too many failed attempts. Try again in " + in + ".",
	}
}
