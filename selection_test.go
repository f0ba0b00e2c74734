package curfew_test

import (
	"context"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// TestEndAllFromWithinASession can't be turned against another session than one's own.
func TestEndAllFromWithinASession(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		mine, myToken := start(t, m, amara)
		other, otherToken := start(t, m, arslan)
		e := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: amara.ID, Session: mine.ID}}
		n, err := m.EndAll(t.Context(), curfew.Selection{All: true, Except: other.ID}, e)
		if n != 0 || curfew.ErrorCode(err) != curfew.CodeInvalid {
			t.Errorf("sparing another session: %d, %v; want CodeInvalid", n, err)
		}
		accepted(t, m, myToken, curfew.Passive)
		accepted(t, m, otherToken, curfew.Passive)
		n, err = m.EndAll(t.Context(), curfew.Selection{All: true, Except: mine.ID}, e)
		if n != 1 || err != nil {
			t.Errorf("sparing one's own: %d, %v; want 1", n, err)
		}
		accepted(t, m, myToken, curfew.Passive)
		refused(t, m, otherToken)
	})
}

// TestChangesOutliveTheirRequest makes changes for requests that are cancelled: what is asked for happens.
func TestChangesOutliveTheirRequest(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, token, err := m.Start(ctx, curfew.Start{User: amara, Lifetime: curfew.DefaultLifetime})
		if err != nil {
			t.Fatalf("Start: %v", err)
		}
		if err := m.SetLifetime(ctx, amara.ID, time.Hour); err != nil {
			t.Errorf("SetLifetime: %v", err)
		}
		equal(t, "lifetime", accepted(t, m, token, curfew.Passive).Lifetime, time.Hour)
		n, err := m.EndAll(ctx, curfew.Selection{User: amara.ID}, curfew.Ending{Reason: curfew.ReasonAccountDisabled})
		if n != 1 || err != nil {
			t.Errorf("EndAll = %d, %v; want 1", n, err)
		}
		refused(t, m, token)
	})
}
