package account_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func (h *house) unlock(id curfew.UserID) string {
	h.t.Helper()
	code, err := h.service.Unlock(h.t.Context(), curfew.Actor{Name: "test"}, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func TestUnlockEmptiesCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		amara := h.add("amara", account.Admin)
		h.add("arslan", account.User)
		b := &browser{h: h}
		b.mustSignIn("amara", homeAddr)
		h.fail(10, "arslan", awayAddr)
		h.fail(10, "amara", awayAddr)
		h.fail(10, "amara", homeAddr)
		for range 10 {
			b.signIn("amara", wrongPassword, addr(1))
		}
		h.unlock(amara.ID)
		h.fail(10, "amara", awayAddr)
		h.wantLimited("amara", awayAddr)
		h.mustSignIn("amara", homeAddr)
		b.mustSignIn("amara", addr(2))
		h.wantLimited("arslan", awayAddr)
	})
}

// The owner, who was never here, gets in while others go on guessing: on the device that used the code, and on no other.
func TestUnlockCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		amara, arslan := h.add("amara", account.Admin), h.add("arslan", account.User)
		code := h.unlock(amara.ID)
		h.fail(10, "amara", awayAddr)
		h.restart(cheap)

		own, other := &browser{h: h}, &browser{h: h}
		id, secret, _ := strings.Cut(code, "-")
		for _, wrong := range []string{
			"", "-", id, secret, id + "-", "-" + secret, code + "A", strings.ToLower(code), id + "-" + rand.Text(), "nobody-" + secret,
			string(arslan.ID) + "-" + secret, id + "/" + secret,
		} {
			if err := h.service.KnowDevice(t.Context(), wrong, other.device()); err != account.ErrUnlockCode {
				t.Errorf("code %q: %v", wrong, err)
			}
		}
		d := own.device()
		if err := h.service.KnowDevice(t.Context(), code, d); err != nil {
			t.Fatal(err)
		}
		own.keep(d)
		d = other.device()
		if err := h.service.KnowDevice(t.Context(), code, d); err != account.ErrUnlockCode {
			t.Errorf("the second time: %v", err)
		}
		other.keep(d)
		other.wantLimited("amara", addr(1))
		own.mustSignIn("amara", addr(1))
		h.fail(10, "arslan", awayAddr)
		own.wantLimited("arslan", addr(2))
		if text := h.log.String(); strings.Contains(text, secret) {
			t.Errorf("the log holds the code:\n%s", text)
		}
	})
}

func TestUnlockCodeLastsFifteenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		amara := h.add("amara", account.Admin)
		use := func(code string) error { return h.service.KnowDevice(t.Context(), code, (&browser{h: h}).device()) }
		first := h.unlock(amara.ID)
		second := h.unlock(amara.ID)
		if err := use(first); err != account.ErrUnlockCode {
			t.Errorf("replaced: %v", err)
		}
		time.Sleep(15*time.Minute - time.Millisecond)
		if err := use(second); err != nil {
			t.Errorf("just in time: %v", err)
		}
		third := h.unlock(amara.ID)
		time.Sleep(15 * time.Minute)
		if err := use(third); err != account.ErrUnlockCode {
			t.Errorf("too late: %v", err)
		}
	})
}

func TestUnlockRefuses(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	acc, off := h.add("arslan", account.User), false
	code := h.unlock(acc.ID)
	if _, err := h.service.Update(t.Context(), curfew.Actor{}, acc.ID, account.Change{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	_, err := h.service.Unlock(t.Context(), curfew.Actor{}, acc.ID)
	wantCode(t, "unlock a disabled account", err, curfew.CodeConflict, "")
	if err := h.service.Delete(t.Context(), curfew.Actor{}, acc.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.service.Unlock(t.Context(), curfew.Actor{}, acc.ID)
	wantCode(t, "unlock a deleted account", err, curfew.CodeNotFound, "")
	if err := h.service.KnowDevice(t.Context(), code, (&browser{h: h}).device()); err != account.ErrUnlockCode {
		t.Errorf("code of a deleted account: %v", err)
	}
}
