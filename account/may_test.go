package account_test

import (
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func TestWhoMayDoWhat(t *testing.T) {
	const own, other = curfew.UserID("own"), curfew.UserID("other")
	for _, c := range []struct {
		role        account.Role
		sees, ends  curfew.UserID
		seesOthers  bool
		endsOthers  bool
		othersOfAll bool
	}{
		{account.Admin, "", "", true, true, true},
		{account.Auditor, "", own, true, false, false},
		{account.User, own, own, false, false, false},
		{"", own, own, false, false, false},
	} {
		a := account.Account{ID: own, Role: c.role}
		if a.Sees() != c.sees || a.Ends() != c.ends {
			t.Errorf("%q sees %q and ends %q", c.role, a.Sees(), a.Ends())
		}
		if !a.MaySee(own) || !a.MayEnd(own) || a.MaySee(other) != c.seesOthers || a.MayEnd(other) != c.endsOthers {
			t.Errorf("%q: sees %v %v, ends %v %v", c.role, a.MaySee(own), a.MaySee(other), a.MayEnd(own), a.MayEnd(other))
		}
		sel := a.Others("here")
		if sel.Except != "here" || sel.All != c.othersOfAll || (sel.User == own) == c.othersOfAll {
			t.Errorf("%q: others are %+v", c.role, sel)
		}
	}
}
