package curfew

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// hashOf makes one of many hashes, of which some are alike in what a table looks at.
func hashOf(n int) (h TokenHash) {
	binary.BigEndian.PutUint64(h[:], uint64(n%7)<<20) // the places to look at
	binary.BigEndian.PutUint64(h[16:], uint64(n))
	return h
}

func entryOf(n int) *entry { return &entry{hash: hashOf(n)} }

// TestTable does the same to a table and to a map.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table table
	table.rebuild(0)
	want := map[int]*entry{}
	for range 20_000 {
		n := random.IntN(200)
		switch e := want[n]; {
		case random.IntN(2000) == 0:
			table.clear()
			clear(want)
		case e == nil:
			want[n] = entryOf(n)
			table.put(want[n])
		default:
			table.remove(e)
			delete(want, n)
		}
		n = random.IntN(200)
		h := hashOf(n)
		if got := table.find(&h); got != want[n] {
			t.Fatalf("find(%d) = %v, want %v", n, got, want[n])
		}
		if table.len != len(want) {
			t.Fatalf("len is %d, want %d", table.len, len(want))
		}
	}
	for e := range table.all {
		n := int(binary.BigEndian.Uint64(e.hash[16:]))
		if want[n] != e {
			t.Errorf("all has %d, which was removed", n)
		}
		delete(want, n)
	}
	if len(want) > 0 {
		t.Errorf("all leaves out %d entries", len(want))
	}
}

// TestTableIsReadWithoutLock looks up entries that stay, that never were, and that go, while others come and go.
func TestTableIsReadWithoutLock(t *testing.T) {
	var table table
	table.rebuild(0)
	var stay []*entry
	for n := range 50 {
		stay = append(stay, entryOf(n))
		table.put(stay[n])
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				n := rand.IntN(150)
				h := hashOf(n)
				e := table.find(&h)
				switch {
				case n < 50 && e != stay[n]:
					t.Errorf("find(%d) = %v, which stays", n, e)
					return
				case n >= 100 && e != nil:
					t.Errorf("find(%d) found somebody else's entry", n)
					return
				case e != nil && e.hash != h:
					t.Errorf("find(%d) found the entry of %x", n, e.hash)
					return
				}
			}
		})
	}
	there := map[int]*entry{}
	for range 10_000 {
		n := 50 + rand.IntN(50)
		if e := there[n]; e != nil {
			table.remove(e)
			delete(there, n)
		} else {
			there[n] = entryOf(n)
			table.put(there[n])
		}
	}
	stop.Store(true)
	readers.Wait()
}
