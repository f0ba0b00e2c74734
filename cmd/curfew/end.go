package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

type endCmd struct {
	serverFlags
	IDs []curfew.SessionID `arg:"" optional:"" name:"id" help:"Sessions to end: all of them or, if one can't be, none."`
	filterFlags
	All    bool `env:"-" help:"End all sessions of everybody; with an API key, all that its owner may end."`
	DryRun bool `env:"-" help:"Only show what would end."`
	Expect *int `env:"-" placeholder:"N" help:"End nothing if it would be another number."`
	Yes    bool `env:"-" short:"y" help:"Don't ask before many end. Only a terminal is asked."`
	jsonFlag
}

// Help shows what one does with it.
func (endCmd) Help() string {
	return `What ends is named by IDs, by --all, or by flags that narrow it down.

Examples:

  curfew end 5vz2c4kx7q3mhd6w
  curfew end --user amara
  curfew end --idle-longer-than 12h --dry-run
  curfew end --origin 192.0.2.0/24 --expect 3`
}

// Run ends sessions.
func (c endCmd) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.with(ctx, false, func(api *httpapi.Client) error {
		if err := c.confirm(ctx, std, api); err != nil {
			return err
		}
		r, err := api.End(ctx, c.request())
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(std.out, r)
		case !c.DryRun:
			_, err = fmt.Fprintf(std.out, "Ended %s.\n", plural(r.Count, "session"))
			return err
		}
		if _, err := fmt.Fprintf(std.out, "Would end %s.\n", plural(r.Count, "session")); err != nil || r.Count == 0 {
			return err
		}
		if err := printSessions(std.out, listed(r.Sessions)); err != nil {
			return err
		}
		if shown := len(r.Sessions); shown < r.Count {
			fmt.Fprintf(std.err, "These are the first %d.\n", shown)
		}
		return nil
	})
}

// check returns an error unless it is said in one way which sessions to end.
func (c endCmd) check() error {
	ways := 0
	for _, given := range []bool{len(c.IDs) > 0, c.All, c.filterFlags != filterFlags{}} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usage("say which sessions to end: by their IDs, by --all, or by flags that narrow them down, such as --user")
	}
	return nil
}

// request is what to end. Of IDs each is meant to be live.
func (c endCmd) request() httpapi.End {
	e := httpapi.End{IDs: c.IDs, Others: c.All, DryRun: c.DryRun, Expect: c.Expect}
	if f := c.filter(); f != (httpapi.Filter{}) {
		e.Filter = &f
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(c.IDs)))); n > 0 && e.Expect == nil {
		e.Expect = &n
	}
	return e
}

// errNothingEnded is the answer to who says no.
var errNothingEnded = errors.New("nothing was ended")

// confirm asks a person before many sessions end that were not named one by one.
func (c endCmd) confirm(ctx context.Context, std streams, api *httpapi.Client) error {
	if c.Yes || c.DryRun || len(c.IDs) > 0 || !isTerminal(std.in) {
		return nil
	}
	rehearsal := c.request()
	rehearsal.DryRun = true
	r, err := api.End(ctx, rehearsal)
	if err != nil || r.Count < 2 {
		return err
	}
	question := fmt.Sprintf("This ends %s, of %s. Go on? [y/N] ", plural(r.Count, "session"), owners(r))
	answer, err := askLine(ctx, std.err, std.in, question)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errNothingEnded
	}
}

// maxOwners is how many users a question names.
const maxOwners = 3

// owners says whose sessions they are.
func owners(r httpapi.EndResult) string {
	names := map[string]bool{}
	for _, s := range r.Sessions {
		names[printable(s.Username)] = true
	}
	if len(names) > maxOwners || len(r.Sessions) < r.Count {
		return "many users"
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
