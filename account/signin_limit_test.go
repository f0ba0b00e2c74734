package account_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// addr returns one of many source addresses.
func addr(i int) string {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
}

func TestAccountLimit(t *testing.T) {
	for _, name := range []string{"amara", "nobody"} { // the same for a name that exists and one that doesn't
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.add("amara", account.Admin)
				for i := range 10 {
					h.fail(1, []string{name, " " + name, name + "\n"}[i%3], addr(i))
				}
				if e := h.wantLimited(name, addr(20)); e.RetryAfter != time.Minute {
					t.Errorf("try again in %v, want 1m", e.RetryAfter)
				}
				time.Sleep(59 * time.Second)
				if e := h.wantLimited(name, addr(21)); e.RetryAfter != time.Second || e.Message != "Too many failed attempts. Try again in a second." {
					t.Errorf("%s: after 59 s: %+v", name, e)
				}
				time.Sleep(time.Second)
				h.fail(1, name, addr(22)) // one a minute
				h.wantLimited(name, addr(23))
				time.Sleep(10 * time.Minute)
				h.fail(10, name, addr(24)) // the whole burst
				h.wantLimited(name, addr(25))
			})
		})
	}
}

func TestSourceLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		for i := range 50 { // one network, many hosts, many names
			h.fail(1, numbered("name", i), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 15: byte(i)}).String())
		}
		if e := h.wantLimited("amara", "2001:db8:1:2:ffff::1"); e.RetryAfter != 5*time.Second {
			t.Errorf("try again in %v, want 5s", e.RetryAfter)
		}
		h.mustSignIn("amara", "2001:db8:1:3::1")
		time.Sleep(5 * time.Second)
		h.mustSignIn("amara", "2001:db8:1:2::1")
	})
}

func TestSuccessCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		for range 100 {
			h.mustSignIn("amara", homeAddr)
		}
		h.fail(10, "amara", homeAddr)
		h.wantLimited("amara", homeAddr)
	})
}

// Who signed in from a place can do so whatever others do; but not guess without end.
func TestOwnerIsNotLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		h.mustSignIn("amara", homeAddr)
		h.fail(10, "amara", awayAddr)
		h.wantLimited("amara", awayAddr)
		h.mustSignIn("amara", homeAddr)
		h.wantLimited("amara", addr(1))

		h.fail(10, "amara", homeAddr)
		h.wantLimited("amara", homeAddr)
		h.restart(cheap)
		h.wantLimited("amara", homeAddr)

		h.shutFor(30*24*time.Hour - time.Second)
		h.fail(10, "amara", awayAddr)
		h.mustSignIn("amara", homeAddr) // still known, and from now on for another 30 days
		h.shutFor(30 * 24 * time.Hour)
		h.fail(10, "amara", awayAddr)
		h.wantLimited("amara", homeAddr) // a stranger again
	})
}

func TestLimitsSurviveRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		for _, name := range []string{"amara", "nobody"} {
			h.fail(6, name, homeAddr)
			h.restart(cheap)
			h.fail(4, name, homeAddr)
			h.restart(cheap)
			h.wantLimited(name, awayAddr)
		}
	})
}

// counting is a store that knows how many counters count at the moment.
type counting struct {
	account.Store
	live map[string]time.Time
	most int
}

func (c *counting) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error {
	return c.Store.Limit(ctx, now, keys, func(at []time.Time) ([]time.Time, error) {
		at, err := f(at)
		for i := range at {
			c.live[keys[i]] = at[i]
		}
		for key, until := range c.live {
			if !until.After(now) {
				delete(c.live, key)
			}
		}
		c.most = max(c.most, len(c.live))
		return at, err
	}, notes...)
}

// A flood of invented names from everywhere, as fast as passwords can be hashed, neither empties the counters of real
// accounts nor piles up.
func TestFloodOfNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		store := &counting{Store: h.accounts, live: map[string]time.Time{}}
		h.over(store, cheap)
		h.fail(10, "amara", homeAddr)
		for i := range 5000 {
			h.fail(1, numbered("name", i), addr(i))
			time.Sleep(100 * time.Millisecond)
		}
		h.fail(8, "amara", awayAddr) // 500 s gave back eight
		h.wantLimited("amara", awayAddr)
		// 600 names count for a minute each, 50 sources for 5 s each, and a few of amara's.
		if store.most > 660 {
			t.Errorf("%d counters at once", store.most)
		}
	})
}

// Tries made at once can't outrun the counter.
func TestParallelGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		var mu sync.Mutex
		codes := map[curfew.Code]int{}
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				_, _, err := h.signIn("amara", wrongPassword, homeAddr)
				mu.Lock()
				defer mu.Unlock()
				codes[curfew.ErrorCode(err)]++
			})
		}
		wg.Wait()
		if codes[curfew.CodeDenied] != 10 || codes[curfew.CodeLimited] != 30 {
			t.Errorf("answers to 40 guesses at once: %v, want 10 denied", codes)
		}
	})
}

// Few hash at a time, some wait, and the others are sent away. Who gave up waiting has not failed.
func TestHashQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		begun, release := make(chan struct{}, 1000), make(chan struct{})
		account.HoldHashes(h.service, begun, release)
		ctx, cancel := context.WithCancel(t.Context())
		codes := make(chan curfew.Code, 1000)
		atOnce := runtime.GOMAXPROCS(0)
		for i := range atOnce + account.MaxWaiting {
			go func() { codes <- curfew.ErrorCode(h.guess(ctx, numbered("name", i), addr(i))) }()
		}
		synctest.Wait()
		if len(begun) != atOnce || len(codes) != 0 {
			t.Errorf("%d hashes at once, %d answers; want %d and none", len(begun), len(codes), atOnce)
		}
		soon, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var e *curfew.Error
		if err := h.guess(soon, "amara", homeAddr); !errors.As(err, &e) || e.Code != curfew.CodeLimited || e.RetryAfter != time.Second {
			t.Errorf("beyond the queue: error %v, want to come back in 1s", err)
		}
		cancel()
		synctest.Wait()
		if got := count(codes); got[curfew.CodeUnavailable] != account.MaxWaiting || len(got) != 1 {
			t.Errorf("answers to who gave up waiting: %v", got)
		}
		close(release)
		synctest.Wait()
		if got := count(codes); got[curfew.CodeDenied] != atOnce || len(got) != 1 {
			t.Errorf("answers to whose password was hashed: %v", got)
		}
		h.burstsLeft(atOnce + account.MaxWaiting)
	})
}

func (h *house) guess(ctx context.Context, name, addr string) error {
	_, _, err := h.service.SignIn(ctx, account.Attempt{Name: name, Password: wrongPassword, Client: curfew.Client{Origin: addr}})
	return err
}

// count empties the channel.
func count(codes chan curfew.Code) map[curfew.Code]int {
	n := map[curfew.Code]int{}
	for len(codes) > 0 {
		n[<-codes]++
	}
	return n
}

// burstsLeft checks how many of the names, each tried once before, were blamed for that: as many as were hashed.
func (h *house) burstsLeft(names int) {
	h.t.Helper()
	blamed := 0
	for i := range names {
		h.fail(9, numbered("name", i), homeOf(i))
		if err := h.guess(h.t.Context(), numbered("name", i), homeOf(i)); err != account.ErrSignIn {
			blamed++
		}
	}
	if want := runtime.GOMAXPROCS(0); blamed != want {
		h.t.Errorf("%d of %d tries were counted, want the %d that were hashed", blamed, names, want)
	}
}

// homeOf returns an address that no other test of the queue used.
func homeOf(i int) string { return addr(1000 + i) }

// Who has an IPv6 network of 48 bits can't fail from each of its 65536 sources; whom the account knows there is not held up.
func TestNetworkLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		at := func(network, source int) string {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(network), byte(source >> 8), byte(source), 15: 1}).String()
		}
		h.mustSignIn("amara", at(1, 9999))
		for i := range 500 {
			h.fail(1, numbered("name", i), at(1, i))
		}
		if e := h.wantLimited("arslan", at(1, 1000)); e.RetryAfter != time.Second {
			t.Errorf("try again in %v, want 1s", e.RetryAfter)
		}
		h.mustSignIn("amara", at(1, 9999))
		h.fail(1, "arslan", at(2, 1000))
		time.Sleep(500 * time.Millisecond)
		h.fail(1, "arslan", at(1, 1001))
		h.wantLimited("arslan", at(1, 1002))
	})
}
