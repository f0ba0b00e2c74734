package httpapi

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// lifetimeRequest is the wish for another Token Lifetime.
type lifetimeRequest struct {
	Seconds json.RawMessage `json:"seconds"` // checked here, so that whatever is wrong is said of the field
}

func (a *api) setLifetime(c *call, req lifetimeRequest) (map[string]int64, error) {
	d, err := parseLifetime(string(req.Seconds))
	if err != nil {
		return nil, err
	}
	acc, err := a.Accounts.Update(c.Context(), c.actor, c.account.ID, account.Change{Lifetime: &d})
	if err != nil {
		return nil, err
	}
	return map[string]int64{"seconds": int64(acc.Lifetime / time.Second)}, nil
}

// parseLifetime reads whole seconds in decimal digits.
func parseLifetime(seconds string) (time.Duration, error) {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		n = 0 // as wrong as any
	}
	return wholeSeconds(n)
}

// wholeSeconds returns n seconds, if they are a lifetime.
func wholeSeconds(n int64) (time.Duration, error) {
	n = min(max(n, 0), int64(curfew.MaxLifetime/time.Second)+1) // keeps the product in range
	d := time.Duration(n) * time.Second
	return d, curfew.CheckLifetime(d)
}
