package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
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
// Somebody else's failures don't lock the owner out: a device or a source from which the account signed in lately has a
// counter of its own for the account, which failures from elsewhere leave alone. A device that one account knows is
// nobody to another.
var (
	nameRate    = rate{burst: 10, every: time.Minute}
	sourceRate  = rate{burst: 50, every: 5 * time.Second}
	networkRate = rate{burst: 500, every: 500 * time.Millisecond} // for who has many sources
)

// sourceKnownFor is how long a source stays known after an account signed in from it.
const sourceKnownFor = 30 * 24 * time.Hour

// newDeviceRate bounds how many devices an account knows, so that whoever signs in without end and keeps no cookies does
// not fill the store. Past it a device stays unknown; it signs in all the same.
var newDeviceRate = rate{burst: 50, every: time.Hour}

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

// try is one use of a password, as the limits see it. Of its keys, those that are empty stand for nothing.
type try struct {
	knownSource string // until when the account knows the source
	knownDevice string // and the device
	atSource    string // the account's counter at this source, if it knows that
	atDevice    string // and on this device
	elsewhere   string // the account's counter everywhere else
	source      string // the source's counter
	network     string // and that of the network around it
	newDevices  string // counts how many devices the account got to know

	fresh   bool      // the device is
	counted []counter // in which the try has its slots
}

// counter is a key that counts.
type counter struct {
	key string
	rate
}

// newTry returns the try for a name as cleanName left it.
func newTry(name, origin string, d Device) *try {
	source, network := sourceOf(origin)
	t := &try{source: "source/" + source, network: network, fresh: d.fresh}
	if name == "" { // can't be an account's
		t.elsewhere = "name/-/" + source
		return t
	}
	known, failures := knownKeys(name), failureKeys(name)
	t.knownSource, t.atSource, t.elsewhere = known+source, failures+"/"+source, failures
	if d.id != "" {
		t.knownDevice, t.atDevice, t.newDevices = known+d.key(), failures+"/"+d.key(), known+"devices"
	}
	return t
}

// knownKeys is how the keys of all that an account knows begin.
func knownKeys(name string) string { return "known/" + nameKey(name) + "/" }

// failureKeys is how the keys of an account's counters begin, and the one for where it is not known.
func failureKeys(name string) string { return "name/" + nameKey(name) }

// nameKey stands for a name in keys. It is a hash, because what is typed as a name may be a password. Most of those
// can't be names, and leave no trace at all.
func nameKey(name string) string { return digest("sign-in", name) }

// digest is a hash of s that is good for the one purpose.
func digest(purpose, s string) string {
	h := sha256.Sum256([]byte("curfew " + purpose + " " + s))
	return hex.EncodeToString(h[:16])
}

// sourceOf is who counts as one source: an IPv4 address, or the IPv6 network of 64 bits that is one customer's at least.
// Some customers have 65536 of those, in a network of 48 bits, whose key it returns too.
func sourceOf(origin string) (source, network string) {
	a, err := netip.ParseAddr(origin)
	if err != nil {
		return "-", ""
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String(), ""
	}
	return netip.PrefixFrom(a, 64).Masked().String(), "source/" + netip.PrefixFrom(a, 48).Masked().String()
}

// counters are what counts the try. Where the account is known, strangers in the network around don't matter.
func (t *try) counters(at values) []counter {
	switch {
	case !at[t.knownDevice].IsZero():
		return []counter{{t.atDevice, nameRate}, {t.source, sourceRate}}
	case !at[t.knownSource].IsZero():
		return []counter{{t.atSource, nameRate}, {t.source, sourceRate}}
	default:
		return []counter{{t.elsewhere, nameRate}, {t.source, sourceRate}, {t.network, networkRate}}
	}
}

// values are the values of keys in the store.
type values map[string]time.Time

// limit lets f change the values of the keys, in one transaction. Empty keys are left out.
func (s *Service) limit(ctx context.Context, keys []string, f func(now time.Time, at values) error, notes ...audit.Record) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	now := s.sessions.Now()
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "" })
	err := s.store.Limit(ctx, now, keys, func(list []time.Time) ([]time.Time, error) {
		at := values{}
		for i, key := range keys {
			at[key] = list[i]
		}
		if err := f(now, at); err != nil {
			return nil, err
		}
		for i, key := range keys {
			list[i] = at[key]
		}
		return list, nil
	}, notes...)
	return storeError("limit sign-ins", err)
}

// take takes the try's slots, or returns an error with CodeLimited.
func (s *Service) take(ctx context.Context, t *try) error {
	keys := []string{t.knownSource, t.atSource, t.elsewhere, t.source, t.network}
	if !t.fresh {
		keys = append(keys, t.knownDevice, t.atDevice)
	}
	return s.limit(ctx, keys, func(now time.Time, at values) error {
		t.counted = t.counters(at)
		return takeSlots(t.counted, now, at)
	})
}

// takeSlots counts one more in each counter, or returns an error with CodeLimited, and then nothing may be counted.
func takeSlots(counters []counter, now time.Time, at values) error {
	var longest time.Duration
	for _, c := range counters {
		next, wait := c.take(now, at[c.key])
		at[c.key], longest = next, max(longest, wait)
	}
	if longest > 0 {
		return limited(longest)
	}
	return nil
}

// giveBack gives the try's slots back. If it was by the owner, source and device are known from now on.
func (s *Service) giveBack(ctx context.Context, t *try, byOwner bool) error {
	var keys []string
	for _, c := range t.counted {
		keys = append(keys, c.key)
	}
	if byOwner {
		keys = append(keys, t.knowledge()...)
	}
	return s.limit(ctx, keys, func(now time.Time, at values) error {
		for _, c := range t.counted {
			at[c.key] = c.giveBack(at[c.key])
		}
		if byOwner {
			t.know(now, at)
		}
		return nil
	})
}

// knowledge is the keys that know changes.
func (t *try) knowledge() []string { return []string{t.knownSource, t.knownDevice, t.newDevices} }

// know makes source and device known.
func (t *try) know(now time.Time, at values) {
	at[t.knownSource] = now.Add(sourceKnownFor)
	if at[t.knownDevice].IsZero() {
		next, wait := newDeviceRate.take(now, at[t.newDevices])
		if wait > 0 {
			return
		}
		at[t.newDevices] = next
	}
	at[t.knownDevice] = now.Add(deviceKnownFor)
}

// forget makes all sources and devices unknown to the account.
func (s *Service) forget(ctx context.Context, name string) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	return storeError("forget sources and devices", s.store.DropLimits(ctx, s.sessions.Now(), knownKeys(name)))
}

// forgetOthers makes all sources and devices unknown to the account but those of the session.
func (s *Service) forgetOthers(ctx context.Context, session curfew.Session, d Device) error {
	if err := s.forget(ctx, session.User.Name); err != nil {
		return err
	}
	t := newTry(session.User.Name, session.Client.Origin, d)
	return s.limit(ctx, t.knowledge(), func(now time.Time, at values) error {
		t.know(now, at)
		return nil
	})
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
