package httpapi

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/curfewhq/curfew"
)

// Account returns one's own account.
func (c *Client) Account(ctx context.Context) (u User, err error) {
	return u, c.call(ctx, http.MethodGet, "/account", nil, &u)
}

// UpdateAccount changes one's own account.
func (c *Client) UpdateAccount(ctx context.Context, ch AccountChange) (u User, err error) {
	return u, c.call(ctx, http.MethodPut, "/account", ch, &u)
}

// SetLifetime sets the Token Lifetime of one's own sessions.
func (c *Client) SetLifetime(ctx context.Context, d time.Duration) error {
	return c.call(ctx, http.MethodPut, "/account/lifetime", Lifetime{inSeconds(d)}, nil)
}

// ChangePassword changes one's own password.
func (c *Client) ChangePassword(ctx context.Context, p PasswordChange) (e Ended, err error) {
	return e, c.call(ctx, http.MethodPut, "/account/password", p, &e)
}

// Users goes through all accounts, by name.
func (c *Client) Users(ctx context.Context) iter.Seq2[User, error] {
	return pages(func(cursor string) ([]User, string, error) {
		v := url.Values{}
		Paging{curfew.MaxPage, cursor}.set(v)
		var p UserPage
		err := c.call(ctx, http.MethodGet, "/users?"+v.Encode(), nil, &p)
		return p.Users, p.NextCursor, err
	})
}

// UserNamed returns the account with the user name.
func (c *Client) UserNamed(ctx context.Context, name string) (User, error) {
	var p UserPage
	err := c.call(ctx, http.MethodGet, "/users?"+url.Values{"username": {name}}.Encode(), nil, &p)
	if err != nil {
		return User{}, err
	}
	if len(p.Users) != 1 {
		return User{}, noUser(name)
	}
	return p.Users[0], nil
}

// User returns an account.
func (c *Client) User(ctx context.Context, id curfew.UserID) (u User, err error) {
	return u, c.call(ctx, http.MethodGet, userPath(id), nil, &u)
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, n NewUser) (u User, err error) {
	return u, c.call(ctx, http.MethodPost, "/users", n, &u)
}

// UpdateUser changes an account and its live sessions.
func (c *Client) UpdateUser(ctx context.Context, id curfew.UserID, ch UserChange) (u User, err error) {
	return u, c.call(ctx, http.MethodPatch, userPath(id), ch, &u)
}

// SetPassword gives an account a new password and ends its sessions.
func (c *Client) SetPassword(ctx context.Context, id curfew.UserID, password string) error {
	return c.call(ctx, http.MethodPut, userPath(id)+"/password", NewPassword{password}, nil)
}

// EndUserSessions ends all sessions of an account, but the one in which it is asked.
func (c *Client) EndUserSessions(ctx context.Context, id curfew.UserID) (e Ended, err error) {
	return e, c.call(ctx, http.MethodDelete, userPath(id)+"/sessions", nil, &e)
}

// Unlock empties an account's counters of failed sign-ins.
func (c *Client) Unlock(ctx context.Context, id curfew.UserID) (u Unlock, err error) {
	return u, c.call(ctx, http.MethodPost, userPath(id)+"/unlock", nil, &u)
}

// DeleteUser deletes an account and ends its sessions.
func (c *Client) DeleteUser(ctx context.Context, id curfew.UserID) error {
	return c.call(ctx, http.MethodDelete, userPath(id), nil, nil)
}

func userPath(id curfew.UserID) string { return "/users/" + url.PathEscape(string(id)) }
