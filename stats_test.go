package curfew_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := curfew.New(t.Context(), memory.NewSessions(), curfew.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var tokens []curfew.Token
		for range 3 {
			_, token, err := m.Start(t.Context(), curfew.Start{User: curfew.User{ID: "amara", Name: "amara"}, Lifetime: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		time.Sleep(10 * time.Second)
		want := func(when string, want curfew.Stats) {
			t.Helper()
			synctest.Wait()
			if got := m.Stats(); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		want("at rest", curfew.Stats{Cached: 3})
		for _, token := range tokens[:2] {
			if _, err := m.Check(t.Context(), token, curfew.Active); err != nil {
				t.Fatal(err)
			}
		}
		want("after activity", curfew.Stats{Cached: 3, Unwritten: 2})
		time.Sleep(2 * time.Second)
		want("in the queue", curfew.Stats{Cached: 3, Unwritten: 2})
		time.Sleep(2 * time.Minute)
		want("when it is written", curfew.Stats{Cached: 3})
	})
}
