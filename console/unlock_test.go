package console

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
)

const deviceCookie = "curfew-device"

func TestSignInKeepsTheDevice(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	h.add("arslan", account.User)
	c := h.client()
	wantStatus(t, c.post("/signin", url.Values{"username": {"amara"}, "password": {"wrong"}}), http.StatusUnauthorized)
	if c.cookies[deviceCookie] != "" {
		t.Error("a failed sign-in made a device")
	}
	c.post("/signin", url.Values{"username": {"amara"}, "password": {password}})
	device := c.cookies[deviceCookie]
	c.post("/signout", nil)
	c.post("/signin", url.Values{"username": {"arslan"}, "password": {password}})
	if device == "" || c.cookies[deviceCookie] != device {
		t.Errorf("the device was %q and is %q", device, c.cookies[deviceCookie])
	}
	c.post("/account/password", url.Values{"current_password": {password}, "password": {"another " + password}, "repeat": {"another " + password}})
	if c.cookies[deviceCookie] != device {
		t.Errorf("the device was %q and is %q after a change of the password", device, c.cookies[deviceCookie])
	}
}

// The link alone does nothing, however often it is opened. The button makes the browser known, once.
func TestUnlock(t *testing.T) {
	h := newHouse(t)
	amara := h.add("amara", account.User)
	code, err := h.accounts.Unlock(t.Context(), nobody, amara.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := h.client()
	for range 2 {
		w := c.get("/unlock?code=" + code)
		wantStatus(t, w, http.StatusOK)
		wantText(t, w, "In this browser you can sign in all the same.")
		if len(c.cookies) != 0 {
			t.Errorf("opening the link set %v", c.cookies)
		}
	}
	wantStatus(t, c.post("/unlock", url.Values{"code": {code + "x"}}), http.StatusForbidden)
	wantLocation(t, c.post("/unlock", url.Values{"code": {code}}), "/signin")
	wantText(t, c.get("/signin"), "You can sign in with this browser now.")
	wantLocation(t, c.get("/sessions"), "/signin")

	w := h.client().post("/unlock", url.Values{"code": {code}})
	wantStatus(t, w, http.StatusForbidden)
	wantText(t, w, "This link is wrong, used, or older than 15 minutes. Ask an administrator for a new one.")
	for range 10 {
		h.client().post("/signin", url.Values{"username": {"amara"}, "password": {"wrong"}})
	}
	signIn := url.Values{"username": {"amara"}, "password": {password}}
	wantStatus(t, h.client().post("/signin", signIn), http.StatusTooManyRequests)
	wantLocation(t, c.post("/signin", signIn), "/sessions")
}

func TestUnlockLinkIsTooOld(t *testing.T) {
	h := newHouse(t)
	code, err := h.accounts.Unlock(t.Context(), nobody, h.add("amara", account.User).ID)
	if err != nil {
		t.Fatal(err)
	}
	h.pass(15 * time.Minute)
	c := h.client()
	wantStatus(t, c.post("/unlock", url.Values{"code": {code}}), http.StatusForbidden)
	wantStatus(t, c.get("/unlock"), http.StatusForbidden)
	if len(c.cookies) != 0 {
		t.Errorf("a link that is no good set %v", c.cookies)
	}
}
