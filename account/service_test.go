package account_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func TestCreateFirst(t *testing.T) {
	h := newHouse(t)
	if empty, err := h.service.Empty(t.Context()); !empty || err != nil {
		t.Errorf("empty: %v, %v", empty, err)
	}
	f := account.Fields{Name: "Amara", Role: account.User, Password: rightPassword}
	acc, err := h.service.CreateFirst(t.Context(), f)
	if err != nil || acc.Role != account.Admin || acc.Name != "amara" || !acc.Enabled || acc.Lifetime != curfew.DefaultLifetime {
		t.Errorf("first account %+v, error %v", acc, err)
	}
	if empty, err := h.service.Empty(t.Context()); empty || err != nil {
		t.Errorf("empty after the first: %v, %v", empty, err)
	}
	f.Name = "arslan"
	if _, err := h.service.CreateFirst(t.Context(), f); !errors.Is(err, account.ErrNotEmpty) {
		t.Errorf("second first account: %v, want ErrNotEmpty", err)
	}
	h.mustSignIn("amara", homeAddr)
}

func TestCreate(t *testing.T) {
	h := newHouse(t)
	amara := h.add("amara", account.User)
	f := account.Fields{Name: "AMARA", Role: account.Admin, Password: rightPassword}
	_, err := h.service.Create(t.Context(), curfew.Actor{}, f)
	wantCode(t, "a name that is taken", err, curfew.CodeConflict, "username")
	f.Name, f.Password = "arslan", "short"
	_, err = h.service.Create(t.Context(), curfew.Actor{}, f)
	wantCode(t, "a short password", err, curfew.CodeInvalid, "password")

	if got, err := h.service.Get(t.Context(), amara.ID); err != nil || got != amara {
		t.Errorf("Get = %+v, %v; want %+v", got, err, amara)
	}
	if got, err := h.service.ByName(t.Context(), " Amara"); err != nil || got != amara {
		t.Errorf("ByName = %+v, %v; want %+v", got, err, amara)
	}
	if arslan := h.add("arslan", account.User); arslan.ID == amara.ID || len(arslan.ID) < 20 {
		t.Errorf("IDs %q and %q", amara.ID, arslan.ID)
	}
	if page, err := h.service.List(t.Context(), account.Query{Search: "full"}); err != nil || page.Total != 2 || page.Accounts[1].Name != "arslan" {
		t.Errorf("List = %+v, %v", page, err)
	}
}

func TestNobody(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	ctx, by := t.Context(), curfew.Actor{}
	for _, id := range []curfew.UserID{"", "nobody", "amara"} {
		_, err := h.service.Get(ctx, id)
		wantCode(t, "Get", err, curfew.CodeNotFound, "")
		_, err = h.service.Update(ctx, by, id, account.Change{})
		wantCode(t, "Update", err, curfew.CodeNotFound, "")
		wantCode(t, "SetPassword", h.service.SetPassword(ctx, by, id, "another horse"), curfew.CodeNotFound, "")
		wantCode(t, "Delete", h.service.Delete(ctx, by, id), curfew.CodeNotFound, "")
	}
	for _, name := range []string{"", "nobody", "a b"} {
		_, err := h.service.ByName(ctx, name)
		wantCode(t, "ByName", err, curfew.CodeNotFound, "")
	}
}

// What ends or changes which sessions: by an admin in a session of their own, to a user with two sessions.
func TestSessionsFollow(t *testing.T) {
	const live = curfew.Reason("")
	off, lifetime, full := false, 2*time.Hour, " New Name "
	role := func(r account.Role) account.Change { return account.Change{Role: &r} }
	update := func(c account.Change) func(*house, curfew.Actor, curfew.UserID) error {
		return func(h *house, by curfew.Actor, id curfew.UserID) error {
			_, err := h.service.Update(h.t.Context(), by, id, c)
			return err
		}
	}
	cases := map[string]struct {
		want curfew.Reason
		do   func(*house, curfew.Actor, curfew.UserID) error
	}{
		"disable":   {curfew.ReasonAccountDisabled, update(account.Change{Enabled: &off})},
		"demote":    {curfew.ReasonRoleChanged, update(role(account.User))},
		"same role": {live, update(role(account.Auditor))},
		"promote":   {live, update(role(account.Admin))},
		"lifetime":  {live, update(account.Change{Lifetime: &lifetime})},
		"full name": {live, update(account.Change{FullName: &full})},
		"nothing":   {live, update(account.Change{})},
		"password": {curfew.ReasonPasswordChanged, func(h *house, by curfew.Actor, id curfew.UserID) error {
			return h.service.SetPassword(h.t.Context(), by, id, "another horse")
		}},
		"delete": {curfew.ReasonAccountDeleted, func(h *house, by curfew.Actor, id curfew.UserID) error {
			return h.service.Delete(h.t.Context(), by, id)
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			admin, acc := h.add("amara", account.Admin), h.add("arslan", account.Auditor)
			own, adminToken := h.mustSignIn("amara", homeAddr)
			_, one := h.mustSignIn("arslan", homeAddr)
			_, two := h.mustSignIn("arslan", awayAddr)
			if err := c.do(h, actor(admin, own), acc.ID); err != nil {
				t.Fatal(err)
			}
			h.wantLive(adminToken)
			if c.want != live {
				h.wantEnded(c.want, "amara", one, two)
				return
			}
			h.wantLive(one, two)
			h.wantInStep(acc.ID, one, two)
		})
	}
}

// wantInStep checks that sessions have their account's lifetime and full name.
func (h *house) wantInStep(id curfew.UserID, tokens ...curfew.Token) {
	h.t.Helper()
	acc, err := h.service.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, token := range tokens {
		s, err := h.sessions.Check(h.t.Context(), token, curfew.Passive)
		if err != nil || s.Lifetime != acc.Lifetime || s.User.FullName != acc.FullName {
			h.t.Errorf("session: lifetime %v, full name %q, error %v; account: %v, %q", s.Lifetime, s.User.FullName, err, acc.Lifetime, acc.FullName)
		}
	}
}

// What people do to their own account in a session of theirs.
func TestOwnSession(t *testing.T) {
	off, user := false, account.User
	cases := map[string]struct {
		ownEnds, othersEnd curfew.Reason
		do                 func(*house, curfew.Actor) error
	}{
		"demote": {"", curfew.ReasonRoleChanged, func(h *house, by curfew.Actor) error {
			_, err := h.service.Update(h.t.Context(), by, by.User, account.Change{Role: &user})
			return err
		}},
		"set password": {"", curfew.ReasonPasswordChanged, func(h *house, by curfew.Actor) error {
			return h.service.SetPassword(h.t.Context(), by, by.User, "another horse")
		}},
		"disable": {curfew.ReasonAccountDisabled, curfew.ReasonAccountDisabled, func(h *house, by curfew.Actor) error {
			_, err := h.service.Update(h.t.Context(), by, by.User, account.Change{Enabled: &off})
			return err
		}},
		"delete": {curfew.ReasonAccountDeleted, curfew.ReasonAccountDeleted, func(h *house, by curfew.Actor) error {
			return h.service.Delete(h.t.Context(), by, by.User)
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.add("arslan", account.Admin)
			acc := h.add("amara", account.Admin)
			session, own := h.mustSignIn("amara", homeAddr)
			_, other := h.mustSignIn("amara", awayAddr)
			if err := c.do(h, actor(acc, session)); err != nil {
				t.Fatal(err)
			}
			h.wantEnded(c.othersEnd, "amara", other)
			if c.ownEnds == "" {
				h.wantLive(own)
			} else {
				h.wantEnded(c.ownEnds, "amara", own)
			}
		})
	}
}

func TestLastAdmin(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.Admin)
	h.add("arslan", account.User)
	_, token := h.mustSignIn("amara", homeAddr)
	off, user, full := false, account.User, "Still Admin"
	ctx, by := t.Context(), curfew.Actor{}
	for name, c := range map[string]account.Change{"disable": {Enabled: &off}, "demote": {Role: &user}} {
		if _, err := h.service.Update(ctx, by, acc.ID, c); !errors.Is(err, account.ErrLastAdmin) {
			t.Errorf("%s: %v, want ErrLastAdmin", name, err)
		}
	}
	if err := h.service.Delete(ctx, by, acc.ID); !errors.Is(err, account.ErrLastAdmin) {
		t.Errorf("delete: %v, want ErrLastAdmin", err)
	}
	if got, err := h.service.Update(ctx, by, acc.ID, account.Change{FullName: &full}); err != nil || got.FullName != full {
		t.Errorf("rename: %+v, %v", got, err)
	}
	h.wantLive(token)
}

func TestUpdateRefusesBadInput(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.Admin)
	full, role, lifetime := "a\nb", account.Role("root"), 29*time.Second
	for field, c := range map[string]account.Change{"full_name": {FullName: &full}, "role": {Role: &role}, "seconds": {Lifetime: &lifetime}} {
		_, err := h.service.Update(t.Context(), curfew.Actor{}, acc.ID, c)
		wantCode(t, field, err, curfew.CodeInvalid, field)
	}
	if got, err := h.service.Get(t.Context(), acc.ID); err != nil || got != acc {
		t.Errorf("after refusals %+v, %v; want %+v", got, err, acc)
	}
}

// A shorter lifetime holds for the idle time already passed.
func TestShorterLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("amara", account.User)
		_, token := h.mustSignIn("amara", homeAddr)
		time.Sleep(61 * time.Second)
		h.wantLive(token)
		short := curfew.MinLifetime
		if _, err := h.service.Update(t.Context(), curfew.Actor{}, acc.ID, account.Change{Lifetime: &short}); err != nil {
			t.Fatal(err)
		}
		h.wantEnded(curfew.ReasonIdle, "", token)
	})
}

// However many change an account at once, its sessions end up with what it says.
func TestUpdatesRace(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.User)
	_, token := h.mustSignIn("amara", homeAddr)
	for range 50 {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				lifetime, full := time.Duration(i+1)*time.Hour, numbered("Name ", i)
				if _, err := h.service.Update(t.Context(), curfew.Actor{}, acc.ID, account.Change{Lifetime: &lifetime, FullName: &full}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		h.wantInStep(acc.ID, token)
	}
}

func TestChangePassword(t *testing.T) {
	const next = "another horse"
	for _, endOthers := range []bool{true, false} {
		h := newHouse(t)
		acc := h.add("amara", account.User)
		session, own := h.mustSignIn("amara", homeAddr)
		_, one := h.mustSignIn("amara", homeAddr)
		_, two := h.mustSignIn("amara", awayAddr)
		ctx, by := t.Context(), actor(acc, session)

		_, err := h.service.ChangePassword(ctx, by, account.Device{}, wrongPassword, next, endOthers)
		wantCode(t, "a wrong current password", err, curfew.CodeDenied, "current_password")
		_, err = h.service.ChangePassword(ctx, by, account.Device{}, rightPassword, "short", endOthers)
		wantCode(t, "a short password", err, curfew.CodeInvalid, "password")
		h.wantLive(own, one, two)

		n, err := h.service.ChangePassword(ctx, by, account.Device{}, rightPassword, next, endOthers)
		if want := map[bool]int{true: 2, false: 0}[endOthers]; err != nil || n != want {
			t.Errorf("ended %d, error %v; want %d", n, err, want)
		}
		h.wantLive(own)
		if endOthers {
			h.wantEnded(curfew.ReasonPasswordChanged, "amara", one, two)
		} else {
			h.wantLive(one, two)
		}
		if _, _, err := h.signIn("amara", rightPassword, homeAddr); err != account.ErrSignIn {
			t.Errorf("the old password: %v, want ErrSignIn", err)
		}
		if _, _, err := h.signIn("amara", next, homeAddr); err != nil {
			t.Errorf("the new password: %v", err)
		}
	}
}

func TestChangePasswordIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("amara", account.User)
		session, _ := h.mustSignIn("amara", homeAddr)
		h.fail(5, "amara", homeAddr)
		for range 5 {
			_, err := h.service.ChangePassword(t.Context(), actor(acc, session), account.Device{}, wrongPassword, "another horse", true)
			wantCode(t, "a wrong current password", err, curfew.CodeDenied, "current_password")
		}
		_, err := h.service.ChangePassword(t.Context(), actor(acc, session), account.Device{}, rightPassword, "another horse", true)
		wantCode(t, "after ten failures", err, curfew.CodeLimited, "")
		h.wantLimited("amara", homeAddr)
	})
}

func TestReauthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("amara", account.User)
		session, token := h.mustSignIn("amara", homeAddr)
		recent := func() bool {
			s, err := h.sessions.Check(t.Context(), token, curfew.Active)
			if err != nil {
				t.Fatal(err)
			}
			return h.service.IsRecent(s)
		}
		for range 2 {
			if !recent() {
				t.Error("a password just given is not recent")
			}
			for range 3 {
				time.Sleep(account.RecentFor / 3)
				recent() // keeps the session
			}
			if recent() {
				t.Errorf("a password is recent after %v", account.RecentFor)
			}
			err := h.service.Reauthenticate(t.Context(), actor(acc, session), wrongPassword)
			wantCode(t, "a wrong password", err, curfew.CodeDenied, "current_password")
			if recent() {
				t.Error("a wrong password is recent")
			}
			if err := h.service.Reauthenticate(t.Context(), actor(acc, session), rightPassword); err != nil {
				t.Error(err)
			}
		}
		h.fail(9, "amara", homeAddr) // the tenth was above
		err := h.service.Reauthenticate(t.Context(), actor(acc, session), rightPassword)
		wantCode(t, "after too many failures", err, curfew.CodeLimited, "")
		if _, err := h.sessions.End(t.Context(), session.ID, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
			t.Fatal(err)
		}
		err = h.service.Reauthenticate(t.Context(), actor(acc, session), rightPassword)
		if curfew.ErrorCode(err) != curfew.CodeEnded {
			t.Errorf("in an ended session: %v", err)
		}
	})
}

func TestChangePasswordNeedsASession(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.User)
	session, _ := h.mustSignIn("amara", homeAddr)
	if _, err := h.sessions.End(t.Context(), session.ID, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
		t.Fatal(err)
	}
	_, err := h.service.ChangePassword(t.Context(), actor(acc, session), account.Device{}, rightPassword, "another horse", true)
	if curfew.ErrorCode(err) != curfew.CodeEnded {
		t.Errorf("in an ended session: %v", err)
	}
	h.mustSignIn("amara", homeAddr)
}

// A sign-in tells from the time that the password is another one, so no two passwords may have the same.
func TestPasswordChangedAtMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("amara", account.User)
		for range 3 {
			if err := h.service.SetPassword(t.Context(), curfew.Actor{}, acc.ID, "another horse"); err != nil {
				t.Fatal(err)
			}
			now, err := h.service.Get(t.Context(), acc.ID)
			if err != nil || !now.PasswordChangedAt.After(acc.PasswordChangedAt) {
				t.Errorf("changed at %v, then at %v, error %v", acc.PasswordChangedAt, now.PasswordChangedAt, err)
			}
			acc = now
		}
	})
}

// stuck is a session store in which nothing can be ended for a while.
type stuck struct {
	curfew.Store
	err error
}

func (s *stuck) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if !sel.Due && s.err != nil {
		return 0, nil, s.err
	}
	return s.Store.End(ctx, now, sel, e)
}

// When an account has changed and its sessions could not be ended, the caller hears of it; doing it again does the rest.
func TestSecondStepFails(t *testing.T) {
	off := false
	steps := map[string]struct {
		reason curfew.Reason
		again  curfew.Code
		do     func(*account.Service, context.Context, curfew.UserID) error
	}{
		"disable": {curfew.ReasonAccountDisabled, curfew.CodeOK, func(s *account.Service, ctx context.Context, id curfew.UserID) error {
			_, err := s.Update(ctx, curfew.Actor{Name: "ines"}, id, account.Change{Enabled: &off})
			return err
		}},
		"password": {curfew.ReasonPasswordChanged, curfew.CodeOK, func(s *account.Service, ctx context.Context, id curfew.UserID) error {
			return s.SetPassword(ctx, curfew.Actor{Name: "ines"}, id, "another horse")
		}},
		"delete": {curfew.ReasonAccountDeleted, curfew.CodeNotFound, func(s *account.Service, ctx context.Context, id curfew.UserID) error {
			return s.Delete(ctx, curfew.Actor{Name: "ines"}, id)
		}},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			acc := h.add("amara", account.User)
			_, token := h.mustSignIn("amara", homeAddr)
			store := &stuck{h.kept, errors.New("cut off")}
			sessions, err := curfew.New(t.Context(), store, curfew.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer sessions.Close()
			service := account.New(h.accounts, sessions, account.Options{Logger: slog.New(slog.DiscardHandler), PasswordCost: cheap})

			if err := step.do(service, t.Context(), acc.ID); curfew.ErrorCode(err) != curfew.CodeUnavailable {
				t.Errorf("error %v, want unavailable", err)
			}
			store.err = nil
			if _, err := sessions.Check(t.Context(), token, curfew.Passive); err != nil {
				t.Errorf("the session ended after all: %v", err)
			}
			if err := step.do(service, t.Context(), acc.ID); curfew.ErrorCode(err) != step.again {
				t.Errorf("again: error %v, want code %q", err, step.again)
			}
			h.sessions = sessions
			h.wantEnded(step.reason, "ines", token)
		})
	}
}

// TestOwner asks for the accounts of sessions that should have ended with them: they end now.
func TestOwner(t *testing.T) {
	h := newHouse(t)
	amara := h.add("amara", account.User)
	session, _ := h.mustSignIn("amara", homeAddr)
	if acc, err := h.service.Owner(t.Context(), session); err != nil || acc.ID != amara.ID {
		t.Fatalf("an account as it should be: %+v, %v", acc, err)
	}
	for why, lose := range map[curfew.Reason]func(curfew.UserID) error{
		curfew.ReasonAccountDisabled: func(id curfew.UserID) error {
			_, err := h.accounts.UpdateAccount(t.Context(), h.sessions.Now(), id, false, func(a *account.Stored) error {
				a.Enabled = false
				return nil
			})
			return err
		},
		curfew.ReasonAccountDeleted: func(id curfew.UserID) error { return h.accounts.DeleteAccount(t.Context(), h.sessions.Now(), id) },
	} {
		name := string(why)
		acc := h.add(name, account.User)
		session, token := h.mustSignIn(name, homeAddr)
		if err := lose(acc.ID); err != nil {
			t.Fatal(err)
		}
		h.restart(cheap) // it has the account in memory
		_, err := h.service.Owner(t.Context(), session)
		if ended, ok := errors.AsType[*curfew.EndedError](err); !ok || ended.Ended.Ending.Reason != why {
			t.Errorf("%s: %v", why, err)
		}
		h.wantEnded(why, "", token)
	}
}

// A client that goes away in the middle leaves nothing half done.
func TestCancelledChangeIsWhole(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.User)
	_, token := h.mustSignIn("amara", homeAddr)
	ctx, cancel := context.WithCancel(t.Context())
	h.over(&meanwhile{h.accounts, cancel}, cheap)
	off := false
	if _, err := h.service.Update(ctx, curfew.Actor{Name: "ines"}, acc.ID, account.Change{Enabled: &off}); err != nil {
		t.Error(err)
	}
	h.wantEnded(curfew.ReasonAccountDisabled, "ines", token)
}

func TestRoles(t *testing.T) {
	if !slices.Equal(account.Roles, []account.Role{account.Admin, account.Auditor, account.User}) {
		t.Errorf("roles %v", account.Roles)
	}
	for role, may := range map[account.Role][2]bool{
		account.Admin: {true, true}, account.Auditor: {true, false}, account.User: {}, "": {}, "root": {},
	} {
		if got := [2]bool{role.SeesAll(), role.Manages()}; got != may {
			t.Errorf("%q sees all, manages: %v, want %v", role, got, may)
		}
	}
}
