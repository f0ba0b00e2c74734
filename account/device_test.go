package account_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

const day = 24 * time.Hour

// browser keeps its device as a browser does.
type browser struct {
	h      *house
	cookie *http.Cookie
}

func (b *browser) device() account.Device {
	r := httptest.NewRequest("POST", "/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	return account.DeviceOf(r)
}

func (b *browser) signIn(name, password, addr string) error {
	d := b.device()
	_, _, err := b.h.service.SignIn(b.h.t.Context(), account.Attempt{
		Name: name, Password: password, Client: curfew.Client{Origin: addr}, Device: d,
	})
	if err == nil {
		b.keep(d)
	}
	return err
}

func (b *browser) keep(d account.Device) {
	w := httptest.NewRecorder()
	account.SetDevice(w, httptest.NewRequest("POST", "/", nil), d)
	b.cookie = w.Result().Cookies()[0]
}

// invented is a browser with a device that nobody gave it.
func (h *house) invented() *browser {
	return &browser{h, &http.Cookie{Name: "curfew-device", Value: rand.Text()}}
}

func (b *browser) mustSignIn(name, addr string) {
	b.h.t.Helper()
	if err := b.signIn(name, rightPassword, addr); err != nil {
		b.h.t.Fatalf("%s from %s: %v", name, addr, err)
	}
}

func (b *browser) wantLimited(name, addr string) {
	b.h.t.Helper()
	if err := b.signIn(name, rightPassword, addr); curfew.ErrorCode(err) != curfew.CodeLimited {
		b.h.t.Fatalf("%s from %s: error %v, want a limit", name, addr, err)
	}
}

func TestDeviceCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		r, want := httptest.NewRequest("GET", "/", nil), "curfew-device=%s; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"
		if secure {
			r.TLS = &tls.ConnectionState{}
			want = "__Host-curfew-device=%s; Path=/; Max-Age=7776000; HttpOnly; Secure; SameSite=Lax"
		}
		w := httptest.NewRecorder()
		account.SetDevice(w, r, account.DeviceOf(r))
		k := w.Result().Cookies()[0]
		if got := w.Header().Get("Set-Cookie"); got != fmt.Sprintf(want, k.Value) {
			t.Errorf("Set-Cookie: %s", got)
		}
		r.AddCookie(&http.Cookie{Name: k.Name, Value: k.Value})
		w = httptest.NewRecorder()
		d := account.DeviceOf(r)
		account.SetDevice(w, r, d)
		if again := w.Result().Cookies()[0].Value; again != k.Value {
			t.Errorf("the device %s came back as %s", k.Value, again)
		}
		if s := fmt.Sprint(d); strings.Contains(s, k.Value) {
			t.Errorf("printed, a device is %s", s)
		}
	}
}

func TestDeviceCookieThatCanNotBeOurs(t *testing.T) {
	id := rand.Text()
	for name, line := range map[string]string{
		"none":       "",
		"empty":      "curfew-device=",
		"short":      "curfew-device=" + id[1:],
		"long":       "curfew-device=" + id + "A",
		"very long":  "curfew-device=" + strings.Repeat("A", 30_000),
		"lower case": "curfew-device=" + strings.ToLower(id),
		"digit":      "curfew-device=" + id[1:] + "1",
		"not ASCII":  "curfew-device=" + id[2:] + "é",
		"two":        "curfew-device=" + id + "; curfew-device=" + id,
		"two cases":  "curfew-device=" + id + "; Curfew-Device=" + id,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", line)
		w := httptest.NewRecorder()
		account.SetDevice(w, r, account.DeviceOf(r))
		if got := w.Result().Cookies()[0].Value; len(got) != len(id) || strings.Contains(line, got) {
			t.Errorf("%s: the device is %q, want a new one", name, got)
		}
	}
}

// While others guess from everywhere, the owner gets in at a new address from a browser used before.
func TestOwnerOnKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		h.add("mallory", account.User)
		own, mallorys := &browser{h: h}, &browser{h: h}
		own.mustSignIn("amara", homeAddr)
		mallorys.mustSignIn("mallory", awayAddr)
		h.fail(10, "amara", awayAddr)
		id := own.cookie.Value

		(&browser{h: h}).wantLimited("amara", addr(1))
		h.invented().wantLimited("amara", addr(2))
		mallorys.wantLimited("amara", addr(3)) // another account's device is no better
		own.mustSignIn("amara", addr(4))
		h.restart(cheap)
		own.mustSignIn("amara", addr(5))
		if own.cookie.Value != id {
			t.Error("the browser has got another device")
		}

		for range 10 { // a stolen cookie does not guess without end either
			if err := own.signIn("amara", wrongPassword, addr(6)); err != account.ErrSignIn {
				t.Fatal(err)
			}
		}
		own.wantLimited("amara", addr(7))
		h.mustSignIn("amara", homeAddr) // the source that is known counts by itself

		for range 2 {
			h.shutFor(90*day - time.Second)
			h.fail(10, "amara", awayAddr)
			own.mustSignIn("amara", addr(8)) // still known, and from now on for another 90 days
		}
		h.shutFor(90 * day)
		h.fail(10, "amara", awayAddr)
		own.wantLimited("amara", addr(9))
	})
}

// One browser may be known to many accounts; a failure on one says nothing about the others.
func TestDeviceOfManyAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		h.add("arslan", account.User)
		b := &browser{h: h}
		b.mustSignIn("amara", homeAddr)
		id := b.cookie.Value
		b.mustSignIn("arslan", homeAddr)
		if b.cookie.Value != id {
			t.Error("the second account gave the browser another device")
		}
		for _, name := range []string{"amara", "arslan"} {
			h.fail(10, name, awayAddr)
			b.mustSignIn(name, addr(1))
		}
	})
}

// All devices together get no further at one source than the source does.
func TestManyKnownDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		failed := 0
		for range 10 {
			b := &browser{h: h}
			b.mustSignIn("amara", homeAddr)
			for range 10 {
				if b.signIn("amara", wrongPassword, awayAddr) == account.ErrSignIn {
					failed++
				}
			}
		}
		if failed != 50 {
			t.Errorf("%d guesses from one source, want 50", failed)
		}
		(&browser{h: h}).wantLimited("amara", awayAddr)
	})
}

// keysOf counts the keys that begin so.
func (c *counting) keysOf(prefix string) (n int) {
	for key := range c.live {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// Invented devices leave nothing behind, and take nothing away.
func TestFloodOfDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		store := &counting{Store: h.accounts, live: map[string]time.Time{}}
		h.over(store, cheap)
		own := &browser{h: h}
		own.mustSignIn("amara", homeAddr)
		before := store.keysOf("known/")
		for i := range 5_000 {
			if err := h.invented().signIn("amara", wrongPassword, addr(i)); err == nil {
				t.Fatal("a wrong password is right")
			}
		}
		if known := store.keysOf("known/"); known != before || store.most > 20 {
			t.Errorf("%d known keys, before %d; at most %d of all kinds", known, before, store.most)
		}
		own.mustSignIn("amara", addr(1))
	})
}

// asked is a store that knows the keys it was asked for.
type asked struct {
	account.Store
	keys []string
}

func (a *asked) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error {
	a.keys = append(a.keys, keys...)
	return a.Store.Limit(ctx, now, keys, f, notes...)
}

func TestNothingIsAskedOfADeviceThatCanNotBeOurs(t *testing.T) {
	h := newHouse(t)
	for line, want := range map[string]bool{"": false, "nonsense": false, rand.Text(): true} {
		store := &asked{Store: h.accounts}
		h.over(store, cheap)
		b := &browser{h, &http.Cookie{Name: "curfew-device", Value: line}}
		if err := b.signIn("nobody", wrongPassword, homeAddr); err != account.ErrSignIn {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(store.keys, " "), "device"); got != want {
			t.Errorf("cookie %q: asked for %q", line, store.keys)
		}
	}
}

// Who signs in without end and keeps no cookies does not fill the store.
func TestKnownDevicesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		store := &counting{Store: h.accounts, live: map[string]time.Time{}}
		h.over(store, cheap)
		own := &browser{h: h}
		own.mustSignIn("amara", homeAddr)
		for range 200 {
			(&browser{h: h}).mustSignIn("amara", homeAddr)
		}
		if n := store.keysOf("known/"); n != 52 { // 50 devices, their counter, and the source
			t.Errorf("%d keys of what the account knows, want 52", n)
		}
		late := &browser{h: h}
		late.mustSignIn("amara", homeAddr)
		h.fail(10, "amara", awayAddr)
		late.wantLimited("amara", addr(1))
		own.mustSignIn("amara", addr(2))
	})
}

// What names exist can't be told by a device.
func TestDevicesTellNoNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.add("amara", account.Admin)
		h.mustSignIn("amara", homeAddr)
		for _, name := range []string{"amara", "nobody"} {
			b := h.invented()
			var answers []string
			for i := range 12 {
				answers = append(answers, b.signIn(name, wrongPassword, addr(i)).Error())
			}
			want := strings.Repeat(account.ErrSignIn.Message+"\n", 10) + strings.Repeat("Too many failed attempts. Try again in 60 seconds.\n", 2)
			if got := strings.Join(answers, "\n") + "\n"; got != want {
				t.Errorf("%s:\n%s", name, got)
			}
		}
	})
}

// With a new password the account forgets all sources and devices, but those where the owner changed it.
func TestNewPasswordForgets(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *house, acc account.Account, here account.Device, s curfew.Session) error
		here   bool
	}{
		"by the owner": {func(h *house, acc account.Account, here account.Device, s curfew.Session) error {
			_, err := h.service.ChangePassword(h.t.Context(), actor(acc, s), here, rightPassword, rightPassword, false)
			return err
		}, true},
		"by an admin": {func(h *house, acc account.Account, _ account.Device, _ curfew.Session) error {
			return h.service.SetPassword(h.t.Context(), curfew.Actor{}, acc.ID, rightPassword)
		}, false},
		"a namesake": {func(h *house, acc account.Account, _ account.Device, _ curfew.Session) error {
			if err := h.service.Delete(h.t.Context(), curfew.Actor{}, acc.ID); err != nil {
				return err
			}
			h.add(acc.Name, account.User)
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.add("admin", account.Admin)
				acc := h.add("amara", account.User)
				here, there := &browser{h: h}, &browser{h: h}
				here.mustSignIn("amara", homeAddr)
				there.mustSignIn("amara", awayAddr)
				session, _ := h.mustSignIn("amara", homeAddr)
				if err := c.change(h, acc, here.device(), session); err != nil {
					t.Fatal(err)
				}
				h.fail(10, "amara", addr(1))
				there.wantLimited("amara", addr(2))
				h.wantLimited("amara", awayAddr)
				if c.here {
					here.mustSignIn("amara", addr(3))
					h.mustSignIn("amara", homeAddr)
				} else {
					here.wantLimited("amara", addr(3))
					h.wantLimited("amara", homeAddr)
				}
			})
		})
	}
}
