package console

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

type auditPage struct {
	frame
	Search      string
	Events      []option
	Outcomes    []option
	From, Until string
	Errors      fieldErrors
	Filtered    bool
	Rows        []auditRow
	Keep        string
	Newest      string // the address of the first page, if this is another
	Older       string // of the page after this one
	Short       bool   // the search has stopped before the page was full
}

func (*auditPage) file() string { return "audit" }

// auditRow is a record in the list.
type auditRow struct {
	No      int64
	Event   string
	Detail  string
	Icon    string
	Refused bool
	Who     string
	From    string
	Whom    string
	At      stamp
}

func (c *console) auditLog(r *request) (answer, error) {
	q, errs := auditQuery(r)
	page, err := c.Audit.List(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	v := r.URL.Query()
	p := &auditPage{
		frame:    frame{Title: "Audit", Nav: "audit"},
		Search:   q.Search,
		Events:   eventOptions(v.Get("event")),
		Outcomes: outcomeOptions(q.Outcome),
		From:     v.Get("from"),
		Until:    v.Get("until"),
		Errors:   errs,
		Filtered: q.Search != "" || len(q.Events) > 0 || q.Outcome != "" || v.Get("from") != "" || v.Get("until") != "",
		Keep:     Words(c.KeepAudit),
		Short:    page.Next > 0 && len(page.Records) < curfew.PageSize(q.Limit),
	}
	for _, record := range page.Records {
		p.Rows = append(p.Rows, r.auditRow(record))
	}
	if q.Before > 0 {
		p.Newest = firstLink(r.URL)
	}
	if page.Next > 0 {
		p.Older = placeLink(r.URL, beforeParam, strconv.FormatInt(page.Next, 10))
	}
	return answer{page: p}, nil
}

// auditQuery reads the filters from the address. What can't be read filters nothing, as on other pages.
func auditQuery(r *request) (audit.Query, fieldErrors) {
	v := r.URL.Query()
	q := audit.Query{Search: r.search()}
	if event := audit.Event(v.Get("event")); slices.Contains(audit.Events, event) {
		q.Events = []audit.Event{event}
	}
	if outcome := audit.Outcome(v.Get("outcome")); outcome == audit.Success || outcome == audit.Refused {
		q.Outcome = outcome
	}
	if no, err := strconv.ParseInt(v.Get(beforeParam), 10, 64); err == nil && no > 0 {
		q.Before = no
	}
	var errs fieldErrors
	q.From, q.Until, errs = r.days()
	return q, errs
}

func eventOptions(chosen string) []option {
	list := []option{{"", "Any event", chosen == ""}}
	for _, e := range audit.Events {
		list = append(list, option{string(e), eventNames[e].name, string(e) == chosen})
	}
	return list
}

func outcomeOptions(chosen audit.Outcome) []option {
	return []option{
		{"", "Any outcome", chosen == ""}, {string(audit.Success), "Done", chosen == audit.Success}, {string(audit.Refused), "Refused", chosen == audit.Refused},
	}
}

// eventNames are events in the words of people.
var eventNames = map[audit.Event]struct{ name, icon string }{
	audit.SignedIn:           {"Signed in", "log-in"},
	audit.SignInFailed:       {"Sign-in refused", "shield-x"},
	audit.SignInLimited:      {"Too many tries", "shield-x"},
	audit.Reauthenticated:    {"Password given again", "shield-check"},
	audit.ReauthFailed:       {"Password refused", "shield-x"},
	audit.PasswordChanged:    {"Password changed", "key-round"},
	audit.Unlocked:           {"Sign-in unlocked", "shield-check"},
	audit.DeviceKnown:        {"Device made known", "monitor-smartphone"},
	audit.KeyCreated:         {"API key made", "key-round"},
	audit.KeyRevoked:         {"API key revoked", "key-round"},
	audit.SignedOut:          {"Signed out", "log-out"},
	audit.SessionExpired:     {"Session timed out", "clock"},
	audit.SessionTerminated:  {"Session ended", "log-out"},
	audit.SessionsTerminated: {"All sessions ended", "log-out"},
	audit.AccountCreated:     {"Account created", "user-plus"},
	audit.AccountChanged:     {"Account changed", "pencil"},
	audit.AccountDeleted:     {"Account deleted", "trash-2"},
	audit.WebhookTested:      {"Webhook tested", "webhook"},
	audit.WebhookRetried:     {"Webhook tried by hand", "webhook"},
	audit.ServerStarted:      {"Server started", "power"},
	audit.ServerStopped:      {"Server stopped", "power"},
	audit.Restored:           {"Restored from a backup", "history"},
	audit.Forgotten:          {"Old records deleted", "trash-2"},
}

func (r *request) auditRow(rec audit.Record) auditRow {
	event := eventNames[rec.Event]
	row := auditRow{
		No:      rec.No,
		Event:   cmp.Or(event.name, string(rec.Event)),
		Detail:  r.auditDetail(rec),
		Icon:    cmp.Or(event.icon, "scroll-text"),
		Refused: rec.Outcome == audit.Refused,
		Who:     whoActed(rec),
		From:    rec.From,
		At:      r.clock.stamp(rec.At.Time),
	}
	if rec.Event == audit.SignInFailed && rec.Key != "" {
		row.Event = "API key refused"
	}
	// What people do to what is their own has them once.
	if rec.User != nil && (rec.By == nil || rec.By.ID != rec.User.ID) {
		row.Whom = rec.User.Name
	}
	return row
}

func whoActed(rec audit.Record) string {
	switch {
	case rec.By != nil:
		return rec.By.Name
	case rec.From != "":
		return "Somebody not signed in"
	default:
		return "Curfew"
	}
}

// auditDetail is what a record says besides who, whom and when, in one line.
func (r *request) auditDetail(rec audit.Record) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if rec.Count > 0 && rec.Event == audit.Forgotten {
		add(plural(rec.Count, "record", "records"))
	} else if rec.Count > 0 {
		add(plural(rec.Count, "session", "sessions"))
	}
	add(rec.Webhook)
	for _, ch := range rec.Changes {
		add(r.changeText(rec.Event, ch))
	}
	if rec.Event != audit.SignedIn {
		add(reasonWords(rec.Reason))
	}
	add(rec.Device)
	if rec.Version != "" {
		add("Version " + rec.Version)
	}
	if rec.Event == audit.KeyCreated || rec.Event == audit.KeyRevoked {
		add("“" + rec.Note + "”")
	}
	if rec.Event == audit.WebhookTested {
		add(rec.Note)
	}
	return strings.Join(parts, " · ")
}

// fieldNames are the fields of accounts and keys in changes.
var fieldNames = map[string]string{
	"full_name": "Full name", "role": "Role", "lifetime_seconds": "Token lifetime", "enabled": "Enabled", "expires_at": "Expires", "state": "State",
}

func (r *request) changeText(e audit.Event, ch audit.Change) string {
	text := cmp.Or(fieldNames[ch.Field], ch.Field) + ": "
	if e == audit.AccountChanged && ch.From != "" {
		text += r.valueText(ch.Field, ch.From) + " → "
	}
	return text + cmp.Or(r.valueText(ch.Field, ch.To), "none")
}

// valueText says a field's value as other pages do.
func (r *request) valueText(field, value string) string {
	switch field {
	case "lifetime_seconds":
		if n, err := strconv.Atoi(value); err == nil {
			return Words(time.Duration(n) * time.Second)
		}
	case "enabled":
		return map[string]string{"true": "yes", "false": "no"}[value]
	case "expires_at":
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return r.clock.day(t.In(r.clock.zone))
		}
	}
	return value
}

// reasonWords says why: how a session ended, or how the error is called for which something was refused.
func reasonWords(reason string) string {
	if name, ok := reasonNames[curfew.Reason(reason)]; ok {
		return name
	}
	switch curfew.Code(reason) {
	case curfew.CodeDenied:
		return "Not accepted"
	case curfew.CodeLimited:
		return "Too many tries"
	}
	return reason
}

// recordPage is one record with all that is in it.
type recordPage struct {
	frame
	auditRow
	Facts  []fact
	BackTo string
}

func (*recordPage) file() string { return "record" }

// fact is something that a record says, under its name.
type fact struct {
	Name, Value string
	Mono        bool
}

func (c *console) auditRecord(r *request) (answer, error) {
	no, err := strconv.ParseInt(r.PathValue("no"), 10, 64)
	if err != nil || no < 1 {
		return answer{}, errNotFound
	}
	rec, at, err := c.Audit.Get(r.Context(), no)
	if err != nil {
		return answer{}, err
	}
	row := r.auditRow(rec)
	return answer{page: &recordPage{
		frame: frame{Title: row.Event, Nav: "audit"}, auditRow: row, Facts: r.factsOf(rec, at, row), BackTo: "/audit",
	}}, nil
}

// factsOf lists what a record says; what is empty is left out.
func (r *request) factsOf(rec audit.Record, at audit.Mark, row auditRow) (facts []fact) {
	add := func(name, value string, mono bool) {
		if value != "" {
			facts = append(facts, fact{name, value, mono})
		}
	}
	add("Record", strconv.FormatInt(rec.No, 10), false)
	add("Time", row.At.Full, false)
	add("Event", string(rec.Event), true)
	add("Outcome", string(rec.Outcome), false)
	add("Who", row.Who, false)
	if rec.By != nil {
		add("In session", string(rec.By.Session), true)
		add("By API key", rec.By.Key, true)
	}
	add("From", rec.From, true)
	if rec.User != nil {
		add("Whom", rec.User.Name, false)
	}
	add("Session", string(rec.Session), true)
	add("Device", rec.Device, false)
	add("API key", rec.Key, true)
	add("Webhook", rec.Webhook, false)
	if rec.Event == audit.SignedIn {
		add("How", methodName(curfew.Credential(rec.Reason)), false)
	} else {
		add("Why", reasonWords(rec.Reason), false)
	}
	if rec.Count > 0 {
		add("How many", grouped(rec.Count), false)
	}
	for _, ch := range rec.Changes {
		add("Change", r.changeText(rec.Event, ch), false)
	}
	add("Version", rec.Version, false)
	add("Note", rec.Note, false)
	add("Hash", at.Hash.String(), true)
	return facts
}

// verifyPage asks for marks, shows how far the verification is, and what came of it.
type verifyPage struct {
	frame
	Marks  string
	Error  string
	Next   string // the address at which it goes on; empty: it is not running
	Auto   bool   // it goes there by itself
	Looked int
	All    int
	First  int    // the number of the first record that was looked at
	Last   int    // and of the last
	Mark   string // of the last, if all are as they were
	Broken *audit.Broken
	Unsaid int // marks of which nothing can be said
	BackTo string
}

func (*verifyPage) file() string { return "verify" }

// verifyAtOnce is how many records are verified for one page, which then shows how far it is and goes on.
const verifyAtOnce = 100_000

func (c *console) verifyAudit(r *request) (answer, error) {
	p := &verifyPage{frame: frame{Title: "Verify the audit log", Nav: "audit"}, Marks: r.URL.Query().Get("marks"), BackTo: "/audit"}
	if !r.URL.Query().Has("marks") {
		return answer{page: p}, nil
	}
	marks, err := parseMarks(p.Marks)
	if err != nil {
		p.Error = "A mark is a number, a colon and 64 hexadecimal digits, as in 1024:9f86d081…; put one on a line."
		return answer{status: http.StatusUnprocessableEntity, page: p}, nil
	}
	at, since, err := c.verifiedSoFar(r)
	if err != nil {
		return answer{}, err
	}
	first, last, more, err := c.Audit.VerifyOn(r.Context(), at, verifyAtOnce, marks...)
	if broken, ok := errors.AsType[*audit.Broken](err); ok {
		p.Broken = broken
		return answer{page: p}, nil
	} else if err != nil {
		return answer{}, err
	}
	if first != at { // what is before was deleted meanwhile
		since = first.No
	}
	p.First, p.Last = int(since)+1, int(last.No)
	if more {
		return answer{page: p}, c.goOn(r, p, since, last)
	}
	p.Mark, p.Unsaid = last.String(), before(marks, since)
	return answer{page: p}, nil
}

func parseMarks(text string) (marks []audit.Mark, err error) {
	for _, word := range strings.Fields(text) {
		m, err := audit.ParseMark(word)
		if err != nil {
			return nil, err
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// before counts the marks from before the first record that was looked at.
func before(marks []audit.Mark, since int64) (n int) {
	for _, m := range marks {
		if m.No < since {
			n++
		}
	}
	return n
}

// verifiedSoFar returns up to where the pages before this one have come, and after which record they began. Only what a page of ours
// has said counts: whoever makes up an address begins at the start.
func (c *console) verifiedSoFar(r *request) (at audit.Mark, since int64, err error) {
	v := r.URL.Query()
	at, err = audit.ParseMark(v.Get("at"))
	if err == nil {
		since, err = strconv.ParseInt(v.Get("since"), 10, 64)
	}
	if err != nil || !hmac.Equal([]byte(c.seal(at, since)), []byte(v.Get("seal"))) {
		at, err = c.Audit.Start(r.Context())
		since = at.No
	}
	return at, since, err
}

// seal shows that this console has verified the records from one after since up to a place.
func (c *console) seal(at audit.Mark, since int64) string {
	h := hmac.New(sha256.New, c.sealKey)
	fmt.Fprint(h, since, " ", at)
	return hex.EncodeToString(h.Sum(nil))
}

// goOn has the page say how far it is, and lead to the next one.
func (c *console) goOn(r *request, p *verifyPage, since int64, at audit.Mark) error {
	end, err := c.Audit.End(r.Context())
	if err != nil {
		return err
	}
	v := r.URL.Query()
	v.Set("at", at.String())
	v.Set("since", strconv.FormatInt(since, 10))
	v.Set("seal", c.seal(at, since))
	p.Next, p.Auto = r.URL.Path+"?"+v.Encode(), r.fragment
	p.Looked, p.All = int(at.No-since), int(end.No-since)
	return nil
}
