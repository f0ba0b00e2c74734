package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
)

// SessionEvent is something that happened to a session, or with Reset that the sessions must be listed anew.
type SessionEvent struct {
	ID      string           // for Watch to go on after it
	Kind    curfew.EventKind // empty for a reset
	Reset   bool
	Session Session
}

// maxEvent is the most that one event may hold, in bytes.
const maxEvent = 64 << 10

// Watch goes through what happens to sessions, from after the event with the ID on; with an empty one it begins with a reset. When the
// stream breaks it ends with an error, of which io.ErrUnexpectedEOF says that the server closed it: Watch again, from the last
// event's ID, goes on where it was.
func (c *Client) Watch(ctx context.Context, after string) iter.Seq2[SessionEvent, error] {
	return func(yield func(SessionEvent, error) bool) {
		err := c.watch(ctx, after, func(e SessionEvent) bool { return yield(e, nil) })
		if err != nil {
			yield(SessionEvent{}, err)
		}
	}
}

func (c *Client) watch(ctx context.Context, after string, yield func(SessionEvent) bool) error {
	req, err := c.request(ctx, http.MethodGet, "/sessions/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	m := map[string]string{}
	for lines.Scan() {
		if name, value, _ := strings.Cut(lines.Text(), ": "); name != "" {
			m[name] = value
			continue
		}
		if e, ok, err := newSessionEvent(m); err != nil {
			return err
		} else if ok && !yield(e) {
			return nil
		}
		clear(m)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the server's events: %w", err)
	}
	return io.ErrUnexpectedEOF
}

// newSessionEvent makes an event of its lines; ok is false if they are none.
func newSessionEvent(m map[string]string) (e SessionEvent, ok bool, err error) {
	e = SessionEvent{ID: m["id"], Kind: curfew.EventKind(m["event"])}
	switch m["event"] {
	case "":
		return e, false, nil
	case "reset":
		e.Kind, e.Reset = "", true
		return e, true, nil
	}
	if err := json.Unmarshal([]byte(m["data"]), &e.Session); err != nil {
		return e, false, errors.Join(errors.New("the server sent an event that can't be read"), err)
	}
	return e, true, nil
}
