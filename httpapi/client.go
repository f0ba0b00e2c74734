package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// Client calls the API: a server's by its address, or this machine's by a socket. Its errors are *curfew.Error with the server's
// code, and ErrProofNeeded; but if the server can't be reached, what the transport returned. A Client may be used from many
// goroutines.
type Client struct {
	http http.Client
	// Server is Curfew's address, such as https://example.com/.curfew. Empty for transports that lead to one server.
	Server string
	// Operator is the name of who gives the commands, for the history; may be empty. Only who runs the machine is believed.
	Operator string
	// Authorize says in each request whose it is; nil where the transport is enough.
	Authorize func(*http.Request)
}

// ErrProofNeeded says that the server wants the password once more before it does this: see Prove.
var ErrProofNeeded = &curfew.Error{Code: curfew.CodeDenied, Message: "the password is needed once more"}

// NewClient returns a client that reaches the API by rt: http.DefaultTransport, a SocketTransport or a HandlerTransport. It follows no
// redirect: the API has none, and what Authorize adds is for Server alone.
func NewClient(rt http.RoundTripper) *Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: http.Client{Transport: rt, CheckRedirect: stay}}
}

// Session returns one's own session, which may have ended.
func (c *Client) Session(ctx context.Context) (s Session, err error) {
	return s, c.call(ctx, http.MethodGet, "/session", nil, &s)
}

// SignOut ends one's own session.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/session", nil, nil)
}

// Extend starts the inactivity of one's own session anew.
func (c *Client) Extend(ctx context.Context) (s Session, err error) {
	return s, c.call(ctx, http.MethodPost, "/session/extend", nil, &s)
}

// Report says that a person did something a while ago.
func (c *Client) Report(ctx context.Context, ago time.Duration) (s Session, err error) {
	return s, c.call(ctx, http.MethodPost, "/session/activity", activityRequest{uint32(ago.Milliseconds())}, &s)
}

// Prove gives the password once more, so that for 10 minutes what is sensitive may be done in one's session.
func (c *Client) Prove(ctx context.Context, password string) (p Proven, err error) {
	return p, c.call(ctx, http.MethodPost, "/session/proof", Proof{password}, &p)
}

// Sessions goes through all live sessions that the filter finds, in the order of their starts, which nothing moves: it meets each
// session once.
func (c *Client) Sessions(ctx context.Context, f Filter) iter.Seq2[Session, error] {
	return pages(func(cursor string) ([]Session, string, error) {
		p, err := c.SessionPage(ctx, SessionQuery{Filter: f, Sort: string(curfew.SortStarted), Paging: Paging{curfew.MaxPage, cursor}})
		return p.Sessions, p.NextCursor, err
	})
}

// SessionPage returns a page of live sessions.
func (c *Client) SessionPage(ctx context.Context, q SessionQuery) (p SessionPage, err error) {
	v := q.values()
	set(v, "sort", q.Sort)
	q.Paging.set(v)
	return p, c.call(ctx, http.MethodGet, "/sessions?"+v.Encode(), nil, &p)
}

// FindSession returns a session, live or ended.
func (c *Client) FindSession(ctx context.Context, id curfew.SessionID) (s Session, err error) {
	return s, c.call(ctx, http.MethodGet, "/sessions/"+url.PathEscape(string(id)), nil, &s)
}

// EndSession ends a session, or does nothing if it has ended.
func (c *Client) EndSession(ctx context.Context, id curfew.SessionID) error {
	return c.call(ctx, http.MethodDelete, "/sessions/"+url.PathEscape(string(id)), nil, nil)
}

// End ends sessions, all that are asked for or none.
func (c *Client) End(ctx context.Context, e End) (r EndResult, err error) {
	return r, c.call(ctx, http.MethodPost, "/sessions/end", e, &r)
}

// History goes through all ended sessions that the query finds, the latest end first.
func (c *Client) History(ctx context.Context, q HistoryQuery) iter.Seq2[Session, error] {
	return pages(func(cursor string) ([]Session, string, error) {
		q.Paging, q.Format = Paging{curfew.MaxPage, cursor}, ""
		var p HistoryPage
		err := c.call(ctx, http.MethodGet, "/history?"+q.values().Encode(), nil, &p)
		return p.Sessions, p.NextCursor, err
	})
}

// Export writes all ended sessions that the query finds, as CSV or, line by line, as JSON: q.Format is "csv" or "ndjson". A stream that
// breaks off is an error.
func (c *Client) Export(ctx context.Context, q HistoryQuery, to io.Writer) error {
	q.Limit = 0
	return c.download(ctx, "/history?"+q.values().Encode(), map[string]string{"csv": csvType, "ndjson": ndjsonType}[q.Format], to)
}

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

// Keys returns one's own API keys.
func (c *Client) Keys(ctx context.Context) ([]Key, error) { return c.keys(ctx, "/keys") }

// MakeKey makes an API key of one's own.
func (c *Client) MakeKey(ctx context.Context, n NewKey) (k MadeKey, err error) {
	return k, c.call(ctx, http.MethodPost, "/keys", n, &k)
}

// RevokeKey revokes an API key, one's own or, for an admin, whosever it is.
func (c *Client) RevokeKey(ctx context.Context, id account.KeyID) error {
	return c.call(ctx, http.MethodDelete, "/keys/"+url.PathEscape(string(id)), nil, nil)
}

// UserKeys returns an account's API keys.
func (c *Client) UserKeys(ctx context.Context, id curfew.UserID) ([]Key, error) {
	return c.keys(ctx, userPath(id)+"/keys")
}

func (c *Client) keys(ctx context.Context, path string) ([]Key, error) {
	var l KeyList
	err := c.call(ctx, http.MethodGet, path, nil, &l)
	return l.Keys, err
}

// MakeUserKey makes an API key of an account.
func (c *Client) MakeUserKey(ctx context.Context, id curfew.UserID, n NewKey) (k MadeKey, err error) {
	return k, c.call(ctx, http.MethodPost, userPath(id)+"/keys", n, &k)
}

// RevokeUserKey revokes an API key of the account.
func (c *Client) RevokeUserKey(ctx context.Context, owner curfew.UserID, id account.KeyID) error {
	return c.call(ctx, http.MethodDelete, userPath(owner)+"/keys/"+url.PathEscape(string(id)), nil, nil)
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

// Status asks which server answers. Only who runs the machine may.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

func userPath(id curfew.UserID) string { return "/users/" + url.PathEscape(string(id)) }

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setTime(v url.Values, name string, t time.Time) {
	if !t.IsZero() {
		v.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func (p Paging) set(v url.Values) {
	set(v, "cursor", p.Cursor)
	if p.Limit > 0 {
		v.Set("limit", strconv.Itoa(p.Limit))
	}
}

func (f Filter) values() url.Values {
	v := url.Values{}
	set(v, "q", f.Q)
	set(v, "user", f.User)
	set(v, "origin", f.Origin)
	set(v, "credential", f.Credential)
	set(v, "device", f.Device)
	setTime(v, "started_after", f.StartedAfter)
	if f.IdleLongerThan > 0 {
		v.Set("idle_longer_than", strconv.FormatInt(f.IdleLongerThan, 10))
	}
	return v
}

func (q HistoryQuery) values() url.Values {
	v := q.Filter.values()
	set(v, "reason", q.Reason)
	set(v, "actor", q.Actor)
	set(v, "format", q.Format)
	setTime(v, "from", q.From)
	setTime(v, "until", q.Until)
	q.Paging.set(v)
	return v
}

// pages goes through all entries of all pages.
func pages[T any](get func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for next, first := "", true; first || next != ""; first = false {
			var list []T
			var err error
			if list, next, err = get(next); err != nil {
				yield(*new(T), err)
				return
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// call makes a call, with body as JSON if there is one, and reads the answer into the value, if there is one.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if !isOfType(resp, jsonType) {
		return strangeAnswer(resp)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return c.do(req)
}

// do sends a request, and returns the answer unless it is an error.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// stream sends one request, and returns the answer if it is of the media type.
func (c *Client) stream(req *http.Request, mediaType string) (io.ReadCloser, error) {
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	if !isOfType(resp, mediaType) {
		defer resp.Body.Close()
		return nil, strangeAnswer(resp)
	}
	return resp.Body, nil
}

// download writes an answer of the media type as it comes.
func (c *Client) download(ctx context.Context, path, mediaType string, to io.Writer) error {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	body, err := c.stream(req, mediaType)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(to, body); err != nil {
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
	server := strings.TrimSuffix(c.Server, "/")
	if server == "" {
		server = "http://curfew"
	}
	req, err := http.NewRequestWithContext(ctx, method, server+"/api/v1"+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if c.Operator != "" {
		req.Header.Set(operatorHeader, c.Operator)
	}
	if c.Authorize != nil {
		c.Authorize(req)
	}
	return req, nil
}

// maxAnswer is how much of one document is read: no page is as large.
const maxAnswer = 16 << 20

func isOfType(resp *http.Response, mediaType string) bool {
	got, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && got == mediaType
}

// strangeAnswer is the error for what no Curfew answers: something else is at the address, or between here and there.
func strangeAnswer(resp *http.Response) error {
	e := &curfew.Error{Code: curfew.CodeInternal, Message: "what answers is not Curfew: it says " + resp.Status}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil {
		e.Message += ", with " + kind
	}
	switch to, err := resp.Location(); {
	case err == nil && resp.StatusCode/100 == 3:
		e.Message = fmt.Sprintf("what answers is not Curfew, but leads on to %s", to.Redacted())
	case resp.StatusCode == http.StatusBadGateway, resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusGatewayTimeout:
		e.Code, e.Message = curfew.CodeUnavailable, "the proxy before Curfew can't reach it: it says "+resp.Status
	}
	return e
}

// readProblem makes of a problem document the error that it was made of.
func readProblem(resp *http.Response) error {
	var p Problem
	if !isOfType(resp, problemType) || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&p) != nil {
		return strangeAnswer(resp)
	}
	if p.Type == TypeProofNeeded {
		return ErrProofNeeded
	}
	if p.Code == "" {
		p.Code = misuses[resp.StatusCode]
	}
	if p.Code == "" {
		p.Code = curfew.CodeInternal
	}
	e := &curfew.Error{Code: p.Code, Message: p.Detail}
	if len(p.Errors) > 0 {
		e.Field, e.Message = p.Errors[0].Field, p.Errors[0].Detail
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && p.Code == curfew.CodeLimited {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// misuses are the codes of answers that have none.
var misuses = map[int]curfew.Code{
	http.StatusBadRequest:            curfew.CodeInvalid,
	http.StatusUnauthorized:          curfew.CodeDenied,
	http.StatusNotFound:              curfew.CodeNotFound,
	http.StatusRequestEntityTooLarge: curfew.CodeInvalid,
}
