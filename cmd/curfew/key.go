package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make an API key and print its secret, this once."`
	List   keyListCmd   `cmd:"" help:"List API keys."`
	Revoke keyRevokeCmd `cmd:"" help:"Revoke API keys: they are refused from the next request on."`
}

type keyNewCmd struct {
	serverFlags
	User    string       `arg:"" help:"User name of the owner."`
	Name    string       `arg:"" help:"What the key is for."`
	Role    account.Role `env:"-" default:"user" complete:"admin,auditor,user" help:"What the key may do: admin, auditor or user; at most what its owner may."`
	Expires *duration    `env:"-" placeholder:"TIME" xor:"expiry" help:"How long the key is good: at most 365d; 90d if not given."`
	Never   bool         `env:"-" xor:"expiry" help:"The key never expires."`
	jsonFlag
}

// errNoKeyByKey is the server's answer too, in words for who has no session to sign in to.
var errNoKeyByKey = &curfew.Error{
	Code: curfew.CodeDenied, Message: "no API key makes another; make one in the console, under Account, or on the server's machine",
}

// Run makes a key. Its secret alone goes to standard output, so that a script can take it from there.
func (c keyNewCmd) Run(ctx context.Context, std streams) error {
	if c.Server != "" {
		return errNoKeyByKey
	}
	n := httpapi.NewKey{Name: c.Name, Role: c.Role, Never: c.Never}
	if c.Expires != nil {
		n.ExpiresInSeconds = int64(time.Duration(*c.Expires) / time.Second)
		if n.ExpiresInSeconds == 0 {
			return usage("--expires must be more than 0; for a key that never expires give --never")
		}
	}
	return c.with(ctx, false, func(api *httpapi.Client) error {
		u, err := api.UserNamed(ctx, c.User)
		if err != nil {
			return err
		}
		k, err := api.MakeUserKey(ctx, u.ID, n)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std.out, k)
		}
		until := "It never expires."
		if !k.ExpiresAt.IsZero() {
			until = "It expires " + when(k.ExpiresAt.Time) + "."
		}
		fmt.Fprintf(std.err, "Made the API key %s (%s) of %s. %s This is its secret, shown this once:\n", k.ID, k.Role, k.Username, until)
		_, err = fmt.Fprintln(std.out, k.Secret)
		return err
	})
}

type keyListCmd struct {
	serverFlags
	User string `arg:"" optional:"" help:"Only this user's keys. Without it those of all or, for who may not see them, one's own."`
	jsonFlag
}

var keyColumns = []column{{"ID", 0}, {"USER", 8}, {"NAME", 8}, {"ROLE", 0}, {"LAST USED", 0}, {"EXPIRES", 0}}

// Run lists keys, never their secrets.
func (c keyListCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		keys, err := c.keys(ctx, api)
		if err != nil {
			return err
		}
		if c.JSON {
			return printList(std.out, listed(keys))
		}
		return printTable(std.out, keyColumns, "There are no API keys.", listed(keys), func(k httpapi.Key) []string {
			return []string{string(k.ID), k.Username, k.Name, string(k.Role), timeOr("never", k.LastUsedAt), timeOr("never", k.ExpiresAt)}
		})
	})
}

// keys returns the keys of the user or, without one, of all whose keys the caller may see.
func (c keyListCmd) keys(ctx context.Context, api *httpapi.Client) ([]httpapi.Key, error) {
	if c.User != "" {
		u, err := api.UserNamed(ctx, c.User)
		if err != nil {
			return nil, err
		}
		return api.UserKeys(ctx, u.ID)
	}
	var all []httpapi.Key
	for u, err := range api.Users(ctx) {
		if curfew.ErrorCode(err) == curfew.CodeDenied {
			return api.Keys(ctx)
		}
		if err != nil {
			return nil, err
		}
		keys, err := api.UserKeys(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// timeOr is the time or, if there is none, what that means.
func timeOr(none string, t httpapi.Time) string {
	if t.IsZero() {
		return none
	}
	return when(t.Time)
}

type keyRevokeCmd struct {
	serverFlags
	IDs []account.KeyID `arg:"" name:"id" help:"Keys to revoke, by the IDs that curfew key list shows."`
}

// Run revokes keys one after the other, and stops at one that can't be.
func (c keyRevokeCmd) Run(ctx context.Context, std streams) error {
	if slices.ContainsFunc(c.IDs, func(id account.KeyID) bool { return account.HoldsKeySecret(string(id)) }) {
		return usage("that is the secret of an API key, which others can see in the arguments; \"curfew key list\" shows the IDs of keys, by which they are revoked")
	}
	return c.with(ctx, false, func(api *httpapi.Client) error {
		for _, id := range c.IDs {
			if err := api.RevokeKey(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			if _, err := fmt.Fprintf(std.out, "Revoked %s.\n", id); err != nil {
				return err
			}
		}
		return nil
	})
}
