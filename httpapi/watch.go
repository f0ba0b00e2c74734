package httpapi

import (
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
)

// watchParams say where a stream goes on.
type watchParams struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event that was received: the stream goes on after it."`
}

// watchSessions streams what happens to the sessions that the caller may see (server-sent events): "started", "changed" and "ended", each
// with the session as it is when it is told, and "reset" where the client must list the sessions anew: at the beginning, unless the
// stream goes on where another one broke off, and where more happened at once than is told one by one. Between the two nothing is
// lost or told twice. After the end of the caller's session the stream closes.
func (a *api) watchSessions(w http.ResponseWriter, c *call, p watchParams) error {
	leave, err := a.streams.enter(c.caller)
	if err != nil {
		return err
	}
	defer leave()
	a.feed.start()
	s := &watching{listener: a.listen(w, c)}
	s.place, s.told = a.feed.parse(p.LastEventID)
	if s.begin() {
		s.run()
	}
	return nil
}

// watching tells of all sessions that the caller may see.
type watching struct {
	listener
	place uint64 // in the feed
	told  bool   // the client knows all until there
}

func (s *watching) run() {
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for !s.gone {
		more := s.tell()
		if s.gone {
			return
		}
		end := time.NewTimer(s.untilLook())
		select {
		case <-more:
		case <-end.C:
			s.look()
		case <-alive.C:
			s.look()
			s.write("id: " + s.a.feed.id(s.place) + "\n\n") // no event, but the client goes on from here
		case <-s.a.Stopping:
			s.gone = true
		case <-s.c.Context().Done():
			s.gone = true
		}
		end.Stop()
	}
}

// keyEvery is how often it is looked at whether an API key is still good: nobody tells when it is revoked.
const keyEvery = time.Second

// untilLook is how long the caller may go on without being looked at again.
func (s *watching) untilLook() time.Duration {
	switch {
	case s.who.machine:
		return keepAlive
	case s.who.key != "":
		return keyEvery
	}
	return s.who.session.EndsAt().Sub(s.a.Sessions.Now())
}

// look makes sure that the caller may still listen.
func (s *watching) look() {
	who, err := s.who.again(s.c.Context())
	if err != nil || who.ended != nil {
		s.gone = true
		return
	}
	s.who = who
}

// tell tells what has happened, and returns what is closed when there is more.
func (s *watching) tell() <-chan struct{} {
	s.look()
	list, more, ok := s.a.feed.after(s.place)
	if !s.told || !ok {
		s.place = s.a.feed.place()
		s.told = true
		s.reset()
		return s.tell()
	}
	for _, h := range list {
		if s.place++; !s.gone {
			s.one(h)
		}
	}
	s.gone = s.gone || more == nil
	return more
}

func (s *watching) reset() {
	if !s.gone {
		s.message(s.a.feed.id(s.place), "reset", none{})
	}
}

func (s *watching) one(h *happening) {
	if h.User != "" && !s.who.account.MaySee(h.User) {
		return
	}
	if h.Session == "" {
		s.reset()
		return
	}
	seen, err := h.look()
	switch {
	case curfew.ErrorCode(err) == curfew.CodeNotFound: // forgotten, so it ended long ago
	case err != nil:
		s.reset()
	default:
		doc := newSession(seen.Session, seen.ending, s.a.Sessions.Now())
		doc.Current = doc.ID == s.who.session.ID
		s.message(s.a.feed.id(s.place), string(h.Kind), doc)
	}
}
