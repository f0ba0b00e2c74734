package curfew

import (
	"context"
	"sync"
)

// hub hands events to watchers, none of whom can make it wait.
type hub struct {
	mu       sync.Mutex
	watchers map[chan Event]struct{}
	closed   bool
}

const watchBuffer = 64

func (h *hub) watch(ctx context.Context) <-chan Event {
	c := make(chan Event, watchBuffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(c)
		return c
	}
	if h.watchers == nil {
		h.watchers = map[chan Event]struct{}{}
	}
	h.watchers[c] = struct{}{}
	context.AfterFunc(ctx, func() { h.leave(c) })
	return c
}

func (h *hub) leave(c chan Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.watchers[c]; ok {
		delete(h.watchers, c)
		close(c)
	}
}

// publish tells all watchers. For one whose buffer is full, the oldest event makes room and the newest becomes one
// about everything, which covers both.
func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.watchers {
		select {
		case c <- e:
			continue
		default:
		}
		select {
		case <-c:
		default:
		}
		c <- Event{Kind: EventChanged}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for c := range h.watchers {
		delete(h.watchers, c)
		close(c)
	}
}
