package httpapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// Keys returns one's own API keys.
func (c *Client) Keys(ctx context.Context) ([]Key, error) { return c.keys(ctx, "/keys") }

// UserKeys returns an account's API keys.
func (c *Client) UserKeys(ctx context.Context, id curfew.UserID) ([]Key, error) {
	return c.keys(ctx, userPath(id)+"/keys")
}

func (c *Client) keys(ctx context.Context, path string) ([]Key, error) {
	var l KeyList
	err := c.call(ctx, http.MethodGet, path, nil, &l)
	return l.Keys, err
}

// MakeKey makes an API key of one's own.
func (c *Client) MakeKey(ctx context.Context, n NewKey) (k MadeKey, err error) {
	return k, c.call(ctx, http.MethodPost, "/keys", n, &k)
}

// MakeUserKey makes an API key of an account.
func (c *Client) MakeUserKey(ctx context.Context, id curfew.UserID, n NewKey) (k MadeKey, err error) {
	return k, c.call(ctx, http.MethodPost, userPath(id)+"/keys", n, &k)
}

// RevokeKey revokes an API key, one's own or, for an admin, whosever it is.
func (c *Client) RevokeKey(ctx context.Context, id account.KeyID) error {
	return c.call(ctx, http.MethodDelete, "/keys/"+url.PathEscape(string(id)), nil, nil)
}

// RevokeUserKey revokes an API key of the account.
func (c *Client) RevokeUserKey(ctx context.Context, owner curfew.UserID, id account.KeyID) error {
	return c.call(ctx, http.MethodDelete, userPath(owner)+"/keys/"+url.PathEscape(string(id)), nil, nil)
}
