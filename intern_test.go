package curfew

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestInternGivesAllTheSame(t *testing.T) {
	in := newIntern(10)
	var wg sync.WaitGroup
	var got [8]*fewWords
	for i := range got {
		wg.Go(func() { got[i] = in.one(fewWords{"pw", strings.Repeat("ab", 3)}) })
	}
	wg.Wait()
	for i, w := range got {
		if *w != (fewWords{"pw", "ababab"}) || w != got[0] {
			t.Errorf("caller %d has words of its own: %v", i, *w)
		}
	}
}

func TestInternIsBounded(t *testing.T) {
	const most = 10
	in := newIntern(most)
	for i := range 3 * most {
		want := fewWords{"pw", fmt.Sprint("device ", i)}
		if w := in.one(want); *w != want {
			t.Errorf("got %v, want %v", *w, want)
		}
		if n := len(in.kept); n > most {
			t.Fatalf("%d words are kept, want no more than %d", n, most)
		}
	}
}
