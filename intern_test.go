package curfew

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestInternGivesAllTheSame(t *testing.T) {
	in := newIntern(10)
	var wg sync.WaitGroup
	var got [8]string
	for i := range got {
		wg.Go(func() { got[i] = in.one(strings.Repeat("ab", 3)) })
	}
	wg.Wait()
	for i, s := range got {
		if s != "ababab" || unsafe.StringData(s) != unsafe.StringData(got[0]) {
			t.Errorf("caller %d has a string of its own: %q", i, s)
		}
	}
}

func TestInternIsBounded(t *testing.T) {
	const most = 10
	in := newIntern(most)
	for i := range 3 * most {
		want := fmt.Sprint("string ", i)
		if s := in.one(want); s != want {
			t.Errorf("got %q, want %q", s, want)
		}
		if n := len(in.kept); n > most {
			t.Fatalf("%d strings are kept, want no more than %d", n, most)
		}
	}
}
