package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

// errNoServer is the answer to who would watch a database that nobody else can use meanwhile.
var errNoServer = &curfew.Error{Code: curfew.CodeUnavailable, Message: "no server runs on the data folder, so there is nothing to watch"}

// watch shows what happens to sessions until ctx ends: in a terminal as a live table, else as lines.
func (c sessionsCmd) watch(ctx context.Context, std streams, api *httpapi.Client) error {
	if c.Server == "" {
		if s, err := api.Status(ctx); err != nil || s.PID == 0 {
			return errors.Join(err, errNoServer)
		}
	}
	if isTerminal(std.out) && isTerminal(std.in) && !c.JSON {
		return c.watchScreen(ctx, std, api)
	}
	onlyUser := filterFlags{User: c.User}
	if c.filterFlags != onlyUser || c.Limit > 0 {
		return usage("without a terminal, and with --json, --watch takes --user alone: what happens is told as it comes")
	}
	return c.watchLines(ctx, std, api)
}

// bridge follows sessions over breaks of the connection.
type bridge struct {
	api   *httpapi.Client
	tell  func(httpapi.SessionEvent) error
	broke func(err error, wait time.Duration) // the connection is gone, and is tried again after the wait
	back  func()                              // it is there again
	after string                              // the ID of the last event
}

// The waits between tries to reach a server again.
const (
	firstWait = time.Second
	maxWait   = 15 * time.Second
)

// run follows until ctx ends, tell returns an error, or there is no use in another try. It goes on where it broke off, so that nothing is
// lost; where too much happened meanwhile the server says so by another reset.
func (b *bridge) run(ctx context.Context) error {
	connected := false
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		events, err := b.api.Watch(ctx, b.after)
		if err == nil {
			if connected {
				b.back()
			}
			wait, connected = firstWait, true
			var untold error
			if err, untold = b.tellAll(events); untold != nil {
				return untold
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if !connected || isFinal(err) {
			return err
		}
		b.broke(err, wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// tellAll tells of events until the stream breaks, or tell returns an error.
func (b *bridge) tellAll(events iter.Seq2[httpapi.SessionEvent, error]) (broken, untold error) {
	for e, broken := range events {
		if broken != nil {
			return broken, nil
		}
		b.after = e.ID
		if err := b.tell(e); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// isFinal reports whether the server has refused, so that asking again is of no use.
func isFinal(err error) bool {
	switch curfew.ErrorCode(err) {
	case curfew.CodeDenied, curfew.CodeEnded, curfew.CodeInvalid, curfew.CodeNotFound:
		return true
	default:
		return false
	}
}

// eventLine is what --json prints.
type eventLine struct {
	Event   curfew.EventKind `json:"event"`
	Session *httpapi.Session `json:"session,omitempty"`
}

// watchLines prints a line an event.
func (c sessionsCmd) watchLines(ctx context.Context, std streams, api *httpapi.Client) error {
	say := func(format string, args ...any) { fmt.Fprintf(std.err, "curfew: "+format+"\n", args...) }
	begun := false
	b := &bridge{
		api:   api,
		broke: func(err error, wait time.Duration) { say("%s; trying again in %v", printableLines(broken(err)), wait) },
		back:  func() { say("connected again") },
		tell: func(e httpapi.SessionEvent) error {
			if e.Reset {
				first := !begun
				begun = true
				if c.JSON {
					return printLine(std.out, eventLine{Event: "reset"})
				}
				if !first {
					say("more happened than is told one by one; curfew sessions lists who is signed in")
				}
				return nil
			}
			if c.User != "" && c.User != e.Session.Username {
				return nil
			}
			if c.JSON {
				return printLine(std.out, eventLine{e.Kind, &e.Session})
			}
			return printEvent(std.out, e)
		},
	}
	return b.run(ctx)
}

// broken says why a stream is gone.
func broken(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the server closed the connection"
	}
	return message(err)
}

func printEvent(out io.Writer, e httpapi.SessionEvent) error {
	s := e.Session
	line := fmt.Sprintf("%s  %-7s  %s  %s  %s  %s  %s", when(happened(e)), e.Kind, s.ID, s.Username, s.Origin, s.Device, ending(s))
	_, err := fmt.Fprintln(out, strings.TrimRight(printable(line), " "))
	return err
}

// happened is when it did.
func happened(e httpapi.SessionEvent) time.Time {
	switch e.Kind {
	case curfew.EventStarted:
		return e.Session.CreatedAt.Time
	case curfew.EventEnded:
		return e.Session.EndedAt.Time
	default:
		return e.Session.ServerTime.Time
	}
}

// ending says why a session ended and by whom, if it did.
func ending(s httpapi.Session) string {
	switch {
	case s.Reason == "":
		return ""
	case s.EndedBy == "":
		return string(s.Reason)
	default:
		return string(s.Reason) + " by " + s.EndedBy
	}
}
