package console

import (
	"net/http"

	"github.com/curfewhq/curfew"
)

// confirmPage asks, with a box to tick, before sessions end or an account is deleted.
type confirmPage struct {
	frame
	Text   string
	Tick   string
	Action string // where to post
	Button string
	BackTo string
	Ticked bool
	Error  string // beside the box
	Proof  proof
}

func (*confirmPage) file() string { return "confirm" }

const notTicked = "Tick the box to confirm."

// endable returns the session of the address if the sender may end it from a list. Their own never is, whoever asks.
func (c *console) endable(r *request) (curfew.Session, error) {
	id := curfew.SessionID(r.PathValue("id"))
	if id == r.session.ID {
		return curfew.Session{}, curfew.ErrOwnSession
	}
	s, err := c.Sessions.Get(r.Context(), id)
	if err != nil {
		return s, r.hideEnded(err)
	}
	switch {
	case r.account.MayEnd(s.User.ID):
		return s, nil
	case r.account.MaySee(s.User.ID):
		return s, errDenied
	default:
		return s, curfew.ErrNoSession // whoever sees only their own learns of no other
	}
}

// hideEnded makes of somebody else's ended session an unknown one, for who may not see it.
func (r *request) hideEnded(err error) error {
	ended, ok := endedOf(err)
	if ok && !r.account.MaySee(ended.Session.User.ID) {
		return curfew.ErrNoSession
	}
	return err
}

func newEndPage(r *request, s curfew.Session) *confirmPage {
	who := personOf(s.User.Name, s.User.FullName).Name + "’s session"
	if s.User.ID == r.account.ID {
		who = "Your session"
	}
	return &confirmPage{
		frame:  frame{Title: "End this session?", Nav: "sessions"},
		Text:   who + " (" + s.Client.Device + ", " + s.Client.Origin + ") will end at once. Whoever uses it has to sign in again.",
		Tick:   "I understand that unsaved work in this session may be lost",
		Action: "/sessions/" + string(s.ID) + "/end",
		Button: "End session",
		BackTo: homePath,
	}
}

func (c *console) confirmEnd(r *request) (answer, error) {
	s, err := c.endable(r)
	if err != nil {
		return answer{}, err
	}
	return c.ask(r, newEndPage(r, s)), nil
}

func (c *console) end(r *request) (answer, error) {
	s, err := c.endable(r)
	if err != nil {
		return answer{}, err
	}
	if again, ok, err := c.confirmed(r, newEndPage(r, s)); err != nil || !ok {
		return again, err
	}
	_, err = c.Sessions.End(r.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated, By: r.actor()})
	if err != nil {
		return answer{}, err
	}
	return answer{location: homePath, notice: notice{Code: "session-ended", Arg: s.User.Name}}, nil
}

// ask shows the page that asks for a confirmation.
func (c *console) ask(r *request, p *confirmPage) answer {
	p.Proof = c.newProof(r)
	return answer{page: p}
}

// confirmed reports whether the posted page is confirmed. If not, it returns the page that says what is missing.
func (c *console) confirmed(r *request, p *confirmPage) (again answer, ok bool, err error) {
	p.Proof, p.Ticked = c.newProof(r), r.ticked()
	f, err := c.prove(r, &p.Proof)
	if err != nil {
		return answer{}, false, err
	}
	if !p.Ticked {
		p.Error = notTicked
		f.status = http.StatusUnprocessableEntity
	}
	return f.answer(p), f.status == 0, nil
}

// others selects what Terminate Other Sessions ends.
func others(r *request) curfew.Selection { return r.account.Others(r.session.ID) }

func (c *console) countOthers(r *request) (int, error) {
	sel := others(r)
	n, err := c.Sessions.Count(r.Context(), curfew.Query{User: sel.User, Except: sel.Except})
	return n.Sessions, err
}

func newEndOthersPage(r *request, n int) *confirmPage {
	return &confirmPage{
		frame:  frame{Title: "Terminate other sessions?", Nav: "sessions"},
		Text:   endOthersText(n, r.account.Role.Manages()) + " This session stays.",
		Tick:   "I understand that unsaved work in those sessions may be lost",
		Action: "/sessions/end-others",
		Button: "Terminate " + plural(n, "session", "sessions"),
		BackTo: homePath,
	}
}

// endOthersText says what Terminate Other Sessions ends. The search above its button does not narrow it down.
func endOthersText(n int, everybodys bool) string {
	switch {
	case n == 0:
		return "There is no other session to end."
	case everybodys && n == 1:
		return "The only other session will end at once, whether it is shown or not, and its user will have to sign in again."
	case everybodys:
		return "All " + grouped(n) + " other sessions will end at once, whatever is searched for or shown, and their users will have to sign in again."
	case n == 1:
		return "Your other session will end at once."
	default:
		return "Your " + grouped(n) + " other sessions will end at once."
	}
}

func (c *console) confirmEndOthers(r *request) (answer, error) {
	n, err := c.countOthers(r)
	return c.ask(r, newEndOthersPage(r, n)), err
}

func (c *console) endOthers(r *request) (answer, error) {
	n, err := c.countOthers(r)
	if err != nil {
		return answer{}, err
	}
	if again, ok, err := c.confirmed(r, newEndOthersPage(r, n)); err != nil || !ok {
		return again, err
	}
	n, err = c.Sessions.EndAll(r.Context(), others(r), curfew.Ending{Reason: curfew.ReasonTerminated, By: r.actor()})
	if err != nil {
		return answer{}, err
	}
	return answer{location: homePath, notice: notice{Code: "sessions-ended", Arg: plural(n, "session", "sessions")}}, nil
}
