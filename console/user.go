package console

import (
	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// passwordPage is an admin's form for somebody's new password.
type passwordPage struct {
	frame
	Username string
	Action   string
	Ends     string // what ends with it
	Ticked   bool
	Proof    proof
	Errors   fieldErrors
}

func (*passwordPage) file() string { return "password" }

func (c *console) newPasswordPage(r *request) (*passwordPage, error) {
	a, err := c.named(r)
	if err != nil {
		return nil, err
	}
	if a.ID == r.account.ID {
		return nil, errOwnPassword // or who finds a signed-in browser could take the account over
	}
	n, err := c.otherSessions(r, a)
	return &passwordPage{
		frame:    frame{Title: "Set password", Nav: "users"},
		Username: a.Name,
		Action:   r.URL.Path,
		Ends:     "End " + plural(n, "session", "sessions") + " of " + a.Name + " at once",
		Ticked:   r.ticked(),
		Proof:    c.newProof(r),
	}, err
}

// otherSessions counts the sessions of the account but the sender's own.
func (c *console) otherSessions(r *request, a account.Account) (int, error) {
	n, err := c.Sessions.Count(r.Context(), curfew.Query{User: a.ID, Except: r.session.ID})
	return n.Sessions, err
}

func (c *console) passwordForm(r *request) (answer, error) {
	p, err := c.newPasswordPage(r)
	return answer{page: p}, err
}

func (c *console) setPassword(r *request) (answer, error) {
	p, err := c.newPasswordPage(r)
	if err != nil {
		return answer{}, err
	}
	errs := fieldErrors{}
	errs.add(account.CheckPassword(r.field("password"), p.Username))
	errs.needSame(r)
	if !r.ticked() {
		errs["confirm"] = notTicked
	}
	f, err := c.prove(r, &p.Proof)
	if err != nil {
		return answer{}, err
	}
	if f = f.with(errs); f.status == 0 {
		err := c.Accounts.SetPassword(r.Context(), r.actor(), curfew.UserID(r.PathValue("id")), r.field("password"))
		if err == nil {
			return answer{location: "/users", notice: notice{Code: "user-password", Arg: p.Username}}, nil
		}
		if f, err = refused(err, "", "password"); err != nil {
			return answer{}, err
		}
	}
	p.Errors = f.errs
	return f.answer(p), nil
}

func (c *console) newDeletePage(r *request) (*confirmPage, account.Account, error) {
	a, err := c.named(r)
	if err != nil {
		return nil, a, err
	}
	n, err := c.otherSessions(r, a)
	text := "The account is gone for ever; its history stays."
	if n > 0 {
		text = plural(n, "session ends", "sessions end") + " at once. " + text
	}
	return &confirmPage{
		frame:  frame{Title: "Delete " + a.Name + "?", Nav: "users"},
		Text:   text,
		Tick:   "I understand that this can’t be undone",
		Action: r.URL.Path,
		Button: "Delete " + a.Name,
		BackTo: "/users",
	}, a, err
}

func (c *console) confirmDelete(r *request) (answer, error) {
	p, _, err := c.newDeletePage(r)
	if err != nil {
		return answer{}, err
	}
	return c.ask(r, p), nil
}

func (c *console) deleteUser(r *request) (answer, error) {
	p, a, err := c.newDeletePage(r)
	if err != nil {
		return answer{}, err
	}
	if again, ok, err := c.confirmed(r, p); err != nil || !ok {
		return again, err
	}
	if err := c.Accounts.Delete(r.Context(), r.actor(), a.ID); err != nil {
		f, err := refused(err, "confirm")
		p.Error = f.errs["confirm"]
		return f.answer(p), err
	}
	return answer{location: "/users", notice: notice{Code: "user-deleted", Arg: a.Name}}, nil
}
