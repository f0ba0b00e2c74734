package memory_test

import (
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/storetest"
)

func TestSessions(t *testing.T) {
	storetest.Run(t, func(*testing.T) curfew.Store { return memory.NewSessions() })
}
