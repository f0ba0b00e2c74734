package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// counting is a store that counts what is written because of activity.
type counting struct {
	*memory.Sessions
	mu      sync.Mutex
	batches int
	rows    map[curfew.SessionID]int
}

func (c *counting) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	c.mu.Lock()
	if len(touches) > 0 {
		c.batches++
	}
	for _, t := range touches {
		c.rows[t.ID]++
	}
	c.mu.Unlock()
	return c.Sessions.Touch(ctx, now, touches)
}

// counted returns how many rows were written, the most of one session, and in how many batches.
func (c *counting) counted() (rows, most, batches int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.rows {
		rows, most = rows+n, max(most, n)
	}
	return rows, most, c.batches
}

// has reports whether activity of the session was written.
func (c *counting) has(id curfew.SessionID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows[id] > 0
}

// The shortest lifetime there is and, of it, the twentieth in which each session may be written once.
const (
	busyLifetime = curfew.MinLifetime
	busyInterval = busyLifetime / 20
	busyTime     = 15 * time.Second
	busySessions = 1000
)

// busy is a manager over a counting store, with sessions that nobody warns before they end.
type busy struct {
	*curfew.Manager
	store    *counting
	clock    *clock
	sessions []curfew.Session
	tokens   []curfew.Token
}

func (b *bench) newBusy() (*busy, error) {
	s := &busy{store: &counting{Sessions: memory.NewSessions(), rows: map[curfew.SessionID]int{}}, clock: newClock()}
	var err error
	if s.Manager, err = curfew.New(b.ctx, s.store, curfew.Options{Now: s.clock.Now}); err != nil {
		return nil, err
	}
	for i := range busySessions {
		start := startOf(i)
		start.Lifetime, start.Grace = busyLifetime, 0
		session, token, err := s.Start(b.ctx, start)
		if err != nil {
			return nil, err
		}
		s.sessions, s.tokens = append(s.sessions, session), append(s.tokens, token)
	}
	return s, nil
}

// measureActivity counts writes of sessions that are always active, and looks that none comes late near the end.
func (b *bench) measureActivity() error {
	s, err := b.newBusy()
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < busyTime; time.Sleep(100 * time.Millisecond) {
		if err := s.touchAll(b.ctx); err != nil {
			return err
		}
	}
	allowed := int(busyTime/busyInterval) + 1
	rows, most, batches := s.store.counted()
	b.add(fmt.Sprintf("row writes of a session, active for %v, lifetime %v", busyTime, busyLifetime), fmt.Sprintf("≤ %d", allowed),
		fmt.Sprintf("%d at most, of about 150 activities; %d sessions in a batch", most, rows/max(1, batches)), most <= allowed)
	if err := s.Close(); err != nil {
		return err
	}
	return b.measureLateActivity()
}

func (s *busy) touchAll(ctx context.Context) error {
	for _, t := range s.tokens {
		if _, err := s.Check(ctx, t, curfew.Active); err != nil {
			return err
		}
	}
	return nil
}

// measureLateActivity lets all sessions be active once, shortly before their end.
func (b *bench) measureLateActivity() error {
	s, err := b.newBusy()
	if err != nil {
		return err
	}
	s.clock.jumpTo(slices.MinFunc(s.sessions, byEnd).EndsAt().Add(-2 * time.Second))
	written := 0
	for i, t := range s.tokens {
		if _, err := s.Check(b.ctx, t, curfew.Active); err != nil {
			return err
		}
		if s.store.has(s.sessions[i].ID) {
			written++
		}
	}
	b.all("activity near the deadline, written before the answer", written, len(s.tokens))
	return s.Close()
}

func byEnd(a, b curfew.Session) int { return a.EndsAt().Compare(b.EndsAt()) }
