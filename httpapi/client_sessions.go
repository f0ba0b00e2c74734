package httpapi

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
)

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
