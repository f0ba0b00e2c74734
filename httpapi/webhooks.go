package httpapi

import (
	"context"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/webhook"
)

// Webhooks are those of a *webhook.Sender.
type Webhooks interface {
	Status(context.Context) ([]webhook.Status, error)
	Test(ctx context.Context, by curfew.Actor, name string) error
	Retry(ctx context.Context, by curfew.Actor, name string) error
}

// Webhook is how an endpoint does.
type Webhook struct {
	Name        string         `json:"name" doc:"As the server's configuration has it."`
	URL         string         `json:"url" format:"uri" doc:"Where messages go, without the query, which may hold a secret."`
	Types       []webhook.Type `json:"types" maxItems:"3" nullable:"false" enum:"session.started,session.ended,account.changed" doc:"What it is told of."`
	Off         bool           `json:"off" doc:"It answered 410, and is told nothing until somebody switches it on."`
	Upto        int64          `json:"upto" minimum:"0" doc:"The last record of the audit log that needs no telling any more."`
	Behind      int64          `json:"behind" minimum:"0" doc:"How many records came after that."`
	OldestAt    Time           `json:"oldest_at,omitzero" doc:"When the first of those was written. Absent: there is none."`
	DeliveredAt Time           `json:"delivered_at,omitzero" doc:"When it last took a message. Absent: not since the server started."`
	FailedAt    Time           `json:"failed_at,omitzero" doc:"When it last did not. Absent: its last answer was good."`
	Error       string         `json:"error,omitempty" doc:"Why it did not, or why the audit log can't be read where it is."`
	Tries       int            `json:"tries,omitempty" minimum:"0" doc:"How often the message that waits was tried. Absent: none waits, or it was not tried."`
	NextTryAt   Time           `json:"next_try_at,omitzero" doc:"When it is tried again. Absent: nothing waits."`
	GivenUp     int            `json:"given_up" minimum:"0" doc:"How many messages were given up since the server started."`
	Lost        int64          `json:"lost" minimum:"0" doc:"How many records were deleted because of their age before they could be told; counted since the server started."`
}

// WebhookList are all webhooks of the server's configuration.
type WebhookList struct {
	Webhooks []Webhook `json:"webhooks" maxItems:"100" nullable:"false" doc:"In the order of the configuration."`
}

func newWebhook(s webhook.Status) Webhook {
	return Webhook{
		Name: s.Name, URL: s.URL, Types: s.Types, Off: s.Off, Upto: s.Upto, Behind: s.Behind, Error: s.Error, Tries: s.Tries, GivenUp: s.Skipped, Lost: s.Lost,
		OldestAt:    atUnlessZero(s.Oldest),
		DeliveredAt: atUnlessZero(s.Delivered), FailedAt: atUnlessZero(s.Failed), NextTryAt: atUnlessZero(s.Next),
	}
}

func (a *api) listWebhooks(c *call, _, _ none) (WebhookList, error) {
	all, err := a.Webhooks.Status(c.Context())
	list := WebhookList{Webhooks: []Webhook{}}
	for _, s := range all {
		list.Webhooks = append(list.Webhooks, newWebhook(s))
	}
	return list, err
}

type webhookName struct {
	Name string `path:"name" maxLength:"64" doc:"Name of a webhook of the server's configuration."`
}

func (a *api) testWebhook(c *call, p webhookName, _ none) (none, error) {
	return none{}, a.Webhooks.Test(c.Context(), c.actor, p.Name)
}

func (a *api) retryWebhook(c *call, p webhookName, _ none) (none, error) {
	return none{}, a.Webhooks.Retry(c.Context(), c.actor, p.Name)
}
