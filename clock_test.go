package curfew

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// machine is a computer's two clocks: one that people set and that goes on in suspend, and one that only runs.
type machine struct {
	boot    time.Time
	running atomic.Int64 // nanoseconds
	wall    atomic.Int64 // how far the wall clock is ahead of the running one, in nanoseconds
}

func newMachine() *machine { return &machine{boot: time.Now()} }

func (m *machine) run(d time.Duration)     { m.running.Add(int64(d)) }
func (m *machine) setWall(d time.Duration) { m.wall.Add(int64(d)) }
func (m *machine) suspend(d time.Duration) { m.wall.Add(int64(d)) }

func (m *machine) read() time.Time {
	return moveWall(m.boot.Add(time.Duration(m.running.Load())), time.Duration(m.wall.Load()))
}

// moveWall moves the wall clock of a reading and leaves its monotonic clock, for which package time has no way. TestMoveWall
// notices if a time.Time is no longer made as this expects: its second word is the monotonic clock.
func moveWall(t time.Time, d time.Duration) time.Time {
	t = t.Add(d)
	*(*int64)(unsafe.Add(unsafe.Pointer(&t), 8)) -= int64(d)
	return t
}

func TestMoveWall(t *testing.T) {
	now := time.Now()
	moved := moveWall(now, -time.Hour)
	if d := moved.Sub(now); d != 0 {
		t.Errorf("the monotonic clock moved by %v", d)
	}
	if d := moved.Round(0).Sub(now.Round(0)); d != -time.Hour {
		t.Errorf("the wall clock moved by %v, want -1h", d)
	}
}

func TestClock(t *testing.T) {
	tests := []struct {
		name string
		do   func(*machine)
		want time.Duration
	}{
		{"runs", func(m *machine) { m.run(time.Hour) }, time.Hour},
		{"in milliseconds", func(m *machine) { m.run(1_999_999 * time.Nanosecond) }, time.Millisecond},
		{"set back 1 h", func(m *machine) { m.setWall(-time.Hour) }, 0},
		{"set back 1 h, runs", func(m *machine) { m.setWall(-time.Hour); m.run(time.Minute) }, time.Minute},
		{"set back 24 h, runs", func(m *machine) { m.setWall(-24 * time.Hour); m.run(time.Minute) }, time.Minute},
		{"set back, runs past it", func(m *machine) { m.setWall(-time.Hour); m.run(3 * time.Hour) }, 3 * time.Hour},
		{"set back and right again", func(m *machine) { m.setWall(-time.Hour); m.run(time.Minute); m.setWall(time.Hour) }, time.Minute},
		{"set forward", func(m *machine) { m.setWall(time.Hour); m.run(time.Minute) }, time.Hour + time.Minute},
		{"suspended 8 h", func(m *machine) { m.suspend(8 * time.Hour) }, 8 * time.Hour},
		{"suspended twice", func(m *machine) { m.suspend(8 * time.Hour); m.run(time.Hour); m.suspend(time.Hour) }, 10 * time.Hour},
		{"ten years ahead", func(m *machine) { m.setWall(87_600 * time.Hour) }, 87_600 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine()
			m.boot = m.boot.Add(-time.Duration(m.boot.Nanosecond())) // so that milliseconds are cut at the same place
			c := newClock(m.read, time.Time{})
			start := c.Now()
			tt.do(m)
			if got := c.Now().Sub(start); got != tt.want {
				t.Errorf("%v passed, want %v", got, tt.want)
			}
		})
	}
}

// TestClockReadBetween has the clock read at each step, as a busy server does.
func TestClockReadBetween(t *testing.T) {
	m := newMachine()
	c := newClock(m.read, time.Time{})
	last := c.Now()
	passes := func(want time.Duration) {
		t.Helper()
		now := c.Now()
		if got := now.Sub(last); got < want-time.Millisecond || got > want+time.Millisecond {
			t.Errorf("%v passed, want %v", got, want)
		}
		last = now
	}
	m.setWall(-24 * time.Hour)
	passes(0)
	for range 100 {
		m.run(time.Second)
		passes(time.Second)
	}
	m.setWall(24 * time.Hour)
	passes(0)
	m.suspend(8 * time.Hour)
	passes(8 * time.Hour)
	m.setWall(time.Hour)
	passes(time.Hour)
	m.setWall(-time.Hour)
	m.run(time.Second)
	passes(time.Second)
}

// TestClockWithoutMonotonic reads a wall clock alone: set back, time can only stand still until it has caught up.
func TestClockWithoutMonotonic(t *testing.T) {
	wall := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	c := newClock(func() time.Time { return wall }, time.Time{})
	start := c.Now()
	for _, step := range []struct{ set, want time.Duration }{{-time.Hour, 0}, {-time.Second, 0}, {time.Minute, time.Minute}} {
		wall = start.Add(step.set)
		if got := c.Now().Sub(start); got != step.want {
			t.Errorf("at %v: %v passed, want %v", step.set, got, step.want)
		}
	}
}

func TestClockFloor(t *testing.T) {
	m := newMachine()
	floor := m.read().Round(0).Add(time.Hour).Truncate(time.Millisecond)
	c := newClock(m.read, floor)
	if got := c.Now(); !got.Equal(floor) {
		t.Errorf("Now = %v, want the floor %v", got, floor)
	}
	if got := c.behind(); got < 59*time.Minute || got > time.Hour {
		t.Errorf("behind = %v, want 1h", got)
	}
	m.run(time.Minute)
	if got := c.Now(); !got.Equal(floor.Add(time.Minute)) {
		t.Errorf("Now = %v, want a minute after the floor", got)
	}
	past := newClock(m.read, floor.Add(-24*time.Hour))
	if got := past.behind(); got > time.Millisecond {
		t.Errorf("with a floor in the past the clock is %v ahead", got)
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	m := newMachine()
	c := newClock(m.read, time.Time{})
	var told atomic.Int64 // the latest time that anybody was told
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				least := told.Load()
				now := c.Now().UnixMilli()
				if now < least {
					t.Errorf("the clock went back by %d ms", least-now)
					return
				}
				for old := told.Load(); now > old && !told.CompareAndSwap(old, now); old = told.Load() {
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 2000 {
		m.run(time.Millisecond)
		m.setWall([]time.Duration{-time.Hour, time.Minute, 3 * time.Hour, -time.Second}[i%4])
	}
	close(stop)
	readers.Wait()
}
