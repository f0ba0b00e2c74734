package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew"
)

// endLog is a store that writes to the log what ends in it, whoever ends it and for whatever reason. The account service logs
// who signs in.
type endLog struct {
	curfew.Store
	log *slog.Logger
}

// linesAtOnce is how many ends have a line each. When more end at once, one line says how many.
const linesAtOnce = 16

// Insert implements curfew.Store. A sign-in may end sessions, to make room for its own.
func (l *endLog) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	replaced, err := l.Store.Insert(ctx, now, r, most, refuse)
	l.logAll(ctx, len(replaced), replaced, curfew.Ending{Reason: curfew.ReasonReplaced})
	return replaced, err
}

// End implements curfew.Store.
func (l *endLog) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	n, ended, err := l.Store.End(ctx, now, sel, e)
	if err != nil {
		return n, ended, err
	}
	if sel.Everybody() { // they need not be named
		l.logMany(ctx, n, e)
	} else {
		l.logAll(ctx, n, ended, e)
	}
	return n, ended, nil
}

// logAll logs sessions that have ended, n of them as e says and the others by themselves.
func (l *endLog) logAll(ctx context.Context, n int, ended []curfew.Key, e curfew.Ending) {
	if len(ended) > linesAtOnce {
		l.logMany(ctx, n, e)
		if rest := len(ended) - n; rest > 0 {
			l.log.InfoContext(ctx, "sessions ended by themselves", "count", rest)
		}
		return
	}
	for _, k := range ended {
		l.logOne(ctx, k)
	}
}

func (l *endLog) logMany(ctx context.Context, n int, e curfew.Ending) {
	if n > 0 {
		l.log.InfoContext(ctx, "sessions ended", append([]any{"count", n}, l.cause(ctx, e)...)...)
	}
}

// logOne logs what the store knows of a session that has ended. The end itself has happened: what can't be read is left out.
func (l *endLog) logOne(ctx context.Context, k curfew.Key) {
	r, err := l.Find(ctx, nil, k.ID)
	if err != nil || r.Ending == nil {
		l.log.InfoContext(ctx, "session ended", "session", k.ID)
		return
	}
	s := r.Session
	of := []any{"user", s.User.Name, "session", s.ID, "origin", s.Client.Origin}
	if r.Ending.By.Session == s.ID { // then who ended it was where it was
		r.Ending.By.Session = ""
	}
	l.log.InfoContext(ctx, "session ended", append(of, l.cause(ctx, *r.Ending)...)...)
}

// cause is why something ended, by whom and from where.
func (l *endLog) cause(ctx context.Context, e curfew.Ending) []any {
	cause := []any{"reason", e.Reason}
	if e.By.Name != "" {
		cause = append(cause, "by", e.By.Name)
	}
	if e.By.Session == "" {
		return cause
	}
	if r, err := l.Find(ctx, nil, e.By.Session); err == nil {
		cause = append(cause, "from", r.Session.Client.Origin)
	}
	return cause
}
