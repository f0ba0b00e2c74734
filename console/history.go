package console

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

type historyPage struct {
	frame
	Search      string
	Reasons     []option
	From, Until string
	Errors      fieldErrors
	Filtered    bool
	Rows        []past
	Links       links
	Keep        string
}

func (*historyPage) file() string { return "history" }

// option is an entry of a select.
type option struct {
	Value, Name string
	Chosen      bool
}

// past is an ended session in the list.
type past struct {
	row
	Ended  stamp
	Lasted string
	Reason string
	By     string
}

func (c *console) history(r *request) (answer, error) {
	q, errs := historyQuery(r)
	page, err := c.Sessions.History(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	v := r.URL.Query()
	return answer{page: &historyPage{
		frame:    frame{Title: "History", Nav: "history"},
		Search:   q.Search,
		Reasons:  reasonOptions(q.Reason),
		From:     v.Get("from"),
		Until:    v.Get("until"),
		Errors:   errs,
		Filtered: q.Search != "" || q.Reason != "" || v.Get("from") != "" || v.Get("until") != "",
		Rows:     r.pasts(page.Ended),
		Links:    pageLinks(r.URL, page.Prev, page.Next),
		Keep:     Words(c.Sessions.Policy().Keep),
	}}, nil
}

// historyQuery reads the filters from the address. Dates are days in the viewer's zone, both included.
func historyQuery(r *request) (curfew.HistoryQuery, fieldErrors) {
	v := r.URL.Query()
	q := curfew.HistoryQuery{
		User:   r.owner(),
		Search: r.search(),
		Reason: curfew.Reason(v.Get("reason")),
		Cursor: cursorOf(v),
	}
	if !slices.Contains(curfew.Reasons, q.Reason) {
		q.Reason = ""
	}
	var errs fieldErrors
	q.From, q.Until, errs = r.days()
	return q, errs
}

// days reads the filter by days from the address: from the start of the first to the end of the last. Zero times are open ends.
func (r *request) days() (from, until time.Time, errs fieldErrors) {
	v := r.URL.Query()
	errs = fieldErrors{}
	first, firstOK := r.clock.date(v.Get("from"))
	last, lastOK := r.clock.date(v.Get("until"))
	if !firstOK {
		errs["from"] = badDate
	}
	switch {
	case !lastOK:
		errs["until"] = badDate
	case !last.IsZero():
		until = last.AddDate(0, 0, 1)
		if firstOK && first.After(last) {
			errs["order"] = endsFirst
		}
	}
	if firstOK {
		from = first
	}
	return from, until, errs
}

const (
	badDate   = "Enter a date such as 2026-03-31."
	endsFirst = "Until is before From."
)

// date reads the start of a day, or the zero time from nothing.
func (c clock) date(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	t, err := time.ParseInLocation(time.DateOnly, s, c.zone)
	return t, err == nil && t.Year() >= 1970
}

func reasonOptions(chosen curfew.Reason) []option {
	list := []option{{"", "Any reason", chosen == ""}}
	for _, reason := range curfew.Reasons {
		list = append(list, option{string(reason), reasonNames[reason], reason == chosen})
	}
	return list
}

func (r *request) pasts(ended []curfew.Ended) []past {
	list := make([]past, 0, len(ended))
	for _, e := range ended {
		list = append(list, past{
			row:    r.row(e.Session),
			Ended:  r.clock.stamp(e.Ending.At),
			Lasted: lasted(e),
			Reason: reasonText(e),
			By:     by(e),
		})
	}
	return list
}

func lasted(e curfew.Ended) string {
	return shortWords(e.Ending.At.Sub(e.Session.CreatedAt))
}

func reasonText(e curfew.Ended) string {
	if e.Ending.Reason == curfew.ReasonIdle {
		return "Inactivity, " + shortWords(e.Session.Lifetime)
	}
	if name, ok := reasonNames[e.Ending.Reason]; ok {
		return name
	}
	return string(e.Ending.Reason)
}

// by names who ended a session; nobody did where it ended by itself.
func by(e curfew.Ended) string {
	if e.Ending.By.Name == "" {
		return ""
	}
	if e.Ending.By.User == e.Session.User.ID && e.Ending.Reason == curfew.ReasonSignedOut {
		return ""
	}
	return "by " + e.Ending.By.Name
}
