package httpapi

import (
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// Key is an API key as clients see it. Its secret is nowhere in it.
type Key struct {
	ID         account.KeyID `json:"id" doc:"Public: knowing it gives no access."`
	UserID     curfew.UserID `json:"user_id" doc:"Its owner."`
	Username   string        `json:"username" doc:"Its owner's."`
	Current    bool          `json:"current" doc:"Whether it is the key by which was asked."`
	Name       string        `json:"name" doc:"Unique among the owner's keys."`
	Role       account.Role  `json:"role" enum:"admin,auditor,user" doc:"The most that it may do; never more than its owner."`
	CreatedAt  Time          `json:"created_at" doc:"When it was made."`
	ExpiresAt  Time          `json:"expires_at,omitzero" doc:"Absent: never. A key that has expired is listed until it is revoked."`
	LastUsedAt Time          `json:"last_used_at,omitzero" doc:"Up to a minute late. Absent: never."`
}

func newKey(k account.Key, owner account.Account) Key {
	return Key{
		ID: k.ID, UserID: owner.ID, Username: owner.Name, Name: k.Name, Role: k.Role,
		CreatedAt: at(k.CreatedAt), ExpiresAt: atUnlessZero(k.ExpiresAt), LastUsedAt: atUnlessZero(k.LastUsed),
	}
}

// NewKey is what is given for a new API key.
type NewKey struct {
	Name             string       `json:"name" minLength:"1" maxLength:"64" doc:"What the key is for. Unique among the owner's keys." example:"nightly backup"`
	Role             account.Role `json:"role" enum:"admin,auditor,user" doc:"At most the owner's."`
	ExpiresInSeconds int64        `json:"expires_in_seconds,omitempty" minimum:"60" maximum:"31536000" doc:"How long the key is good. 90 days if absent."`
	Never            bool         `json:"never,omitempty" doc:"The key never expires. Then there is no expires_in_seconds."`
}

// MadeKey is a new API key and, this once, its secret.
type MadeKey struct {
	Key
	Secret string `json:"secret" doc:"Give it as Authorization: Bearer. Nobody can look it up later." example:"curfew_key_…"`
}

// KeyList are the API keys of one account.
type KeyList struct {
	Keys []Key `json:"keys" maxItems:"50" nullable:"false" doc:"By name."`
}

func (a *api) listKeys(c *call, _, _ none) (KeyList, error) { return a.keysOf(c, c.caller.account) }

func (a *api) listUserKeys(c *call, p userID, _ none) (KeyList, error) {
	owner, err := a.Accounts.Get(c.Context(), p.ID)
	if err != nil {
		return KeyList{}, err
	}
	return a.keysOf(c, owner)
}

func (a *api) keysOf(c *call, owner account.Account) (KeyList, error) {
	keys, err := a.Accounts.Keys(c.Context(), owner.ID)
	list := KeyList{Keys: []Key{}}
	for _, k := range keys {
		doc := newKey(k, owner)
		doc.Current = k.ID == c.key
		list.Keys = append(list.Keys, doc)
	}
	return list, err
}

func (a *api) makeKey(c *call, _ none, req NewKey) (MadeKey, error) {
	return a.newKeyOf(c, c.caller.account, req)
}

func (a *api) makeUserKey(c *call, p userID, req NewKey) (MadeKey, error) {
	owner, err := a.Accounts.Get(c.Context(), p.ID)
	if err != nil {
		return MadeKey{}, err
	}
	return a.newKeyOf(c, owner, req)
}

func (a *api) newKeyOf(c *call, owner account.Account, req NewKey) (MadeKey, error) {
	life := time.Duration(req.ExpiresInSeconds) * time.Second
	key, secret, err := a.Accounts.CreateKey(c.Context(), c.actor, owner.ID, account.NewKey{Name: req.Name, Role: req.Role, Life: life, Forever: req.Never})
	if wrong, ok := errors.AsType[*curfew.Error](err); ok && wrong.Field == "expires" {
		err = &curfew.Error{Code: wrong.Code, Field: "expires_in_seconds", Message: wrong.Message}
	}
	return MadeKey{newKey(key, owner), secret.Reveal()}, err
}

type keyID struct {
	ID account.KeyID `path:"id" maxLength:"64" doc:"ID of an API key."`
}

// revokeKey revokes a key of the caller's or, for an admin, whosever it is.
func (a *api) revokeKey(c *call, p keyID, _ none) (none, error) {
	if c.account.Role.Manages() {
		return none{}, a.Accounts.RevokeAnyKey(c.Context(), c.actor, p.ID)
	}
	return none{}, a.Accounts.RevokeKey(c.Context(), c.actor, c.caller.account.ID, p.ID)
}

type userKeyID struct {
	ID  curfew.UserID `path:"id" maxLength:"64" doc:"ID of the account."`
	Key account.KeyID `path:"key" maxLength:"64" doc:"ID of the API key."`
}

func (a *api) revokeUserKey(c *call, p userKeyID, _ none) (none, error) {
	return none{}, a.Accounts.RevokeKey(c.Context(), c.actor, p.ID, p.Key)
}
