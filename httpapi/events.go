package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

const (
	keepAlive   = 15 * time.Second // how long a stream may be silent
	hintEvery   = time.Second      // how often, at most, a stream tells that sessions have changed
	writeWithin = 30 * time.Second // how long a client may take to read
	maxStreams  = 32               // of one caller: the tabs of a session, where they can't share one

	maxAccountStreams = 512 // of one account, by all its sessions and keys: many people may share it, each with a page open
)

// streams counts the open streams of each caller and each account.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

// enter counts one more of the caller, unless there are too many. It is over when leave is called.
func (s *streams) enter(who caller) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[who.name] >= maxStreams || who.account.ID != "" && s.open[who.accountName()] >= maxAccountStreams {
		return nil, &curfew.Error{Code: curfew.CodeLimited, Message: "too many streams at once", RetryAfter: keepAlive}
	}
	s.add(1, who)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.add(-1, who)
	}, nil
}

// add changes the caller's counts by n.
func (s *streams) add(n int, who caller) {
	if s.open == nil {
		s.open = map[string]int{}
	}
	for _, name := range []string{who.name, who.accountName()} {
		if s.open[name] += n; s.open[name] == 0 {
			delete(s.open, name)
		}
	}
}

// listener is one client listening to server-sent events.
type listener struct {
	a    *api
	c    *call
	who  caller
	w    http.ResponseWriter
	rc   *http.ResponseController
	gone bool // the client, or its session
}

func (a *api) listen(w http.ResponseWriter, c *call) listener {
	return listener{a: a, c: c, who: c.caller, w: w, rc: http.NewResponseController(w)}
}

// begin answers that events follow, and reports whether anybody listens to them.
func (l *listener) begin() bool {
	h := l.w.Header()
	h.Set("Content-Type", eventsType)
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	l.w.WriteHeader(http.StatusOK)
	_ = l.rc.Flush()                  // the first event may be long in coming; not every writer can
	l.rc.SetReadDeadline(time.Time{}) // the server's own would end the stream; not every writer has one
	return l.c.Method != http.MethodHead
}

func (l *listener) write(text string) {
	l.rc.SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer has one; then the context must do
	if _, err := io.WriteString(l.w, text); err != nil || l.rc.Flush() != nil {
		l.gone = true
	}
}

// message writes an event. Its data is JSON, so in one line.
func (l *listener) message(id, event string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Errorf("encode event: %w", err))
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	l.write(id + "event: " + event + "\ndata: " + string(text) + "\n\n")
}

// events streams what a page needs to be in step (server-sent events): "session" with the caller's session at once, at
// each change and as its clock passes idle_at and ends_at; "sessions" when any session that the caller may see
// may have changed. After the session's end the stream closes.
func (a *api) events(w http.ResponseWriter, c *call, _ none) error {
	leave, err := a.streams.enter(c.caller)
	if err != nil {
		return err
	}
	defer leave()
	changes := a.Sessions.Watch(c.Context()) // before the first look, so nothing falls in between
	if s := (&stream{listener: a.listen(w, c)}); s.begin() {
		s.run(changes)
	}
	return nil
}

// stream tells of the caller's own session.
type stream struct {
	listener
	sent    Session   // told last
	hinted  time.Time // when "sessions" was told last
	pending <-chan time.Time
}

func (s *stream) run(changes <-chan curfew.Event) {
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	s.tell()
	for !s.gone {
		turn := time.NewTimer(s.untilTurn())
		select {
		case e, ok := <-changes:
			s.gone = s.gone || !ok
			s.on(e)
		case <-turn.C:
			s.look()
		case <-s.pending:
			s.hint()
		case <-alive.C:
			s.write(": keep-alive\n\n")
		case <-s.a.Stopping:
			s.gone = true
		case <-s.c.Context().Done():
			s.gone = true
		}
		turn.Stop()
	}
}

// untilTurn is how long until the session's clock passes idle_at or, once that was told, ends_at.
func (s *stream) untilTurn() time.Duration {
	at := s.who.session.EndsAt()
	if s.sent.State == curfew.StateActive {
		at = s.who.session.IdleAt()
	}
	return at.Sub(s.a.Sessions.Now())
}

func (s *stream) on(e curfew.Event) {
	if s.gone {
		return
	}
	if e.Concerns(s.who.session.ID) {
		s.look()
	}
	if !s.gone && (e.User == "" || s.who.account.MaySee(e.User)) {
		s.hintSoon()
	}
}

// look checks the session and tells if anything is new. If nobody knows, the stream breaks and the client asks anew.
func (s *stream) look() {
	who, err := s.a.check(s.c.Context())
	if err != nil {
		s.gone = true
		return
	}
	s.who = who
	s.tell()
}

func (s *stream) tell() {
	doc := s.a.own(s.who)
	news := doc
	news.ServerTime = s.sent.ServerTime
	if news == s.sent {
		return
	}
	s.sent = doc
	s.message("", "session", doc)
	s.gone = s.gone || doc.State == curfew.StateEnded
}

// hintSoon tells of changed sessions at once, but not twice within hintEvery: what comes in between is told after it.
func (s *stream) hintSoon() {
	if s.pending != nil {
		return
	}
	if wait := hintEvery - time.Since(s.hinted); wait > 0 {
		s.pending = time.After(wait)
		return
	}
	s.hint()
}

func (s *stream) hint() {
	s.hinted, s.pending = time.Now(), nil
	s.message("", "sessions", none{})
}
