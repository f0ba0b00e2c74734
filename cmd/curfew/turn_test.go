package main

import (
	"strings"
	"sync"
	"testing"
)

// atOnce is how many tests may keep the processors busy at once: more than there are processors, for each also waits.
const atOnce = 4

// turns are what tests take, by their names. Go's own limit is not for them: it counts those too that only wait for a session to go
// idle, and begins with some of these when all else is done.
var turns = struct {
	sync.Mutex
	changed *sync.Cond
	taken   map[string]bool
	early   int // how many tests wait that go first
}{taken: map[string]bool{}}

func init() { turns.changed = sync.NewCond(&turns) }

// inTurn has a test run beside others, when its turn comes.
func inTurn(t *testing.T) {
	t.Helper()
	t.Parallel()
	takeTurn(t, false)
}

// early is inTurn for tests that take long: they go first.
func early(t *testing.T) {
	t.Helper()
	t.Parallel()
	takeTurn(t, true)
}

// takeTurn waits for a turn that lasts until the test rests. A test gives its own to its parts, for it waits for them.
func takeTurn(t testing.TB, first bool) {
	t.Cleanup(func() { rest(t) })
	turns.Lock()
	defer turns.Unlock()
	for name := range turns.taken {
		if strings.HasPrefix(t.Name(), name+"/") {
			delete(turns.taken, name)
		}
	}
	if first {
		turns.early++
	}
	for len(turns.taken) >= atOnce || !first && turns.early > 0 {
		turns.changed.Wait()
	}
	if first {
		turns.early--
	}
	turns.taken[t.Name()] = true
	turns.changed.Broadcast()
}

// rest ends the turn of a test, if it has one: it is over, or waits for time to pass.
func rest(t testing.TB) {
	turns.Lock()
	defer turns.Unlock()
	delete(turns.taken, t.Name())
	turns.changed.Broadcast()
}
