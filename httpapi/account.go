package httpapi

import (
	"github.com/curfewhq/curfew/account"
)

// account answers with the account as it is: the caller's has the role that holds, which an API key may lower.
func (a *api) account(c *call, _, _ none) (User, error) {
	acc, err := a.Accounts.Get(c.Context(), c.caller.account.ID)
	return newUser(acc), err
}

// AccountChange is what people may say of their own account.
type AccountChange struct {
	FullName        string  `json:"full_name" maxLength:"128" doc:"May be empty."`
	LifetimeSeconds Seconds `json:"lifetime_seconds" doc:"How long sessions may be idle. All live ones follow at once."`
}

func (a *api) updateAccount(c *call, _ none, req AccountChange) (User, error) {
	d, err := req.LifetimeSeconds.duration("lifetime_seconds")
	if err != nil {
		return User{}, err
	}
	acc, err := a.Accounts.Update(c.Context(), c.actor, c.caller.account.ID, account.Change{FullName: &req.FullName, Lifetime: &d})
	return newUser(acc), err
}

// PasswordChange is a new password of one's own.
type PasswordChange struct {
	CurrentPassword string `json:"current_password" minLength:"1" maxLength:"1024" doc:"The one until now."`
	Password        string `json:"password" maxLength:"1024" minLength:"8" doc:"The new one: at least 8 characters, at most 1024 bytes, and none that is easily guessed."`
	KeepOthers      bool   `json:"keep_others,omitempty" doc:"Leave your other sessions as they are, instead of ending them."`
}

// Ended says how many sessions ended.
type Ended struct {
	Count int `json:"count" minimum:"0" doc:"How many sessions ended."`
}

func (a *api) changePassword(c *call, _ none, req PasswordChange) (Ended, error) {
	device := account.DeviceOf(c.Request)
	n, err := a.Accounts.ChangePassword(c.Context(), c.actor, device, req.CurrentPassword, req.Password, !req.KeepOthers)
	if err == nil {
		account.SetDevice(c.w, c.Request, device)
	}
	return Ended{n}, err
}
