package console

import (
	"errors"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/webhook"
)

type webhooksPage struct {
	frame
	Rows []hookRow
}

func (*webhooksPage) file() string { return "webhooks" }

// hookRow is a webhook in the list.
type hookRow struct {
	Name      string
	URL       string
	Types     []webhook.Type
	State     string // "good", "waiting" or "off"
	StateName string
	Behind    string
	Delivered stamp
	Failed    stamp
	Error     string
	Next      stamp
	GivenUp   int
	Lost      int
	Oldest    stamp
}

func (c *console) webhooks(r *request) (answer, error) {
	all, err := c.Webhooks.Status(r.Context())
	if err != nil {
		return answer{}, err
	}
	p := &webhooksPage{frame: frame{Title: "Webhooks", Nav: "webhooks"}}
	for _, s := range all {
		p.Rows = append(p.Rows, r.hookRow(s))
	}
	return answer{page: p}, nil
}

func (r *request) hookRow(s webhook.Status) hookRow {
	row := hookRow{
		Name: s.Name, URL: s.URL, Types: s.Types, State: "good", StateName: "Delivering",
		Delivered: r.clock.stamp(s.Delivered), Failed: r.clock.stamp(s.Failed), Error: s.Error, Next: r.clock.stamp(s.Next), GivenUp: s.Skipped,
		Lost: int(s.Lost), Oldest: r.clock.stamp(s.Oldest),
	}
	if s.Behind > 0 {
		row.Behind = plural(int(s.Behind), "record", "records") + " behind"
	}
	switch {
	case s.Off:
		row.State, row.StateName = "off", "Off"
	case s.Error != "":
		row.State, row.StateName = "waiting", "Waiting"
	}
	return row
}

func (c *console) testWebhook(r *request) (answer, error) {
	name := r.PathValue("name")
	err := c.Webhooks.Test(r.Context(), r.actor(), name)
	said := notice{Code: "hook-tested", Arg: name}
	if e, ok := errors.AsType[*curfew.Error](err); ok && e.Code == curfew.CodeConflict {
		said, err = notice{Code: "hook-refused", Arg: name + ": " + e.Message}, nil
	}
	return answer{location: "/webhooks", notice: said}, err
}

func (c *console) retryWebhook(r *request) (answer, error) {
	name := r.PathValue("name")
	return answer{location: "/webhooks", notice: notice{Code: "hook-retried", Arg: name}}, c.Webhooks.Retry(r.Context(), r.actor(), name)
}
