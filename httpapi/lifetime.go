package httpapi

import (
	"bytes"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// Seconds is a Token Lifetime in whole seconds. In JSON it is decimal digits; whatever else there is is no lifetime.
type Seconds int64

// UnmarshalJSON never fails, so that whatever is wrong is said of the field.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		n = 0 // as wrong as any
	}
	*s = Seconds(n)
	return nil
}

// Schema is for huma.
func (Seconds) Schema(huma.Registry) *huma.Schema {
	least, most := curfew.MinLifetime.Seconds(), curfew.MaxLifetime.Seconds()
	s := &huma.Schema{
		Type: huma.TypeInteger, Format: "int64", Minimum: &least, Maximum: &most,
		Description: "How long sessions may be idle, in seconds.", Examples: []any{300},
	}
	s.PrecomputeMessages()
	return s
}

// duration returns the lifetime, if it is one. The error names the field.
func (s Seconds) duration(field string) (time.Duration, error) {
	n := min(max(int64(s), 0), int64(curfew.MaxLifetime/time.Second)+1) // keeps the product in range
	d := time.Duration(n) * time.Second
	if curfew.CheckLifetime(d) != nil {
		return 0, &curfew.Error{Code: curfew.CodeInvalid, Field: field, Message: lifetimeMessage}
	}
	return d, nil
}

func inSeconds(d time.Duration) Seconds { return Seconds(d / time.Second) }

// Lifetime is a Token Lifetime.
type Lifetime struct {
	Seconds Seconds `json:"seconds" doc:"How long your sessions may be idle. All live ones follow at once."`
}

func (a *api) setLifetime(c *call, _ none, req Lifetime) (Lifetime, error) {
	d, err := req.Seconds.duration("seconds")
	if err != nil {
		return Lifetime{}, err
	}
	acc, err := a.Accounts.Update(c.Context(), c.actor, c.account.ID, account.Change{Lifetime: &d})
	return Lifetime{inSeconds(acc.Lifetime)}, err
}
