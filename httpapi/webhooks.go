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
	Name        string         `json:"name"`
	URL         string         `json:"url" doc:"Without its query."`
	Types       []webhook.Type `json:"types" nullable:"false" enum:"session.started,session.ended,account.changed" doc:"What it is told of."`
	Off         bool           `json:"off" doc:"It answered 410, and is told nothing until somebody switches it on."`
	Upto        int64          `json:"upto" doc:"The last record of the audit log that needs no telling any more."`
	Behind      int64          `json:"behind" doc:"How many records came after that."`
	DeliveredAt Time           `json:"delivered_at,omitzero" doc:"When it last took a message. Absent: not since the server started."`
	FailedAt    Time           `json:"failed_at,omitzero" doc:"When it last did not. Absent: its last answer was good."`
	Error       string         `json:"error,omitempty" doc:"Why it did not."`
	Tries       int            `json:"tries,omitempty" doc:"How often the message was tried that waits."`
	NextTryAt   Time           `json:"next_try_at,omitzero"`
	GivenUp     int            `json:"given_up" doc:"How many messages were given up since the server started."`
}

// WebhookList are all webhooks of the server's configuration.
type WebhookList struct {
	Webhooks []Webhook `json:"webhooks" maxItems:"100" nullable:"false"`
}

func newWebhook(s webhook.Status) Webhook {
	return Webhook{
		Name: s.Name, URL: s.URL, Types: s.Types, Off: s.Off, Upto: s.Upto, Behind: s.Behind, Error: s.Error, Tries: s.Tries, GivenUp: s.Skipped,
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
	Name string `path:"name" maxLength:"64"`
}

func (a *api) testWebhook(c *call, p webhookName, _ none) (none, error) {
	return none{}, a.Webhooks.Test(c.Context(), c.actor, p.Name)
}

func (a *api) retryWebhook(c *call, p webhookName, _ none) (none, error) {
	return none{}, a.Webhooks.Retry(c.Context(), c.actor, p.Name)
}
