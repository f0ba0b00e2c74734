package account

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// In no stretch of time are there more events than the burst and what the interval allows besides; and who waits as long
// as they are told, but no shorter, gets in.
func TestRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rate{rapid.IntRange(1, 12).Draw(t, "burst"), time.Duration(rapid.IntRange(1, 5000).Draw(t, "every")) * time.Millisecond}
		now := time.Unix(1_800_000_000, 0)
		var emptyAt time.Time
		var taken []time.Time
		for _, pause := range rapid.SliceOfN(rapid.IntRange(0, 8000), 1, 80).Draw(t, "pauses") {
			now = now.Add(time.Duration(pause) * time.Millisecond)
			next, wait := r.take(now, emptyAt)
			if wait > 0 {
				checkWait(t, r, now, emptyAt, wait)
				continue
			}
			emptyAt = next
			taken = append(taken, now)
			checkWindows(t, r, taken)
		}
	})
}

func checkWait(t *rapid.T, r rate, now, emptyAt time.Time, wait time.Duration) {
	if _, again := r.take(now.Add(wait), emptyAt); again != 0 {
		t.Errorf("after waiting %v there are %v more to wait", wait, again)
	}
	if _, again := r.take(now.Add(wait-1), emptyAt); again == 0 {
		t.Errorf("%v is longer than there is to wait", wait)
	}
}

func checkWindows(t *rapid.T, r rate, taken []time.Time) {
	last := taken[len(taken)-1]
	for i, first := range taken {
		n, most := len(taken)-i, r.burst+int(last.Sub(first)/r.every)
		if n > most {
			t.Fatalf("%d events in %v, want at most %d", n, last.Sub(first), most)
		}
	}
}

func TestRateGivesBack(t *testing.T) {
	r, now := rate{3, time.Minute}, time.Unix(1_800_000_000, 0)
	var emptyAt time.Time
	for range 100 {
		next, wait := r.take(now, emptyAt)
		if wait != 0 {
			t.Fatalf("refused for %v though every slot came back", wait)
		}
		emptyAt = r.giveBack(next)
	}
	if got := r.giveBack(time.Time{}); !got.IsZero() {
		t.Errorf("an empty counter became %v", got)
	}
}

func TestSourceOf(t *testing.T) {
	for origin, want := range map[string][2]string{
		"192.0.2.7":                 {"192.0.2.7", ""},
		"::ffff:192.0.2.7":          {"192.0.2.7", ""},
		"2001:db8:1:2:3:4:5:6":      {"2001:db8:1:2::/64", "source/2001:db8:1::/48"},
		"2001:db8:1:2:ffff::1%eth0": {"2001:db8:1:2::/64", "source/2001:db8:1::/48"},
		"":                          {"-", ""},
		"@":                         {"-", ""},
	} {
		if source, network := sourceOf(origin); source != want[0] || network != want[1] {
			t.Errorf("sourceOf(%q) = %q, %q; want %q", origin, source, network, want)
		}
	}
}

func TestLimitedInWholeSeconds(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Millisecond:                 "Too many failed attempts. Try again in a second.",
		time.Minute:                      "Too many failed attempts. Try again in 60 seconds.",
		59*time.Second + time.Nanosecond: "Too many failed attempts. Try again in 60 seconds.",
	} {
		if got := limited(wait).Error(); got != want {
			t.Errorf("after %v: %q, want %q", wait, got, want)
		}
	}
}
