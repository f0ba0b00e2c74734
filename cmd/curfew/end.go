package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

type endCmd struct {
	dataFlags
	IDs    []curfew.SessionID `arg:"" optional:"" name:"id" help:"Sessions to end: all of them or, if one can't be, none."`
	User   string             `placeholder:"NAME" help:"End all sessions of this user."`
	All    bool               `help:"End all sessions of everybody."`
	DryRun bool               `help:"Only show what would end."`
}

// Run ends sessions.
func (c endCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		r, err := api.End(ctx, c.request())
		if err != nil {
			return err
		}
		if !c.DryRun {
			_, err = fmt.Fprintf(std.out, "Ended %s.\n", plural(r.Count, "session"))
			return err
		}
		if _, err := fmt.Fprintf(std.out, "Would end %s.\n", plural(r.Count, "session")); err != nil || r.Count == 0 {
			return err
		}
		return printSessions(std.out, r.Sessions)
	})
}

// request is what to end. Of IDs each is meant to be live.
func (c endCmd) request() httpapi.End {
	e := httpapi.End{IDs: c.IDs, Others: c.All, DryRun: c.DryRun}
	if c.User != "" {
		e.Filter = &httpapi.Filter{User: c.User}
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(c.IDs)))); n > 0 {
		e.Expect = &n
	}
	return e
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
