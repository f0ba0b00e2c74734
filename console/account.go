package console

import (
	"net/url"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

type accountPage struct {
	frame
	Username  string
	Role      string
	Created   stamp
	Changed   stamp // the password
	Lifetime  string
	MaxAge    string
	EndOthers bool
	Errors    fieldErrors
	Keys      []keyRow
	Rows      []row
	Links     links
}

func (*accountPage) file() string { return "account" }

func (c *console) account(r *request) (answer, error) {
	p, err := c.newAccountPage(r)
	if err != nil {
		return answer{}, err
	}
	p.EndOthers = true
	return answer{page: p}, nil
}

func (c *console) newAccountPage(r *request) (*accountPage, error) {
	page, err := c.Sessions.List(r.Context(), curfew.Query{
		User: r.account.ID, Except: r.session.ID, Sort: curfew.SortActivity, Desc: true, Cursor: cursorOf(r.URL.Query()),
	})
	if err != nil {
		return nil, err
	}
	keys, err := c.keyRows(r, r.account.ID, "/account")
	if err != nil {
		return nil, err
	}
	p := &accountPage{
		frame:    frame{Title: "Account", Nav: "account"},
		Username: r.account.Name,
		Role:     roleNames[r.account.Role],
		Created:  r.clock.stamp(r.account.CreatedAt),
		Changed:  r.clock.stamp(r.account.PasswordChangedAt),
		Lifetime: Words(r.account.Lifetime),
		MaxAge:   Words(c.Sessions.Policy().MaxAge),
		Keys:     keys,
		Rows:     r.rows(page.Records),
		Links:    pageLinks(&url.URL{Path: "/account", RawQuery: r.URL.RawQuery}, page.Prev, page.Next),
	}
	if page.Prev == nil {
		p.Rows = slices.Insert(p.Rows, 0, r.row(r.session))
	}
	return p, nil
}

func (c *console) changePassword(r *request) (answer, error) {
	errs := fieldErrors{}
	errs.add(account.CheckPassword(r.field("password"), r.account.Name))
	errs.needSame(r)
	if r.field("current_password") == "" { // no attempt, which would be counted
		return c.passwordRefused(r, invalid("current_password", "Enter your password.").with(errs))
	}
	if len(errs) > 0 {
		f, err := c.checkCurrent(r)
		if err != nil {
			return answer{}, err
		}
		return c.passwordRefused(r, f.with(errs))
	}
	device, endOthers := account.DeviceOf(r.Request), r.field("end_others") != ""
	n, err := c.Accounts.ChangePassword(r.Context(), r.actor(), device, r.field("current_password"), r.field("password"), endOthers)
	if err != nil {
		f, err := refused(err, "current_password", "password")
		if err != nil {
			return answer{}, err
		}
		return c.passwordRefused(r, f)
	}
	said := notice{Code: "password-changed"}
	if n > 0 {
		said = notice{Code: "others-ended", Arg: plural(n, "other session", "other sessions")}
	}
	return answer{location: "/account", notice: said, device: &device}, nil
}

// checkCurrent says what is wrong with the current password, if anything.
func (c *console) checkCurrent(r *request) (refusal, error) {
	err := c.Accounts.Reauthenticate(r.Context(), r.actor(), r.field("current_password"))
	if err == nil {
		return refusal{}, nil
	}
	return refused(err, "current_password")
}

func (c *console) passwordRefused(r *request, f refusal) (answer, error) {
	p, err := c.newAccountPage(r)
	if err != nil {
		return answer{}, err
	}
	p.Here, p.Errors, p.EndOthers = "/account", f.errs, r.field("end_others") != ""
	return f.answer(p), nil
}
