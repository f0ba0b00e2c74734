package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/curfewhq/curfew"
)

// Paging says which part of a list is asked for.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many entries at most."`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next_cursor of the page before; empty for the first page."`
}

// SessionQuery asks for a page of live sessions.
type SessionQuery struct {
	Filter
	Sort string `query:"sort" enum:"activity,-activity,started,-started,user,-user,origin,-origin,device,-device" default:"-activity" doc:"The order; with - before it the other way round. Times begin with the earliest, or with - the latest."`
	Paging
}

// SessionPage is a part of a list of sessions.
type SessionPage struct {
	Sessions   []Session `json:"sessions" maxItems:"500" nullable:"false" doc:"In the order that was asked for."`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Asks for what follows. A page may have fewer entries than limit, or none, though more follow."`
	Count      int       `json:"count" minimum:"0" doc:"How many sessions there are, on all pages."`
	CountExact bool      `json:"count_exact" doc:"False if there may be more than count. It is exact up to 10,000."`
}

func (a *api) listSessions(c *call, q SessionQuery, _ none) (SessionPage, error) {
	s, err := a.sieve(c.Context(), q.Filter, c.account.Sees(), c.caller)
	if err != nil {
		return SessionPage{}, err
	}
	from, err := parseCursor(q.Cursor)
	if err != nil {
		return SessionPage{}, err
	}
	order, desc := strings.CutPrefix(q.Sort, "-")
	found, next, err := a.page(c.Context(), s, curfew.Sort(order), desc, from, q.Limit)
	if err != nil {
		return SessionPage{}, err
	}
	page := SessionPage{Sessions: a.documents(c.caller, found), NextCursor: formatCursor(next)}
	page.Count, page.CountExact, err = a.count(c.Context(), s)
	return page, err
}

// documents are live sessions as the caller sees them.
func (a *api) documents(who caller, sessions []curfew.Session) []Session {
	docs, now := make([]Session, len(sessions)), a.Sessions.Now()
	for i, s := range sessions {
		docs[i] = newSession(s, nil, now)
		docs[i].Current = s.ID == who.session.ID
	}
	return docs
}

func formatCursor(c *curfew.Cursor) string {
	if c == nil {
		return ""
	}
	text, _ := json.Marshal(c) // two strings and a bool
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(s string) (c curfew.Cursor, err error) {
	if s == "" {
		return c, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		err = &curfew.Error{Code: curfew.CodeInvalid, Field: "cursor", Message: "must be the next_cursor of another page"}
	}
	return c, err
}

// sessionID is the session that the address names.
type sessionID struct {
	ID curfew.SessionID `path:"id" maxLength:"64" doc:"ID of a session."`
}

// visible returns a session that the caller may see, and how it ended if it has. Whoever may not see it learns nothing of it.
func (a *api) visible(c *call, id curfew.SessionID) (curfew.Session, *curfew.Ending, error) {
	s, err := a.Sessions.Get(c.Context(), id)
	var ending *curfew.Ending
	if ended, ok := errors.AsType[*curfew.EndedError](err); ok {
		s, ending, err = ended.Ended.Session, &ended.Ended.Ending, nil
	}
	if err == nil && !c.account.MaySee(s.User.ID) {
		err = curfew.ErrNoSession
	}
	return s, ending, err
}

func (a *api) findSession(c *call, p sessionID, _ none) (Session, error) {
	s, ending, err := a.visible(c, p.ID)
	if err != nil {
		return Session{}, err
	}
	doc := newSession(s, ending, a.Sessions.Now())
	doc.Current = s.ID == c.caller.session.ID
	return doc, nil
}

// endable returns a session that the caller may end, and how it ended if it has.
func (a *api) endable(c *call, id curfew.SessionID) (curfew.Session, *curfew.Ending, error) {
	s, ending, err := a.visible(c, id)
	switch {
	case err != nil:
	case s.ID == c.caller.session.ID:
		err = curfew.ErrOwnSession
	case !c.account.MayEnd(s.User.ID):
		err = errDenied
	}
	return s, ending, err
}

// endSession answers for a session that has ended as for one that it ends: the caller may not know whether an earlier try
// got through.
func (a *api) endSession(c *call, p sessionID, _ none) (none, error) {
	s, ending, err := a.endable(c, p.ID)
	if err != nil || ending != nil {
		return none{}, err
	}
	_, err = a.Sessions.End(c.Context(), s.ID, terminated(c))
	return none{}, err
}

func terminated(c *call) curfew.Ending {
	return curfew.Ending{Reason: curfew.ReasonTerminated, By: c.actor}
}
