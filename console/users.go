package console

import (
	"slices"
	"strconv"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

type usersPage struct {
	frame
	Search  string
	Total   int
	Rows    []userRow
	Links   links
	Manages bool
}

func (*usersPage) file() string { return "users" }

// userRow is an account in the list.
type userRow struct {
	person
	ID         curfew.UserID
	Role       string
	Lifetime   string
	Enabled    bool
	LastSignIn stamp
	Sessions   int
	Self       bool
}

const usersPerPage = 25

func (c *console) users(r *request) (answer, error) {
	v := r.URL.Query()
	q := account.Query{
		Search: r.search(), Limit: usersPerPage, After: v.Get(afterParam), Before: v.Get(beforeParam),
	}
	if q.Before != "" {
		q.After = ""
	}
	page, err := c.Accounts.List(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	p := &usersPage{
		frame:  frame{Title: "Users", Nav: "users"},
		Search: q.Search,
		Total:  page.Total,
		Links: links{
			Prev: placeLink(r.URL, beforeParam, page.Prev),
			Next: placeLink(r.URL, afterParam, page.Next),
		},
		Manages: r.account.Role.Manages(),
	}
	p.Rows, err = c.userRows(r, page.Accounts)
	return answer{page: p}, err
}

func (c *console) userRows(r *request, accounts []account.Account) ([]userRow, error) {
	var rows []userRow
	for _, a := range accounts {
		n, err := c.Sessions.Count(r.Context(), curfew.Query{User: a.ID})
		if err != nil {
			return nil, err
		}
		rows = append(rows, userRow{
			person:     personOf(a.Name, a.FullName),
			ID:         a.ID,
			Role:       roleNames[a.Role],
			Lifetime:   Words(a.Lifetime),
			Enabled:    a.Enabled,
			LastSignIn: r.clock.stamp(a.LastSignIn),
			Sessions:   n.Sessions,
			Self:       a.ID == r.account.ID,
		})
	}
	return rows, nil
}

// userPage is the form for a new account or, with an ID, for one that exists.
type userPage struct {
	frame
	ID       curfew.UserID
	Username string
	FullName string
	Roles    []option
	Lifetime lifetimeField
	Enabled  bool
	Action   string
	Confirm  string // what ends if it is saved, beside a box to tick; empty if nothing does
	Ticked   bool
	Proof    proof
	Keys     []keyRow
	Errors   fieldErrors
}

func (*userPage) file() string { return "user" }

func (c *console) newUserForm(r *request) (answer, error) {
	return answer{page: &userPage{
		frame:    frame{Title: "Add user", Nav: "users"},
		Roles:    roleOptions(account.User),
		Lifetime: newLifetimeField(strconv.Itoa(seconds(curfew.DefaultLifetime))),
		Action:   "/users/new",
		Proof:    c.newProof(r),
	}}, nil
}

// typedUserPage is the form as it was posted.
func (c *console) typedUserPage(r *request) *userPage {
	return &userPage{
		frame:    frame{Title: "Add user", Nav: "users"},
		Username: r.field("username"),
		FullName: r.field("full_name"),
		Roles:    roleOptions(account.Role(r.field("role"))),
		Lifetime: newLifetimeField(r.field("seconds")),
		Enabled:  r.field("enabled") != "",
		Action:   r.URL.Path,
		Ticked:   r.ticked(),
		Proof:    c.newProof(r),
		Errors:   fieldErrors{},
	}
}

func roleOptions(chosen account.Role) []option {
	var list []option
	for _, role := range account.Roles {
		list = append(list, option{string(role), roleNames[role], role == chosen})
	}
	return list
}

func (p *userPage) refuse(f refusal) answer {
	p.Errors = f.errs
	if msg := f.errs["seconds"]; msg != "" {
		p.Lifetime.Error, p.Lifetime.Focus = msg, true
	}
	return f.answer(p)
}

func (c *console) addUser(r *request) (answer, error) {
	p := c.typedUserPage(r)
	d, err := parseLifetime(r.field("seconds"))
	fields := account.Fields{
		Name: p.Username, FullName: p.FullName, Role: account.Role(r.field("role")), Lifetime: d, Password: r.field("password"),
	}
	errs := fieldErrors{}
	errs.add(fields.Mistakes()...)
	errs.needSame(r)
	if err != nil {
		errs["seconds"] = lifetimeError
	}
	f, err := c.prove(r, &p.Proof)
	if f = f.with(errs); err != nil || f.status != 0 {
		return p.refuse(f), err
	}
	a, err := c.Accounts.Create(r.Context(), r.actor(), fields)
	if err != nil {
		f, err := refused(err, "", "username", "full_name", "role", "seconds", "password")
		return p.refuse(f), err
	}
	return answer{location: "/users", notice: notice{Code: "user-added", Arg: a.Name}}, nil
}

// named returns the account of the address.
func (c *console) named(r *request) (account.Account, error) {
	return c.Accounts.Get(r.Context(), curfew.UserID(r.PathValue("id")))
}

func (c *console) editUserForm(r *request) (answer, error) {
	a, err := c.named(r)
	if err != nil {
		return answer{}, err
	}
	keys, err := c.keyRows(r, a.ID, "/users/"+string(a.ID))
	return answer{page: &userPage{
		frame:    frame{Title: "Edit " + a.Name, Nav: "users"},
		ID:       a.ID,
		Username: a.Name,
		FullName: a.FullName,
		Roles:    roleOptions(a.Role),
		Lifetime: newLifetimeField(strconv.Itoa(seconds(a.Lifetime))),
		Enabled:  a.Enabled,
		Action:   r.URL.Path,
		Proof:    c.newProof(r),
		Keys:     keys,
	}}, err
}

func (c *console) editUser(r *request) (answer, error) {
	a, err := c.named(r)
	if err != nil {
		return answer{}, err
	}
	p := c.typedUserPage(r)
	p.Title, p.ID, p.Username = "Edit "+a.Name, a.ID, a.Name
	if p.Keys, err = c.keyRows(r, a.ID, "/users/"+string(a.ID)); err != nil {
		return answer{}, err
	}
	errs := fieldErrors{}
	change, err := userChange(r, a)
	errs.add(change.Mistakes()...)
	if err != nil {
		errs["seconds"] = lifetimeError
	}
	if p.Confirm, err = c.endsWith(r, a, change); err != nil {
		return answer{}, err
	}
	if p.Confirm != "" && !r.ticked() {
		errs["confirm"] = notTicked
	}
	f, err := c.prove(r, &p.Proof)
	if f = f.with(errs); err != nil || f.status != 0 {
		return p.refuse(f), err
	}
	if _, err := c.Accounts.Update(r.Context(), r.actor(), a.ID, change); err != nil {
		f, err := refused(err, lastAdminField(change), "full_name", "role", "seconds")
		return p.refuse(f), err
	}
	return answer{location: "/users", notice: notice{Code: "user-saved", Arg: a.Name}}, nil
}

// userChange is what the form changes in the account. What stays is left out, so that nothing ends for it.
func userChange(r *request, a account.Account) (account.Change, error) {
	d, err := parseLifetime(r.field("seconds"))
	fullName, role, enabled := r.field("full_name"), account.Role(r.field("role")), r.field("enabled") != ""
	return account.Change{
		FullName: changed(a.FullName, fullName),
		Role:     changed(a.Role, role),
		Lifetime: changed(a.Lifetime, d),
		Enabled:  changed(a.Enabled, enabled),
	}, err
}

func changed[T comparable](was, is T) *T {
	if was == is {
		return nil
	}
	return &is
}

// lastAdminField is the field to which a message about the last admin belongs.
func lastAdminField(c account.Change) string {
	if c.Enabled != nil && !*c.Enabled {
		return "enabled"
	}
	return "role"
}

// endsWith says which sessions the change would end, or nothing if it ends none.
func (c *console) endsWith(r *request, a account.Account, change account.Change) (string, error) {
	disabled := change.Enabled != nil && !*change.Enabled
	lowered := change.Role != nil && slices.Index(account.Roles, *change.Role) > slices.Index(account.Roles, a.Role)
	if !disabled && !lowered {
		return "", nil
	}
	n, err := c.otherSessions(r, a)
	if err != nil || n == 0 {
		return "", err
	}
	return "End " + plural(n, "session", "sessions") + " of " + a.Name + " at once", nil
}
