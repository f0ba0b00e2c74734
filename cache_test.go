package curfew_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// anEnding is an ending like any other.
var anEnding = curfew.Ending{Reason: curfew.ReasonTerminated}

// meanwhile is a store whose next look-up takes long enough for something else to happen before its answer arrives.
type meanwhile struct {
	curfew.Store
	next atomic.Pointer[func()]
}

func (s *meanwhile) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	r, err := s.Store.Find(ctx, hash, id)
	if f := s.next.Swap(nil); f != nil {
		(*f)()
	}
	return r, err
}

// TestChangeDuringLookUp changes a session after a check has read it from the store and before the check keeps it in
// memory: the next check must see the change.
func TestChangeDuringLookUp(t *testing.T) {
	tests := []struct {
		name   string
		change func(*curfew.Manager, curfew.Session, curfew.Token) error
		see    func(*testing.T, *curfew.Manager, curfew.Token)
	}{
		{"end", func(m *curfew.Manager, s curfew.Session, _ curfew.Token) error {
			_, err := m.End(context.Background(), s.ID, anEnding)
			return err
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) { refused(t, m, token) }},
		{"end of all", func(m *curfew.Manager, _ curfew.Session, _ curfew.Token) error {
			_, err := m.EndAll(context.Background(), curfew.Selection{All: true}, anEnding)
			return err
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) { refused(t, m, token) }},
		{"replacement", func(m *curfew.Manager, s curfew.Session, _ curfew.Token) error {
			_, _, err := m.Start(context.Background(), curfew.Start{User: s.User, Lifetime: curfew.DefaultLifetime})
			return err
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) { refused(t, m, token) }},
		{"lifetime", func(m *curfew.Manager, s curfew.Session, _ curfew.Token) error {
			return m.SetLifetime(context.Background(), s.User.ID, time.Hour)
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) {
			equal(t, "lifetime", accepted(t, m, token, curfew.Passive).Lifetime, time.Hour)
		}},
		{"late activity", func(m *curfew.Manager, _ curfew.Session, token curfew.Token) error {
			_, err := m.Check(context.Background(), token, curfew.Active)
			return err
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) {
			equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, m.Now())
		}},
		{"extension", func(m *curfew.Manager, s curfew.Session, _ curfew.Token) error {
			_, err := m.Extend(context.Background(), s.ID)
			return err
		}, func(t *testing.T, m *curfew.Manager, token curfew.Token) {
			equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, m.Now())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &meanwhile{Store: memory.NewSessions()}
				policy := curfew.Policy{MaxSessions: 1}
				s, token := start(t, manage(t, store, curfew.Options{Policy: policy}), amara)
				time.Sleep(310 * time.Second)
				m := manage(t, store, curfew.Options{Policy: policy}) // knows nothing yet
				synctest.Wait()
				change := func() {
					if err := tt.change(m, s, token); err != nil {
						t.Errorf("the change: %v", err)
					}
				}
				store.next.Store(&change)
				m.Check(t.Context(), token, curfew.Passive) // either answer is right
				tt.see(t, m, token)
				time.Sleep(10 * time.Second)
				if tt.name != "late activity" && tt.name != "extension" {
					tt.see(t, m, token)
				}
			})
		})
	}
}

// TestEndElsewhereDuringLookUp has another node end the session during a look-up, and another request learn of it.
func TestEndElsewhereDuringLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meanwhile{Store: memory.NewSessions()}
		s, token := start(t, manage(t, store, curfew.Options{}), amara)
		time.Sleep(310 * time.Second)
		m := manage(t, store, curfew.Options{})
		synctest.Wait()
		elsewhere := func() {
			accepted(t, m, token, curfew.Passive)
			if _, _, err := store.End(t.Context(), m.Now(), curfew.Selection{IDs: []curfew.SessionID{s.ID}}, anEnding); err != nil {
				t.Error(err)
			}
			refused(t, m, token)
		}
		store.next.Store(&elsewhere)
		m.Check(t.Context(), token, curfew.Passive) // either answer is right
		_, err := m.Check(t.Context(), token, curfew.Passive)
		equal(t, "code", curfew.ErrorCode(err), curfew.CodeEnded)
	})
}

// TestEvictionLosesNoActivity has a cache for one session a shard: what has activity to write must not make room.
func TestEvictionLosesNoActivity(t *testing.T) {
	inBubble(t, curfew.Options{CacheSize: 1}, func(t *testing.T, m *curfew.Manager) {
		var tokens []curfew.Token
		for range 200 {
			_, token := start(t, m, amara)
			tokens = append(tokens, token)
		}
		time.Sleep(100 * time.Second)
		for _, token := range tokens {
			accepted(t, m, token, curfew.Active)
		}
		for _, token := range tokens {
			equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, m.Now())
		}
	})
}

// TestEndedElsewhere ends a session in the store without the manager's knowledge, as another node would. The manager
// learns of it when it writes the session's next activity, and must not go on.
func TestEndedElsewhere(t *testing.T) {
	for name, at := range map[string]time.Duration{"activity that waits": 100 * time.Second, "activity that is written first": 320 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.NewSessions()
				m := manage(t, store, curfew.Options{})
				s, token := start(t, m, amara)
				time.Sleep(at)
				if n, _, err := store.End(t.Context(), m.Now(), curfew.Selection{IDs: []curfew.SessionID{s.ID}}, anEnding); n != 1 || err != nil {
					t.Fatalf("End = %d, %v", n, err)
				}
				m.Check(t.Context(), token, curfew.Active)
				if at == 100*time.Second {
					time.Sleep(17 * time.Second) // a write interval and a round
				}
				_, err := m.Check(t.Context(), token, curfew.Passive)
				equal(t, "code", curfew.ErrorCode(err), curfew.CodeEnded)
			})
		})
	}
}

// TestWriteDuringLookUp has the activity of a session written, and the session make room for another, while a check that
// read it before is on its way.
func TestWriteDuringLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meanwhile{Store: memory.NewSessions()}
		m := manage(t, store, curfew.Options{})
		_, token := start(t, m, amara)
		_, other := start(t, m, amara)
		for other.Hash()[0] != token.Hash()[0] { // they share a shard
			_, other = start(t, m, amara)
		}
		time.Sleep(100 * time.Second)
		m = manage(t, store, curfew.Options{CacheSize: 1})
		synctest.Wait()
		busy := func() {
			accepted(t, m, token, curfew.Active)
			accepted(t, m, other, curfew.Passive)
		}
		store.next.Store(&busy)
		accepted(t, m, token, curfew.Passive)
		equal(t, "LastActive", accepted(t, m, token, curfew.Passive).LastActive, m.Now())
	})
}
