package curfew

import (
	"strings"
	"sync"
)

// intern keeps words that many sessions have, each once, and no more than so many. Package unique would do for that, but
// whoever asks it for something while garbage is collected may have to wait until all is marked.
type intern struct {
	mu   sync.RWMutex
	kept map[fewWords]*fewWords
	most int
}

func newIntern(most int) *intern { return &intern{kept: map[fewWords]*fewWords{}, most: most} }

// one returns the words as all others get them who ask for them too.
func (in *intern) one(w fewWords) *fewWords {
	if kept := in.find(w); kept != nil {
		return kept
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if kept := in.kept[w]; kept != nil {
		return kept
	}
	if len(in.kept) >= in.most {
		clear(in.kept)
	}
	w = fewWords{Credential(strings.Clone(string(w.credential))), strings.Clone(w.device)} // not what they may be a part of
	in.kept[w] = &w
	return &w
}

func (in *intern) find(w fewWords) *fewWords {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.kept[w]
}
