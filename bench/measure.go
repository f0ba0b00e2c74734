package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// spread is what the rounds of one measurement gave, in order of size.
type spread []float64

func (s spread) median() float64 { return s.quantile(0.5) }

func (s spread) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// rounds measures several times.
func rounds(n int, measure func() float64) spread {
	s := make(spread, n)
	for i := range s {
		s[i] = measure()
	}
	slices.Sort(s)
	return s
}

// compareRounds is how often two things that are compared take turns.
const compareRounds = 201

// compare measures a and b by turns, so that what else the machine does meets both. The ratio is a divided by b, round by
// round.
func compare(a, b func() float64) (as, bs, ratio spread) {
	for range compareRounds {
		x, y := a(), b()
		as, bs, ratio = append(as, x), append(bs, y), append(ratio, x/y)
	}
	for _, s := range []spread{as, bs, ratio} {
		slices.Sort(s)
	}
	return as, bs, ratio
}

// roundTime is how long a round takes of what is too fast to time one by one: short, so that many rounds stay clear of
// what else the machine does.
const roundTime = 25 * time.Millisecond

// cost runs op on all CPUs at once for a round, and returns the nanoseconds that one call takes on one of them. The
// clock is read once for many calls, and i differs from call to call.
func cost(op func(worker int, i uint64)) float64 { return costBy(256, op) }

// costBy is cost for what takes so long that the clock must be read more often, once for a batch.
func costBy(batch int, op func(worker int, i uint64)) float64 {
	workers := runtime.GOMAXPROCS(0)
	var calls atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for w := range workers {
		wg.Go(func() {
			i := uint64(w) << 32
			for time.Since(began) < roundTime {
				for range batch {
					op(w, i)
					i++
				}
				calls.Add(int64(batch))
			}
		})
	}
	wg.Wait()
	return float64(time.Since(began).Nanoseconds()) * float64(workers) / float64(calls.Load())
}

// scatter spreads consecutive numbers over [0, n), so that neighbours in time are not neighbours in memory.
func scatter(i uint64, n int) int {
	return int((i * 0x9E3779B97F4A7C15 >> 32) * uint64(n) >> 32)
}

// seconds runs f and returns how long it took.
func seconds(f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return time.Since(began).Seconds(), err
}

// How often repeat repeats, and for how long.
const (
	repeats        = 11
	repeatPatience = 3 * time.Second
)

// repeat returns how long f took each time, in nanoseconds.
func repeat(f func() error) (spread, error) {
	var s spread
	for began := time.Now(); len(s) < repeats && (len(s) == 0 || time.Since(began) < repeatPatience); {
		took, err := seconds(f)
		if err != nil {
			return nil, err
		}
		s = append(s, took*1e9)
	}
	slices.Sort(s)
	return s, nil
}

// show writes a duration, given in nanoseconds, with three digits.
func show(ns float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= unit.size {
			return fmt.Sprintf("%.3g %s", ns/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.3g ns", ns)
}

// showSpread writes the median and, in brackets, the bounds of the lowest and the highest tenth.
func showSpread(s spread, show func(float64) string) string {
	if len(s) == 1 {
		return show(s[0])
	}
	return fmt.Sprintf("%s (%s to %s)", show(s.median()), show(s.quantile(0.1)), show(s.quantile(0.9)))
}

func showTimes(x float64) string { return fmt.Sprintf("%.3g ×", x) }

// showCount writes a round number shortly.
func showCount(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	default:
		return fmt.Sprint(n)
	}
}
