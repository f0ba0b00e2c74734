package account_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

func TestSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("Amara", account.Auditor)
		time.Sleep(time.Hour)
		s, token := h.mustSignIn(" AMARA ", homeAddr)
		want := curfew.User{ID: acc.ID, Name: "amara", FullName: "Full Amara"}
		if s.User != want || s.Credential != curfew.CredentialPassword || s.Client.Origin != homeAddr ||
			s.Lifetime != curfew.DefaultLifetime || s.Grace != curfew.DefaultGrace {
			t.Errorf("session %+v", s)
		}
		h.wantLive(token)
		got, err := h.service.ByName(t.Context(), "amara")
		if err != nil || !got.LastSignIn.Equal(s.CreatedAt) {
			t.Errorf("last sign-in %v, error %v; want %v", got.LastSignIn, err, s.CreatedAt)
		}
		if _, again := h.mustSignIn("amara", homeAddr); again == token {
			t.Error("two sign-ins got one token")
		}
	})
}

// Whatever is wrong, the answer is the same, and takes one look at the store and one hash.
func TestSignInFailuresAreAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		off := false
		if _, err := h.service.Update(t.Context(), curfew.Actor{}, h.add("arslan", account.User).ID, account.Change{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
		h.damage("ines")
		var hashes int
		account.CountHashes(h.service, &hashes)
		for _, c := range []struct{ name, password string }{
			{"amara", wrongPassword}, {"amara", ""}, {"amara", strings.Repeat("x", 5000)}, {"amara", "\xff"},
			{"nobody", rightPassword}, {"no such name!", rightPassword}, {"", ""}, {strings.Repeat("x", 5000), rightPassword},
			{"arslan", rightPassword}, {"arslan", wrongPassword}, {"ines", rightPassword},
		} {
			hashes = 0
			s, token, err := h.signIn(c.name, c.password, homeAddr)
			if err != account.ErrSignIn || s.ID != "" || token != (curfew.Token{}) {
				t.Errorf("%.20q with %.20q: error %v, want exactly ErrSignIn and no session", c.name, c.password, err)
			}
			if hashes != 1 {
				t.Errorf("%.20q with %.20q took %d hashes, want 1", c.name, c.password, hashes)
			}
		}
		if past, err := h.sessions.History(t.Context(), curfew.HistoryQuery{}); err != nil || len(past.Ended) != 0 {
			t.Errorf("history %v, error %v: a failure started a session", past.Ended, err)
		}
		hashes = 0
		if h.mustSignIn("amara", homeAddr); hashes != 1 {
			t.Errorf("a sign-in took %d hashes, want 1", hashes)
		}
		if n, err := h.sessions.Count(t.Context(), curfew.Query{}); err != nil || n.Sessions != 1 {
			t.Errorf("%d sessions, error %v; want the one of the sign-in", n.Sessions, err)
		}
	})
}

// damage adds an account whose password hash nobody can read.
func (h *house) damage(name string) {
	acc := h.add(name, account.User)
	_, err := h.accounts.UpdateAccount(h.t.Context(), time.Now(), acc.ID, false, func(a *account.Stored) error {
		a.PasswordHash = "rubbish"
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestLogHoldsNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		acc := h.add("amara", account.Admin)
		session, _ := h.mustSignIn("amara", homeAddr)
		h.fail(1, "amara", homeAddr)
		h.fail(1, rightPassword, homeAddr) // the password in the wrong field
		h.fail(1, "hunter2hunter2", homeAddr)
		if err := h.service.SetPassword(t.Context(), actor(acc, session), acc.ID, "another horse"); err != nil {
			t.Fatal(err)
		}
		log := h.log.String()
		for _, secret := range []string{rightPassword, wrongPassword, "hunter2", "another horse", "argon2"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
		for _, want := range []string{"user=amara", "user=(none)", "origin=" + homeAddr, "signed in", "sign-in refused"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
	})
}

func TestWeakHashIsReplaced(t *testing.T) {
	h := newHouse(t)
	acc := h.add("amara", account.Admin)
	before, _ := h.accounts.FindAccount(t.Context(), acc.ID, "")
	better := account.Cost{Memory: 16, Passes: 2, Threads: 1}
	h.restart(better)
	h.fail(1, "amara", homeAddr)
	if now, _ := h.accounts.FindAccount(t.Context(), acc.ID, ""); now.PasswordHash != before.PasswordHash {
		t.Error("a failed sign-in replaced the hash")
	}
	_, token := h.mustSignIn("amara", homeAddr)
	after, _ := h.accounts.FindAccount(t.Context(), acc.ID, "")
	if !strings.Contains(after.PasswordHash, "$m=16,t=2,p=1$") || !after.PasswordChangedAt.Equal(before.PasswordChangedAt) {
		t.Errorf("hash %s, changed at %v", after.PasswordHash, after.PasswordChangedAt)
	}
	h.restart(cheap)
	h.mustSignIn("amara", homeAddr)
	if now, _ := h.accounts.FindAccount(t.Context(), acc.ID, ""); now.PasswordHash != after.PasswordHash {
		t.Error("a stronger hash was replaced by a weaker one")
	}
	h.wantLive(token)
}

// A sign-in that overtakes a change of the account, or is overtaken by it, must not survive it.
func TestSignInRacesChanges(t *testing.T) {
	off := false
	changes := map[string]func(*house, account.Account) error{
		"disable": func(h *house, a account.Account) error {
			_, err := h.service.Update(h.t.Context(), curfew.Actor{}, a.ID, account.Change{Enabled: &off})
			return err
		},
		"delete": func(h *house, a account.Account) error {
			return h.service.Delete(h.t.Context(), curfew.Actor{}, a.ID)
		},
		"password": func(h *house, a account.Account) error {
			return h.service.SetPassword(h.t.Context(), curfew.Actor{}, a.ID, "another horse")
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			for i := range 200 {
				raceSignIn(h, h.add(numbered("user", i), account.User), addr(i), change)
			}
		})
	}
}

func raceSignIn(h *house, acc account.Account, addr string, change func(*house, account.Account) error) {
	var wg sync.WaitGroup
	var token curfew.Token
	var err error
	wg.Go(func() { _, token, err = h.signIn(acc.Name, rightPassword, addr) })
	wg.Go(func() {
		if err := change(h, acc); err != nil {
			h.t.Error(err)
		}
	})
	wg.Wait()
	if err != nil && err != account.ErrSignIn {
		h.t.Errorf("sign-in: %v", err)
	}
	if err == nil {
		if _, err := h.sessions.Check(h.t.Context(), token, curfew.Passive); err == nil {
			h.t.Error("the session outlived the change")
		}
	}
	if n, err := h.sessions.Count(h.t.Context(), curfew.Query{User: acc.ID}); err != nil || n.Sessions != 0 {
		h.t.Errorf("%d sessions are left, error %v", n.Sessions, err)
	}
}

// meanwhile is a store in which something happens right after a password was compared or a session started.
type meanwhile struct {
	account.Store
	happens func()
}

func (m *meanwhile) UpdateAccount(ctx context.Context, now time.Time, id curfew.UserID, keep bool, f func(*account.Stored) error, notes ...audit.Record) (account.Stored, error) {
	if m.happens != nil {
		happens := m.happens
		m.happens = nil
		happens()
	}
	return m.Store.UpdateAccount(ctx, now, id, keep, f, notes...)
}

// The moment between the start of the session and its confirmation, exactly.
func TestSignInIsOvertaken(t *testing.T) {
	off, lifetime, full := false, time.Hour, "New Name"
	ctx := t.Context()
	cases := map[string]struct {
		reason curfew.Reason // empty: the sign-in stands
		change func(*house, account.Account) error
	}{
		"disabled": {curfew.ReasonAccountDisabled, func(h *house, a account.Account) error {
			_, err := h.accounts.UpdateAccount(ctx, time.Now(), a.ID, true, func(a *account.Stored) error { a.Enabled = off; return nil })
			return err
		}},
		"deleted": {curfew.ReasonAccountDeleted, func(h *house, a account.Account) error {
			return h.accounts.DeleteAccount(ctx, time.Now(), a.ID)
		}},
		"password changed": {curfew.ReasonPasswordChanged, func(h *house, a account.Account) error {
			_, err := h.accounts.UpdateAccount(ctx, time.Now(), a.ID, true, func(a *account.Stored) error {
				a.PasswordChangedAt = a.PasswordChangedAt.Add(time.Millisecond)
				return nil
			})
			return err
		}},
		"lifetime changed": {"", func(h *house, a account.Account) error {
			_, err := h.accounts.UpdateAccount(ctx, time.Now(), a.ID, true, func(a *account.Stored) error {
				a.Lifetime, a.FullName = lifetime, full
				return nil
			})
			return err
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			acc := h.add("amara", account.User)
			h.over(&meanwhile{h.accounts, func() {
				if err := c.change(h, acc); err != nil {
					t.Error(err)
				}
			}}, cheap)
			s, token, err := h.signIn("amara", rightPassword, homeAddr)
			if c.reason == "" {
				if err != nil || s.Lifetime != lifetime || s.User.FullName != full {
					t.Errorf("lifetime %v, full name %q, error %v", s.Lifetime, s.User.FullName, err)
				}
				h.wantLive(token)
				return
			}
			if err != account.ErrSignIn {
				t.Errorf("error %v, want exactly ErrSignIn", err)
			}
			past, err := h.sessions.History(ctx, curfew.HistoryQuery{})
			if err != nil || len(past.Ended) != 1 || past.Ended[0].Ending.Reason != c.reason {
				t.Errorf("history %+v, error %v; want one session ended as %s", past.Ended, err, c.reason)
			}
		})
	}
}

// broken is a store that fails in some of its methods.
type broken struct {
	account.Store
	find, update, limit error
}

func (b *broken) FindAccount(ctx context.Context, id curfew.UserID, name string) (account.Stored, error) {
	if b.find != nil {
		return account.Stored{}, b.find
	}
	return b.Store.FindAccount(ctx, id, name)
}

func (b *broken) UpdateAccount(ctx context.Context, now time.Time, id curfew.UserID, keep bool, f func(*account.Stored) error, notes ...audit.Record) (account.Stored, error) {
	if b.update != nil {
		return account.Stored{}, b.update
	}
	return b.Store.UpdateAccount(ctx, now, id, keep, f, notes...)
}

func (b *broken) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error {
	if b.limit != nil {
		return b.limit
	}
	return b.Store.Limit(ctx, now, keys, f, notes...)
}

// Without the truth nobody gets in, and nobody is blamed for it.
func TestSignInWithBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		cut := errors.New("cut off")
		for name, b := range map[string]*broken{"find": {find: cut}, "update": {update: cut}, "limit": {limit: cut}} {
			b.Store = h.accounts
			h.over(b, cheap)
			for range 30 {
				_, token, err := h.signIn("amara", rightPassword, homeAddr)
				if token != (curfew.Token{}) || curfew.ErrorCode(err) != curfew.CodeUnavailable {
					t.Fatalf("%s broken: error %v, want unavailable", name, err)
				}
			}
		}
		h.restart(cheap)
		h.fail(10, "amara", homeAddr) // the whole burst is still there
		if n, err := h.sessions.Count(t.Context(), curfew.Query{}); err != nil || n.Sessions != 0 {
			t.Errorf("%d sessions are left, error %v", n.Sessions, err)
		}
	})
}
