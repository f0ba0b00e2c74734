package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"text/tabwriter"
	"time"

	"github.com/curfewhq/curfew/httpapi"
)

type sessionsCmd struct {
	dataFlags
	User string `placeholder:"NAME" help:"Only this user's sessions."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists the live sessions.
func (c sessionsCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		sessions, err := collect(api.Sessions(ctx, httpapi.Filter{User: c.User}))
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std.out, sessions)
		}
		return printSessions(std.out, sessions)
	})
}

// zoned is how times are printed: those of the machine one sits at.
const zoned = time.DateTime + " MST"

func printSessions(out io.Writer, sessions []httpapi.Session) error {
	if len(sessions) == 0 {
		_, err := fmt.Fprintln(out, "Nobody is signed in.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tUSER\tSTARTED\tLAST ACTIVITY\tORIGIN\tDEVICE")
	for _, s := range sessions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Username,
			s.CreatedAt.Local().Format(zoned), s.LastActiveAt.Local().Format(zoned), s.Origin, s.Device)
	}
	return w.Flush()
}

// printJSON prints a list, which is never null.
func printJSON[T any](w io.Writer, list []T) error {
	if list == nil {
		list = []T{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

func collect[T any](all iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for v, err := range all {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
