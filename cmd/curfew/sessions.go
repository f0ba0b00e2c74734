package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

type sessionsCmd struct {
	serverFlags
	filterFlags
	Sort  string `env:"-" default:"-started" enum:"started,-started,activity,-activity,user,-user,origin,-origin,device,-device" help:"The order: started, activity, user, origin or device; with - before it the other way round. Times begin with the earliest, or with - the latest."`
	Limit limit  `env:"-" placeholder:"N" help:"At most so many. Without it all."`
	Watch bool   `env:"-" help:"Show what happens as it does: in a terminal a live table, until q or Ctrl-C; else a line an event, with --json an object, narrowed down by --user alone."`
	JSON  bool   `env:"-" name:"json" help:"Print JSON."`
}

// Help shows what one does with it.
func (sessionsCmd) Help() string {
	return `Examples:

  curfew sessions --user amara
  curfew sessions --idle-longer-than 12h --sort activity
  curfew sessions --watch
  curfew sessions --origin 192.0.2.0/24 --json | jq -r '.[].id'

Sorted by anything but started, a list of several pages may miss a session that changes meanwhile, or have it twice.`
}

// Run lists the live sessions.
func (c sessionsCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		if c.Watch {
			return c.watch(ctx, std, api)
		}
		list := &sessionList{limit: int(c.Limit), query: httpapi.SessionQuery{Filter: c.filter(), Sort: c.Sort}}
		if c.JSON {
			return printList(std.out, list.all(ctx, api))
		}
		if err := printSessions(std.out, list.all(ctx, api)); err != nil {
			return err
		}
		if list.more {
			fmt.Fprintf(std.err, "These are %d of %s.\n", c.Limit, list.counted())
		}
		return nil
	})
}

// sessionList goes through pages of live sessions.
type sessionList struct {
	query httpapi.SessionQuery
	limit int // how many at most; 0: all

	page httpapi.SessionPage // the latest
	more bool                // there are more than the limit
}

func (l *sessionList) all(ctx context.Context, api *httpapi.Client) iter.Seq2[httpapi.Session, error] {
	return func(yield func(httpapi.Session, error) bool) {
		for n, first := 0, true; first || l.page.NextCursor != ""; first = false {
			l.query.Limit, l.query.Cursor = curfew.MaxPage, l.page.NextCursor
			if l.limit > 0 {
				l.query.Limit = min(curfew.MaxPage, l.limit-n)
			}
			var err error
			if l.page, err = api.SessionPage(ctx, l.query); err != nil {
				yield(httpapi.Session{}, err)
				return
			}
			for _, s := range l.page.Sessions {
				if !yield(s, nil) {
					return
				}
			}
			if n += len(l.page.Sessions); n == l.limit && n > 0 {
				l.more = l.page.NextCursor != "" || l.page.Count > n
				return
			}
		}
	}
}

// counted is how many sessions there are, in words.
func (l *sessionList) counted() string { return countOf(l.page) }

func countOf(p httpapi.SessionPage) string {
	if !p.CountExact {
		return "more than " + plural(p.Count, "session")
	}
	return plural(p.Count, "session")
}

// sessionColumns begin with what one ends a session by, and whose it is: a narrow terminal cuts the dates first.
var sessionColumns = []column{{"ID", 0}, {"USER", 20}, {"ORIGIN", 15}, {"DEVICE", 8}, {"LAST ACTIVITY", 0}, {"STARTED", 0}}

func sessionCells(s httpapi.Session) []string {
	return []string{string(s.ID), s.Username, s.Origin, s.Device, when(s.LastActiveAt.Time), when(s.CreatedAt.Time)}
}

func printSessions(out io.Writer, sessions iter.Seq2[httpapi.Session, error]) error {
	return printTable(out, sessionColumns, "Nobody is signed in.", sessions, sessionCells)
}
