package curfew_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// These tests are about activity that was acknowledged and is not yet in the store: nothing but a crash may lose it, and
// it may bring nobody back.

// TestLongerLifetimeRevivesNobody gives a longer lifetime to a session that is over but not yet put away.
func TestLongerLifetimeRevivesNobody(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		time.Sleep(500 * time.Millisecond) // the sweeper comes by at whole seconds
		s, token := start(t, m, amara)
		time.Sleep(330*time.Second + time.Millisecond)
		if err := m.SetLifetime(t.Context(), amara.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		equal(t, "ending", refused(t, m, token).Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: s.EndsAt()})
		time.Sleep(10 * time.Second)
		equal(t, "ending", refused(t, m, token).Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: s.EndsAt()})
	})
}

// TestSuspendLosesNoActivity suspends the machine until after the end that the store knows. What comes first afterwards,
// before the sweeper, is a request.
func TestSuspendLosesNoActivity(t *testing.T) {
	for name, first := range map[string]func(*testing.T, *curfew.Manager, curfew.Session, curfew.Token){
		"active check": func(t *testing.T, m *curfew.Manager, _ curfew.Session, token curfew.Token) {
			accepted(t, m, token, curfew.Active)
		},
		"passive check": func(t *testing.T, m *curfew.Manager, _ curfew.Session, token curfew.Token) {
			accepted(t, m, token, curfew.Passive)
		},
		"extension": func(t *testing.T, m *curfew.Manager, s curfew.Session, _ curfew.Token) {
			if _, err := m.Extend(t.Context(), s.ID); err != nil {
				t.Errorf("Extend: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asleep atomic.Int64
				wall := func() time.Time { return time.Now().Round(0).Add(time.Duration(asleep.Load())) }
				m := manage(t, memory.NewSessions(), curfew.Options{Now: wall})
				s, token := start(t, m, amara)
				time.Sleep(200*time.Second + time.Millisecond)
				accepted(t, m, token, curfew.Active)
				asleep.Store(int64(200 * time.Second))
				first(t, m, s, token)
				time.Sleep(20 * time.Second)
				accepted(t, m, token, curfew.Passive)
			})
		})
	}
}

// TestSuspendHidesNobody asks about the same session, and ends it: it must be found, and end as it was told to.
func TestSuspendHidesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		wall := func() time.Time { return time.Now().Round(0).Add(time.Duration(asleep.Load())) }
		for name, f := range map[string]func(*curfew.Manager) int{
			"Count": func(m *curfew.Manager) int {
				n, _ := m.Count(t.Context(), curfew.Query{})
				return n.Sessions
			},
			"List": func(m *curfew.Manager) int {
				page, _ := m.List(t.Context(), curfew.Query{})
				return len(page.Records)
			},
			"EndAll": func(m *curfew.Manager) int {
				n, _ := m.EndAll(t.Context(), curfew.Selection{User: amara.ID}, curfew.Ending{Reason: curfew.ReasonTerminated})
				return n
			},
			"Start at the cap": func(m *curfew.Manager) int {
				start(t, m, amara)
				page, _ := m.History(t.Context(), curfew.HistoryQuery{Reason: curfew.ReasonReplaced})
				return len(page.Ended)
			},
		} {
			asleep.Store(0)
			m := manage(t, memory.NewSessions(), curfew.Options{Now: wall, Policy: curfew.Policy{MaxSessions: 1}})
			_, token := start(t, m, amara)
			time.Sleep(200*time.Second + time.Millisecond)
			accepted(t, m, token, curfew.Active)
			asleep.Store(int64(200 * time.Second))
			equal(t, name, f(m), 1)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLateActivityIsWrittenFirst has activity so close to the end which the store knows that another node's sweeper, or a
// restart, could overtake it: it is in the store before the check returns. Two write intervals and 2 s are close.
func TestLateActivityIsWrittenFirst(t *testing.T) {
	for _, before := range []time.Duration{time.Millisecond, time.Second, 20 * time.Second, 32 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := memory.NewSessions()
			m := manage(t, store, curfew.Options{})
			s, token := start(t, m, amara)
			time.Sleep(330*time.Second - before)
			accepted(t, m, token, curfew.Active)
			r, err := store.Find(t.Context(), nil, s.ID)
			if err != nil || !r.Session.LastActive.Equal(m.Now()) {
				t.Errorf("%v before the end the store has LastActive %v, %v; want %v", before, r.Session.LastActive, err, m.Now())
			}
		})
	}
}

// TestLateReport has activity told some time after it happened: the counter starts when it happened.
func TestLateReport(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		s, token := start(t, m, amara)
		report := func(what string, ago, want time.Duration) {
			t.Helper()
			got, err := m.CheckLate(t.Context(), token, ago)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			equal(t, what, got.LastActive.Sub(s.CreatedAt), want)
			equal(t, what+", later", accepted(t, m, token, curfew.Passive).LastActive.Sub(s.CreatedAt), want)
		}
		time.Sleep(100 * time.Second)
		report("a report 5 s late", 5*time.Second, 95*time.Second)
		report("an older one", 6*time.Second, 95*time.Second)
		report("one from before the session", 1000*time.Hour, 95*time.Second)
		report("one from the future", -time.Hour, 100*time.Second)
		time.Sleep(330*time.Second - time.Millisecond)
		report("one at the last moment, which is written first", 5*time.Second, 424*time.Second+999*time.Millisecond)
		time.Sleep(325*time.Second + time.Millisecond)
		var ended *curfew.EndedError
		if _, err := m.CheckLate(t.Context(), token, time.Minute); !errors.As(err, &ended) {
			t.Errorf("one that comes after the end, of what happened before: %v, want an EndedError", err)
		}
	})
}

// slow is a store that takes its time to write activity.
type slow struct {
	curfew.Store
	takes atomic.Int64
}

func (s *slow) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	time.Sleep(time.Duration(s.takes.Load()))
	return s.Store.Touch(ctx, now, touches)
}

// TestSlowWritesEndNobody has the sweeper write one session's activity so slowly that meanwhile the end of another
// passes, as the store knows it.
func TestSlowWritesEndNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		st := curfew.Start{User: amara, Lifetime: curfew.MinLifetime, Grace: curfew.DefaultGrace}
		_, token, err := m.Start(t.Context(), st) // ends at 60 s
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		_, other, err := m.Start(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3200 * time.Millisecond)
		accepted(t, m, other, curfew.Active) // is written from 55 s on
		time.Sleep(1650 * time.Millisecond)
		accepted(t, m, token, curfew.Active) // at 54.85 s: is not yet to be written at 55 s
		store.takes.Store(int64(8 * time.Second))
		time.Sleep(time.Minute - time.Millisecond)
		accepted(t, m, token, curfew.Passive)
		time.Sleep(time.Millisecond)
		refused(t, m, token)
	})
}

// TestActivityDuringWrite has a session be active while its earlier activity is being written: both must get there.
func TestActivityDuringWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		s, token := start(t, m, amara)
		time.Sleep(1500 * time.Millisecond)
		accepted(t, m, token, curfew.Active)
		store.takes.Store(int64(5 * time.Second))
		time.Sleep(16 * time.Second) // the write of 17 s goes on
		want := accepted(t, m, token, curfew.Active).LastActive
		time.Sleep(5 * time.Second)
		store.takes.Store(0)
		time.Sleep(20 * time.Second)
		r, err := store.Find(t.Context(), nil, s.ID)
		if err != nil || !r.Session.LastActive.Equal(want) {
			t.Errorf("the store has LastActive %v, %v; want %v", r.Session.LastActive, err, want)
		}
	})
}

// held is a store that lets a write of activity return only when it is told to.
type held struct {
	curfew.Store
	arrived, release chan struct{}
	once             sync.Once
}

func (h *held) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	live, err := h.Store.Touch(ctx, now, touches)
	if len(touches) > 0 {
		h.once.Do(func() {
			close(h.arrived)
			<-h.release
		})
	}
	return live, err
}

// TestShorterLifetimeOvertakesActivity has a lifetime cut while activity of the last millisecond is on its way back from the
// store: the session must not go on by the old one.
func TestShorterLifetimeOvertakesActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &held{Store: memory.NewSessions(), arrived: make(chan struct{}), release: make(chan struct{})}
		m := manage(t, store, curfew.Options{})
		s, token, err := m.Start(t.Context(), curfew.Start{User: amara, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(s.EndsAt().Sub(m.Now()) - time.Millisecond)
		checked := make(chan error)
		go func() {
			_, err := m.Check(context.Background(), token, curfew.Active)
			checked <- err
		}()
		<-store.arrived
		time.Sleep(2 * time.Millisecond)
		if err := m.SetLifetime(t.Context(), amara.ID, curfew.MinLifetime); err != nil {
			t.Fatal(err)
		}
		close(store.release)
		if err := <-checked; err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		refused(t, m, token)
	})
}

// full is a store on a full disk.
type full struct {
	curfew.Store
	full atomic.Bool
}

var errFull = &curfew.Error{Code: curfew.CodeUnavailable, Message: "the disk is full"}

func (f *full) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	if f.full.Load() {
		return nil, errFull
	}
	return f.Store.Touch(ctx, now, touches)
}

func (f *full) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if f.full.Load() && !sel.Due { // the sweeper may still find a corner
		return 0, nil, errFull
	}
	return f.Store.End(ctx, now, sel, e)
}

// TestFullDiskLosesNoActivity has a session go on by the activity in memory, past the end that the store knows.
func TestFullDiskLosesNoActivity(t *testing.T) {
	for name, fails := range map[string]func(*curfew.Manager) error{
		"nothing else": func(*curfew.Manager) error { return errFull },
		"ending it": func(m *curfew.Manager) error {
			_, err := m.EndAll(context.Background(), curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated})
			return err
		},
		"a change": func(m *curfew.Manager) error { return m.SetLifetime(context.Background(), amara.ID, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &full{Store: memory.NewSessions()}
				m := manage(t, store, curfew.Options{})
				_, token := start(t, m, amara)
				time.Sleep(290*time.Second + time.Millisecond)
				want := accepted(t, m, token, curfew.Active)
				store.full.Store(true)
				if err := fails(m); curfew.ErrorCode(err) != curfew.CodeUnavailable {
					t.Fatalf("on a full disk: %v, want CodeUnavailable", err)
				}
				time.Sleep(100 * time.Second)
				equal(t, "on a full disk", accepted(t, m, token, curfew.Passive), want)
				equal(t, "activity that can't be written", accepted(t, m, token, curfew.Active), want)
				store.full.Store(false)
				accepted(t, m, token, curfew.Active)
				time.Sleep(330*time.Second - time.Millisecond)
				accepted(t, m, token, curfew.Passive)
				time.Sleep(time.Millisecond)
				refused(t, m, token)
			})
		})
	}
}

// stuck is a store that does not answer to touches while it is stuck.
type stuck struct {
	curfew.Store
	now atomic.Bool
}

func (s *stuck) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	if s.now.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Touch(ctx, now, touches)
}

// TestStuckStore has activity wait for a store that does not answer. Who then wants a change need not wait for ever, and when the store answers again
// the activity is written.
func TestStuckStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		s, token := start(t, m, amara)
		time.Sleep(time.Minute)
		store.now.Store(true)
		accepted(t, m, token, curfew.Active)
		active := time.Now()
		time.Sleep(20 * time.Second) // the sweeper tries
		began := time.Now()
		if err := m.SetLifetime(context.Background(), amara.ID, time.Hour); curfew.ErrorCode(err) != curfew.CodeUnavailable {
			t.Errorf("a change while the store is stuck: %v, want unavailable", err)
		}
		if waited := time.Since(began); waited > 30*time.Second {
			t.Errorf("the change waited %v", waited)
		}
		store.now.Store(false)
		time.Sleep(20 * time.Second)
		r, err := store.Find(t.Context(), nil, s.ID)
		if err != nil || !r.Session.LastActive.Equal(active) {
			t.Errorf("the store has %+v, %v; want activity at %v", r.Session, err, active)
		}
	})
}
