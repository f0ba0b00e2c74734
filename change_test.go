package curfew_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// These tests are about changes of many sessions that race with each other, with activity, and with sign-ins: store and
// memory must not part ways.

// around is a store with something to happen before and after its next change of each kind.
type around struct {
	curfew.Store
	update, touch, end atomic.Pointer[aroundCall]
}

type aroundCall struct{ before, after func() }

// run makes a call, and what is around it if it is the next one.
func run(next *atomic.Pointer[aroundCall], call func()) {
	around := next.Swap(nil)
	if around != nil && around.before != nil {
		around.before()
	}
	call()
	if around != nil && around.after != nil {
		around.after()
	}
}

func (s *around) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) (err error) {
	run(&s.update, func() { err = s.Store.Update(ctx, now, user, c) })
	return err
}

func (s *around) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) (live []bool, err error) {
	run(&s.touch, func() { live, err = s.Store.Touch(ctx, now, touches) })
	return live, err
}

func (s *around) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (n int, ended []curfew.Key, err error) {
	if sel.Due {
		return s.Store.End(ctx, now, sel, e)
	}
	run(&s.end, func() { n, ended, err = s.Store.End(ctx, now, sel, e) })
	return n, ended, err
}

// endsAfter checks that the session, without further activity, ends when it should, to the millisecond.
func endsAfter(t *testing.T, m *curfew.Manager, token curfew.Token, d time.Duration) {
	t.Helper()
	time.Sleep(d - time.Millisecond)
	accepted(t, m, token, curfew.Passive)
	time.Sleep(time.Millisecond)
	refused(t, m, token)
}

// TestTwoLifetimesAtOnce has a second change of the lifetime come between a first one's arrival in the store and in memory.
func TestTwoLifetimesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &around{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		s, token := start(t, m, amara)
		var second sync.WaitGroup
		store.update.Store(&aroundCall{after: func() {
			second.Go(func() {
				if err := m.SetLifetime(t.Context(), amara.ID, time.Hour); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // until it is done, or waits for the first
		}})
		if err := m.SetLifetime(t.Context(), amara.ID, time.Minute); err != nil {
			t.Fatal(err)
		}
		second.Wait()
		r, err := store.Find(t.Context(), nil, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "lifetime in memory", accepted(t, m, token, curfew.Passive).Lifetime, r.Session.Lifetime)
		equal(t, "lifetime", r.Session.Lifetime, time.Hour)
	})
}

// TestActivityMeetsShorterLifetime has a person active while their lifetime is cut below what they have been idle for. What
// is acknowledged counts: the session goes on from then.
func TestActivityMeetsShorterLifetime(t *testing.T) {
	t.Run("just before the change is made", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &around{Store: memory.NewSessions()}
			m := manage(t, store, curfew.Options{})
			_, token := start(t, m, amara)
			time.Sleep(200*time.Second + time.Millisecond)
			store.update.Store(&aroundCall{before: func() { accepted(t, m, token, curfew.Active) }})
			if err := m.SetLifetime(t.Context(), amara.ID, curfew.MinLifetime); err != nil {
				t.Fatal(err)
			}
			endsAfter(t, m, token, 60*time.Second)
		})
	})
	t.Run("in a session that is not in memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &around{Store: memory.NewSessions()}
			_, token := start(t, manage(t, store, curfew.Options{}), amara)
			time.Sleep(200*time.Second + time.Millisecond)
			m := manage(t, store, curfew.Options{})
			synctest.Wait()
			store.update.Store(&aroundCall{before: func() { accepted(t, m, token, curfew.Active) }})
			if err := m.SetLifetime(t.Context(), amara.ID, curfew.MinLifetime); err != nil {
				t.Fatal(err)
			}
			endsAfter(t, m, token, 60*time.Second)
		})
	})
	t.Run("while it is being written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &around{Store: memory.NewSessions()}
			m := manage(t, store, curfew.Options{})
			_, token := start(t, m, amara)
			time.Sleep(200*time.Second + time.Millisecond)
			accepted(t, m, token, curfew.Active)
			writing, written, changed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			store.touch.Store(&aroundCall{before: func() { close(writing); <-written }})
			<-writing // the sweeper, within a second
			go func() { changed <- m.SetLifetime(t.Context(), amara.ID, curfew.MinLifetime) }()
			synctest.Wait()
			close(written)
			if err := <-changed; err != nil {
				t.Fatal(err)
			}
			endsAfter(t, m, token, accepted(t, m, token, curfew.Passive).EndsAt().Sub(m.Now()))
		})
	})
}

// TestStartWhileEverybodyEnds has somebody sign in and be active while all others have ended in the store and not yet in
// memory: that activity counts.
func TestStartWhileEverybodyEnds(t *testing.T) {
	store := &around{Store: memory.NewSessions()}
	m := manage(t, store, curfew.Options{})
	_, before := start(t, m, amara)
	var token curfew.Token
	var want time.Time
	started := make(chan struct{})
	store.end.Store(&aroundCall{after: func() {
		go func() {
			defer close(started)
			_, token = start(t, m, amara)
			time.Sleep(5 * time.Millisecond) // so that the activity is later than the start
			want = accepted(t, m, token, curfew.Active).LastActive
		}()
		select { // a sign-in may be done by now, or wait
		case <-started:
		case <-time.After(100 * time.Millisecond):
		}
	}})
	if _, err := m.EndAll(t.Context(), curfew.Selection{All: true}, anEnding); err != nil {
		t.Fatal(err)
	}
	<-started
	equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, want)
	refused(t, m, before)
}

// uncertain is a store whose answers get lost: what it was told to do it has done.
type uncertain struct {
	curfew.Store
	lost atomic.Bool
}

var errLost = &curfew.Error{Code: curfew.CodeUnavailable, Message: "the answer was lost"}

func (u *uncertain) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	replaced, err := u.Store.Insert(ctx, now, r, most, refuse)
	if u.lost.Load() {
		return nil, errLost
	}
	return replaced, err
}

func (u *uncertain) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) error {
	err := u.Store.Update(ctx, now, user, c)
	if u.lost.Load() {
		return errLost
	}
	return err
}

// TestLostAnswers has changes happen whose callers are told that nobody knows: the store's word holds from then on.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &uncertain{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{Policy: curfew.Policy{MaxSessions: 1}})
		_, token := start(t, m, amara)
		store.lost.Store(true)
		if err := m.SetLifetime(t.Context(), amara.ID, time.Minute); curfew.ErrorCode(err) != curfew.CodeUnavailable {
			t.Fatalf("SetLifetime: %v, want CodeUnavailable", err)
		}
		equal(t, "lifetime", accepted(t, m, token, curfew.Passive).Lifetime, time.Minute)
		_, _, err := m.Start(t.Context(), curfew.Start{User: amara, Lifetime: time.Minute})
		if curfew.ErrorCode(err) != curfew.CodeUnavailable {
			t.Fatalf("Start: %v, want CodeUnavailable", err)
		}
		equal(t, "reason", refused(t, m, token).Ending.Reason, curfew.ReasonReplaced)
	})
}

// busy is a store during whose writes of activity something else happens.
type busy struct {
	curfew.Store
	touches   atomic.Int64
	meanwhile func()
}

func (b *busy) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	if len(touches) == 0 {
		return b.Store.Touch(ctx, now, touches)
	}
	b.touches.Add(1)
	b.meanwhile()
	return b.Store.Touch(ctx, now, touches)
}

// TestLateActivityWithoutEnd has somebody tell all the time of activity of a while ago, so that by its own time each is to be
// written at once: nobody else may have to wait for the end of that.
func TestLateActivityWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &busy{Store: memory.NewSessions(), meanwhile: func() {}}
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		time.Sleep(100*time.Second + time.Millisecond)
		tell := func() {
			if _, err := m.CheckLate(t.Context(), token, 90*time.Second); err != nil {
				t.Error(err)
			}
		}
		store.meanwhile = func() {
			if store.touches.Load() < 1000 { // or it would never end
				time.Sleep(time.Millisecond)
				tell()
			}
		}
		tell()
		time.Sleep(2 * time.Second) // two rounds
		if n := store.touches.Load(); n > 3 {
			t.Errorf("the activity of one session was written %d times in 2 s", n)
		}
	})
}
