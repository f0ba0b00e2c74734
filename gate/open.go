package gate

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

const (
	lookEvery  = 250 * time.Millisecond
	lookWithin = time.Second     // for the store to say whether a session goes on
	stuckAfter = 2 * time.Minute // for one read or write, after which its client is taken for dead
)

// openings are the requests under way, by session. Its goroutine cuts those whose session has ended.
type openings struct {
	sessions *curfew.Manager
	log      *slog.Logger
	now      atomic.Int64 // ticks since the beginning, from 1

	mu     sync.Mutex
	groups map[curfew.SessionID]*opened // "" has those without a session
	closed bool
	empty  chan struct{} // if somebody waits for it: closed when nothing is open
}

// opened are the requests under way in one session.
type opened struct {
	token  curfew.Token
	endsAt time.Time // as last known
	look   bool      // ask before that
	first  *passage
}

func newOpenings(sessions *curfew.Manager, log *slog.Logger) *openings {
	o := &openings{sessions: sessions, log: log, groups: map[curfew.SessionID]*opened{}}
	o.now.Store(1)
	go o.watch(sessions.Watch(context.Background())) // until the manager closes
	return o
}

// enter adds a passage. Its session may have ended since it was checked, so it is looked at once more with the next tick.
func (o *openings) enter(q *passage) {
	id := q.session.ID
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		defer q.cut(errClosing)
	}
	g := o.groups[id]
	if g == nil {
		g = &opened{}
		o.groups[id] = g
	}
	if id != "" {
		g.token, g.endsAt, g.look = q.token, q.session.EndsAt(), true
	}
	q.group, q.next = g, g.first
	if g.first != nil {
		g.first.before = q
	}
	g.first = q
}

func (o *openings) leave(q *passage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if q.next != nil {
		q.next.before = q.before
	}
	if q.before != nil {
		q.before.next = q.next
	} else if q.group.first == q {
		q.group.first = q.next
	}
	q.next, q.before = nil, nil
	o.tellEmpty()
}

// tellEmpty tells who waits if nothing is open. The lock is held.
func (o *openings) tellEmpty() {
	if o.empty == nil {
		return
	}
	for _, g := range o.groups {
		if g.first != nil {
			return
		}
	}
	close(o.empty)
	o.empty = nil
}

// wait returns when nothing is open, or when ctx is done. Only one may wait at a time.
func (o *openings) wait(ctx context.Context) {
	empty := make(chan struct{})
	o.mu.Lock()
	o.empty = empty
	o.tellEmpty()
	o.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

func (o *openings) watch(events <-chan curfew.Event) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			o.hear(e)
		case <-tick.C:
			o.now.Add(1)
			o.lookAll()
		}
	}
}

// hear follows an event: an end at once, anything else with the next tick.
func (o *openings) hear(e curfew.Event) {
	o.mu.Lock()
	g := o.groups[e.Session]
	if e.Session == "" {
		for _, g := range o.groups {
			g.look = true
		}
	} else if g != nil {
		g.look = true
	}
	o.mu.Unlock()
	if g != nil && e.Session != "" && e.Kind == curfew.EventEnded {
		ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
		defer cancel()
		o.lookAt(ctx, e.Session, g)
	}
}

// lookAll cuts what is over, what can't be known to go on, and what is stuck.
func (o *openings) lookAll() {
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	due, stuck := o.due()
	for _, q := range stuck {
		q.cut(errStuck)
	}
	for id, g := range due {
		o.lookAt(ctx, id, g)
	}
}

// due returns the sessions that must be looked at, and requests that don't move. It forgets sessions in which nothing is
// open any more.
func (o *openings) due() (due map[curfew.SessionID]*opened, stuck []*passage) {
	now, tick := o.sessions.Now(), o.now.Load()-int64(stuckAfter/lookEvery)
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, g := range o.groups {
		if g.first == nil {
			delete(o.groups, id)
			continue
		}
		if id != "" && (g.look || !now.Before(g.endsAt)) {
			if due == nil {
				due = map[curfew.SessionID]*opened{}
			}
			due[id] = g
			g.look = false
		}
		for q := g.first; q != nil && tick > 0; q = q.next {
			if q.isStuck(tick) {
				stuck = append(stuck, q)
			}
		}
	}
	return due, stuck
}

var errStuck = &statusError{http.StatusRequestTimeout, "the request does not go on"}

// lookAt cuts what is open in a session unless it goes on for certain.
func (o *openings) lookAt(ctx context.Context, id curfew.SessionID, g *opened) {
	o.mu.Lock()
	token := g.token
	o.mu.Unlock()
	s, err := o.sessions.Check(ctx, token, curfew.Passive)
	if err == nil {
		o.mu.Lock()
		g.endsAt = s.EndsAt()
		o.mu.Unlock()
		return
	}
	o.log.Debug("cut what was open in a session", "session", id, "reason", err)
	for _, q := range o.all(g) {
		q.cut(err)
	}
}

func (o *openings) all(g *opened) (list []*passage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for q := g.first; q != nil; q = q.next {
		list = append(list, q)
	}
	return list
}

var errClosing = &statusError{http.StatusServiceUnavailable, "Curfew is being stopped; try again in a moment"}

// close cuts everything, now, and whatever is still to come.
func (o *openings) close() {
	var all []*passage
	o.mu.Lock()
	o.closed = true
	for _, g := range o.groups {
		for q := g.first; q != nil; q = q.next {
			all = append(all, q)
		}
	}
	o.mu.Unlock()
	for _, q := range all {
		q.cut(errClosing)
	}
}
