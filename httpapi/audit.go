package httpapi

import (
	"bufio"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// AuditQuery asks for records of the audit log.
type AuditQuery struct {
	Q       string        `query:"q" minLength:"1" maxLength:"200" doc:"Words that must all occur in the record."`
	Event   []audit.Event `query:"event,explode" maxItems:"50" nullable:"false" enum:"authn_login_success,authn_login_fail,excess_rate_limit_exceeded,authn_reauthenticated,authn_reauthentication_fail,authn_password_change,authn_unlocked,authn_device_known,authn_token_created,authn_token_revoked,session_logout,session_expired,session_terminated,sessions_terminated,user_created,user_updated,user_deleted,webhook_tested,webhook_retried,sys_startup,sys_shutdown,sys_restored,audit_forgotten" doc:"Only of these events; may be repeated."`
	Outcome audit.Outcome `query:"outcome" enum:"success,refused" doc:"Only with this outcome."`
	User    string        `query:"user" minLength:"1" maxLength:"64" doc:"Only what the account with this user name did, or what was done to it."`
	From    time.Time     `query:"from" doc:"Only at this time or later."`
	Until   time.Time     `query:"until" doc:"Only before this time."`
	Format  string        `query:"format" enum:"json,ndjson" default:"json" doc:"json is one page, the latest first. ndjson is the whole log with hashes as a stream, the earliest first; only after goes with it."`
	After   int64         `query:"after" minimum:"0" maximum:"9007199254740991" doc:"With ndjson: only records with higher numbers than this."`
	Paging
}

// AuditPage is a part of the audit log, the latest record first.
type AuditPage struct {
	Records    []audit.Record `json:"records" maxItems:"500" nullable:"false" doc:"The latest first."`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Asks for what follows. A page may have fewer entries than limit, or none, though more follow."`
}

func (a *api) auditLog(w http.ResponseWriter, c *call, q AuditQuery) error {
	if err := q.check(); err != nil {
		return err
	}
	if q.Format == "ndjson" {
		return a.exportAudit(w, c, q.After)
	}
	aq, name, err := a.auditQuery(c, q)
	if err != nil {
		return err
	}
	page, err := a.Audit.List(c.Context(), aq)
	if err != nil {
		return err
	}
	answer := AuditPage{Records: []audit.Record{}}
	for _, r := range page.Records {
		if name == "" || isNamed(r.By, name) || isNamed(r.User, name) {
			answer.Records = append(answer.Records, r)
		}
	}
	if page.Next > 0 {
		answer.NextCursor = strconv.FormatInt(page.Next, 10)
	}
	text, err := encode(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.Write(text) // a client that has gone is not our concern
	return nil
}

// check refuses what does not go together. A chain with gaps could not be verified, so there are no filters for it.
func (q AuditQuery) check() error {
	filtered := q.Q != "" || len(q.Event) > 0 || q.Outcome != "" || q.User != "" || !q.From.IsZero() || !q.Until.IsZero() || q.Cursor != ""
	switch {
	case q.Format == "ndjson" && filtered:
		return &curfew.Error{Code: curfew.CodeInvalid, Field: "format", Message: "must be json with a filter or a cursor: ndjson is the whole log"}
	case q.Format != "ndjson" && q.After > 0:
		return &curfew.Error{Code: curfew.CodeInvalid, Field: "after", Message: "goes with ndjson alone"}
	}
	return checkSpan(q.From, q.Until)
}

// auditQuery returns what the log is asked for and, of an account that may be gone, the name by which it is known there.
func (a *api) auditQuery(c *call, q AuditQuery) (aq audit.Query, name string, err error) {
	aq = audit.Query{Search: q.Q, Events: q.Event, Outcome: q.Outcome, From: q.From, Until: q.Until, Limit: q.Limit}
	if q.Cursor != "" {
		if aq.Before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || aq.Before < 1 {
			return aq, "", &curfew.Error{Code: curfew.CodeInvalid, Field: "cursor", Message: "must be the next_cursor of another page"}
		}
	}
	if name = strings.TrimSpace(q.User); name == "" {
		return aq, "", nil
	}
	acc, err := a.named(c.Context(), name)
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		aq.Search = strings.TrimSpace(aq.Search + " " + name)
		return aq, name, nil
	}
	aq.User = acc.ID
	return aq, "", err
}

func isNamed(p *audit.Party, name string) bool { return p != nil && strings.EqualFold(p.Name, name) }

// auditFlush is after how many lines it is looked whether the caller may still see them.
const auditFlush = 256

// exportAudit writes all records after a number, with their hashes. As with history, an answer that can't be finished is broken off.
func (a *api) exportAudit(w http.ResponseWriter, c *call, after int64) error {
	leave, err := a.streams.enter(c.caller)
	if err != nil {
		return err
	}
	defer leave()
	next, stop := iter.Pull2(a.Audit.Lines(c.Context(), after+1))
	defer stop()
	line, err, more := next()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", ndjsonType)
	w.Header().Set("Content-Disposition", `attachment; filename="audit.ndjson"`)
	w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	out, rc := bufio.NewWriter(w), http.NewResponseController(w)
	for n := 0; err == nil && more; n++ {
		if n%auditFlush == 0 {
			rc.SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer has one
			if err = a.stillMay(c); err != nil {
				break
			}
		}
		out.Write(line.Text)
		if err = out.WriteByte('\n'); err == nil {
			line, err, more = next()
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		a.breakOff(c.Request, err)
	}
	return nil
}

// AuditMarks are places in the audit log that were noted elsewhere.
type AuditMarks struct {
	Mark []string `query:"mark,explode" maxItems:"100" nullable:"false" doc:"A place that was noted elsewhere at another time: the record's number, a colon and its hash. May be repeated."`
}

// AuditCheck says whether the audit log is as it was written.
type AuditCheck struct {
	Whole  bool        `json:"whole" doc:"True if no record that is kept was changed, taken away or put in, and the log goes through all marks."`
	First  string      `json:"first" doc:"The mark before the first record that is kept: marks from before it can't be looked at."`
	Last   string      `json:"last,omitempty" doc:"The mark of the last record. Note it elsewhere. Absent if the log is broken."`
	Broken *AuditBreak `json:"broken,omitempty" doc:"Where it is broken. Absent if it is whole."`
}

// AuditBreak says where the audit log is not as it was written.
type AuditBreak struct {
	No  int64  `json:"no" minimum:"0" doc:"The number of the first record that is not as it was, or one near it."`
	Why string `json:"why" doc:"What is wrong there, for people."`
}

// verifyAudit looks at all records, however long that takes.
func (a *api) verifyAudit(c *call, q AuditMarks, _ none) (AuditCheck, error) {
	marks := make([]audit.Mark, len(q.Mark))
	for i, text := range q.Mark {
		var err error
		if marks[i], err = audit.ParseMark(text); err != nil {
			return AuditCheck{}, &curfew.Error{Code: curfew.CodeInvalid, Field: "mark", Message: "must be a number, a colon and a hash of 64 hexadecimal digits"}
		}
	}
	leave, err := a.streams.enter(c.caller)
	if err != nil {
		return AuditCheck{}, err
	}
	defer leave()
	http.NewResponseController(c.w).SetWriteDeadline(time.Time{}) // not every writer has one
	first, last, err := a.Audit.Verify(c.Context(), marks...)
	if broken, ok := errors.AsType[*audit.Broken](err); ok {
		return AuditCheck{First: first.String(), Broken: &AuditBreak{broken.No, broken.Why}}, nil
	}
	return AuditCheck{Whole: true, First: first.String(), Last: last.String()}, err
}
