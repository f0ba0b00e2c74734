package curfew_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestHistoryIsForgotten(t *testing.T) {
	inBubble(t, curfew.Options{Policy: curfew.Policy{Keep: 5 * time.Hour}}, func(t *testing.T, m *curfew.Manager) {
		start(t, m, amara) // ends after 330 s
		kept := func(want int) {
			t.Helper()
			page, err := m.History(t.Context(), curfew.HistoryQuery{})
			if err != nil || len(page.Ended) != want {
				t.Errorf("%d entries, %v; want %d", len(page.Ended), err, want)
			}
		}
		time.Sleep(5 * time.Hour)
		kept(1)
		time.Sleep(2 * time.Hour) // it is looked for every hour
		kept(0)
	})
}
