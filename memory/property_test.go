package memory_test

import (
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/storetest"
)

func TestProperty(t *testing.T) {
	storetest.RunProperty(t, 1000, func(old curfew.Store, crash bool) (curfew.Store, error) {
		if old == nil {
			return memory.NewSessions(), nil
		}
		return old, nil // what is in it stands for what is on a disk
	})
}
