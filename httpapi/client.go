package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
)

// Client calls the control API. Its errors are *curfew.Error with the server's code; but if the server can't be
// reached, what the transport returned. A Client may be used from many goroutines.
type Client struct {
	http http.Client
	// Operator is the name of who gives the commands, for the history; may be empty.
	Operator string
}

// NewClient returns a client that reaches the control API by rt: a SocketTransport or a HandlerTransport.
func NewClient(rt http.RoundTripper) *Client { return &Client{http: http.Client{Transport: rt}} }

// Status asks which server answers.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Users goes through all accounts, by name.
func (c *Client) Users(ctx context.Context) iter.Seq2[User, error] {
	return pages(func(after string) ([]User, string, error) {
		var p userPage
		err := c.do(ctx, http.MethodGet, "/users?"+url.Values{"after": {after}}.Encode(), nil, &p)
		return p.Users, p.Next, err
	})
}

// User returns the account with the user name.
func (c *Client) User(ctx context.Context, name string) (u User, err error) {
	return u, c.do(ctx, http.MethodGet, userPath(name), nil, &u)
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, n NewUser) (u User, err error) {
	return u, c.do(ctx, http.MethodPost, "/users", n, &u)
}

// UpdateUser changes an account and its live sessions.
func (c *Client) UpdateUser(ctx context.Context, name string, ch UserChange) (u User, err error) {
	return u, c.do(ctx, http.MethodPatch, userPath(name), ch, &u)
}

// SetPassword gives an account a new password and ends its sessions.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	return c.do(ctx, http.MethodPut, userPath(name)+"/password", passwordRequest{password}, nil)
}

// Unlock empties an account's counters of failed sign-ins.
func (c *Client) Unlock(ctx context.Context, name string) (u Unlock, err error) {
	return u, c.do(ctx, http.MethodPost, userPath(name)+"/unlock", nil, &u)
}

// DeleteUser deletes an account and ends its sessions.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, userPath(name), nil, nil)
}

// Sessions goes through all live sessions, or those of the user, in the order of their starts.
func (c *Client) Sessions(ctx context.Context, user string) iter.Seq2[Session, error] {
	return pages(func(after string) ([]Session, string, error) {
		var p sessionPage
		err := c.do(ctx, http.MethodGet, "/sessions?"+url.Values{"user": {user}, "after": {after}}.Encode(), nil, &p)
		return p.Sessions, p.Next, err
	})
}

// Count counts what Sessions goes through.
func (c *Client) Count(ctx context.Context, user string) (n Count, err error) {
	return n, c.do(ctx, http.MethodGet, "/sessions/count?"+url.Values{"user": {user}}.Encode(), nil, &n)
}

// End ends sessions, all that are asked for or none.
func (c *Client) End(ctx context.Context, e End) (r EndResult, err error) {
	return r, c.do(ctx, http.MethodPost, "/sessions/end", e, &r)
}

func userPath(name string) string { return "/users/" + url.PathEscape(name) }

// pages goes through all entries of all pages. It stops after an error.
func pages[T any](get func(after string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for next, first := "", true; first || next != ""; first = false {
			var entries []T
			var err error
			if entries, next, err = get(next); err != nil {
				yield(*new(T), err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// do sends one request, with body as JSON if there is one, and reads the answer into the value, if there is one.
func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return readProblem(resp)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://curfew/control/v1"+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Operator != "" {
		req.Header.Set(operatorHeader, c.Operator)
	}
	return req, nil
}

// readProblem makes of a problem document the error that it was made of.
func readProblem(resp *http.Response) error {
	var p Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	if p.Code == "" {
		p.Code = curfew.CodeInternal
	}
	e := &curfew.Error{Code: p.Code, Message: p.Detail}
	if len(p.Errors) == 1 {
		e.Field, e.Message = p.Errors[0].Field, p.Errors[0].Detail
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}
