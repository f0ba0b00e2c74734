package httpapi

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// User is an account.
type User struct {
	ID                curfew.UserID `json:"id" doc:"Stays as it is. Not the user name."`
	Username          string        `json:"username" doc:"For sign-in: lower case, unique, never changes." example:"amara"`
	FullName          string        `json:"full_name" doc:"May be empty." example:"Amara Okafor"`
	Role              account.Role  `json:"role" enum:"admin,auditor,user" doc:"What it may do. Of the caller's own account by an API key it is what the key may do."`
	LifetimeSeconds   Seconds       `json:"lifetime_seconds" doc:"How long its sessions may be idle."`
	Enabled           bool          `json:"enabled" doc:"False: nobody can sign in to it, and its API keys are refused."`
	CreatedAt         Time          `json:"created_at" doc:"When it was made."`
	PasswordChangedAt Time          `json:"password_changed_at" doc:"When it got the password that it has."`
	LastSignInAt      Time          `json:"last_sign_in_at,omitzero" doc:"When somebody signed in to it last. Absent: never."`
}

func newUser(a account.Account) User {
	return User{
		ID: a.ID, Username: a.Name, FullName: a.FullName, Role: a.Role,
		LifetimeSeconds: inSeconds(a.Lifetime), Enabled: a.Enabled,
		CreatedAt: at(a.CreatedAt), PasswordChangedAt: at(a.PasswordChangedAt), LastSignInAt: atUnlessZero(a.LastSignIn),
	}
}

// NewUser is what is given for a new account.
type NewUser struct {
	Username        string       `json:"username" minLength:"1" maxLength:"64" doc:"Letters, digits or . _ - @, starting with a letter or a digit."`
	FullName        string       `json:"full_name,omitempty" maxLength:"128" doc:"May be empty."`
	Role            account.Role `json:"role" enum:"admin,auditor,user" doc:"What the account may do."`
	LifetimeSeconds Seconds      `json:"lifetime_seconds,omitempty" doc:"How long its sessions may be idle. 300 if absent."`
	Password        string       `json:"password" minLength:"8" maxLength:"1024" doc:"At least 8 characters, at most 1024 bytes."`
}

// UserChange is what changes in an account. What is absent stays.
type UserChange struct {
	FullName        *string       `json:"full_name,omitempty" maxLength:"128" doc:"An empty one takes it away."`
	Role            *account.Role `json:"role,omitempty" enum:"admin,auditor,user" doc:"What the account may do. A lower one ends the account's sessions."`
	LifetimeSeconds *Seconds      `json:"lifetime_seconds,omitempty" doc:"How long its sessions may be idle. All live ones follow at once."`
	Enabled         *bool         `json:"enabled,omitempty" doc:"False ends the account's sessions."`
}

// UserQuery asks for a page of accounts.
type UserQuery struct {
	Q        string `query:"q" minLength:"1" maxLength:"200" doc:"Words that must all occur in the user name or the full name."`
	Username string `query:"username" minLength:"1" maxLength:"64" doc:"Only the account with this user name."`
	Paging
}

// UserPage is a part of the list of accounts, by user name.
type UserPage struct {
	Users      []User `json:"users" maxItems:"500" nullable:"false" doc:"By user name."`
	NextCursor string `json:"next_cursor,omitempty" doc:"Asks for what follows. Absent on the last page."`
	Count      int    `json:"count" minimum:"0" doc:"How many there are, on all pages."`
}

func (a *api) listUsers(c *call, q UserQuery, _ none) (UserPage, error) {
	page := UserPage{Users: []User{}}
	if q.Username != "" {
		acc, err := a.Accounts.ByName(c.Context(), q.Username)
		switch {
		case curfew.ErrorCode(err) == curfew.CodeNotFound:
			return page, nil
		case err != nil:
			return page, err
		}
		return UserPage{Users: []User{newUser(acc)}, Count: 1}, nil
	}
	p, err := a.Accounts.List(c.Context(), account.Query{Search: q.Q, After: q.Cursor, Limit: q.Limit})
	for _, acc := range p.Accounts {
		page.Users = append(page.Users, newUser(acc))
	}
	page.NextCursor, page.Count = p.Next, p.Total
	return page, err
}

// userID is the account that the address names.
type userID struct {
	ID curfew.UserID `path:"id" maxLength:"64" doc:"ID of the account, which is not its user name."`
}

func (a *api) getUser(c *call, p userID, _ none) (User, error) {
	acc, err := a.Accounts.Get(c.Context(), p.ID)
	return newUser(acc), err
}

func (a *api) addUser(c *call, p repeatable, req NewUser) (User, error) {
	return once(a, c, p, req, func() (User, error) {
		f := account.Fields{Name: req.Username, FullName: req.FullName, Role: req.Role, Password: req.Password}
		if req.LifetimeSeconds != 0 {
			d, err := req.LifetimeSeconds.duration("lifetime_seconds")
			if err != nil {
				return User{}, err
			}
			f.Lifetime = d
		}
		acc, err := a.Accounts.Create(c.Context(), c.actor, f)
		return newUser(acc), err
	})
}

func (a *api) updateUser(c *call, p userID, req UserChange) (User, error) {
	change := account.Change{FullName: req.FullName, Role: req.Role, Enabled: req.Enabled}
	if req.LifetimeSeconds != nil {
		d, err := req.LifetimeSeconds.duration("lifetime_seconds")
		if err != nil {
			return User{}, err
		}
		change.Lifetime = &d
	}
	acc, err := a.Accounts.Update(c.Context(), c.actor, p.ID, change)
	return newUser(acc), err
}

// NewPassword is a password that somebody else sets.
type NewPassword struct {
	Password string `json:"password" minLength:"8" maxLength:"1024" doc:"At least 8 characters, at most 1024 bytes."`
}

// errOwnPassword keeps whoever finds a signed-in browser from taking the account over.
var errOwnPassword = &curfew.Error{Code: curfew.CodeConflict, Message: "change your own password by /api/v1/account/password, which asks for the current one"}

func (a *api) setPassword(c *call, p userID, req NewPassword) (none, error) {
	if p.ID == c.caller.account.ID {
		return none{}, errOwnPassword
	}
	return none{}, a.Accounts.SetPassword(c.Context(), c.actor, p.ID, req.Password)
}

func (a *api) deleteUser(c *call, p userID, _ none) (none, error) {
	return none{}, a.Accounts.Delete(c.Context(), c.actor, p.ID)
}

func (a *api) endUserSessions(c *call, p userID, _ none) (Ended, error) {
	acc, err := a.Accounts.Get(c.Context(), p.ID)
	if err != nil {
		return Ended{}, err
	}
	n, err := a.Sessions.EndAll(c.Context(), curfew.Selection{User: acc.ID}, terminated(c))
	return Ended{n}, err
}

// Unlock is the code by which a browser becomes known to an account, see account.Service.Unlock.
type Unlock struct {
	Code string `json:"code" doc:"Opens nothing. Good once, for 15 minutes, at /unlock?code=…"`
}

type userUnlock struct {
	ID  curfew.UserID `path:"id" maxLength:"64" doc:"ID of the account, which is not its user name."`
	Key string        `header:"Idempotency-Key" maxLength:"128" doc:"Any text, such as a UUID, of your own for this call. Who repeats the call with the same one gets the first answer, for an hour, and nothing is done again."`
}

func (a *api) unlockUser(c *call, p userUnlock, _ none) (Unlock, error) {
	return once(a, c, repeatable{p.Key}, p.ID, func() (Unlock, error) {
		code, err := a.Accounts.Unlock(c.Context(), c.actor, p.ID)
		return Unlock{code}, err
	})
}

// named returns the account with the user name.
func (a *api) named(ctx context.Context, name string) (account.Account, error) {
	acc, err := a.Accounts.ByName(ctx, name)
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		err = noUser(name)
	}
	return acc, err
}

// noUser doesn't repeat the secret of an API key, which somebody gave instead of a name.
func noUser(name string) error {
	if account.HoldsKeySecret(name) {
		return &curfew.Error{Code: curfew.CodeNotFound, Message: "there is no such user; what was given is the secret of an API key"}
	}
	return &curfew.Error{Code: curfew.CodeNotFound, Message: fmt.Sprintf("there is no user %q", name)}
}
