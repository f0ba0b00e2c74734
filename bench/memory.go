package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// What a session in the cache may take, in bytes, and a check of one that isn't there, in nanoseconds.
const (
	sessionBytes = 450
	coldLimit    = 100e3
)

// measureMemory reads all sessions into the cache, and then more than a small cache holds.
func (b *bench) measureMemory() error {
	s, err := b.newSite(b.sessions, roomFor(b.sessions))
	if err != nil {
		return err
	}
	cold, err := b.coldChecks(s)
	if err != nil {
		return err
	}
	b.within(fmt.Sprintf("cold Check, %s sessions", showCount(b.sessions)), coldLimit, cold)
	per, err := b.heapGrowth(s, len(s.tokens))
	if err != nil {
		return err
	}
	per /= float64(len(s.tokens) - len(cold))
	b.add(fmt.Sprintf("heap a cached session, %s cached", showCount(b.sessions)), fmt.Sprintf("≤ %d bytes", sessionBytes),
		fmt.Sprintf("%.0f bytes", per), per <= sessionBytes)
	if err := s.close(); err != nil {
		return err
	}
	return b.measureBound(s.dir)
}

// coldChecks times checks of sessions that are not in memory, one after the other.
func (b *bench) coldChecks(s *site) (spread, error) {
	var took spread
	for _, i := range sampleOf(min(2000, b.sessions/2), len(s.tokens))[1:] { // the first is warm from opening
		d, err := seconds(func() error {
			_, err := s.Check(b.ctx, s.tokens[i], curfew.Active)
			return err
		})
		if err != nil {
			return nil, err
		}
		took = append(took, d*1e9)
	}
	slices.Sort(took)
	return took, nil
}

// heapGrowth returns by how many bytes the heap is larger after checking the first n sessions.
func (b *bench) heapGrowth(s *site, n int) (float64, error) {
	before := heap()
	err := each(runtime.GOMAXPROCS(0), n, func(i int) error {
		_, err := s.Check(b.ctx, s.tokens[i], curfew.Passive)
		return err
	})
	return float64(heap()) - float64(before), err
}

// heap is what is in use after everything that can go has gone.
func heap() uint64 {
	for range 3 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond) // finalizers
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// measureBound checks ten times as many sessions as the cache may hold.
func (b *bench) measureBound(dir string) error {
	size := b.sessions / 100
	s, err := openSite(b.ctx, dir, size)
	if err != nil {
		return err
	}
	grown, err := b.heapGrowth(s, 10*size)
	if err != nil {
		return err
	}
	most := float64(size * sessionBytes)
	b.add(fmt.Sprintf("heap of a cache bounded to %s, %s checked", showCount(size), showCount(10*size)),
		fmt.Sprintf("≤ %.3g MB", most/1e6), fmt.Sprintf("%.3g MB", grown/1e6), grown <= most)
	return s.remove()
}
