package httpapi_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/webhook"
)

// hooks are two webhooks: crm is well, and chat has been away. What a sender does is tested where it is; its connections can't be in
// a bubble.
type hooks struct{}

func (hooks) Status(context.Context) ([]webhook.Status, error) {
	return []webhook.Status{
		{Name: "crm", URL: "https://crm.example/hook", Types: webhook.Types, Upto: 7, Delivered: time.Now()},
		{Name: "chat", URL: "https://chat.example/hook", Types: []webhook.Type{webhook.SessionEnded}, Upto: 3, Behind: 4, Oldest: time.Now().Add(-time.Minute), Lost: 5, Failed: time.Now(), Error: "it answered 502", Tries: 2, Next: time.Now().Add(time.Minute), Skipped: 1},
	}, nil
}

func (hooks) Test(_ context.Context, by curfew.Actor, name string) error {
	if by.Name == "" || by.Session == "" && by.Key == "" {
		return fmt.Errorf("it is unknown who: %+v", by)
	}
	if name == "chat" {
		return &curfew.Error{Code: curfew.CodeConflict, Message: "the endpoint did not take it: it answered 502"}
	}
	return known(name)
}

func (hooks) Retry(ctx context.Context, by curfew.Actor, name string) error {
	if name == "chat" {
		return hooks{}.Test(ctx, by, "crm")
	}
	return known(name)
}

func known(name string) error {
	if name != "crm" && name != "chat" {
		return &curfew.Error{Code: curfew.CodeNotFound, Message: "there is no webhook of this name"}
	}
	return nil
}

func TestWebhooks(t *testing.T) {
	run(t, func(k *kit) {
		k.user("otto", account.Admin)
		_, token := k.signIn("otto")
		list := ask[httpapi.WebhookList](k, token, 200, "GET", "/api/v1/webhooks", "").Webhooks
		if len(list) != 2 || len(list[0].Types) != 3 || list[0].DeliveredAt.IsZero() || !list[0].FailedAt.IsZero() || !list[0].OldestAt.IsZero() {
			t.Errorf("%+v", list)
		}
		if w := list[1]; len(w.Types) != 1 || w.Error == "" || w.NextTryAt.IsZero() || w.OldestAt.IsZero() || w.Lost != 5 || w.Behind != 4 || w.Tries != 2 || w.GivenUp != 1 {
			t.Errorf("%+v", w)
		}
		for path, status := range map[string]int{"crm/test": 204, "chat/test": 409, "x/test": 404, "chat/retry": 204, "x/retry": 404} {
			ask[struct{}](k, token, status, "POST", "/api/v1/webhooks/"+path, "")
		}
	})
}
