package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/storetest"
)

func TestAccounts(t *testing.T) {
	storetest.RunAccounts(t, func(*testing.T) account.Store { return memory.NewAccounts() })
}

// A flood of keys, each over after a second, must not pile up.
func TestLimitsAreDeleted(t *testing.T) {
	s := memory.NewAccounts()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 100_000 {
		now = now.Add(time.Millisecond)
		keys := []string{fmt.Sprint("name/", i), fmt.Sprint("source/", i)}
		err := s.Limit(t.Context(), now, keys, func([]time.Time) ([]time.Time, error) {
			return []time.Time{now.Add(time.Second), now.Add(time.Second)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, most := memory.LimitCount(s), 4000; n > most {
		t.Errorf("%d values are kept of 2000 that are not over, want at most %d", n, most)
	}
}

func TestAudit(t *testing.T) {
	storetest.RunAudit(t, func(*testing.T) storetest.AuditedStore { return memory.NewAccounts() })
}
