package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/curfewhq/curfew"
)

// feedKept is how many events are kept for clients that come back after a break.
const feedKept = 4096

// feed numbers the engine's events and keeps the last ones, so that a stream can go on where it broke off. The engine itself
// merges events that come too fast, and neither numbers nor keeps them; whatever might be lost becomes an event that says to list
// anew. Numbers are good for one run of the server: its epoch is part of them.
type feed struct {
	sessions *curfew.Manager
	epoch    string
	begin    sync.Once

	mu   sync.Mutex
	last uint64               // the number of the latest event; the first is 1
	ring [feedKept]*happening // by number, modulo its size
	more chan struct{}        // closed when there is more, or it is over
	over bool                 // the manager is closed
}

// happening is an event with its number. What is to be told of it is looked up once, for all who listen.
type happening struct {
	curfew.Event
	look func() (sight, error)
}

// sight is a session as it was when it was looked at.
type sight struct {
	curfew.Session
	ending *curfew.Ending
}

func newFeed(sessions *curfew.Manager) *feed {
	return &feed{sessions: sessions, epoch: strings.ToLower(rand.Text()[:10]), more: make(chan struct{})}
}

// start begins to follow the engine, when the first stream does. It ends with the manager.
func (f *feed) start() {
	f.begin.Do(func() {
		events := f.sessions.Watch(context.Background())
		go func() {
			for e := range events {
				f.add(e)
			}
			f.close()
		}()
	})
}

func (f *feed) add(e curfew.Event) {
	h := &happening{Event: e}
	h.look = sync.OnceValues(func() (sight, error) { return f.lookUp(e.Session) })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.ring[f.last%feedKept] = h
	close(f.more)
	f.more = make(chan struct{})
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	close(f.more)
}

func (f *feed) lookUp(id curfew.SessionID) (sight, error) {
	s, err := f.sessions.Get(context.Background(), id)
	if ended, ok := errors.AsType[*curfew.EndedError](err); ok {
		return sight{ended.Ended.Session, &ended.Ended.Ending}, nil
	}
	return sight{Session: s}, err
}

// place is where a stream is: after the event with this number.
func (f *feed) place() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// after returns what happened after the place; ok is false if not all of that is known any more. If it is nothing, more is closed
// when there is something; it is nil once nothing more will come.
func (f *feed) after(place uint64) (list []*happening, more <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if place > f.last || f.last-place > feedKept {
		return nil, nil, false
	}
	for n := place + 1; n <= f.last; n++ {
		list = append(list, f.ring[n%feedKept])
	}
	if f.over {
		return list, nil, true
	}
	return list, f.more, true
}

// id is the number as clients know it.
func (f *feed) id(place uint64) string { return fmt.Sprintf("%s-%d", f.epoch, place) }

// parse returns the place that an ID names, if it is of this epoch.
func (f *feed) parse(id string) (place uint64, ok bool) {
	epoch, number, _ := strings.Cut(id, "-")
	place, err := strconv.ParseUint(number, 10, 64)
	return place, err == nil && epoch == f.epoch
}
