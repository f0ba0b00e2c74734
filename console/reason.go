package console

import "github.com/curfewhq/curfew"

// reasonNames say why sessions ended, in lists and filters.
var reasonNames = map[curfew.Reason]string{
	curfew.ReasonSignedOut:       "Signed out",
	curfew.ReasonIdle:            "Inactivity",
	curfew.ReasonExpired:         "Time limit",
	curfew.ReasonTerminated:      "Terminated",
	curfew.ReasonPasswordChanged: "Password changed",
	curfew.ReasonRoleChanged:     "Role changed",
	curfew.ReasonAccountDisabled: "Account disabled",
	curfew.ReasonAccountDeleted:  "Account deleted",
	curfew.ReasonReplaced:        "Newer sign-in",
	curfew.ReasonRestored:        "Restored from a backup",
}

// endedText tells how a session ended, in a sentence. Whose is "Your" for its owner, else "Their".
func endedText(e curfew.Ended, whose string, c clock) string {
	by := ""
	if e.Ending.By.Name != "" {
		by = " by " + e.Ending.By.Name
	}
	at := " at " + c.at(e.Ending.At)
	switch e.Ending.Reason {
	case curfew.ReasonSignedOut:
		return "Signed out" + at + "."
	case curfew.ReasonIdle:
		return "Signed out after " + Words(e.Session.Lifetime) + " of inactivity" + at + "."
	case curfew.ReasonExpired:
		return "Signed out" + at + ": no session lasts longer than " + Words(e.Session.ExpiresAt.Sub(e.Session.CreatedAt)) + "."
	case curfew.ReasonPasswordChanged:
		return whose + " password was changed" + by + at + "."
	case curfew.ReasonRoleChanged:
		return whose + " role was changed" + by + at + "."
	case curfew.ReasonAccountDisabled:
		return whose + " account was disabled" + by + at + "."
	case curfew.ReasonAccountDeleted:
		return whose + " account was deleted" + by + at + "."
	case curfew.ReasonReplaced:
		return "A newer sign-in took the place of this session" + at + "."
	case curfew.ReasonRestored:
		return "Signed out" + at + ": this server was restored from a backup."
	default:
		return whose + " session was ended" + by + at + "."
	}
}
