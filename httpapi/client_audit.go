package httpapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Audit goes through all records of the audit log that the query finds, the latest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery) iter.Seq2[audit.Record, error] {
	return pages(func(cursor string) ([]audit.Record, string, error) {
		q.Paging, q.Format = Paging{curfew.MaxPage, cursor}, ""
		var p AuditPage
		err := c.call(ctx, http.MethodGet, "/audit?"+q.values().Encode(), nil, &p)
		return p.Records, p.NextCursor, err
	})
}

// ExportAudit writes all records with higher numbers than after, the earliest first, each a line of JSON with its hash: what
// audit.VerifyFile reads. A stream that breaks off is an error.
func (c *Client) ExportAudit(ctx context.Context, after int64, to io.Writer) error {
	q := AuditQuery{Format: "ndjson", After: after}
	return c.download(ctx, "/audit?"+q.values().Encode(), ndjsonType, to)
}

// VerifyAudit has the server look at all records that it keeps, and returns the places before the first and of the last. The error
// is an *audit.Broken if the log is not as it was written, or does not go through the marks.
func (c *Client) VerifyAudit(ctx context.Context, marks ...audit.Mark) (first, last audit.Mark, err error) {
	v := url.Values{}
	for _, m := range marks {
		v.Add("mark", m.String())
	}
	var check AuditCheck
	if err := c.call(ctx, http.MethodGet, "/audit/verification?"+v.Encode(), nil, &check); err != nil {
		return first, last, err
	}
	if first, err = audit.ParseMark(check.First); err != nil {
		return first, last, fmt.Errorf("read the server's answer: %w", err)
	}
	if check.Broken != nil {
		return first, last, &audit.Broken{No: check.Broken.No, Why: check.Broken.Why}
	}
	if last, err = audit.ParseMark(check.Last); err != nil {
		return first, last, fmt.Errorf("read the server's answer: %w", err)
	}
	return first, last, nil
}

func (q AuditQuery) values() url.Values {
	v := url.Values{}
	set(v, "q", q.Q)
	for _, e := range q.Event {
		v.Add("event", string(e))
	}
	set(v, "outcome", string(q.Outcome))
	set(v, "user", q.User)
	setTime(v, "from", q.From)
	setTime(v, "until", q.Until)
	set(v, "format", q.Format)
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	q.Paging.set(v)
	return v
}
