package curfew

import (
	"sync/atomic"
	"time"
)

// clock tells a time that never goes back. It follows the wall clock forwards, so suspended time counts, and when
// the wall clock is set back it goes on at its own pace, so nobody's session gets longer.
type clock struct {
	read func() time.Time // with or without a monotonic reading
	base atomic.Pointer[clockBase]
	high atomic.Int64 // the latest time told, in Unix milliseconds
}

// clockBase ties a reading to the time that was told for it, in Unix nanoseconds.
type clockBase struct {
	reading time.Time
	told    int64
}

// newClock returns a clock that tells no time before floor.
func newClock(read func() time.Time, floor time.Time) *clock {
	c := &clock{read: read}
	r := read()
	told := later(r.Round(0), floor).UnixNano()
	c.base.Store(&clockBase{r, told})
	c.high.Store(told / int64(time.Millisecond))
	return c
}

// Now returns the time in whole milliseconds, UTC.
func (c *clock) Now() time.Time { return fromMilli(c.milli()) }

// milli is Now in Unix milliseconds.
func (c *clock) milli() int64 {
	r, b := c.read(), c.base.Load()
	told := b.told + max(0, int64(r.Sub(b.reading)))
	if wall := r.UnixNano(); wall-told > int64(time.Millisecond) {
		c.base.CompareAndSwap(b, &clockBase{r, wall})
		told = wall
	}
	return c.raise(told / int64(time.Millisecond))
}

// raise makes t the latest time told, unless a later one was, and returns the latest.
func (c *clock) raise(t int64) int64 {
	for {
		high := c.high.Load()
		if t <= high {
			return high
		}
		if c.high.CompareAndSwap(high, t) {
			return t
		}
	}
}

// behind is how far the wall clock is behind the time told.
func (c *clock) behind() time.Duration { return c.Now().Sub(c.read().Round(0)) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
