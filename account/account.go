// Package account holds who may sign in: accounts, their passwords, roles and token lifetimes. It decides everything
// about accounts, as package curfew does about sessions, and keeps the two in step: what changes in an account
// holds for its live sessions when the call returns.
package account

import (
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Role says what an account may do. The zero Role may do nothing.
type Role string

// The roles, from the one that may do most.
const (
	Admin   Role = "admin"   // does all
	Auditor Role = "auditor" // sees all, changes nothing of others
	User    Role = "user"    // sees and ends only their own sessions
)

// Roles are all roles, from the one that may do most.
var Roles = []Role{Admin, Auditor, User}

// SeesAll reports whether the role sees sessions, history and accounts of others.
func (r Role) SeesAll() bool { return r == Admin || r == Auditor }

// Manages reports whether the role ends others' sessions and changes others' accounts.
func (r Role) Manages() bool { return r == Admin }

// Covers reports whether the role may do all that another may.
func (r Role) Covers(o Role) bool { return !r.below(o) }

// below reports whether the role may do less than another.
func (r Role) below(o Role) bool { return slices.Index(Roles, r) > slices.Index(Roles, o) }

// Account is someone who can sign in.
type Account struct {
	ID                curfew.UserID
	Name              string // for sign-in: lower case, unique, never changes
	FullName          string // may be empty
	Role              Role
	Lifetime          time.Duration // the Token Lifetime of its sessions
	Enabled           bool
	CreatedAt         time.Time
	PasswordChangedAt time.Time
	LastSignIn        time.Time // zero: never
}

// EnabledAdmin reports whether the account is one of those of which one must always be left.
func (a Account) EnabledAdmin() bool { return a.Role == Admin && a.Enabled }

// SearchText is the text in which a search looks, in lower case.
func (a Account) SearchText() string { return strings.ToLower(a.Name + "\n" + a.FullName) }
