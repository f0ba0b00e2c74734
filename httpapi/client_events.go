package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/tmaxmax/go-sse"

	"github.com/curfewhq/curfew"
)

// SessionEvent is something that happened to a session, or with Reset that the sessions must be listed anew.
type SessionEvent struct {
	ID      string           // for Watch to go on after it
	Kind    curfew.EventKind // empty for a reset
	Reset   bool
	Session Session // as it was when it was told
}

// Watch returns what happens to sessions, from after the event with the ID on; with an empty one it begins with a reset. The events must
// be ranged over, once, which ends with an error when the stream breaks: io.ErrUnexpectedEOF says that the server closed it. Watch
// again, from the last event's ID, goes on where it was.
func (c *Client) Watch(ctx context.Context, after string) (iter.Seq2[SessionEvent, error], error) {
	req, err := c.request(ctx, http.MethodGet, "/sessions/events", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", eventsType)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	body, err := c.stream(req, eventsType)
	if err != nil {
		return nil, err
	}
	return func(yield func(SessionEvent, error) bool) {
		defer body.Close()
		for e, err := range sse.Read(body, nil) {
			if err != nil {
				yield(SessionEvent{}, fmt.Errorf("read the server's events: %w", err))
				return
			}
			event, err := newSessionEvent(e)
			if !yield(event, err) || err != nil {
				return
			}
		}
		yield(SessionEvent{}, fmt.Errorf("read the server's events: %w", io.ErrUnexpectedEOF))
	}, nil
}

func newSessionEvent(e sse.Event) (SessionEvent, error) {
	event := SessionEvent{ID: e.LastEventID, Kind: curfew.EventKind(e.Type)}
	if e.Type == "reset" {
		event.Kind, event.Reset = "", true
		return event, nil
	}
	if err := json.Unmarshal([]byte(e.Data), &event.Session); err != nil {
		return event, fmt.Errorf("the server sent an event that can't be read: %w", err)
	}
	return event, nil
}
