package main

import (
	"runtime"
	"testing"
)

// TestBallast has more garbage come together before it is collected, as long as there is ballast.
func TestBallast(t *testing.T) {
	next := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NextGC
	}
	before := next()
	drop := takeBallast()
	with := next()
	drop()
	if after := next(); with < before+ballastSize || after > with-ballastSize {
		t.Errorf("collected at %d bytes without ballast, at %d with it and at %d without it again", before, with, after)
	}
}
