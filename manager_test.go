package curfew_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

var (
	amara  = curfew.User{ID: "id-amara", Name: "amara", FullName: "Amara Okafor"}
	arslan = curfew.User{ID: "id-arslan", Name: "arslan"}
)

// manage returns a manager over the store that is closed when the test ends.
func manage(t *testing.T, store curfew.Store, opt curfew.Options) *curfew.Manager {
	t.Helper()
	opt.Logger = slog.New(slog.DiscardHandler)
	m, err := curfew.New(t.Context(), store, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func start(t *testing.T, m *curfew.Manager, u curfew.User) (curfew.Session, curfew.Token) {
	t.Helper()
	s, token, err := m.Start(t.Context(), curfew.Start{
		User: u, Credential: curfew.CredentialPassword, Client: curfew.Client{Origin: "192.0.2.7", Device: "curl"},
		Lifetime: curfew.DefaultLifetime, Grace: curfew.DefaultGrace,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

func accepted(t *testing.T, m *curfew.Manager, token curfew.Token, act curfew.Activity) curfew.Session {
	t.Helper()
	s, err := m.Check(t.Context(), token, act)
	if err != nil {
		t.Fatalf("Check: %v, want a session", err)
	}
	return s
}

func refused(t *testing.T, m *curfew.Manager, token curfew.Token) curfew.Ended {
	t.Helper()
	_, err := m.Check(t.Context(), token, curfew.Active)
	var ended *curfew.EndedError
	if !errors.As(err, &ended) {
		t.Fatalf("Check: %v, want an EndedError", err)
	}
	return ended.Ended
}

// inBubble runs f in a bubble where time is free, with a manager that ends with it.
func inBubble(t *testing.T, opt curfew.Options, f func(t *testing.T, m *curfew.Manager)) {
	synctest.Test(t, func(t *testing.T) { f(t, manage(t, memory.NewSessions(), opt)) })
}

func TestClockOfASession(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		equal(t, "IdleAt", s.IdleAt(), s.CreatedAt.Add(300*time.Second))
		equal(t, "EndsAt", s.EndsAt(), s.CreatedAt.Add(330*time.Second))

		time.Sleep(300*time.Second - time.Millisecond)
		equal(t, "state before the lifetime", accepted(t, m, token, curfew.Passive).State(m.Now()), curfew.StateActive)
		time.Sleep(time.Millisecond)
		equal(t, "state at the lifetime", accepted(t, m, token, curfew.Passive).State(m.Now()), curfew.StateExpiring)

		time.Sleep(30*time.Second - time.Millisecond)
		accepted(t, m, token, curfew.Passive)
		time.Sleep(time.Millisecond)
		e := refused(t, m, token)
		equal(t, "ending", e.Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: s.EndsAt()})
	})
}

func TestActivityKeepsASessionAlive(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		_, token := start(t, m, amara)
		for range 7 * 24 * 60 {
			time.Sleep(time.Minute)
			accepted(t, m, token, curfew.Active)
		}
		last := m.Now()
		for range 32 { // polling does nothing
			time.Sleep(10 * time.Second)
			equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, last)
		}
		time.Sleep(10 * time.Second)
		refused(t, m, token)
	})
}

func TestActivityInTheLastMillisecond(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		_, token := start(t, m, amara)
		for range 100 {
			time.Sleep(330*time.Second - time.Millisecond)
			accepted(t, m, token, curfew.Active)
		}
		time.Sleep(330 * time.Second)
		refused(t, m, token)
	})
}

func TestAbsoluteLimit(t *testing.T) {
	inBubble(t, curfew.Options{Policy: curfew.Policy{MaxAge: time.Hour}}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		for range 59 {
			time.Sleep(time.Minute)
			accepted(t, m, token, curfew.Active)
		}
		time.Sleep(time.Minute - time.Millisecond)
		got, err := m.Extend(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "EndsAt", got.EndsAt(), s.CreatedAt.Add(time.Hour))
		time.Sleep(time.Millisecond)
		equal(t, "ending", refused(t, m, token).Ending, curfew.Ending{Reason: curfew.ReasonExpired, At: s.CreatedAt.Add(time.Hour)})
	})
}

func TestNoGrace(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		_, token, err := m.Start(t.Context(), curfew.Start{User: amara, Lifetime: curfew.MinLifetime})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30*time.Second - time.Millisecond)
		equal(t, "state", accepted(t, m, token, curfew.Passive).State(m.Now()), curfew.StateActive)
		time.Sleep(time.Millisecond)
		refused(t, m, token)
	})
}

func TestExtend(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		for range 10 { // WCAG 2.2.1: at least ten times
			time.Sleep(329 * time.Second)
			got, err := m.Extend(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "LastActive", got.LastActive, m.Now())
		}
		time.Sleep(330 * time.Second)
		refused(t, m, token)
		if _, err := m.Extend(t.Context(), s.ID); curfew.ErrorCode(err) != curfew.CodeEnded {
			t.Errorf("Extend after the end: %v", err)
		}
		refused(t, m, token)
	})
}

func TestAuthenticated(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		equal(t, "AuthenticatedAt at the start", s.AuthenticatedAt, s.CreatedAt)
		time.Sleep(200 * time.Second)
		accepted(t, m, token, curfew.Active)
		equal(t, "AuthenticatedAt after activity", accepted(t, m, token, curfew.Passive).AuthenticatedAt, s.CreatedAt)
		time.Sleep(200 * time.Second)
		got, err := m.Authenticated(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "AuthenticatedAt", got.AuthenticatedAt, m.Now())
		equal(t, "LastActive", got.LastActive, m.Now())
		equal(t, "AuthenticatedAt in the next check", accepted(t, m, token, curfew.Passive).AuthenticatedAt, m.Now())
		time.Sleep(330 * time.Second)
		if _, err := m.Authenticated(t.Context(), s.ID); curfew.ErrorCode(err) != curfew.CodeEnded {
			t.Errorf("Authenticated after the end: %v", err)
		}
	})
}

func TestSweeperMovesToHistory(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		time.Sleep(time.Hour)
		synctest.Wait()
		page, err := m.History(t.Context(), curfew.HistoryQuery{})
		if err != nil || len(page.Ended) != 1 {
			t.Fatalf("History = %+v, %v; want one", page, err)
		}
		equal(t, "ending", page.Ended[0].Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: s.EndsAt()})
		equal(t, "what the token is told", refused(t, m, token), page.Ended[0])
	})
}

func TestEnd(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		mine, myToken := start(t, m, amara)
		other, otherToken := start(t, m, arslan)
		by := curfew.Actor{User: amara.ID, Name: amara.Name, Session: mine.ID}
		terminate := curfew.Ending{Reason: curfew.ReasonTerminated, By: by}

		if _, err := m.End(t.Context(), mine.ID, terminate); !errors.Is(err, curfew.ErrOwnSession) {
			t.Errorf("ending one's own session: %v, want ErrOwnSession", err)
		}
		if _, err := m.End(t.Context(), "nobody", terminate); !errors.Is(err, curfew.ErrNoSession) {
			t.Errorf("ending no session: %v, want ErrNoSession", err)
		}
		accepted(t, m, myToken, curfew.Passive)
		accepted(t, m, otherToken, curfew.Passive)

		first, err := m.End(t.Context(), other.ID, terminate)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "By", first.Ending.By, by)
		equal(t, "what the token is told", refused(t, m, otherToken), first)
		time.Sleep(time.Second)
		again, err := m.End(t.Context(), other.ID, curfew.Ending{Reason: curfew.ReasonSignedOut})
		if err != nil || again != first {
			t.Errorf("ending again = %+v, %v; want the first answer", again, err)
		}
		if _, err := m.End(t.Context(), mine.ID, curfew.Ending{Reason: curfew.ReasonSignedOut, By: by}); err != nil {
			t.Errorf("signing out: %v", err)
		}
		refused(t, m, myToken)
	})
}

func TestEndAllOthers(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		mine, myToken := start(t, m, amara)
		_, mySecond := start(t, m, amara)
		_, other := start(t, m, arslan)
		by := curfew.Actor{User: amara.ID, Name: amara.Name, Session: mine.ID}
		n, err := m.EndAll(t.Context(), curfew.Selection{User: amara.ID}, curfew.Ending{Reason: curfew.ReasonTerminated, By: by})
		if err != nil || n != 1 {
			t.Fatalf("ending one's others = %d, %v; want 1", n, err)
		}
		refused(t, m, mySecond)
		accepted(t, m, myToken, curfew.Passive)
		accepted(t, m, other, curfew.Passive)
		n, err = m.EndAll(t.Context(), curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated, By: by})
		if err != nil || n != 1 {
			t.Fatalf("ending all others = %d, %v; want 1", n, err)
		}
		refused(t, m, other)
		accepted(t, m, myToken, curfew.Passive)
		if n, err := m.EndAll(t.Context(), curfew.Selection{}, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil || n != 0 {
			t.Errorf("the empty selection ended %d, %v", n, err)
		}
	})
}

func TestSetLifetime(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		_, token := start(t, m, amara)
		_, other := start(t, m, arslan)
		time.Sleep(100 * time.Second)
		if err := m.SetLifetime(t.Context(), amara.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		equal(t, "lifetime", accepted(t, m, token, curfew.Passive).Lifetime, time.Hour)
		equal(t, "another's lifetime", accepted(t, m, other, curfew.Passive).Lifetime, curfew.DefaultLifetime)
		// It holds for the idle time already passed: 100 s are more than 30 s and a grace of 30 s.
		if err := m.SetLifetime(t.Context(), amara.ID, curfew.MinLifetime); err != nil {
			t.Fatal(err)
		}
		refused(t, m, token)
		for _, d := range []time.Duration{0, -1, 29 * time.Second, 30*time.Second + 1, curfew.MaxLifetime + time.Second} {
			if err := m.SetLifetime(t.Context(), arslan.ID, d); curfew.ErrorCode(err) != curfew.CodeInvalid {
				t.Errorf("SetLifetime(%v): %v, want CodeInvalid", d, err)
			}
		}
		equal(t, "another's lifetime", accepted(t, m, other, curfew.Passive).Lifetime, curfew.DefaultLifetime)
	})
}

func TestSetLifetimeRevivesNobody(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		time.Sleep(s.EndsAt().Sub(m.Now())) // to the millisecond, so that no sweeper has come by
		if err := m.SetLifetime(t.Context(), amara.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		equal(t, "ending", refused(t, m, token).Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: s.EndsAt()})
	})
}

func TestMaxSessions(t *testing.T) {
	inBubble(t, curfew.Options{Policy: curfew.Policy{MaxSessions: 2}}, func(t *testing.T, m *curfew.Manager) {
		_, first := start(t, m, amara)
		time.Sleep(time.Second)
		_, second := start(t, m, amara)
		time.Sleep(time.Second)
		_, third := start(t, m, amara)
		equal(t, "reason", refused(t, m, first).Ending.Reason, curfew.ReasonReplaced)
		accepted(t, m, second, curfew.Passive)
		accepted(t, m, third, curfew.Passive)
	})
	inBubble(t, curfew.Options{Policy: curfew.Policy{MaxSessions: 1, AtMax: curfew.RefuseNew}}, func(t *testing.T, m *curfew.Manager) {
		_, first := start(t, m, amara)
		_, _, err := m.Start(t.Context(), curfew.Start{User: amara, Lifetime: curfew.DefaultLifetime})
		equal(t, "code", curfew.ErrorCode(err), curfew.CodeConflict)
		accepted(t, m, first, curfew.Passive)
	})
}

func TestUnknownToken(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		if _, err := m.Check(t.Context(), curfew.NewToken(), curfew.Active); !errors.Is(err, curfew.ErrNoSession) {
			t.Errorf("Check: %v, want ErrNoSession", err)
		}
		if n, err := m.Count(t.Context(), curfew.Query{}); err != nil || n.Sessions != 0 {
			t.Errorf("a stranger's token was adopted: %+v, %v", n, err)
		}
	})
}

func TestWatch(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		ctx, cancel := context.WithCancel(t.Context())
		events := m.Watch(ctx)
		s, token := start(t, m, amara)
		equal(t, "event", <-events, curfew.Event{Kind: curfew.EventStarted, Session: s.ID, User: amara.ID})
		time.Sleep(310 * time.Second)
		accepted(t, m, token, curfew.Active)
		equal(t, "event of a revival", (<-events).Kind, curfew.EventChanged)
		if _, err := m.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
			t.Fatal(err)
		}
		equal(t, "event", <-events, curfew.Event{Kind: curfew.EventEnded, Session: s.ID, User: amara.ID})

		for range 200 { // faster than anybody reads
			start(t, m, arslan)
		}
		merged := 0
		for len(events) > 0 {
			if e := <-events; e.Session == "" && e.User == "" {
				merged++
			}
		}
		if merged == 0 {
			t.Error("lost events were not told")
		}
		cancel()
		for range events { // until it is closed
		}
	})
}

// counting counts the writes that reach a store.
type counting struct {
	curfew.Store
	touches atomic.Int64
}

func (c *counting) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	c.touches.Add(int64(len(touches)))
	return c.Store.Touch(ctx, now, touches)
}

func TestActivityIsWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		for range 1000 {
			time.Sleep(100 * time.Millisecond)
			accepted(t, m, token, curfew.Active)
		}
		// 100 s of activity, at most one write every 300 s / 20 = 15 s.
		if n := store.touches.Load(); n < 5 || n > 7 {
			t.Errorf("%d writes, want about 100 s / 15 s", n)
		}
	})
}

func TestCrashLosesOnlyAWriteInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.NewSessions()
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		var last time.Time
		for range 1000 {
			time.Sleep(700 * time.Millisecond)
			last = accepted(t, m, token, curfew.Active).LastActive
		}
		// A second manager sees what a restart after a crash would.
		restarted := manage(t, store, curfew.Options{})
		s := accepted(t, restarted, token, curfew.Passive)
		if s.LastActive.After(last) {
			t.Errorf("the crash made the session %v longer", s.LastActive.Sub(last))
		}
		if lost := last.Sub(s.LastActive); lost > 17*time.Second {
			t.Errorf("the crash cost %v, want at most the write interval of 15 s, a round, and the time between two checks", lost)
		}
	})
}

// TestCrashAfterAPause has activity after a long pause, of which a crash must not take the whole pause away.
func TestCrashAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.NewSessions()
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		time.Sleep(250 * time.Second)
		want := accepted(t, m, token, curfew.Active).LastActive
		time.Sleep(1100 * time.Millisecond) // one round
		synctest.Wait()
		equal(t, "LastActive after the crash", accepted(t, manage(t, store, curfew.Options{}), token, curfew.Passive).LastActive, want)
	})
}

func TestCloseWritesActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.NewSessions()
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		time.Sleep(10 * time.Second)
		want := accepted(t, m, token, curfew.Active)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, "after a restart", accepted(t, manage(t, store, curfew.Options{}), token, curfew.Passive), want)
	})
}

// TestSmallCache has a hundred sessions share a cache that is too small for them, with activity that must not get lost.
func TestSmallCache(t *testing.T) {
	inBubble(t, curfew.Options{CacheSize: 1}, func(t *testing.T, m *curfew.Manager) {
		var tokens []curfew.Token
		for range 300 {
			_, token := start(t, m, amara)
			tokens = append(tokens, token)
		}
		for range 20 {
			time.Sleep(100 * time.Second)
			for _, token := range tokens {
				accepted(t, m, token, curfew.Active)
			}
		}
		time.Sleep(330*time.Second - time.Millisecond)
		for _, token := range tokens {
			accepted(t, m, token, curfew.Passive)
		}
		time.Sleep(time.Millisecond)
		for _, token := range tokens {
			refused(t, m, token)
		}
	})
}

// broken is a store that fails while it is told to.
type broken struct {
	curfew.Store
	fail atomic.Bool
}

var errDisk = errors.New("disk on fire")

func (b *broken) err() error {
	if b.fail.Load() {
		return errDisk
	}
	return nil
}

func (b *broken) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	if err := b.err(); err != nil {
		return curfew.Record{}, err
	}
	return b.Store.Find(ctx, hash, id)
}

func (b *broken) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Store.Touch(ctx, now, touches)
}

func (b *broken) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if err := b.err(); err != nil {
		return 0, nil, err
	}
	return b.Store.End(ctx, now, sel, e)
}

func (b *broken) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Store.Insert(ctx, now, r, most, refuse)
}

func TestNoStoreNoAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &broken{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		s, token := start(t, m, amara)
		cold := manage(t, store, curfew.Options{})
		store.fail.Store(true)

		code := func(what string, err error) {
			t.Helper()
			equal(t, what, curfew.ErrorCode(err), curfew.CodeUnavailable)
		}
		_, err := cold.Check(t.Context(), token, curfew.Active)
		code("Check of what nobody knows", err)
		_, _, err = m.Start(t.Context(), curfew.Start{User: amara, Lifetime: curfew.DefaultLifetime})
		code("Start", err)
		_, err = m.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated})
		code("End", err)
		_, err = m.Extend(t.Context(), s.ID)
		code("Extend", err)

		store.fail.Store(false)
		accepted(t, cold, token, curfew.Passive)
		accepted(t, m, token, curfew.Passive)
	})
}

// hanging is a store that gives no answer.
type hanging struct{ curfew.Store }

func (hanging) Find(ctx context.Context, _ *curfew.TokenHash, _ curfew.SessionID) (curfew.Record, error) {
	<-ctx.Done()
	return curfew.Record{}, ctx.Err()
}

// TestStoreHangs has a check end within a second when the store does not answer.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.NewSessions()
		_, token := start(t, manage(t, store, curfew.Options{}), amara)
		m := manage(t, hanging{store}, curfew.Options{})
		asked := time.Now()
		_, err := m.Check(t.Context(), token, curfew.Active)
		equal(t, "code", curfew.ErrorCode(err), curfew.CodeUnavailable)
		equal(t, "time", time.Since(asked), time.Second)
	})
}

// TestFullDisk has sessions go on while nothing can be written, until their time as the store knows it.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &broken{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		store.fail.Store(true)
		for range 32 {
			time.Sleep(10 * time.Second)
			accepted(t, m, token, curfew.Active)
		}
		store.fail.Store(false)
		time.Sleep(5 * time.Second)
		accepted(t, m, token, curfew.Active)
		time.Sleep(300 * time.Second)
		accepted(t, m, token, curfew.Passive)
	})
}

func TestClockSetBack(t *testing.T) {
	var shift atomic.Int64
	synctest.Test(t, func(t *testing.T) {
		wall := func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) }
		store := memory.NewSessions()
		m := manage(t, store, curfew.Options{Now: wall})
		s, token := start(t, m, amara)
		time.Sleep(200 * time.Second)
		before := m.Now()
		shift.Store(-int64(24 * time.Hour))
		if m.Now().Before(before) {
			t.Error("the manager's time went back")
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = manage(t, store, curfew.Options{Now: wall}) // over a restart too
		if m.Now().Before(before) {
			t.Error("the manager's time went back over a restart")
		}
		equal(t, "EndsAt", accepted(t, m, token, curfew.Passive).EndsAt(), s.EndsAt())
		shift.Store(0)
		time.Sleep(130 * time.Second)
		refused(t, m, token)
	})
}

// TestEndRacesCheck ends sessions under a load of checks: none that begins after End has returned may succeed, and
// no check may write an ended session back.
func TestEndRacesCheck(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{CacheSize: 64})
	for range 200 {
		s, token := start(t, m, amara)
		var ended atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					after := ended.Load()
					_, err := m.Check(context.Background(), token, curfew.Active)
					if after && err == nil {
						t.Error("a check that began after the end succeeded")
					}
				}
			})
		}
		if _, err := m.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
			t.Fatal(err)
		}
		ended.Store(true)
		wg.Wait()
		refused(t, m, token)
	}
}

var (
	others    = flag.Int("others", 200, "how many sessions TestNobodyGetsAnothersSession checks at once, ten of each user")
	othersFor = flag.Duration("others.for", 0, "for how long at least")
)

// TestNobodyGetsAnothersSession checks many users' tokens at once, with a cache too small for all.
func TestNobodyGetsAnothersSession(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{CacheSize: 128})
	type own struct {
		user  curfew.User
		token curfew.Token
	}
	var all []own // before anybody checks: behind thousands who find no room in the cache a sign-in waits until it is refused
	for i := range max(*others/10, 1) {
		u := curfew.User{ID: curfew.UserID(fmt.Sprint("id", i)), Name: fmt.Sprint("user", i)}
		for range 10 {
			_, token := start(t, m, u)
			all = append(all, own{u, token})
		}
	}
	var wg sync.WaitGroup
	for _, o := range all {
		wg.Go(func() {
			for ended := time.Now().Add(*othersFor); ; {
				checkOwn(t, m, o.user, o.token)
				if time.Now().After(ended) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// checkOwn checks a session often, the second half of the times for somebody who has left.
func checkOwn(t *testing.T, m *curfew.Manager, u curfew.User, token curfew.Token) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for j := range 100 {
		if j == 50 {
			cancel()
		}
		s, err := m.Check(ctx, token, curfew.Activity(j%3 == 0))
		if err == nil && s.User != u {
			t.Errorf("%s got the session of %s", u.Name, s.User.Name)
		}
	}
}

func TestListShowsUnwrittenActivity(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		first, token := start(t, m, amara)
		time.Sleep(time.Second)
		second, _ := start(t, m, arslan)
		time.Sleep(time.Second)
		accepted(t, m, token, curfew.Active)
		page, err := m.List(t.Context(), curfew.Query{Desc: true})
		if err != nil || len(page.Records) != 2 {
			t.Fatalf("List = %+v, %v", page, err)
		}
		equal(t, "first", page.Records[0].Session.ID, first.ID)
		equal(t, "its LastActive", page.Records[0].Session.LastActive, m.Now())
		equal(t, "second", page.Records[1].Session.ID, second.ID)
	})
}

func TestBadPolicy(t *testing.T) {
	for _, p := range []curfew.Policy{{MaxAge: time.Second}, {MaxSessions: -1}, {AtMax: "shrug"}, {Keep: -1}} {
		if _, err := curfew.New(t.Context(), memory.NewSessions(), curfew.Options{Policy: p}); curfew.ErrorCode(err) != curfew.CodeInvalid {
			t.Errorf("New(%+v): %v, want CodeInvalid", p, err)
		}
	}
}

func TestNewWithoutAStore(t *testing.T) {
	_, err := curfew.New(t.Context(), nil, curfew.Options{})
	if e, ok := errors.AsType[*curfew.Error](err); !ok || e.Code != curfew.CodeInvalid || e.Field != "store" {
		t.Errorf("New: %v, want CodeInvalid about the store", err)
	}
}

// TestListInAnOrderThatIsNone has a slip in an order say so, instead of passing for another order.
func TestListInAnOrderThatIsNone(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{})
	_, err := m.List(t.Context(), curfew.Query{Sort: "colour"})
	if e, ok := errors.AsType[*curfew.Error](err); !ok || e.Code != curfew.CodeInvalid || e.Field != "sort" {
		t.Errorf("List: %v, want CodeInvalid about the order", err)
	}
	for _, sort := range append([]curfew.Sort{""}, curfew.Sorts...) {
		if _, err := m.List(t.Context(), curfew.Query{Sort: sort}); err != nil {
			t.Errorf("List in order %q: %v", sort, err)
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
