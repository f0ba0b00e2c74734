package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/curfewhq/curfew/httpapi"
)

type historyCmd struct {
	serverFlags
	filterFlags
	Reason string `env:"-" placeholder:"REASON" complete:"signed-out,idle,expired,terminated,password-changed,role-changed,account-disabled,account-deleted,replaced,restored" help:"Only ended for this: signed-out, idle, expired, terminated, password-changed, role-changed, account-disabled, account-deleted, replaced or restored."`
	By     string `env:"-" placeholder:"NAME" help:"Only ended by who has this name."`
	From   moment `env:"-" placeholder:"TIME" help:"Only ended at this time or later: a date, a date and time, or how long ago, such as 12h or 30d."`
	Until  moment `env:"-" placeholder:"TIME" help:"Only ended before this time."`
	Limit  limit  `env:"-" placeholder:"N" help:"At most so many lines of a table or of JSON. Without it all."`
	Format string `env:"-" default:"table" enum:"table,csv,json,ndjson" help:"table, csv (RFC 4180) or json, also called ndjson: an object a line."`
	JSON   bool   `env:"-" name:"json" help:"The same as --format json."`
}

// Help shows what one does with it.
func (historyCmd) Help() string {
	return `The latest end comes first.

Examples:

  curfew history --from 7d --reason terminated
  curfew history --user amara --limit 20
  curfew history --from 2026-03-01 --until 2026-04-01 --format csv >march.csv`
}

// Run lists sessions that have ended.
func (c historyCmd) Run(ctx context.Context, std streams) error {
	if c.JSON {
		c.Format = "json"
	}
	if c.Limit > 0 && c.Format == "csv" {
		return usage("--limit goes with a table or with JSON")
	}
	q := httpapi.HistoryQuery{Filter: c.filter(), Reason: c.Reason, Actor: c.By, From: c.From.Time, Until: c.Until.Time}
	return c.with(ctx, false, func(api *httpapi.Client) error {
		switch c.Format {
		case "csv":
			return exportCSV(ctx, std.out, api, q)
		case "json", "ndjson":
			return printLines(std.out, limited(api.History(ctx, q), c.Limit))
		default:
			return printHistory(std.out, limited(api.History(ctx, q), c.Limit))
		}
	})
}

// exportCSV prints the stream as it comes.
func exportCSV(ctx context.Context, out io.Writer, api *httpapi.Client, q httpapi.HistoryQuery) error {
	q.Format = "csv"
	return notAll(api.Export(ctx, q, shown(out)))
}

// notAll says of a stream that broke off what that means.
func notAll(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the server broke off, so this is not all: %w", err)
	}
	return err
}

// printLines prints an object a line.
func printLines[T any](w io.Writer, list iter.Seq2[T, error]) error {
	out := bufio.NewWriter(w)
	for v, err := range list {
		if err == nil {
			err = printLine(out, v)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
	return out.Flush()
}

// limited is at most n of the list, or all without a limit.
func limited[T any](list iter.Seq2[T, error], n limit) iter.Seq2[T, error] {
	if n == 0 {
		return list
	}
	return func(yield func(T, error) bool) {
		left := n
		for v, err := range list {
			if left--; !yield(v, err) || left == 0 {
				return
			}
		}
	}
}

var historyColumns = []column{
	{"ENDED", 0}, {"REASON", 0}, {"BY", 12}, {"USER", 20}, {"STARTED", 0}, {"ORIGIN", 15}, {"DEVICE", 8}, {"ID", 0},
}

func printHistory(out io.Writer, sessions iter.Seq2[httpapi.Session, error]) error {
	return printTable(out, historyColumns, "No session has ended.", sessions, func(s httpapi.Session) []string {
		return []string{when(s.EndedAt.Time), string(s.Reason), s.EndedBy, s.Username, when(s.CreatedAt.Time), s.Origin, s.Device, string(s.ID)}
	})
}
