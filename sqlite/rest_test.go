package sqlite

import (
	"testing"
	"time"
)

// TestRest rests between the parts of long work, for as long as it has gone on up to a millisecond, unless another job waits.
func TestRest(t *testing.T) {
	awaited := true
	began := time.Now().Add(-time.Hour)
	tx := &tx{rested: began, isAwaited: func() bool { return awaited }}
	if tx.rest(); tx.rested != began {
		t.Error("it rests while another job waits")
	}
	awaited = false
	before := time.Now()
	if tx.rest(); tx.rested.Sub(before) < time.Millisecond {
		t.Errorf("after an hour's work it rests for %v", tx.rested.Sub(before))
	}
	rested := tx.rested.Add(time.Hour) // work has hardly begun
	tx.rested = rested
	if tx.rest(); tx.rested != rested {
		t.Error("it rests before it has worked")
	}
}
