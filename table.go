package curfew

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
)

// table finds entries by their hashes. Many may look something up while one, who holds the lock of the shard, changes it:
// they see it as it was or as it is. It must be rebuilt before it is used. Since a hash is random, a part of it is the place where to look first; what does not
// find its place free goes into the next one that is.
type table struct {
	slots atomic.Pointer[[]slot] // their number is a power of two, and some are free
	used  int                    // slots that are not free, among them those of entries that were removed
	len   int                    // entries
}

// slot is a place in a table. Its tag is 0 while it is free, and stays after its entry is removed if others may have gone
// further because of it. A tag alone proves nothing: whoever looks for an entry compares its whole hash.
type slot struct {
	tag   atomic.Uint64
	entry atomic.Pointer[entry]
}

const minSlots = 8

func tagOf(h *TokenHash) uint64 { return binary.LittleEndian.Uint64(h[1:]) | 1 }

// find returns the entry with the hash, or nil. It needs no lock.
func (t *table) find(h *TokenHash) *entry {
	tag, slots := tagOf(h), *t.slots.Load()
	for i := tag >> 1; ; i++ {
		s := &slots[i&uint64(len(slots)-1)]
		switch s.tag.Load() {
		case tag:
			if e := s.entry.Load(); e != nil && e.hash == *h {
				return e
			}
		case 0:
			return nil
		}
	}
}

// put adds an entry whose hash is not in the table.
func (t *table) put(e *entry) {
	if slots := *t.slots.Load(); 4*(t.used+1) > 3*len(slots) {
		t.rebuild(t.len + 1)
	}
	t.insert(*t.slots.Load(), e)
}

func (t *table) insert(slots []slot, e *entry) {
	tag := tagOf(&e.hash)
	i := tag >> 1
	for slots[i&uint64(len(slots)-1)].tag.Load() != 0 {
		i++
	}
	s := &slots[i&uint64(len(slots)-1)]
	s.entry.Store(e) // before the tag, by which it is found
	s.tag.Store(tag)
	t.used++
	t.len++
}

// remove takes the entry out, which must be in the table.
func (t *table) remove(e *entry) {
	slots := *t.slots.Load()
	i := tagOf(&e.hash) >> 1
	for slots[i&uint64(len(slots)-1)].entry.Load() != e {
		i++
	}
	s, next := &slots[i&uint64(len(slots)-1)], &slots[(i+1)&uint64(len(slots)-1)]
	s.entry.Store(nil)
	t.len--
	if next.tag.Load() == 0 { // nothing has gone further
		s.tag.Store(0)
		t.used--
	}
}

// rebuild has room for n entries, and none for those that were removed.
func (t *table) rebuild(n int) {
	size := minSlots
	for size < 2*n {
		size *= 2
	}
	old := t.slots.Load()
	slots := make([]slot, size)
	t.used, t.len = 0, 0
	if old != nil {
		for i := range *old {
			if e := (*old)[i].entry.Load(); e != nil {
				t.insert(slots, e)
			}
		}
	}
	t.slots.Store(&slots)
}

// clear takes all entries out at once.
func (t *table) clear() {
	slots := make([]slot, minSlots)
	t.used, t.len = 0, 0
	t.slots.Store(&slots)
}

// all goes through the entries, from a random place. Entries may be removed meanwhile.
func (t *table) all(yield func(*entry) bool) {
	slots := *t.slots.Load()
	start := rand.IntN(len(slots))
	for i := range slots {
		e := slots[(start+i)&(len(slots)-1)].entry.Load()
		if e != nil && !yield(e) {
			return
		}
	}
}
