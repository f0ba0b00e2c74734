package httpapi

import (
	"context"
	"net/http"
	"net/url"
)

// Webhooks returns how all webhooks do.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list WebhookList
	err := c.call(ctx, http.MethodGet, "/webhooks", nil, &list)
	return list.Webhooks, err
}

// TestWebhook has a webhook told that this is a test. The error has CodeConflict and says how it was answered, unless it was taken.
func (c *Client) TestWebhook(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/webhooks/"+url.PathEscape(name)+"/test", nil, nil)
}

// RetryWebhook tries the message that waits now, and switches the webhook on if it was off.
func (c *Client) RetryWebhook(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/webhooks/"+url.PathEscape(name)+"/retry", nil, nil)
}
