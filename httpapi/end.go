package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// End says which sessions to end: exactly one of Others, Filter and IDs. The session in which it is asked never ends.
type End struct {
	Others bool               `json:"others,omitempty" doc:"All that the caller may end: an admin everybody's, others their own."`
	Filter *Filter            `json:"filter,omitempty" doc:"All that the caller may end and the filter finds: of one user any number, else up to 10,000."`
	IDs    []curfew.SessionID `json:"ids,omitempty" maxItems:"1000" nullable:"false" doc:"These. Those that have ended are left out; if one is not known, none ends."`
	DryRun bool               `json:"dry_run,omitempty" doc:"Only say what would end."`
	Expect *int               `json:"expect,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Refuse with 409, and end nothing, if it would be another number."`
}

// EndResult is what was ended or, in a dry run, would be.
type EndResult struct {
	Count    int       `json:"count" minimum:"0" doc:"How many ended or, in a dry run, would."`
	Sessions []Session `json:"sessions,omitempty" maxItems:"500" nullable:"false" doc:"In a dry run the first of them."`
}

// repeatable is the header by which a call that is repeated has no second effect.
type repeatable struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"Any text, such as a UUID, of your own for this call. Who repeats the call with the same one gets the first answer, for an hour, and nothing is done again."`
}

// endSessions ends all that are asked for, or none if it returns an error.
func (a *api) endSessions(c *call, p repeatable, req End) (EndResult, error) {
	if req.DryRun {
		p.Key = "" // it has no effect, and its answer is long
	}
	return once(a, c, p, req, func() (EndResult, error) {
		t, err := a.target(c, req)
		if err == nil && req.Expect != nil {
			err = t.meets(*req.Expect)
		}
		if err != nil {
			return EndResult{}, err
		}
		if req.DryRun {
			return EndResult{t.count, a.documents(c.caller, t.first)}, nil
		}
		if !t.sel.All && t.sel.User == "" && len(t.sel.IDs) == 0 {
			return EndResult{}, nil
		}
		n, err := a.Sessions.EndAll(c.Context(), t.sel, terminated(c))
		return EndResult{Count: n}, err
	})
}

// target is what a request to end sessions is about.
type target struct {
	sel   curfew.Selection
	count int
	first []curfew.Session // the first of them
	gone  []curfew.SessionID
}

// meets returns an error unless it is the expected number.
func (t target) meets(expected int) error {
	if t.count == expected {
		return nil
	}
	ended := ""
	if len(t.gone) > 0 {
		ended = "; already ended: " + join(t.gone)
	}
	return &curfew.Error{Code: curfew.CodeConflict, Message: fmt.Sprintf("%d would end, not %d%s; nothing was ended", t.count, expected, ended)}
}

func (a *api) target(c *call, req End) (target, error) {
	ways := 0
	for _, given := range []bool{req.Others, req.Filter != nil && *req.Filter != Filter{}, len(req.IDs) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return target{}, &curfew.Error{Code: curfew.CodeInvalid, Message: "say which sessions to end by one of these: others, a filter that names something, or ids"}
	case req.Others:
		return a.targetOthers(c, req.Expect != nil)
	case len(req.IDs) > 0:
		return a.targetIDs(c, req.IDs)
	default:
		if err := req.Filter.checkWords(); err != nil {
			return target{}, err
		}
		return a.targetFilter(c, *req.Filter, req.Expect != nil)
	}
}

func (a *api) targetOthers(c *call, counted bool) (target, error) {
	sel := c.account.Others(c.caller.session.ID)
	return a.targetAll(c, sieve{user: sel.User}, sel, counted)
}

func (a *api) targetFilter(c *call, f Filter, counted bool) (target, error) {
	s, err := a.sieve(c.Context(), f, c.account.Ends(), c.caller)
	if err != nil {
		return target{}, err
	}
	if s.onlyUser() {
		return a.targetAll(c, s, curfew.Selection{User: s.user, Except: c.caller.session.ID}, counted)
	}
	found, complete, err := a.all(c.Context(), s)
	if err == nil && !complete {
		err = &curfew.Error{Code: curfew.CodeConflict, Message: fmt.Sprintf("the filter has more than %d sessions to look at; narrow it down, or end all of a user", maxSieved)}
	}
	return listed(c, found), err
}

// targetAll selects all sessions of a user, or of everybody, however many. If they are to be counted exactly, and are not too
// many, they are taken one by one, so that none ends that was not counted.
func (a *api) targetAll(c *call, s sieve, sel curfew.Selection, counted bool) (target, error) {
	n, err := a.Sessions.Count(c.Context(), curfew.Query{User: s.user, Except: sel.Except})
	if err != nil {
		return target{}, err
	}
	if counted && n.Sessions <= maxSieved {
		found, _, err := a.all(c.Context(), s)
		return listed(c, found), err
	}
	q := s.query(curfew.SortStarted, false)
	q.Except = sel.Except
	page, err := a.Sessions.List(c.Context(), q)
	t := target{sel: sel, count: n.Sessions}
	for _, r := range page.Records {
		t.first = append(t.first, r.Session)
	}
	return t, err
}

// listed selects sessions one by one, but never the caller's own.
func listed(c *call, sessions []curfew.Session) target {
	sessions = slices.DeleteFunc(sessions, func(s curfew.Session) bool { return s.ID == c.caller.session.ID })
	t := target{count: len(sessions), first: sessions[:min(len(sessions), curfew.MaxPage)]}
	for _, s := range sessions {
		t.sel.IDs = append(t.sel.IDs, s.ID)
	}
	return t
}

// targetIDs selects sessions by their IDs. If any is unknown the error names all that are.
func (a *api) targetIDs(c *call, ids []curfew.SessionID) (target, error) {
	var live []curfew.Session
	var unknown, gone []curfew.SessionID
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		s, ending, err := a.endable(c, id)
		switch {
		case curfew.ErrorCode(err) == curfew.CodeNotFound:
			unknown = append(unknown, id)
		case err != nil:
			return target{}, err
		case ending != nil:
			gone = append(gone, id)
		default:
			live = append(live, s)
		}
	}
	if len(unknown) > 0 {
		return target{}, &curfew.Error{Code: curfew.CodeNotFound, Message: "no such session: " + join(unknown) + "; nothing was ended"}
	}
	t := listed(c, live)
	t.gone = gone
	return t, nil
}

// maxNamed is how many IDs an error names.
const maxNamed = 20

func join(ids []curfew.SessionID) string {
	texts := make([]string, 0, maxNamed+1)
	for _, id := range ids[:min(len(ids), maxNamed)] {
		texts = append(texts, string(id))
	}
	if len(ids) > maxNamed {
		texts = append(texts, fmt.Sprintf("and %d more", len(ids)-maxNamed))
	}
	return strings.Join(texts, ", ")
}
