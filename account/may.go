package account

import "github.com/curfewhq/curfew"

// What follows is the one rule of who may do what with whose sessions. The edges ask it, and have none of their own.

// Sees returns whose sessions and history the account may see: its own or, with the empty ID, everybody's.
func (a Account) Sees() curfew.UserID {
	if a.Role.SeesAll() {
		return ""
	}
	return a.ID
}

// MaySee reports whether the account may see the sessions of the owner.
func (a Account) MaySee(owner curfew.UserID) bool { return a.Role.SeesAll() || owner == a.ID }

// Ends returns whose sessions the account may end: its own or, with the empty ID, everybody's.
func (a Account) Ends() curfew.UserID {
	if a.Role.Manages() {
		return ""
	}
	return a.ID
}

// MayEnd reports whether the account may end the sessions of the owner.
func (a Account) MayEnd(owner curfew.UserID) bool { return a.Role.Manages() || owner == a.ID }

// Others selects what Terminate Other Sessions ends: all that the account may end, but the session it asks from.
func (a Account) Others(from curfew.SessionID) curfew.Selection {
	if a.Role.Manages() {
		return curfew.Selection{All: true, Except: from}
	}
	return curfew.Selection{User: a.ID, Except: from}
}
