package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	turns.changed.Broadcast() // of what it gave others may make use sooner than the part
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

// TestTurns has all turns given to parts that wait for one that goes first. It is not parallel: others take none meanwhile.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range atOnce {
			takeTurn(taker{t, fmt.Sprint(n)}, false)
		}
		goes := taker{t, "early"}
		go takeTurn(goes, true)
		synctest.Wait()
		for n := range atOnce {
			go takeTurn(taker{t, fmt.Sprint(n, "/part")}, false)
		}
		synctest.Wait()
		if !turns.taken["early"] || len(turns.taken) != atOnce {
			t.Errorf("turns have %v", turns.taken)
		}
		rest(goes)
		synctest.Wait()
		if len(turns.taken) != atOnce {
			t.Errorf("then %v", turns.taken)
		}
	})
}

type taker struct {
	*testing.T
	name string
}

func (n taker) Name() string { return n.name }
