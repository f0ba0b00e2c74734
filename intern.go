package curfew

import (
	"strings"
	"sync"
)

// intern keeps strings that many sessions have, each once, and no more than so many. Package unique would do for that, but
// whoever asks it for a string while garbage is collected may have to wait until all is marked.
type intern struct {
	mu   sync.RWMutex
	kept map[string]string
	most int
}

func newIntern(most int) *intern { return &intern{kept: map[string]string{}, most: most} }

// one returns the string as all others get it who ask for it too.
func (in *intern) one(s string) string {
	if kept, ok := in.find(s); ok {
		return kept
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if kept, ok := in.kept[s]; ok {
		return kept
	}
	if len(in.kept) >= in.most {
		clear(in.kept)
	}
	s = strings.Clone(s) // not what it may be a part of
	in.kept[s] = s
	return s
}

func (in *intern) find(s string) (kept string, ok bool) {
	in.mu.RLock()
	defer in.mu.RUnlock()
	kept, ok = in.kept[s]
	return kept, ok
}
