package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

type tokenPage struct {
	frame
	Field  lifetimeField
	BackTo string
}

func (*tokenPage) file() string { return "token" }

// lifetimeField is the field for a token lifetime: what was typed, and the same in words or what is wrong with it.
type lifetimeField struct {
	Typed   string
	Words   string
	Error   string
	Focus   bool
	Presets []preset // as links to Token Settings; none in other forms
}

type preset struct {
	Name    string
	Seconds int
	Chosen  bool
}

var presets = []time.Duration{
	curfew.MinLifetime, time.Minute, curfew.DefaultLifetime, 15 * time.Minute, time.Hour, 8 * time.Hour, 24 * time.Hour,
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func newLifetimeField(typed string) lifetimeField {
	f := lifetimeField{Typed: typed}
	d, err := parseLifetime(typed)
	if err != nil {
		f.Error = lifetimeError
		return f
	}
	f.Words = Words(d)
	return f
}

func (f lifetimeField) withPresets() lifetimeField {
	f.Focus = true
	for _, d := range presets {
		n := seconds(d)
		f.Presets = append(f.Presets, preset{Words(d), n, strconv.Itoa(n) == strings.TrimSpace(f.Typed)})
	}
	return f
}

var lifetimeError = fmt.Sprintf("Enter a whole number of seconds from %d to %d.",
	seconds(curfew.MinLifetime), seconds(curfew.MaxLifetime))

// parseLifetime reads seconds as typed: digits and nothing else, within the engine's bounds.
func parseLifetime(typed string) (time.Duration, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(typed), 10, 31)
	if err != nil {
		return 0, err
	}
	d := time.Duration(n) * time.Second
	return d, curfew.CheckLifetime(d)
}

func newTokenPage(typed string) *tokenPage {
	return &tokenPage{
		frame:  frame{Title: "Token Settings", Nav: "sessions"},
		Field:  newLifetimeField(typed).withPresets(),
		BackTo: homePath,
	}
}

// tokenForm shows the lifetime of the sender's account or, for the line under the field and the presets, what the
// address says.
func (c *console) tokenForm(r *request) (answer, error) {
	typed := strconv.Itoa(seconds(r.account.Lifetime))
	if q := r.URL.Query(); q.Has("seconds") {
		typed = q.Get("seconds")
	}
	return answer{page: newTokenPage(typed)}, nil
}

func (c *console) setToken(r *request) (answer, error) {
	d, err := parseLifetime(r.field("seconds"))
	if err != nil {
		return answer{status: http.StatusUnprocessableEntity, page: newTokenPage(r.field("seconds"))}, nil
	}
	if _, err := c.Accounts.Update(r.Context(), r.actor(), r.account.ID, account.Change{Lifetime: &d}); err != nil {
		return answer{}, err
	}
	return answer{location: homePath, notice: notice{Code: "lifetime-saved", Arg: Words(d)}}, nil
}
