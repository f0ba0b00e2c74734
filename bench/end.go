package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
)

// What "terminate others" may take, in nanoseconds; for how long checks are timed while rows move; and how long the history may
// take before the measurement gives up.
const (
	endReturns   = 200e6
	endEffective = 50e6
	endMoving    = 30 * time.Second
	endPatience  = 10 * time.Minute
)

// terminate is what the button does from within the session own.
func terminate(own curfew.Session) (curfew.Selection, curfew.Ending) {
	by := curfew.Actor{User: own.User.ID, Name: own.User.Name, Session: own.ID}
	return curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated, By: by}
}

// endOthers is the child that ends all sessions but one, says how many, and goes on until it is killed.
func endOthers(ctx context.Context, s *site, index string) error {
	i, err := strconv.Atoi(index)
	if err != nil {
		return err
	}
	own, err := s.Check(ctx, s.tokens[i], curfew.Passive)
	if err != nil {
		return err
	}
	sel, ending := terminate(own)
	n, err := s.EndAll(ctx, sel, ending)
	if err != nil {
		return err
	}
	fmt.Println(n)
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent is gone
	return err
}

// measureEnd ends all sessions but one while others ask, and again with a crash in the middle.
func (b *bench) measureEnd() error {
	if err := b.measureEndOthers(); err != nil {
		return err
	}
	return b.measureEndCrash()
}

func (b *bench) measureEndOthers() error {
	s, err := b.newSite(b.sessions, 0)
	if err != nil {
		return err
	}
	started, seeded, err := s.loadTokens(b.ctx)
	if err != nil {
		return err
	}
	own, err := s.Check(b.ctx, started[0], curfew.Passive)
	if err != nil {
		return err
	}
	l, err := s.startLoad(b.ctx, slices.Concat(started[1:], seeded))
	if err != nil {
		return err
	}
	time.Sleep(quietTime)
	sel, ending := terminate(own)
	called := time.Now()
	n, err := s.EndAll(b.ctx, sel, ending)
	returned := time.Now()
	if err != nil {
		return err
	}
	b.all("others ended by one call", n, b.sessions+len(started)-1)
	b.within("terminate others: the call returns", endReturns, spread{float64(returned.Sub(called))})
	time.Sleep(time.Duration(endEffective))
	cold := sampleOf(2000, len(s.tokens))
	refused := s.countRefused(b.ctx, cold)
	time.Sleep(time.Until(called.Add(endMoving)))
	samples, err := l.end()
	if err != nil {
		return err
	}
	b.effective(samples, returned)
	b.all("terminate others: a sample of the others, refused", refused, len(cold))
	b.tail(fmt.Sprintf("while others are terminated, %s sessions", showCount(b.sessions)), round{samples, called, time.Now()}.windows(tailRounds))
	if _, err := s.Check(b.ctx, started[0], curfew.Active); err != nil {
		return fmt.Errorf("the session in use: %w", err)
	}
	return s.remove()
}

// effective adds the row about the last check that let an ended session pass.
func (b *bench) effective(samples []sample, returned time.Time) {
	last := time.Duration(0)
	for _, x := range samples {
		if x.ok {
			last = max(last, time.Duration(x.began-returned.UnixNano()))
		}
	}
	b.within("terminate others: the last check that still passed, after that", endEffective, spread{float64(last)})
}

// sampleOf returns some of n indexes, spread evenly.
func sampleOf(some, n int) []int {
	some = min(some, n)
	sample := make([]int, some)
	for i := range sample {
		sample[i] = i * n / some
	}
	return sample
}

func (s *site) countRefused(ctx context.Context, sample []int) int {
	refused := 0
	for _, i := range sample {
		if _, err := s.Check(ctx, s.tokens[i], curfew.Active); curfew.ErrorCode(err) == curfew.CodeEnded {
			refused++
		}
	}
	return refused
}

// awaitHistory waits until the history of the users in the sample, the last of all among them, has all ten sessions of each, and says who
// ended them. It returns when that was.
func (s *site) awaitHistory(ctx context.Context, sample []int, by curfew.SessionID) (time.Time, error) {
	deadline := time.Now().Add(endPatience)
	for _, i := range sample {
		user := userOf(i / 10).ID
		for {
			n, err := s.countTerminated(ctx, user, by)
			if err != nil {
				return time.Time{}, err
			}
			if n >= 10 {
				break
			}
			if time.Now().After(deadline) {
				return time.Time{}, fmt.Errorf("history incomplete after %v", endPatience)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return time.Now(), nil
}

// countTerminated counts the sessions of a user that were terminated from within the session by.
func (s *site) countTerminated(ctx context.Context, user curfew.UserID, by curfew.SessionID) (int, error) {
	page, err := s.History(ctx, curfew.HistoryQuery{User: user, Reason: curfew.ReasonTerminated})
	n := 0
	for _, e := range page.Ended {
		if e.Ending.By.Session == by {
			n++
		}
	}
	return n, err
}

// measureEndCrash kills the process right after it has ended all sessions but one, and looks at what is left.
func (b *bench) measureEndCrash() error {
	dir, err := b.copySeed(b.sessions)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const own = 0
	c, err := startChild("end-others", dir, strconv.Itoa(own))
	if err != nil {
		return err
	}
	if _, err := c.killAfter(20 * time.Millisecond); err != nil {
		return err
	}
	s, err := openSite(b.ctx, dir, 0)
	if err != nil {
		return err
	}
	restarted := time.Now()
	session, err := s.Check(b.ctx, s.tokens[own], curfew.Active)
	if err != nil {
		return fmt.Errorf("the session in use, after the crash: %w", err)
	}
	sample := sampleOf(20_000, len(s.tokens))[1:]
	b.all("terminate others, then kill -9: refused after the restart", s.countRefused(b.ctx, sample), len(sample))
	complete, err := s.awaitHistory(b.ctx, append(sampleOf(1000, len(s.tokens))[1:], len(s.tokens)-1), session.ID)
	if err != nil {
		return err
	}
	b.figure("terminate others, then kill -9: the history is complete after", show(float64(complete.Sub(restarted))))
	inHistory := 0
	for deadline := time.Now().Add(endPatience); inHistory < b.sessions-1 && time.Now().Before(deadline); {
		if inHistory, err = countHistory(b.ctx, s.db, session.ID); err != nil {
			return err
		}
	}
	b.all("terminate others, then kill -9: in the history, with who did it", inHistory, b.sessions-1)
	return s.remove()
}

// countHistory goes through the whole history and counts what was terminated from within the session.
func countHistory(ctx context.Context, db *sqlite.DB, by curfew.SessionID) (int, error) {
	n, q := 0, curfew.HistoryQuery{Limit: curfew.MaxPage}
	for {
		page, err := db.History(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, e := range page.Ended {
			if e.Ending.Reason == curfew.ReasonTerminated && e.Ending.By.Session == by {
				n++
			}
		}
		if page.Next == nil {
			return n, nil
		}
		q.Cursor = *page.Next
	}
}
