package httpapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// HistoryQuery asks for ended sessions, the latest end first.
type HistoryQuery struct {
	Filter
	Reason string    `query:"reason" enum:"signed-out,idle,expired,terminated,password-changed,role-changed,account-disabled,account-deleted,replaced,restored" doc:"Only ended for this."`
	Actor  string    `query:"actor" minLength:"1" maxLength:"128" doc:"Only ended by who has this name."`
	From   time.Time `query:"from" doc:"Only ended at this time or later."`
	Until  time.Time `query:"until" doc:"Only ended before this time."`
	Format string    `query:"format" enum:"json,csv,ndjson" default:"json" doc:"json is one page. csv (RFC 4180) and ndjson are all from the cursor on, as a stream; limit does nothing there."`
	Paging
}

// HistoryPage is a part of the history.
type HistoryPage struct {
	Sessions   []Session `json:"sessions" maxItems:"500" nullable:"false" doc:"The latest end first."`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Asks for what follows. A page may have fewer entries than limit, or none, though more follow."`
}

func (a *api) history(w http.ResponseWriter, c *call, q HistoryQuery) error {
	s, sq, err := a.pastSieve(c, q)
	if err != nil {
		return err
	}
	switch q.Format {
	case "csv":
		return a.export(w, c, s, sq, newCSV(w))
	case "ndjson":
		return a.export(w, c, s, sq, newNDJSON(w))
	default:
		return a.historyPage(w, c, s, sq, q.Limit)
	}
}

// pastSieve is a sieve for history.
type pastSieve struct {
	sieve
	name, actor string // of the user and of who ended it; empty: anybody's
}

func (a *api) pastSieve(c *call, q HistoryQuery) (pastSieve, curfew.HistoryQuery, error) {
	s := pastSieve{actor: q.Actor}
	var err error
	s.sieve, err = a.sieve(c.Context(), q.Filter, c.account.Sees(), c.caller)
	if curfew.ErrorCode(err) == curfew.CodeNotFound && c.account.Role.SeesAll() { // the account may be gone, but its history stays
		s.name, q.User = strings.TrimSpace(q.User), ""
		s.sieve, err = a.sieve(c.Context(), q.Filter, c.account.Sees(), c.caller)
	}
	if err != nil {
		return s, curfew.HistoryQuery{}, err
	}
	if err := checkSpan(q.From, q.Until); err != nil {
		return s, curfew.HistoryQuery{}, err
	}
	cursor, err := parseCursor(q.Cursor)
	return s, curfew.HistoryQuery{
		User: s.user, Search: strings.TrimSpace(s.hints() + " " + s.name + " " + s.actor), Reason: curfew.Reason(q.Reason),
		From: q.From, Until: q.Until, Limit: curfew.MaxPage, Cursor: cursor,
	}, err
}

func (s pastSieve) passes(e curfew.Ended) bool {
	return (s.name == "" || strings.EqualFold(e.Session.User.Name, s.name)) &&
		(s.actor == "" || strings.EqualFold(e.Ending.By.Name, s.actor)) &&
		s.sieve.passes(e.Session, e.Ending.At)
}

func (s pastSieve) isPlain() bool { return s.name == "" && s.actor == "" && s.sieve.isPlain() }

func (s pastSieve) of(page curfew.HistoryPage) (some []curfew.Ended) {
	for _, e := range page.Ended {
		if s.passes(e) {
			some = append(some, e)
		}
	}
	return some
}

// historyPage answers with a page of what passes. As with live sessions it may be short though more follows.
func (a *api) historyPage(w http.ResponseWriter, c *call, s pastSieve, q curfew.HistoryQuery, limit int) error {
	answer, next := HistoryPage{Sessions: []Session{}}, &q.Cursor
	for n := 0; n < maxPages && next != nil && len(answer.Sessions) < limit; n++ {
		q.Cursor = *next
		page, some, err := a.fittingPast(c, s, q, limit-len(answer.Sessions))
		if err != nil {
			return err
		}
		for _, e := range some {
			answer.Sessions = append(answer.Sessions, a.past(c, e))
		}
		next = page.Next
	}
	answer.NextCursor = formatCursor(next)
	text, err := encode(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.Write(text) // a client that has gone is not our concern
	return nil
}

// fittingPast is as api.fitting, for history.
func (a *api) fittingPast(c *call, s pastSieve, q curfew.HistoryQuery, room int) (curfew.HistoryPage, []curfew.Ended, error) {
	if !s.isPlain() {
		page, err := a.Sessions.History(c.Context(), q)
		if some := s.of(page); err != nil || len(some) <= room {
			return page, some, err
		}
	}
	q.Limit = room
	page, err := a.Sessions.History(c.Context(), q)
	return page, s.of(page), err
}

func (a *api) past(c *call, e curfew.Ended) Session {
	doc := newSession(e.Session, &e.Ending, a.Sessions.Now())
	doc.Current = doc.ID == c.caller.session.ID
	return doc
}

// format writes sessions one by one.
type format interface {
	mediaType() string
	fileName() string
	begin() error
	write(Session) error
	flush() error
}

// export writes all that passes, a page of the store at a time, so that memory does not grow with it. An answer that has begun and
// can't be finished is broken off, so that nobody takes it for whole.
func (a *api) export(w http.ResponseWriter, c *call, s pastSieve, q curfew.HistoryQuery, f format) error {
	leave, err := a.streams.enter(c.caller)
	if err != nil {
		return err
	}
	defer leave()
	page, err := a.Sessions.History(c.Context(), q)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", f.mediaType())
	w.Header().Set("Content-Disposition", `attachment; filename="`+f.fileName()+`"`)
	w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	if err := a.exportFrom(w, c, s, q, page, f); err != nil {
		a.breakOff(c.Request, err)
	}
	return nil
}

func (a *api) exportFrom(w http.ResponseWriter, c *call, s pastSieve, q curfew.HistoryQuery, page curfew.HistoryPage, f format) error {
	rc := http.NewResponseController(w)
	if err := f.begin(); err != nil {
		return err
	}
	for {
		rc.SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer has one
		for _, e := range s.of(page) {
			if err := f.write(a.past(c, e)); err != nil {
				return err
			}
		}
		if err := f.flush(); err != nil {
			return err
		}
		_ = rc.Flush() // not every writer can
		if page.Next == nil {
			return nil
		}
		if err := a.stillMay(c); err != nil {
			return err
		}
		q.Cursor = *page.Next
		var err error
		if page, err = a.Sessions.History(c.Context(), q); err != nil {
			return err
		}
	}
}

// stillMay returns an error once the caller has been signed out, may no longer see what is under way, or the server stops.
func (a *api) stillMay(c *call) error {
	select {
	case <-a.Stopping:
		return context.Canceled
	default:
	}
	who, err := c.again(c.Context())
	if err == nil && who.account.Sees() != c.account.Sees() {
		err = errDenied
	}
	if err == nil {
		err = who.admit(known)
	}
	return err
}

// ndjson is a JSON object a line.
type ndjson struct{ *json.Encoder }

func newNDJSON(w io.Writer) format { return ndjson{json.NewEncoder(w)} }

func (ndjson) mediaType() string       { return ndjsonType }
func (ndjson) fileName() string        { return "history.ndjson" }
func (ndjson) begin() error            { return nil }
func (n ndjson) write(s Session) error { return n.Encode(s) }
func (ndjson) flush() error            { return nil }

// csvFormat is comma-separated values as RFC 4180 has them.
type csvFormat struct{ *csv.Writer }

func newCSV(w io.Writer) format {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return csvFormat{c}
}

var csvHead = []string{
	"ended_at", "reason", "ended_by", "id", "user_id", "username", "full_name", "credential", "origin", "device",
	"created_at", "last_active_at", "lifetime_seconds", "ended_by_key",
}

func (csvFormat) mediaType() string { return csvType + "; charset=utf-8; header=present" }
func (csvFormat) fileName() string  { return "history.csv" }
func (c csvFormat) begin() error    { return c.Write(csvHead) }

func (c csvFormat) write(s Session) error {
	row := []string{
		csvTime(s.EndedAt), string(s.Reason), s.EndedBy, string(s.ID), string(s.UserID), s.Username, s.FullName,
		string(s.Credential), s.Origin, s.Device, csvTime(s.CreatedAt), csvTime(s.LastActiveAt), strconv.FormatInt(s.LifetimeSeconds, 10), s.EndedByKey,
	}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return c.Write(row)
}

func (c csvFormat) flush() error {
	c.Flush()
	return c.Error()
}

func csvTime(t Time) string { return t.UTC().Format(timeLayout) }

// harmless puts a quote before what a spreadsheet would take for a formula (OWASP: CSV injection). People choose their own names,
// and their browsers' too.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
